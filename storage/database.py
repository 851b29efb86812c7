"""Sessions bound to one workspace, conditional updates, and migrations."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import polars as pl
from sqlalchemy import Connection, Engine, Select, create_engine, event, inspect, literal, orm, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import ORMExecuteState, with_loader_criteria
from sqlalchemy.pool import StaticPool
from sqlalchemy.sql.dml import Update
from sqlmodel import Session, SQLModel

from storage.models import WorkspaceRow
from storage.models.base import Tenant
from storage.scope import EVERYTHING, View, hiding, visible_accounts

MIGRATIONS = Path(__file__).parent / "migrations"
ONE_AT_A_TIME = {"postgresql": "SELECT pg_advisory_xact_lock(7433164)", "sqlite": "BEGIN IMMEDIATE"}
CHUNK = 2000  # rows in one INSERT statement: well below SQLite's limit of bound values


class WorkspaceMismatchError(RuntimeError):
    """A row of one workspace was about to be written through another workspace's session."""


class OutOfScopeError(RuntimeError):
    """A row was about to be written for an account that the session cannot see."""


class Database:
    """One engine; hands out sessions that can see a single workspace.

    Args:
        url: an SQLAlchemy address, `sqlite:///…` or `postgresql+psycopg://…`.
    """

    def __init__(self, url: str) -> None:
        self.url = _with_driver(url)
        self.engine = _engine(self.url)

    def session(self, workspace_id: str, view: View = EVERYTHING) -> Session:
        """Open a session that fills and filters `workspace_id` on every tenant-owned row.

        Args:
            view: rows of accounts outside of it are not there for the session.
        """
        if not workspace_id:
            raise ValueError("a session needs a workspace; use unbound() for rows of all workspaces")
        session = Session(self.engine, expire_on_commit=False)
        session.info.update(workspace_id=workspace_id, view=view, hiding=hiding(workspace_id, view))
        event.listen(session, "do_orm_execute", _filter)
        event.listen(session, "before_flush", _fill)
        return session

    def unbound(self) -> Session:
        """Open a session over all workspaces: for the queue, the schedule and the workspaces themselves."""
        return Session(self.engine, expire_on_commit=False)

    def migrate(self) -> None:
        """Bring the schema to the newest version; a database that is there already costs one query."""
        from alembic import command
        from alembic.config import Config
        from alembic.script import ScriptDirectory

        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS))
        if self._revision() == ScriptDirectory.from_config(config).get_current_head():
            return
        with self.engine.begin() as connection:
            # Two processes may start at once, and a migration that breaks must leave nothing half made.
            connection.exec_driver_sql(ONE_AT_A_TIME[connection.dialect.name])
            config.attributes["connection"] = connection
            command.upgrade(config, "head")

    def _revision(self) -> str | None:
        with self.engine.connect() as connection:
            if not inspect(connection).has_table("alembic_version"):
                return None
            return connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()


def changed_one(session: Session, statement: Update) -> bool:
    """Run a conditional UPDATE and say whether exactly one row met its condition.

    Every change of state goes through here, so a double click, a retry or a second worker finds no row.
    """
    result: Any = session.execute(statement.execution_options(synchronize_session=False))
    return result.rowcount == 1


def insert_rows(
    session: Session, model: type[WorkspaceRow], rows: Iterable[dict[str, Any]], unless: Sequence[str] = ()
) -> int:
    """Insert many rows of one table in bulk, bound to the session's workspace. Returns how many were given.

    Args:
        unless: unique columns; a row whose values are there already is left out, the stored one stays.
    """
    workspace_id = session.info["workspace_id"]
    filled = [{**row, "workspace_id": workspace_id} for row in rows]
    statement = _insert(session.get_bind().dialect.name)(_table(model))
    if unless:
        statement = statement.on_conflict_do_nothing(index_elements=["workspace_id", *unless])
    for start in range(0, len(filled), CHUNK):
        session.connection().execute(statement, filled[start : start + CHUNK])
    return len(filled)


def insert_frame(session: Session, model: type[WorkspaceRow], frame: pl.DataFrame, unless: Sequence[str] = ()) -> int:
    """Insert the rows of a frame, several times quicker than `insert_rows`; columns as in the table.

    Args:
        unless: columns of a unique key; rows whose key is there already are left out.
    """
    if not frame.height:
        return 0
    dialect = session.get_bind().dialect
    filled = frame.with_columns(pl.lit(session.info["workspace_id"]).alias("workspace_id"))
    if dialect.name == "sqlite":  # what SQLAlchemy would write, one value at a time
        filled = filled.with_columns(
            pl.col(pl.Date).dt.strftime("%Y-%m-%d"), pl.col(pl.Datetime).dt.strftime("%Y-%m-%d %H:%M:%S.%6f")
        )
    names = ", ".join(dialect.identifier_preparer.quote(name) for name in filled.columns)
    marks = ", ".join(["?" if dialect.paramstyle == "qmark" else "%s"] * filled.width)
    conflict = f" ON CONFLICT (workspace_id, {', '.join(unless)}) DO NOTHING" if unless else ""
    statement = f"INSERT INTO {_table(model).name} ({names}) VALUES ({marks}){conflict}"
    for part in filled.iter_slices(CHUNK):
        session.connection().exec_driver_sql(statement, part.rows())
    return frame.height


def sqlite_rows(session: Session, statement: Any) -> list[tuple[Any, ...]] | None:
    """Run a query over what the session may see and return rows as SQLite has them, no value converted; None on
    other databases, whose drivers have types of their own.

    For frames of many rows, which convert whole columns: it takes half the time of `Session.execute`.
    """
    if session.get_bind().dialect.name != "sqlite":
        return None
    if session.autoflush:
        session.flush()
    result = session.connection().execute(_owned(session, statement))
    rows: list[tuple[Any, ...]] = list(result.cursor.fetchall())
    result.close()
    return rows


def upsert_selected(
    session: Session, model: type[WorkspaceRow], columns: Sequence[str], rows: Select[Any], key: Sequence[str]
) -> None:
    """Insert what a query over the session's workspace finds; a row whose unique `key` exists is overwritten.

    Args:
        columns: the columns that the query's own ones go into, in its order.
        rows: the query; it must have a condition, without which SQLite cannot read the statement.
    """
    owned = rows.add_columns(literal(session.info["workspace_id"]))
    statement = _insert(session.get_bind().dialect.name)(_table(model)).from_select([*columns, "workspace_id"], owned)
    newer = {name: statement.excluded[name] for name in columns if name not in key}
    session.connection().execute(statement.on_conflict_do_update(index_elements=["workspace_id", *key], set_=newer))


def insert_new(session: Session, model: type[WorkspaceRow], row: dict[str, Any], key: Sequence[str]) -> bool:
    """Insert one row unless its unique `key` columns exist already. Returns whether it was inserted."""
    insert = _insert(session.get_bind().dialect.name)
    values = {**row, "workspace_id": session.info["workspace_id"]}
    table = _table(model)
    statement = insert(table).values(values).on_conflict_do_nothing(index_elements=["workspace_id", *key])
    # The inserted row itself is the proof: an INSERT's row count is not known on every database.
    return session.connection().execute(statement.returning(table.c.workspace_id)).first() is not None


def insert_new_rows(
    connection: Connection, model: type[WorkspaceRow], rows: list[dict[str, Any]], key: Sequence[str]
) -> set[tuple[Any, ...]]:
    """Insert rows of any workspaces unless their unique keys exist. Returns the keys that are new, workspace first.

    Args:
        rows: each with its `workspace_id`: this is below the sessions, for the queue's intake.
    """
    if not rows:
        return set()
    table, unique = _table(model), ["workspace_id", *key]
    wanted = {tuple(row[name] for name in unique) for row in rows}
    columns = [table.c[name] for name in unique]
    alike = table.c[key[-1]].in_([row[key[-1]] for row in rows])
    known = {tuple(row) for row in connection.execute(select(*columns).where(alike))}
    # Many rows without RETURNING go to the driver in one call, which is several times quicker.
    statement = _insert(connection.dialect.name)(table).on_conflict_do_nothing(index_elements=unique)
    connection.execute(statement, rows)
    return wanted - known


def _insert(dialect: str) -> Any:
    return postgresql.insert if dialect == "postgresql" else sqlite.insert


def _table(model: type[WorkspaceRow]) -> Any:
    return SQLModel.metadata.tables[str(model.__tablename__)]


def _filter(state: ORMExecuteState) -> None:
    if state.is_insert:
        raise WorkspaceMismatchError("insert through session.add, insert_rows or insert_new: they fill the workspace")
    if not state.is_column_load and not state.is_relationship_load:
        state.statement = _owned(state.session, state.statement)


def _owned(session: orm.Session, statement: Any) -> Any:
    """Limit a statement to the session's workspace, and to the accounts of its view."""
    workspace_id = session.info["workspace_id"]
    mine = with_loader_criteria(Tenant, lambda cls: cls.owner == workspace_id, include_aliases=True)
    return statement.options(mine, *session.info["hiding"])


def _fill(session: Session, *_: Any) -> None:
    workspace_id = session.info["workspace_id"]
    _refuse_unseen(session)
    for row in (*session.new, *session.dirty):
        if isinstance(row, WorkspaceRow):
            if row.workspace_id not in ("", workspace_id):
                raise WorkspaceMismatchError(f"{type(row).__name__} of {row.workspace_id} in {workspace_id}")
            row.workspace_id = workspace_id


def _refuse_unseen(session: Session) -> None:
    """A new row may only be about an account that the session sees: rows that are there were found by it."""
    if not session.info["hiding"]:
        return
    about = {row.account_id for row in session.new if hasattr(row, "account_id")}
    visible = visible_accounts(session.info["workspace_id"], session.info["view"])
    seen = session.connection().execute(visible.where(visible.selected_columns.id.in_(about))).scalars()
    if unseen := about - set(seen):
        raise OutOfScopeError(f"account {min(unseen)} is outside of what {session.info['view'].email} may see")


def _with_driver(url: str) -> str:
    """Name the driver we ship, so that a plain postgres address works as people write it."""
    for plain in ("postgres://", "postgresql://"):
        if url.startswith(plain):
            return "postgresql+psycopg://" + url.removeprefix(plain)
    return url


def _engine(url: str) -> Engine:
    if not url.startswith("sqlite"):
        return create_engine(url, pool_pre_ping=True, pool_size=20, max_overflow=20)
    memory = url in ("sqlite://", "sqlite:///:memory:")
    options: dict[str, Any] = {"poolclass": StaticPool} if memory else {"pool_size": 20, "max_overflow": 40}
    if not memory:
        Path(url.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(url, connect_args={"check_same_thread": False, "timeout": 30}, **options)
    event.listen(engine, "connect", _tune_sqlite)
    return engine


def _tune_sqlite(connection: Any, _: Any) -> None:
    """Readers beside one writer, and every acknowledged row on disk (WAL with full synchronisation)."""
    for pragma in (
        "busy_timeout=30000",  # first: the switch to WAL waits for another process too
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
        "wal_autocheckpoint=8000",
    ):
        connection.execute(f"PRAGMA {pragma}")
