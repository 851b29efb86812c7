"""Plays that run: the versions of plays, their runs and steps, what was decided, and colleagues' tasks."""

from datetime import date, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, Index, UniqueConstraint, text
from sqlmodel import Field

from storage.models.base import UtcDateTime, WorkspaceRow


class RunState(StrEnum):
    """A run goes on, rests, or is only watched; it ends finished (its steps or its goal) or stopped."""

    RUNNING = "running"
    PAUSED = "paused"
    HELD_OUT = "held_out"
    FINISHED = "finished"
    STOPPED = "stopped"


class StepState(StrEnum):
    """A step waits for its time, is done or was left out; each change is one conditional update."""

    WAITING = "waiting"
    DONE = "done"
    SKIPPED = "skipped"


class TaskState(StrEnum):
    """A task is open until a colleague finishes it or its play ends."""

    OPEN = "open"
    DONE = "done"
    CANCELLED = "cancelled"


class PlayVersion(WorkspaceRow, table=True):
    """A play as it was when a run started with it; `hash` is of its content."""

    __tablename__ = "play_version"
    __table_args__ = (UniqueConstraint("workspace_id", "play", "hash"),)

    id: int | None = Field(default=None, primary_key=True)
    play: str = Field(max_length=60)
    hash: str = Field(max_length=64)
    content: dict[str, Any] = Field(default_factory=dict, sa_type=JSON)
    first_used_at: datetime = Field(sa_type=UtcDateTime)


_OPEN = text("ended_at IS NULL")


class PlayRun(WorkspaceRow, table=True):
    """A play at an account; one play is open once per account: the database refuses more.

    `variant` is the arm of the comparison that it belongs to and never changes; a run of the hold-out keeps the
    state `held_out` when its time to be watched is over. `paused_minutes` is how long it rested so far.
    """

    __tablename__ = "play_run"
    __table_args__ = (
        Index(
            "ux_play_run_open", "workspace_id", "account_id", "play", unique=True,
            sqlite_where=_OPEN, postgresql_where=_OPEN,
        ),
        Index("ix_play_run_account", "account_id", "play"),
        Index("ix_play_run_state", "workspace_id", "state"),
    )  # fmt: skip

    id: int | None = Field(default=None, primary_key=True)
    account_id: int = Field(foreign_key="account.id")
    play: str = Field(max_length=60)
    version_id: int = Field(foreign_key="play_version.id")
    state: str = Field(default=RunState.RUNNING, max_length=10)
    variant: str = Field(max_length=40)
    because: str = Field(max_length=400)
    started_by: str = Field(max_length=254)
    started_at: datetime = Field(sa_type=UtcDateTime)
    goal_until: datetime = Field(sa_type=UtcDateTime)
    paused_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    paused_minutes: int = 0
    ended_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    ended_because: str | None = Field(default=None, max_length=400)
    goal_met_on: date | None = None


class PlayStep(WorkspaceRow, table=True):
    """One step of a run; a touchpoint reaches a contact.

    `due_at` is planned until it is done; `note` says why it was left out or became a task.
    """

    __tablename__ = "play_step"
    __table_args__ = (
        UniqueConstraint("workspace_id", "run_id", "step"),
        Index("ix_play_step_due", "workspace_id", "state", "due_at"),
    )

    id: int | None = Field(default=None, primary_key=True)
    run_id: int = Field(foreign_key="play_run.id", index=True)
    step: str = Field(max_length=60)
    state: str = Field(default=StepState.WAITING, max_length=10)
    touchpoint: bool
    due_at: datetime = Field(sa_type=UtcDateTime)
    done_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    draft_id: int | None = Field(default=None, foreign_key="draft.id")
    note: str | None = Field(default=None, max_length=400)


class PlayDecision(WorkspaceRow, table=True):
    """What was decided about a play at an account; a row only when it changes. Rows are never changed."""

    __tablename__ = "play_decision"
    __table_args__ = (
        UniqueConstraint("workspace_id", "account_id", "play", "day", "decision", "because"),
        Index("ix_play_decision_account", "account_id", "play"),
    )

    id: int | None = Field(default=None, primary_key=True)
    day: date
    account_id: int = Field(foreign_key="account.id")
    play: str = Field(max_length=60)
    decision: str = Field(max_length=10)
    because: str = Field(max_length=400)


class Task(WorkspaceRow, table=True):
    """Something for a colleague to do, of a play's step or by itself."""

    __tablename__ = "task"
    __table_args__ = (Index("ix_task_owner", "workspace_id", "state", "owner_email"),)

    id: int | None = Field(default=None, primary_key=True)
    account_id: int = Field(foreign_key="account.id", index=True)
    owner_email: str | None = Field(default=None, max_length=254)
    title: str = Field(max_length=200)
    text: str = Field(max_length=2000)
    due_on: date
    state: str = Field(default=TaskState.OPEN, max_length=10)
    run_id: int | None = Field(default=None, foreign_key="play_run.id", index=True)
    step: str | None = Field(default=None, max_length=60)
    created_at: datetime = Field(sa_type=UtcDateTime)
    done_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    done_by: str | None = Field(default=None, max_length=254)
    note: str | None = Field(default=None, max_length=1000)
