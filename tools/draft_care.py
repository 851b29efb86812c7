"""What else colleagues do with open drafts: let them rest, hand them over, write them anew; what expires and wakes."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import and_, or_, update
from sqlmodel import Session, col, select

from storage.database import changed_one
from storage.models import Draft, DraftState, Role
from tools.approvals import OPEN, get_draft, how_it_stands, load, may_approve, record, still_open
from tools.context import RANKS, Context
from tools.drafts import EXPIRES_AFTER, DraftCard, draft_card
from tools.errors import NotAllowedError, StaleError, UserError
from tools.names import find_colleague
from tools.renewing import composed_again

LONGEST_SNOOZE = 60  # days


def waiting_for(ctx: Context) -> list[int]:
    """Return the ids of open drafts that the actor can decide, the oldest first: their own and those handed to them."""
    ctx.require(Role.CSM)
    unhanded = and_(col(Draft.handed_to).is_(None), col(Draft.sender) == ctx.actor.email)
    mine = or_(col(Draft.handed_to) == ctx.actor.email, unhanded)
    with ctx.session() as session:
        found = session.exec(
            select(Draft)
            .where(Draft.state == DraftState.DRAFTED, col(Draft.expires_at) > ctx.now(), mine)
            .order_by(col(Draft.id))
        ).all()
        return [draft.id or 0 for draft in found if _is_allowed(ctx, draft)]


def snooze(ctx: Context, draft_id: int, seen_hash: str, days: int) -> DraftCard:
    """Put a draft aside for some days; it comes back by itself, and expires a week after that."""
    ctx.require(Role.CSM)
    if not 1 <= days <= LONGEST_SNOOZE:
        raise UserError(f"A draft can rest 1 to {LONGEST_SNOOZE} days.")
    with ctx.session() as session:
        draft = load(session, draft_id)
        until = ctx.now() + timedelta(days=days)
        values = {"state": DraftState.SNOOZED, "snoozed_until": until, "expires_at": until + EXPIRES_AFTER}
        _change(ctx, session, draft, seen_hash, "snooze", values)
        session.commit()
        return draft_card(session, load(session, draft_id))


def hand_over(ctx: Context, draft_id: int, seen_hash: str, colleague: str) -> DraftCard:
    """Give a draft to a colleague for the decision; who asked for it stays who asked for it."""
    ctx.require(Role.CSM)
    with ctx.session() as session:
        draft = load(session, draft_id)
        person = find_colleague(ctx, session, colleague)
        if person.email == (draft.handed_to or ""):
            raise UserError(f"{person.name} has it already.")
        if RANKS[Role(person.role)] < RANKS[Role(draft.approver_role)]:
            raise UserError(f"{person.name} may not decide it: it needs the role {draft.approver_role}.")
        _change(ctx, session, draft, seen_hash, "hand_over", {"handed_to": person.email})
        session.commit()
        return draft_card(session, load(session, draft_id))


def refresh_draft(ctx: Context, draft_id: int, seen_hash: str) -> DraftCard:
    """Write an open draft again from today's facts; what was edited in it is replaced.

    Raises:
        UserError: the facts do not hold enough for a message any more.
    """
    ctx.require(Role.CSM)
    with ctx.session() as session:
        draft = load(session, draft_id)
        fresh = composed_again(ctx, session, draft)
        renewed = ("subject", "body", "content_hash", "facts", "recipient", "contact_id")
        values = {name: getattr(fresh, name) for name in renewed}
        values["expires_at"] = ctx.now() + EXPIRES_AFTER
        _change(ctx, session, draft, seen_hash, "refresh", values)
        session.commit()
        return draft_card(session, load(session, draft_id))


def wake_snoozed(ctx: Context) -> list[DraftCard]:
    """Open the drafts again whose rest is over. Returns them."""
    with ctx.session() as session:
        due = session.exec(
            select(Draft.id).where(Draft.state == DraftState.SNOOZED, col(Draft.snoozed_until) <= ctx.now())
        ).all()
        woken = []
        for draft_id in due:
            still = (col(Draft.id) == draft_id, col(Draft.state) == DraftState.SNOOZED)
            if changed_one(session, update(Draft).where(*still).values(state=DraftState.DRAFTED, snoozed_until=None)):
                record(ctx, session, draft_id or 0, "wake", {"state": "snoozed"}, {"state": "drafted"})
                woken.append(draft_id or 0)
        session.commit()
    return [get_draft(ctx, draft_id) for draft_id in woken]


def expire_drafts(ctx: Context) -> list[DraftCard]:
    """Close the drafts that nobody decided in time. Returns them as they stand now."""
    with ctx.session() as session:
        due = session.exec(select(Draft).where(col(Draft.state).in_(OPEN), col(Draft.expires_at) <= ctx.now())).all()
        for draft in due:
            statement = update(Draft).where(col(Draft.id) == draft.id, col(Draft.state).in_(OPEN))
            if changed_one(session, statement.values(state=DraftState.EXPIRED)):
                record(ctx, session, draft.id or 0, "expire", {"state": draft.state}, {"state": "expired"})
        session.commit()
        for draft in due:
            session.refresh(draft)
        return [draft_card(session, draft) for draft in due]


def _is_allowed(ctx: Context, draft: Draft) -> bool:
    try:
        may_approve(ctx, draft)
    except NotAllowedError:
        return False
    return True


def _change(ctx: Context, session: Session, draft: Draft, seen_hash: str, action: str, values: dict[str, Any]) -> None:
    """Change an open draft that is as the person saw it, and record what it was before."""
    before = {name: _plain(getattr(draft, name)) for name in values if name != "facts"}
    statement = update(Draft).where(*still_open(draft.id or 0, seen_hash, ctx.now()))
    if not changed_one(session, statement.values(**values)):
        raise StaleError(how_it_stands(draft, seen_hash, ctx.now()))
    after = {name: _plain(value) for name, value in values.items() if name != "facts"}
    record(ctx, session, draft.id or 0, action, before, after)
    session.expire(draft)


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value
