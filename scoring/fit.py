"""Weights of a scorecard fitted to who left, compared with the hand-set ones on later days."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np

from scoring.health import FEWEST_LOSSES
from scoring.honesty import Estimate, auc_of
from scoring.scorecard import Factor, Scorecard

PENALTY = 4.0  # as if each effect were known to lie within 0.5 (1/√4) log-odds of the hand-set one, before any data
HELD_OUT = 1 / 3  # of the losses, at least, are kept for the comparison
TENTHS = 1000  # weights are rounded to tenths of a point; every indicator keeps at least one


@dataclass(frozen=True)
class Sample:
    """Scored accounts on days one horizon apart; row i of every array belongs together.

    Args:
        account_ids: the account of each row.
        days: its day, as `datetime64[D]`.
        points: rows x indicators, 0-100, nan where missing.
        lost: whether it was lost within the horizon.
    """

    account_ids: np.ndarray
    days: np.ndarray
    points: np.ndarray
    lost: np.ndarray

    def where(self, mask: np.ndarray) -> "Sample":
        return Sample(self.account_ids[mask], self.days[mask], self.points[mask], self.lost[mask])


@dataclass(frozen=True)
class Fit:
    """Fitted weights beside the hand-set ones, in points of 100 per indicator, and both AUCs on the later days.

    Args:
        weights: empty with too few losses.
        trained_lost, held_out_lost: losses that the weights were fitted to, and compared on.
        held_out_from: the first day of the comparison.
    """

    weights: tuple[float, ...]
    trained_lost: int
    held_out_lost: int
    held_out_from: date | None = None
    hand_auc: Estimate | None = None
    fitted_auc: Estimate | None = None


def fit(card: Scorecard, sample: Sample) -> Fit:
    """Fit a card's weights on the earlier days and compare them with the hand-set ones on the later days.

    The days are a horizon apart, so that every loss of the earlier days was known before the first later one.
    """
    parts = split(sample)
    if parts is None:
        return Fit((), int(sample.lost.sum()), 0)
    earlier, later = parts
    weights = rounded(fit_weights(earlier.points, earlier.lost, card.weights))
    return Fit(
        weights=tuple(weights.tolist()),
        trained_lost=int(earlier.lost.sum()),
        held_out_lost=int(later.lost.sum()),
        held_out_from=later.days.min().astype(object),
        hand_auc=_auc(later, card.weights),
        fitted_auc=_auc(later, weights),
    )


def split(sample: Sample) -> tuple[Sample, Sample] | None:
    """Cut by time, so that the later days hold at least `HELD_OUT` of the losses; None with too few on a side.

    An account that was lost in the earlier days is no case of the later ones.
    """
    wanted = max(FEWEST_LOSSES, sample.lost.sum() * HELD_OUT)
    starts = [day for day in np.unique(sample.days) if sample.lost[sample.days >= day].sum() >= wanted]
    if not starts:
        return None
    earlier = sample.where(sample.days < starts[-1])
    gone = np.isin(sample.account_ids, earlier.account_ids[earlier.lost])
    later = sample.where((sample.days >= starts[-1]) & ~gone)
    return (earlier, later) if min(earlier.lost.sum(), later.lost.sum()) >= FEWEST_LOSSES else None


def fit_weights(points: np.ndarray, lost: np.ndarray, prior: np.ndarray, penalty: float = PENALTY) -> np.ndarray:
    """Return weights >= 0 that sum to 100 and minimise a logistic loss, shrunk toward the hand-set ones.

    Minimises sum(log(1 + e^z) - lost * z) + penalty / 2 * |u - s * prior|², z = a + x u, over a, s >= 0, u >= 0,
    where x is how far the points lie below their indicator's mean, in hundreds. A missing indicator takes the
    mean, so it speaks neither for nor against. The scale s is free: only the proportions of `prior` are preferred.
    The problem is convex; L-BFGS-B solves it.

    Args:
        points: rows x indicators, 0-100, nan where missing.
        lost: one boolean per row.
        prior: the hand-set weights.
        penalty: 0 forgets them.
    """
    from scipy.optimize import minimize

    below, share = _below_mean(points), prior / prior.sum()

    def loss(given: np.ndarray) -> tuple[float, np.ndarray]:
        start, scale, effects = given[0], given[1], given[2:]
        z, apart = start + below @ effects, effects - scale * share
        wrong = 1 / (1 + np.exp(-z)) - lost
        value = (np.logaddexp(0, z) - lost * z).sum() + penalty / 2 * apart @ apart
        slope = np.concatenate([[wrong.sum(), -penalty * share @ apart], below.T @ wrong + penalty * apart])
        return float(value), slope

    guess = np.concatenate([[np.log((lost.sum() + 0.5) / (~lost).sum())], [1.0], share])
    bounds = [(None, None), *[(0, None)] * (len(share) + 1)]
    effects = minimize(loss, guess, jac=True, bounds=bounds, method="L-BFGS-B").x[2:]
    # Nothing that tells losses apart: the hand-set weights are as good as any.
    return np.asarray(100 * (effects / effects.sum() if effects.sum() > 1e-6 else share))


def rounded(weights: np.ndarray) -> np.ndarray:
    """Round weights to tenths that sum to 100; every indicator keeps at least a tenth, so that it still shows."""
    above = np.maximum(weights / weights.sum() * TENTHS, 1) - 1
    exact = 1 + above * (TENTHS - len(weights)) / above.sum()
    floors = np.floor(exact + 1e-9)
    up = np.argsort(floors - exact, kind="stable")[: round(TENTHS - floors.sum())]
    floors[up] += 1
    return floors / 10


def weighted(points: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Score rows of points as a scorecard does: missing indicators are left out and the rest re-weighted."""
    present = ~np.isnan(points)
    total = np.where(present, weights, 0.0).sum(axis=1)
    return np.round(np.where(present, points, 0.0) @ weights / np.maximum(total, 1e-12), 1)


def fitted_card(card: Scorecard, weights: Sequence[float]) -> Scorecard:
    """Return the card with other weights, under its own id with `_fitted`; factors, points and bands stay."""
    left = iter(weights)
    factors = [_reweighted(factor, [next(left) for _ in factor.indicators]) for factor in card.factors]
    given = {"id": f"{card.id}_fitted", "title": f"{card.title}, fitted", "version": 1}
    return Scorecard.model_validate(
        {**card.model_dump(by_alias=True), **given, "factors": [f.model_dump(by_alias=True) for f in factors]}
    )


def _reweighted(factor: Factor, weights: list[float]) -> Factor:
    total = sum(weights)
    indicators = [i.model_copy(update={"share": w / total}) for i, w in zip(factor.indicators, weights, strict=True)]
    return factor.model_copy(update={"weight": round(total, 1), "indicators": tuple(indicators)})


def _below_mean(points: np.ndarray) -> np.ndarray:
    present = ~np.isnan(points)
    means = np.where(present, points, 0.0).sum(axis=0) / np.maximum(present.sum(axis=0), 1)
    return np.where(present, means - np.nan_to_num(points), 0.0) / 100


def _auc(sample: Sample, weights: np.ndarray) -> Estimate | None:
    return auc_of(weighted(sample.points, weights), sample.lost, sample.account_ids)
