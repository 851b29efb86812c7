"""What all tenant-owned tables share: the workspace they belong to, and UTC times."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import DateTime, Dialect, Numeric, String, Table, column
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


def path_to_account(table: Table) -> tuple[str, Table | None] | None:
    """Return the column by which a table's rows reach their account, and the table in between; None for the others.

    That is `account_id`, or the reference to the row that they are part of, as a step is of its play.
    """
    if table.name == "account":
        return "id", None
    if "account_id" in table.c:
        return "account_id", None
    # A reference that may be empty counts too: a row of nobody knows which account is hidden from narrow scopes.
    keys = sorted(table.foreign_keys, key=lambda key: bool(key.parent.nullable))
    parents = [(key.parent.name, key.column.table) for key in keys]
    return next(((name, parent) for name, parent in parents if path_to_account(parent) is not None), None)


class _AccountColumn:
    """The column by which a row reaches its account; only tables that have one are asked."""

    def __get__(self, row: Any, table: Any) -> Any:
        found = path_to_account(table.__table__)
        return getattr(table, found[0]) if found else None


class Tenant:
    """Marks tenant-owned tables for the filters of `Database.session`."""

    owner = _OwnerColumn()
    reaches_account = _AccountColumn()


class WorkspaceRow(Tenant, SQLModel):
    """A row owned by one workspace; only `Database.session` fills and filters `workspace_id`."""

    workspace_id: str = Field(default="", max_length=40, index=True, nullable=False)


class ImportedRow(WorkspaceRow):
    """A row that came from the team's own systems, known there by `external_id`."""

    external_id: str = Field(max_length=120)
