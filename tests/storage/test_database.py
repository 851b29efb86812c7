"""A session sees, changes and fills the rows of its own workspace only, on both databases."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

import polars as pl
import pytest
from sqlalchemy import delete, exists, func, insert, update
from sqlalchemy.orm import aliased
from sqlmodel import Session, col, select

from storage.database import Database, WorkspaceMismatchError, changed_one, insert_new, insert_new_rows, insert_rows
from storage.models import Account, Contact, Ticket, Work, WorkState
from storage.queries import read_frame

START = date(2026, 1, 1)
NOW = datetime(2026, 5, 4, 9, tzinfo=UTC)
OURS, THEIRS = "w1", "w2"


@pytest.fixture
def shared(any_database: Database) -> Database:
    """Two workspaces with one account and one contact each; in the second, both cost more."""
    for workspace, name, mrr in ((OURS, "Acme", 10.0), (THEIRS, "Rival", 500.0)):
        with any_database.session(workspace) as session:
            account = Account(external_id="a1", name=name, started_on=START, mrr=mrr)
            session.add(account)
            session.flush()
            session.add(Contact(external_id="c1", account_id=account.id or 0, name=f"Ann of {name}"))
            session.commit()
    return any_database


def their_id(database: Database) -> int:
    with database.session(THEIRS) as session:
        return session.exec(select(Account.id)).one() or 0


Ask = Callable[[Session], Any]
other: Any = aliased(Account)
QUESTIONS: dict[str, tuple[Ask, Any]] = {
    "rows": (lambda s: [a.name for a in s.exec(select(Account))], ["Acme"]),
    "a column": (lambda s: s.exec(select(Account.name)).all(), ["Acme"]),
    "a column under another name": (lambda s: s.exec(select(col(Account.name).label("n"))).all(), ["Acme"]),
    "a count of rows": (lambda s: s.exec(select(func.count()).select_from(Account)).one(), 1),
    "a count of a column": (lambda s: s.exec(select(func.count(col(Account.id)))).one(), 1),
    "a sum": (lambda s: s.exec(select(func.sum(Account.mrr))).one(), 10),
    "a maximum": (lambda s: s.exec(select(func.max(Account.name))).one(), "Acme"),
    "groups": (lambda s: s.exec(select(Account.name, func.count()).group_by(Account.name)).all(), [("Acme", 1)]),
    "an alias": (lambda s: s.exec(select(other.name)).all(), ["Acme"]),
    "a join": (
        lambda s: s.exec(select(Contact.name).join(Account, col(Account.external_id) == "a1")).all(),
        ["Ann of Acme"],
    ),
    "an outer join": (
        lambda s: s.exec(
            select(Account.name, Contact.name).join(Contact, col(Contact.external_id) == "c1", isouter=True)
        ).all(),
        [("Acme", "Ann of Acme")],
    ),
    "a join with an alias": (
        lambda s: s.exec(select(Account.name, other.name).join(other, other.external_id == Account.external_id)).all(),
        [("Acme", "Acme")],
    ),
    "a subquery": (
        lambda s: s.exec(select(Contact.name).where(col(Contact.account_id).in_(select(Account.id)))).all(),
        ["Ann of Acme"],
    ),
    "a subquery of the other table alone": (
        lambda s: s.exec(
            select(func.count()).select_from(select(Account.id).where(col(Account.mrr) > 100).subquery())
        ).one(),
        0,
    ),
    "an exists": (
        lambda s: s.exec(select(Account.name).where(exists().where(col(Contact.name) == "Ann of Rival"))).all(),
        [],
    ),
    "frames": (lambda s: read_frame(s, Account, ("name", "mrr")).rows(), [("Acme", 10)]),
    "a frame of what an alias finds": (
        lambda s: read_frame(s, Account, ("name",), exists().where(other.name == "Rival")).rows(),
        [],
    ),
    "a union": (
        lambda s: sorted(s.execute(select(Account.name).union(select(Contact.name))).scalars()),
        ["Acme", "Ann of Acme"],
    ),
}


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_question_sees_our_rows_only(shared: Database, question: str) -> None:
    ask, expected = QUESTIONS[question]
    with shared.session(OURS) as session:
        assert ask(session) == expected


def test_a_row_of_another_workspace_cannot_be_fetched_by_its_key(shared: Database) -> None:
    with shared.session(OURS) as session:
        assert session.get(Account, their_id(shared)) is None


@pytest.mark.parametrize("statement", [update(Account).values(name="Taken"), delete(Contact)])
def test_updates_and_deletes_leave_other_workspaces_alone(shared: Database, statement: Any) -> None:
    with shared.session(OURS) as session:
        assert session.execute(statement).rowcount == 1  # type: ignore[attr-defined]
        session.commit()
    with shared.session(THEIRS) as session:
        assert session.exec(select(Account.name)).one() == "Rival"
        assert session.exec(select(Contact.name)).one() == "Ann of Rival"


def test_a_conditional_update_finds_nothing_in_another_workspace(shared: Database) -> None:
    with shared.session(OURS) as session:
        assert not changed_one(session, update(Account).where(col(Account.id) == their_id(shared)).values(name="Taken"))


def test_a_row_of_another_workspace_cannot_be_added(shared: Database) -> None:
    with shared.session(OURS) as session:
        session.add(Account(workspace_id=THEIRS, external_id="a2", name="Smuggled", started_on=START))
        with pytest.raises(WorkspaceMismatchError):
            session.commit()


def test_a_row_cannot_be_moved_to_another_workspace(shared: Database) -> None:
    with shared.session(OURS) as session:
        session.exec(select(Account)).one().workspace_id = THEIRS
        with pytest.raises(WorkspaceMismatchError):
            session.commit()


def test_an_insert_that_would_go_past_the_filling_is_refused(shared: Database) -> None:
    with shared.session(OURS) as session, pytest.raises(WorkspaceMismatchError, match="insert_rows"):
        session.execute(insert(Account).values(external_id="a2", name="Smuggled", started_on=START))


def test_the_bulk_insert_fills_the_workspace_in_every_chunk(any_database: Database) -> None:
    rows = [{"kind": "k", "key": str(n), "payload": {}, "state": WorkState.READY, "attempts": 0} for n in range(4100)]
    stamped = [row | {"run_after": NOW, "created_at": NOW} for row in rows]
    with any_database.session(OURS) as session:
        assert insert_rows(session, Work, stamped) == 4100
        session.commit()
        assert session.exec(select(func.count()).select_from(Work)).one() == 4100
    with any_database.session(THEIRS) as session:
        assert session.exec(select(func.count()).select_from(Work)).one() == 0


def test_a_known_key_is_inserted_once_per_workspace(any_database: Database) -> None:
    row = {"kind": "k", "key": "same", "payload": {}, "state": WorkState.READY, "attempts": 0}
    row |= {"run_after": NOW, "created_at": NOW}
    for workspace in (OURS, THEIRS):
        with any_database.session(workspace) as session:
            assert [insert_new(session, Work, row, ["key"]) for _ in range(2)] == [True, False]
            session.commit()
    with any_database.unbound() as session:
        assert sorted(session.exec(select(Work.workspace_id)).all()) == [OURS, THEIRS]


def test_of_many_keys_at_once_only_the_new_ones_are_inserted_and_named(any_database: Database) -> None:
    row = {"kind": "k", "payload": {}, "state": WorkState.READY, "attempts": 0, "run_after": NOW, "created_at": NOW}
    keys = [(OURS, "a"), (OURS, "b"), (THEIRS, "a"), (OURS, "a")]  # the last one is there twice
    rows = [row | {"workspace_id": workspace, "key": key} for workspace, key in keys]
    with any_database.engine.begin() as connection:
        assert insert_new_rows(connection, Work, rows[1:2], ["key"]) == {(OURS, "b")}
        assert insert_new_rows(connection, Work, rows, ["key"]) == {(OURS, "a"), (THEIRS, "a")}
        assert insert_new_rows(connection, Work, [], ["key"]) == set()
    with any_database.unbound() as session:
        assert session.exec(select(func.count()).select_from(Work)).one() == 3


def test_a_frame_holds_what_was_stored_in_its_own_types_and_what_is_not_yet_written(any_database: Database) -> None:
    at, day = datetime(2026, 5, 4, 9, 30, 0, 250, UTC), date(2026, 5, 4)
    with any_database.session("w") as session:
        session.add(Account(external_id="a1", name="Acme", mrr=10, started_on=day, limits={"seats": 5}))
        session.flush()
        session.add(Ticket(external_id="t1", account_id=1, subject="Export", opened_at=at, escalated=True))
        accounts = read_frame(session, Account, ("mrr", "started_on", "renewal_on", "limits"))
        tickets = read_frame(session, Ticket, ("opened_at", "resolved_at", "escalated", "sentiment"))
        none = read_frame(session, Ticket, ("opened_at", "escalated"), col(Ticket.external_id) == "t2")
    assert accounts.rows() == [(10.0, day, None, '{"seats": 5}')]
    assert tickets.rows() == [(at.replace(tzinfo=None), None, True, None)]
    assert tickets.dtypes == [pl.Datetime("us"), pl.Datetime("us"), pl.Boolean, pl.Float64]
    assert none.schema == tickets.select(none.columns).schema


def test_times_come_back_aware_whatever_zone_they_were_written_in(any_database: Database) -> None:
    berlin = datetime.fromisoformat("2026-05-04T11:00:00+02:00")
    with any_database.session(OURS) as session:
        session.add(Work(kind="k", key="t", run_after=berlin, created_at=NOW))
        session.commit()
    with any_database.session(OURS) as session:
        found = session.exec(select(Work).where(Work.run_after == berlin)).one()
        assert found.run_after == NOW
        assert found.run_after.tzinfo is UTC


def test_money_is_exact_to_the_cent_in_a_sum(any_database: Database) -> None:
    with any_database.session(OURS) as session:
        session.add_all(Account(external_id=str(n), name="A", started_on=START, mrr=0.1) for n in range(30))
        session.commit()
        assert session.exec(select(func.sum(Account.mrr))).one() == pytest.approx(3, abs=1e-9)


def test_a_session_needs_a_workspace(sqlite_database: Database) -> None:
    with pytest.raises(ValueError, match="needs a workspace"):
        sqlite_database.session("")


@pytest.mark.parametrize("scheme", ["postgres://", "postgresql://"])
def test_a_plain_postgres_address_gets_the_driver_that_we_ship(scheme: str) -> None:
    assert Database(f"{scheme}tend@localhost/tend").engine.dialect.driver == "psycopg"


def test_an_sqlite_file_is_made_with_its_folder_and_keeps_what_was_acknowledged(tmp_path: Any) -> None:
    database = Database(f"sqlite:///{tmp_path}/new/folder/tend.db")
    with database.engine.connect() as connection:
        pragmas = [connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in ("journal_mode", "synchronous")]
        assert pragmas == ["wal", 2]
    database.engine.dispose()
