"""The schema that migrations make is the schema that the models declare, on both databases."""

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import delete, text, update
from sqlalchemy.exc import DatabaseError, IntegrityError
from sqlmodel import SQLModel, select

from storage.database import Database
from storage.models import Audit, Signal, User

REPO = Path(__file__).parents[2]
NOW = datetime(2026, 5, 4, 9, tzinfo=UTC)


@pytest.fixture
def audited(any_database: Database) -> Database:
    with any_database.session("w1") as session:
        session.add(Audit(at=NOW, actor="dana@team.example", action="draft.approved", subject="draft:1"))
        session.commit()
    return any_database


def test_migrations_build_exactly_the_tables_that_the_models_declare(empty_url: str) -> None:
    database = Database(empty_url)
    database.migrate()
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, SQLModel.metadata) == []
    database.engine.dispose()


def test_migrating_again_changes_nothing_and_keeps_the_data(empty_url: str) -> None:
    database = Database(empty_url)
    database.migrate()
    with database.session("w1") as session:
        session.add(User(email="dana@team.example", name="Dana Reyes"))
        session.commit()
    database.engine.dispose()
    again = Database(empty_url)
    again.migrate()
    with again.engine.begin() as connection:  # even when the version is not what it was
        connection.execute(text("UPDATE alembic_version SET version_num = version_num"))
    again.migrate()
    with again.session("w1") as session:
        assert session.exec(select(User.name)).all() == ["Dana Reyes"]
    again.engine.dispose()


STARTING = """
import sys
from storage.database import Database
print("ready", flush=True)
for url in sys.stdin.readline().split():
    Database(url).migrate()
"""


def test_processes_that_start_at_once_migrate_once(tmp_path: Path, empty_postgres: str) -> None:
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    command = [sys.executable, "-c", STARTING]
    processes = [subprocess.Popen(command, text=True, cwd=REPO, **pipes) for _ in range(2)]  # type: ignore[call-overload]
    assert [process.stdout.readline() for process in processes] == ["ready\n"] * 2
    for process in processes:
        process.stdin.write(f"sqlite:///{tmp_path}/empty.db {empty_postgres}\n")
        process.stdin.flush()
    assert [process.communicate(timeout=60)[1] for process in processes] == ["", ""]


def test_a_migration_that_breaks_leaves_nothing_half_made(empty_url: str) -> None:
    database = Database(empty_url)
    with database.engine.begin() as connection:
        connection.execute(text("CREATE TABLE outbox (id INTEGER)"))  # the last table that the migration makes
    with pytest.raises(DatabaseError):
        database.migrate()
    with database.engine.begin() as connection:
        connection.execute(text("DROP TABLE outbox"))
    database.migrate()
    with database.session("w1") as session:
        assert session.exec(select(User)).all() == []
    database.engine.dispose()


@pytest.mark.parametrize(
    "forgery",
    [
        "UPDATE audit SET actor = 'someone else'",
        "UPDATE audit SET workspace_id = 'w2'",
        "DELETE FROM audit",
        "DELETE FROM audit WHERE id = 1",
    ],
)
def test_the_database_refuses_to_change_the_audit(audited: Database, forgery: str) -> None:
    with pytest.raises(DatabaseError, match="append-only"), audited.engine.begin() as connection:
        connection.execute(text(forgery))
    with audited.session("w1") as session:
        assert session.exec(select(Audit)).one().actor == "dana@team.example"


@pytest.mark.parametrize("statement", [update(Audit).values(action="draft.rejected"), delete(Audit)])
def test_our_own_sessions_cannot_change_the_audit_either(audited: Database, statement: object) -> None:
    with audited.session("w1") as session, pytest.raises(DatabaseError, match="append-only"):
        session.execute(statement)  # type: ignore[call-overload]


def test_the_audit_of_postgresql_cannot_be_truncated(postgres_url: str) -> None:
    database = Database(postgres_url)
    with pytest.raises(DatabaseError, match="append-only"), database.engine.begin() as connection:
        connection.execute(text("TRUNCATE audit"))
    database.engine.dispose()


def test_the_audit_takes_new_rows(audited: Database) -> None:
    with audited.session("w1") as session:
        session.add(Audit(at=NOW, actor="tend", action="draft.sent", subject="draft:1"))
        session.commit()
        assert len(session.exec(select(Audit)).all()) == 2


def test_signals_of_an_older_schema_are_kept_and_doubled_ones_opened_once(empty_url: str) -> None:
    database = Database(empty_url)
    migrate_to(database, "0002")
    with database.engine.begin() as connection:
        connection.execute(text(OLD_ACCOUNT))
        for kind, opened, closed in (("a", "2026-01-01", None), ("a", "2026-01-01", None), ("a", "2026-01-05", None),
                                     ("b", "2026-01-02", "2026-01-03")):  # fmt: skip
            connection.execute(text(OLD_SIGNAL), {"kind": kind, "opened": opened, "closed": closed})
    database.migrate()
    with database.session("w1") as session:
        kept = session.exec(select(Signal).order_by(Signal.kind, Signal.opened_on)).all()
        days = [(s.kind, s.opened_on.day, s.closed_on and s.closed_on.day, s.severity) for s in kept]
        assert days == [("a", 1, 1, 3), ("a", 5, None, 3), ("b", 2, 3, 3)]
        session.add(Signal(account_id=1, kind="a", opened_on=NOW.date()))
        with pytest.raises(IntegrityError):
            session.commit()
    database.engine.dispose()


OLD_ACCOUNT = """
INSERT INTO account (id, workspace_id, external_id, name, industry, currency, status, started_on)
VALUES (1, 'w1', 'a1', 'Acme', 'saas', 'USD', 'active', '2025-01-01')
"""
OLD_SIGNAL = """
INSERT INTO signal (workspace_id, account_id, kind, opened_on, closed_on) VALUES ('w1', 1, :kind, :opened, :closed)
"""


def migrate_to(database: Database, revision: str) -> None:
    from alembic import command
    from alembic.config import Config

    from storage.database import MIGRATIONS

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with database.engine.begin() as connection:
        config.attributes["connection"] = connection
        (command.downgrade if revision == "base" else command.upgrade)(config, revision)


def test_every_migration_can_be_taken_back(empty_url: str) -> None:
    database = Database(empty_url)
    database.migrate()
    migrate_to(database, "base")
    database.migrate()
    database.engine.dispose()
