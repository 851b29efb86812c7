"""A fitted model of leaving: the chance of it in each period ahead, for any horizon, and what makes it.

The hazard of a period is the chance to leave within it for an account that is still there at its beginning. A blend
of boosted trees and logistic regression gives its log-odds, and everything else follows: the chance to stay for any
number of days, the window in which an account would leave, the revenue to expect. Stored as plain numbers, checked
when read; nothing is unpickled.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from scoring.churn.blend import Blend
from scoring.churn.parts import ModelFileError
from scoring.churn.periods import LEADS, OWN, PERIOD, inputs_of, own_of

FORMAT = 2
FARTHEST = 61  # periods: five years, begun ones too


@dataclass(frozen=True)
class Explained:
    """What makes the forecasts of some accounts; row i belongs to account i.

    Args:
        log_odds: of leaving, mean over the periods within the horizon, each by its part in the risk.
        base: the same for the average account of the training data.
        contributions: accounts x inputs; each row sums, with the base, exactly to the log-odds.
    """

    log_odds: np.ndarray
    base: np.ndarray
    contributions: np.ndarray
    inputs: tuple[str, ...]


@dataclass(frozen=True)
class ChurnModel:
    """What was fitted on account-periods, for every horizon.

    Args:
        columns: of the feature table, in the order of the inputs (`OWN` follows them).
        blend: calibrated on later days than it was fitted on.
    """

    columns: tuple[str, ...]
    blend: Blend

    @property
    def inputs(self) -> tuple[str, ...]:
        return (*self.columns, *OWN)

    def hazards(self, table: pl.DataFrame, periods: int = LEADS) -> np.ndarray:
        """Return accounts x periods: the chance to leave within each period for who is still there."""
        own = (own_of(table, lead) for lead in range(1, periods + 1))
        odds = self.blend.log_odds_of_each(inputs_of(table, self.columns, 1), own)
        return np.column_stack([sigmoid(each) for each in odds]) if odds else np.empty((table.height, 0))

    def survival(self, table: pl.DataFrame, days: Sequence[float]) -> np.ndarray:
        """Return accounts x days: the chance to be still there after so many days; falls with them.

        Raises:
            ValueError: for days below 0 or beyond `FARTHEST` periods.
        """
        return survival_at(self.hazards(table, _periods(days)), days)

    def explain(self, table: pl.DataFrame, days: int) -> Explained:
        """Split the log-odds of some accounts into what each input adds.

        Raises:
            ValueError: for days below 0 or beyond `FARTHEST` periods.
        """
        periods = _periods([days])
        hazards = self.hazards(table, periods)
        weights = hazards / hazards.sum(axis=1, keepdims=True)
        total, base = np.zeros((table.height, len(self.inputs))), np.zeros(table.height)
        odds = np.zeros(table.height)
        for lead in range(1, periods + 1):
            inputs, weight = inputs_of(table, self.columns, lead), weights[:, lead - 1]
            parts, start = self.blend.parts(inputs)
            total += weight[:, None] * parts
            base += weight * start
            odds += weight * self.blend.log_odds(inputs)
        return Explained(odds, base, total, self.inputs)

    def drift(self, table: pl.DataFrame) -> dict[str, float]:
        """Return how far each input has moved since training, in standard deviations of its ranks.

        Args:
            table: accounts of one day; an empty one has moved nowhere.
        """
        if table.is_empty():
            return dict.fromkeys(self.columns, 0.0)
        moved = self.blend.linear.shift(inputs_of(table, self.columns, 1))
        return dict(zip(self.columns, moved.tolist(), strict=False))

    def to_text(self) -> str:
        """Write the model as JSON with a digest of its numbers."""
        body = {"format": FORMAT, "columns": list(self.columns), **self.blend.to_plain()}
        text = json.dumps(body, separators=(",", ":"), allow_nan=False)
        return json.dumps({"digest": _digest(text), "model": text})

    @classmethod
    def from_text(cls, text: str) -> "ChurnModel":
        """Read what `to_text` wrote.

        Raises:
            ModelFileError: another format, a changed file, or trees that lead nowhere.
        """
        try:
            outer = json.loads(text)
            if _digest(outer["model"]) != outer["digest"]:
                raise ModelFileError("the stored model was changed after it was written: train anew")
            body = json.loads(outer["model"])
            if body["format"] != FORMAT:
                raise ModelFileError(
                    f"the stored model has format {body['format']}, this version reads {FORMAT}: train anew"
                )
            columns = tuple(map(str, body["columns"]))
            blend = Blend.from_plain(body, len(columns) + len(OWN))
            numbers = [*blend.shares, blend.intercept, blend.forest.baseline, blend.linear.intercept]
        except (AttributeError, KeyError, TypeError, ValueError, OverflowError, RecursionError) as error:
            if isinstance(error, ModelFileError):
                raise
            raise ModelFileError(f"the stored model cannot be read ({type(error).__name__}): train anew") from error
        if not np.isfinite(numbers).all():
            raise ModelFileError("the stored model holds numbers that are none: train anew")
        return cls(columns, blend)


def survival_at(hazards: np.ndarray, days: Sequence[float]) -> np.ndarray:
    """Turn accounts x periods of hazards into accounts x days of survival; within a period its hazard is even."""
    logs = np.log1p(-np.clip(hazards, 0.0, 1 - 1e-12))
    whole = np.column_stack([np.zeros(len(hazards)), logs.cumsum(axis=1)])
    found = []
    for day in days:
        period = min(int(day // PERIOD), hazards.shape[1])
        rest = day / PERIOD - period
        partly = rest * logs[:, period] if period < hazards.shape[1] else 0.0
        found.append(np.exp(whole[:, period] + partly))
    return np.column_stack(found) if found else np.empty((len(hazards), 0))


def _periods(days: Sequence[float]) -> int:
    """How many periods reach as far as all of the days, at least one."""
    if not all(0 <= day <= FARTHEST * PERIOD for day in days):
        raise ValueError(f"days ahead must lie between 0 and {FARTHEST * PERIOD}")
    return max(int(np.ceil(max(days, default=0) / PERIOD)), 1)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def sigmoid(log_odds: np.ndarray) -> np.ndarray:
    """Turn log-odds into chances."""
    return 1 / (1 + np.exp(-np.clip(log_odds, -500, 500)))
