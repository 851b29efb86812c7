"""Where accounts stand, on made-up rows: moves with reasons, none without, and files with mistakes."""

import json
import random
import shutil
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from knowledge.documents import library
from scoring.declared import DeclaredError
from scoring.journeys import JOURNEYS, STAGES, load_journeys
from scoring.stages import ASIDE, BACK, FIRST, FORWARD, RETURNED, STAYS, passed, stage_of
from tests.scoring.feature_columns import table

ALL = load_journeys()
NOBODY = pl.DataFrame(schema={"account_id": pl.Int64, "stage": pl.String})
NEW = {"tenure_days": 0.0, "days_since_use": None, "days_without_login": None, "core_feature_share": 0.0}
LIFECYCLE = (JOURNEYS / "lifecycle.toml").read_text()


def was(*stages: str | None) -> pl.DataFrame:
    rows = [(n, stage) for n, stage in enumerate(stages, 1) if stage]
    return pl.DataFrame(rows, schema={"account_id": pl.Int64, "stage": pl.String}, orient="row")


def staged(rows: list[dict[str, Any]], *before: str | None) -> list[tuple[str, str]]:
    found = stage_of(ALL, table(*rows), was(*before))
    return list(found.select("stage", "how").iter_rows())


def test_a_new_account_begins_with_what_it_is() -> None:
    rows = [
        {"status": "trial", "plan": "trial", **NEW},
        NEW,
        {"tenure_days": 5.0, "core_feature_share": 0.1, "days_to_first_value": None},
        {"stated_stage": "awareness", "status": "prospect"},
        {"status": "churned"},
    ]
    found = stage_of(ALL, table(*rows).with_columns(stated_stage=pl.Series([None, None, None, "awareness", None])),
                     NOBODY)  # fmt: skip
    assert found["stage"].to_list() == ["trial", "purchase", "onboarding", "awareness", "reactivation"]
    assert found["how"].to_list() == [FIRST] * 5


def test_an_account_goes_on_when_its_exit_holds_and_stays_otherwise() -> None:
    done = {"tenure_days": 20.0, "core_feature_share": 0.6, "active_days_per_week": 2.0, "feature_share": 0.4,
            "goals_met_share": 0.0, "goal_attainment": 0.1, "roi_percent": None}  # fmt: skip
    rest = {**done, "core_feature_share": 0.2, "days_to_first_value": None}
    assert staged([done, rest], "onboarding", "onboarding") == [("adoption", FORWARD), ("onboarding", STAYS)]


def test_the_reason_holds_the_rule_and_the_features_behind_it() -> None:
    found = stage_of(ALL, table({"health": 40.0}), was("expansion")).row(0, named=True)
    because = json.loads(found["because"])
    assert (found["stage"], found["how"]) == ("retention", BACK)
    assert because["says"] == "there is no need for more at present"
    assert because["rule"] == ALL.lifecycle.stage("expansion").back_when
    assert because["features"]["health"] == 40
    assert set(because["features"]) == set(ALL.reads[because["rule"]])


def test_a_jump_names_every_stage_that_was_passed_with_its_reason() -> None:
    rows = table({"tenure_days": 400.0, "nps": 9.0, "health": 90.0, "goals_met_share": 0.0, "goal_attainment": 0.1,
                  "roi_percent": 0.0, "core_feature_share": 0.6})  # fmt: skip
    found = stage_of(ALL, rows, was("onboarding"))
    assert found.select("stage", "how").row(0) == ("loyalty", FORWARD)
    between = passed(ALL, rows, found)
    assert between["stage"].to_list() == ["adoption", "value_realisation", "retention", "expansion"]
    told = {row["stage"]: json.loads(row["because"]) for row in between.iter_rows(named=True)}
    assert told["adoption"]["says"] == "passed at once: the rule of a later stage holds too"
    assert told["expansion"]["says"] == "passed without its own rule: that of a later stage holds"
    assert told["expansion"]["later_rule"] == ALL.lifecycle.stage("loyalty").enter


def test_a_dormant_account_leaves_the_way_without_passing_stages_and_returns_to_where_it_belongs() -> None:
    asleep = table({"days_without_login": 40.0, "tenure_days": 100.0})
    gone = stage_of(ALL, asleep, was("adoption"))
    assert gone.select("stage", "how").row(0) == ("reactivation", ASIDE)
    assert passed(ALL, asleep, gone).is_empty()
    assert staged([{"days_without_login": 40.0}], "reactivation") == [("reactivation", STAYS)]
    assert staged([{"days_without_login": 1.0, "tenure_days": 200.0}], "reactivation") == [("retention", RETURNED)]


def test_without_data_an_account_stays_where_it_is() -> None:
    empty = pl.DataFrame({"account_id": [1, 2], "health": [float("nan"), None]})
    found = stage_of(ALL, empty, was("loyalty"))
    assert list(found.select("account_id", "stage", "how").iter_rows()) == [(1, "loyalty", STAYS)]


def test_a_team_may_use_fewer_stages(tmp_path: Path) -> None:
    parts = LIFECYCLE.split("[[stages]]")
    keep = ("onboarding", "adoption", "reactivation")
    text = "[[stages]]".join([parts[0], *(p for p in parts[1:] if any(f'name = "{name}"' in p for name in keep))])
    (tmp_path / "lifecycle.toml").write_text(text)
    fewer = load_journeys(tmp_path)
    rows = table({"tenure_days": 400.0}, {"status": "churned"}, {"tenure_days": 400.0})
    found = stage_of(fewer, rows, was(None, None, "loyalty"))  # loyalty is no stage any more
    assert found["stage"].to_list() == ["adoption", "reactivation", "adoption"]
    assert found["how"].to_list() == [FIRST] * 3


VALUES = [None, 0.0, 0.3, 0.5, 1.0, 4.0, 5.0, 6.0, 8.0, 9.0, 30.0, 60.0, 75.0, 90.0, 400.0]
TEXTS = {
    "status": [*["active"] * 7, "trial", "churned", "paused", None],
    "plan": [*["starter"] * 5, "trial", None],
    "stated_stage": [*[None] * 9, "awareness", "consideration"],
}
READ = sorted({n for s in ALL.lifecycle.stages for r in (s.enter, s.exit, s.back_when) if r for n in ALL.reads[r]})


def anything(seed: int, count: int) -> pl.DataFrame:
    """Accounts with any combination of values, and with gaps."""
    choose = random.Random(seed)
    columns = {name: choose.choices(TEXTS.get(name, VALUES), k=count) for name in READ}  # type: ignore[arg-type]
    kinds = {name: pl.String if name in TEXTS else pl.Float64 for name in READ}
    return pl.DataFrame({"account_id": range(count), **columns}, schema={"account_id": pl.Int64, **kinds})


@given(st.integers(0, 2**32))
@settings(max_examples=12)
def test_no_account_goes_backwards_or_jumps_without_a_recorded_reason(seed: int) -> None:
    rows = anything(seed, 4000)
    starts = pl.Series("stage", random.Random(seed).choices([None, *STAGES], k=rows.height))
    before = rows.select("account_id", starts).drop_nulls()
    visited = dict.fromkeys(before.iter_rows(), True)
    for _ in STAGES:
        found = stage_of(ALL, rows, before)
        moved = found.filter(pl.col("how") != STAYS)
        between = {key: list(part["stage"]) for (key,), part in passed(ALL, rows, found).group_by("account_id")}
        for account, came_from, stage, how, because in moved.iter_rows():
            assert json.loads(because)["says"]
            assert (account, stage) not in visited, "with the same data, no stage is left and entered again"
            visited[account, stage] = True
            _direction(came_from, stage, how)
            way = STAGES.index(came_from) + 1 if how == FORWARD else STAGES.index(stage)
            assert between.get(account, []) == list(STAGES[way : STAGES.index(stage)])
        if moved.is_empty():
            return
        before = found.select("account_id", "stage")
    pytest.fail(f"{moved.height} accounts come to no rest")


def _direction(came_from: str | None, stage: str, how: str) -> None:
    if how == FIRST:
        assert came_from is None
    elif how == ASIDE:
        assert stage == "reactivation"
    elif how == RETURNED:
        assert came_from == "reactivation"
    else:
        ahead = STAGES.index(stage) > STAGES.index(str(came_from))
        assert how == (FORWARD if ahead else BACK)


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("lifecycle.toml", "tenure_days >= 7 AND", "tenure_dais >= 7 AND", "unknown feature 'tenure_dais', did"),
        ("lifecycle.toml", "target = 0.85", "targt = 0.85", "stages.4.targt: unknown key, did you mean 'target'?"),
        ("lifecycle.toml", 'back = "adoption"\n', "", "`back`, `back_when` and `back_says` belong together"),
        ("lifecycle.toml", 'name = "trial"', 'name = "tryal"', "Input should be"),
        ("lifecycle.toml", 'exit = "tenure_days >= 120"\n', "", "only the last stage on the way may do without `exit`"),
        ("trial.toml", "days = 14", "days = 4", "a milestone lies after the last day"),
        ("trial.toml", 'metric = "logged in by day 3"', 'metrc = "x"', "line 11: milestones.1.metrc: unknown key, did"),
        ("trial.toml", 'when = "active_days_per_week >= 3", metric', "metric", "either `when` or `manual = true`"),
        ("trial.toml", 'id = "trial_days"', 'id = "lifecycle"', "the id 'lifecycle' is used by another journey"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_with_file_line_and_the_nearest_key(
    tmp_path: Path, file: str, old: str, new: str, message: str
) -> None:
    folder = shutil.copytree(JOURNEYS, tmp_path / "journeys")
    text = (folder / file).read_text()
    assert old in text
    (folder / file).write_text(text.replace(old, new, 1))
    with pytest.raises(DeclaredError) as caught:
        load_journeys(folder)
    assert message in str(caught.value)
    assert str(caught.value).startswith(file)


def test_a_rule_that_cannot_be_used_is_named_with_its_line(tmp_path: Path) -> None:
    folder = shutil.copytree(JOURNEYS, tmp_path / "journeys")
    text = (folder / "mining_farm.toml").read_text()
    (folder / "mining_farm.toml").write_text(text.replace("active_users >= 3", "activ_users >= 3"))
    line = next(n for n, each in enumerate(text.splitlines(), 1) if "active_users >= 3" in each)
    with pytest.raises(DeclaredError, match=rf"mining_farm.toml, line {line}: .*did you mean 'active_users'"):
        load_journeys(folder)


def test_every_play_that_a_journey_names_is_there() -> None:
    owners = (*ALL.lifecycle.stages, *ALL.by_day)
    named = {play for owner in owners for play in owner.plays}
    named |= {each.play for owner in owners for each in (*owner.risks, *owner.actions) if each.play}
    assert named <= set(library().plays)
    assert len(named) > 30


def test_the_segment_journeys_have_five_days_of_three_actions_and_one_measure() -> None:
    by_id = {journey.id: journey for journey in ALL.by_day}
    for name in ("individual_miner", "mining_farm", "crypto_trader"):
        milestones = by_id[name].milestones
        assert [milestone.day for milestone in milestones] == [0, 1, 3, 7, 14]
        assert all(len(milestone.actions) == 3 and milestone.metric for milestone in milestones)
