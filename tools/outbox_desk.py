"""What waits in the outbox, what could not be delivered, and a person's decision on it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import update
from sqlmodel import Session, col, func, select

from storage.database import changed_one
from storage.models import Account, Audit, Contact, Draft, DraftState, Outbox, Role
from storage.outbox_statements import NEVER
from tools.context import Context
from tools.errors import StaleError, UserError
from tools.facts import plural

LISTED = 12
# In this order: what needs a person comes first.
STATES = (DraftState.UNCLEAR, DraftState.FAILED, DraftState.SENDING, DraftState.APPROVED)


@dataclass(frozen=True)
class Entry:
    """One message that has not arrived yet."""

    id: int
    state: DraftState
    account: str
    contact: str
    recipient: str
    channel: str
    subject: str
    reason: str
    attempts: int
    next_at: datetime


@dataclass(frozen=True)
class Desk:
    """The first entries, and how many there are in each state."""

    entries: tuple[Entry, ...]
    counts: dict[DraftState, int]

    @property
    def text(self) -> str:
        """A sentence."""
        if not self.counts:
            return "The outbox is empty: every approved message has left."
        names = {DraftState.APPROVED: "waiting", DraftState.FAILED: "not delivered"}
        said = [f"{self.counts[state]:,} {names.get(state, state)}" for state in STATES if state in self.counts]
        return f"In the outbox: {', '.join(said)}."


def outbox_desk(ctx: Context) -> Desk:
    """List the messages that wait, failed or are unclear, with the reason; the ones that need a person first."""
    order = {state: place for place, state in enumerate(STATES)}
    with ctx.session() as session:
        mine = col(Draft.state).in_(STATES)
        counted = session.exec(
            select(Draft.state, func.count()).join(Outbox, col(Outbox.draft_id) == col(Draft.id)).where(mine)
            .group_by(Draft.state)
        ).all()  # fmt: skip
        counts = {DraftState(state): number for state, number in counted}
        entries = [entry for state in sorted(counts, key=order.__getitem__) for entry in _entries(session, state)]
    return Desk(tuple(entries[:LISTED]), counts)


def send_again(ctx: Context, draft_id: int) -> str:
    """Give a message that failed, or is unclear, another attempt; the provider gets the same key, and may know it.

    Raises:
        StaleError: it is neither.
    """
    values = {"next_attempt_at": ctx.now(), "lease_until": None}
    return _decide(ctx, draft_id, (DraftState.FAILED, DraftState.UNCLEAR), DraftState.APPROVED, "send_again", values)


def mark_as_sent(ctx: Context, draft_id: int) -> str:
    """Say of a message that is unclear that it has arrived.

    Raises:
        StaleError: it is not unclear.
    """
    values = {"sent_at": ctx.now(), "next_attempt_at": NEVER, "lease_until": None}
    return _decide(ctx, draft_id, (DraftState.UNCLEAR,), DraftState.SENT, "mark_as_sent", values)


def _decide(
    ctx: Context, draft_id: int, sources: tuple[DraftState, ...], to: DraftState, action: str, values: dict[str, Any]
) -> str:
    ctx.require(Role.CSM)
    with ctx.session() as session:
        draft = session.get(Draft, draft_id)
        if draft is None:
            raise UserError(f"There is no message {draft_id} in the outbox.")
        ctx.require(Role(draft.approver_role))
        before = draft.state
        still = (col(Draft.id) == draft_id, col(Draft.state) == before, col(Draft.state).in_(sources))
        if not changed_one(session, update(Draft).where(*still).values(state=to, reason=None)):
            raise StaleError(f"Message {draft_id} is {before} by now; nothing was changed.")
        changed_one(session, update(Outbox).where(col(Outbox.draft_id) == draft_id).values(**values))
        row = Audit(at=ctx.now(), actor=ctx.actor.email, action=f"draft.{action}", subject=f"draft:{draft_id}")
        row.before, row.after = {"state": before, "reason": draft.reason}, {"state": to}
        session.add(row)
        name = session.get_one(Contact, draft.contact_id).name
        session.commit()
    return f"The message to {name} {'is tried again' if to is DraftState.APPROVED else 'counts as sent'}."


def _entries(session: Session, state: DraftState) -> list[Entry]:
    rows = session.exec(
        select(Draft, Outbox, Contact.name, Account.name)
        .join(Outbox, col(Outbox.draft_id) == col(Draft.id))
        .join(Contact, col(Contact.id) == col(Draft.contact_id))
        .join(Account, col(Account.id) == col(Draft.account_id))
        .where(Draft.state == state)
        .order_by(col(Outbox.next_attempt_at), col(Outbox.id))
        .limit(LISTED)
    ).all()
    return [
        Entry(
            d.id or 0, state, account, contact, d.recipient, d.channel, d.subject,
            d.reason or o.last_error or "", o.attempts, o.next_attempt_at,
        )
        for d, o, contact, account in rows
    ]  # fmt: skip


def attempts_said(entry: Entry) -> str:
    """Say how often it was tried, and when again."""
    tried = f"tried {plural(entry.attempts, 'time')}" if entry.attempts else "not tried yet"
    return f"{tried}, next at {entry.next_at:%Y-%m-%d %H:%M} UTC" if entry.state == DraftState.APPROVED else tried
