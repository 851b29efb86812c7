"""Scores move smoothly, forget nothing about missing data, and add up; a broken card is refused by name."""

import json
import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from scoring.catalogue import CATALOGUE
from scoring.health import (
    FEWEST_LOSSES,
    PRIOR_ACCOUNTS,
    Drivers,
    Health,
    drivers,
    loss_rates,
    read_raw,
    score,
    value_of,
    waterfall,
)
from scoring.reasons import reasons, strengths
from scoring.scorecard import (
    SCORECARDS,
    Indicator,
    Scorecard,
    ScorecardError,
    load_scorecard,
    load_scorecards,
)

CARDS = load_scorecards(SCORECARDS)
MATRIX = CARDS.cards["matrix"]
NAMES = [indicator.feature for indicator in MATRIX.indicators]
EVERY = [(card, i) for card in CARDS.cards.values() for i in card.indicators]
INDICATORS = st.sampled_from([indicator for _, indicator in EVERY])
VALUES = st.fixed_dictionaries(
    {i.feature: st.none() | st.floats(i.points[0][0] - 1, i.points[-1][0] * 1.2) for i in MATRIX.indicators}
)


def table(*accounts: dict[str, float | None]) -> pl.DataFrame:
    schema = {"account_id": pl.Int64, **dict.fromkeys(NAMES, pl.Float64)}
    return pl.DataFrame([{"account_id": n, **row} for n, row in enumerate(accounts)], schema=schema)


def points(indicator: Indicator, value: float) -> float:
    card = next(card for card, known in EVERY if known is indicator)
    industry = (indicator.industries or ("saas",))[0]
    one = pl.DataFrame({"account_id": [1], "industry": [industry], indicator.feature: [value]})
    return float(score(card, one).points[0, card.indicators.index(indicator)])


def test_the_catalogue_knows_every_indicator_and_which_way_is_better() -> None:
    for _, indicator in EVERY:
        rising = indicator.points[-1][1] > indicator.points[0][1]
        assert rising == (CATALOGUE[indicator.feature].better == "higher"), indicator.feature


@given(INDICATORS, st.floats(0, 1), st.floats(0, 1))
def test_a_better_value_never_scores_lower(indicator: Indicator, one: float, two: float) -> None:
    low, high = indicator.points[0][0], indicator.points[-1][0]
    first, second = sorted(low + share * (high - low) * 1.2 for share in (one, two))
    worse, better = (first, second) if CATALOGUE[indicator.feature].better == "higher" else (second, first)
    assert points(indicator, worse) <= points(indicator, better)


@given(INDICATORS, st.floats(-0.1, 1.1))
def test_a_tiny_change_moves_the_score_a_tiny_bit(indicator: Indicator, place: float) -> None:
    low, high = indicator.points[0][0], indicator.points[-1][0]
    value, step = low + place * (high - low), (high - low) * 1e-6
    assert abs(points(indicator, value + step) - points(indicator, value)) < 0.01


@pytest.mark.parametrize("indicator", [i for _, i in EVERY], ids=[f"{card.id}-{i.feature}" for card, i in EVERY])
def test_the_declared_points_are_met_exactly(indicator: Indicator) -> None:
    assert [(value, points(indicator, value)) for value, _ in indicator.points] == list(indicator.points)


@given(VALUES)
def test_missing_data_is_left_out_and_coverage_is_the_weight_that_had_data(values: dict[str, float | None]) -> None:
    health = score(MATRIX, table(values))
    known = [k for k, name in enumerate(NAMES) if values[name] is not None]
    weight = float(MATRIX.weights[known].sum())
    assert health.coverage[0] == pytest.approx(weight / 100)
    assume(abs(weight / 100 - MATRIX.coverage_floor) > 1e-9)
    if weight / 100 < MATRIX.coverage_floor:
        assert np.isnan(health.values[0])
        return
    expected = sum(points(MATRIX.indicators[k], values[NAMES[k]] or 0.0) * MATRIX.weights[k] for k in known) / weight
    assert health.values[0] == pytest.approx(expected, abs=0.051)


def test_an_account_that_is_perfect_where_it_is_measured_has_the_full_score() -> None:
    best = {i.feature: max(i.points, key=lambda point: point[1])[0] for i in MATRIX.indicators[:6]}
    assert score(MATRIX, table(best)).values[0] == 100


def test_without_any_data_there_is_no_score_and_no_coverage() -> None:
    health = score(MATRIX, table({}))
    assert np.isnan(health.values[0])
    assert health.coverage[0] == 0
    assert made(health, 0) == {}
    assert MATRIX.band(None) is None


def test_a_column_that_the_features_lack_is_missing_data() -> None:
    assert score(MATRIX, pl.DataFrame({"account_id": [1]})).coverage[0] == 0


@given(st.lists(VALUES, min_size=2, max_size=5))
def test_the_effects_of_the_drivers_add_up_to_the_distance_from_the_mean(accounts: list[dict[str, Any]]) -> None:
    health = score(MATRIX, table(*accounts))
    for row in range(len(accounts)):
        if np.isnan(health.values[row]):
            continue
        seen = ~np.isnan(health.points)
        means = np.array([health.points[seen[:, k], k].mean() if seen[:, k].any() else 0 for k in range(len(NAMES))])
        baseline = float((means * effective(health, row)).sum())
        parts = made(health, row)
        effects = sum(driver["effect"] for driver in parts.values())
        assert effects == pytest.approx(health.values[row] - baseline, abs=0.06 + 0.005 * len(parts))
        assert set(parts) == {name for name in NAMES if accounts[row][name] is not None}


def test_what_pulls_down_and_what_holds_up_are_ranked_by_their_effect() -> None:
    best = {i.feature: max(i.points, key=lambda p: p[1])[0] for i in MATRIX.indicators}
    worst = {i.feature: min(i.points, key=lambda p: p[1])[0] for i in MATRIX.indicators}
    mixed = best | {"core_feature_share": 0.1, "seat_growth_90d": -0.5}
    health = score(MATRIX, table(mixed, best, worst))
    down = reasons(made(health, 2), None)
    assert [reason.effect for reason in down] == sorted(reason.effect for reason in down)
    assert all(reason.effect <= -0.5 for reason in down)
    assert len(reasons(made(health, 2), None, most=5)) == 5
    assert reasons(made(health, 1), None) == []
    up = strengths(made(health, 1))
    assert len(up) == 2
    assert up[0].effect >= up[1].effect >= 0.5
    assert reasons(None, None) == []


def test_a_reason_says_what_it_was_before_when_it_moved() -> None:
    was = {"active_days_per_week": {"value": 4.8, "points": 88.0, "effect": 1.0}}
    now = {"active_days_per_week": {"value": 2.1, "points": 61.0, "effect": -2.0}}
    assert reasons(now, was)[0].text == "days in use a week: 4.8 → 2.1"
    barely = {"active_days_per_week": {"value": 2.12, "points": 61.2, "effect": -2.0}}
    assert reasons(now, barely)[0].text == "days in use a week: 2.1"


@pytest.mark.parametrize(
    ("value", "band", "rank", "at_risk"),
    [
        (100, "healthy", 0, False),
        (80, "healthy", 0, False),
        (79.9, "at_risk", 1, True),
        (60, "at_risk", 1, True),
        (59.9, "critical", 2, True),
        (40, "critical", 2, True),
        (39.9, "churning", 3, True),
        (0, "churning", 3, True),
        (None, None, -1, False),
    ],
)
def test_each_score_has_one_band(value: float | None, band: str | None, rank: int, at_risk: bool) -> None:
    assert (MATRIX.band(value), MATRIX.rank(band), MATRIX.at_risk(band)) == (band, rank, at_risk)


def made(health: Health, row: int) -> Drivers:
    return drivers(health.scorecard, health.means, read_raw(health.raw_json()[row]))


def effective(health: Health, row: int) -> np.ndarray:
    weights = np.where(np.isnan(health.points[row]), 0.0, health.scorecard.weights)
    return weights / weights.sum()


MISTAKES = {
    "an unknown key": (
        'title = "Six factors"',
        'titel = "Six factors"',
        r"Field required|'titel', did you mean 'title'",
    ),
    "an unknown key in a factor": (
        'name = "usage engagement"',
        'name = "u"\nnmae = "u"',
        r"line 44: factors\.1\.nmae: unknown key 'nmae', did you mean 'name'",
    ),
    "a missing key": ('colour = "red"\n', "", r"bands\.3\.colour: Field required"),
    "weights that do not add up": ("weight = 20", "weight = 21", r"the weights of the factors sum to 101, not to 100"),
    "shares that do not add up": ("share = 0.7", "share = 0.6", r"'product adoption': the shares .* do not sum to 1"),
    "overlapping bands": ("from = 60", "from = 80", r"from the highest to the one that starts at 0, without overlap"),
    "bands in the wrong order": ("from = 80", "from = 50", r"from the highest to the one that starts at 0"),
    "no band at the bottom": ("from = 0\n", "from = 10\n", r"the one that starts at 0"),
    "an unknown indicator": (
        '"core_feature_share"',
        '"core_features_share"',
        r"factors\.0\.indicators\.0.*'core_features_share', did you mean 'core_feature_share'",
    ),
    "values that do not rise": ("[0.4, 50]", "[0, 50]", r"core_feature_share: the values of `points` must rise"),
    "scores that turn": ("[0.4, 50]", "[0.4, 95]", r"core_feature_share: the scores of `points` must run one way"),
    "scores beyond 100": ('[1, 100]] },\n  { feature = "days_to', '[1, 110]] },\n  { feature = "days_to', "0-100"),
    "an unknown colour": ('colour = "red"', 'colour = "pink"', r"bands\.3\.colour"),
    "a broken file": ("[[bands]]", "[[bands]", r"at line"),
    "an indicator twice": ('"feature_share"', '"core_feature_share"', r"core_feature_share.*twice"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_scorecard_with_a_mistake_is_refused_with_file_and_key(tmp_path: Path, mistake: str) -> None:
    right, wrong, said = MISTAKES[mistake]
    text = (SCORECARDS / "matrix.toml").read_text()
    assert right in text
    file = tmp_path / "mine.toml"
    file.write_text(text.replace(right, wrong, 1))
    with pytest.raises(ScorecardError, match=said) as refused:
        load_scorecard(file)
    assert str(refused.value).startswith(("mine.toml: ", "mine.toml, line "))


@pytest.mark.parametrize("part", ["bands", "factors"])
def test_a_scorecard_without_bands_or_factors_is_refused(tmp_path: Path, part: str) -> None:
    text = (SCORECARDS / "matrix.toml").read_text()
    head, blocks = text[: text.index("[[")], re.split(r"(?=^\[\[)", text, flags=re.M)[1:]
    rest = [block for block in blocks if not block.startswith(f"[[{part}]]")]
    file = tmp_path / "mine.toml"
    file.write_text(f"{head}\n{part} = []\n" + "".join(rest))
    with pytest.raises(ScorecardError, match=rf"mine\.toml, line \d+: {part}"):
        load_scorecard(file)


@pytest.mark.parametrize("file", sorted(SCORECARDS.glob("*.toml")), ids=lambda file: file.stem)
def test_every_scorecard_of_the_product_loads_and_is_complete(file: Path) -> None:
    card = load_scorecard(file)
    assert isinstance(card, Scorecard)
    assert card.id == file.stem
    assert card.weights.sum() == pytest.approx(100)
    assert all(band.actions for band in card.bands)


def test_with_too_few_losses_nothing_is_said_about_the_risk() -> None:
    assert loss_rates([("healthy", 100, 0), ("churning", 20, FEWEST_LOSSES - 1)]) == {}
    assert loss_rates([]) == {}


def test_the_rate_of_a_band_lies_between_its_own_count_and_the_overall_rate() -> None:
    rates = loss_rates([("healthy", 180, 2), ("churning", 20, 18)])
    assert rates["churning"] == pytest.approx((18 + 0.1 * PRIOR_ACCOUNTS) / (20 + PRIOR_ACCOUNTS))
    assert 2 / 180 < rates["healthy"] < 0.1 < rates["churning"] < 0.9


@given(st.lists(VALUES, min_size=1, max_size=4))
def test_a_stored_score_can_be_made_again_from_what_is_stored(accounts: list[dict[str, Any]]) -> None:
    health = score(MATRIX, table(*accounts))
    again = Scorecard.model_validate(json.loads(json.dumps(MATRIX.model_dump(mode="json", by_alias=True))))
    for row, text in enumerate(health.raw_json()):
        if not np.isnan(health.values[row]):
            assert value_of(again, read_raw(text)) == health.values[row]


@given(before=VALUES, now=VALUES)
def test_the_steps_of_a_change_sum_to_it_to_the_last_decimal(before: dict[str, Any], now: dict[str, Any]) -> None:
    health = score(MATRIX, table(before, now))
    assume(not np.isnan(health.values).any())
    was, is_ = (read_raw(text) for text in health.raw_json())
    steps = waterfall((MATRIX, was, health.values[0]), (MATRIX, is_, health.values[1]))
    tenths = sum(Decimal(str(step)) for step in steps.values())
    assert tenths == Decimal(str(health.values[1])) - Decimal(str(health.values[0]))
    assert 0 not in steps.values()


def test_an_indicator_of_other_industries_is_not_missing() -> None:
    card = load_scorecard(SCORECARDS / "service_business.toml")
    known = {i.feature: 1.0 for i in card.indicators if not i.industries or "trades" in i.industries}
    features = pl.DataFrame({"account_id": [1], "industry": ["trades"], **{name: [v] for name, v in known.items()}})
    assert score(card, features).coverage[0] == pytest.approx(1)
    clinic = features.with_columns(pl.Series("industry", ["healthcare"]), no_show_rate_180d=pl.lit(None, pl.Float64))
    assert score(card, clinic).coverage[0] < 1


def test_a_segment_may_have_its_own_scorecard() -> None:
    cards = load_scorecards(SCORECARDS).chosen({"consumer": "five_dimensions"})
    assert (cards.of("consumer").id, cards.of("smb").id, cards.of(None).id) == ("five_dimensions", "matrix", "matrix")
    with pytest.raises(ScorecardError, match="segment 'smb': unknown scorecard 'matrx', did you mean 'matrix'"):
        cards.chosen({"smb": "matrx"})


def test_a_sixth_scorecard_is_a_copied_file(tmp_path: Path) -> None:
    text = (SCORECARDS / "matrix.toml").read_text()
    (tmp_path / "ours.toml").write_text(text.replace('id = "matrix"', 'id = "ours"'))
    assert "ours" in load_scorecards(SCORECARDS, tmp_path).cards
    (tmp_path / "twice.toml").write_text(text.replace('id = "matrix"', 'id = "ours"'))
    with pytest.raises(ScorecardError, match=r"'ours' is the id of ours\.toml already"):
        load_scorecards(SCORECARDS, tmp_path)
