"""A fitted model of leaving: the chance of it in each period ahead, for any horizon, and what makes it.

The hazard of a period is the chance to leave within it for an account that is still there at its beginning. Boosted
trees give its log-odds, and everything else follows: the chance to stay for any number of days, the window in which
an account would leave, the revenue to expect. Stored as plain numbers, checked when read; nothing is unpickled.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl

from scoring.churn.periods import LEADS, OWN, PERIOD, inputs_of

FORMAT = 1
FARTHEST = 61  # periods: five years, begun ones too
NODE = ("feature", "threshold", "missing_left", "left", "right", "value", "count")
MOST_NODES = 1000  # of one tree
FEW_ROWS = 200_000  # below, threads that wait for each other cost more than they bring


class ModelFileError(ValueError):
    """A stored model that is not as it was written; the message says what is wrong."""


@dataclass(frozen=True)
class Tree:
    """One tree: arrays by node, node 0 the root; a leaf has `left == 0`.

    Args:
        feature: the input that a node asks.
        threshold: a value up to it goes left.
        missing_left: whether an unknown value goes left.
        value: what a leaf adds to the log-odds.
        count: training rows that came through.
    """

    feature: np.ndarray
    threshold: np.ndarray
    missing_left: np.ndarray
    left: np.ndarray
    right: np.ndarray
    value: np.ndarray
    count: np.ndarray

    @cached_property
    def means(self) -> np.ndarray:
        """What each node adds on average over the training rows below it; children come after their parent."""
        mean = self.value.astype(float).copy()
        for node in range(len(mean) - 1, -1, -1):
            if self.left[node]:
                a, b = self.left[node], self.right[node]
                mean[node] = np.average([mean[a], mean[b]], weights=[max(self.count[a], 1), max(self.count[b], 1)])
        return mean

    @property
    def record(self) -> np.ndarray:
        """The nodes as scikit-learn's own predictor reads them."""
        from sklearn.ensemble._hist_gradient_boosting.common import PREDICTOR_RECORD_DTYPE

        nodes = np.zeros(len(self.value), dtype=PREDICTOR_RECORD_DTYPE)
        names = {"feature_idx": self.feature, "num_threshold": self.threshold, "missing_go_to_left": self.missing_left}
        for name, values in (names | {n: getattr(self, n) for n in ("left", "right", "value", "count")}).items():
            nodes[name] = values
        nodes["is_leaf"] = self.left == 0
        return nodes


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
    """Trees over account-periods, calibrated on later days than they were grown on.

    Args:
        columns: of the feature table, in the order of the inputs (`OWN` follows them).
        baseline: log-odds before any tree.
        slope, intercept: of the calibration, on the log-odds.
    """

    columns: tuple[str, ...]
    trees: tuple[Tree, ...]
    baseline: float
    slope: float = 1.0
    intercept: float = 0.0

    @property
    def inputs(self) -> tuple[str, ...]:
        return (*self.columns, *OWN)

    def log_odds(self, inputs: np.ndarray) -> np.ndarray:
        """Calibrated log-odds of leaving within one period, for rows of `inputs_of`."""
        return self.slope * self._raw(inputs) + self.intercept

    def hazards(self, table: pl.DataFrame, periods: int = LEADS) -> np.ndarray:
        """Return accounts x periods: the chance to leave within each period for who is still there."""
        leads = [_sigmoid(self.log_odds(inputs_of(table, self.columns, lead))) for lead in range(1, periods + 1)]
        return np.column_stack(leads) if leads else np.empty((table.height, 0))

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
            parts, start = self._parts(inputs)
            total += weight[:, None] * self.slope * parts
            base += weight * (self.slope * start + self.intercept)
            odds += weight * self.log_odds(inputs)
        return Explained(odds, base, total, self.inputs)

    def _raw(self, inputs: np.ndarray) -> np.ndarray:
        from sklearn.ensemble._hist_gradient_boosting._predictor import _predict_from_raw_data

        rows = np.ascontiguousarray(inputs, dtype=np.float64)
        total, one = np.full(len(rows), self.baseline), np.empty(len(rows))
        none, places = np.zeros((0, 8), dtype=np.uint32), np.zeros(rows.shape[1], dtype=np.uint32)
        threads = 1 if len(rows) < FEW_ROWS else 2
        for record in self._records:
            _predict_from_raw_data(record, rows, none, none, places, threads, one)
            total += one
        return total

    @cached_property
    def _records(self) -> list[np.ndarray]:
        return [tree.record for tree in self.trees]

    def _parts(self, inputs: np.ndarray) -> tuple[np.ndarray, float]:
        """What each input adds on the way through every tree, and where the way begins."""
        parts, start, rows = np.zeros(inputs.shape), self.baseline, np.arange(len(inputs))
        for tree in self.trees:
            start += tree.means[0]
            node = np.zeros(len(inputs), dtype=np.int64)
            while (inner := tree.left[node] > 0).any():
                asked = tree.feature[node]
                values = inputs[rows, asked]
                goes_left = np.where(
                    np.isnan(values), tree.missing_left[node].astype(bool), values <= tree.threshold[node]
                )
                after = np.where(inner, np.where(goes_left, tree.left[node], tree.right[node]), node)
                parts[rows, asked] += tree.means[after] - tree.means[node]  # each row once
                node = after
        return parts, start

    def to_text(self) -> str:
        """Write the model as JSON with a digest of its numbers."""
        body = {
            "format": FORMAT,
            "columns": list(self.columns),
            "baseline": self.baseline,
            "slope": self.slope,
            "intercept": self.intercept,
            "trees": [{name: getattr(tree, name).tolist() for name in NODE} for tree in self.trees],
        }
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
            trees = tuple(_tree(tree, len(columns) + len(OWN)) for tree in body["trees"])
            numbers = [float(body[name]) for name in ("baseline", "slope", "intercept")]
        except (AttributeError, KeyError, TypeError, ValueError, OverflowError, RecursionError) as error:
            if isinstance(error, ModelFileError):
                raise
            raise ModelFileError(f"the stored model cannot be read ({type(error).__name__}): train anew") from error
        if not np.isfinite(numbers).all():
            raise ModelFileError("the stored model holds numbers that are none: train anew")
        return cls(columns, trees, *numbers)


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


def _tree(fields: dict[str, Any], inputs: int) -> Tree:
    kinds = {"feature": np.int64, "missing_left": np.uint8, "left": np.int64, "right": np.int64, "count": np.int64}
    arrays = {name: np.array(fields[name], dtype=kinds.get(name, np.float64)) for name in NODE}
    size = len(arrays["value"])
    inner = arrays["left"] > 0
    place = np.arange(size)
    sound = (
        0 < size <= MOST_NODES
        and all(values.shape == (size,) for values in arrays.values())
        and np.isfinite(arrays["value"]).all()
        and np.isfinite(arrays["threshold"]).all()
        and (arrays["count"] >= 0).all()
        and ((arrays["feature"] >= 0) & (arrays["feature"] < inputs)).all()
        # Children lie behind their parent: every way ends.
        and all(((arrays[side] > place) & (arrays[side] < size))[inner].all() for side in ("left", "right"))
        and not any(arrays[side][~inner].any() for side in ("left", "right"))
    )
    if not sound:
        raise ModelFileError("the stored model has a tree that leads nowhere: train anew")
    return Tree(**arrays)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _sigmoid(log_odds: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-np.clip(log_odds, -500, 500)))
