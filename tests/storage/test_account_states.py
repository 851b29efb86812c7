"""How accounts looked on earlier days is kept, on both databases."""

import time
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import text
from sqlmodel import Session, col, select

from storage.database import MIGRATIONS, Database
from storage.importing import import_frames
from storage.models import Account, AccountState
from storage.usage import UsageStore

START = date(2023, 5, 2)


@pytest.fixture
def session(any_database: Database) -> Iterator[Session]:
    with any_database.session("w1") as session:
        yield session


def bring(session: Session, folder: Path, day: date, *accounts: dict[str, Any], **options: Any) -> None:
    rows = [{"name": row["external_id"], "started_on": START, **row} for row in accounts]
    now = datetime(day.year, day.month, day.day, 9, tzinfo=UTC)
    import_frames(session, UsageStore(str(folder / "usage")), {"accounts": pl.DataFrame(rows)}, now=now, **options)


def states(session: Session, account: str = "a1") -> dict[date, AccountState]:
    wanted = select(AccountState).join(Account, col(Account.id) == AccountState.account_id)
    found = session.exec(wanted.where(Account.external_id == account)).all()
    assert {state.workspace_id for state in found} <= {session.info["workspace_id"]}
    return {state.known_on: state for state in found}


def test_a_new_account_is_known_since_its_start(session: Session, tmp_path: Path) -> None:
    facts = {
        "seats_bought": 10,
        "seats_used": 4,
        "renewal_on": date(2024, 5, 2),
        "plan": "business",
        "mrr": 99.999,
        "segment": "smb",
    }
    limits = '{"api_calls": 5}'
    bring(session, tmp_path, date(2024, 3, 1), {"external_id": "a1", "limits": limits, **facts})
    kept = states(session)[START].model_dump(exclude={"id", "workspace_id", "account_id", "known_on"})
    assert kept == {**facts, "mrr": 100.0, "limits": {"api_calls": 5}}


def test_an_account_that_starts_later_is_known_since_the_import(session: Session, tmp_path: Path) -> None:
    bring(session, tmp_path, date(2023, 4, 1), {"external_id": "a1"})
    assert list(states(session)) == [date(2023, 4, 1)]


@pytest.mark.parametrize(
    ("field", "before", "after"),
    [
        ("seats_bought", 10, 20),
        ("seats_used", 4, None),
        ("renewal_on", date(2024, 5, 2), date(2025, 5, 2)),
        ("plan", None, "business"),
        ("mrr", 10.0, 10.5),
        ("segment", "smb", "enterprise"),
        ("limits", '{"seats": 10}', '{"seats": 20}'),
    ],
)
def test_a_change_is_known_from_the_day_of_its_import(
    session: Session, tmp_path: Path, field: str, before: Any, after: Any
) -> None:
    for day, value in ((1, before), (2, before), (3, after), (4, after)):
        # a second account keeps the column's type when the first one's value is empty
        other = {"external_id": "a2", field: before or after}
        bring(session, tmp_path, date(2024, 3, day), {"external_id": "a1", field: value}, other)
    found = states(session)
    assert list(found) == [START, date(2024, 3, 3)]
    assert getattr(found[START], field) != getattr(found[date(2024, 3, 3)], field)
    assert list(states(session, "a2")) == [START]


def test_of_several_changes_on_one_day_the_last_stays(session: Session, tmp_path: Path) -> None:
    for day, seats in ((1, 10), (2, 20), (2, 30), (2, 40)):
        bring(session, tmp_path, date(2024, 3, day), {"external_id": "a1", "seats_bought": seats, "plan": "starter"})
    found = {day: state.seats_bought for day, state in states(session).items()}
    assert found == {START: 10, date(2024, 3, 2): 40}


def test_other_changes_and_absent_columns_are_no_new_state(session: Session, tmp_path: Path) -> None:
    bring(session, tmp_path, date(2024, 3, 1), {"external_id": "a1", "seats_bought": 10})
    bring(session, tmp_path, date(2024, 3, 2), {"external_id": "a1", "name": "Renamed", "owner_email": "d@x.example"})
    assert [state.seats_bought for state in states(session).values()] == [10]


def test_a_dry_run_keeps_no_state(session: Session, tmp_path: Path) -> None:
    bring(session, tmp_path, date(2024, 3, 1), {"external_id": "a1"}, dry_run=True)
    assert session.exec(select(AccountState)).all() == []


def test_each_workspace_has_its_own_states(any_database: Database, tmp_path: Path) -> None:
    for seats, workspace in ((1, "w1"), (2, "w2")):
        with any_database.session(workspace) as session:
            bring(session, tmp_path, date(2024, 3, 1), {"external_id": "a1", "seats_bought": seats})
            bring(session, tmp_path, date(2024, 3, 2), {"external_id": "a1", "seats_bought": seats + 10})
    for seats, workspace in ((1, "w1"), (2, "w2")):
        with any_database.session(workspace) as session:
            assert [state.seats_bought for state in states(session).values()] == [seats, seats + 10]


def test_the_migration_gives_the_accounts_that_are_there_their_first_state(empty_url: str) -> None:
    database, config = Database(empty_url), Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with database.engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0002")
        connection.execute(text(OLD_ACCOUNTS))
    database.migrate()
    with database.session("w1") as session:
        assert {day: (s.seats_bought, s.limits) for day, s in states(session).items()} == {START: (7, {"seats": 7})}
        assert max(states(session, "a2")) <= datetime.now(UTC).date()
    database.engine.dispose()


OLD_ACCOUNTS = """
INSERT INTO account (workspace_id, external_id, name, industry, currency, status, started_on, seats_bought, limits)
VALUES ('w1', 'a1', 'A', 'saas', 'USD', 'active', '2023-05-02', 7, '{"seats": 7}'),
       ('w1', 'a2', 'B', 'saas', 'USD', 'active', '2199-05-02', NULL, NULL)
"""


def test_the_states_of_many_accounts_are_written_in_bulk(session: Session, tmp_path: Path) -> None:
    count, usage = 10_000, UsageStore(str(tmp_path / "usage"))
    ids = [f"a{n}" for n in range(count)]
    frame = pl.DataFrame({"external_id": ids, "name": ids, "started_on": [START] * count, "seats_bought": 1})
    changed = frame.with_columns(seats_bought=2)
    start = time.monotonic()
    for day, rows in ((1, frame), (2, changed)):
        import_frames(session, usage, {"accounts": rows}, now=datetime(2024, 3, day, tzinfo=UTC))
    assert time.monotonic() - start < 30  # about 2 seconds on two quiet cores
    kept = session.exec(select(AccountState.known_on, AccountState.seats_bought)).all()
    assert sorted(kept) == [(START, 1)] * count + [(date(2024, 3, 2), 2)] * count
