"""Where accounts are in their lifecycle, where they were, and which milestones they met."""

from datetime import date

from sqlalchemy import Index, Text, UniqueConstraint, text
from sqlmodel import Field

from storage.models.base import WorkspaceRow

CURRENT = text("left_on IS NULL")


class StageEntry(WorkspaceRow, table=True):
    """An account's time in one stage; the one without `left_on` is where it is.

    `how` it came in: first, forward, passed, back, aside, returned; `left_how` is the next entry's. `inferred`: the
    account was not watched when it came in, so `entered_on` is the best known date. `because` is a JSON object of the
    rule and the features behind it.
    """

    __tablename__ = "stage_entry"
    __table_args__ = (
        Index(
            "ux_stage_entry_current",
            "workspace_id", "account_id", "journey",
            unique=True, sqlite_where=CURRENT, postgresql_where=CURRENT,
        ),
        Index("ix_stage_entry_account", "account_id", "entered_on"),
        Index("ix_stage_entry_stage", "workspace_id", "journey", "stage", "entered_on"),
    )  # fmt: skip

    id: int | None = Field(default=None, primary_key=True)
    account_id: int = Field(foreign_key="account.id")
    journey: str = Field(max_length=40)
    stage: str = Field(max_length=20)
    entered_on: date
    left_on: date | None = None
    how: str = Field(max_length=10)
    left_how: str | None = Field(default=None, max_length=10)
    inferred: bool = False
    because: str = Field(sa_type=Text)


class MilestoneMet(WorkspaceRow, table=True):
    """The day on which an account was first seen to have met a milestone; it stays met."""

    __tablename__ = "milestone"
    __table_args__ = (UniqueConstraint("workspace_id", "account_id", "journey", "milestone"),)

    id: int | None = Field(default=None, primary_key=True)
    account_id: int = Field(foreign_key="account.id")
    journey: str = Field(max_length=40)
    milestone: str = Field(max_length=40)
    met_on: date
