"""Trees and a line together: each weighs as much as it was worth on days that neither had seen."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from scoring.churn.linear import Linear, fit_linear
from scoring.churn.trees import Forest, grow

SHRINK = 20.0  # losses' worth of belief that both are right and deserve the same say
FEWEST_LATE = 5  # losses on either side: with fewer, both have the same say
MOST_SAY = 2.0


@dataclass(frozen=True)
class Blend:
    """Calibrated log-odds: `shares[0]` x trees + `shares[1]` x line + intercept."""

    forest: Forest
    linear: Linear
    shares: tuple[float, float] = (0.5, 0.5)
    intercept: float = 0.0

    def log_odds(self, inputs: np.ndarray) -> np.ndarray:
        """Return the value of each row."""
        trees, line = self.forest.log_odds(inputs), self.linear.log_odds(inputs)
        return self.shares[0] * trees + self.shares[1] * line + self.intercept

    def log_odds_of_each(self, inputs: np.ndarray, changes: Iterable[np.ndarray]) -> list[np.ndarray]:
        """Return the value of each row with its last inputs replaced by each of some, one after the other.

        Args:
            inputs: rows x inputs; its last columns are overwritten.
            changes: rows x last inputs, of the same width each.
        """
        found, line, count = [], None, inputs.shape[1]
        for last in changes:
            inputs[:, count - last.shape[1] :] = last
            if line is None:
                line = self.linear.intercept + self.linear.weighed(inputs, range(count - last.shape[1]))
            full = line + self.linear.weighed(inputs, range(count - last.shape[1], count))
            found.append(self.shares[0] * self.forest.log_odds(inputs) + self.shares[1] * full + self.intercept)
        return found

    def parts(self, inputs: np.ndarray) -> tuple[np.ndarray, float]:
        """Return rows x inputs of what each input adds, and what the average training row has."""
        trees, grown = self.forest.parts(inputs)
        line, middle = self.linear.parts(inputs)
        start = self.shares[0] * grown + self.shares[1] * middle + self.intercept
        return self.shares[0] * trees + self.shares[1] * line, start

    def to_plain(self) -> dict[str, Any]:
        """Write it as lists of numbers."""
        own = {"shares": list(self.shares), "intercept": self.intercept}
        return {**own, "forest": self.forest.to_plain(), "linear": self.linear.to_plain()}

    @classmethod
    def from_plain(cls, body: Mapping[str, Any], inputs: int) -> "Blend":
        """Read what `to_plain` wrote.

        Raises:
            ModelFileError: a part that cannot be used.
        """
        first, second = body["shares"]
        halves = Forest.from_plain(body["forest"], inputs), Linear.from_plain(body["linear"], inputs)
        return cls(*halves, (float(first), float(second)), float(body["intercept"]))


def fit_blend(inputs: np.ndarray, lost: np.ndarray, weights: np.ndarray, early: np.ndarray, late: np.ndarray) -> Blend:
    """Fit both on all rows, and their say on `late` rows by what they had learned from `early` ones.

    Args:
        inputs: rows x inputs, nan where unknown.
        lost: the outcome of each row.
        weights: how many rows each stands for: 1 for a loss, the same for all others.
        early, late: masks of rows; what late rows tell must not be known from early ones.
    """
    shares, intercept = (0.5, 0.5), 0.0
    if min(lost[late].sum(), lost[early].sum()) >= FEWEST_LATE and not lost[early].all():
        before = inputs[early], lost[early], weights[early]
        odds = np.column_stack([half.log_odds(inputs[late]) for half in (grow(*before), fit_linear(*before))])
        shares, intercept = _say(odds, lost[late].astype(float), weights[late])
    return Blend(grow(inputs, lost, weights), fit_linear(inputs, lost, weights), shares, intercept)


def _say(odds: np.ndarray, lost: np.ndarray, weights: np.ndarray) -> tuple[tuple[float, float], float]:
    """Fit the weights of both by penalised likelihood, pulled towards one half each and no shift."""
    from scipy.optimize import minimize

    start = np.array([0.5, 0.5, 0.0])
    middle = odds.mean(axis=0)
    design = np.column_stack([odds - middle, np.ones(len(odds))])
    # The shift is stated at the middle of the rows, where it does not hang on the other two.
    start[2] = start[:2] @ middle
    pull = SHRINK * np.array([1.0, 1.0, 0.05])

    def misfit(line: np.ndarray) -> tuple[float, np.ndarray]:
        at, off = design @ line, line - start
        value = weights @ (np.logaddexp(0, at) - lost * at) + (pull * off**2).sum() / 2
        slope = design.T @ (weights * ((1 + np.tanh(at / 2)) / 2 - lost)) + pull * off
        return float(value), slope

    bounds = [(0.0, MOST_SAY), (0.0, MOST_SAY), (None, None)]
    line = minimize(misfit, start, jac=True, bounds=bounds, method="L-BFGS-B").x
    first, second = float(line[0]), float(line[1])
    return (first, second), float(line[2] - line[:2] @ middle)
