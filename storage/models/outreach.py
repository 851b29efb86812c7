"""Messages to customers: drafted, approved by a person, delivered exactly once."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, Index, UniqueConstraint, false
from sqlmodel import Field

from storage.models.base import UtcDateTime, WorkspaceRow


class DraftState(StrEnum):
    """The life of a draft. README.md draws it; every change is one conditional update."""

    DRAFTED = "drafted"
    SNOOZED = "snoozed"
    REJECTED = "rejected"
    EXPIRED = "expired"
    APPROVED = "approved"
    CANCELLED = "cancelled"
    SENDING = "sending"
    SENT = "sent"
    FAILED = "failed"
    UNCLEAR = "unclear"


class Draft(WorkspaceRow, table=True):
    """A message proposed to a person, with the facts that it uses."""

    __tablename__ = "draft"
    __table_args__ = (
        UniqueConstraint("workspace_id", "request_key"),
        Index("ix_draft_state", "workspace_id", "state"),
    )

    id: int | None = Field(default=None, primary_key=True)
    account_id: int = Field(foreign_key="account.id", index=True)
    contact_id: int = Field(foreign_key="contact.id", index=True)
    channel: str = Field(default="email", max_length=20)
    purpose: str = Field(max_length=40)
    recipient: str = Field(max_length=254)
    sender: str = Field(max_length=254)
    sender_name: str = Field(max_length=120)
    subject: str = Field(max_length=200)
    body: str
    content_hash: str = Field(max_length=64)
    facts: list[dict[str, Any]] = Field(default_factory=list, sa_type=JSON)
    origin: str = Field(default="question", max_length=60)
    request_key: str | None = Field(default=None, max_length=120)
    state: str = Field(default=DraftState.DRAFTED, max_length=10)
    created_by: str = Field(max_length=254)
    created_at: datetime = Field(sa_type=UtcDateTime)
    expires_at: datetime = Field(sa_type=UtcDateTime)
    snoozed_until: datetime | None = Field(default=None, sa_type=UtcDateTime)
    reason: str | None = Field(default=None, max_length=1000)
    cards: list[list[str]] = Field(default_factory=list, sa_type=JSON)
    # The lowest role that may approve it, and whether that must be somebody else than who asked for it.
    approver_role: str = Field(default="csm", max_length=10, sa_column_kwargs={"server_default": "csm"})
    four_eyes: bool = Field(default=False, sa_column_kwargs={"server_default": false()})
    offer: str | None = Field(default=None, max_length=40)
    # Service, marketing or testimonial: what consent and limits apply to it.
    message_class: str = Field(default="service", max_length=12, sa_column_kwargs={"server_default": "service"})
    handed_to: str | None = Field(default=None, max_length=254)


class Approval(WorkspaceRow, table=True):
    """A person's decision on the exact text of a draft."""

    __tablename__ = "approval"

    id: int | None = Field(default=None, primary_key=True)
    draft_id: int = Field(foreign_key="draft.id", index=True)
    decision: str = Field(max_length=20)
    by: str = Field(max_length=254)
    at: datetime = Field(sa_type=UtcDateTime)
    content_hash: str = Field(max_length=64)
    note: str | None = Field(default=None, max_length=1000)


class Outbox(WorkspaceRow, table=True):
    """An approved message on its way, exactly as approved. Its state is its draft's."""

    __tablename__ = "outbox"
    __table_args__ = (
        Index("ix_outbox_due", "workspace_id", "next_attempt_at"),
        Index("ix_outbox_lease", "workspace_id", "lease_until"),
    )

    id: int | None = Field(default=None, primary_key=True)
    draft_id: int = Field(foreign_key="draft.id", unique=True)
    idempotency_key: str = Field(max_length=80, unique=True)
    content_hash: str = Field(max_length=64)
    attempts: int = 0
    next_attempt_at: datetime = Field(sa_type=UtcDateTime)  # `storage.outgoing.NEVER` unless it is to be sent
    lease_until: datetime | None = Field(default=None, sa_type=UtcDateTime)
    last_error: str | None = Field(default=None, max_length=400)
    sent_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    # What the provider calls it, for replies and bounces; and what it answers, for the thread of a mail.
    provider_id: str | None = Field(default=None, max_length=200, index=True)
    in_reply_to: str | None = Field(default=None, max_length=200)


class Consent(WorkspaceRow, table=True):
    """What a contact allowed or refused for a channel and a class of messages; rows are added, never changed."""

    __tablename__ = "consent"
    __table_args__ = (Index("ix_consent_contact", "contact_id", "channel", "message_class", "at"),)

    id: int | None = Field(default=None, primary_key=True)
    account_id: int = Field(foreign_key="account.id", index=True)
    contact_id: int = Field(foreign_key="contact.id")
    channel: str = Field(max_length=20)
    message_class: str = Field(max_length=12)
    granted: bool
    source: str = Field(max_length=200)
    by: str = Field(max_length=254)
    at: datetime = Field(sa_type=UtcDateTime)


class Suppression(WorkspaceRow, table=True):
    """An address that nothing is sent to any more, whoever the contact is; `address` is in lower case."""

    __tablename__ = "suppression"
    __table_args__ = (UniqueConstraint("workspace_id", "channel", "address"),)

    id: int | None = Field(default=None, primary_key=True)
    channel: str = Field(default="email", max_length=20)
    address: str = Field(max_length=254)
    reason: str = Field(max_length=200)
    by: str = Field(max_length=254)
    at: datetime = Field(sa_type=UtcDateTime)


class Inbound(WorkspaceRow, table=True):
    """What came back for a message: a reply, a bounce, a complaint; `key` makes a repeated report harmless."""

    __tablename__ = "inbound"
    __table_args__ = (UniqueConstraint("workspace_id", "key"), Index("ix_inbound_draft", "draft_id"))

    id: int | None = Field(default=None, primary_key=True)
    key: str = Field(max_length=200)
    kind: str = Field(max_length=12)
    draft_id: int | None = Field(default=None, foreign_key="draft.id")
    address: str = Field(max_length=254)
    detail: str = Field(default="", max_length=2000)
    at: datetime = Field(sa_type=UtcDateTime)


class Testimonial(WorkspaceRow, table=True):
    """What a customer allowed us to say in their name, collected from the reply to a request."""

    __tablename__ = "testimonial"
    __table_args__ = (Index("ix_testimonial_account", "account_id", "state"),)

    id: int | None = Field(default=None, primary_key=True)
    account_id: int = Field(foreign_key="account.id")
    contact_id: int = Field(foreign_key="contact.id")
    draft_id: int | None = Field(default=None, foreign_key="draft.id")
    state: str = Field(default="collected", max_length=12)
    quote: str = Field(max_length=2000)
    rating: int | None = None
    may_use_name: bool = False
    may_use_logo: bool = False
    may_use_quote: bool = False
    use: str = Field(default="", max_length=200)
    given_at: datetime = Field(sa_type=UtcDateTime)
    entered_by: str = Field(max_length=254)
    approved_by: str | None = Field(default=None, max_length=254)
    withdrawn_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
