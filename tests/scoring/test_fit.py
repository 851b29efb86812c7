"""A planted indicator gets the weight, noise keeps the hand-set ones, and later days decide between them."""

import tomllib
from datetime import date

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoring.fit import TENTHS, Sample, fit, fit_weights, fitted_card, rounded, split, weighted
from scoring.health import FEWEST_LOSSES
from scoring.scorecard import SCORECARDS, Scorecard, load_scorecards
from scoring.writing import as_toml

CARDS = load_scorecards(SCORECARDS).cards
CARD = CARDS["nine_signals"]
SIZE = len(CARD.indicators)
PLANTED = 7  # `usage_change_28d`, of small hand-set weight


def planted(days: int = 6, accounts: int = 300, strength: float = 0.12, seed: int = 1) -> Sample:
    """Accounts whose points of one indicator alone decide who leaves."""
    rng = np.random.default_rng(seed)
    points = rng.uniform(0, 100, (days * accounts, SIZE))
    lost = rng.random(len(points)) < 1 / (1 + np.exp(strength * (points[:, PLANTED] - 20)))
    when = np.datetime64("2025-01-01") + np.repeat(np.arange(days), accounts) * 60
    return Sample(np.arange(len(points)), when, points, lost)


def test_a_planted_indicator_gets_the_weight_and_wins_on_later_days() -> None:
    found = fit(CARD, planted())
    assert found.weights[PLANTED] > 80
    assert sum(found.weights) == pytest.approx(100)
    assert found.hand_auc is not None
    assert found.fitted_auc is not None
    assert found.fitted_auc.low > found.hand_auc.high


def test_an_indicator_that_speaks_the_wrong_way_gets_no_weight() -> None:
    sample = planted(strength=-0.12)
    weights = fit_weights(sample.points, sample.lost, CARD.weights, penalty=0)
    assert weights[PLANTED] < 0.01
    assert (weights >= 0).all()


def test_a_strong_penalty_keeps_the_hand_set_weights() -> None:
    sample = planted()
    assert fit_weights(sample.points, sample.lost, CARD.weights, penalty=1e7) == pytest.approx(CARD.weights, abs=0.5)


def test_noise_tells_nobody_apart() -> None:
    found = fit(CARD, planted(strength=0.0, accounts=100))
    assert found.fitted_auc is not None
    assert found.fitted_auc.low < 0.5 < found.fitted_auc.high


def test_a_missing_indicator_speaks_neither_for_nor_against() -> None:
    sample = planted()
    holes = sample.points.copy()
    holes[:, 0] = np.nan
    weights = fit_weights(holes, sample.lost, CARD.weights)
    assert np.isfinite(weights).all()
    assert weights[PLANTED] > 60
    some = sample.points.copy()
    some[np.random.default_rng(2).random(some.shape) < 0.3] = np.nan
    assert fit_weights(some, sample.lost, CARD.weights)[PLANTED] > 60


def test_the_fit_never_sees_the_later_days() -> None:
    sample = planted()
    parts = split(sample)
    assert parts is not None
    earlier, later = parts
    assert earlier.days.max() + np.timedelta64(60) <= later.days.min()
    mixed = sample.lost.copy()
    for day in np.unique(later.days):  # as many losses on each day, but of other accounts
        mixed[sample.days == day] = np.roll(mixed[sample.days == day], 7)
    found = fit(CARD, sample)
    again = fit(CARD, Sample(sample.account_ids, sample.days, sample.points, mixed))
    assert again.held_out_from == found.held_out_from
    assert again.weights == found.weights
    assert again.fitted_auc != found.fitted_auc


def test_an_account_lost_earlier_is_no_case_of_the_later_days() -> None:
    sample = planted()
    same = Sample(np.tile(np.arange(300), 6), sample.days, sample.points, sample.lost)
    parts = split(same)
    assert parts is not None
    earlier, later = parts
    assert not set(earlier.account_ids[earlier.lost]) & set(later.account_ids)


@pytest.mark.parametrize("losses", [0, FEWEST_LOSSES, 2 * FEWEST_LOSSES - 1])
def test_with_too_few_losses_there_are_no_weights(losses: int) -> None:
    sample = planted()
    few = np.zeros(len(sample.lost), bool)
    few[:: len(few) // max(losses, 1)][:losses] = losses > 0
    few[np.flatnonzero(few)[losses:]] = False
    found = fit(CARD, Sample(sample.account_ids, sample.days, sample.points, few))
    assert (found.weights, found.fitted_auc, found.trained_lost) == ((), None, losses)


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=40).filter(lambda given: sum(given) > 1e-3))
def test_rounded_weights_sum_to_100_and_none_is_zero(given: list[float]) -> None:
    tenths = np.round(rounded(np.array(given)) * 10).astype(int)
    assert tenths.sum() == TENTHS
    assert tenths.min() >= 1


@pytest.mark.parametrize("card", CARDS.values(), ids=list(CARDS))
def test_weights_of_tenths_stay_as_they_are(card: Scorecard) -> None:
    assert np.abs(rounded(card.weights) - card.weights).max() < 0.1


@pytest.mark.parametrize("card", CARDS.values(), ids=list(CARDS))
def test_a_fitted_card_has_exactly_the_fitted_weights_and_is_read_back_from_its_file(card: Scorecard) -> None:
    weights = rounded(np.arange(1.0, len(card.indicators) + 1))
    made = fitted_card(card, weights.tolist())
    assert made.weights == pytest.approx(weights)
    assert (made.id, made.version, made.bands) == (f"{card.id}_fitted", 1, card.bands)
    assert Scorecard.model_validate(tomllib.loads(as_toml(made, "Two\nlines"))) == made
    assert Scorecard.model_validate(tomllib.loads(as_toml(card))) == card


def test_points_are_weighted_as_the_scorecard_weighs_them() -> None:
    points = np.array([[50.0] * SIZE, [np.nan, *[80.0] * (SIZE - 1)]])
    assert weighted(points, CARD.weights).tolist() == [50, 80]


def test_the_comparison_names_its_first_day() -> None:
    assert isinstance(fit(CARD, planted()).held_out_from, date)
