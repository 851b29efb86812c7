"""The outbox's own few statements: what is next with all that the gate asks, taking it, and noting what became of it.

Thousands of messages may be waiting, so each statement is built once and finds its rows by an index.
"""

from dataclasses import dataclass, fields
from datetime import UTC, date, datetime
from functools import cache
from typing import Any

from sqlalchemy import and_, bindparam, case, exists, false, func, insert, literal, or_, select, update
from sqlmodel import SQLModel

from storage.lean import Lean
from storage.lean import moment as _moment
from storage.models import (
    Account,
    Approval,
    Audit,
    Consent,
    Contact,
    Draft,
    DraftState,
    Interaction,
    Outbox,
    Suppression,
)

NEVER = datetime(9999, 12, 31, tzinfo=UTC)  # the next attempt of what is over, or with a sender now
EVERY = "all"
INTERACTION = "tend:"  # before the key of a message of ours among the interactions
LONGEST_ERROR, NO_CARDS = 400, "[]"
outbox, draft, contact, account, approval, consent, suppression, audit, interaction = (
    SQLModel.metadata.tables[str(model.__tablename__)]
    for model in (Outbox, Draft, Contact, Account, Approval, Consent, Suppression, Audit, Interaction)
)


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
    row = connection.run(_next(held), given).fetchone()
    return None if row is None else _outgoing(row)


def take(connection: Lean, found: Outgoing, lease_until: datetime) -> bool:
    """Move a message from `approved` to `sending`; False when anything about it has changed since it was read."""
    values = {"lease": lease_until, "thread": found.in_reply_to}
    return _changed(connection, _take_draft(), _take_box(), found, {}, values)


def put_off(connection: Lean, found: Outgoing, until: datetime, because: str) -> bool:
    """Let a message wait, if it is still approved, and keep why."""
    return _changed(connection, _wait_draft(), _wait_box(), found, {"because": because}, {"until": until})


def settle(connection: Lean, change: Change) -> bool | None:
    """Move a message on from one of its states. Returns whether it has cards; None when nothing was changed."""
    keys = {"draft": change.draft_id, "state": change.to, "because": change.reason}
    if change.attempt is not None:
        keys["attempt"] = change.attempt
    row = connection.run(_settle_draft(change.sources, change.attempt is not None), keys).fetchone()
    if row is None:
        return None
    values = {
        "draft": change.draft_id, "next": change.next_at, "sent": change.sent_at, "provider": change.provider_id,
        "error": change.reason and change.reason[:LONGEST_ERROR],
    }  # fmt: skip
    connection.run(_settle_box(), values)
    return _has_cards(row[0])


def state_of(connection: Lean, draft_id: int) -> tuple[str, str | None, bool]:
    """Return the state of a draft, the reason, and whether it has cards."""
    state, reason, cards = connection.run(_state(), {"draft": draft_id}).fetchone()
    return state, reason, _has_cards(cards)


def record(connection: Lean, workspace_id: str, entry: dict[str, Any]) -> None:
    """Write what was changed to the audit."""
    connection.run(_insert_audit(), {"workspace_id": workspace_id, **entry})


def note_silence(connection: Lean, draft_id: int, now: datetime) -> None:
    """Enter a sent message among the interactions, as not answered yet."""
    connection.run(_insert_interaction(), {"draft": draft_id, "now": now})


def abandoned(connection: Lean, workspace_id: str, now: datetime) -> list[int]:
    """Return the drafts that a sender took and never settled, by their lease."""
    found = connection.run(_abandoned(), {"workspace": workspace_id, "now": now})
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


@cache
def _next(held: frozenset[str]) -> Any:
    """One query: a look-up by index for each part."""
    due = (
        select(outbox.c.id)
        .join(draft, draft.c.id == outbox.c.draft_id)
        .where(
            outbox.c.workspace_id == bindparam("workspace"),
            outbox.c.next_attempt_at <= bindparam("now"),
            draft.c.state == DraftState.APPROVED,
            *(draft.c.channel != channel for channel in sorted(held)),
        )
        .order_by(outbox.c.next_attempt_at, outbox.c.id)
        .limit(1)
        .scalar_subquery()
    )
    approved = and_(
        draft.c.content_hash == outbox.c.content_hash,
        exists().where(
            approval.c.draft_id == draft.c.id,
            approval.c.decision == DraftState.APPROVED,
            approval.c.content_hash == outbox.c.content_hash,
        ),
    )
    said = (
        select(consent.c.id)
        .where(
            consent.c.contact_id == draft.c.contact_id,
            or_(consent.c.channel == draft.c.channel, consent.c.channel == EVERY),
            or_(consent.c.message_class == draft.c.message_class, consent.c.message_class == EVERY),
        )
        .order_by(consent.c.at.desc(), consent.c.id.desc())
        .limit(1)
        .correlate(draft)
        .scalar_subquery()
    )
    shut = and_(
        suppression.c.workspace_id == outbox.c.workspace_id,
        suppression.c.channel == draft.c.channel,
        suppression.c.address == func.lower(draft.c.recipient),
    )
    return (
        select(
            outbox.c.id, draft.c.id, outbox.c.idempotency_key, outbox.c.content_hash, outbox.c.attempts,
            draft.c.channel, draft.c.recipient, draft.c.sender, draft.c.sender_name, draft.c.subject, draft.c.body,
            draft.c.message_class, draft.c.origin, draft.c.request_key, draft.c.contact_id, draft.c.account_id,
            contact.c.name, contact.c.account_id, contact.c.email, contact.c.phone, contact.c.slack_user,
            contact.c.external_id, contact.c.left_on, contact.c.opted_out_on, contact.c.last_reply_on,
            contact.c.time_zone, account.c.name, approved, suppression.c.at, suppression.c.reason,
            consent.c.granted, consent.c.at, consent.c.source, _full("contact"), _full("account"),
        )
        .select_from(outbox)
        .join(draft, draft.c.id == outbox.c.draft_id)
        .join(contact, contact.c.id == draft.c.contact_id)
        .join(account, account.c.id == draft.c.account_id)
        .outerjoin(suppression, shut)
        .outerjoin(consent, consent.c.id == said)
        .where(outbox.c.id == due)
    )  # fmt: skip


def _full(whose: str) -> Any:
    """When the oldest message that uses up the limit left. What is with a sender now counts as sent now."""
    box, other = outbox.alias(), draft.alias()
    leaving = case(
        (other.c.state == DraftState.SENDING, bindparam("now", type_=outbox.c.sent_at.type)), else_=box.c.sent_at
    )
    return (
        select(leaving)
        .join_from(other, box, box.c.draft_id == other.c.id)
        .where(
            other.c[f"{whose}_id"] == draft.c[f"{whose}_id"],
            _one_of(other.c.state, DraftState.SENDING, DraftState.SENT),
            leaving > bindparam(f"{whose}_since", type_=outbox.c.sent_at.type),
        )
        .order_by(leaving.desc())
        .limit(1)
        .offset(bindparam(f"{whose}_most"))
        .correlate(draft)
        .scalar_subquery()
    )


@cache
def _take_draft() -> Any:
    return update(draft).where(*_as_read()).values(state=DraftState.SENDING, reason=None)


@cache
def _take_box() -> Any:
    taken: dict[str, Any] = {
        "attempts": outbox.c.attempts + 1, "lease_until": bindparam("lease"), "next_attempt_at": NEVER,
        "in_reply_to": func.coalesce(bindparam("thread"), outbox.c.in_reply_to),
    }  # fmt: skip
    return update(outbox).where(outbox.c.id == bindparam("box")).values(**taken)


@cache
def _wait_draft() -> Any:
    return update(draft).where(*_as_read()).values(reason=bindparam("because"))


@cache
def _wait_box() -> Any:
    return update(outbox).where(outbox.c.id == bindparam("box")).values(next_attempt_at=bindparam("until"))


def _one_of(column: Any, *values: str) -> Any:
    """A condition that costs less each time than IN with a list."""
    return or_(*(column == value for value in values))


def _as_read() -> tuple[Any, ...]:
    return (
        draft.c.id == bindparam("draft"),
        draft.c.state == DraftState.APPROVED,
        draft.c.content_hash == bindparam("hash"),
        exists().where(outbox.c.id == bindparam("box"), outbox.c.attempts == bindparam("attempts")),
    )


@cache
def _settle_draft(sources: tuple[DraftState, ...], counted: bool) -> Any:
    mine = [draft.c.id == bindparam("draft"), _one_of(draft.c.state, *sources)]
    if counted:
        mine.append(exists().where(outbox.c.draft_id == draft.c.id, outbox.c.attempts == bindparam("attempt")))
    values: dict[str, Any] = {"state": bindparam("state"), "reason": bindparam("because")}
    return update(draft).where(*mine).values(**values).returning(draft.c.cards)


@cache
def _settle_box() -> Any:
    values: dict[str, Any] = {
        "last_error": bindparam("error"), "lease_until": None, "sent_at": bindparam("sent"),
        "next_attempt_at": bindparam("next"), "provider_id": func.coalesce(bindparam("provider"), outbox.c.provider_id),
    }  # fmt: skip
    return update(outbox).where(outbox.c.draft_id == bindparam("draft")).values(**values)


@cache
def _insert_audit() -> Any:
    names = ("workspace_id", "at", "actor", "action", "subject", "before", "after")
    return insert(audit).values({name: bindparam(name) for name in names})


@cache
def _abandoned() -> Any:
    mine = (outbox.c.workspace_id == bindparam("workspace"), outbox.c.lease_until < bindparam("now"))
    still = draft.c.state == DraftState.SENDING
    return select(outbox.c.draft_id).join(draft, draft.c.id == outbox.c.draft_id).where(*mine, still)


@cache
def _state() -> Any:
    return select(draft.c.state, draft.c.reason, draft.c.cards).where(draft.c.id == bindparam("draft"))


@cache
def _insert_interaction() -> Any:
    key = INTERACTION + outbox.c.idempotency_key
    known = exists().where(interaction.c.workspace_id == outbox.c.workspace_id, interaction.c.external_id == key)
    source = (
        select(
            outbox.c.workspace_id, key, draft.c.account_id, contact.c.external_id, draft.c.channel, literal("out"),
            bindparam("now", type_=outbox.c.sent_at.type), false(), draft.c.subject,
        )
        .join_from(outbox, draft, draft.c.id == outbox.c.draft_id)
        .join(contact, contact.c.id == draft.c.contact_id)
        .where(outbox.c.draft_id == bindparam("draft"), ~known)
    )  # fmt: skip
    names = (
        "workspace_id", "external_id", "account_id", "contact_external_id", "channel", "direction", "at", "replied",
        "subject",
    )  # fmt: skip
    return insert(interaction).from_select(names, source)
