"""The demo portfolio: the same every time, never ahead of its day, varied, and true to its hidden state."""

import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from sqlalchemy import select

from storage.database import Database
from storage.demo import DemoWorld, build
from storage.importing import ImportReport, import_frames
from storage.importing.entities import ENTITIES, INDUSTRIES, SEGMENTS
from storage.importing.format import table_of
from storage.usage import UsageStore

TODAY = date(2026, 3, 16)


@pytest.fixture(scope="module")
def world() -> DemoWorld:
    return build(TODAY)


def bring(folder: Path, *steps: dict[str, pl.DataFrame]) -> tuple[Database, UsageStore, ImportReport]:
    database, usage = Database(f"sqlite:///{folder}/tend.db"), UsageStore(str(folder / "usage"))
    database.migrate()
    now = datetime.combine(TODAY, datetime.min.time(), UTC)
    with database.session("w1") as session:
        reports = [import_frames(session, usage, frames, now=now) for frames in steps]
    return database, usage, reports[-1]


def contents(database: Database, usage: UsageStore) -> dict[str, list[Any]]:
    """Read everything that was imported, without the keys that depend on the order of arrival."""
    found: dict[str, list[Any]] = {}
    with database.engine.connect() as connection:
        for entity in (entity for entity in ENTITIES.values() if entity.model):
            assert entity.model is not None
            columns = [c for c in table_of(entity.model).c if c.name not in ("id", "account_id")]
            found[entity.name] = sorted(map(repr, connection.execute(select(*columns))))
    table = usage.table("w1")
    assert table is not None
    facts = table.to_polars()
    found["usage"] = facts.select(sorted(facts.columns)).sort("account", "day").rows()
    return found


def test_the_same_day_and_seed_make_the_same_world(world: DemoWorld) -> None:
    again, other = build(TODAY).until(TODAY), build(TODAY, seed=8).until(TODAY)
    for name, frame in world.until(TODAY).items():
        assert frame.equals(again[name]), name
    assert not other["accounts"]["name"].equals(again["accounts"]["name"])


def test_building_and_importing_are_quick(tmp_path: Path) -> None:
    start = time.monotonic()
    frames = build(TODAY).until(TODAY)
    _, _, report = bring(tmp_path, frames)
    assert time.monotonic() - start < 45  # about 8 seconds on two quiet cores
    assert report.rejects == []
    assert not report.finding("usage_outside_subscriptions")
    assert not report.finding("duplicate_names")


@pytest.mark.parametrize("back", [500, 200, 0, -45])
def test_nothing_is_known_before_it_happens(world: DemoWorld, back: int) -> None:
    day = TODAY - timedelta(days=back)
    planned = {"renewal_on", "trial_ends_on", "due_on", "ends_on"}
    for name, frame in world.until(day).items():
        for column in (c for c in frame.columns if frame[c].dtype.is_temporal() and c not in planned):
            latest = frame[column].cast(pl.Date).max()
            assert latest is None or latest <= day, f"{name}.{column}"  # type: ignore[operator]


@pytest.mark.parametrize("ahead", [-1, 30])
def test_yesterday_and_the_day_imported_are_the_day_itself(world: DemoWorld, tmp_path: Path, ahead: int) -> None:
    day = TODAY + timedelta(days=ahead)
    before, whole = world.until(day), world.until(day + timedelta(days=1))
    stepped = bring(tmp_path / "stepped", before, world.day(day + timedelta(days=1)))
    at_once = bring(tmp_path / "at_once", whole)
    first, second = contents(*stepped[:2]), contents(*at_once[:2])
    for name in first:
        assert first[name] == second[name], name


def test_a_day_outside_the_world_is_refused(world: DemoWorld) -> None:
    with pytest.raises(ValueError, match="outside the demo's days"):
        world.until(TODAY + timedelta(days=91))


def test_every_industry_segment_and_plan_is_there(world: DemoWorld) -> None:
    accounts = world.until(TODAY)["accounts"]
    assert set(accounts["industry"]) == set(INDUSTRIES)
    assert set(accounts["segment"]) == set(SEGMENTS)
    assert set(accounts["plan"]) == {"trial", "starter", "professional", "business", "enterprise"}
    subs = {"individual_miner", "mining_farm", "crypto_trader", "institution"}
    assert set(accounts["sub_segment"].drop_nulls()) == subs
    assert set(accounts["currency"]) == {"USD", "EUR", "GBP"}
    assert 380 <= accounts.height <= 460
    for frame, column, wanted in (
        ("users", "role", {"csm", "approver", "admin"}),
        ("stakeholders", "kind", {"joined", "left"}),
    ):
        assert set(world.until(TODAY)[frame][column]) == wanted


def test_account_names_are_unique_and_some_are_alike(world: DemoWorld) -> None:
    names = world.until(TODAY)["accounts"]["name"]
    assert names.n_unique() == len(names)
    assert names.str.starts_with("Acme ").sum() == 4
    first_words = names.str.split(" ").list.first()
    assert first_words.is_duplicated().sum() >= 15


def test_tickets_are_written_in_many_words(world: DemoWorld) -> None:
    texts = world.until(TODAY)["tickets"]["text"]
    assert texts.is_duplicated().mean() < 0.05  # type: ignore[operator]
    assert texts.str.contains(r"[{}]").sum() == 0
    without_numbers = texts.str.replace_all(r"[A-Z]?\d+", "#")
    assert without_numbers.n_unique() > 0.8 * len(texts)


def test_the_tone_of_tickets_follows_the_relationship(world: DemoWorld) -> None:
    frames = world.until(TODAY)
    lost = frames["accounts"].filter(pl.col("churned_on").is_not_null()).select("external_id", "churned_on")
    tickets = frames["tickets"].join(lost, left_on="account", right_on="external_id", how="left")
    days_left = (pl.col("churned_on") - pl.col("opened_at").cast(pl.Date)).dt.total_days()
    late, stayers = tickets.filter(days_left < 40), tickets.filter(pl.col("churned_on").is_null())
    leaving = pl.col("category").is_in(["cancel", "export", "competitor"])
    assert late.select(leaving.mean()).item() > 4 * stayers.select(leaving.mean()).item()
    assert late["sentiment"].mean() < stayers["sentiment"].mean() - 0.2  # type: ignore[operator]


def change_before(usage: pl.DataFrame, ends: pl.DataFrame) -> float:
    """Return the median change of weekly use, last 28 days before `end` against the 28 before those."""
    rows = usage.join(ends, on="account").with_columns(ago=(pl.col("end") - pl.col("day")).dt.total_days())
    sums = rows.group_by("account").agg(
        late=pl.col("active_users").filter(pl.col("ago").is_between(1, 28)).sum(),
        early=pl.col("active_users").filter(pl.col("ago").is_between(57, 84)).sum(),
    )
    return float(sums.filter(pl.col("early") > 0).select((pl.col("late") / pl.col("early") - 1).median()).item())


def test_accounts_that_leave_use_less_beforehand_and_others_do_not(world: DemoWorld) -> None:
    frames = world.until(TODAY)
    accounts = frames["accounts"].rename({"external_id": "account"})
    old = accounts.filter(pl.col("started_on") < TODAY - timedelta(days=200))
    lost = old.filter(pl.col("status") == "churned").select("account", end="churned_on")
    stay = old.filter(pl.col("status") == "active").select("account", end=pl.lit(TODAY - timedelta(days=30)))
    assert change_before(frames["usage"], lost) < -0.35
    assert abs(change_before(frames["usage"], stay)) < 0.12


def test_two_or_three_in_a_hundred_accounts_leave_a_month(world: DemoWorld) -> None:
    end = world.today + timedelta(days=90)
    accounts = world.until(end)["accounts"].filter(pl.col("churn_reason") != "trial ended without purchase")
    lost = accounts.height
    live = [world.until(TODAY - timedelta(days=b))["accounts"] for b in (500, 350, 200, 50, -80)]
    average = sum((frame["status"] != "churned").sum() for frame in live) / len(live)
    months = (548 + 90) / 30.44
    assert 0.012 < lost / average / months < 0.035


def test_the_first_csm_owns_a_good_thirty_accounts_and_some_of_them_are_sliding(world: DemoWorld) -> None:
    frames = world.until(TODAY)
    mine = frames["accounts"].filter(
        (pl.col("owner_email") == "dana.reyes@brightwater.example") & (pl.col("status") != "churned")
    )
    assert 30 <= mine.height <= 40
    assert set(frames["accounts"]["owner_email"]) <= set(frames["users"]["email"])
    usage = frames["usage"].join(mine, left_on="account", right_on="external_id", how="semi")
    ago = (pl.lit(TODAY) - pl.col("day")).dt.total_days()
    week = usage.group_by("account").agg(
        now=pl.col("active_users").filter(ago < 7).sum(),
        before=pl.col("active_users").filter(ago.is_between(35, 62)).sum() / 4,
    )
    assert week.filter(pl.col("now") < 0.7 * pl.col("before")).height >= 4


def test_some_accounts_have_little_data(world: DemoWorld) -> None:
    frames = world.until(TODAY)
    accounts = set(frames["accounts"].filter(pl.col("status") == "active")["external_id"])
    assert len(accounts - set(frames["goals"]["account"])) >= 10
    assert len(accounts - set(frames["surveys"]["account"])) >= 20
