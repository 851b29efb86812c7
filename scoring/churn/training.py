"""Fit a churn model, and say plainly when there is too little to fit one on."""

from datetime import date

import numpy as np
import polars as pl

from scoring.churn.blend import fit_blend
from scoring.churn.model import ChurnModel
from scoring.churn.periods import PERIOD, Periods, account_periods, useful_columns

FEWEST_LOST = 30  # accounts that left with features from before: below, a model learns their names
FEWEST_ACCOUNTS = 60
LATEST = 0.25  # share of the origin days, the newest, that calibrate


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
    blend = fit_blend(periods.inputs, periods.lost, periods.weights, *_early_and_late(periods))
    return ChurnModel(periods.columns, blend)


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


def _early_and_late(periods: Periods) -> tuple[np.ndarray, np.ndarray]:
    """Rows of the newest days, and those that had ended before: the same loss on both sides would look too sure."""
    days = np.unique(periods.days)
    first = days[min(max(1, int(len(days) * (1 - LATEST))), len(days) - 1)]
    ahead = periods.inputs[:, -1] * PERIOD
    return periods.days + ahead.astype("timedelta64[D]") <= first, periods.days >= first
