"""The statements of the outbox, each built once; every one finds its rows by an index."""

from datetime import UTC, datetime
from functools import cache
from typing import Any

from sqlalchemy import and_, bindparam, case, exists, false, func, insert, literal, or_, select, update
from sqlmodel import SQLModel

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
outbox, draft, contact, account, approval, consent, suppression, audit, interaction = (
    SQLModel.metadata.tables[str(model.__tablename__)]
    for model in (Outbox, Draft, Contact, Account, Approval, Consent, Suppression, Audit, Interaction)
)


@cache
def next_statement(held: frozenset[str]) -> Any:
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
def take_draft() -> Any:
    return update(draft).where(*_as_read()).values(state=DraftState.SENDING, reason=None)


@cache
def take_box() -> Any:
    taken: dict[str, Any] = {
        "attempts": outbox.c.attempts + 1, "lease_until": bindparam("lease"), "next_attempt_at": NEVER,
        "in_reply_to": func.coalesce(bindparam("thread"), outbox.c.in_reply_to),
    }  # fmt: skip
    return update(outbox).where(outbox.c.id == bindparam("box")).values(**taken)


@cache
def wait_draft() -> Any:
    return update(draft).where(*_as_read()).values(reason=bindparam("because"))


@cache
def wait_box() -> Any:
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
def settle_draft(sources: tuple[DraftState, ...], counted: bool) -> Any:
    mine = [draft.c.id == bindparam("draft"), _one_of(draft.c.state, *sources)]
    if counted:
        mine.append(exists().where(outbox.c.draft_id == draft.c.id, outbox.c.attempts == bindparam("attempt")))
    values: dict[str, Any] = {"state": bindparam("state"), "reason": bindparam("because")}
    return update(draft).where(*mine).values(**values).returning(draft.c.cards)


@cache
def settle_box() -> Any:
    values: dict[str, Any] = {
        "last_error": bindparam("error"), "lease_until": None, "sent_at": bindparam("sent"),
        "next_attempt_at": bindparam("next"), "provider_id": func.coalesce(bindparam("provider"), outbox.c.provider_id),
    }  # fmt: skip
    return update(outbox).where(outbox.c.draft_id == bindparam("draft")).values(**values)


@cache
def insert_audit() -> Any:
    names = ("workspace_id", "at", "actor", "action", "subject", "before", "after")
    return insert(audit).values({name: bindparam(name) for name in names})


@cache
def abandoned_statement() -> Any:
    mine = (outbox.c.workspace_id == bindparam("workspace"), outbox.c.lease_until < bindparam("now"))
    still = draft.c.state == DraftState.SENDING
    return select(outbox.c.draft_id).join(draft, draft.c.id == outbox.c.draft_id).where(*mine, still)


@cache
def state_statement() -> Any:
    return select(draft.c.state, draft.c.reason, draft.c.cards).where(draft.c.id == bindparam("draft"))


@cache
def insert_interaction() -> Any:
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
