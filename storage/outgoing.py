"""The outbox's own few statements: what is next with all that the gate asks, taking it, and noting what became of it.

Thousands of messages may be waiting, so each statement is built once and finds its rows by an index.
"""

from dataclasses import dataclass, fields
from datetime import date, datetime
from typing import Any

from storage import outbox_statements as statements
from storage.lean import Lean
from storage.lean import moment as _moment
from storage.models import DraftState
from storage.outbox_statements import NEVER

LONGEST_ERROR, NO_CARDS = 400, "[]"


@dataclass(frozen=True)
class Limit:
    """At most so many messages since a moment."""

    messages: int
    since: datetime


@dataclass(frozen=True)
class Outgoing:
    """An approved message that is due, with everything that speaks for or against it.

    Args:
        approved: there is an approval of exactly the outbox's text.
        suppressed_at: since when nothing is sent to its address.
        granted: what its contact said last about such messages; None when nothing.
        contact_full, account_full: when the oldest of the messages that use up a limit was sent; None below it.
    """

    outbox_id: int
    draft_id: int
    idempotency_key: str
    approved_hash: str
    attempts: int
    channel: str
    recipient: str
    sender: str
    sender_name: str
    subject: str
    body: str
    message_class: str
    origin: str
    request_key: str | None
    contact_id: int
    account_id: int
    contact_name: str
    contact_account_id: int
    email: str | None
    phone: str | None
    slack_user: str | None
    external_id: str
    left_on: date | None
    opted_out_on: date | None
    last_reply_on: date | None
    time_zone: str | None
    account_name: str
    approved: bool
    suppressed_at: datetime | None
    suppressed_because: str | None
    granted: bool | None
    said_at: datetime | None
    said_where: str | None
    contact_full: datetime | None
    account_full: datetime | None
    in_reply_to: str | None = None


FIELDS = tuple(field.name for field in fields(Outgoing) if field.name != "in_reply_to")
MOMENTS = ("suppressed_at", "said_at", "contact_full", "account_full")
DAYS = ("left_on", "opted_out_on", "last_reply_on")


@dataclass(frozen=True)
class Change:
    """What becomes of a message, and what its outbox keeps of it.

    Args:
        sources: the states that it may come from.
        next_at: when it is tried again.
        attempt: the attempt that this is news of, where it is known; news of an earlier one is refused.
        provider_id: what the provider calls it.
    """

    draft_id: int
    sources: tuple[DraftState, ...]
    to: DraftState
    reason: str | None = None
    next_at: datetime = NEVER
    sent_at: datetime | None = None
    attempt: int | None = None
    provider_id: str | None = None


def next_outgoing(
    connection: Lean,
    workspace_id: str,
    now: datetime,
    limits: tuple[Limit, Limit],
    held: frozenset[str] = frozenset(),
) -> Outgoing | None:
    """Return the message that is due longest, or None.

    Args:
        limits: for a contact, and for an account.
        held: channels that have to rest for the moment.
    """
    given = {"workspace": workspace_id, "now": now}
    for name, limit in zip(("contact", "account"), limits, strict=True):
        given |= {f"{name}_since": limit.since, f"{name}_most": limit.messages - 1}
    row = connection.run(statements.next_statement(held), given).fetchone()
    return None if row is None else _outgoing(row)


def take(connection: Lean, found: Outgoing, lease_until: datetime) -> bool:
    """Move a message from `approved` to `sending`; False when anything about it has changed since it was read."""
    values = {"lease": lease_until, "thread": found.in_reply_to}
    return _changed(connection, statements.take_draft(), statements.take_box(), found, {}, values)


def put_off(connection: Lean, found: Outgoing, until: datetime, because: str) -> bool:
    """Let a message wait, if it is still approved, and keep why."""
    return _changed(
        connection, statements.wait_draft(), statements.wait_box(), found, {"because": because}, {"until": until}
    )


def settle(connection: Lean, change: Change) -> bool | None:
    """Move a message on from one of its states. Returns whether it has cards; None when nothing was changed."""
    keys = {"draft": change.draft_id, "state": change.to, "because": change.reason}
    if change.attempt is not None:
        keys["attempt"] = change.attempt
    row = connection.run(statements.settle_draft(change.sources, change.attempt is not None), keys).fetchone()
    if row is None:
        return None
    values = {
        "draft": change.draft_id, "next": change.next_at, "sent": change.sent_at, "provider": change.provider_id,
        "error": change.reason and change.reason[:LONGEST_ERROR],
    }  # fmt: skip
    connection.run(statements.settle_box(), values)
    return _has_cards(row[0])


def state_of(connection: Lean, draft_id: int) -> tuple[str, str | None, bool]:
    """Return the state of a draft, the reason, and whether it has cards."""
    state, reason, cards = connection.run(statements.state_statement(), {"draft": draft_id}).fetchone()
    return state, reason, _has_cards(cards)


def record(connection: Lean, workspace_id: str, entry: dict[str, Any]) -> None:
    """Write what was changed to the audit."""
    connection.run(statements.insert_audit(), {"workspace_id": workspace_id, **entry})


def note_silence(connection: Lean, draft_id: int, now: datetime) -> None:
    """Enter a sent message among the interactions, as not answered yet."""
    connection.run(statements.insert_interaction(), {"draft": draft_id, "now": now})


def abandoned(connection: Lean, workspace_id: str, now: datetime) -> list[int]:
    """Return the drafts that a sender took and never settled, by their lease."""
    found = connection.run(statements.abandoned_statement(), {"workspace": workspace_id, "now": now})
    return [int(row[0]) for row in found.fetchall()]


def _has_cards(cards: Any) -> bool:
    """One driver reads the list, the other hands out its text."""
    return bool(cards) and cards != NO_CARDS


def _outgoing(row: Any) -> Outgoing:
    values = dict(zip(FIELDS, row, strict=True))
    for name in MOMENTS:
        values[name] = _moment(values[name])
    for name in DAYS:
        values[name] = date.fromisoformat(values[name]) if isinstance(values[name], str) else values[name]
    granted = values["granted"]
    return Outgoing(**values | {"granted": None if granted is None else bool(granted)})


def _changed(
    connection: Lean, of_draft: Any, of_box: Any, found: Outgoing, draft_values: dict, box_values: dict
) -> bool:
    """Change a message if it is as it was read, then its entry, which nobody else changes from there on."""
    mine = {"draft": found.draft_id, "hash": found.approved_hash, "box": found.outbox_id, "attempts": found.attempts}
    if connection.run(of_draft, mine | draft_values).rowcount != 1:
        return False
    connection.run(of_box, {"box": found.outbox_id, **box_values})
    return True
