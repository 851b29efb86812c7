"""How far accounts are: milestones, late ones, blockers, and what the past says of going on."""

from datetime import date, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoring.experiments import Share
from scoring.flow import ENTRIES, conversion, stage_odds, standing
from scoring.journeys import load_journeys
from scoring.progress import MET, milestones_met, next_actions, progress
from scoring.stages import ASIDE, FIRST, FORWARD, PASSED
from tests.scoring.feature_columns import table

ALL = load_journeys()
TODAY = date(2026, 5, 4)
NO_ODDS = stage_odds(ALL, pl.DataFrame(schema=ENTRIES), TODAY)


def ago(days: int) -> date:
    return TODAY - timedelta(days=days)


def entered(stage: str, days: int, account: int = 1) -> pl.DataFrame:
    return pl.DataFrame({"account_id": [account], "stage": [stage], "entered_on": [ago(days)]})


def met(*rows: tuple[int, str, str]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=MET, orient="row")


def told(row: dict[str, Any], stage: str, days: int, had: pl.DataFrame, odds: pl.DataFrame = NO_ODDS) -> dict[str, Any]:
    found = progress(ALL, table(row), entered(stage, days), had, odds, TODAY)
    return {each["journey"]: each for each in found.iter_rows(named=True)}


def past(*rows: tuple[str, str, int, int | None, str, str | None], inferred: bool = False) -> pl.DataFrame:
    """Entries: stage, segment, days ago entered and left, how it came in and left."""
    made = [
        (n, stage, segment, ago(came), None if left is None else ago(left), how, left_how, inferred)
        for n, (stage, segment, came, left, how, left_how) in enumerate(rows)
    ]
    return pl.DataFrame(made, schema=ENTRIES, orient="row")


def test_milestones_are_those_of_the_accounts_own_stage_and_journeys() -> None:
    rows = table({"tenure_days": 10.0, "plan": "starter", "days_to_first_value": None, "days_without_login": 0.0},
                 {"tenure_days": 400.0, "active_days_per_week": 4.0})  # fmt: skip
    stages = pl.DataFrame({"account_id": [1, 2], "stage": ["onboarding", "adoption"]})
    found = milestones_met(ALL, rows, stages)
    by_account = {n: set(part["journey"]) for (n,), part in found.group_by("account_id")}
    assert by_account == {1: {"lifecycle", "onboarding_90_days", "first_month_starter"}, 2: {"lifecycle"}}
    adopted = set(found.filter(pl.col("account_id") == 2)["milestone"])
    assert adopted == {"regular_use", "exploration"}


def test_progress_counts_what_was_met_names_what_is_late_and_what_blocks() -> None:
    had = met((1, "lifecycle", "account_set_up"), (1, "onboarding_90_days", "set_up"))
    row = {"tenure_days": 10.0, "core_feature_share": 0.0, "days_without_login": 8.0, "plan": "starter"}
    found = told(row, "onboarding", 10, had)
    stage = found["lifecycle"]
    assert stage["completion"] == pytest.approx(1 / 3)
    assert stage["met"] == ["account_set_up"]
    assert (stage["open"], stage["late"]) == (["first_optimisation", "value_realised"], ["first_optimisation"])
    assert stage["blockers"] == ["no login for 7 days", "no core feature in use after 7 days"]
    assert stage["expected_exit"] == ago(10) + timedelta(days=14)
    assert stage["probability"] is None
    assert found["onboarding_90_days"]["expected_exit"] == ago(10) + timedelta(days=90)
    assert found["onboarding_90_days"]["late"] == ["first_value"]
    assert set(found) == {"lifecycle", "onboarding_90_days", "first_month_starter"}


def test_a_milestone_that_only_a_colleague_can_tell_lowers_nothing_until_it_is_told() -> None:
    row = {"tenure_days": 400.0, "referrals_365d": 1.0}
    some = met((1, "lifecycle", "referral"), (1, "lifecycle", "community"))
    assert told(row, "advocacy", 10, some)["lifecycle"]["completion"] == 1.0
    every = pl.concat([some, met((1, "lifecycle", "case_study"))])
    assert told(row, "advocacy", 10, every)["lifecycle"]["completion"] == 1.0
    assert told(row, "advocacy", 10, met((1, "lifecycle", "case_study")))["lifecycle"]["completion"] == pytest.approx(
        1 / 3
    )


def test_the_next_actions_answer_the_risks_first_and_name_their_play() -> None:
    row = table({"tenure_days": 15.0, "core_feature_share": 0.0, "days_without_login": 8.0})
    found = next_actions(ALL, ALL.lifecycle.stage("onboarding"), row)
    assert [each.play for each in found] == [
        "onboarding_no_login_week", "onboarding_no_feature_use", "onboarding_adoption_check",
    ]  # fmt: skip


WENT = ("onboarding", "smb", 60, 50, FORWARD, FORWARD)
STAYED = ("onboarding", "smb", 60, None, FORWARD, None)


def test_the_odds_are_the_share_that_went_on_in_time_with_wilsons_interval() -> None:
    late = ("onboarding", "smb", 60, 30, FORWARD, FORWARD)  # after 30 days instead of 14
    lost = ("onboarding", "smb", 60, 55, FORWARD, ASIDE)
    found = stage_odds(ALL, past(*[WENT] * 15, *[STAYED] * 3, late, lost), TODAY)
    share = Share(15, 20)
    for row in found.iter_rows(named=True):
        assert (row["n"], row["went"], row["probability"]) == (20, 15, 0.75)
        assert (row["low"], row["high"]) == pytest.approx(share.interval)
    assert found["segment"].to_list() == [None, "smb"]


def test_entries_that_nobody_saw_passed_stages_and_those_without_the_time_do_not_count() -> None:
    soon = ("onboarding", "smb", 10, 5, FORWARD, FORWARD)
    over = ("onboarding", "smb", 60, 60, PASSED, FORWARD)
    guessed = past(*[("onboarding", "smb", 60, 50, FIRST, FORWARD)] * 30, inferred=True)
    assert stage_odds(ALL, pl.concat([past(*[soon] * 30, *[over] * 30), guessed]), TODAY).is_empty()
    assert stage_odds(ALL, past(*[WENT] * 19), TODAY).is_empty()


def test_a_segment_without_history_is_told_the_odds_of_all() -> None:
    odds = stage_odds(ALL, past(*[WENT] * 20, *[STAYED] * 20), TODAY)
    row = {"tenure_days": 5.0, "segment": "enterprise"}
    found = told(row, "onboarding", 5, met(), odds)["lifecycle"]
    assert (found["probability"], found["basis"]) == (0.5, "all")
    assert told({**row, "segment": "smb"}, "onboarding", 5, met(), odds)["lifecycle"]["basis"] == "segment"


def test_stalled_are_those_who_stay_for_more_than_half_as_long_again_as_usual() -> None:
    rows = past(*[("onboarding", "smb", days, None, FIRST, None) for days in (5, 21, 22, 90)])
    found = {row["stage"]: row for row in standing(ALL, rows, TODAY).iter_rows(named=True)}
    assert (found["onboarding"]["now"], found["onboarding"]["stalled"]) == (4, 2)
    assert found["onboarding"]["median_stay"] == 21.5
    assert found["advocacy"]["now"] == 0
    assert len(found) == 12


def test_those_who_stall_count_in_the_conversion_too_on_the_day_their_time_was_over() -> None:
    rows = past(WENT, STAYED, ("onboarding", "smb", 5, None, FORWARD, None), ("onboarding", "smb", 150, 140, FORWARD,
                                                                              FORWARD))  # fmt: skip
    assert conversion(ALL, rows, TODAY, 90).row(0) == ("onboarding", 2, 1, 10.0)
    assert conversion(ALL, rows, TODAY, 180).row(0) == ("onboarding", 3, 2, 10.0)


@given(st.integers(0, 60), st.integers(0, 60))
def test_the_odds_lie_within_their_interval(went: int, stayed: int) -> None:
    found = stage_odds(ALL, past(*[WENT] * went, *[STAYED] * stayed), TODAY)
    assert found.height == (2 if went + stayed >= 20 else 0)
    for row in found.iter_rows(named=True):
        assert 0 <= row["low"] <= row["probability"] <= row["high"] <= 1


@given(st.sets(st.sampled_from([m.id for m in ALL.lifecycle.stage("adoption").milestones])), st.integers(0, 60))
def test_milestones_are_met_or_open_and_late_ones_are_open(had: set[str], days: int) -> None:
    row = told({"tenure_days": 200.0}, "adoption", days, met(*((1, "lifecycle", name) for name in had)))["lifecycle"]
    every = {milestone.id for milestone in ALL.lifecycle.stage("adoption").milestones}
    assert set(row["met"]) == had
    assert set(row["open"]) == every - had
    assert set(row["late"]) == {m.id for m in ALL.lifecycle.stage("adoption").milestones if m.day < days} - had
    assert row["completion"] == pytest.approx(len(had) / len(every))
