"""What an account could use more of, and trials of it."""

from datetime import date
from enum import StrEnum

from sqlalchemy import Index, Text, text
from sqlmodel import Field

from storage.models.base import WorkspaceRow


class OpportunityState(StrEnum):
    """Open ones are found anew each day; the others are what colleagues and customers made of them."""

    OPEN = "open"
    PROPOSED = "proposed"
    ACCEPTED = "accepted"
    REFUSED = "refused"


class TrialState(StrEnum):
    """A trial runs until it is converted or ends."""

    RUNNING = "running"
    CONVERTED = "converted"
    ENDED = "ended"


def _once(name: str, condition: str) -> Index:
    """Of an account and offer, one row at most meets the condition."""
    where = text(condition)
    return Index(name, "workspace_id", "account_id", "offer", unique=True, sqlite_where=where, postgresql_where=where)


class Opportunity(WorkspaceRow, table=True):
    """Account x offer. `uplift` is revenue a month if accepted, in `currency`; null where no price is known.

    `reasons` is a JSON list of words, `evidence` a JSON object of features; `blocker` says why it is held back.
    """

    __tablename__ = "opportunity"
    __table_args__ = (
        _once("ux_opportunity_running", "state IN ('open', 'proposed')"),
        Index("ix_opportunity_account", "account_id", "offer"),
        Index("ix_opportunity_state", "workspace_id", "state"),
    )

    id: int | None = Field(default=None, primary_key=True)
    account_id: int = Field(foreign_key="account.id")
    offer: str = Field(max_length=40)
    type: str = Field(max_length=20)
    state: str = Field(default=OpportunityState.OPEN, max_length=10)
    opened_on: date
    day: date
    score: float
    probability: float
    low: float
    high: float
    uplift: float | None = None
    currency: str = Field(default="USD", max_length=3)
    timing: str = Field(max_length=20)
    reasons: str = Field(sa_type=Text)
    evidence: str = Field(sa_type=Text)
    blocker: str | None = Field(default=None, max_length=200)
    decided_on: date | None = None
    decided_by: str | None = Field(default=None, max_length=254)


class PremiumTrial(WorkspaceRow, table=True):
    """A trial of what a higher plan holds; `used_share` is the share of its days so far on which it was used."""

    __tablename__ = "premium_trial"
    __table_args__ = (_once("ux_trial_running", "state = 'running'"),)

    id: int | None = Field(default=None, primary_key=True)
    account_id: int = Field(foreign_key="account.id")
    offer: str = Field(max_length=40)
    state: str = Field(default=TrialState.RUNNING, max_length=10)
    starts_on: date
    ends_on: date
    started_by: str = Field(max_length=254)
    used_share: float | None = None
    measured_on: date | None = None
    proposed_on: date | None = None
    reminded_on: date | None = None
    decided_on: date | None = None
    decided_by: str | None = Field(default=None, max_length=254)
