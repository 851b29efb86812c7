"""What accounts without a contract will bring in follows from when they bought, for how much, and when they stopped."""

import math
from datetime import date, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.stats import beta as beta_distribution

from scoring.churn.training import TooLittleDataError
from scoring.value.likelihood import amount_likelihoods, purchase_likelihoods
from scoring.value.purchases import FEWEST_REPEAT, PurchaseModel, fit_purchases, summary

START, UNTIL = date(2025, 1, 1), date(2025, 12, 31)
TRUE = PurchaseModel(0.6, 6.0, 0.7, 3.0, 4.0, 5.0, 60.0, 1.0, 0.0, 1, 1)


def bought(rows: list[tuple[Any, date | None, float | None]]) -> pl.DataFrame:
    schema = {"account": pl.String, "day": pl.Date, "amount": pl.Float64}
    return pl.DataFrame(rows, schema=schema, orient="row")


def of(frequency: float, recency: float, age: float, paid: float = 1.0, monetary: float | None = 15.0) -> pl.DataFrame:
    """The summary of one account."""
    return pl.DataFrame(
        {"frequency": [frequency], "recency": [recency], "T": [age], "paid": [paid], "monetary": [monetary]},
        schema_overrides={"monetary": pl.Float64},
    )


def made_up(model: PurchaseModel, accounts: int, seed: int = 0, weeks: int = 80) -> pl.DataFrame:
    """Purchases of accounts that behave just as the model says, all with the first one in the first 20 weeks."""
    draw, rows = np.random.default_rng(seed), []
    for account in range(accounts):
        pace, leaves = draw.gamma(model.r) / model.alpha, draw.beta(model.a, model.b)
        mean = draw.gamma(model.q) / model.gamma
        week = 20 * draw.random()
        while week < weeks:
            amount = draw.gamma(model.p) / mean
            rows.append((str(account), START + timedelta(days=round(week * 7)), amount))
            week += draw.exponential(1 / pace) if len(rows) else 0.0
            if draw.random() < leaves and rows[-2:-1] and rows[-2][0] == str(account):
                break
    return bought(rows)


@pytest.fixture(scope="module")
def purchases() -> pl.DataFrame:
    return made_up(TRUE, 4000)


@pytest.fixture(scope="module")
def accounts(purchases: pl.DataFrame) -> pl.DataFrame:
    return summary(purchases, UNTIL)


@pytest.fixture(scope="module")
def model(accounts: pl.DataFrame) -> PurchaseModel:
    return fit_purchases(accounts)


# Histories


def test_a_history_is_counted_in_weeks_from_the_first_purchase() -> None:
    days = [START, START + timedelta(days=14), START + timedelta(days=35)]
    found = summary(bought([("a", day, amount) for day, amount in zip(days, (30.0, 10.0, 20.0), strict=True)]), UNTIL)
    assert found.rows(named=True) == [
        {"account": "a", "frequency": 2, "recency": 5, "T": 52, "paid": 3, "monetary": 20, "returned": 0}
    ]


def test_purchases_of_one_day_are_one() -> None:
    found = summary(bought([("a", START, 30.0), ("a", START, 12.0)]), UNTIL).row(0, named=True)
    assert (found["frequency"], found["paid"], found["monetary"]) == (0, 1, 42)


def test_a_return_is_no_purchase_and_is_summed_up_apart() -> None:
    later = START + timedelta(days=7)
    found = summary(bought([("a", START, 30.0), ("a", later, -12.0), ("b", later, -5.0)]), UNTIL)
    assert found["account"].to_list() == ["a"]
    assert found.row(0, named=True)["frequency"] == 0
    assert found["returned"].to_list() == [12]


def test_an_amount_of_nothing_is_a_purchase_that_says_nothing_of_amounts() -> None:
    found = summary(bought([("a", START, 0.0), ("a", START + timedelta(days=7), 8.0), ("b", START, 0.0)]), UNTIL)
    assert found["frequency"].to_list() == [1, 0]
    assert found["paid"].to_list() == [1, 0]
    assert found["monetary"].to_list() == [8, None]


def test_what_comes_after_the_last_known_day_is_not_looked_at() -> None:
    rows = [("a", START, 1.0), ("a", UNTIL + timedelta(days=1), 1.0), ("b", UNTIL + timedelta(days=1), 1.0)]
    assert summary(bought(rows), UNTIL)["frequency"].to_list() == [0]


def test_an_account_that_bought_today_has_no_age() -> None:
    found = summary(bought([("a", UNTIL, 1.0)]), UNTIL).row(0, named=True)
    assert (found["T"], found["recency"]) == (0, 0)


@pytest.mark.parametrize(
    "row", [(None, START, 1.0), ("a", None, 1.0), ("a", START, None), ("a", START, math.nan), ("a", START, math.inf)]
)
def test_a_purchase_that_lacks_something_is_refused_with_its_row(row: tuple[Any, date | None, float | None]) -> None:
    with pytest.raises(ValueError, match=r"rows 1\)"):
        summary(bought([("a", START, 1.0), row]), UNTIL)


# Fitting


def test_the_likelihoods_are_those_worked_by_hand() -> None:
    # r = alpha = a = b = 1: a customer without repeat purchases in 1 week: alpha / (alpha + T).
    ones = np.ones(4)
    once = purchase_likelihoods(ones, np.zeros(1), np.zeros(1), np.ones(1))
    assert np.exp(once) == pytest.approx([1 / 2])
    # One repeat purchase at the end of week 1, then 1 more week: alive 1/2 * 1/9, gone at that purchase 1/2 * 1/4.
    twice = purchase_likelihoods(ones, np.ones(1), np.ones(1), np.full(1, 2.0))
    assert np.exp(twice) == pytest.approx([1 / 18 + 1 / 8])
    # One amount of 1, p = q = gamma = 1: the density of a ratio of exponentials, 1 / (1 + z)^2.
    assert np.exp(amount_likelihoods(np.ones(3), np.ones(1), np.ones(1))) == pytest.approx([1 / 4])


def test_the_parameters_that_made_the_purchases_are_found_again(model: PurchaseModel) -> None:
    assert model.r / model.alpha == pytest.approx(TRUE.r / TRUE.alpha, rel=0.1)
    assert model.r == pytest.approx(TRUE.r, rel=0.15)
    assert model.a / (model.a + model.b) == pytest.approx(TRUE.a / (TRUE.a + TRUE.b), rel=0.2)
    assert model.p * model.gamma / (model.q - 1) == pytest.approx(TRUE.p * TRUE.gamma / (TRUE.q - 1), rel=0.05)
    assert model.kept == 1


def test_the_likelihood_of_the_fit_is_not_below_that_of_the_truth(model: PurchaseModel, accounts: pl.DataFrame) -> None:
    times = (accounts[name].to_numpy() for name in ("frequency", "recency", "T"))
    truth = purchase_likelihoods(np.array([TRUE.r, TRUE.alpha, TRUE.a, TRUE.b]), *times).sum()
    assert model.log_likelihood >= truth


def test_amounts_in_another_unit_change_nothing_but_the_unit(accounts: pl.DataFrame, model: PurchaseModel) -> None:
    cents = accounts.with_columns(pl.col("monetary", "returned") * 100)
    other = fit_purchases(cents)
    assert other.expected_spend(cents) == pytest.approx(100 * model.expected_spend(accounts), rel=0.001)
    assert other.r == model.r


def test_returns_lower_the_value_by_their_share(accounts: pl.DataFrame, model: PurchaseModel) -> None:
    half = accounts.with_columns((pl.col("paid") * pl.col("monetary") / 2).alias("returned"))
    found = fit_purchases(half)
    assert found.kept == pytest.approx(0.5)
    assert found.value(half).expected == pytest.approx(model.value(accounts).expected / 2)


def test_too_few_that_came_again_are_refused_with_the_number_it_takes() -> None:
    rows = [(str(n), START + timedelta(days=d), 5.0 + n) for n in range(FEWEST_REPEAT - 1) for d in (0, 9)]
    with pytest.raises(TooLittleDataError, match=f"29 of 30 accounts.*takes {FEWEST_REPEAT}"):
        fit_purchases(summary(bought([*rows, ("once", START, 5.0)]), UNTIL))
    with pytest.raises(TooLittleDataError, match="0 of 0"):
        fit_purchases(summary(bought([]), UNTIL))


def test_accounts_that_all_behave_alike_can_be_fitted() -> None:
    rows = [(str(n), START + timedelta(days=28 * k), 50.0) for n in range(200) for k in range(13)]
    same = summary(bought(rows), START + timedelta(days=28 * 12 + 7))
    found = fit_purchases(same)
    assert found.expected_purchases(same, 28) == pytest.approx(1, abs=0.1)
    assert found.expected_spend(same) == pytest.approx(50, rel=0.01)
    assert found.probability_alive(same) == pytest.approx(1, abs=0.02)


# Forecasts


def test_what_the_model_foretells_comes_true(purchases: pl.DataFrame, accounts: pl.DataFrame) -> None:
    model, days = fit_purchases(accounts), 150
    window = pl.col("day").is_between(UNTIL, UNTIL + timedelta(days=days), closed="right")
    real = accounts.join(
        purchases.filter(window).group_by("account").agg(pl.len(), pl.col("amount").sum()), on="account", how="left"
    ).fill_null(0)
    value = model.value(accounts, 5, discount=0.0)
    assert model.expected_purchases(accounts, days).sum() == pytest.approx(real["len"].sum(), rel=0.06)
    assert model.probability_active(accounts, days).mean() == pytest.approx((real["len"] > 0).mean(), abs=0.02)
    assert value.expected.sum() == pytest.approx(real["amount"].sum(), rel=0.08)
    inside = (real["amount"].to_numpy() >= value.low) & (real["amount"].to_numpy() <= value.high)
    assert inside.mean() >= 0.8


histories = st.tuples(st.integers(0, 60), st.floats(0.01, 1), st.floats(0.1, 300))


@settings(deadline=None, max_examples=60)
@given(
    histories,
    st.floats(1, 1800),
    st.floats(0.1, 400),
    st.sampled_from([0.01, 0.793, 1.0, 1.7, 6.0]),
    st.floats(0.3, 400),
)
def test_expected_purchases_are_the_mean_over_all_chances_to_leave(
    history: tuple[int, float, float], days: float, r: float, a: float, b: float
) -> None:
    frequency, part, age = history
    model = PurchaseModel(r, 18 * r, a, b, 1, 2, 1, 1, 0, 1, 1)
    account = of(frequency, part * age if frequency else 0.0, age)
    ahead, power = days / 7 / (model.alpha + age), r + frequency

    def purchases_at(quantile: float) -> float:
        chance = max(beta_distribution.ppf(quantile, a, b + frequency), 1e-300)
        return float(-np.expm1(-power * np.log1p(chance * ahead)) / chance)

    whole = quad(purchases_at, 0, 1, limit=300)[0]
    found = model.expected_purchases(account, days)
    assert found == pytest.approx(whole * model.probability_alive(account), rel=1e-3)


@settings(deadline=None)
@given(histories, st.floats(0, 1000), st.floats(0, 1000))
def test_more_days_bring_more_purchases(history: tuple[int, float, float], some: float, more: float) -> None:
    frequency, part, age = history
    account = of(frequency, part * age if frequency else 0.0, age)
    few, many = TRUE.expected_purchases(account, some), TRUE.expected_purchases(account, some + more)
    assert 0 <= few[0] <= many[0] + 1e-9
    assert 0 <= TRUE.probability_active(account, some)[0] <= TRUE.probability_alive(account)[0] <= 1


def test_no_days_bring_no_purchases() -> None:
    assert TRUE.expected_purchases(of(3, 5, 9), 0) == pytest.approx(0)
    assert TRUE.probability_active(of(3, 5, 9), 0) == pytest.approx(0)
    with pytest.raises(ValueError, match="-1 days"):
        TRUE.expected_purchases(of(3, 5, 9), -1)


def test_a_frequent_buyer_that_fell_silent_has_left_rather_than_a_rare_one() -> None:
    often, rarely = of(40, 20, 40), of(1, 20, 40)
    assert TRUE.probability_alive(often) < 0.05 < TRUE.probability_alive(rarely)


def test_an_account_that_bought_once_is_alive_and_is_the_less_active_the_longer_ago() -> None:
    for age in (0.0, 10.0, 500.0):
        assert TRUE.probability_alive(of(0, 0, age)) == 1
    assert TRUE.probability_active(of(0, 0, 10), 90) > TRUE.probability_active(of(0, 0, 500), 90)


def test_spend_lies_between_the_accounts_own_average_and_everybodys() -> None:
    everybody = TRUE.p * TRUE.gamma / (TRUE.q - 1)
    assert TRUE.expected_spend(of(0, 0, 9, paid=0, monetary=None)) == pytest.approx(everybody)
    some, many = (TRUE.expected_spend(of(9, 9, 9, paid=paid, monetary=200.0))[0] for paid in (2.0, 50.0))
    assert everybody < some < many < 200


def test_value_is_purchases_times_spend_and_less_when_discounted() -> None:
    account = of(9, 9, 10, paid=10)
    plain = TRUE.value(account, 12, discount=0.0)
    product = TRUE.expected_purchases(account, 365.25) * TRUE.expected_spend(account)
    assert plain.expected == pytest.approx(product)
    later = TRUE.value(account, 12, discount=0.5)
    assert product / 1.5 < later.expected < product
    assert plain.low <= plain.expected <= plain.high


def test_the_interval_grows_with_its_level_and_is_the_same_each_time(accounts: pl.DataFrame) -> None:
    some = accounts.head(200)
    narrow, wide = TRUE.value(some, 12, level=0.5), TRUE.value(some, 12, level=0.9)
    assert (wide.low <= narrow.low).all()
    assert (wide.high >= narrow.high).all()
    assert (TRUE.value(some, 12, level=0.9).high == wide.high).all()


def test_no_accounts_have_no_value() -> None:
    assert TRUE.value(of(1, 1, 1).clear(), 12).high.shape == (0,)


@pytest.mark.parametrize("wrong", [{"months": 0}, {"months": 61}, {"discount": -0.1}, {"level": 0.0}])
def test_settings_out_of_range_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="it takes 1 to 60 months"):
        TRUE.value(of(1, 1, 1), **wrong)
