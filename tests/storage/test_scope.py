"""What a session hides outside of a view: every table, every kind of statement."""

import subprocess
import sys
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from sqlalchemy import delete, func, update
from sqlalchemy.orm import aliased
from sqlmodel import Session, SQLModel, col, select

from storage.database import Database, OutOfScopeError, changed_one, sqlite_rows
from storage.models import (
    Account,
    AccountAction,
    ConversationTurn,
    PlayRun,
    PlayStep,
    PlayVersion,
    Scope,
    Task,
    User,
)
from storage.queries import read_frame
from storage.scope import EVERYTHING, View, tables_of_accounts

NOW = datetime(2026, 5, 4, tzinfo=UTC)
DANA, LEE, MO = "dana@x.example", "lee@x.example", "mo@x.example"
# Rows that belong to no account: those of colleagues, of the installation, and of the portfolio as a whole.
OF_NO_ACCOUNT = {
    "user", "work", "job_period", "slack_message", "audit", "digest_subscription", "digest", "conversation_turn",
    "import_run", "play_version", "scoring_run", "data_incident", "bookmark", "model_version",
    "suppression", "model_use", "feedback",
}  # fmt: skip


@pytest.fixture
def database(any_database: Database) -> Database:
    """Dana and Lee are one team, Mo is in none; each owns an account, and one belongs to nobody."""
    with any_database.session("main") as session:
        for email, team in ((DANA, "north"), (LEE, "north"), (MO, None)):
            session.add(User(email=email, name=email[:2], team=team))
        for place, owner in enumerate((DANA.upper(), LEE, MO, None), 1):
            session.add(Account(id=place, external_id=str(place), name=f"No {place}", owner_email=owner,
                                started_on=date(2026, 1, 1)))  # fmt: skip
        session.flush()
        session.add(PlayVersion(id=1, play="p", hash="h", first_used_at=NOW))
        session.flush()
        for place in (1, 2, 3, 4):
            session.add(Task(account_id=place, title="t", text="t", due_on=date(2026, 5, 4), created_at=NOW))
            session.add(PlayRun(id=place, account_id=place, play="p", version_id=1, variant="a", because="b",
                                started_by="tend", started_at=NOW, goal_until=NOW))  # fmt: skip
            session.flush()
            session.add(PlayStep(run_id=place, step="s", touchpoint=False, due_at=NOW))
        session.add(_turn("1", DANA))
        session.add(_turn("2", MO))
        session.commit()
    with any_database.session("other") as session:
        session.add(Account(id=9, external_id="9", name="Elsewhere", owner_email=DANA, started_on=date(2026, 1, 1)))
        session.commit()
    return any_database


def _turn(key: str, user: str) -> ConversationTurn:
    return ConversationTurn(key=key, channel="C1", thread_ts="1", user=user, question="q", answer="a", mode="rules",
                            at=NOW)  # fmt: skip


def seen(session: Session) -> list[int]:
    return sorted(session.exec(select(col(Account.id))).all())


@pytest.mark.parametrize(
    ("view", "accounts"),
    [
        (EVERYTHING, [1, 2, 3, 4]),
        (View(Scope.OWN, DANA), [1]),
        (View(Scope.OWN, DANA, "north"), [1]),
        (View(Scope.TEAM, LEE, "north"), [1, 2]),
        (View(Scope.TEAM, MO), [3]),
        (View(Scope.OWN, "new@x.example"), []),
    ],
)
def test_a_view_holds_the_accounts_of_its_people(database: Database, view: View, accounts: list[int]) -> None:
    with database.session("main", view) as session:
        assert seen(session) == accounts
        assert session.exec(select(func.count()).select_from(Account)).one() == len(accounts)
        assert sorted(task.account_id for task in session.exec(select(Task)).all()) == accounts
        assert sorted(step.run_id for step in session.exec(select(PlayStep)).all()) == accounts
        assert sorted(read_frame(session, Task, ("account_id",))["account_id"]) == accounts
        assert session.get(Account, 3) is None or 3 in accounts


def test_joins_aliases_and_subqueries_hide_too(database: Database) -> None:
    other = aliased(Task)
    with database.session("main", View(Scope.OWN, DANA)) as session:
        joined = select(col(Account.id), other.account_id).join(other, other.account_id == other.account_id)
        assert session.execute(joined).all() == [(1, 1)]
        within = select(func.count()).select_from(User).where(col(User.name).in_(select(Account.name)))
        assert session.exec(within).one() == 0
        assert session.exec(select(select(func.count(col(Task.id))).scalar_subquery())).one() == 1


def test_rows_read_below_the_orm_are_hidden_too(sqlite_database: Database) -> None:
    with sqlite_database.session("main") as session:
        for place, owner in enumerate((DANA, LEE), 1):
            session.add(Account(id=place, external_id=str(place), name="n", owner_email=owner,
                                started_on=date(2026, 1, 1)))  # fmt: skip
        session.commit()
    with sqlite_database.session("main", View(Scope.OWN, LEE)) as session:
        assert sqlite_rows(session, select(col(Account.id))) == [(2,)]


def test_two_people_one_after_the_other_see_their_own(database: Database) -> None:
    """The statements are compiled once and kept; what differs must not be kept with them."""
    own, team = ((lambda who, scope=scope, of=None: View(scope, who, of)) for scope in (Scope.OWN, Scope.TEAM))
    turns = ((own(DANA), [1]), (own(MO), [3]), (team(LEE, of="north"), [1, 2]), (team(MO, of="south"), []),
             (EVERYTHING, [1, 2, 3, 4]), (own(LEE), [2]), (team(DANA, of="north"), [1, 2]))  # fmt: skip
    for view, accounts in turns:
        with database.session("main", view) as session:
            assert seen(session) == accounts
            assert sorted(task.account_id for task in session.exec(select(Task)).all()) == accounts
            assert sorted(step.run_id for step in session.exec(select(PlayStep)).all()) == accounts


def test_nothing_outside_of_a_view_can_be_changed_or_deleted(database: Database) -> None:
    with database.session("main", View(Scope.OWN, DANA)) as session:
        assert not changed_one(session, update(Task).where(col(Task.account_id) == 3).values(title="x"))
        session.execute(delete(Task).where(col(Task.account_id) == 3))
        session.commit()
    with database.session("main") as session:
        assert session.exec(select(Task.title).where(Task.account_id == 3)).one() == "t"


def test_nothing_can_be_written_for_an_account_outside_of_a_view(database: Database) -> None:
    with database.session("main", View(Scope.OWN, DANA)) as session:
        session.add(AccountAction(account_id=3, action="snooze", by=DANA, at=NOW))
        with pytest.raises(OutOfScopeError, match="account 3"):
            session.commit()
    with database.session("main", View(Scope.OWN, DANA)) as session:
        session.add(AccountAction(account_id=1, action="snooze", by=DANA, at=NOW))
        session.commit()


def test_a_narrowed_person_sees_their_own_questions_only(database: Database) -> None:
    with database.session("main", View(Scope.OWN, DANA)) as session:
        assert session.exec(select(ConversationTurn.user)).all() == [DANA]


def test_every_table_is_either_hidden_or_known_to_be_of_no_account() -> None:
    tables = {str(model.__tablename__) for model in tables_of_accounts()}
    tenant = {name for name, table in SQLModel.metadata.tables.items() if "workspace_id" in table.c}
    assert tenant - tables == OF_NO_ACCOUNT


LATECOMER = """
from sqlmodel import Field
from storage.models import WorkspaceRow
from storage.scope import tables_of_accounts

class Latecomer(WorkspaceRow, table=True):
    __tablename__ = "latecomer"
    id: int | None = Field(default=None, primary_key=True)
    account_id: int

assert Latecomer in set(tables_of_accounts())
"""


def test_a_new_table_with_an_account_is_hidden_without_further_ado() -> None:
    """In a process of its own: a class that is mapped once stays mapped."""
    subprocess.run([sys.executable, "-c", LATECOMER], cwd=Path(__file__).parents[2], check=True)
