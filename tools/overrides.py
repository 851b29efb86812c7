"""A CSM's own judgement in place of a computed health score: noted, dated, ended by itself."""

from datetime import timedelta

from sqlalchemy import and_, update
from sqlmodel import Session, col

from scoring.scorecard import Scorecard
from storage import queries
from storage.models import Account, Audit, HealthOverride, Role
from tools.account_query import scored_day
from tools.accounts import band_words
from tools.context import Context
from tools.errors import UserError

SHORTEST, LONGEST = 30, 90  # days
LONGEST_NOTE = 1000


def set_override(
    ctx: Context, account_id: int, band: str | None, value: float | None, note: str, days: int
) -> HealthOverride:
    """Put a judgement in place of the account's computed score; an earlier one ends.

    Args:
        band: a band of the account's scorecard; left out, the one that `value` lies in.
        value: 0-100; left out, only the band is set.
        note: why, mandatory.
        days: until it ends by itself, 30 to 90.

    Raises:
        UserError: naming what is wrong.
        NotAllowedError: for viewers.
    """
    ctx.require(Role.CSM)
    with ctx.session() as session:
        account = _account(session, account_id)
        card = ctx.scorecards.of(account.segment)
        band = _checked(card, band, value, note, days)
        start = scored_day(ctx, session)
        made = HealthOverride(
            account_id=account_id,
            value=value,
            band=band,
            note=note.strip(),
            by=ctx.actor.name,
            at=ctx.now(),
            starts_on=start,
            expires_on=start + timedelta(days=days),
        )
        _end(ctx, session, account_id)
        session.add(made)
        _log(ctx, session, account_id, "health.overridden", {"band": band, "value": value, "note": note.strip()})
        session.commit()
        session.refresh(made)
        session.expunge(made)
    return made


def end_override(ctx: Context, account_id: int) -> str:
    """Take a judgement back, so that the computed score counts again. Returns what happened, in words."""
    ctx.require(Role.CSM)
    with ctx.session() as session:
        account = _account(session, account_id)
        ended = _end(ctx, session, account_id)
        if ended:
            _log(ctx, session, account_id, "health.override_ended", {})
        session.commit()
        return f"The computed score of {account.name} counts again." if ended else "No override was in force."


def _checked(card: Scorecard, band: str | None, value: float | None, note: str, days: int) -> str:
    if not note.strip():
        raise UserError("Say why: an override needs a note.")
    if len(note) > LONGEST_NOTE:
        raise UserError(f"The note is longer than {LONGEST_NOTE:,} characters.")
    if not SHORTEST <= days <= LONGEST:
        raise UserError(f"An override lasts {SHORTEST} to {LONGEST} days.")
    if value is not None and not 0 <= value <= 100:
        raise UserError("A health score lies between 0 and 100.")
    meant = card.band(value) if band is None else band
    names = [known.name for known in card.bands]
    if meant not in names:
        raise UserError(f"“{card.title}” has the bands {', '.join(map(band_words, names))}.")
    if value is not None and card.band(value) != meant:
        raise UserError(f"{value:g} lies in the band {band_words(card.band(value))}, not {band_words(meant)}.")
    return str(meant)


def _account(session: Session, account_id: int) -> Account:
    account = session.get(Account, account_id)
    if account is None:
        raise UserError("That account is no longer here.")
    return account


def _end(ctx: Context, session: Session, account_id: int) -> bool:
    today = scored_day(ctx, session)
    holds = and_(col(HealthOverride.account_id) == account_id, *queries.override_holds(HealthOverride, today))
    result = session.execute(update(HealthOverride).where(holds).values(ended_on=today))
    return bool(result.rowcount)  # type: ignore[attr-defined]


def _log(ctx: Context, session: Session, account_id: int, action: str, after: dict[str, object]) -> None:
    session.add(Audit(at=ctx.now(), actor=ctx.actor.email, action=action, subject=f"account:{account_id}", after=after))
