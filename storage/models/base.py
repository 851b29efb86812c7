"""What all tenant-owned tables share: the workspace they belong to, and UTC times."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import DateTime, Dialect, Numeric, String, column
from sqlalchemy.types import TypeDecorator
from sqlmodel import Field, SQLModel

Money = Numeric(14, 2, asdecimal=False)  # exact in the database, a float in Python: shown, never booked


class UtcDateTime(TypeDecorator[datetime]):
    """A point in time, stored as naive UTC because SQLite keeps no zone, read back aware."""

    impl = DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None or value.tzinfo is None:
            return value
        return value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        return None if value is None else value.replace(tzinfo=UTC)


class _OwnerColumn:
    """The table's own `workspace_id`; the unmapped mixin, where pydantic hides it, is asked too."""

    def __get__(self, row: Any, table: type) -> Any:
        return vars(table).get("workspace_id", column("workspace_id", String))


class Tenant:
    """Marks tenant-owned tables for the filter of `Database.session`."""

    owner = _OwnerColumn()


class WorkspaceRow(Tenant, SQLModel):
    """A row owned by one workspace; only `Database.session` fills and filters `workspace_id`."""

    workspace_id: str = Field(default="", max_length=40, index=True, nullable=False)


class ImportedRow(WorkspaceRow):
    """A row that came from the team's own systems, known there by `external_id`."""

    external_id: str = Field(max_length=120)
