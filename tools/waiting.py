"""What waits for a decision or was decided: drafts by state, and the digests of channels."""

from dataclasses import dataclass
from typing import Any, Literal

from sqlmodel import col, func, select

from storage.models import Account, Draft, DraftState, Outbox
from tools.account_query import scored_day
from tools.context import Context
from tools.digests import subscriptions
from tools.facts import FactSheet, Listing, day, plural
from tools.names import find_colleague, resolve_account

State = Literal["waiting", "approved", "sent", "rejected", "failed", "expired"]
STATES: dict[State, tuple[DraftState, ...]] = {
    "waiting": (DraftState.DRAFTED, DraftState.SNOOZED),
    "approved": (DraftState.APPROVED, DraftState.SENDING),
    "sent": (DraftState.SENT,),
    "rejected": (DraftState.REJECTED, DraftState.CANCELLED),
    "failed": (DraftState.FAILED, DraftState.UNCLEAR),
    "expired": (DraftState.EXPIRED,),
}
MOST_ROWS = 30
SOURCE = "draft"


@dataclass(frozen=True)
class DraftList(Listing):
    """Drafts of one state."""

    state: State = "waiting"


def list_drafts(
    ctx: Context, state: State = "waiting", owner: str | None = None, account: str | None = None
) -> DraftList:
    """List drafts: those that wait for an approval, or were approved, sent, rejected, or could not be sent.

    Args:
        state: waiting for a decision, or what became of them.
        owner: whose accounts they are for; "me" for the person who asks.
        account: only this account's.
    """
    with ctx.session() as session:
        where: list[Any] = [col(Draft.state).in_(STATES[state])]
        whose = ""
        if account:
            found = resolve_account(session, account, scored_day(ctx, session))
            where, whose = [*where, Draft.account_id == found.id], f" for {found.name}"
        if owner:
            person = find_colleague(ctx, session, owner)
            where = [*where, func.lower(Account.owner_email) == person.email.lower()]
            whose += f" for accounts of {person.name}"
        joined = select(Draft, Account.name, Outbox.sent_at).join(Account, col(Account.id) == col(Draft.account_id))
        joined = joined.outerjoin(Outbox, col(Outbox.draft_id) == col(Draft.id)).where(*where)
        total = session.exec(
            select(func.count(col(Draft.id))).join(Account, col(Account.id) == col(Draft.account_id)).where(*where)
        ).one()
        rows = session.exec(joined.order_by(col(Draft.created_at).desc()).limit(MOST_ROWS)).all()
    sheet = FactSheet(ctx.today())
    sheet.add("drafts", f"drafts {state}", total, "drafts", SOURCE)
    shown = []
    for draft, name, sent_at in rows:
        on = sent_at if state == "sent" and sent_at else draft.created_at
        sheet.add(name, f"draft {state}: {draft.subject}", on.date(), "date", SOURCE)
        until = f"until {day(draft.expires_at.date())}" if state == "waiting" else (draft.reason or "")
        shown.append((name, draft.subject, draft.purpose.replace("_", " "), day(on.date()), until))
    head = ("Account", "Subject", "Purpose", "Since" if state == "waiting" else "On", "")
    ids = tuple(dict.fromkeys(draft.account_id for draft, _, _ in rows))
    text = f"{_counted(total, state)}{whose}."
    caption = f"Drafts {state}"
    return DraftList(text, tuple(sheet), ids, caption, head, tuple(shown), total, state=state)


def _counted(total: int, state: State) -> str:
    if not total:
        return "No draft waits for a decision" if state == "waiting" else f"No draft is {state}"
    said = {"waiting": ("waits for a decision", "wait for a decision")}.get(state, (f"is {state}", f"are {state}"))
    return f"{plural(total, 'draft')} {said[total != 1]}"


def list_digests(ctx: Context) -> Listing:
    """List the channels that get the daily at-risk digest, with its hour, time zone and filters."""
    found = subscriptions(ctx)
    sheet = FactSheet(ctx.today())
    sheet.add("digests", "channels with a digest", len(found), "channels", "digest_subscription")
    rows = tuple((f"#{each.channel}", f"{each.hour}:00", each.time_zone) for each in found)
    for each in found:
        sheet.add(each.channel, "hour of the digest", each.hour, "hour", "digest_subscription")
    text = (
        f"{plural(len(found), 'channel')} get the daily digest."
        if found
        else "No channel gets the daily digest yet. Start one with `/tend digest here 8` in a channel."
    )
    return Listing(text, tuple(sheet), (), "Daily digests", ("Channel", "At", "Time zone"), rows, len(found))
