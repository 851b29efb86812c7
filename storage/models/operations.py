"""How Tend keeps its own promises: durable work, jobs once per period, posts once, the audit."""

from datetime import date, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, Index, UniqueConstraint
from sqlmodel import Field

from storage.models.base import UtcDateTime, WorkspaceRow


class WorkState(StrEnum):
    """Ready until claimed; a claim that outlives its lease is ready again."""

    READY = "ready"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


class Work(WorkspaceRow, table=True):
    """One piece of slow work behind an acknowledged event; `key` makes a retry harmless."""

    __tablename__ = "work"
    __table_args__ = (
        UniqueConstraint("workspace_id", "key"),
        Index("ix_work_ready", "state", "run_after"),
    )

    id: int | None = Field(default=None, primary_key=True)
    kind: str = Field(max_length=40)
    key: str = Field(max_length=120)
    payload: dict[str, Any] = Field(default_factory=dict, sa_type=JSON)
    state: str = Field(default=WorkState.READY, max_length=10)
    attempts: int = 0
    run_after: datetime = Field(sa_type=UtcDateTime)
    lease_until: datetime | None = Field(default=None, sa_type=UtcDateTime)
    created_at: datetime = Field(sa_type=UtcDateTime)
    finished_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    error: str | None = Field(default=None, max_length=400)


class JobPeriod(WorkspaceRow, table=True):
    """One run of a job for one period; the unique key is what makes it once."""

    __tablename__ = "job_period"
    __table_args__ = (UniqueConstraint("workspace_id", "job", "period"),)

    id: int | None = Field(default=None, primary_key=True)
    job: str = Field(max_length=60)
    period: str = Field(max_length=40)
    state: str = Field(default=WorkState.RUNNING, max_length=10)
    attempts: int = 1
    started_at: datetime = Field(sa_type=UtcDateTime)
    lease_until: datetime = Field(sa_type=UtcDateTime)
    finished_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    result: dict[str, Any] | None = Field(default=None, sa_type=JSON)


class SlackMessage(WorkspaceRow, table=True):
    """A message that must appear once: the key is written before the post, the ts after it."""

    __tablename__ = "slack_message"
    __table_args__ = (UniqueConstraint("workspace_id", "key"),)

    id: int | None = Field(default=None, primary_key=True)
    key: str = Field(max_length=120)
    channel: str = Field(max_length=20)
    ts: str | None = Field(default=None, max_length=30)
    created_at: datetime = Field(sa_type=UtcDateTime)


class Audit(WorkspaceRow, table=True):
    """Who did what, with the text before and after. The database refuses to change or delete a row."""

    __tablename__ = "audit"

    id: int | None = Field(default=None, primary_key=True)
    at: datetime = Field(sa_type=UtcDateTime)
    actor: str = Field(max_length=254)
    action: str = Field(max_length=60)
    subject: str = Field(max_length=120, index=True)
    before: dict[str, Any] | None = Field(default=None, sa_type=JSON)
    after: dict[str, Any] | None = Field(default=None, sa_type=JSON)


class DigestSubscription(WorkspaceRow, table=True):
    """A channel that wants the daily digest, at which local hour."""

    __tablename__ = "digest_subscription"
    __table_args__ = (UniqueConstraint("workspace_id", "channel"),)

    id: int | None = Field(default=None, primary_key=True)
    channel: str = Field(max_length=20)
    hour: int = 8
    time_zone: str = Field(default="UTC", max_length=60)
    owner_email: str | None = Field(default=None, max_length=254)
    active: bool = True
    created_by: str = Field(max_length=254)


class Digest(WorkspaceRow, table=True):
    """A digest as it was composed for one channel and local date; the next one compares with it."""

    __tablename__ = "digest"
    __table_args__ = (UniqueConstraint("workspace_id", "channel", "day"),)

    id: int | None = Field(default=None, primary_key=True)
    channel: str = Field(max_length=20)
    day: date
    content: dict[str, Any] = Field(default_factory=dict, sa_type=JSON)
    created_at: datetime = Field(sa_type=UtcDateTime)


class ConversationTurn(WorkspaceRow, table=True):
    """One question and its answer: the thread memory, kept here because Slack's history is rationed."""

    __tablename__ = "conversation_turn"
    __table_args__ = (
        UniqueConstraint("workspace_id", "key"),
        Index("ix_turn_thread", "workspace_id", "channel", "thread_ts"),
    )

    id: int | None = Field(default=None, primary_key=True)
    key: str = Field(max_length=120)
    channel: str = Field(max_length=20)
    thread_ts: str = Field(max_length=30)
    user: str = Field(max_length=254)
    question: str
    answer: str
    mode: str = Field(max_length=20)
    account_ids: list[int] = Field(default_factory=list, sa_type=JSON)
    tools: list[dict[str, Any]] = Field(default_factory=list, sa_type=JSON)
    facts: list[dict[str, Any]] = Field(default_factory=list, sa_type=JSON)
    at: datetime = Field(sa_type=UtcDateTime)


class ImportRun(WorkspaceRow, table=True):
    """What one import added, changed and refused."""

    __tablename__ = "import_run"

    id: int | None = Field(default=None, primary_key=True)
    at: datetime = Field(sa_type=UtcDateTime)
    source: str = Field(max_length=400)
    report: dict[str, Any] = Field(default_factory=dict, sa_type=JSON)
