"""Forecasts are judged by what followed: by hand, against scikit-learn, and where little is known."""

import math
from collections.abc import Callable, Sequence
from dataclasses import astuple
from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, brier_score_loss, log_loss, roc_auc_score

from scoring.churn.evaluation import (
    EarlyWarning,
    HorizonRecord,
    early_warning,
    horizon_record,
    paired_difference,
    reliability,
)
from scoring.health import FEWEST_LOSSES

pytestmark = pytest.mark.filterwarnings("error")

ORIGIN = date(2026, 1, 1)
SCHEMA = {
    "account_id": pl.Int64,
    "day": pl.Date,
    "mrr": pl.Float64,
    "left_after": pl.Int64,
    "observed": pl.Int64,
    "model": pl.Float64,
}
Row = tuple[int, int, float | None, int | None, int, float | None]


def frame(rows: Sequence[Row]) -> pl.DataFrame:
    """Rows of account, days of the origin after the first one, mrr, left_after, observed and forecast."""
    dated = [(account, ORIGIN + timedelta(days=origin), *rest) for account, origin, *rest in rows]
    return pl.DataFrame(dated, schema=SCHEMA, orient="row")


def once(forecasts: Sequence[float | None], lost: Sequence[bool]) -> pl.DataFrame:
    """One origin, an account per row, losses on day 20."""
    return frame([(n, 0, 100.0, 20 if gone else None, 90, forecasts[n]) for n, gone in enumerate(lost)])


def drawn(seed: int, size: int = 300, steps: int = 0) -> tuple[pl.DataFrame, np.ndarray, np.ndarray]:
    """Random forecasts, of a few steps or none alike, and outcomes that follow them loosely."""
    rng = np.random.default_rng(seed)
    forecast = rng.integers(1, steps, size) / steps if steps else rng.random(size)
    lost = rng.random(size) < 0.1 + 0.6 * forecast
    return once(forecast.tolist(), lost.tolist()), forecast, lost


def record(rows: pl.DataFrame, first: int = 0, last: int = 30, is_probability: bool = True) -> HorizonRecord:
    return horizon_record(rows, "model", first, last, is_probability)


def value(estimate: object) -> float:
    assert estimate is not None
    return estimate.value  # type: ignore[attr-defined]


def figures(found: HorizonRecord | EarlyWarning, after: str) -> list[object]:
    names = list(found.__dataclass_fields__)
    return [getattr(found, name) for name in names[names.index(after) + 1 :]]


# Twenty accounts, 10 of them lost. Sorted by risk: .9 x 4 (3 lost), .6 x 6 (4 lost), .2 x 10 (3 lost).
STEPS = [0.9] * 4 + [0.6] * 6 + [0.2] * 10
LOST = [True] * 3 + [False] + [True] * 4 + [False] * 2 + [True] * 3 + [False] * 7


def test_every_figure_of_a_horizon_by_hand() -> None:
    found = record(once(STEPS, LOST))
    assert (found.rows, found.unscored, found.accounts, found.lost, found.losses) == (20, 0, 20, 10, 10)
    assert (found.base_rate, found.majority_rate) == (0.5, 0.5)
    # 3 lost beat 9 others and tie with 1, 4 beat 7 and tie with 2, 3 tie with 7.
    assert value(found.auc) == pytest.approx((3 * 9.5 + 4 * 8 + 3 * 3.5) / 100)
    assert value(found.average_precision) == pytest.approx(0.3 * 3 / 4 + 0.4 * 7 / 10 + 0.3 * 10 / 20)
    assert found.lift_at_10 == pytest.approx((3 / 4) / 0.5)  # two rows of the four at the top, whichever
    brier = (3 * 0.01 + 0.81 + 4 * 0.16 + 2 * 0.36 + 3 * 0.64 + 7 * 0.04) / 20
    assert found.brier_skill == pytest.approx(1 - brier / 0.25)
    likely = 3 * math.log(0.9) + math.log(0.1) + 4 * math.log(0.6) + 2 * math.log(0.4) + 3 * math.log(0.2)
    assert found.log_loss == pytest.approx(-(likely + 7 * math.log(0.8)) / 20)
    # Bins of two rows each: equal forecasts share their losses.
    assert found.calibration_error == pytest.approx((4 * (0.9 - 3 / 4) + 6 * (4 / 6 - 0.6) + 10 * (0.3 - 0.2)) / 20)
    assert found.accuracy == (3 + 4 + 7) / 20


def test_only_known_outcomes_of_accounts_still_there_count_and_only_losses_in_the_window() -> None:
    many: list[Row] = [(100 + n, 0, 1.0, 45, 60, 0.5) for n in range(FEWEST_LOSSES)]
    edges: list[Row] = [
        (1, 0, 1.0, 30, 60, 0.1),  # gone before the window
        (2, 0, 1.0, 31, 60, 0.1),  # lost on its first day
        (3, 0, 1.0, 60, 60, 0.1),  # and on its last
        (4, 0, 1.0, 61, 70, 0.1),  # stayed through it
        (5, 0, 1.0, None, 60, 0.1),
        (6, 0, 1.0, None, 59, 0.1),  # not known yet
        (7, 0, 1.0, 40, 59, 0.1),  # nor this, though it left: of those that stay it would not be known
        (8, 0, 1.0, None, 60, None),  # nothing said
        (9, 0, 1.0, 45, 60, math.nan),
    ]
    found = record(frame(many + edges), 30, 60)
    assert (found.rows, found.lost, found.unscored) == (FEWEST_LOSSES + 4, FEWEST_LOSSES + 2, 2)


def test_a_loss_seen_from_several_origins_is_one_loss() -> None:
    rows: list[Row] = [
        (n, 7 * week, 1.0, 60 - 7 * week if n < 9 else None, 90, n / 30) for n in range(30) for week in range(4)
    ]
    found = record(frame(rows), 0, 90)
    assert (found.rows, found.accounts, found.lost, found.losses) == (120, 30, 36, 9)
    assert found.auc is None


@pytest.mark.parametrize("steps", [0, 8])
@pytest.mark.parametrize("seed", range(4))
def test_figures_agree_with_scikit_learn(seed: int, steps: int) -> None:
    rows, forecast, lost = drawn(seed, steps=steps)
    found = record(rows)
    assert value(found.auc) == pytest.approx(roc_auc_score(lost, forecast))
    assert value(found.average_precision) == pytest.approx(average_precision_score(lost, forecast))
    base = np.full(len(lost), lost.mean())
    assert found.brier_skill == pytest.approx(1 - brier_score_loss(lost, forecast) / brier_score_loss(lost, base))
    assert found.log_loss == pytest.approx(log_loss(lost, forecast))
    logit = np.log(forecast / (1 - forecast))[:, None]
    fitted = LogisticRegression(C=1e12, tol=1e-10, max_iter=1000).fit(logit, lost)
    assert found.calibration_slope == pytest.approx(fitted.coef_[0, 0], rel=1e-4)


def test_intervals_hold_the_value_and_are_the_same_every_time() -> None:
    rows, _, _ = drawn(1)
    found = record(rows)
    for estimate in (found.auc, found.average_precision):
        assert estimate is not None
        assert estimate.low < estimate.value < estimate.high
    assert found == record(rows)


def test_an_account_at_many_origins_does_not_make_the_intervals_narrower() -> None:
    rows, _, _ = drawn(2)
    often = pl.concat([rows.with_columns(pl.col("day").dt.offset_by(f"{n}d")) for n in range(4)])
    one, four = record(rows), record(often)
    assert one.auc is not None
    assert four.auc == one.auc
    assert four.average_precision is not None
    assert one.average_precision is not None
    assert four.average_precision.high == pytest.approx(one.average_precision.high)


def test_stated_log_odds_twice_too_far_apart_have_a_slope_of_one_half() -> None:
    rng = np.random.default_rng(4)
    logit = rng.normal(-1, 1, 8_000)
    lost = rng.random(8_000) < 1 / (1 + np.exp(-logit))
    rows = once((1 / (1 + np.exp(-2 * logit))).tolist(), lost.tolist())
    assert record(rows).calibration_slope == pytest.approx(0.5, abs=0.04)
    right = record(once((1 / (1 + np.exp(-logit))).tolist(), lost.tolist()))
    assert right.calibration_slope == pytest.approx(1, abs=0.08)
    assert right.calibration_error is not None
    assert right.calibration_error < 0.02


def test_a_perfect_forecaster() -> None:
    lost = [n < 20 for n in range(200)]
    found = record(once([float(gone) for gone in lost], lost))
    assert found.auc is not None
    assert found.average_precision is not None
    assert astuple(found.auc) == astuple(found.average_precision) == (1, 1, 1)
    assert (found.lift_at_10, found.brier_skill, found.accuracy, found.calibration_error) == (10, 1, 1, 0)
    assert found.log_loss == pytest.approx(0)
    assert found.calibration_slope is None  # the steeper the better


def test_a_forecaster_that_always_states_the_base_rate() -> None:
    lost = [n < 20 for n in range(200)]
    found = record(once([0.1] * 200, lost))
    assert found.auc is not None
    assert astuple(found.auc) == (0.5, 0.5, 0.5)
    assert value(found.average_precision) == pytest.approx(0.1)
    assert found.lift_at_10 == pytest.approx(1)
    assert found.brier_skill == pytest.approx(0)
    assert found.calibration_error == pytest.approx(0)
    assert (found.accuracy, found.majority_rate, found.calibration_slope) == (0.9, 0.9, None)


def test_a_score_that_is_no_probability_is_judged_by_its_order_only() -> None:
    found = record(once([100 * step for step in STEPS], LOST), is_probability=False)
    assert value(found.auc) == value(record(once(STEPS, LOST)).auc)
    assert figures(found, "lift_at_10") == [None] * 5


def test_a_probability_outside_its_range_and_an_empty_window_are_refused() -> None:
    with pytest.raises(ValueError, match="no probabilities"):
        record(once([1.5] * 20, LOST))
    for first, last in [(30, 30), (-1, 30)]:
        with pytest.raises(ValueError, match="empty window"):
            record(once(STEPS, LOST), first, last)
    for budget, first in [(0.0, 30), (1.1, 30), (0.1, 91)]:
        with pytest.raises(ValueError, match="budget"):
            early_warning(once(STEPS, LOST), "model", budget, first)
    with pytest.raises(ValueError, match="bins"):
        reliability(once(STEPS, LOST), "model", 0, 30, 0)


@pytest.mark.parametrize("losses", [0, FEWEST_LOSSES - 1, 20])
def test_with_one_class_or_too_few_losses_there_are_counts_but_no_figures(losses: int) -> None:
    found = record(once(STEPS, [n < losses for n in range(20)]))
    assert (found.rows, found.lost) == (20, losses)
    assert found.base_rate == losses / 20
    assert figures(found, "majority_rate") == [None] * 8
    assert paired_difference(once(STEPS, [n < losses for n in range(20)]), "model", "mrr", 0, 30) is None


@pytest.mark.parametrize("nothing", ["no rows", "no forecasts", "no types"])
def test_where_there_is_nothing_all_is_none_or_empty(nothing: str) -> None:
    rows = once([math.nan, None] * 10, LOST) if nothing == "no forecasts" else frame([])
    if nothing == "no types":
        rows = rows.with_columns(pl.lit(None).alias(name) for name in ("left_after", "mrr", "model"))
    found = record(rows)
    assert (found.rows, found.accounts, found.lost, found.losses) == (0, 0, 0, 0)
    assert figures(found, "losses") == [None] * 10
    assert paired_difference(rows, "model", "mrr", 0, 30) is None
    assert reliability(rows, "model", 0, 30).is_empty()
    alerts = early_warning(rows, "model", 0.1)
    assert (alerts.alerts, alerts.caught) == (0, 0)
    assert figures(alerts, "warned") == [None] * 5


def test_a_column_without_any_type_where_nobody_left() -> None:
    rows = once(STEPS, [False] * 20).with_columns(pl.lit(None).alias("left_after"))
    assert record(rows).base_rate == 0
    assert early_warning(rows, "model", 0.1).alerts == 2


cases = st.lists(st.tuples(st.integers(0, 6), st.booleans()), min_size=1, max_size=60)


@given(cases)
@settings(deadline=None, max_examples=30)
def test_no_forecast_brings_a_warning_or_a_figure_that_is_no_number(rows: list[tuple[int, bool]]) -> None:
    given_rows = [*rows, *[(3, True)] * FEWEST_LOSSES]
    found = record(once([step / 6 for step, _ in given_rows], [gone for _, gone in given_rows]))
    told = [figure for figure in figures(found, "losses") if isinstance(figure, float)]
    assert all(math.isfinite(figure) for figure in told)
    assert (found.auc is None) == all(gone for _, gone in rows)


@given(cases, st.sampled_from([math.exp, math.atan, lambda step: 7 * step - 100, lambda step: step**3]))
@settings(deadline=None, max_examples=30)
def test_what_is_about_order_survives_a_monotone_transformation(
    rows: list[tuple[int, bool]], change: Callable[[float], float]
) -> None:
    given_rows = [*rows, *[(n % 7, True) for n in range(FEWEST_LOSSES)], (3, False)]
    lost = [gone for _, gone in given_rows]
    one, other = (
        record(once([form(float(step)) for step, _ in given_rows], lost), is_probability=False)
        for form in (float, change)
    )
    assert one == other


@given(st.randoms(use_true_random=False))
@settings(deadline=None, max_examples=8)
def test_the_order_of_the_rows_does_not_matter(random: object) -> None:
    rows, _, _ = drawn(3, steps=6)
    rows = rows.with_columns(other=pl.col("model").round(0))
    place = list(range(rows.height))
    random.shuffle(place)  # type: ignore[attr-defined]
    mixed = rows[place]
    assert record(mixed) == record(rows)
    assert early_warning(mixed, "model", 0.1, 10, 20) == early_warning(rows, "model", 0.1, 10, 20)
    assert reliability(mixed, "model", 0, 30).equals(reliability(rows, "model", 0, 30))
    assert paired_difference(mixed, "model", "other", 0, 30) == paired_difference(rows, "model", "other", 0, 30)


def filled(rows: Sequence[Row], lost: int = FEWEST_LOSSES) -> pl.DataFrame:
    """The rows, and beside them origins with ten accounts each, of which the riskiest leaves 50 days later."""
    others: list[Row] = [
        (1000 + 10 * n + place, 1000 + n, 0.0, None if place else 50, 90, 0.1 if place else 0.9)
        for n in range(lost)
        for place in range(10)
    ]
    return frame([*rows, *others])


def test_early_warning_by_hand() -> None:
    # Ten accounts at four origins; the budget of a fifth is two alerts at each.
    days = {0: 0, 1: 30, 2: 60, 3: 90}
    left = {1: 100, 2: 100, 3: 100, 4: 100, 5: 20}  # days after the first origin; 5 has no origin in time
    alerted = {0: (6, 1), 1: (1, 2), 2: (2, 3), 3: (4, 6)}
    rows: list[Row] = [
        (account, day, 10.0 * account if account != 2 else None, left.get(account, 999) - day, 90, risk)
        for origin, day in days.items()
        for account in range(1, 11)
        if day < left.get(account, 999)
        for risk in [1.0 if account in alerted[origin] else account / 100]
    ]
    found = early_warning(filled(rows), "model", 0.2)
    # 1: alerts at 100 and 70 days; 2: at 70 and 40; 3: at 40; 4: at 10, too late. Two a day; ten origins more.
    assert (found.left, found.caught, found.warned) == (10 + 4, 10 + 3, 10 + 4)
    assert value(found.recall) == 13 / 14
    # Origins in time: two before each of the four losses, one before the others.
    assert found.by_chance == pytest.approx((4 * (1 - 0.8**2) + 10 * 0.2) / 14)
    assert found.lead_days == np.median([50] * 10 + [70, 70, 40, 10])
    assert (found.alerts, found.judged) == (8 + 20, 8 + 20)
    # Came true: 2 at 70, 1 at 70, 2 and 3 at 40, 4 at 10; not 6, nor 1 at 100 days.
    assert found.precision == (5 + 10) / 28
    assert found.revenue_recall == (10 + 0 + 30) / (10 + 0 + 30 + 40)


def test_an_alert_whose_outcome_is_not_known_is_not_judged() -> None:
    rows: list[Row] = [(n, 0, 1.0, None, 89 if n < 10 else 90, 0.9 - n / 100) for n in range(20)]
    found = early_warning(filled(rows), "model", 0.6)
    assert (found.alerts, found.judged) == (12 + 60, 2 + 60)


def test_alerts_in_time_include_both_ends() -> None:
    rows: list[Row] = [(n, 10 * n, 5.0, after, 90, 1.0) for n, after in enumerate([29, 30, 90, 91])]
    found = early_warning(filled(rows), "model", 1.0)
    assert (found.left, found.caught) == (10 + 2, 10 + 2)


def test_without_revenue_or_with_too_few_losses_no_figure_is_given() -> None:
    assert early_warning(filled([]), "model", 0.1).revenue_recall is None
    few = early_warning(filled([], FEWEST_LOSSES - 1), "model", 0.1)
    assert (few.left, few.caught) == (9, 9)
    assert figures(few, "warned") == [None] * 5


@pytest.mark.parametrize("size, alerts", [(30, 3), (31, 4), (5, 1)])
def test_a_budget_is_rounded_up_to_whole_alerts(size: int, alerts: int) -> None:
    assert early_warning(once([0.5] * size, [False] * size), "model", 0.1).alerts == alerts


def test_an_account_without_a_forecast_gets_no_alert_but_its_loss_counts() -> None:
    rows: list[Row] = [(n, 0, 1.0, 50, 90, math.nan if n % 2 else 1.0) for n in range(20)]
    found = early_warning(frame(rows), "model", 1.0)
    assert (found.alerts, found.left, found.caught) == (10, 20, 10)


def test_equal_risks_catch_as_much_as_chance_would() -> None:
    rows: list[Row] = [(n, day, 1.0, 60 if n % 2 else None, 90, 0.5) for day in range(50) for n in range(40)]
    rows = [(n + 100 * day, day, mrr, left, seen, risk) for n, day, mrr, left, seen, risk in rows]
    found = early_warning(frame(rows), "model", 0.2)
    assert value(found.recall) == pytest.approx(0.2, abs=0.04)
    assert found.by_chance == pytest.approx(0.2)
    assert found.precision == pytest.approx(0.5, abs=0.07)


def test_a_perfect_forecaster_catches_every_loss() -> None:
    found = early_warning(filled([]), "model", 0.1)
    assert found.recall is not None
    assert astuple(found.recall) == (1, 1, 1)
    assert (found.precision, found.lead_days) == (1, 50)


def test_the_difference_of_two_forecasters_is_that_of_their_areas() -> None:
    rows, forecast, _ = drawn(5)
    noise = np.random.default_rng(6).random(rows.height)
    rows = rows.with_columns(worse=pl.Series(0.3 * forecast + noise), same=pl.Series(forecast * 3))
    found = paired_difference(rows, "worse", "model", 0, 30)
    auc, worse = record(rows).auc, horizon_record(rows, "worse", 0, 30, False).auc
    assert found is not None
    assert found.value == pytest.approx(value(worse) - value(auc))
    assert found.low < found.value < found.high < 0
    other_way = paired_difference(rows, "model", "worse", 0, 30)
    assert other_way is not None
    assert astuple(other_way) == pytest.approx((-found.value, -found.high, -found.low))
    for again in ("same", "model"):
        alike = paired_difference(rows, "model", again, 0, 30)
        assert alike is not None
        assert astuple(alike) == (0, 0, 0)


def test_two_forecasters_are_compared_where_both_said_something() -> None:
    rows, _, _ = drawn(7)
    rows = rows.with_columns(other=pl.when(pl.col("account_id") % 3 > 0).then(1 - pl.col("model")))
    found = paired_difference(rows, "model", "other", 0, 30)
    part = rows.drop_nulls("other")
    assert found is not None
    assert found == paired_difference(part, "model", "other", 0, 30)
    assert found.value == pytest.approx(2 * value(record(part).auc) - 1)


def test_reliability_by_hand() -> None:
    found = reliability(once(STEPS, LOST), "model", 0, 30, bins=4)
    assert found.columns == ["bin", "forecast", "observed", "rows"]
    assert found["bin"].to_list() == [1, 2, 3, 4]
    assert found["forecast"].to_list() == pytest.approx([0.2, 0.2, 0.6, (0.6 + 4 * 0.9) / 5])
    assert found["observed"].to_list() == pytest.approx([0.3, 0.3, 4 / 6, (4 / 6 + 3) / 5])
    assert found["rows"].to_list() == [5] * 4


@given(cases, st.integers(1, 80))
@settings(deadline=None, max_examples=30)
def test_the_bins_hold_every_row_and_loss_once(rows: list[tuple[int, bool]], bins: int) -> None:
    lost = [gone for _, gone in rows]
    found = reliability(once([float(step) for step, _ in rows], lost), "model", 0, 30, bins)
    assert found["rows"].sum() == len(rows)
    assert found["rows"].max() - found["rows"].min() <= 1  # type: ignore[operator]
    assert (found["rows"] * found["observed"]).sum() == pytest.approx(sum(lost))
    assert found["forecast"].is_sorted()
