"""A contract's lifetime value is what the months ahead bring if the account is there, with an honest interval."""

import math
from itertools import pairwise

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoring.value.contracts import BLOCK, lifetime_value
from scoring.value.growth import SHRINK, Growth, Stage, fit_growth

CALM = Stage(rate=0.02, spread=0.05, error=0.004)


def steady(hazard: float, months: int, accounts: int = 1) -> np.ndarray:
    """Survival with the same chance to leave in every month."""
    return np.tile((1 - hazard) ** np.arange(1, months + 1), (accounts, 1))


def changes(rows: list[tuple[int, int, float | None, float | None, float | None]]) -> pl.DataFrame:
    names = ("account_id", "month", "age", "before", "after")
    kinds = (pl.Int64, pl.Int64, pl.Float64, pl.Float64, pl.Float64)
    return pl.DataFrame(rows, schema=dict(zip(names, kinds, strict=True)), orient="row")


def many(ratio: float, accounts: int = 500, months: int = 12, age: float = 1.0) -> pl.DataFrame:
    return changes([(n, month, age, 100.0, 100.0 * ratio) for n in range(accounts) for month in range(months)])


# Worked by hand


def test_an_account_that_surely_stays_pays_every_month() -> None:
    value = lifetime_value(np.ones((1, 12)), np.array([100.0]), months=12, discount=0.0)
    for found in (value.expected, value.low, value.median, value.high):
        assert found == pytest.approx([1200])
    assert value.stay == pytest.approx([12])


def test_an_account_that_surely_leaves_this_month_pays_half_of_it() -> None:
    value = lifetime_value(np.zeros((1, 6)), np.array([100.0]), months=6, discount=0.0)
    assert value.expected == pytest.approx([50])
    # The day is any of the month's alike.
    assert [*value.low, *value.median, *value.high] == pytest.approx([10, 50, 90])


@pytest.mark.parametrize("hazard", [0.01, 0.05, 0.5])
def test_a_constant_hazard_has_the_closed_form(hazard: float) -> None:
    months, discount = 48, 0.12
    value = lifetime_value(steady(hazard, months), np.array([250.0]), months=months, discount=discount)
    q = (1 - hazard) * (1 + discount) ** (-1 / 12)
    closed = 250 * (1 - hazard / 2) * (1 + discount) ** (-1 / 24) * (1 - q**months) / (1 - q)
    assert value.expected == pytest.approx([closed])


def test_the_median_of_a_constant_hazard_is_where_half_have_left() -> None:
    value = lifetime_value(steady(0.05, 60), np.array([1.0]), months=60, discount=0.0)
    # 0.95 ** 13 = 0.5133, 0.95 ** 14 = 0.4877; between them survival falls evenly.
    assert value.median == pytest.approx([13 + (0.95**13 - 0.5) / (0.95**13 - 0.95**14)], rel=1e-4)


def test_a_dollar_in_a_year_is_worth_less_by_the_discount() -> None:
    """The second year of a sure contract is worth the first, discounted once."""
    sure, fee = np.ones((1, 24)), np.array([100.0])
    both = lifetime_value(sure, fee, months=24, discount=0.25).expected
    first = lifetime_value(sure, fee, months=12, discount=0.25).expected
    assert both - first == pytest.approx(first / 1.25)


def test_growth_raises_what_an_account_that_stays_pays_month_by_month() -> None:
    growth = Growth(usual=Stage(rate=math.log(1.02)), months=100)
    value = lifetime_value(np.ones((1, 6)), np.array([100.0]), growth, 6, 0.0)
    assert value.expected == pytest.approx([sum(100 * 1.02 ** (month + 0.5) for month in range(6))])


def test_growth_and_leaving_together_have_the_distribution_of_simulated_accounts() -> None:
    growth, months, draws = Growth(usual=Stage(rate=0.005, spread=0.1), months=60), 36, 100_000
    value = lifetime_value(steady(0.04, months), np.array([100.0]), growth, months, 0.1)
    draw = np.random.default_rng(0)
    drift, deviation = growth.path(months)
    fees = 100 * np.exp(drift - deviation**2 / 2 + deviation * draw.normal(size=(draws, 1)))
    left = draw.geometric(0.04, draws) - 1 + draw.random(draws)
    there = np.clip(left[:, None] - np.arange(months), 0, 1)
    paid = (fees * there * 1.1 ** (-(np.arange(months) + 0.5) / 12)).sum(axis=1)
    found = [*value.expected, *value.low, *value.median, *value.high]
    assert found == pytest.approx([paid.mean(), *np.quantile(paid, [0.1, 0.5, 0.9])], rel=0.02)


def test_survival_that_ends_early_goes_on_at_its_average_hazard() -> None:
    fee = np.array([100.0])
    short = lifetime_value(steady(0.03, 6), fee, months=36)
    assert short.expected == pytest.approx(lifetime_value(steady(0.03, 36), fee, months=36).expected)
    # One renewal a year, in the last known month: it comes once a year and not every month from then on.
    renewal = np.array([[1.0] * 11 + [0.7]])
    assert lifetime_value(renewal, fee, months=60, discount=0.0).stay[0] > 24


def test_who_has_surely_left_does_not_come_back_after_the_known_months() -> None:
    gone = np.array([[0.5, 0.0]])
    assert lifetime_value(gone, np.array([100.0]), months=60).stay == pytest.approx([1.0])


def test_unknown_revenue_is_an_unknown_value_and_free_accounts_are_worth_nothing() -> None:
    value = lifetime_value(steady(0.02, 12, 3), np.array([np.nan, 0.0, 10.0]), months=12)
    assert np.isnan([value.expected[0], value.low[0], value.median[0], value.high[0]]).all()
    assert value.expected[1] == value.high[1] == 0
    assert value.expected[2] > 0
    assert not np.isnan(value.stay).any()


def test_unknown_survival_is_an_unknown_value() -> None:
    value = lifetime_value(np.full((1, 6), np.nan), np.array([10.0]), months=6)
    assert np.isnan([*value.expected, *value.low, *value.median, *value.high, *value.stay]).all()


def test_accounts_are_valued_alike_alone_and_in_a_crowd() -> None:
    draw = np.random.default_rng(1)
    accounts = BLOCK + 50
    survival = np.cumprod(1 - 0.2 * draw.random((accounts, 12)), axis=1)
    mrr, age = 100 * draw.random(accounts), np.where(draw.random(accounts) < 0.1, np.nan, 70 * draw.random(accounts))
    growth = Growth((Stage(6, 0.05, 0.2, 0.01), Stage(rate=0.01, spread=0.05)), CALM, 12)
    crowd = lifetime_value(survival, mrr, growth, 24, age=age)
    for n in (0, BLOCK, accounts - 1):
        one = slice(n, n + 1)
        alone = lifetime_value(survival[one], mrr[one], growth, 24, age=age[one])
        for name in ("expected", "low", "median", "high", "stay"):
            assert getattr(alone, name) == pytest.approx(getattr(crowd, name)[one])


def test_no_accounts_have_no_values() -> None:
    assert lifetime_value(np.empty((0, 6)), np.empty(0)).expected.shape == (0,)


# Whatever the numbers

hazards = st.lists(st.floats(0, 1), min_size=1, max_size=30)


@settings(deadline=None)
@given(hazards, st.floats(0, 1), st.integers(6, 60), st.floats(0, 1))
def test_value_rises_with_survival(chances: list[float], ease: float, months: int, discount: float) -> None:
    worse = np.cumprod(1 - np.array([chances]), axis=1)
    better = np.cumprod(1 - ease * np.array([chances]), axis=1)
    both = lifetime_value(
        np.vstack([worse, better]), np.full(2, 100.0), Growth(usual=CALM, months=12), months, discount
    )
    for found in (both.expected, both.low, both.median, both.high, both.stay):
        assert found[1] >= found[0] - 1e-6 * (1 + found[0])


@settings(deadline=None)
@given(hazards, st.integers(6, 60), st.floats(0.05, 0.95), st.floats(0, 0.4), st.floats(-0.1, 0.1))
def test_the_interval_contains_the_median_and_the_expected_value(
    chances: list[float], months: int, level: float, spread: float, rate: float
) -> None:
    growth = Growth(usual=Stage(rate=rate, spread=spread), months=24)
    survival = np.cumprod(1 - np.array([chances]), axis=1)
    value = lifetime_value(survival, np.array([100.0]), growth, months, 0.1, level)
    assert 0 <= value.low[0] <= value.median[0] <= value.high[0]
    assert value.low[0] <= value.expected[0] <= value.high[0]


@settings(deadline=None)
@given(hazards, st.floats(0.1, 0.5), st.floats(0.55, 0.95))
def test_a_surer_interval_is_wider(chances: list[float], less: float, more: float) -> None:
    survival = np.cumprod(1 - np.array([chances]), axis=1)
    narrow, wide = (
        lifetime_value(survival, np.array([100.0]), Growth(usual=CALM, months=12), level=level)
        for level in (less, more)
    )
    assert wide.low[0] <= narrow.low[0] + 1e-6
    assert wide.high[0] >= narrow.high[0] - 1e-6


# Bad inputs


@pytest.mark.parametrize(
    "settings_, said",
    [({"months": 5}, "6 to 60"), ({"months": 61}, "6 to 60"), ({"discount": -0.1}, "discount"),
     ({"discount": 10.0}, "discount"), ({"level": 1.0}, "level")],
)  # fmt: skip
def test_settings_out_of_range_are_refused(settings_: dict[str, float], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        lifetime_value(np.ones((1, 6)), np.array([1.0]), **settings_)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "survival, mrr, said",
    [
        ([[0.9, 0.8], [0.8, 0.9]], [1.0, 1.0], "row 1: survival"),
        ([[0.9, 0.8], [1.1, 0.9]], [1.0, 1.0], "row 1: survival"),
        ([[0.9, -0.1]], [1.0], "row 0: survival"),
        ([[0.9], [0.9]], [1.0, -5.0], "row 1: monthly revenue -5"),
        ([[0.9]], [np.inf], "row 0: monthly revenue inf"),
        ([[0.9]], [1.0, 2.0], "shape"),
        ([0.9], [1.0], "shape"),
        ([[]], [1.0], "shape"),
    ],
)
def test_a_bad_row_is_named(survival: list[list[float]], mrr: list[float], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        lifetime_value(np.array(survival), np.array(mrr))


# Growth


def test_growth_that_many_accounts_share_is_learned_as_it_is() -> None:
    growth = fit_growth(many(1.01))
    assert growth.stages[0].rate == pytest.approx(math.log(1.01), rel=0.05)
    assert growth.stages[0].spread == pytest.approx(0, abs=0.001)
    assert growth.months == 12
    assert growth.stages[0].accounts == 500


def test_growth_of_few_accounts_is_drawn_towards_none() -> None:
    one = fit_growth(many(1.5, accounts=1)).usual
    assert one.rate == pytest.approx(math.log(1.5) / (1 + SHRINK))
    # Of this it is anything but sure.
    assert one.error == pytest.approx(math.log(1.5) - one.rate)


def test_an_account_counts_by_what_it_pays() -> None:
    small = [(n, 0, 1.0, 10.0, 20.0) for n in range(100)]
    large = [(100 + n, 0, 1.0, 1000.0, 990.0) for n in range(100)]
    # 101,000 before, 101,000 after.
    assert fit_growth(changes(small + large)).usual.rate == pytest.approx(0)


def test_contraction_is_growth_below_zero() -> None:
    assert fit_growth(many(0.98)).usual.rate < -0.01


def test_an_account_that_paid_nothing_for_a_while_counts_as_contraction() -> None:
    growth = fit_growth(changes([(n, 0, 1.0, 100.0, 0.0 if n else 100.0) for n in range(2)]))
    assert growth.usual.rate < 0
    assert math.isfinite(growth.usual.spread)


def test_a_young_account_grows_as_young_ones_did_and_an_old_one_as_old_ones() -> None:
    growth = fit_growth(pl.concat([many(1.05), many(1.0, age=30.0)]))
    survival, mrr = np.ones((3, 6)), np.full(3, 100.0)
    young, old, unknown = lifetime_value(survival, mrr, growth, 6, 0.0, age=np.array([0.0, 30.0, np.nan])).expected
    assert old == pytest.approx(600)
    assert young > unknown > old
    # Only its first two months are young; nothing is known of the ages after.
    assert young == pytest.approx(100 * (math.exp(0.025) + math.exp(0.075) + 4 * math.exp(0.1)), rel=0.01)


def test_growth_fades_where_the_history_does_not_reach() -> None:
    drift, _ = Growth(usual=Stage(rate=0.01), months=12).path(60)
    steps = np.diff(drift)
    assert steps[:11] == pytest.approx(0.01)
    assert all(later <= earlier + 1e-12 for earlier, later in pairwise(steps[11:]))
    assert steps[24:] == pytest.approx(0)
    # Twelve full months and the fading ones, half of twelve.
    assert drift[-1] == pytest.approx(0.18)


def test_what_is_unknown_or_began_at_nothing_teaches_nothing() -> None:
    rows = [
        (0, 0, 1.0, math.nan, 5.0),
        (1, 0, 1.0, None, 5.0),
        (2, 0, 1.0, 5.0, None),
        (3, 0, 1.0, 0.0, 5.0),
        (4, 0, 1.0, 5.0, math.nan),
    ]
    assert fit_growth(changes(rows)) == Growth()
    assert fit_growth(changes([])) == Growth()


def test_an_unknown_age_teaches_the_usual_growth_only() -> None:
    growth = fit_growth(many(1.1).with_columns(age=pl.lit(None, pl.Float64)))
    assert growth.usual.rate > 0.09
    assert {stage.rate for stage in growth.stages} == {0.0}


@pytest.mark.parametrize("after", [-1.0, math.inf])
def test_revenue_that_cannot_be_is_refused_with_its_row(after: float) -> None:
    with pytest.raises(ValueError, match=r"row 1 of the changes \(account 8\)"):
        fit_growth(changes([(7, 0, 1.0, 1.0, 1.0), (8, 0, 1.0, 1.0, after)]))
