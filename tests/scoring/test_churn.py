"""The churn model learns from what was known on the day, states chances that come true, and says what makes them."""

import base64
import hashlib
import json
import math
import pickle
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from scoring.churn import backtest as trial
from scoring.churn import periods as made
from scoring.churn.backtest import Backtest, backtest
from scoring.churn.model import FARTHEST, ChurnModel, ModelFileError, survival_at
from scoring.churn.periods import (
    DAYS_A_MONTH,
    LEADS,
    OWN,
    PERIOD,
    account_periods,
    inputs_of,
    outcomes_known_until,
    renewals,
    useful_columns,
)
from scoring.churn.training import FEWEST_ACCOUNTS, FEWEST_LOST, TooLittleDataError, fit_churn
from tests.scoring.leaving import Leaving, churned, leaving, on

FIVE_YEARS = 1827  # days, at the most


@pytest.fixture(scope="module")
def past() -> Leaving:
    return leaving()


@pytest.fixture(scope="module")
def model(past: Leaving) -> ChurnModel:
    return fit_churn(past.history, past.churned, past.until)


@pytest.fixture(scope="module")
def table(past: Leaving) -> pl.DataFrame:
    """What is known of the accounts on the newest day."""
    return past.history.filter(pl.col("day") == past.until).head(40)


# Renewals


def contract(ahead: float | None, term: float | None) -> pl.DataFrame:
    schema = {"days_to_renewal": pl.Float64, "term_months": pl.Float64}
    return pl.DataFrame([(ahead, term)], schema=schema, orient="row")


@pytest.mark.parametrize(
    "ahead, term, periods",
    [
        (10, 12, [1, 13, 25]),  # days 10, 375.25 and 740.5
        (30, 12, [1, 14, 26]),  # the last day of a period belongs to it; 395.25, 760.5
        (31, 12, [2, 14, 26]),  # 396.25, 761.5
        (0, 12, [13, 25]),  # today's renewal is not ahead: 365.25, 730.5
        (-10, 12, [12, 25]),  # overdue: 355.25, 720.5
        (5, 1, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26]),
        (25, 1, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26]),
        (20, 3, [1, 4, 7, 10, 13, 16, 19, 22, 26]),  # 20, 111.3, …, 659.2, 750.5
        (45, None, [2]),  # without a term only the next one is known
        (45, 0, [2]),
        (-5, None, []),
    ],
)
def test_a_renewal_counts_in_the_period_that_it_falls_into(
    ahead: float, term: float | None, periods: list[int]
) -> None:
    counts = {lead: renewals(contract(ahead, term), lead).item() for lead in range(1, 27)}
    assert counts == {lead: float(lead in periods) for lead in counts}


def test_without_a_known_renewal_nothing_is_known() -> None:
    assert np.isnan(renewals(contract(None, 12), 1)).all()
    assert np.isnan(renewals(pl.DataFrame({"account_id": [1, 2]}), 3)).tolist() == [True, True]


@settings(max_examples=50)
@given(st.integers(-400, 800), st.one_of(st.none(), st.integers(1, 36)), st.integers(1, 60))
def test_renewals_of_all_periods_together_are_those_on_the_calendar(ahead: int, term: int | None, periods: int) -> None:
    days = [ahead + k * (term or 0) * DAYS_A_MONTH for k in range(100 if term else 1)]
    found = [renewals(contract(ahead, term), lead).item() for lead in range(1, periods + 1)]
    assert sum(found) == sum(0 < day <= periods * PERIOD for day in days)
    assert min(found) >= 0


# Account-periods


def rows(*given: tuple[int, int], **columns: Sequence[Any]) -> pl.DataFrame:
    """Rows of account and day."""
    schema = {"account_id": pl.Int64, "day": pl.Date}
    frame = pl.DataFrame([(account, on(day)) for account, day in given], schema=schema, orient="row")
    return frame.with_columns(pl.Series(name, values) for name, values in columns.items())


def labels(history: pl.DataFrame, gone: pl.DataFrame, until: int) -> dict[tuple[int, int, int], bool]:
    """Whether it was lost, by account, day and period."""
    found = account_periods(history, gone, on(until), ())
    days = [(day.astype("datetime64[D]").item() - on(0)).days for day in found.days]
    keys = zip(found.accounts.tolist(), days, found.inputs[:, -1].astype(int).tolist(), strict=True)
    told = dict(zip(keys, found.lost.tolist(), strict=True))
    assert len(told) == len(found.lost)
    return told


def test_each_period_with_a_known_outcome_is_labelled() -> None:
    history = rows((1, 0), (2, 0), (3, 0), (4, 0), (5, 0), (1, 60), (2, 60))
    gone = churned([(1, on(45)), (3, on(30)), (4, on(31)), (5, on(0))])
    assert labels(history, gone, 100) == {
        (1, 0, 1): False, (1, 0, 2): True,  # left on day 45: not at risk afterwards, nor on day 60
        (2, 0, 1): False, (2, 0, 2): False, (2, 0, 3): False, (2, 60, 1): False,  # day 120 is not known yet
        (3, 0, 1): True,
        (4, 0, 1): False, (4, 0, 2): True,
    }  # fmt: skip


def test_a_loss_in_a_period_that_is_not_over_counts_no_earlier_than_who_stays_does() -> None:
    assert labels(rows((1, 0), (2, 0)), churned([(1, on(10))]), 29) == {}
    assert labels(rows((1, 0), (2, 0)), churned([(1, on(10))]), 30) == {(1, 0, 1): True, (2, 0, 1): False}


def test_no_more_periods_are_learned_from_than_leads() -> None:
    assert labels(rows((1, 0)), churned([]), 1000) == {(1, 0, lead): False for lead in range(1, LEADS + 1)}


def test_of_two_losses_of_an_account_the_first_ends_it() -> None:
    gone = churned([(1, on(70)), (1, on(20))])
    assert labels(rows((1, 0), (1, 30)), gone, 200) == {(1, 0, 1): True}


def test_a_column_that_is_called_like_the_outcome_is_neither_label_nor_input() -> None:
    plain = rows((1, 0), (2, 0))
    told = plain.with_columns(pl.Series("churned_on", [None, on(10)]))
    gone = churned([(1, on(20))])
    assert labels(told, gone, 60) == labels(plain, gone, 60) == {
        (1, 0, 1): True, (2, 0, 1): False, (2, 0, 2): False,
    }  # fmt: skip
    assert useful_columns(rows((1, 0), (2, 0), churned_on=[10, 20], use=[1.0, 2.0])) == ("use",)


def same(one: made.Periods, two: made.Periods) -> None:
    for name in ("inputs", "lost", "weights", "accounts", "days"):
        np.testing.assert_array_equal(getattr(one, name), getattr(two, name))


def test_nothing_after_the_last_known_day_matters(past: Leaving, monkeypatch: pytest.MonkeyPatch) -> None:
    until = on(400)
    later, columns = pl.col("day") > until, ("driver", "noise")
    stayed = past.history.filter("account_id", ~pl.col("account_id").is_in(past.churned["account_id"].implode()))
    extra = churned([(account, on(401)) for account in stayed["account_id"].unique()[:50]])
    other = past.churned.with_columns(
        pl.when(pl.col("churned_on") > until).then(pl.col("churned_on") + timedelta(days=9)).otherwise("churned_on")
    )
    changed = past.history.with_columns(pl.when(later).then(99.0).otherwise("driver").alias("driver"))
    for most in (made.MOST, 2000):
        monkeypatch.setattr(made, "MOST", most)
        one = account_periods(past.history, past.churned, until, columns)
        same(one, account_periods(changed, pl.concat([other, extra]), until, columns))
        same(one, account_periods(past.history.filter(~later), past.churned, until, columns))
    assert one.lost.sum() > 50


def test_a_column_known_only_after_the_last_known_day_is_not_learned_from(past: Leaving) -> None:
    until = on(400)
    gone = past.churned.with_columns(pl.lit(1.0).alias("told"))
    history = past.history.join(gone, on="account_id", how="left").with_columns(
        pl.when(pl.col("day") > until).then(pl.col("told").fill_null(0)).alias("told")
    )
    assert history["told"].n_unique() == 3
    found = fit_churn(history, past.churned, until)
    assert "told" not in found.columns
    assert found.to_text() == fit_churn(past.history, past.churned, until).to_text()


def test_columns_that_say_nothing_are_left_out() -> None:
    given = {
        "varies": [1.0, 2.0, None], "whole": [1, 1, 2],
        "constant": [3.0, 3.0, None], "unknown": pl.Series([None] * 3, dtype=pl.Float64), "words": ["a", "b", "c"],
        "related_accounts": [0, 1, 2],
    }  # fmt: skip
    assert useful_columns(rows((1, 0), (2, 0), (3, 0), **given)) == ("varies", "whole")
    rare = [float(n) if n < 2 else None for n in range(400)]
    assert useful_columns(rows(*((n, 0) for n in range(400)), rare=rare)) == ()
    assert useful_columns(rows()) == ()


def test_inputs_are_the_columns_then_the_own_and_what_is_not_known_is_nan() -> None:
    frame = rows((1, 0), (2, 0), a=[1, None], b=[math.inf, 2.0], days_to_renewal=[40, None])
    for lead, renewed, told in ((1, 0.0, 1), (2, 1.0, 2), (9, 0.0, LEADS)):
        found = inputs_of(frame, ("a", "absent", "b"), lead)
        np.testing.assert_array_equal(found, [[1, np.nan, np.nan, renewed, told], [np.nan, np.nan, 2, np.nan, told]])
    assert inputs_of(frame, ("absent", "gone"), 1).shape == (2, 2 + len(OWN))
    assert inputs_of(frame.clear(), ("absent", "a"), 1).shape == (0, 2 + len(OWN))


def test_a_sample_keeps_every_loss_and_its_weights_stand_for_the_rest(
    past: Leaving, model: ChurnModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    columns = useful_columns(past.history)
    full = account_periods(past.history, past.churned, past.until, columns)
    assert (full.weights == 1).all()
    monkeypatch.setattr(made, "MOST", len(full.lost) // 4)
    part = account_periods(past.history, past.churned, past.until, columns)
    assert len(part.lost) < 0.35 * len(full.lost)
    np.testing.assert_array_equal(part.inputs[part.lost], full.inputs[full.lost])
    assert (part.weights[part.lost] == 1).all()
    assert part.weights[~part.lost] == pytest.approx(len(full.lost) / (len(full.lost) // 4))
    assert part.weights.sum() == pytest.approx(len(full.lost), rel=0.05)
    same(part, account_periods(past.history, past.churned, past.until, columns))
    other = account_periods(past.history, past.churned, past.until, columns, seed=1)
    assert len(other.lost) != len(part.lost) or (other.accounts != part.accounts).any()
    sampled = fit_churn(past.history, past.churned, past.until)
    assert sampled.hazards(past.history).mean() == pytest.approx(model.hazards(past.history).mean(), rel=0.15)


# The last day of which is known who left


def losses(*days: int) -> pl.DataFrame:
    return churned([(n, on(day)) for n, day in enumerate(days)])


@pytest.mark.parametrize(
    "days, newest, known",
    [
        (range(0, 400, 5), 420, 420),  # a pause of four is nothing
        (range(0, 400, 5), 600, 395),  # forty that did not come
        ([*range(0, 400, 5), 700], 600, 395),  # what is dated later is not known yet
        ([*range(0, 400, 5), 590], 600, 600),
        (range(0, 1000, 100), 1100, 1100),  # few losses make long pauses
        ([], 600, 600),
        ([700], 600, 600),
        ([10], 900, 900),  # one loss has no pace
        ([100] * 20, 110, 110),  # nor is a day's entry of many a pace of twenty a day
    ],
)
def test_outcomes_are_known_until_losses_stop(days: Sequence[int], newest: int, known: int) -> None:
    assert outcomes_known_until(losses(*days), on(newest)) == on(known)


# Fitting


def test_a_planted_driver_is_found_in_accounts_and_on_days_that_were_not_learned_from(past: Leaving) -> None:
    until, even = on(360), pl.col("account_id") % 2 == 0
    found = fit_churn(past.history.filter(even), past.churned, until)
    later = past.history.filter(~even, pl.col("day") > until, pl.col("day") <= on(540))
    lost = later.join(past.churned, on="account_id", how="left", maintain_order="left").select(
        (pl.col("churned_on") - pl.col("day") <= timedelta(days=60)).fill_null(False)
    )
    auc = roc_auc_score(lost.to_series().to_numpy(), 1 - found.survival(later, [60])[:, 0])
    assert auc > 0.7


def test_a_fit_is_the_same_every_time(past: Leaving, model: ChurnModel) -> None:
    assert fit_churn(past.history, past.churned, past.until).to_text() == model.to_text()


def test_stated_chances_on_later_days_come_true() -> None:
    many = leaving(seed=5, accounts=900)
    until = on(390)
    found = fit_churn(many.history, many.churned, until)
    assert all(0 <= share <= 2 for share in found.blend.shares)
    later = many.history.filter(pl.col("day") > until, pl.col("day") <= on(540))
    both = later.join(many.chances, on="account_id", maintain_order="left")
    gone = later.join(many.churned, on="account_id", how="left", maintain_order="left")
    after = (gone["churned_on"] - gone["day"]).dt.total_days()
    for days in (30, 60):
        stated = 1 - found.survival(later, [days])[:, 0]
        true = 1 - (1 - both["chance"].to_numpy()) ** (days / 30)
        lost = (after <= days).fill_null(False)
        assert lost.sum() > 100
        assert 1 / 1.3 < stated.mean() / lost.mean() < 1.3
        assert 1 / 1.3 < stated.mean() / true.mean() < 1.3
        assert np.corrcoef(stated, true)[0, 1] > 0.7


def test_a_sudden_rise_of_losses_does_not_throw_the_calibration_off() -> None:
    """Six losses early, then half of everybody within a month, two hundred days later."""
    days = (*range(0, 150, 10), *range(400, 450, 10))
    history = rows(*((account, day) for day in days for account in range(300)))
    draw = np.random.default_rng(1)
    history = history.with_columns(pl.Series("use", draw.normal(size=history.height)))
    gone = churned([(n, on(150)) for n in range(6)] + [(n, on(450 + n % 20)) for n in range(6, 150)])
    found = fit_churn(history, gone, on(480))
    stated = found.hazards(history.filter(pl.col("day") == on(440), pl.col("account_id") >= 6), 1)
    assert 0.05 < stated.mean() < 0.9
    assert all(0 <= share <= 2 for share in found.blend.shares)
    assert abs(found.blend.intercept) < 20


Change = Callable[[pl.DataFrame], pl.DataFrame]


@pytest.mark.parametrize(
    "change",
    [
        lambda h: h.with_columns(pl.lit(7.0).alias("constant")),
        lambda h: h.with_columns(pl.lit(None, pl.Float64).alias("unknown")),
        lambda h: h.with_columns(pl.lit(None).alias("unknown")),
        lambda h: h.with_columns(pl.when(pl.col("day") < on(300)).then("noise").alias("early")),
        lambda h: h.with_columns(pl.when(pl.col("day") > on(500)).then("noise").alias("late")),
        lambda h: h.with_columns(pl.when(pl.col("day") > on(590)).then("noise").alias("newest")),
        lambda h: h.with_columns((pl.col("noise") / 0).alias("endless")),
        lambda h: h.select("account_id", "day", "driver"),
        lambda h: h.with_columns(pl.lit(None, pl.Int64).alias("days_to_renewal")),
        lambda h: pl.concat([h, h.with_columns(pl.col("day") + timedelta(days=900))]),
    ],
    ids=["constant", "unknown", "null", "early", "late", "newest", "endless", "no contract", "no renewal", "future"],
)
def test_columns_with_holes_still_make_a_model_that_finds_the_driver(past: Leaving, change: Change) -> None:
    history = change(past.history)
    found = fit_churn(history, past.churned, past.until)
    assert not {"constant", "unknown"} & set(found.columns)
    known = history.filter(pl.col("day") <= past.until)
    chance = known.join(past.chances, on="account_id", maintain_order="left")["chance"]
    hazard = found.hazards(known)[:, 0]
    assert ((hazard > 0) & (hazard < 1)).all()
    assert np.corrcoef(hazard, chance.to_numpy())[0, 1] > 0.7
    assert ChurnModel.from_text(found.to_text()).to_text() == found.to_text()


def many(accounts: int, lost: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Accounts on one day, the first of which left ten days later."""
    history = rows(*((n, 0) for n in range(accounts)), use=[float(n % 7) for n in range(accounts)])
    return history, churned([(n, on(10)) for n in range(lost)])


@pytest.mark.parametrize(
    "accounts, lost, until, message",
    [
        (0, 0, 30, "0 of 0 accounts left .* takes 30 losses among 60 accounts"),
        (100, 3, 30, "3 of 100 accounts left"),
        (100, FEWEST_LOST - 1, 30, "29 of 100"),
        (FEWEST_ACCOUNTS - 1, FEWEST_LOST, 30, "30 of 59"),
        (100, 50, 9, "0 of 0"),  # the losses are still ahead
        (100, 0, 200, "0 of 100"),
        (100, 100, 30, "each of the 100 account-periods"),
    ],
)
def test_too_little_to_learn_from_is_said_with_the_counts(accounts: int, lost: int, until: int, message: str) -> None:
    with pytest.raises(TooLittleDataError, match=message):
        fit_churn(*many(accounts, lost), on(until))


def test_a_sample_does_not_make_losses_likelier_where_nothing_calibrates(monkeypatch: pytest.MonkeyPatch) -> None:
    history, gone = many(2000, 100)
    monkeypatch.setattr(made, "MOST", 500)
    found = fit_churn(history, gone, on(30))
    assert (found.blend.shares, found.blend.intercept) == ((0.5, 0.5), 0)  # there is but one day
    assert found.hazards(history, 1).mean() == pytest.approx(0.05, rel=0.2)


def test_just_enough_is_enough() -> None:
    history, gone = many(FEWEST_ACCOUNTS, FEWEST_LOST)
    assert fit_churn(history, gone, on(30)).hazards(history)[:, 0].mean() == pytest.approx(0.5, abs=0.1)


def test_the_same_loss_told_twice_is_one() -> None:
    history, gone = many(100, FEWEST_LOST - 1)
    with pytest.raises(TooLittleDataError, match="29 of 100"):
        fit_churn(history, pl.concat([gone, gone, gone.with_columns(pl.col("churned_on") + timedelta(5))]), on(30))


def test_without_a_column_that_varies_there_is_no_model() -> None:
    history, gone = many(100, 50)
    with pytest.raises(TooLittleDataError, match="no column"):
        fit_churn(history.with_columns(pl.lit(1.0).alias("use")), gone, on(30))


def test_when_the_days_to_grow_trees_on_know_only_losses_the_model_is_taken_as_it_is() -> None:
    history = pl.concat([many(200, 0)[0], rows(*((n, 300) for n in range(100, 200)), use=[1.0, 2.0] * 50)])
    history = history.filter((pl.col("day") > on(0)) | (pl.col("account_id") < 100))
    gone = churned([(n, on(10 if n < 100 else 310)) for n in range(140)])
    found = fit_churn(history, gone, on(330))
    assert (found.blend.shares, found.blend.intercept) == ((0.5, 0.5), 0)
    assert 0.5 < found.hazards(history, 1).mean() < 0.9  # 140 of 200


def test_rows_of_an_account_that_had_left_and_its_second_loss_change_nothing(past: Leaving, model: ChurnModel) -> None:
    gone = past.churned.head(30)
    haunting = past.history.filter(pl.col("day") == past.until).head(1).drop("account_id").join(gone, how="cross")
    haunting = haunting.filter(pl.col("churned_on") <= past.until).select(past.history.columns)
    twice = pl.concat([past.churned, gone.with_columns(pl.col("churned_on") + timedelta(days=40))])
    assert haunting.height == 30
    found = fit_churn(pl.concat([past.history, haunting]), twice, past.until)
    assert found.to_text() == model.to_text()


# The model


@settings(max_examples=10)
@given(days=st.lists(st.one_of(st.integers(0, FIVE_YEARS), st.floats(0, FIVE_YEARS)), min_size=1, max_size=8))
@example(days=[0, 29, 30, 31, 60, 180, 181, 365, FIVE_YEARS])
def test_chances_lie_between_0_and_1_and_survival_falls(
    days: list[float], model: ChurnModel, table: pl.DataFrame
) -> None:
    stay = model.survival(table, sorted(days))
    assert stay.shape == (table.height, len(days))
    assert ((stay >= 0) & (stay <= 1)).all()
    assert (np.diff(stay, axis=1) <= 1e-12).all()


def test_survival_is_the_product_of_staying_in_each_period(model: ChurnModel, table: pl.DataFrame) -> None:
    hazards = model.hazards(table)
    assert ((hazards > 0) & (hazards < 1)).all()
    stay = model.survival(table, [0, 30, 45, 60, 180])
    np.testing.assert_allclose(stay[:, 0], 1)
    np.testing.assert_allclose(stay[:, 1], 1 - hazards[:, 0])
    np.testing.assert_allclose(stay[:, 3], (1 - hazards[:, 0]) * (1 - hazards[:, 1]))
    np.testing.assert_allclose(stay[:, 4], (1 - hazards).prod(axis=1))
    assert ((stay[:, 3] < stay[:, 2]) & (stay[:, 2] < stay[:, 1])).all()
    np.testing.assert_allclose(stay[:, 2], np.sqrt(stay[:, 1] * stay[:, 3]))  # half of the period


def test_survival_reaches_five_years_and_no_farther(model: ChurnModel, table: pl.DataFrame) -> None:
    last = FARTHEST * PERIOD
    assert last >= FIVE_YEARS
    assert model.survival(table, [last]).shape == (table.height, 1)
    assert (model.survival(table, [last]) < model.survival(table, [last - 30])).all()
    assert model.survival(table, []).shape == (table.height, 0)
    for days in (last + 1, -1, math.nan):
        with pytest.raises(ValueError, match="days ahead"):
            model.survival(table, [days])
        with pytest.raises(ValueError, match="days ahead"):
            model.explain(table, days)  # type: ignore[arg-type]


def test_survival_at_of_certain_losses_is_finite() -> None:
    stay = survival_at(np.array([[0.0, 0.5, 1.0]]), [30, 60, 75, 90, 900])
    np.testing.assert_allclose(stay, [[1, 0.5, 0.5e-6, 0.5e-12, 0.5e-12]], rtol=1e-3)


def walked(model: ChurnModel, row: np.ndarray) -> float:
    """The log-odds of one row, node by node and input by input."""
    forest, linear = model.blend.forest, model.blend.linear
    total = forest.baseline
    for tree in forest.trees:
        node = 0
        while tree.left[node]:
            value = row[tree.feature[node]]
            left = bool(tree.missing_left[node]) if math.isnan(value) else value <= tree.threshold[node]
            node = int(tree.left[node] if left else tree.right[node])
        total += float(tree.value[node])
    line = linear.intercept
    for value, knots, scores, weight in zip(row, linear.knots, linear.scores, linear.weights, strict=True):
        line += 0.0 if math.isnan(value) else float(weight * np.interp(value, knots, scores))
    return model.blend.shares[0] * total + model.blend.shares[1] * line + model.blend.intercept


def with_holes(table: pl.DataFrame) -> pl.DataFrame:
    place = pl.int_range(pl.len())
    return table.with_columns(
        pl.when(place % 3 == 0).then(None).otherwise("driver").alias("driver"),
        pl.when(place % 4 == 0).then(None).otherwise("days_to_renewal").alias("days_to_renewal"),
    )


def test_the_fast_way_through_the_trees_is_the_plain_one(model: ChurnModel, table: pl.DataFrame) -> None:
    for frame in (table, with_holes(table)):
        for lead in (1, 4):
            inputs = inputs_of(frame, model.columns, lead)
            plain = [walked(model, row) for row in inputs]
            np.testing.assert_allclose(model.blend.log_odds(inputs), plain, rtol=0, atol=1e-9)
    assert np.std(plain) > 0.1


@pytest.mark.parametrize("days", [1, 30, 31, 90, 400])
def test_contributions_sum_exactly_to_the_log_odds(model: ChurnModel, table: pl.DataFrame, days: int) -> None:
    told = model.explain(with_holes(table), days)
    assert told.inputs == (*model.columns, *OWN)
    np.testing.assert_allclose(told.base + told.contributions.sum(axis=1), told.log_odds, rtol=0, atol=1e-9)
    hazards = model.hazards(with_holes(table), math.ceil(days / PERIOD))
    odds = np.log(hazards / (1 - hazards))
    np.testing.assert_allclose(told.log_odds, (odds * hazards).sum(axis=1) / hazards.sum(axis=1), atol=1e-9)


def test_the_base_is_the_mean_of_what_was_learned_from_and_the_driver_contributes_most(
    past: Leaving, model: ChurnModel, table: pl.DataFrame
) -> None:
    learned = account_periods(past.history, past.churned, past.until, model.columns)
    told = model.explain(table, 30)
    np.testing.assert_allclose(told.base, model.blend.log_odds(learned.inputs).mean(), atol=1e-6)
    size = dict(zip(told.inputs, np.abs(told.contributions).mean(axis=0), strict=True))
    assert max(size, key=size.__getitem__) == "driver"
    place = told.inputs.index("driver")
    assert np.corrcoef(told.contributions[:, place], table["driver"].to_numpy())[0, 1] > 0.7


def test_an_input_that_no_tree_asks_contributes_nothing(past: Leaving, table: pl.DataFrame) -> None:
    newest = pl.when(pl.col("day") > on(590)).then(pl.col("driver") * 5).alias("newest")
    found = fit_churn(past.history.with_columns(newest), past.churned, past.until)
    place = found.inputs.index("newest")
    assert not any((tree.feature[tree.left > 0] == place).any() for tree in found.blend.forest.trees)
    told = found.explain(table.with_columns(newest), 90)
    assert (told.contributions[:, place] == 0).all()
    assert (told.contributions[:, found.inputs.index("driver")] != 0).any()


def test_unknown_and_absent_columns_are_the_same_and_do_no_harm(model: ChurnModel, table: pl.DataFrame) -> None:
    unknown = table.with_columns(pl.lit(None, table[name].dtype).alias(name) for name in model.columns)
    absent = table.select("account_id", "day", "term_months")
    stay = model.survival(absent, [30, 365])
    np.testing.assert_array_equal(stay, model.survival(unknown, [30, 365]))
    assert ((stay > 0) & (stay < 1)).all()
    assert np.isfinite(model.explain(absent, 60).contributions).all()
    assert model.survival(table.clear(), [30]).shape == (0, 1)
    assert model.explain(table.clear(), 60).log_odds.shape == (0,)


# Storing


def test_a_stored_model_comes_back_exactly(model: ChurnModel, table: pl.DataFrame) -> None:
    text = model.to_text()
    back = ChurnModel.from_text(text)
    assert back.to_text() == text
    assert (back.columns, back.blend.shares, back.blend.intercept) == (
        model.columns,
        model.blend.shares,
        model.blend.intercept,
    )
    np.testing.assert_array_equal(back.survival(table, [30, 200]), model.survival(table, [30, 200]))
    np.testing.assert_array_equal(back.explain(table, 90).contributions, model.explain(table, 90).contributions)


def stored(model: ChurnModel, change: Callable[[dict[str, Any]], object] = lambda body: None) -> str:
    """The stored model with a change and a digest that is right."""
    body = json.loads(json.loads(model.to_text())["model"])
    change(body)
    text = json.dumps(body)
    return json.dumps({"digest": hashlib.sha256(text.encode()).hexdigest(), "model": text})


def test_another_way_of_writing_the_same_numbers_is_read(model: ChurnModel) -> None:
    assert ChurnModel.from_text(stored(model)).to_text() == model.to_text()


def inner(body: dict[str, Any]) -> tuple[dict[str, Any], int]:
    """A tree and one of its nodes below the root that has children."""
    for tree in body["forest"]["trees"]:
        for node, left in enumerate(tree["left"]):
            if node and left:
                return tree, node
    raise AssertionError("all trees are stumps")


def put(name: str, value: Any) -> Callable[[dict[str, Any]], None]:
    """Set a field of an inner node; a function gets the node."""

    def change(body: dict[str, Any]) -> None:
        tree, node = inner(body)
        tree[name][node] = value(node) if callable(value) else value

    return change


def leaf(name: str, value: Any) -> Callable[[dict[str, Any]], None]:
    def change(body: dict[str, Any]) -> None:
        tree = body["forest"]["trees"][-1]
        tree[name][tree["left"].index(0)] = value

    return change


@pytest.mark.parametrize(
    "change",
    [
        put("left", 0), put("right", 0), put("left", lambda node: node), put("right", lambda node: node),
        put("left", -1), put("right", 10_000), put("left", 10_000), put("left", 2**70), leaf("left", 1),
        leaf("right", 1), put("feature", -1), put("feature", 50), leaf("feature", 50), leaf("value", math.nan),
        leaf("value", math.inf), leaf("value", "much"), put("threshold", math.nan), put("threshold", math.inf),
        put("threshold", None), put("missing_left", 300), leaf("count", -1), leaf("value", [1.0]),
        lambda body: body["forest"]["trees"][0]["value"].pop(),
        lambda body: body["forest"]["trees"][0].pop("count"),
        lambda body: body["forest"]["trees"][0].update({name: [] for name in body["forest"]["trees"][0]}),
        lambda body: body["forest"]["trees"][0].update({name: [0] * 2000 for name in body["forest"]["trees"][0]}),
        lambda body: body["forest"]["trees"].append([]),
        lambda body: body["forest"]["trees"].append(None),
        lambda body: body["forest"].update(trees=5),
        lambda body: body.update(columns=None),
        lambda body: body.update(columns=body["columns"][:1]),
        lambda body: body.update(format=1),
        lambda body: body.pop("format"),
        lambda body: body.update(shares=[math.nan, 1]),
        lambda body: body.update(shares=[1.0]),
        lambda body: body["linear"].update(weights=[1.0]),
        lambda body: body["linear"]["knots"][0].reverse(),
        lambda body: body["linear"]["scores"][0].pop(),
        lambda body: body["linear"]["means"].__setitem__(0, math.inf),
        lambda body: body["linear"].pop("intercept"),
        lambda body: body["forest"].update(baseline=math.inf),
        lambda body: body.update(intercept="none"),
        lambda body: body["forest"].pop("baseline"),
    ],
)  # fmt: skip
def test_a_stored_model_that_leads_nowhere_is_refused(model: ChurnModel, change: Callable[[dict[str, Any]], None]):
    with pytest.raises(ModelFileError, match="train anew"):
        ChurnModel.from_text(stored(model, change))


def test_a_changed_number_is_seen(model: ChurnModel) -> None:
    text = model.to_text()
    changed = text.replace(str(model.blend.intercept), str(model.blend.intercept + 0.5))
    assert changed != text
    with pytest.raises(ModelFileError, match="was changed"):
        ChurnModel.from_text(changed)


@pytest.mark.parametrize(
    "text",
    [
        "", "nothing", "null", "5", "[]", "{}", '{"digest": 1, "model": 5}', '{"digest": "", "model": "{}"}',
        '{"model": null, "digest": null}', "[" * 100_000, pickle.dumps({"a": 1}).decode("latin-1"),
        base64.b64encode(pickle.dumps([1, 2])).decode(),
    ],
    ids=range(12),
)  # fmt: skip
def test_what_is_no_stored_model_is_refused(text: str) -> None:
    with pytest.raises(ModelFileError, match="train anew"):
        ChurnModel.from_text(text)


def test_a_cut_off_model_is_refused_wherever_it_was_cut(model: ChurnModel) -> None:
    text = model.to_text()
    for share in (0.01, 0.3, 0.9, 0.9999):
        with pytest.raises(ModelFileError, match="train anew"):
            ChurnModel.from_text(text[: int(len(text) * share)])


@pytest.mark.parametrize("text", ["null", "[]", "7", "[" * 100_000, '"text"'])
def test_a_right_digest_of_nothing_is_refused(text: str) -> None:
    outer = json.dumps({"digest": hashlib.sha256(text.encode()).hexdigest(), "model": text})
    with pytest.raises(ModelFileError, match="train anew"):
        ChurnModel.from_text(outer)


# The back-test


ASKED = (*trial.HORIZONS, (0, 45), (180, 240))


@pytest.fixture(scope="module")
def judged(past: Leaving) -> Backtest:
    return backtest(past.history, past.churned, past.until, ASKED)


def test_on_a_planted_signal_the_model_beats_noise(judged: Backtest) -> None:
    assert judged.no_signal is None
    ours, noise = (judged.record(name).auc for name in ("model", "recency"))
    assert ours is not None
    assert noise is not None
    assert ours.low > 0.6
    assert ours.value > noise.value + 0.1
    for budget in trial.BUDGETS:
        recall = {w.forecaster: w.recall.value for w in judged.warnings if w.budget == budget and w.recall}
        assert recall["model"] > recall["recency"]


def test_every_horizon_is_told_for_every_forecaster(judged: Backtest) -> None:
    told = {(r.first, r.last, r.forecaster) for r in judged.records}
    assert told == {(*window, name) for window in ASKED for name in trial.FORECASTERS}
    assert {(w.forecaster, w.budget) for w in judged.warnings} == {
        (name, budget) for name in trial.FORECASTERS for budget in trial.BUDGETS
    }
    for name in trial.PROBABILITIES:
        for first, last in ASKED:
            stated = judged.rows[f"{name}:{first}-{last}"]
            assert ((stated > 0) & (stated < 1)).all()
        assert (judged.rows[f"{name}:0-30"] < judged.rows[f"{name}:0-45"]).all()
        assert (judged.rows[f"{name}:0-45"] < judged.rows[f"{name}:0-60"]).all()
    assert judged.reliability["rows"].sum() == judged.record("model").rows
    assert judged.accounts == judged.rows["account_id"].n_unique()


def test_each_forecast_is_made_once_by_the_newest_model_before_it(judged: Backtest, past: Leaving) -> None:
    assert judged.cutoffs == tuple(past.until - timedelta(days=60 * n) for n in range(len(judged.cutoffs), 0, -1))
    assert len(judged.cutoffs) >= 5
    assert judged.rows.select("account_id", "day").is_unique().all()
    assert judged.rows["day"].min() > judged.cutoffs[0]  # type: ignore[operator]
    told = judged.rows.filter(pl.col("day") == past.until - timedelta(days=60)).sort("account_id")
    then = judged.cutoffs[-2]
    newest = fit_churn(past.history, past.churned, then)
    origin = past.history.filter(pl.col("day") == past.until - timedelta(days=60)).sort("account_id")
    np.testing.assert_allclose(told["model:0-60"].to_numpy(), 1 - newest.survival(origin, [60])[:, 0])


def test_outcomes_are_days_after_the_origin(judged: Backtest, past: Leaving) -> None:
    gone = dict(past.churned.iter_rows())
    for account, day, after, seen in judged.rows.select("account_id", "day", "left_after", "observed").iter_rows():
        assert seen == (past.until - day).days
        assert after == ((gone[account] - day).days if account in gone else None)


def forecasts(result: Backtest, last: date) -> pl.DataFrame:
    names = [name for name in result.rows.columns if ":" in name]
    return result.rows.filter(pl.col("day") <= last).select("account_id", "day", *names).sort("day", "account_id")


def test_a_forecast_sees_nothing_of_what_came_later(past: Leaving, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "FOLDS", 2)
    one = backtest(past.history, past.churned, past.until)
    first, second = one.cutoffs
    after = pl.col("churned_on") > first
    later = pl.concat(
        [
            past.churned.filter(~after),
            past.churned.filter(after).with_columns(pl.lit(first + timedelta(days=1)).alias("churned_on")),
        ]
    )
    driver = pl.when(pl.col("day") > second).then(-pl.col("driver")).otherwise("driver").alias("driver")
    two = backtest(past.history.with_columns(driver), later, past.until)
    assert two.cutoffs == one.cutoffs
    assert forecasts(one, second).height > 50
    assert forecasts(one, second).equals(forecasts(two, second))
    assert not forecasts(one, past.until).equals(forecasts(two, past.until))
    assert one.record("model").lost != two.record("model").lost


def test_where_accounts_leave_by_lot_no_signal_is_said(past: Leaving, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "FOLDS", 4)
    accounts = past.history["account_id"].unique().sort()
    draw = np.random.default_rng(4)
    left = dict(past.churned.iter_rows())
    dates = [left.get(account) for account in accounts]
    mixed = churned([(a, dates[n]) for a, n in zip(accounts, draw.permutation(len(dates)), strict=True) if dates[n]])
    reason = backtest(past.history, mixed, past.until).no_signal
    assert reason is not None
    assert "chance" in reason or "base rate" in reason


def test_with_losses_to_learn_from_but_none_to_judge_by_no_signal_is_said(
    past: Leaving, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trial, "FOLDS", 2)
    old = past.churned.filter(pl.col("churned_on") <= past.until - timedelta(days=300))
    assert old.height > FEWEST_LOST
    reason = backtest(past.history, old, past.until).no_signal
    assert reason is not None
    assert reason.startswith("0 losses")


@pytest.mark.parametrize(
    "kept, message",
    [
        (pl.col("account_id") < 20, "of 20 accounts left|of 1[0-9] accounts left"),
        (pl.col("day") > on(560), "0 of 0"),
        (pl.col("day") > on(900), "no day of the history"),
    ],
)
def test_a_back_test_of_too_little_is_refused(past: Leaving, kept: pl.Expr, message: str) -> None:
    with pytest.raises(TooLittleDataError, match=message):
        backtest(past.history.filter(kept), past.churned, past.until)


def test_cutoffs_without_columns_and_without_origins_are_left_out(past: Leaving) -> None:
    """`driver` is known from day 300 on; between the days 420 and 480 nothing was recorded."""
    columns = past.history.select(
        "account_id", "day", "days_to_renewal",
        pl.when(pl.col("day") > on(300)).then("driver").alias("driver"),
        pl.lit(1200.0).alias("arr"), pl.lit(3).alias("days_since_use"),
    ).drop("days_to_renewal")  # fmt: skip
    history = columns.filter((pl.col("day") <= on(420)) | (pl.col("day") > on(480)))
    steps: list[tuple[int, int]] = []
    found = backtest(history, past.churned, past.until, progress=lambda done, of: steps.append((done, of)))
    assert found.cutoffs == (on(360), on(480), on(540))
    assert steps == [(0, 3), (1, 3), (2, 3), (3, 3)]
    assert found.rows["health"].null_count() == found.rows.height
    assert found.record("health").rows == 0
