"""What the demo's service businesses do is dated, arrives day by day, and follows the mood of the relationship."""

from datetime import date, timedelta
from typing import Any

import polars as pl
import pytest

from storage.demo import DemoWorld, build
from storage.importing.services import KINDS

TODAY = date(2026, 3, 16)
END = TODAY + timedelta(days=90)
OF = {
    "healthcare": {"appointment", "checkup", "insurance_change"},
    "trades": {"maintenance", "seasonal", "emergency", "warranty"},
    "professional_services": {"milestone", "proposal", "referral", "contract"},
}


@pytest.fixture(scope="module")
def world() -> DemoWorld:
    return build(TODAY)


@pytest.fixture(scope="module")
def services(world: DemoWorld) -> pl.DataFrame:
    """All records at the end of the world, with whether and when the account was lost."""
    frames = world.until(END)
    lost = pl.col("churned_on").is_not_null()
    accounts = frames["accounts"].select("industry", "churned_on", account="external_id", lost=lost)
    return frames["services"].join(accounts, on="account")


def share(rows: pl.DataFrame, condition: pl.Expr) -> float:
    return float(rows.select(condition.mean()).item())


def mean(values: pl.Series) -> Any:
    return values.mean()


def near_the_end(services: pl.DataFrame, kind: str, day: str = "due_on") -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the records of lost accounts in their last four months, and all of the accounts that stay."""
    rows = services.filter((pl.col("kind") == kind) & (pl.col(day) < END - timedelta(days=20)))
    left = (pl.col("churned_on") - pl.col(day)).dt.total_days()
    return rows.filter("lost", left < 120), rows.filter(~pl.col("lost"))


def test_the_days_one_by_one_make_the_whole(world: DemoWorld) -> None:
    day, known = TODAY - timedelta(days=60), {}
    steps = [world.until(day)] + [world.day(day + timedelta(days=n)) for n in range(1, 121)]
    for name in ("services", "surveys", "tickets"):
        rows = [row for step in steps if name in step for row in step[name].iter_rows(named=True)]
        known[name] = {row["external_id"]: row for row in rows}
        whole = world.until(day + timedelta(days=120))[name]
        assert known[name] == {row["external_id"]: row for row in whole.iter_rows(named=True)}, name


def test_each_industry_has_its_own_kinds(services: pl.DataFrame) -> None:
    found = {name: set(rows["kind"]) for (name,), rows in services.group_by("industry")}
    assert found == OF
    assert set().union(*found.values()) == set(KINDS)


def test_no_record_is_older_than_its_account_or_newer_than_its_end(world: DemoWorld, services: pl.DataFrame) -> None:
    started = world.until(END)["accounts"].select(account="external_id", started="started_on")
    rows = services.join(started, on="account")
    for name in ("recorded_on", "done_on", "cancelled_on"):
        assert rows.filter(pl.col(name) < pl.col("started")).height == 0, name
        assert rows.filter(pl.col(name) > pl.col("churned_on")).height == 0, name
    assert rows.filter(pl.col("cancelled_on") < pl.col("recorded_on")).height == 0


def test_every_appointment_is_kept_missed_or_called_off_once_its_day_has_come(world: DemoWorld) -> None:
    rows = world.until(TODAY)["services"].filter(pl.col("kind") == "appointment")
    outcomes = pl.sum_horizontal(pl.col("done_on").is_not_null(), "no_show", pl.col("cancelled_on").is_not_null())
    assert set(rows.filter(pl.col("due_on") <= TODAY).select(outcomes).to_series()) == {1}
    planned = rows.filter(pl.col("due_on") > TODAY)
    assert planned.height > 10
    assert not planned["no_show"].any()
    assert 0.02 < share(rows, pl.col("no_show")) < 0.15


def test_patients_who_will_leave_miss_and_call_off_more_and_put_checkups_off(services: pl.DataFrame) -> None:
    late, stay = near_the_end(services, "appointment")
    missed = pl.col("no_show") | pl.col("cancelled_on").is_not_null()
    assert share(late, missed) > 2 * share(stay, missed)
    late, stay = near_the_end(services, "checkup")
    open_ = pl.col("done_on").is_null()
    assert share(late, open_) > 2 * share(stay, open_) > 0


def test_maintenance_visits_are_counted_as_they_are_made(services: pl.DataFrame) -> None:
    contracts = services.filter(pl.col("kind") == "maintenance")
    assert contracts.filter(pl.col("used").is_null() | (pl.col("included") != 4)).height == 0
    visits = services.filter((pl.col("kind") == "seasonal") & pl.col("done_on").is_not_null())
    both = contracts.join(visits.select("account", visited="done_on"), on="account")
    inside = both.filter(pl.col("visited").is_between("recorded_on", "ends_on"))
    counted = inside.group_by("external_id").agg(made=pl.len())
    joined = contracts.join(counted, on="external_id", how="left").fill_null(0)
    assert joined["used"].to_list() == joined["made"].to_list()
    assert joined["used"].n_unique() > 3


@pytest.mark.parametrize("kind", ["maintenance", "contract"])
def test_contracts_follow_one_another_or_lapse(services: pl.DataFrame, kind: str) -> None:
    rows = services.filter(pl.col("kind") == kind).sort("account", "recorded_on")
    after = rows.with_columns(next=pl.col("recorded_on").shift(-1).over("account")).drop_nulls("next")
    assert (after["next"] - after["ends_on"]).dt.total_days().unique().to_list() == [1]
    last = rows.group_by("account").last().filter(~pl.col("lost"))
    lapsed = share(last, pl.col("ends_on") < END)
    assert 0.05 < lapsed < 0.6


def test_emergencies_are_slower_and_less_liked_where_the_relationship_is_poor(services: pl.DataFrame) -> None:
    late, stay = near_the_end(services, "emergency", "recorded_on")
    assert mean(late["response_hours"]) > 1.5 * mean(stay["response_hours"])
    assert mean(late["satisfaction"]) < mean(stay["satisfaction"]) - 0.4


def test_projects_are_less_liked_before_the_end_and_referrals_come_from_happy_accounts(
    services: pl.DataFrame,
) -> None:
    late, stay = near_the_end(services, "milestone")
    assert mean(late["satisfaction"]) < mean(stay["satisfaction"]) - 0.4
    projects = services.filter(pl.col("industry") == "professional_services")
    accounts = {fate: rows["account"].n_unique() for (fate,), rows in projects.group_by("lost")}
    referrals = {fate: rows.height for (fate,), rows in projects.filter(pl.col("kind") == "referral").group_by("lost")}
    assert referrals[False] / accounts[False] > 2 * referrals.get(True, 0) / accounts[True]


def test_reviews_come_from_healthcare_only_and_from_one_to_five(world: DemoWorld) -> None:
    frames = world.until(TODAY)
    reviews = frames["surveys"].filter(pl.col("kind") == "review")
    accounts = frames["accounts"].rename({"external_id": "account"})
    assert set(reviews.join(accounts, on="account")["industry"]) == {"healthcare"}
    assert set(reviews["score"]) == {1.0, 2.0, 3.0, 4.0, 5.0}
    assert reviews["comment"].n_unique() > 10


def test_customers_ask_for_features_and_for_training(world: DemoWorld) -> None:
    tickets = world.until(TODAY)["tickets"].filter(pl.col("category").str.ends_with("_request"))
    counts = {name: rows.height for (name,), rows in tickets.group_by("category")}
    assert set(counts) == {"feature_request", "training_request"}
    assert min(counts.values()) > 100
    assert tickets["external_id"].is_unique().all()


def test_engaged_accounts_post_in_the_community_and_in_the_product(world: DemoWorld) -> None:
    posts = world.until(TODAY)["interactions"].filter(pl.col("channel").is_in(["community", "in_app"]))
    assert set(posts["direction"]) == {"in"}
    assert posts["channel"].value_counts()["count"].min() > 200  # type: ignore[operator]


def test_fewer_people_come_to_meetings_of_accounts_that_will_leave(world: DemoWorld) -> None:
    frames = world.until(END)
    lost = frames["accounts"].filter(pl.col("churned_on").is_not_null()).select("churned_on", account="external_id")
    meetings = frames["interactions"].filter(pl.col("channel") == "meeting").join(lost, on="account", how="left")
    left = (pl.col("churned_on") - pl.col("at").dt.date()).dt.total_days()
    nobody = pl.col("attendees") == 0
    assert share(meetings.filter(left < 90), nobody) > 3 * share(
        meetings.filter(pl.col("churned_on").is_null()), nobody
    )
    alone = meetings.filter(nobody)
    assert set(alone["minutes"]) == {0.0}
    assert alone["text"].str.contains("[Nn]obody|Alone").all()


def test_goals_say_how_much_work_they_save(world: DemoWorld) -> None:
    measured = world.until(TODAY)["goals"].drop_nulls("measured_on")
    assert measured["efficiency_gain"].null_count() == 0
    assert 0.1 < mean(measured["efficiency_gain"]) < 0.4
