"""Features from facts: known numbers, missing instead of zero, and nothing that became known later."""

import shutil
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import ibis
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal
from sqlmodel import Session, SQLModel

from scoring.catalogue import CATALOGUE
from scoring.features import feature_table, usage_features
from storage import models
from storage.aggregates import aggregates
from storage.database import Database

AS_OF = date(2026, 5, 10)
D, T, S, N, B = pl.Date, pl.Datetime("us"), pl.String, pl.Float64, pl.Boolean
SCHEMAS: dict[str, dict[str, Any]] = {
    "account": {"started_on": D, "id": pl.Int64, "external_id": S, "churned_on": D, "first_value_on": D,
                "renewal_on": D, "seats_bought": pl.Int64, "seats_used": pl.Int64},
    "contact": {"joined_on": D, "account_id": pl.Int64, "role": S, "left_on": D},
    "feature_adoption": {"first_used_on": D, "account_id": pl.Int64, "feature": S, "core": B, "last_used_on": D},
    "goal": {"stated_on": D, "account_id": pl.Int64, "objective": S, "baseline": N, "target": N, "current": N,
             "roi": N, "measured_on": D},
    "interaction": {"at": T, "account_id": pl.Int64, "channel": S, "direction": S, "replied": B},
    "invoice": {"issued_on": D, "account_id": pl.Int64, "due_on": D, "paid_on": D, "failed_on": D},
    "stakeholder_change": {"changed_on": D, "account_id": pl.Int64, "kind": S},
    "subscription": {"start_on": D, "account_id": pl.Int64, "seats": pl.Int64},
    "survey_response": {"answered_on": D, "account_id": pl.Int64, "kind": S, "score": N},
    "ticket": {"opened_at": T, "account_id": pl.Int64, "resolved_at": T, "escalated": B, "self_service": B,
               "sentiment": N},
}  # fmt: skip


MODELS: dict[str, type[SQLModel]] = {
    str(model.__tablename__): model  # type: ignore[attr-defined]
    for model in (
        models.Account, models.Contact, models.FeatureAdoption, models.Goal, models.Interaction, models.Invoice,
        models.StakeholderChange, models.Subscription, models.SurveyResponse, models.Ticket,
    )
}  # fmt: skip
FILLERS: dict[str, dict[str, Any]] = {  # what the tables ask for besides
    "account": {"name": "An account"},
    "contact": {"name": "A contact"},
    "invoice": {"amount": 1.0},
    "stakeholder_change": {"contact_name": "A contact"},
    "subscription": {"plan": "starter"},
}


def ago(days: int) -> date:
    return AS_OF - timedelta(days=days)


def at(days: int, hour: int = 12) -> datetime:
    return datetime.combine(ago(days), datetime.min.time()) + timedelta(hours=hour)


FACTS: dict[str, list[tuple[Any, ...]]] = {
    "account": [
        (ago(400), 1, "a1", None, ago(380), ago(-50), 20, 15),
        (ago(200), 2, "a2", None, None, None, None, None),
        (ago(300), 3, "a3", ago(5), ago(290), None, 10, 5),  # left before the day
        (ago(30), 4, "a4", ago(-20), None, ago(-335), 0, 0),  # leaves after it
    ],
    "contact": [(ago(100), 1, "champion", None), (ago(100), 2, "champion", ago(3)), (None, 4, "user", None)],
    "feature_adoption": [
        (ago(90), 1, "reports", True, ago(3)),
        (ago(90), 1, "export", True, ago(60)),
        (ago(90), 1, "themes", False, ago(1)),
        (ago(90), 2, "reports", True, ago(40)),
    ],
    "goal": [
        (ago(300), 1, "faster", 10.0, 20.0, 12.0, 120.0, ago(100)),
        (ago(300), 1, "faster", 10.0, 20.0, 18.0, 200.0, ago(10)),
        (ago(300), 2, "level", 5.0, 5.0, 5.0, None, ago(10)),  # target and baseline are the same
    ],
    "interaction": [
        (at(10), 1, "email", "out", True),
        (at(20), 1, "email", "out", False),
        (at(6), 1, "call", "in", None),
        (at(120), 2, "email", "out", True),
    ],
    "invoice": [
        (ago(60), 1, ago(45), ago(40), None),
        (ago(20), 1, ago(8), None, ago(7)),
        (ago(60), 2, ago(30), ago(29), ago(31)),
    ],
    "stakeholder_change": [(ago(3), 2, "left"), (ago(200), 1, "left"), (ago(2), 1, "joined")],
    "subscription": [(ago(400), 1, 10), (ago(30), 1, 15), (ago(50), 2, 8)],
    "survey_response": [(ago(10), 1, "nps", 9.0), (ago(50), 1, "nps", 4.0), (ago(20), 1, "csat", 4.0)],
    "ticket": [
        (at(10), 1, at(9, 18), True, False, -0.5),
        (at(20), 1, at(20, 22), False, True, 0.5),
        (at(5), 1, None, False, False, None),
        (at(200), 2, at(100), True, False, None),
    ],
}
# Rows dated after the day, for known and for new accounts; and rows of before that say something of after.
LATER: dict[str, list[tuple[Any, ...]]] = {
    "account": [(ago(-1), 9, "a9", None, ago(-2), None, 5, 5)],
    "contact": [(ago(-1), 4, "champion", None), (ago(-1), 9, "champion", None)],
    "feature_adoption": [(ago(-1), 1, "api", True, ago(-1)), (ago(-1), 4, "api", True, ago(-1))],
    "goal": [(ago(-1), 1, "new", 0.0, 1.0, 9.0, 900.0, ago(-1)), (ago(300), 1, "faster", 0.0, 1.0, 5.0, 9.0, ago(-1))],
    "interaction": [(at(-1), 4, "email", "in", True), (at(-1, 0), 1, "email", "out", False)],
    "invoice": [(ago(-1), 1, ago(-1), None, ago(-1)), (ago(-1), 4, ago(-1), None, ago(-1))],
    "stakeholder_change": [(ago(-1), 1, "left"), (ago(-1), 4, "left")],
    "subscription": [(ago(-1), 1, 99), (ago(-1), 4, 99)],
    "survey_response": [(ago(-1), 1, "nps", 0.0), (ago(-1), 4, "csat", 1.0)],
    "ticket": [(at(-1, 0), 1, None, True, False, -1.0), (at(-5), 4, at(-6), True, False, -1.0)],
}  # fmt: skip


def stored(session: Session, *parts: dict[str, list[tuple[Any, ...]]]) -> dict[str, pl.DataFrame]:
    """Write facts to a database and return what it says of the day."""
    rows = {name: [row for part in parts for row in part.get(name, [])] for name in SCHEMAS}
    known = {row[1] for row in rows["account"]}
    mentioned = {row[1] for name, part in rows.items() if name != "account" for row in part}
    rows["account"] += [(ago(-1), n, f"a{n}", None, None, None, None, None) for n in sorted(mentioned - known)]
    for name, model in MODELS.items():
        for n, row in enumerate(rows[name]):
            values = dict(zip(SCHEMAS[name], row, strict=True)) | FILLERS.get(name, {})
            session.add(model(**{"external_id": f"{name}{n}", **values}))
        session.flush()
    return aggregates(session, AS_OF)


def usage(days: dict[int, int]) -> pl.DataFrame:
    """Sessions of account a1 by days before the day, as collected features."""
    facts = pl.DataFrame(
        [("a1", ago(n), count, count * 10.0, count) for n, count in days.items()],
        schema={"account": S, "day": D, "sessions": pl.Int64, "minutes": N, "active_users": pl.Int64},
        orient="row",
    )
    return usage_features(ibis.memtable(facts), AS_OF).to_polars()


class Features:
    """Feature tables of facts, each written to a database and taken back."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def __call__(self, *parts: dict[str, list[tuple[Any, ...]]], used: pl.DataFrame | None = None) -> pl.DataFrame:
        with self._database.session("main") as session:
            found = feature_table(stored(session, *parts), used, AS_OF)
            session.rollback()
        return found


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def features(
    request: pytest.FixtureRequest, migrated_file: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Features]:
    """One database of each kind for all tests: nothing stays in it, and its statements are compiled once."""
    if request.param == "sqlite":
        url = f"sqlite:///{shutil.copy(migrated_file, tmp_path_factory.mktemp('features') / 'tend.db')}"
        server = None
    else:
        server = request.getfixturevalue("postgres")
        url = server.create("template")
    database = Database(url)
    yield Features(database)
    database.engine.dispose()
    if server:
        server.drop(url)


def row(account_id: int, found: pl.DataFrame) -> dict[str, Any]:
    return found.row(by_predicate=pl.col("account_id") == account_id, named=True)


def test_one_row_for_each_customer_of_the_day_with_every_feature(features: Features) -> None:
    found = features(FACTS)
    assert found["account_id"].to_list() == [1, 2, 4]
    assert set(CATALOGUE) <= set(found.columns)


EXPECTED = {
    "tenure_days": 400,
    "days_to_first_value": 20,
    "days_to_renewal": 50,
    "seat_use": 0.75,
    "core_feature_share": 0.5,
    "feature_share": 2 / 3,
    "tickets_per_month": 1,
    "open_tickets": 1,
    "resolution_hours": 20,  # the mean of 30 and 10 hours
    "escalated_tickets_90d": 1,
    "self_service_share": 1 / 3,
    "ticket_sentiment_90d": 0,
    "nps": 9,
    "csat": 4,
    "roi_percent": 200,
    "goal_attainment": 0.8,
    "champion_present": 1,
    "reply_rate_90d": 0.5,
    "days_since_reply": 5,
    "stakeholders_left_90d": 0,
    "failed_payments_90d": 1,
    "days_overdue": 8,
    "seat_growth_90d": 0.5,
}


@pytest.mark.parametrize("name", EXPECTED)
def test_a_feature_has_the_number_that_the_facts_give(name: str, features: Features) -> None:
    assert row(1, features(FACTS))[name] == pytest.approx(EXPECTED[name])


def test_the_rate_of_use_is_taken_over_four_weeks(features: Features) -> None:
    used = usage({0: 4, 1: 2, 27: 2, 28: 10, 40: 6, 56: 99, 400: 99})
    found = row(1, features(FACTS, used=used))
    assert found["active_days_per_week"] == 3 / 4
    assert found["active_users"] == pytest.approx(8 / 28)
    assert found["minutes_per_session"] == pytest.approx(10)
    assert found["usage_change_28d"] == pytest.approx(8 / 16 - 1)
    assert found["days_since_use"] == 0


def test_without_facts_a_feature_is_missing_and_not_zero(features: Features) -> None:
    bare = row(1, features({"account": [(ago(400), 1, "a1", None, None, None, None, None)]}))
    assert {name for name in CATALOGUE if bare[name] is not None} == {"tenure_days", "related_accounts"}


def test_an_account_without_rows_counts_as_zero_where_others_have_rows(features: Features) -> None:
    silent = row(4, features(FACTS))
    zeros = ("tickets_per_month", "open_tickets", "escalated_tickets_90d", "failed_payments_90d", "days_overdue")
    assert [silent[name] for name in (*zeros, "stakeholders_left_90d")] == [0] * 6
    assert silent["resolution_hours"] is None
    assert silent["reply_rate_90d"] is None


def test_a_champion_who_left_is_not_present(features: Features) -> None:
    assert row(2, features(FACTS))["champion_present"] == 0


def test_a_goal_whose_target_is_its_baseline_has_no_attainment(features: Features) -> None:
    assert row(2, features(FACTS))["goal_attainment"] is None


@pytest.mark.parametrize("name", SCHEMAS)
def test_nothing_that_a_table_learns_later_changes_the_features(name: str, features: Features) -> None:
    assert_frame_equal(features(FACTS, {name: LATER[name]}), features(FACTS))


@pytest.mark.parametrize("name", SCHEMAS)
def test_nothing_of_later_is_read_where_it_is_all_there_is(name: str, features: Features) -> None:
    accounts = {"account": [(ago(400), 1, "a1", None, None, None, None, None), FACTS["account"][3]]}
    assert_frame_equal(features(accounts, {name: LATER[name]}), features(accounts))


def test_values_that_a_known_row_gets_later_do_not_change_the_features(features: Features) -> None:
    """Paid, failed, resolved, left, lost and first value: each has its own date."""
    later = {
        "account": [(ago(400), 1, "a1", ago(-3), ago(-1), ago(-50), 20, 15)],
        "contact": [(ago(100), 1, "champion", ago(-1))],
        "invoice": [(ago(20), 1, ago(8), ago(-1), ago(-1))],
        "ticket": [(at(5), 1, at(-1, 0), False, False, None)],
    }
    now = {
        "account": [(ago(400), 1, "a1", None, None, ago(-50), 20, 15)],
        "contact": [(ago(100), 1, "champion", None)],
        "invoice": [(ago(20), 1, ago(8), None, None)],
        "ticket": [(at(5), 1, None, False, False, None)],
    }
    assert_frame_equal(features(later), features(now))


def test_use_of_later_days_is_not_read() -> None:
    assert_frame_equal(usage({0: 3, 30: 2, -1: 50, -40: 9}), usage({0: 3, 30: 2}))


@settings(max_examples=40)
@given(st.dictionaries(st.integers(-60, 400), st.integers(0, 9), max_size=30))
def test_use_counts_only_the_days_of_its_window(days: dict[int, int]) -> None:
    past = {n: count for n, count in days.items() if 0 <= n < 365}
    found = usage(days)
    assert found.height == bool(past)
    if not past:
        return
    recent = [count for n, count in past.items() if n < 28]
    prior = [count for n, count in past.items() if 28 <= n < 56]
    assert found["sessions_28d"].item() == pytest.approx(sum(recent) / 28)
    assert found["sessions_prior_28d"].item() == pytest.approx(sum(prior) / 28)
    assert found["active_days"].item() == sum(count > 0 for count in recent)
    active = [ago(n) for n, count in past.items() if count]
    assert found["last_active"].item() == (max(active) if active else None)


def test_a_level_such_as_storage_does_not_make_a_day_active() -> None:
    facts = pl.DataFrame({"account": ["a1"], "day": [AS_OF], "sessions": [0], "storage_gb": [7.0]})
    found = usage_features(ibis.memtable(facts), AS_OF).to_polars()
    assert found["active_days"].item() == 0
    assert found["last_active"].item() is None


def test_a_feature_that_is_a_measure_of_use_is_read_from_the_use(features: Features) -> None:
    facts = pl.DataFrame({"account": ["a1"] * 2, "day": [ago(2), ago(40)], "reports": [3, 0], "export": [0, 5]})
    found = features(FACTS, used=usage_features(ibis.memtable(facts), AS_OF).to_polars())
    assert row(1, found)["core_feature_share"] == 0.5
    assert row(2, found)["core_feature_share"] == 0  # no use of its own: its last use decides
