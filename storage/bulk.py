"""Changes of many rows by primary key, bound to the session's workspace."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import delete, update
from sqlmodel import Session, SQLModel

from storage.models import WorkspaceRow

AT_ONCE = 500  # ids in one statement


def change_rows(session: Session, model: type[WorkspaceRow], ids: Sequence[int], values: dict[str, Any]) -> None:
    """Give many rows the same values."""
    for chunk in _chunks(ids):
        session.connection().execute(update(_table(model)).where(*_mine(session, model, chunk)).values(values))


def remove_rows(session: Session, model: type[WorkspaceRow], ids: Sequence[int]) -> None:
    """Delete many rows."""
    for chunk in _chunks(ids):
        session.connection().execute(delete(_table(model)).where(*_mine(session, model, chunk)))


def _chunks(ids: Sequence[int]) -> list[Sequence[int]]:
    return [ids[start : start + AT_ONCE] for start in range(0, len(ids), AT_ONCE)]


def _mine(session: Session, model: type[WorkspaceRow], ids: Sequence[int]) -> tuple[Any, Any]:
    columns = _table(model).c
    return columns.workspace_id == session.info["workspace_id"], columns.id.in_(ids)


def _table(model: type[WorkspaceRow]) -> Any:
    return SQLModel.metadata.tables[str(model.__tablename__)]
