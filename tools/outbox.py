"""Approved messages on their way: claim one, pass the gate, record what became of it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlmodel import select

from storage import outgoing
from storage.lean import Lean, lean
from storage.models import DraftState, Outbox
from storage.outgoing import Change, Outgoing
from tools.context import Context
from tools.gate import SEND, judge, judge_praise, limit
from tools.mail_threads import goes_on_from
from tools.testimonial_rules import CLASS

SENDING_LEASE = timedelta(minutes=5)  # longer than any sender's own time-out
FIRST_WAIT, LONGEST_WAIT = timedelta(seconds=30), timedelta(hours=1)
MOST_ATTEMPTS = 12
# A sender may come back late: by then its message may be called unclear, or wait for another attempt.
WAITING, TAKEN = (DraftState.APPROVED,), (DraftState.SENDING,)
LATE = (DraftState.SENDING, DraftState.UNCLEAR, DraftState.APPROVED)


@dataclass(frozen=True)
class Parcel:
    """One message to hand to a sender, exactly as approved.

    Args:
        attempt: how many times it has been handed over, this one included.
        in_reply_to: what the mail that it goes on from is called.
    """

    draft_id: int
    idempotency_key: str
    channel: str
    recipient: str
    recipient_name: str
    sender: str
    sender_name: str
    subject: str
    body: str
    message_class: str = "service"
    contact_id: int = 0
    attempt: int = 1
    in_reply_to: str | None = None


@dataclass(frozen=True)
class Outcome:
    """How a message stands now; `shown` says that there are cards of it to update."""

    id: int
    state: DraftState
    note: str = ""
    shown: bool = False


def claim_next(ctx: Context, held: frozenset[str] = frozenset()) -> Parcel | None:
    """Take the next due message for sending, or None. `sending` is on disk before the caller sends.

    A message that does not pass the gate is cancelled with the reason, and the next one is tried.

    Args:
        held: channels that have to rest for the moment.
    """
    with lean(ctx.database.engine) as connection:
        return _claim(ctx, connection, held)


def hand_on(
    ctx: Context, done: Parcel, provider_id: str | None, held: frozenset[str] = frozenset()
) -> tuple[Outcome, Parcel | None]:
    """Record that a message was accepted and take the next one in the same step: one write to the disk for both."""
    with lean(ctx.database.engine) as connection:
        sent = _settle(ctx, connection, _sent(ctx, done.draft_id, done.attempt, provider_id))
        parcel = _claim(ctx, connection, held)
        connection.commit()
        return sent, parcel


def mark_sent(ctx: Context, draft_id: int, attempt: int | None = None, provider_id: str | None = None) -> Outcome:
    """Record that the provider accepted the message.

    Args:
        attempt: the parcel's; with it the news counts late, too, unless it was tried again since.
        provider_id: what the provider calls the message.
    """
    return _finish(ctx, _sent(ctx, draft_id, attempt, provider_id))


def mark_failed(ctx: Context, draft_id: int, error: str) -> Outcome:
    """Record a permanent refusal: the message will not be tried again by itself."""
    return _finish(ctx, Change(draft_id, TAKEN, DraftState.FAILED, error))


def mark_unclear(ctx: Context, draft_id: int, error: str) -> Outcome:
    """Record that nobody knows whether it went out: a person decides, it is never retried by itself."""
    return _finish(ctx, Change(draft_id, TAKEN, DraftState.UNCLEAR, error))


def mark_waiting(ctx: Context, draft_id: int, error: str, least: timedelta = timedelta(0)) -> Outcome:
    """Record a temporary failure: the message stays approved and is tried again later, ever more slowly.

    Args:
        least: how long the provider asked to wait.
    """
    with ctx.session() as session:
        attempts = session.exec(select(Outbox.attempts).where(Outbox.draft_id == draft_id)).one()
    nth = attempts % MOST_ATTEMPTS  # a person who sends it again gives it as many attempts again
    if nth == 0:
        return mark_failed(ctx, draft_id, f"{error} (given up after {attempts} attempts)")
    wait = max(FIRST_WAIT * 2 ** (nth - 1), least)
    again_at = ctx.now() + min(wait, LONGEST_WAIT)
    return _finish(ctx, Change(draft_id, TAKEN, DraftState.APPROVED, error, again_at))


def settle_abandoned(ctx: Context) -> list[Outcome]:
    """Mark messages whose sender vanished in the middle as unclear. Returns them."""
    with lean(ctx.database.engine) as connection:
        gone = outgoing.abandoned(connection, ctx.workspace_id, ctx.now())
    reason = "Tend stopped while sending; it may or may not have gone out"
    return [mark_unclear(ctx, draft_id, reason) for draft_id in gone]


def _claim(ctx: Context, connection: Lean, held: frozenset[str]) -> Parcel | None:
    """Judge what is due until something may go. It commits, with what the caller has changed before."""
    rules, now = ctx.governance, ctx.now()
    limits = (limit(rules.contact_cap, now), limit(rules.account_cap, now))
    while (found := outgoing.next_outgoing(connection, ctx.workspace_id, now, limits, held)) is not None:
        verdict = judge(rules, found, now, ctx.time_zone)
        if verdict == SEND and found.message_class == CLASS:
            verdict = judge_praise(ctx, found)
        if verdict.cancel:
            _settle(ctx, connection, Change(found.draft_id, WAITING, DraftState.CANCELLED, verdict.cancel))
        elif verdict.wait_until is not None:
            outgoing.put_off(connection, found, verdict.wait_until, verdict.because)
        elif (parcel := _taken(ctx, connection, found, now)) is not None:
            connection.commit()
            return parcel
        connection.commit()
    return None


def _taken(ctx: Context, connection: Lean, found: Outgoing, now: datetime) -> Parcel | None:
    """Mark a message as with a sender; None when somebody was quicker, or it was taken back."""
    if (thread := goes_on_from(ctx, found)) is not None:
        found = replace(found, in_reply_to=thread)
    if not outgoing.take(connection, found, now + SENDING_LEASE):
        return None
    _record(ctx, connection, found.draft_id, WAITING, DraftState.SENDING, None)
    return _parcel(found)


def _sent(ctx: Context, draft_id: int, attempt: int | None, provider_id: str | None) -> Change:
    sources, now = TAKEN if attempt is None else LATE, ctx.now()
    return Change(draft_id, sources, DraftState.SENT, sent_at=now, attempt=attempt, provider_id=provider_id)


def _finish(ctx: Context, change: Change) -> Outcome:
    with lean(ctx.database.engine) as connection:
        done = _settle(ctx, connection, change)
        connection.commit()
        return done


def _settle(ctx: Context, connection: Lean, change: Change) -> Outcome:
    """Change a message's state if it may; returns how it stands."""
    shown = outgoing.settle(connection, change)
    if shown is None:
        return stands(connection, change.draft_id)
    _record(ctx, connection, change.draft_id, change.sources, change.to, change.reason)
    if change.to is DraftState.SENT and ctx.hears_replies:
        outgoing.note_silence(connection, change.draft_id, ctx.now())
    return Outcome(change.draft_id, change.to, change.reason or "", shown)


def stands(connection: Lean, draft_id: int) -> Outcome:
    """Say how a message stands in the database."""
    state, reason, shown = outgoing.state_of(connection, draft_id)
    return Outcome(draft_id, DraftState(state), reason or "", shown)


def _record(
    ctx: Context, connection: Lean, draft_id: int, sources: Sequence[DraftState], to: DraftState, why: str | None
) -> None:
    entry = {
        "at": ctx.now(), "actor": ctx.actor.email, "action": f"draft.{to}", "subject": f"draft:{draft_id}",
        "before": {"state": sources[0]}, "after": {"state": to, "reason": why},
    }  # fmt: skip
    outgoing.record(connection, ctx.workspace_id, entry)


def _parcel(found: Outgoing) -> Parcel:
    return Parcel(
        draft_id=found.draft_id,
        idempotency_key=found.idempotency_key,
        channel=found.channel,
        recipient=found.recipient,
        recipient_name=found.contact_name,
        sender=found.sender,
        sender_name=found.sender_name,
        subject=found.subject,
        body=found.body,
        message_class=found.message_class,
        contact_id=found.contact_id,
        attempt=found.attempts + 1,
        in_reply_to=found.in_reply_to,
    )
