"""Workspaces and the colleagues who use Tend in them."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import JSON, UniqueConstraint
from sqlmodel import Field, SQLModel

from storage.models.base import UtcDateTime, WorkspaceRow


class Workspace(SQLModel, table=True):
    """A tenant; bound to its Slack team when the app is first connected.

    `scorecards` names the health scorecard per segment, `*` for all others.
    """

    __tablename__ = "workspace"

    id: str = Field(primary_key=True, max_length=40)
    name: str = Field(default="", max_length=120)
    slack_team_id: str | None = Field(default=None, max_length=20, unique=True)
    time_zone: str = Field(default="UTC", max_length=60)
    scorecards: dict[str, str] | None = Field(default=None, sa_type=JSON)
    created_at: datetime = Field(sa_type=UtcDateTime)


class SlackInstallation(SQLModel, table=True):
    """What Slack handed over when a team installed the app; `sealed` is encrypted, it holds the tokens."""

    __tablename__ = "slack_installation"

    team_id: str = Field(primary_key=True, max_length=20)
    sealed: str
    installed_at: datetime = Field(sa_type=UtcDateTime)


class Role(StrEnum):
    """What a colleague may do; each includes the ones before it."""

    VIEWER = "viewer"
    CSM = "csm"
    APPROVER = "approver"
    ADMIN = "admin"


class Scope(StrEnum):
    """Whose accounts a colleague sees: those they own, those of their team, or all."""

    OWN = "own"
    TEAM = "team"
    ALL = "all"


class User(WorkspaceRow, table=True):
    """A colleague, matched to a Slack user and, by email, to the accounts that they own."""

    __tablename__ = "user"
    __table_args__ = (UniqueConstraint("workspace_id", "email"), UniqueConstraint("workspace_id", "slack_id"))

    id: int | None = Field(default=None, primary_key=True)
    slack_id: str | None = Field(default=None, max_length=20)
    email: str = Field(max_length=254)
    name: str = Field(max_length=120)
    role: str = Field(default=Role.CSM, max_length=10)
    scope: str = Field(default=Scope.ALL, max_length=10, sa_column_kwargs={"server_default": "all"})
    team: str | None = Field(default=None, max_length=60)
    time_zone: str = Field(default="UTC", max_length=60)
    active: bool = True
