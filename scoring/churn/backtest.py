"""Try a churn model on the past: fitted on what was known on a day, judged by what followed, again and again."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import polars as pl

from scoring.churn.evaluation import EarlyWarning, HorizonRecord, early_warning, horizon_record, reliability
from scoring.churn.linear import fit_linear
from scoring.churn.model import sigmoid, survival_at
from scoring.churn.periods import PERIOD, Periods, account_periods, inputs_of, useful_columns
from scoring.churn.training import TooLittleDataError, check_enough, fit_churn

FOLDS, FOLD_DAYS = 6, 60  # how often a model is fitted anew, and the days of origins that each is judged on
HORIZONS = ((0, 30), (30, 60), (0, 60), (0, 90))
JUDGED = (0, 60)  # the horizon that decides whether there is a signal at all
BUDGETS = (0.1, 0.2)
LEAST_AUC = 0.55  # the low end of its interval: a forecast that is less sure to beat chance is no forecast
PROBABILITIES = ("model", "logistic")
FORECASTERS = (*PROBABILITIES, "health", "recency")
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Backtest:
    """The record of the model and of simpler forecasters on the same origins, all out of time.

    Args:
        records: by horizon and forecaster.
        warnings: by alert budget and forecaster.
        rows: the forecasts themselves, see `scoring.churn.evaluation`, with `forecaster:first-last` columns.
        reliability: stated and observed shares of the model over the judged horizon.
    """

    until: date
    cutoffs: tuple[date, ...]
    accounts: int
    records: tuple[HorizonRecord, ...]
    warnings: tuple[EarlyWarning, ...]
    rows: pl.DataFrame
    reliability: pl.DataFrame

    def record(self, forecaster: str, horizon: tuple[int, int] = JUDGED) -> HorizonRecord:
        """Return one record."""
        return next(r for r in self.records if r.forecaster == forecaster and (r.first, r.last) == horizon)

    @property
    def no_signal(self) -> str | None:
        """Why the forecasts are not to be used; None when they are better than chance."""
        judged = self.record("model")
        if judged.auc is None:
            return f"{judged.losses} losses in the back-test: too few to judge a forecast"
        if judged.auc.low < LEAST_AUC:
            return (
                f"the back-test is not surely better than chance: AUC {judged.auc.value:.2f} "
                f"({judged.auc.low:.2f}–{judged.auc.high:.2f}), 0.50 being a coin"
            )
        if judged.brier_skill is not None and judged.brier_skill < 0:
            return f"its probabilities were worse than the plain base rate (Brier skill {judged.brier_skill:.3f})"
        return None


def backtest(
    history: pl.DataFrame,
    churned: pl.DataFrame,
    until: date,
    horizons: Sequence[tuple[int, int]] = HORIZONS,
    progress: Progress | None = None,
) -> Backtest:
    """Judge the model by rolling origins.

    At each cutoff a model is fitted on outcomes that were known then, and forecasts the origins of the next
    `FOLD_DAYS`; between the newest outcome learned from and the first forecast nothing is shared.

    Args:
        history: feature tables of several days with `day`, and `health` (0-100) where there is one.
        churned: `account_id, churned_on`.
        until: the last day of which is known who left.
        horizons: windows of days after the origin.

    Raises:
        TooLittleDataError: no cutoff has enough behind it.
    """
    asked = tuple(dict.fromkeys((*horizons, JUDGED, (0, 90))))
    cutoffs = _cutoffs(history, churned, until)
    parts = []
    for done, cutoff in enumerate(cutoffs):
        if progress:
            progress(done, len(cutoffs))
        parts.append(_forecast(history, churned, cutoff, asked))
    if progress:
        progress(len(cutoffs), len(cutoffs))
    rows = _with_outcomes(pl.concat(parts, how="diagonal_relaxed"), churned, until)
    return Backtest(
        until,
        cutoffs,
        rows["account_id"].n_unique(),
        tuple(_record(rows, name, window) for window in asked for name in FORECASTERS),
        tuple(early_warning(_chosen(rows, name, (0, 90)), name, budget) for budget in BUDGETS for name in FORECASTERS),
        rows,
        reliability(_chosen(rows, "model", JUDGED), "model", *JUDGED),
    )


def _cutoffs(history: pl.DataFrame, churned: pl.DataFrame, until: date) -> tuple[date, ...]:
    """The newest days with enough behind them to learn from."""
    newest = until - timedelta(days=FOLD_DAYS)
    wanted = [newest - timedelta(days=FOLD_DAYS * n) for n in reversed(range(FOLDS))]
    found, reason = [], TooLittleDataError("no day of the history has outcomes after it")
    for cutoff in wanted:
        if history.filter(_origins(cutoff)).is_empty():
            continue
        try:
            past = history.filter(pl.col("day") <= cutoff)
            check_enough(account_periods(past.select("account_id", "day"), churned, cutoff, ()), columns=False)
            if not useful_columns(past):
                raise TooLittleDataError("no column of the history varies between accounts")
            found.append(cutoff)
        except TooLittleDataError as error:
            reason = error
    if not found:
        raise reason
    return tuple(found)


def _origins(cutoff: date) -> pl.Expr:
    """The days that a model of this cutoff is judged on."""
    return (pl.col("day") > cutoff) & (pl.col("day") <= cutoff + timedelta(days=FOLD_DAYS))


def _forecast(
    history: pl.DataFrame, churned: pl.DataFrame, cutoff: date, horizons: Sequence[tuple[int, int]]
) -> pl.DataFrame:
    past = history.filter(pl.col("day") <= cutoff)
    table = history.filter(_origins(cutoff))
    days = sorted({day for window in horizons for day in window})
    model = fit_churn(past, churned, cutoff)
    surviving = {
        "model": model.survival(table, days),
        "logistic": survival_at(_logistic(past, churned, cutoff)(table, math.ceil(days[-1] / PERIOD)), days),
    }
    columns = {
        f"{name}:{first}-{last}": 1 - s[:, days.index(last)] / s[:, days.index(first)]
        for name, s in surviving.items()
        for first, last in horizons
    }
    health = -pl.col("health") if "health" in table.columns else pl.lit(None, pl.Float64)
    scores = [health.alias("health"), pl.col("days_since_use").alias("recency")]
    told = table.select("account_id", "day", (pl.col("arr") / 12).alias("mrr"), *scores)
    return told.with_columns(pl.Series(name, values) for name, values in columns.items())


def _logistic(past: pl.DataFrame, churned: pl.DataFrame, cutoff: date) -> Callable[[pl.DataFrame, int], np.ndarray]:
    """Fit logistic regression alone on the same account-periods, and return its hazards for so many periods."""
    columns = useful_columns(past)
    periods: Periods = account_periods(past, churned, cutoff, columns)
    line = fit_linear(periods.inputs, periods.lost, periods.weights)

    def hazards(table: pl.DataFrame, count: int) -> np.ndarray:
        leads = range(1, count + 1)
        return np.column_stack([sigmoid(line.log_odds(inputs_of(table, columns, lead))) for lead in leads])

    return hazards


def _with_outcomes(rows: pl.DataFrame, churned: pl.DataFrame, until: date) -> pl.DataFrame:
    gone = churned.filter(pl.col("churned_on") <= until).group_by("account_id").agg(pl.col("churned_on").min())
    both = rows.join(gone, on="account_id", how="left", maintain_order="left")
    return both.with_columns(
        (pl.col("churned_on") - pl.col("day")).dt.total_days().alias("left_after"),
        (pl.lit(until) - pl.col("day")).dt.total_days().alias("observed"),
    ).drop("churned_on")


def _chosen(rows: pl.DataFrame, forecaster: str, window: tuple[int, int]) -> pl.DataFrame:
    if forecaster not in PROBABILITIES:
        return rows
    return rows.with_columns(pl.col(f"{forecaster}:{window[0]}-{window[1]}").alias(forecaster))


def _record(rows: pl.DataFrame, forecaster: str, window: tuple[int, int]) -> HorizonRecord:
    return horizon_record(_chosen(rows, forecaster, window), forecaster, *window, forecaster in PROBABILITIES)
