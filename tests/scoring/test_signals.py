"""Every declared signal opens where its condition holds and nowhere else; a broken declaration is refused by place."""

import functools
import itertools
import json
import re
import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from scoring.predicates import PredicateError, predicate
from scoring.signals import SIGNALS, Rule, SignalError, Signals, evaluate, informed, lasting, load_signals
from tests.scoring.feature_columns import COLUMNS, QUIET, table

DECLARED = load_signals(SIGNALS, COLUMNS)
RULES = pytest.mark.parametrize("rule", DECLARED.rules, ids=lambda rule: rule.kind)
ENTRY = """
[[signals]]
kind = "usage_drop"
title = "Use fell"
group = "early"
severity = 3
when = "usage_change_28d <= -0.3"
evidence = ["usage_change_28d"]
"""


@functools.cache
def meeting(kind: str) -> dict[str, Any]:
    """Search a row that meets the condition among values at, below and above the numbers that it names."""
    rule = next(rule for rule in DECLARED if rule.kind == kind)
    numbers = sorted({float(n) for n in re.findall(r"-?\d+(?:\.\d+)?", re.sub(r"_\d+d", "", rule.declared.when))})
    near = sorted({n + step for n in numbers for step in (-1, -0.01, 0, 0.01, 1)})
    words = [*re.findall(r"'(\w+)'", rule.declared.when), "active"]
    values = [words if COLUMNS[name] == pl.String else near[:: max(1, len(near) // 14)] for name in rule.features]
    tried = pl.DataFrame(list(itertools.product(*values)), {n: COLUMNS[n] for n in rule.features}, orient="row")
    if "days_to_first_value" in rule.features:
        tried = pl.concat([tried, tried.with_columns(days_to_first_value=pl.lit(None, pl.Float64))])
    quiet = [pl.lit(QUIET[name], COLUMNS[name]).alias(name) for name in COLUMNS if name not in rule.features]
    candidates = tried.with_row_index("account_id", 1).with_columns(pl.col("account_id").cast(pl.Int64), *quiet)
    found = evaluate(Signals((rule,), DECLARED.columns), candidates)["account_id"]
    assert found.len(), f"no value of {rule.features} meets {rule.declared.when}"
    row = candidates.row(found[0] - 1, named=True)
    return {name: row[name] for name in ("account_id", *COLUMNS)}


def kinds(*rows: dict[str, Any]) -> list[str]:
    return evaluate(DECLARED, table(*rows))["kind"].to_list()


def test_a_quiet_account_shows_no_signal() -> None:
    assert kinds({}) == []


def test_an_account_without_any_data_shows_no_signal() -> None:
    assert kinds(dict.fromkeys(QUIET)) == []
    assert evaluate(DECLARED, pl.DataFrame({"account_id": [1, 2]})).height == 0


@RULES
def test_each_signal_opens_where_its_condition_holds_with_its_evidence(rule: Rule) -> None:
    row = meeting(rule.kind)
    quiet = {**row, "account_id": 2, **{name: QUIET[name] for name in rule.features}}
    both = pl.DataFrame([{**row, "account_id": 1}, quiet], schema=table({}).schema)
    found = evaluate(DECLARED, both).filter(pl.col("kind") == rule.kind)
    assert found["account_id"].to_list() == [1]
    evidence = json.loads(found["evidence"][0])
    assert list(evidence) == list(rule.declared.evidence)
    shown = {name: round(v, 4) if isinstance(v := row[name], float) else v for name in evidence}
    assert evidence == shown


@RULES
def test_each_signal_that_opens_also_lasts_and_ends_on_a_quiet_day(rule: Rule) -> None:
    row = pl.DataFrame([meeting(rule.kind)], schema=table({}).schema)
    assert rule.kind in lasting(DECLARED, row)["kind"]
    assert rule.kind not in lasting(DECLARED, table({}))["kind"].to_list()


@RULES
def test_one_missing_feature_never_opens_a_signal_that_needs_it(rule: Rule) -> None:
    row = meeting(rule.kind) | dict.fromkeys(rule.features)
    assert rule.kind not in kinds(row)


@pytest.mark.parametrize(
    "change, expected",
    [
        ({"usage_change_28d": -0.3}, {"usage_down_month"}),
        ({"usage_change_28d": -0.2999}, {"engagement_declining"}),
        ({"usage_change_7d": -0.5}, {"usage_halved"}),
        ({"usage_change_7d": -0.49}, set()),
        ({"health": 55, "health_change_7d": -20}, set()),
        ({"health": 55, "health_change_7d": -20.1}, {"health_drop"}),
        ({"limit_use": 0.8}, {"near_plan_limit"}),
        ({"nps": 6}, set()),
        ({"nps": 5}, {"nps_detractor"}),
        ({"sessions_change_28d": -0.5}, {"logins_halved"}),
        ({"competitor_mentions_30d": 1}, {"competitor_mentioned"}),
        ({"competitor_mentions_30d": 1, "days_to_renewal": 80}, {"competitor_mentioned", "evaluating_competitors"}),
        ({"days_to_renewal": 60}, {"renewal_in_60_days"}),
        ({"days_to_renewal": 61}, set()),
        ({"days_to_renewal": 40, "days_since_reply": 31}, {"renewal_in_60_days", "renewal_silence"}),
        ({"tenure_days": 6, "status": "trial", "active_days_per_week": 1.25}, {"fast_adoption", "trial_high_use",
                                                                              "first_outcome_reached"}),
        ({"usage_change_28d": float("nan")}, set()),
    ],
)  # fmt: skip
def test_signals_open_exactly_at_their_thresholds(change: dict[str, Any], expected: set[str]) -> None:
    assert set(kinds(change)) == expected


def test_a_signal_stays_until_its_own_end_and_not_only_until_its_condition_ends() -> None:
    between = table({"usage_change_28d": -0.25})
    assert "usage_down_month" not in evaluate(DECLARED, between)["kind"]
    assert "usage_down_month" in lasting(DECLARED, between)["kind"]


def test_accounts_that_have_every_feature_of_a_condition_are_counted() -> None:
    counted = informed(DECLARED, table({}, {"tenure_days": None}, {"usage_change_28d": None}))
    assert (counted["usage_down_month"], counted["nps_detractor"]) == (1, 3)


def test_a_hundred_thousand_accounts_are_evaluated_within_a_second() -> None:
    draw, size = np.random.default_rng(7), 100_000
    numbers = {n: float(QUIET[n]) + draw.normal(0, 1, size) for n in COLUMNS if COLUMNS[n] == pl.Float64}
    words = {n: pl.Series([QUIET[n]]).new_from_index(0, size) for n in COLUMNS if COLUMNS[n] == pl.String}
    features = pl.DataFrame({"account_id": np.arange(size), **numbers, **words})
    started = time.perf_counter()
    assert evaluate(DECLARED, features).height > size
    assert time.perf_counter() - started < 2  # about 0.3 s on two cores; room for a busy machine


@pytest.mark.parametrize(
    "change, said",
    [
        (
            ("usage_change_28d <=", "usage_chang_28d <="),
            r"7: when: unknown feature 'usage_chang_28d', did you mean 'us",
        ),
        (("<= -0.3", "<= 'low'"), r"7: when: cannot compare string with numeric"),
        (("usage_change_28d <= -0.3", "plan + 1 > 2"), r"7: when: arithmetic on"),
        (("usage_change_28d <= -0.3", "usage_change_28d"), r"7: when: the predicate must be true or false"),
        (("<= -0.3", "<="), r"7: when: this is no SQL predicate"),
        (("usage_change_28d <= -0.3", "nps > AVG(nps)"), r"7: when: 'AVG' may not be used here"),
        (("usage_change_28d <= -0.3", "1 = 1"), r"7: when: the predicate names no feature"),
        (('["usage_change_28d"]', '["npss"]'), r"8: evidence: unknown feature 'npss', did you mean 'nps'\?"),
        (("title", "titel"), r"4: titel: unknown key, did you mean 'title'\?|2: title: Field required"),
        (("severity = 3", "severity = 9"), r"6: severity: Input should be less"),
        (("severity = 3", 'severity = "3"'), r"6: severity: Input should be a valid integer"),
        (('"early"', '"later"'), r"5: group: Input should be 'early'"),
    ],
)
def test_a_broken_declaration_is_refused_with_file_kind_line_and_reason(
    tmp_path: Path, change: tuple[str, str], said: str
) -> None:
    (tmp_path / "own.toml").write_text(ENTRY.replace(*change))
    with pytest.raises(SignalError, match=rf"^own\.toml: usage_drop, line ({said})"):
        load_signals(tmp_path, COLUMNS)


def test_the_line_is_that_of_the_right_entry_and_key(tmp_path: Path) -> None:
    second = ENTRY.replace("usage_drop", "other") + 'close_when = "npss > 8"\n'
    (tmp_path / "own.toml").write_text(ENTRY + second)
    with pytest.raises(SignalError, match=r"own.toml: other, line 17: close_when: unknown feature 'npss'"):
        load_signals(tmp_path, COLUMNS)


@pytest.mark.parametrize(
    "text, said",
    [
        (ENTRY + ENTRY, "the kind 'usage_drop' is declared twice"),
        ("x = 1\n" + ENTRY, "unknown key 'x'"),
        (ENTRY + "close_when =\n", "line 9"),
        ("signals = 3", "under a line"),
    ],
)
def test_a_broken_file_is_refused(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "own.toml").write_text(text)
    with pytest.raises(SignalError, match=said):
        load_signals(tmp_path, COLUMNS)


@pytest.mark.parametrize(
    "text",
    ["nps > (SELECT 1)", "nps > LAG(nps) OVER (ORDER BY nps)", "COUNT(*) > 1", "*", "nps AS x", "nps > 1; nps", "",
     "CAST(nps AS TEXT) = '1'", "MAX(nps) > 1", "ROW_NUMBER() OVER (ORDER BY nps) > 1", '"no such" > 1'],
)  # fmt: skip
def test_only_expressions_over_one_row_are_predicates(text: str) -> None:
    with pytest.raises(PredicateError):
        predicate(text, COLUMNS)


@pytest.mark.parametrize(
    "text",
    ["nps > 1", "NOT (nps > 1)", "plan IN ('starter', 'select from over')", "plan LIKE 'pro%'", "nps IS NULL",
     "COALESCE(nps, 0) - ABS(csat) > 1", "CASE WHEN nps > 1 THEN TRUE ELSE FALSE END"],
)  # fmt: skip
def test_what_people_write_as_a_condition_is_a_predicate(text: str) -> None:
    assert predicate(text, COLUMNS)[1]


def test_every_group_of_the_declared_signals_is_there_and_what_is_heard_at_once_is_known() -> None:
    groups = {rule.declared.group for rule in DECLARED}
    assert groups >= {"early", "immediate", "critical", "real_time", "competitive", "expansion", "onboarding", "trial"}
    assert {rule.kind for rule in DECLARED if rule.declared.alert} == {
        "usage_halved", "payment_failed", "ticket_tone_negative", "health_drop", "cancellation_intent"
    }  # fmt: skip
