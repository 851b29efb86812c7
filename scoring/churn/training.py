"""Fit a churn model, and say plainly when there is too little to fit one on."""

import math
from datetime import date
from typing import Any

import numpy as np
import polars as pl

from scoring.churn.model import FEW_ROWS, ChurnModel, Tree
from scoring.churn.periods import PERIOD, Periods, account_periods, useful_columns

FEWEST_LOST = 30  # accounts that left with features from before: below, a model learns their names
FEWEST_ACCOUNTS = 60
LATEST = 0.25  # share of the origin days, the newest, that calibrate
SHRINK = 20.0  # losses' worth of belief that the trees are calibrated as they are
PARAMETERS: dict[str, Any] = {
    "max_iter": 150,
    "learning_rate": 0.05,
    "max_leaf_nodes": 8,
    "min_samples_leaf": 40,
    "l2_regularization": 5.0,
    "max_features": 0.3,
    "early_stopping": False,
    "random_state": 0,
}


class TooLittleDataError(ValueError):
    """Not enough history to learn from; the message says what there is and what it takes."""


def fit_churn(history: pl.DataFrame, churned: pl.DataFrame, until: date) -> ChurnModel:
    """Fit one model for every horizon on what was known until a day.

    Args:
        history: feature tables of several days with their `day`, see `account_periods`.
        churned: `account_id, churned_on`.
        until: the last day of which is known who left.

    Raises:
        TooLittleDataError: fewer than `FEWEST_LOST` losses or `FEWEST_ACCOUNTS` accounts, nobody who stayed, or
            nothing that varies.
    """
    columns = useful_columns(history.filter(pl.col("day") <= until))
    periods = account_periods(history, churned, until, columns)
    check_enough(periods)
    slope, intercept = _calibration(periods)
    return _grown(periods, slope, intercept)


def check_enough(periods: Periods, columns: bool = True) -> None:
    """Refuse to learn from too little.

    Args:
        columns: whether there must be something to learn from, too.

    Raises:
        TooLittleDataError: with the counts.
    """
    lost = len(np.unique(periods.accounts[periods.lost]))
    accounts = len(np.unique(periods.accounts))
    if lost < FEWEST_LOST or accounts < FEWEST_ACCOUNTS:
        raise TooLittleDataError(
            f"{lost} of {accounts} accounts left in the history that can be learned from; "
            f"it takes {FEWEST_LOST} losses among {FEWEST_ACCOUNTS} accounts"
        )
    if periods.lost.all():
        raise TooLittleDataError(
            f"each of the {len(periods.lost)} account-periods that can be learned from ended in a loss; "
            "it takes some that did not"
        )
    if columns and not periods.columns:
        raise TooLittleDataError("no column of the history varies between accounts")


def _grown(periods: Periods, slope: float = 1.0, intercept: float = 0.0) -> ChurnModel:
    from sklearn.ensemble import HistGradientBoostingClassifier
    from threadpoolctl import threadpool_limits

    # A column without any value breaks the binning; one that does not vary is never asked.
    inputs = np.where(np.isnan(periods.inputs).all(axis=0), 0.0, periods.inputs)
    forest: Any = HistGradientBoostingClassifier(**PARAMETERS)
    with threadpool_limits(1 if len(inputs) < FEW_ROWS else None):
        forest.fit(inputs, periods.lost)
    trees = tuple(_tree(stage[0].nodes) for stage in forest._predictors)
    # Sampled rows without a loss make a loss look likelier, by just this much.
    baseline = float(forest._baseline_prediction.ravel()[0]) - math.log(periods.weights.max())
    return ChurnModel(periods.columns, trees, baseline, slope, intercept)


def _tree(nodes: np.ndarray) -> Tree:
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


def _calibration(periods: Periods) -> tuple[float, float]:
    """Slope and intercept that make the log-odds true on days later than those the trees were grown on.

    Few losses move them little: they are blended with "as they are".
    """
    days = np.unique(periods.days)
    if len(days) < 2:
        return 1.0, 0.0
    first = days[max(1, int(len(days) * (1 - LATEST)))]
    # What the trees learn from must have ended before: the same loss on both sides would make them look too sure.
    ahead = periods.inputs[:, -1] * PERIOD
    newest = periods.days >= first
    before = periods.days + ahead.astype("timedelta64[D]") <= first
    if periods.lost[newest].sum() < 5 or periods.lost[before].sum() < 5 or periods.lost[before].all():
        return 1.0, 0.0
    early, late = _grown(periods.part(before)), periods.part(newest)
    return _platt(early.log_odds(late.inputs), late.lost.astype(float), late.weights)


def _platt(odds: np.ndarray, lost: np.ndarray, weights: np.ndarray) -> tuple[float, float]:
    """Fit a logistic line by Newton's steps, pulled towards slope 1 and intercept 0."""
    design = np.column_stack([odds - odds.mean(), np.ones(len(odds))])
    pull = SHRINK * np.array([1.0, 0.05])
    start = np.array([1.0, odds.mean()])

    def misfit(line: np.ndarray) -> float:
        at = design @ line
        return float(weights @ (np.logaddexp(0, at) - lost * at) + (pull * (line - start) ** 2).sum() / 2)

    line = start.copy()
    for _ in range(50):
        chance = (1 + np.tanh(design @ line / 2)) / 2
        gradient = design.T @ (weights * (lost - chance)) - pull * (line - start)
        bend = (design * (weights * chance * (1 - chance))[:, None]).T @ design + np.diag(pull)
        step = np.linalg.solve(bend, gradient)
        # Far from the aim a whole step may lead farther away.
        while misfit(line + step) > misfit(line) and np.abs(step).max() > 1e-8:
            step = step / 2
        line = line + step
        if np.abs(step).max() < 1e-8:
            break
    slope = float(np.clip(line[0], 0.2, 2.0))
    return slope, float(line[1] - slope * odds.mean())
