"""Logistic regression on ranks: each input by its place among the values seen, as a normal score, times a weight."""

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np

from scoring.churn.parts import ModelFileError

KNOTS = 101  # quantiles of an input that are kept
FARTHEST_SCORE = 3.0  # standard deviations: an outlier weighs no more
PENALTY = 0.01  # of scikit-learn's `C`: the lower, the nearer the weights stay to 0
MOST_ROWS = 100_000  # that are learned from; beyond, those without a loss are sampled and weighted


@dataclass(frozen=True)
class Linear:
    """A weighted sum of normal scores; an unknown value scores 0, as the median does.

    Args:
        knots: by input, its values at rising quantiles, each value once.
        scores: by input, the normal score at each knot.
        weights: by input, log-odds per standard deviation.
        means: by input, the mean score of the training rows.
        intercept: log-odds of a row that is the median in everything.
    """

    knots: tuple[np.ndarray, ...]
    scores: tuple[np.ndarray, ...]
    weights: np.ndarray
    means: np.ndarray
    intercept: float

    def log_odds(self, inputs: np.ndarray) -> np.ndarray:
        """Return the value of each row."""
        return self.intercept + self.weighed(inputs, range(len(self.weights)))

    def weighed(self, inputs: np.ndarray, columns: range) -> np.ndarray:
        """Return what some of the inputs add to each row, against the median."""
        total = np.zeros(len(inputs))
        for k in columns:
            total += self.weights[k] * self._score(inputs[:, k], k)
        return total

    def parts(self, inputs: np.ndarray) -> tuple[np.ndarray, float]:
        """Return what each input adds against the mean of the training rows, and what that mean has."""
        scores = np.column_stack([self._score(inputs[:, k], k) for k in range(len(self.weights))])
        return (scores - self.means) * self.weights, float(self.intercept + self.weights @ self.means)

    def shift(self, inputs: np.ndarray) -> np.ndarray:
        """Return by input how far its mean lies from that of the training rows, in standard deviations."""
        return np.array([self._score(inputs[:, k], k).mean() for k in range(len(self.means))]) - self.means

    def _score(self, values: np.ndarray, k: int) -> np.ndarray:
        return _score(values, self.knots[k], self.scores[k])

    def to_plain(self) -> dict[str, Any]:
        """Write it as lists of numbers."""
        return {
            "knots": [k.tolist() for k in self.knots],
            "scores": [s.tolist() for s in self.scores],
            "weights": self.weights.tolist(),
            "means": self.means.tolist(),
            "intercept": self.intercept,
        }

    @classmethod
    def from_plain(cls, body: Mapping[str, Any], inputs: int) -> "Linear":
        """Read what `to_plain` wrote.

        Raises:
            ModelFileError: knots, scores or weights that do not fit each other.
        """
        knots, scores = (tuple(np.array(v, dtype=float) for v in body[name]) for name in ("knots", "scores"))
        weights, means = (np.array(body[name], dtype=float) for name in ("weights", "means"))
        sound = (
            len(knots) == len(scores) == inputs
            and weights.shape == means.shape == (inputs,)
            and all(0 < len(k) == len(s) and (np.diff(k) > 0).all() for k, s in zip(knots, scores, strict=True))
            and all(np.isfinite(v).all() for v in (*knots, *scores, weights, means))
        )
        if not sound:
            raise ModelFileError("the stored model has weights that fit no input: train anew")
        return cls(knots, scores, weights, means, float(body["intercept"]))


def fit_linear(inputs: np.ndarray, lost: np.ndarray, weights: np.ndarray) -> Linear:
    """Fit the weights.

    Args:
        inputs: rows x inputs, nan where unknown.
        lost: the outcome of each row.
        weights: how many rows each stands for.
    """
    from sklearn.linear_model import LogisticRegression
    from threadpoolctl import threadpool_limits

    kept, weights = _sampled(lost, weights)
    rows = inputs[kept]
    ranks = [_ranks(rows[:, k]) for k in range(rows.shape[1])]
    scores = np.column_stack([_score(rows[:, k], *rank) for k, rank in enumerate(ranks)])
    with threadpool_limits(1):
        line = LogisticRegression(C=PENALTY, max_iter=300).fit(scores, lost[kept], sample_weight=weights)
    knots, places = zip(*ranks, strict=True)
    return Linear(knots, places, line.coef_[0], scores.mean(axis=0), float(line.intercept_[0]))


def _sampled(lost: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Which rows to learn from, and what each then stands for."""
    here = np.flatnonzero(~lost)
    most = max(MOST_ROWS - int(lost.sum()), 1)
    if len(here) <= most:
        return np.arange(len(lost)), weights
    chosen = np.sort(np.concatenate([np.flatnonzero(lost), np.random.default_rng(0).choice(here, most, False)]))
    return chosen, np.where(lost[chosen], weights[chosen], weights[chosen] * len(here) / most)


def _ranks(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The values of an input at rising quantiles with their normal scores.

    Equal values share their mean score, but the least and the most keep theirs however many have them: "none at
    all" is far from "a little".
    """
    known = values[~np.isnan(values)]
    if not len(known):
        return np.zeros(1), np.zeros(1)
    shares = np.linspace(0, 1, KNOTS)
    edge = NormalDist().cdf(-FARTHEST_SCORE)
    scores = np.array([NormalDist().inv_cdf(float(share)) for share in shares.clip(edge, 1 - edge)])
    knots, places = np.unique(np.quantile(known, shares), return_inverse=True)
    shared = np.bincount(places, scores) / np.bincount(places)
    if len(knots) > 1:
        shared[[0, -1]] = -FARTHEST_SCORE, FARTHEST_SCORE
    return knots, shared


def _score(values: np.ndarray, knots: np.ndarray, scores: np.ndarray) -> np.ndarray:
    return np.nan_to_num(np.interp(values, knots, scores), nan=0.0)
