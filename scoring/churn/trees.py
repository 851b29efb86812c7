"""Boosted trees as plain arrays: grown by scikit-learn, evaluated, split by input, checked when read."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from scoring.churn.parts import ModelFileError

NODE = ("feature", "threshold", "missing_left", "left", "right", "value", "count")
MOST_NODES = 1000  # of one tree
BLOCK = 1000  # rows that all trees look at while they are in the cache
FEW_ROWS = 200_000  # below, threads that wait for each other cost more than they bring
PARAMETERS: dict[str, Any] = {
    "max_iter": 150,
    "learning_rate": 0.08,
    "max_leaf_nodes": 15,
    "min_samples_leaf": 20,
    "l2_regularization": 2.0,
    "max_features": 0.5,
    "early_stopping": False,
    "random_state": 0,
}


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
class Forest:
    """Trees whose values add up.

    Args:
        trees: in the order in which they were grown.
        baseline: log-odds before any tree.
    """

    trees: tuple[Tree, ...]
    baseline: float

    def log_odds(self, inputs: np.ndarray) -> np.ndarray:
        """Return the value of each row."""
        from sklearn.ensemble._hist_gradient_boosting._predictor import _predict_from_raw_data

        rows = np.ascontiguousarray(inputs, dtype=np.float64)
        total = np.full(len(rows), self.baseline)
        none, places = np.zeros((0, 8), dtype=np.uint32), np.zeros(rows.shape[1], dtype=np.uint32)
        for start in range(0, len(rows), BLOCK):
            block, sum_ = rows[start : start + BLOCK], total[start : start + BLOCK]
            one = np.empty(len(block))
            for record in self._records:
                _predict_from_raw_data(record, block, none, none, places, 1, one)
                sum_ += one
        return total

    @cached_property
    def _records(self) -> list[np.ndarray]:
        return [tree.record for tree in self.trees]

    def parts(self, inputs: np.ndarray) -> tuple[np.ndarray, float]:
        """Return what each input adds on the way through every tree, and where the way begins."""
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

    def to_plain(self) -> dict[str, Any]:
        """Write it as lists of numbers."""
        trees = [{name: getattr(tree, name).tolist() for name in NODE} for tree in self.trees]
        return {"baseline": self.baseline, "trees": trees}

    @classmethod
    def from_plain(cls, body: Mapping[str, Any], inputs: int) -> "Forest":
        """Read what `to_plain` wrote.

        Raises:
            ModelFileError: trees that lead nowhere.
        """
        return cls(tuple(_read(tree, inputs) for tree in body["trees"]), float(body["baseline"]))


def grow(inputs: np.ndarray, lost: np.ndarray, weights: np.ndarray) -> Forest:
    """Grow trees on rows with their outcome.

    Args:
        inputs: rows x inputs, nan where unknown.
        lost: the outcome of each row.
        weights: how many rows each stands for: 1 for a loss, the same for all others.
    """
    from sklearn.ensemble import HistGradientBoostingClassifier
    from threadpoolctl import threadpool_limits

    # A column without any value breaks the binning; one that does not vary is never asked.
    known = np.where(np.isnan(inputs).all(axis=0), 0.0, inputs)
    forest: Any = HistGradientBoostingClassifier(**PARAMETERS)
    with threadpool_limits(1 if len(inputs) < FEW_ROWS else None):
        forest.fit(known, lost)
    trees = tuple(_grown(stage[0].nodes) for stage in forest._predictors)
    # Sampled rows without a loss make a loss look likelier, by just this much.
    return Forest(trees, float(forest._baseline_prediction.ravel()[0]) - math.log(weights.max()))


def _grown(nodes: np.ndarray) -> Tree:
    leaf = nodes["is_leaf"].astype(bool)
    return Tree(
        feature=nodes["feature_idx"].astype(np.int64),
        # "Known or not" is asked with an infinite threshold, which no JSON can hold.
        threshold=np.nan_to_num(nodes["num_threshold"].astype(float)),
        missing_left=nodes["missing_go_to_left"].astype(np.uint8),
        left=np.where(leaf, 0, nodes["left"]).astype(np.int64),
        right=np.where(leaf, 0, nodes["right"]).astype(np.int64),
        value=np.where(leaf, nodes["value"], 0.0),
        count=nodes["count"].astype(np.int64),
    )


def _read(fields: dict[str, Any], inputs: int) -> Tree:
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
