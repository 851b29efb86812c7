"""Accounts, the people at them, and what they bought and wanted to reach."""

from datetime import date
from typing import Any

from sqlalchemy import JSON, Index, UniqueConstraint, text
from sqlmodel import Field

from storage.models.base import ImportedRow, Money, WorkspaceRow


class Account(ImportedRow, table=True):
    """A customer company, or a customer of a consumer business. Everything is scored per account."""

    __tablename__ = "account"
    __table_args__ = (
        UniqueConstraint("workspace_id", "external_id"),
        Index("ix_account_owner", "workspace_id", "owner_email"),
        Index("ix_account_lower_owner", "workspace_id", text("lower(owner_email)")),
        Index("ix_account_lower_name", "workspace_id", text("lower(name)")),
        Index("ix_account_lower_domain", "workspace_id", text("lower(domain)")),
    )

    id: int | None = Field(default=None, primary_key=True)
    name: str = Field(max_length=200)
    domain: str | None = Field(default=None, max_length=200)
    industry: str = Field(default="other", max_length=40)
    country: str | None = Field(default=None, max_length=60)
    segment: str | None = Field(default=None, max_length=40)
    sub_segment: str | None = Field(default=None, max_length=40)
    plan: str | None = Field(default=None, max_length=60)
    mrr: float | None = Field(default=None, sa_type=Money)
    currency: str = Field(default="USD", max_length=3)
    owner_email: str | None = Field(default=None, max_length=254)
    stage: str | None = Field(default=None, max_length=40)
    status: str = Field(default="active", max_length=10)
    started_on: date
    first_value_on: date | None = None
    trial_ends_on: date | None = None
    renewal_on: date | None = None
    term_months: int | None = None
    seats_bought: int | None = None
    seats_used: int | None = None
    limits: dict[str, Any] | None = Field(default=None, sa_type=JSON)
    locations: int | None = None
    parent_external_id: str | None = Field(default=None, max_length=120)
    tags: list[str] | None = Field(default=None, sa_type=JSON)
    churned_on: date | None = None
    churn_reason: str | None = Field(default=None, max_length=400)
    # The day of the data on which Tend first saw it: how it was before that is not known from its own row.
    observed_on: date | None = None


# What changes about an account over its time.
STATED = ("seats_bought", "seats_used", "renewal_on", "plan", "mrr", "segment", "limits")


class AccountState(WorkspaceRow, table=True):
    """What could change about an account, as known from `known_on` until the account's next row: the past can be
    replayed from these.
    """

    __tablename__ = "account_state"
    __table_args__ = (UniqueConstraint("workspace_id", "account_id", "known_on"),)

    id: int | None = Field(default=None, primary_key=True)
    account_id: int = Field(foreign_key="account.id", index=True)
    known_on: date
    seats_bought: int | None = None
    seats_used: int | None = None
    renewal_on: date | None = None
    plan: str | None = Field(default=None, max_length=60)
    mrr: float | None = Field(default=None, sa_type=Money)
    segment: str | None = Field(default=None, max_length=40)
    limits: dict[str, Any] | None = Field(default=None, sa_type=JSON)


class Contact(ImportedRow, table=True):
    """A person at the account."""

    __tablename__ = "contact"
    __table_args__ = (UniqueConstraint("workspace_id", "external_id"),)

    id: int | None = Field(default=None, primary_key=True)
    account_id: int = Field(foreign_key="account.id", index=True)
    name: str = Field(max_length=200)
    email: str | None = Field(default=None, max_length=254)
    phone: str | None = Field(default=None, max_length=40)
    role: str = Field(default="user", max_length=40)
    title: str | None = Field(default=None, max_length=120)
    time_zone: str | None = Field(default=None, max_length=60)
    language: str = Field(default="en", max_length=10)
    slack_user: str | None = Field(default=None, max_length=20)
    birthday: date | None = None
    joined_on: date | None = None
    left_on: date | None = None
    opted_out_on: date | None = None
    last_reply_on: date | None = None


class Subscription(ImportedRow, table=True):
    """One period of a plan; the history of changes is kept."""

    __tablename__ = "subscription"
    __table_args__ = (UniqueConstraint("workspace_id", "external_id"),)

    id: int | None = Field(default=None, primary_key=True)
    account_id: int = Field(foreign_key="account.id", index=True)
    plan: str = Field(max_length=60)
    add_ons: list[str] | None = Field(default=None, sa_type=JSON)
    seats: int | None = None
    mrr: float | None = Field(default=None, sa_type=Money)
    currency: str = Field(default="USD", max_length=3)
    billing_months: int | None = None
    discount: float | None = None
    start_on: date
    end_on: date | None = None
    reason: str | None = Field(default=None, max_length=200)


class Goal(ImportedRow, table=True):
    """An objective that the customer stated, and how far it has come."""

    __tablename__ = "goal"
    __table_args__ = (UniqueConstraint("workspace_id", "external_id"),)

    id: int | None = Field(default=None, primary_key=True)
    account_id: int = Field(foreign_key="account.id", index=True)
    objective: str = Field(max_length=400)
    unit: str | None = Field(default=None, max_length=40)
    baseline: float | None = None
    target: float | None = None
    current: float | None = None
    roi: float | None = None
    efficiency_gain: float | None = None
    stated_on: date
    measured_on: date | None = None


class FeatureAdoption(ImportedRow, table=True):
    """First, last and total use of one feature by one account."""

    __tablename__ = "feature_adoption"
    __table_args__ = (UniqueConstraint("workspace_id", "external_id"),)

    id: int | None = Field(default=None, primary_key=True)
    account_id: int = Field(foreign_key="account.id", index=True)
    feature: str = Field(max_length=120)
    core: bool = False
    plan: str | None = Field(default=None, max_length=60)
    first_used_on: date | None = None
    last_used_on: date | None = None
    listed_on: date | None = None  # since when the row is there; the importer writes it
    use_count: int = 0


class StakeholderChange(ImportedRow, table=True):
    """A contact joined, left or changed role."""

    __tablename__ = "stakeholder_change"
    __table_args__ = (UniqueConstraint("workspace_id", "external_id"),)

    id: int | None = Field(default=None, primary_key=True)
    account_id: int = Field(foreign_key="account.id", index=True)
    contact_name: str = Field(max_length=200)
    role: str | None = Field(default=None, max_length=40)
    kind: str = Field(max_length=20)
    changed_on: date
    note: str | None = Field(default=None, max_length=400)
