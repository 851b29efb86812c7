"""What scoring found, and what colleagues decided about it."""

from datetime import date, datetime
from typing import Any

from sqlalchemy import JSON, Index, Text, UniqueConstraint, text
from sqlmodel import Field

from storage.models.base import UtcDateTime, WorkspaceRow


def _once_open(name: str, *columns: str) -> Index:
    """Of rows with the same values, one at most is open."""
    is_open = text("closed_on IS NULL")
    return Index(name, *columns, unique=True, sqlite_where=is_open, postgresql_where=is_open)


class Snapshot(WorkspaceRow, table=True):
    """The stored result of scoring one account on one day with one scorecard; never overwritten.

    `raw` holds the indicators' values as a JSON list in the order of the run's scorecard: with the run they
    give the score again, and everything that explains it.
    """

    __tablename__ = "snapshot"
    __table_args__ = (
        UniqueConstraint("workspace_id", "day", "scorecard", "account_id"),
        Index("ix_snapshot_account", "account_id", "day"),
    )

    id: int | None = Field(default=None, primary_key=True)
    account_id: int = Field(foreign_key="account.id")
    day: date
    scorecard: str = Field(max_length=40)
    scorecard_version: int = 1
    value: float | None = None
    band: str | None = Field(default=None, max_length=20)
    coverage: float = 0.0
    loss_probability: float | None = None
    raw: str | None = None


class ScoringRun(WorkspaceRow, table=True):
    """What one day's scores of one scorecard rest on: the scorecard as it was, and the portfolio around them."""

    __tablename__ = "scoring_run"
    __table_args__ = (UniqueConstraint("workspace_id", "scorecard", "day"),)

    id: int | None = Field(default=None, primary_key=True)
    day: date
    scorecard: str = Field(max_length=40)
    version: int
    card: dict[str, Any] = Field(default_factory=dict, sa_type=JSON)
    means: list[float] = Field(default_factory=list, sa_type=JSON)
    loss_rates: dict[str, float] = Field(default_factory=dict, sa_type=JSON)
    freshness: dict[str, str | None] = Field(default_factory=dict, sa_type=JSON)
    baselines: dict[str, list[float]] = Field(default_factory=dict, sa_type=JSON)
    created_at: datetime = Field(sa_type=UtcDateTime)


class HealthOverride(WorkspaceRow, table=True):
    """A CSM's own judgement in place of a score, for a while; `ended_on` is set when it is taken back."""

    __tablename__ = "health_override"
    __table_args__ = (Index("ix_override_account", "account_id", "expires_on"),)

    id: int | None = Field(default=None, primary_key=True)
    account_id: int = Field(foreign_key="account.id")
    value: float | None = None
    band: str = Field(max_length=20)
    note: str = Field(max_length=1000)
    by: str = Field(max_length=254)
    at: datetime = Field(sa_type=UtcDateTime)
    starts_on: date
    expires_on: date
    ended_on: date | None = None


class Signal(WorkspaceRow, table=True):
    """A dated, typed observation that matters, with its evidence; open until its condition ends.

    One account has one kind open at most once, and opens it at most once a day: the database refuses more.
    """

    __tablename__ = "signal"
    __table_args__ = (
        UniqueConstraint("workspace_id", "account_id", "kind", "opened_on", name="uq_signal_opened"),
        _once_open("ux_signal_open", "workspace_id", "account_id", "kind"),
        Index("ix_signal_account", "account_id", "kind", "opened_on"),
    )

    id: int | None = Field(default=None, primary_key=True)
    account_id: int = Field(foreign_key="account.id")
    kind: str = Field(max_length=60)
    severity: int = 3
    opened_on: date
    closed_on: date | None = None
    evidence: dict[str, Any] | None = Field(default=None, sa_type=JSON)


class SignalWait(WorkspaceRow, table=True):
    """A signal whose condition must hold for some days before it opens, and since when it holds."""

    __tablename__ = "signal_wait"
    __table_args__ = (UniqueConstraint("workspace_id", "account_id", "kind"),)

    id: int | None = Field(default=None, primary_key=True)
    account_id: int = Field(foreign_key="account.id")
    kind: str = Field(max_length=60)
    since: date


class Mention(WorkspaceRow, table=True):
    """Something that matters and that a customer said, with the sentence, in a text that we have."""

    __tablename__ = "mention"
    __table_args__ = (
        UniqueConstraint("workspace_id", "source", "source_id", "kind"),
        Index("ix_mention_account", "account_id", "said_on"),
    )

    id: int | None = Field(default=None, primary_key=True)
    account_id: int = Field(foreign_key="account.id")
    kind: str = Field(max_length=40)
    said_on: date
    source: str = Field(max_length=20)
    source_id: int
    quote: str = Field(max_length=200)
    found_by: str = Field(default="pattern", max_length=12, sa_column_kwargs={"server_default": "pattern"})


class DataIncident(WorkspaceRow, table=True):
    """The data, rather than the customers, changed: a source is late, or many accounts moved at once."""

    __tablename__ = "data_incident"
    __table_args__ = (
        UniqueConstraint("workspace_id", "kind", "opened_on"),
        _once_open("ux_data_incident_open", "workspace_id", "kind"),
    )

    id: int | None = Field(default=None, primary_key=True)
    kind: str = Field(max_length=80)
    source: str = Field(max_length=200)
    opened_on: date
    closed_on: date | None = None
    evidence: dict[str, Any] | None = Field(default=None, sa_type=JSON)


class Bookmark(WorkspaceRow, table=True):
    """How far some repeated reading has come: the last day, or the highest id."""

    __tablename__ = "bookmark"
    __table_args__ = (UniqueConstraint("workspace_id", "name"),)

    id: int | None = Field(default=None, primary_key=True)
    name: str = Field(max_length=80)
    day: date | None = None
    last_id: int | None = None


class ModelVersion(WorkspaceRow, table=True):
    """A trained model with what it was trained on and how it did; one of a kind is the champion, which forecasts.

    `model` is the model as text, never code; `states` are champion, challenger (not better), retired.
    """

    __tablename__ = "model_version"
    __table_args__ = (UniqueConstraint("workspace_id", "kind", "number"),)

    id: int | None = Field(default=None, primary_key=True)
    kind: str = Field(max_length=20)
    number: int
    state: str = Field(max_length=12)
    trained_at: datetime = Field(sa_type=UtcDateTime)
    data_from: date
    data_until: date
    code_version: str = Field(max_length=40)
    parameters: dict[str, Any] = Field(default_factory=dict, sa_type=JSON)
    metrics: dict[str, Any] = Field(default_factory=dict, sa_type=JSON)
    note: str | None = Field(default=None, max_length=400)
    model: str = Field(sa_type=Text)


class Prediction(WorkspaceRow, table=True):
    """One account's forecast of one day; never overwritten, so that it can be held against what happened."""

    __tablename__ = "prediction"
    __table_args__ = (
        UniqueConstraint("workspace_id", "day", "account_id"),
        Index("ix_prediction_account", "account_id", "day"),
    )

    id: int | None = Field(default=None, primary_key=True)
    account_id: int = Field(foreign_key="account.id")
    day: date
    model_version: int
    within_30: float
    within_60: float
    within_90: float


class AccountAction(WorkspaceRow, table=True):
    """A colleague acknowledged or snoozed an account that was reported at risk."""

    __tablename__ = "account_action"

    id: int | None = Field(default=None, primary_key=True)
    account_id: int = Field(foreign_key="account.id", index=True)
    action: str = Field(max_length=20)
    by: str = Field(max_length=254)
    at: datetime = Field(sa_type=UtcDateTime)
    until: date | None = None


class Note(WorkspaceRow, table=True):
    """What a colleague wrote down about an account."""

    __tablename__ = "note"
    __table_args__ = (Index("ix_note_account", "account_id", "at"),)

    id: int | None = Field(default=None, primary_key=True)
    account_id: int = Field(foreign_key="account.id")
    text: str = Field(max_length=2000)
    by: str = Field(max_length=254)
    at: datetime = Field(sa_type=UtcDateTime)
