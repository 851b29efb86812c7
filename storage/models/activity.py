"""What happens between the account and the team: tickets, surveys, interactions, invoices, services."""

from datetime import date, datetime

from sqlalchemy import Index, UniqueConstraint
from sqlmodel import Field

from storage.models.base import ImportedRow, Money, UtcDateTime


class Ticket(ImportedRow, table=True):
    """A support request."""

    __tablename__ = "ticket"
    __table_args__ = (
        UniqueConstraint("workspace_id", "external_id"),
        Index("ix_ticket_account_opened", "account_id", "opened_at"),
    )

    id: int | None = Field(default=None, primary_key=True)
    account_id: int = Field(foreign_key="account.id")
    opened_at: datetime = Field(sa_type=UtcDateTime)
    first_response_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    resolved_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    severity: str = Field(default="normal", max_length=10)
    escalated: bool = False
    self_service: bool = False
    category: str | None = Field(default=None, max_length=60)
    subject: str | None = Field(default=None, max_length=200)
    text: str | None = None
    sentiment: float | None = None
    csat: float | None = None


class SurveyResponse(ImportedRow, table=True):
    """One answered survey. NPS 0-10, CSAT and CES 1-5 (or as the team scales them)."""

    __tablename__ = "survey_response"
    __table_args__ = (
        UniqueConstraint("workspace_id", "external_id"),
        Index("ix_survey_account_answered", "account_id", "answered_on"),
    )

    id: int | None = Field(default=None, primary_key=True)
    account_id: int = Field(foreign_key="account.id")
    contact_external_id: str | None = Field(default=None, max_length=120)
    kind: str = Field(max_length=20)
    score: float
    comment: str | None = None
    answered_on: date


class Interaction(ImportedRow, table=True):
    """An email, call, meeting or message between the account and the team."""

    __tablename__ = "interaction"
    __table_args__ = (
        UniqueConstraint("workspace_id", "external_id"),
        Index("ix_interaction_account_at", "account_id", "at"),
    )

    id: int | None = Field(default=None, primary_key=True)
    account_id: int = Field(foreign_key="account.id")
    contact_external_id: str | None = Field(default=None, max_length=120)
    channel: str = Field(max_length=20)
    direction: str = Field(default="out", max_length=3)
    at: datetime = Field(sa_type=UtcDateTime)
    opened: bool | None = None
    clicked: bool | None = None
    replied: bool | None = None
    replied_on: date | None = None
    minutes: float | None = None
    attendees: int | None = None
    sentiment: float | None = None
    subject: str | None = Field(default=None, max_length=200)
    text: str | None = None


class Invoice(ImportedRow, table=True):
    """A bill and how it was paid."""

    __tablename__ = "invoice"
    __table_args__ = (
        UniqueConstraint("workspace_id", "external_id"),
        Index("ix_invoice_account_due", "account_id", "due_on"),
    )

    id: int | None = Field(default=None, primary_key=True)
    account_id: int = Field(foreign_key="account.id")
    amount: float = Field(sa_type=Money)
    currency: str = Field(default="USD", max_length=3)
    issued_on: date
    due_on: date
    paid_on: date | None = None
    failed_on: date | None = None
    discount: float | None = None


class ServiceRecord(ImportedRow, table=True):
    """Work of a service business for the account: an appointment, a contract, a step of a project.

    It counts from `recorded_on`; what happened to it later has its own day. A missed appointment is missed on `due_on`.
    """

    __tablename__ = "service_record"
    __table_args__ = (
        UniqueConstraint("workspace_id", "external_id"),
        Index("ix_service_account_recorded", "account_id", "recorded_on"),
    )

    id: int | None = Field(default=None, primary_key=True)
    account_id: int = Field(foreign_key="account.id")
    kind: str = Field(max_length=20)
    recorded_on: date
    due_on: date | None = None
    done_on: date | None = None
    cancelled_on: date | None = None
    no_show: bool = False
    ends_on: date | None = None
    included: int | None = None
    used: int | None = None
    response_hours: float | None = None
    satisfaction: float | None = None
    note: str | None = Field(default=None, max_length=400)
