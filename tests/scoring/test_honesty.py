"""A record counts what was known on the day, each loss once, and says nothing where losses are too few."""

import itertools
from collections.abc import Sequence
from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoring.health import FEWEST_LOSSES
from scoring.honesty import HORIZON, SLACK, apart, auc_of, green_before, honesty, labelled
from scoring.scorecard import SCORECARDS, load_scorecards

CARD = load_scorecards(SCORECARDS).cards["matrix"]
UNTIL = date(2026, 6, 30)


def ago(days: int) -> date:
    return UNTIL - timedelta(days=days)


def history(rows: Sequence[tuple[int, int, float | None]]) -> pl.DataFrame:
    """Rows of account, days before the last known one, and value."""
    return pl.DataFrame(
        [(account, ago(back), value, CARD.band(value)) for account, back, value in rows],
        schema={"account_id": pl.Int64, "day": pl.Date, "value": pl.Float64, "band": pl.String},
        orient="row",
    )


def churned(**left: int) -> pl.DataFrame:
    """Accounts as `a1=10`: account 1 left ten days before the last known day."""
    rows = [(int(name[1:]), ago(back)) for name, back in left.items()]
    return pl.DataFrame(rows, schema={"account_id": pl.Int64, "churned_on": pl.Date}, orient="row")


def test_green_before_counts_the_newest_score_up_to_ten_days_old_and_unscored_apart() -> None:
    rows = history(
        [
            (1, 300, 90.0), (1, 65, 90.0), (1, 55, 30.0),  # green 60 days before, red only afterwards
            (2, 65, 30.0),  # warned of
            (3, 60 + SLACK + 1, 90.0),  # a day too old to count
            (4, 65, None), (4, 69, 50.0),  # the newest score, not the newest row
            (5, 65, None),  # never had a score
            (6, 60, 85.0),  # on the very day
            (7, 65, 90.0),  # is still here
        ]
    )  # fmt: skip
    gone = churned(a1=0, a2=0, a3=0, a4=0, a5=0, a6=0, a8=300)
    told = green_before(CARD, rows, gone, UNTIL, 60)
    assert (told.left, told.green, told.unscored) == (6, 2, 2)
    assert told.since == ago(300 - 60)


def test_an_account_that_left_before_a_score_could_tell_is_not_counted() -> None:
    rows = history([(1, 100, 90.0), (2, 100, 90.0)])
    told = green_before(CARD, rows, churned(a1=80, a2=40), UNTIL, 60)
    assert (told.left, told.green) == (1, 1)


def test_nothing_after_the_last_known_day_is_used() -> None:
    rows = history([(n, 60, 50.0 + n) for n in range(20)])
    later = churned(**{f"a{n}": -1 - n for n in range(15)})
    record = honesty(CARD, rows, later, UNTIL)
    assert (record.lost, record.left, record.before[0].left) == (0, 0, 0)


@given(st.lists(st.integers(0, 400), min_size=1, max_size=40, unique=True))
def test_counted_days_lie_a_horizon_apart_and_their_horizon_has_passed(backs: list[int]) -> None:
    days = apart([ago(back) for back in backs], UNTIL)
    assert all((one - two).days >= HORIZON for one, two in itertools.pairwise(days))
    assert all(day <= ago(HORIZON) for day in days)
    assert bool(days) == any(back >= HORIZON for back in backs)


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 300)), max_size=30, unique_by=lambda row: row[0]))
def test_no_loss_counts_twice(losses: list[tuple[int, int]]) -> None:
    gone = dict(losses)
    rows = history([(a, b, 50.0) for a in range(31) for b in range(0, 301, 10) if b > gone.get(a, -1)])
    found = labelled(rows, churned(**{f"a{a}": b for a, b in gone.items()}), UNTIL)
    assert found.filter("lost")["account_id"].is_unique().all()
    assert (found["day"] <= ago(HORIZON)).all()


def many() -> tuple[pl.DataFrame, pl.DataFrame]:
    """Forty accounts on two days: 12 critical ones of which 10 leave, 28 green ones of which 2 leave, a day each."""
    rows, left = [], {}
    for day, back in enumerate((60, 120)):
        for place in range(40):
            account = 100 * day + place
            rows.append((account, back, 50.0 if place < 12 else 90.0))
            if place < 10 or place >= 38:
                left[f"a{account}"] = back - 30
    return history(rows), churned(**left)


def test_bands_precision_and_recall_are_counted_by_hand() -> None:
    record = honesty(CARD, *many(), UNTIL)
    by_band = {band.band: band for band in record.bands}
    assert (by_band["healthy"].accounts, by_band["healthy"].lost, by_band["healthy"].share) == (56, 4, 4 / 56)
    assert (by_band["critical"].accounts, by_band["critical"].lost) == (24, 20)
    assert by_band["at_risk"].share is None  # nobody was in it
    assert record.alarm is not None
    assert (record.alarm.band, record.alarm.precision, record.alarm.recall) == ("at_risk", 20 / 24, 20 / 24)
    assert (by_band["healthy"].precision, by_band["healthy"].recall) == (24 / 80, 1)
    assert (record.lost, record.too_few) == (24, False)


def test_the_stated_rate_comes_from_earlier_days_only_and_stands_beside_the_observed_one() -> None:
    record = honesty(CARD, *many(), UNTIL)
    stated = {line.band: line for line in record.calibration}
    # The first day has 12 losses of 40 accounts; its own bands are blended with that rate as 20 accounts more.
    assert stated["critical"].stated == pytest.approx((10 + 0.3 * 20) / (12 + 20))
    assert (stated["critical"].accounts, stated["critical"].observed) == (12, pytest.approx(10 / 12))
    rows, gone = many()
    changed = gone.filter(pl.col("account_id") >= 100)  # nobody is lost after the newer day
    again = {line.band: line for line in honesty(CARD, rows, changed, UNTIL).calibration}
    assert (again["critical"].stated, again["critical"].observed) == (stated["critical"].stated, 0)


def test_the_lead_is_counted_from_the_last_time_that_a_score_left_green() -> None:
    steps = [(110, 50.0), (100, 90.0), (90, 70.0), (80, None), (70, 30.0)]
    rows = history([(n, back, value) for n in range(FEWEST_LOSSES) for back, value in steps] + [(99, 70, 90.0)])
    gone = churned(**{f"a{n}": 50 for n in range(FEWEST_LOSSES)}, a99=50)
    record = honesty(CARD, rows, gone, UNTIL)
    assert (record.lead_days, record.warned, record.left) == (40, FEWEST_LOSSES, FEWEST_LOSSES + 1)


def test_with_too_few_losses_there_are_counts_but_no_figures() -> None:
    rows = history([(n, 60, 30.0 + n) for n in range(50)])
    record = honesty(CARD, rows, churned(**{f"a{n}": 20 for n in range(FEWEST_LOSSES - 1)}), UNTIL)
    assert (record.too_few, record.auc, record.lead_days, record.calibration) == (True, None, None, ())
    assert all(band.share is band.precision is band.recall is None for band in record.bands)
    assert record.before[0].left == FEWEST_LOSSES - 1


def test_the_auc_is_the_share_of_pairs_in_the_right_order_and_ties_count_half() -> None:
    rng = np.random.default_rng(3)
    values, lost = rng.integers(0, 12, 90).astype(float), rng.random(90) < 0.3
    pairs = [(a < b) + (a == b) / 2 for a in values[lost] for b in values[~lost]]
    found = auc_of(values, lost, np.arange(90))
    assert found is not None
    assert found.value == pytest.approx(np.mean(pairs))
    assert found.low < found.value < found.high
    assert found == auc_of(values, lost, np.arange(90))  # seeded


def test_of_twenty_intervals_of_noise_nearly_all_hold_one_half() -> None:
    held = 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        found = auc_of(rng.random(400), rng.random(400) < 0.1, np.arange(400))
        assert found is not None
        held += found.low < 0.5 < found.high
    assert held >= 17


def test_a_perfect_score_has_an_area_of_one() -> None:
    lost = np.arange(100) < 10
    perfect = auc_of(np.where(lost, 10.0, 90.0), lost, np.arange(100))
    assert perfect is not None
    assert (perfect.value, perfect.low) == (1, 1)


def test_an_account_on_many_days_does_not_make_the_interval_narrower() -> None:
    rng = np.random.default_rng(9)
    values, lost = rng.random(150), rng.random(150) < 0.3
    once, often = (auc_of(np.tile(values, n), np.tile(lost, n), np.tile(np.arange(150), n)) for n in (1, 6))
    assert once is not None
    assert often is not None
    assert often.high - often.low == pytest.approx(once.high - once.low)


def test_without_a_loss_or_without_anybody_left_there_is_no_auc() -> None:
    assert auc_of(np.array([1.0, 2.0]), np.array([False, False]), np.arange(2)) is None
    assert auc_of(np.array([1.0, 2.0]), np.array([True, True]), np.arange(2)) is None
