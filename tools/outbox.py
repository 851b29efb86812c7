"""Approved messages on their way: claim one, pass the gate, record what became of it."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import update
from sqlmodel import Session, col, select

from storage.database import changed_one
from storage.models import Audit, Contact, Draft, DraftState, Outbox
from tools.context import Context
from tools.drafts import DraftCard, draft_card
from tools.gate import Verdict, judge

SENDING_LEASE = timedelta(minutes=5)  # longer than any sender's own time-out
FIRST_WAIT, LONGEST_WAIT = timedelta(seconds=30), timedelta(hours=1)
MOST_ATTEMPTS = 12


@dataclass(frozen=True)
class Parcel:
    """One message to hand to a sender, exactly as approved."""

    draft_id: int
    idempotency_key: str
    channel: str
    recipient: str
    recipient_name: str
    sender: str
    sender_name: str
    subject: str
    body: str


def claim_next(ctx: Context) -> Parcel | None:
    """Take the next due message for sending, or None. `sending` is on disk before the caller sends.

    A message that does not pass the gate is cancelled with the reason, and the next one is tried.
    """
    with ctx.session() as session:
        while (entry := _next_due(session, ctx.now())) is not None:
            outbox, draft = entry
            verdict = judge(ctx, session, outbox, draft)
            if verdict.cancel:
                _move(ctx, session, draft, DraftState.APPROVED, DraftState.CANCELLED, verdict.cancel)
                session.commit()
                continue
            if verdict.wait_until is not None:
                _wait(session, outbox, draft, verdict)
                session.commit()
                continue
            if _move(ctx, session, draft, DraftState.APPROVED, DraftState.SENDING, None):
                outbox.lease_until = ctx.now() + SENDING_LEASE
                outbox.attempts += 1
                session.commit()
                return _parcel(session, outbox, draft)
            session.rollback()
    return None


def mark_sent(ctx: Context, draft_id: int) -> DraftCard:
    """Record that the provider accepted the message."""
    return _finish(ctx, draft_id, DraftState.SENT, None)


def mark_failed(ctx: Context, draft_id: int, error: str) -> DraftCard:
    """Record a permanent refusal: the message will not be tried again by itself."""
    return _finish(ctx, draft_id, DraftState.FAILED, error)


def mark_unclear(ctx: Context, draft_id: int, error: str) -> DraftCard:
    """Record that nobody knows whether it went out: a person decides, it is never retried by itself."""
    return _finish(ctx, draft_id, DraftState.UNCLEAR, error)


def mark_waiting(ctx: Context, draft_id: int, error: str) -> DraftCard:
    """Record a temporary failure: the message stays approved and is tried again later, ever more slowly."""
    with ctx.session() as session:
        outbox = session.exec(select(Outbox).where(Outbox.draft_id == draft_id)).one()
        attempts = outbox.attempts
    if attempts >= MOST_ATTEMPTS:
        return mark_failed(ctx, draft_id, f"{error} (given up after {attempts} attempts)")
    return _finish(ctx, draft_id, DraftState.APPROVED, error, FIRST_WAIT * 2 ** (attempts - 1))


def settle_abandoned(ctx: Context) -> list[DraftCard]:
    """Mark messages whose sender vanished in the middle as unclear. Returns them."""
    with ctx.session() as session:
        abandoned = session.exec(
            select(Outbox.draft_id)
            .join(Draft, col(Draft.id) == col(Outbox.draft_id))
            .where(Draft.state == DraftState.SENDING, col(Outbox.lease_until) < ctx.now())
        ).all()
    reason = "Tend stopped while sending; it may or may not have gone out"
    return [mark_unclear(ctx, draft_id, reason) for draft_id in abandoned]


def _next_due(session: Session, now: datetime) -> tuple[Outbox, Draft] | None:
    due = session.exec(
        select(Outbox, Draft)
        .join(Draft, col(Draft.id) == col(Outbox.draft_id))
        .where(Draft.state == DraftState.APPROVED, col(Outbox.next_attempt_at) <= now)
        .order_by(col(Outbox.next_attempt_at))
        .execution_options(populate_existing=True)
    ).first()
    return due and (due[0], due[1])


def _wait(session: Session, outbox: Outbox, draft: Draft, verdict: Verdict) -> None:
    """Put a message off, if it is still approved, and say why on its card."""
    still = (col(Draft.id) == draft.id, col(Draft.state) == DraftState.APPROVED)
    if changed_one(session, update(Draft).where(*still).values(reason=verdict.because)):
        outbox.next_attempt_at = verdict.wait_until or outbox.next_attempt_at


def _move(ctx: Context, session: Session, draft: Draft, source: DraftState, to: DraftState, reason: str | None) -> bool:
    statement = update(Draft).where(col(Draft.id) == draft.id, col(Draft.state) == source)
    if not changed_one(session, statement.values(state=to, reason=reason)):
        return False
    session.add(
        Audit(
            at=ctx.now(),
            actor=ctx.actor.email,
            action=f"draft.{to}",
            subject=f"draft:{draft.id}",
            before={"state": source},
            after={"state": to, "reason": reason},
        )
    )
    return True


def _finish(
    ctx: Context, draft_id: int, to: DraftState, error: str | None, wait: timedelta = timedelta(0)
) -> DraftCard:
    with ctx.session() as session:
        draft = session.get_one(Draft, draft_id)
        if _move(ctx, session, draft, DraftState.SENDING, to, error):
            outbox = session.exec(select(Outbox).where(Outbox.draft_id == draft_id)).one()
            outbox.last_error = error and error[:400]
            outbox.lease_until = None
            outbox.sent_at = ctx.now() if to is DraftState.SENT else None
            outbox.next_attempt_at = ctx.now() + min(wait, LONGEST_WAIT)
            session.commit()
        session.refresh(draft)
        return draft_card(session, draft)


def _parcel(session: Session, outbox: Outbox, draft: Draft) -> Parcel:
    contact = session.get_one(Contact, draft.contact_id)
    return Parcel(
        draft_id=draft.id or 0,
        idempotency_key=outbox.idempotency_key,
        channel=draft.channel,
        recipient=draft.recipient,
        recipient_name=contact.name,
        sender=draft.sender,
        sender_name=draft.sender_name,
        subject=draft.subject,
        body=draft.body,
    )
