"""What a question asks of accounts, read into a filter, and said back in words."""

from typing import Any

from sqlmodel import Session, select

from storage.models import User
from tools.account_query import AccountFilter
from tools.context import Context
from tools.facts import money
from tools.names import find_colleague


def wanted_accounts(
    ctx: Context,
    session: Session,
    owner: str | None = None,
    band: list[Any] | None = None,
    without: list[str] | None = None,
    **given: Any,
) -> tuple[AccountFilter, User | None]:
    """Read a tool's arguments into a filter; returns also the colleague whose accounts are asked for.

    Raises:
        UserError: there is no such colleague, or several are.
    """
    person = find_colleague(ctx, session, owner) if owner else None
    words = tuple(without or ())
    left_out = _emails(session, words) if words else ()
    wanted = AccountFilter(
        owner_email=person.email if person else None, band=tuple(band or ()), without=left_out, **given
    )
    return wanted, person


def _emails(session: Session, words: tuple[str, ...]) -> tuple[str, ...]:
    """Put the email in place of a colleague's name; other words stay."""
    known = {name.lower(): email for name, email in session.exec(select(User.name, User.email)).all()}
    known |= {name.split()[0]: email for name, email in known.items()}
    return tuple(known.get(word.lower(), word) for word in words)


def title_of(wanted: AccountFilter, person: User | None, total: int) -> str:
    """Say what is listed, to follow a number: "mid market accounts at risk, owned by Dana Reyes"."""
    state = {True: "at risk", False: "healthy", None: ""}[wanted.at_risk]
    if wanted.band:
        state = " or ".join(name.replace("_", " ") for name in wanted.band)
    noun = "account" if total == 1 else "accounts"
    plan = f"on {wanted.plan}" if wanted.plan else ""
    first = " ".join(part for part in ((wanted.segment or "").replace("_", " "), noun, plan, state) if part)
    low, high = wanted.min_arr, wanted.max_arr
    rest = [
        wanted.industry and f"in {wanted.industry.replace('_', ' ')}",
        wanted.country and f"in {wanted.country}",
        wanted.stage and f"in the stage {wanted.stage.replace('_', ' ')}",
        person and f"owned by {person.name}",
        _renewal(wanted),
        wanted.started_within_days is not None and f"new within {wanted.started_within_days} days",
        low is not None and f"ARR from {money(low)}",
        high is not None and f"ARR up to {money(high)}",
        wanted.min_health is not None and f"health from {wanted.min_health:g}",
        wanted.max_health is not None and f"health up to {wanted.max_health:g}",
        wanted.trend and f"health {wanted.trend}",
        wanted.without and f"without {', '.join(word.replace('_', ' ') for word in wanted.without)}",
    ]
    return ", ".join([first, *(str(part) for part in rest if part)])


def _renewal(wanted: AccountFilter) -> str | None:
    days, start = wanted.renewal_within_days, wanted.renewal_from_days
    if days is None:
        return None
    return f"renewing in {start} to {days} days" if start else f"renewing within {days} days"
