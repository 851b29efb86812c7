"""Named queries read what was known on a day, and the history of losses whose horizon has passed."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sqlmodel import Session

from storage import queries
from storage.aggregates import aggregates
from storage.database import Database
from storage.models import Account, AccountAction, Contact, Interaction, ScoringRun, Snapshot, Ticket, User

DAY = date(2026, 5, 10)
NOW = datetime(2026, 5, 10, tzinfo=UTC)


def ago(days: int) -> date:
    return DAY - timedelta(days=days)


@pytest.fixture
def session(any_database: Database) -> Any:
    with any_database.session("w1") as session:
        yield session


def account(session: Session, key: str = "a1", **values: Any) -> int:
    row = Account(external_id=key, name=key, **{"started_on": ago(100)} | values)
    session.add(row)
    session.flush()
    return row.id or 0


def test_times_of_the_whole_day_are_read_and_none_of_the_next(session: Session) -> None:
    mine = account(session)
    midnight = datetime(2026, 5, 11)
    for n, at in enumerate((midnight - timedelta(seconds=1), midnight)):
        session.add(Ticket(external_id=str(n), account_id=mine, opened_at=at))
    session.flush()
    assert aggregates(session, DAY)["ticket"]["tickets_90d"].to_list() == [1]
    assert aggregates(session, ago(-1))["ticket"]["tickets_90d"].to_list() == [2]


def test_contacts_without_a_date_count_as_known(session: Session) -> None:
    session.add(Contact(external_id="c1", account_id=account(session), name="Ann", role="champion"))
    session.flush()
    assert aggregates(session, DAY)["contact"]["champion_present"].to_list() == [1]


def test_facts_of_one_account_are_only_its_own(session: Session) -> None:
    first, second = account(session), account(session, "a2")
    for n, owner in enumerate((first, second, second)):
        call = Interaction(external_id=f"i{n}", account_id=owner, channel="call", at=datetime(2026, 5, 1))
        session.add(call)
    session.flush()
    frames = aggregates(session, DAY, second)
    assert (frames["account"]["id"].to_list(), frames["interaction"]["meetings_90d"].to_list()) == ([second], [2])


def test_facts_of_another_workspace_are_not_counted(any_database: Database, session: Session) -> None:
    session.add(Ticket(external_id="t", account_id=account(session), opened_at=datetime(2026, 5, 1)))
    session.commit()
    with any_database.session("w2") as other:
        assert all(frame.height == 0 for frame in aggregates(other, DAY).values())


@pytest.mark.parametrize(
    ("started", "churned", "customer"),
    [(0, None, True), (-1, None, False), (9, 0, False), (9, -1, True), (9, 5, False)],
)
def test_a_customer_is_one_from_the_first_day_until_the_day_of_leaving(
    session: Session, started: int, churned: int | None, customer: bool
) -> None:
    account(session, started_on=ago(started), churned_on=None if churned is None else ago(churned))
    found = queries.read_frame(session, Account, ("external_id",), *queries.customers_on(DAY))
    assert found.height == customer


def run(session: Session, days: int, card: str = "matrix") -> None:
    session.add(ScoringRun(day=ago(days), scorecard=card, version=1, created_at=NOW))


def test_losses_are_counted_once_and_only_when_their_horizon_has_passed(session: Session) -> None:
    stayed, left = account(session), account(session, "a2", churned_on=ago(70))
    for days in (59, 60, 90, 120, 181):
        run(session, days)
    for owner, day, band in (
        (stayed, 60, "healthy"),
        (stayed, 59, "churning"),  # its 60 days are not over
        (left, 90, "churning"),  # within 60 days of a day that is counted
        (left, 120, "churning"),  # left on a later day of its 60: counted, the next counted day after 60
        (stayed, 120, "healthy"),
        (left, 181, "at_risk"),  # left after its 60 days
        (stayed, 181, None),  # had no score
    ):
        session.add(Snapshot(account_id=owner, day=ago(day), scorecard="matrix", band=band, value=50))
    session.add(Snapshot(account_id=left, day=ago(120), scorecard="another", band="healthy", value=90))
    session.flush()
    assert sorted(queries.losses_by_band(session, "matrix", DAY, 60)) == [
        ("at_risk", 1, 0),
        ("churning", 1, 1),
        ("healthy", 2, 0),
    ]


def test_the_newest_scored_day_is_up_to_the_day_asked_for(session: Session) -> None:
    for days in (30, 10, -5):
        run(session, days)
    session.flush()
    assert queries.scored_day(session, DAY) == ago(10)
    assert queries.scored_day(session, ago(31)) is None


def test_the_newest_fact_is_a_date_whatever_it_came_from(session: Session) -> None:
    assert queries.newest_fact(session) is None
    session.add(Ticket(external_id="t", account_id=account(session), opened_at=datetime(2026, 5, 3, 23, 59)))
    session.flush()
    assert queries.newest_fact(session) == date(2026, 5, 3)


def test_a_colleague_is_found_by_email_in_any_case(session: Session) -> None:
    session.add(User(email="Dana@Team.example", name="Dana", slack_id="U1"))
    session.flush()
    found = queries.user_by_email(session, "dana@team.EXAMPLE")
    assert found is not None
    assert queries.user_by_slack_id(session, "U1") is found
    assert queries.user_by_email(session, "other@team.example") is None


def test_a_snoozed_account_sleeps_to_the_last_day_and_an_acknowledged_one_has_its_newest_taker(
    session: Session,
) -> None:
    mine = account(session)
    for n, (action, by, until) in enumerate(
        (("snooze", "dana", DAY), ("acknowledge", "dana", None), ("acknowledge", "morgan", None))
    ):
        at = datetime(2026, 5, 1 + n)
        session.add(AccountAction(account_id=mine, action=action, by=by, at=at, until=until))
    session.flush()
    assert set(queries.snoozed_accounts(session, DAY)) == {mine}
    assert queries.snoozed_accounts(session, ago(-1)) == {}
    assert queries.acknowledged_accounts(session, datetime(2026, 5, 1))[mine].by == "morgan"
    assert queries.acknowledged_accounts(session, datetime(2026, 5, 4)) == {}


def test_the_contact_to_write_to_is_the_first_by_role_then_any_other(session: Session) -> None:
    mine = account(session)
    people = {
        "user": {},
        "billing": {},
        "champion": {"left_on": ago(1)},
        "admin": {"opted_out_on": ago(1)},
        "executive_sponsor": {"email": None},
    }
    for role, more in people.items():
        values = {"email": f"{role}@customer.example"} | more
        session.add(Contact(external_id=role, account_id=mine, name=role, role=role, **values))
    session.flush()

    def best(*roles: str) -> str | None:
        found = queries.best_contact(session, mine, roles)
        return found and found.role

    assert best("champion", "admin", "executive_sponsor", "billing", "user") == "billing"
    assert best("user", "billing") == "user"
    assert best("champion") == "user"  # nobody of the role: whoever is there
    assert queries.best_contact(session, account(session, "a2"), ("user",)) is None
