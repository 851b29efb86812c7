"""How well forecasts of loss foretold who left, on predictions made out of time.

Predictions are one row per account and origin day:
- `account_id`, `day`: the account and the day of the forecast (origin).
- `mrr`: what it paid on that day; null when unknown.
- `left_after`: days from the origin to the loss; null when the account did not leave as far as is known.
- `observed`: days after the origin of which is known who left, whether or not this account did.
- a column of floats per forecaster, higher for a higher risk; null or nan where it said nothing. Such rows do not
  count in its figures, except that a loss without a forecast was not warned of.

No figure depends on the order of the rows.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import polars as pl

from scoring.health import FEWEST_LOSSES
from scoring.honesty import SEED, Estimate, bootstrap, weighted_auc

BINS = 10  # of equal count, in which stated and observed shares are compared
TOP = 0.1  # share of the rows that the lift is about
SLIP = 1e-9  # of a row: so that a tenth of thirty rows, 3.0000000000000004, is not rounded up to four
TINY = float(np.finfo(float).eps)  # the least distance of a probability from 0 and 1 where its logarithm is taken
STEPS, CLOSE = 50, 1e-9  # of the search for the calibration slope: how many at most, and the change that ends it


@dataclass(frozen=True)
class HorizonRecord:
    """A forecaster's record over a window of days after the origins.

    The figures below `majority_rate` are None with fewer than `FEWEST_LOSSES` losses, or when every row was lost;
    those below `lift_at_10` are also None for a score that is no probability.

    Args:
        first, last: the window, days after the origin: later than `first`, not later than `last`.
        rows: forecasts with a known outcome of accounts that had not left by `first`.
        unscored: such rows without a forecast; not in `rows`.
        accounts: accounts of `rows`.
        lost: rows lost within the window; one loss counts for every origin before it.
        losses: losses behind `lost`, each once.
        base_rate: `lost` of `rows`; this and the next are None without rows.
        majority_rate: how often it would be right to say the same of every row.
        auc: chance that a lost row was forecast a higher risk than one that stayed; ties count half.
        average_precision: mean precision of "this risk or higher" over the lost rows; `base_rate` by chance.
        lift_at_10: share lost of the riskiest tenth of the rows, in multiples of `base_rate`.
        brier_skill: 1 - Brier score / Brier score of always stating `base_rate`; 1 is perfect, 0 useless.
        log_loss: mean negative log-likelihood, nats.
        calibration_slope: of the logistic regression of the outcome on the stated log-odds; 1 when well calibrated,
            below 1 when overconfident. None when no finite slope exists: stated risks all alike, or such that one
            threshold parts lost and stayed.
        calibration_error: mean distance of stated and observed shares over `BINS` bins of equal count.
        accuracy: share right when a loss is foretold from one half upward; see `majority_rate`.
    """

    forecaster: str
    first: int
    last: int
    rows: int
    unscored: int
    accounts: int
    lost: int
    losses: int
    base_rate: float | None = None
    majority_rate: float | None = None
    auc: Estimate | None = None
    average_precision: Estimate | None = None
    lift_at_10: float | None = None
    brier_skill: float | None = None
    log_loss: float | None = None
    calibration_slope: float | None = None
    calibration_error: float | None = None
    accuracy: float | None = None


@dataclass(frozen=True)
class EarlyWarning:
    """What alerts to the riskiest share of the accounts at every origin would have told of the losses.

    The figures below `warned` are None with fewer than `FEWEST_LOSSES` losses.

    Args:
        budget: the share of the accounts that gets an alert at an origin.
        first, last: how many days before the loss, inclusive, an alert is in time.
        alerts: alerts at all origins; one account may count at several.
        judged: of them, with a known outcome `last` days later.
        left: losses with an origin in time.
        caught: of them, with an alert in time.
        warned: of `left`, with an alert at most `last` days before the loss, in time or too late.
        recall: `caught` of `left`.
        by_chance: the recall of alerts drawn by lot. Far above `budget` with many origins in time, and a forecaster
            whose ranking is unsteady comes near it without knowing anything.
        precision: share of `judged` lost within `last` days; None without any.
        lead_days: median days from the first of these alerts to the loss, over `warned`; None with fewer than
            `FEWEST_LOSSES` of them.
        revenue_recall: share caught of what the lost accounts paid at their last origin in time; unknown revenue
            counts as 0, and without any this is None.
    """

    forecaster: str
    budget: float
    first: int
    last: int
    alerts: int
    judged: int
    left: int
    caught: int
    warned: int
    recall: Estimate | None = None
    by_chance: float | None = None
    precision: float | None = None
    lead_days: float | None = None
    revenue_recall: float | None = None


def horizon_record(rows: pl.DataFrame, forecaster: str, first: int, last: int, is_probability: bool) -> HorizonRecord:
    """Compare a forecaster's column with who left in a window of days after the origins.

    Args:
        rows: see the module.
        forecaster: name of the column.
        first, last: the window (first, last], days after the origin.
        is_probability: whether the column states the probability of a loss in the window.

    Raises:
        ValueError: the window is empty, or a probability lies outside 0-1.
    """
    window = _window(rows, first, last, forecaster)
    told = window.drop_nulls(forecaster)
    forecast, lost = told[forecaster].to_numpy(), told["lost"].to_numpy()
    if is_probability and not ((forecast >= 0) & (forecast <= 1)).all():
        raise ValueError(f"{forecaster} holds values outside 0-1, which are no probabilities")
    figures: dict[str, Estimate | float | None] = {}
    if told.height:
        figures |= {"base_rate": float(lost.mean()), "majority_rate": float(max(lost.mean(), 1 - lost.mean()))}
    if _can_tell(told):
        figures |= _order_figures(forecast, lost, told["account_id"].to_numpy())
        figures |= _probability_figures(forecast, lost) if is_probability else {}
    return HorizonRecord(
        forecaster=forecaster,
        first=first,
        last=last,
        rows=told.height,
        unscored=window.height - told.height,
        accounts=told["account_id"].n_unique(),
        lost=int(lost.sum()),
        losses=_losses(told),
        **figures,  # type: ignore[arg-type]
    )


def early_warning(rows: pl.DataFrame, forecaster: str, budget: float, first: int = 30, last: int = 90) -> EarlyWarning:
    """Count the losses that came with an alert in time, if the riskiest accounts of every origin had got one.

    Alerts are rounded up to whole ones; among equal risks at the edge of the budget they go to a seeded choice.

    Args:
        rows: see the module.
        forecaster: name of the column.
        budget: share of an origin's accounts that get an alert; above 0, at most 1.
        first, last: days before the loss, inclusive, at which an alert is in time.

    Raises:
        ValueError: the budget or the days are out of range.
    """
    if not 0 < budget <= 1 or not 0 <= first <= last:
        raise ValueError(f"no budget or no days: {budget}, {first}-{last}")
    alerts = _alerts(rows, forecaster, budget)
    sent = alerts.filter("alert")
    judged = sent.filter(pl.col("observed") >= last)
    losses = _foretold(alerts, first, last)
    leads, caught = losses["lead"].drop_nulls(), losses["caught"].to_numpy()
    counts = (sent.height, judged.height, losses.height, int(caught.sum()), leads.len())
    if losses.height < FEWEST_LOSSES:
        return EarlyWarning(forecaster, budget, first, last, *counts)
    revenue = losses["revenue"].to_numpy()
    return EarlyWarning(
        forecaster,
        budget,
        first,
        last,
        *counts,
        recall=bootstrap(lambda weights: float(weights @ caught / weights.sum()), losses["account_id"].to_numpy()),
        by_chance=float((1 - (1 - budget) ** losses["origins"].to_numpy()).mean()),
        precision=float((judged["left_after"] <= last).sum() / judged.height) if judged.height else None,
        lead_days=float(np.median(leads.to_numpy())) if leads.len() >= FEWEST_LOSSES else None,
        revenue_recall=float(revenue @ caught / revenue.sum()) if revenue.sum() > 0 else None,
    )


def paired_difference(rows: pl.DataFrame, a: str, b: str, first: int, last: int) -> Estimate | None:
    """Return AUC(a) - AUC(b) over the same rows and draws; where the interval lies below 0, `a` is the worse one.

    Only rows with both forecasts count. None with fewer than `FEWEST_LOSSES` losses, or when every row was lost.

    Args:
        rows: see the module.
        a, b: names of the columns.
        first, last: the window (first, last], days after the origin.

    Raises:
        ValueError: the window is empty.
    """
    told = _window(rows, first, last, *{a, b}).drop_nulls([a, b])
    if not _can_tell(told):
        return None
    lost = told["lost"].to_numpy()
    of_a, of_b = (weighted_auc(-told[name].to_numpy(), lost) for name in (a, b))
    return bootstrap(lambda weights: of_a(weights) - of_b(weights), told["account_id"].to_numpy())


def reliability(rows: pl.DataFrame, forecaster: str, first: int, last: int, bins: int = BINS) -> pl.DataFrame:
    """Return what was forecast and what followed, in bins of equal count.

    Args:
        rows: see the module.
        forecaster: name of the column.
        first, last: the window (first, last], days after the origin.
        bins: how many; fewer come back from fewer rows.

    Returns:
        `bin` from 1, the lowest risk, upward; `forecast`, its mean; `observed`, the share lost; `rows`. Equal
        forecasts on both sides of an edge share their losses evenly.

    Raises:
        ValueError: the window is empty, or there is not one bin.
    """
    if bins < 1:
        raise ValueError(f"no bins: {bins}")
    told = _window(rows, first, last, forecaster).drop_nulls(forecaster)
    parts = _bins(told[forecaster].to_numpy(), told["lost"].to_numpy(), bins)
    return pl.DataFrame(
        [(place, *part) for place, part in enumerate(parts, start=1)],
        schema={"bin": pl.Int64, "forecast": pl.Float64, "observed": pl.Float64, "rows": pl.Int64},
        orient="row",
    )


def _window(rows: pl.DataFrame, first: int, last: int, *forecasters: str) -> pl.DataFrame:
    """Rows with a known outcome in the window, with `lost` in it; forecasts that say nothing are null."""
    if not 0 <= first < last:
        raise ValueError(f"an empty window: {first}-{last} days")
    left = pl.col("left_after").cast(pl.Int64)
    kept = rows.filter((pl.col("observed") >= last) & (left.is_null() | (left > first)))
    lost = (left <= last).fill_null(False).alias("lost")
    return kept.select("account_id", "day", left, lost, *map(_forecast, forecasters)).sort("day", "account_id")


def _forecast(forecaster: str) -> pl.Expr:
    return pl.col(forecaster).cast(pl.Float64).fill_nan(None)


def _loss_day() -> pl.Expr:
    return (pl.col("day") + pl.duration(days="left_after")).alias("loss_day")


def _losses(told: pl.DataFrame) -> int:
    return told.filter("lost").select("account_id", _loss_day()).n_unique()


def _can_tell(told: pl.DataFrame) -> bool:
    return _losses(told) >= FEWEST_LOSSES and not told["lost"].all()


def _order_figures(forecast: np.ndarray, lost: np.ndarray, accounts: np.ndarray) -> dict[str, Estimate | float | None]:
    """Figures of the order of the forecasts only."""
    riskiest = math.ceil(TOP * len(lost) - SLIP)
    return {
        "auc": bootstrap(weighted_auc(-forecast, lost), accounts),
        "average_precision": bootstrap(_weighted_precision(forecast, lost), accounts),
        "lift_at_10": float(_ordered(forecast, lost)[1][-riskiest:].mean() / lost.mean()),
    }


def _probability_figures(forecast: np.ndarray, lost: np.ndarray) -> dict[str, Estimate | float | None]:
    base, inside = lost.mean(), np.clip(forecast, TINY, 1 - TINY)
    parts = _bins(forecast, lost, BINS)
    return {
        "brier_skill": float(1 - ((forecast - lost) ** 2).mean() / (base * (1 - base))),
        "log_loss": float(-np.log(np.where(lost, inside, 1 - inside)).mean()),
        "calibration_slope": _slope(np.log(inside) - np.log1p(-inside), lost),
        "calibration_error": sum(abs(stated - share) * rows for stated, share, rows in parts) / len(lost),
        "accuracy": float(((forecast >= 0.5) == lost).mean()),
    }


def _weighted_precision(forecast: np.ndarray, lost: np.ndarray) -> Callable[[np.ndarray], float]:
    """Average precision as a function of the rows' weights; nan without weight on a lost row."""
    levels, place = np.unique(-forecast, return_inverse=True)
    left = np.flatnonzero(lost)

    def precision(weights: np.ndarray) -> float:
        caught = np.bincount(place[left], weights[left], len(levels))
        alerts = np.bincount(place, weights, len(levels)).cumsum()
        total = caught.sum()
        return float((caught * caught.cumsum() / np.maximum(alerts, 1)).sum() / total) if total else float("nan")

    return precision


def _ordered(forecast: np.ndarray, lost: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Forecasts from the lowest risk upward, with the share lost of all that are equal to each."""
    levels, place, sizes = np.unique(forecast, return_inverse=True, return_counts=True)
    shares = np.bincount(place, lost, len(levels)) / sizes
    return np.repeat(levels, sizes), np.repeat(shares, sizes)


def _bins(forecast: np.ndarray, lost: np.ndarray, bins: int) -> list[tuple[float, float, int]]:
    """Mean forecast, share lost and rows of each bin, from the lowest risk upward."""
    parts = (np.array_split(ordered, min(bins, len(lost)) or 1) for ordered in _ordered(forecast, lost))
    pairs = zip(*parts, strict=True)
    return [(float(stated.mean()), float(share.mean()), stated.size) for stated, share in pairs if stated.size]


def _slope(logit: np.ndarray, lost: np.ndarray) -> float | None:
    """Slope of the logistic regression of `lost` on `logit`, by Newton's method; None when there is no finite one."""
    gone, here = logit[lost], logit[~lost]
    if gone.min() >= here.max() or gone.max() <= here.min():
        return None
    spread = logit.std()
    if spread < CLOSE:
        return None
    known = np.column_stack([np.ones(len(logit)), (logit - logit.mean()) / spread])
    at = np.array([np.log(lost.mean() / (1 - lost.mean())), 0.0])
    for _ in range(STEPS):
        chance = (1 + np.tanh(known @ at / 2)) / 2
        bend = known.T @ (known * (chance * (1 - chance))[:, None])
        step = np.linalg.solve(bend, known.T @ (lost - chance))
        if np.abs(step).max() <= CLOSE * (1 + np.abs(at).max()):
            return float((at + step)[1] / spread)
        while _likelihood(known @ (at + step), lost) < _likelihood(known @ at, lost) and np.abs(step).max() > CLOSE:
            step /= 2
        at = at + step
    return None


def _likelihood(logit: np.ndarray, lost: np.ndarray) -> float:
    return float((lost * logit - np.logaddexp(0, logit)).sum())


def _alerts(rows: pl.DataFrame, forecaster: str, budget: float) -> pl.DataFrame:
    """Rows of accounts still there, with `alert`: whether the account was among the riskiest of its day."""
    left = pl.col("left_after").cast(pl.Int64)
    here = rows.filter(left.is_null() | (left > 0)).sort("day", "account_id")
    chance = pl.Series("chance", np.random.default_rng(SEED).random(here.height), pl.Float64)
    kept = here.select("account_id", "day", "observed", left, _revenue(), _forecast(forecaster).alias("risk"), chance)
    ordered = kept.sort("day", "risk", "chance", descending=[False, True, False], nulls_last=True)
    place, size = pl.int_range(pl.len()).over("day"), pl.len().over("day")
    alert = (place < (budget * size - SLIP).ceil()) & pl.col("risk").is_not_null()
    return ordered.with_columns(alert.alias("alert"))


def _revenue() -> pl.Expr:
    return pl.col("mrr").cast(pl.Float64).fill_nan(None).fill_null(0).alias("revenue")


def _foretold(alerts: pl.DataFrame, first: int, last: int) -> pl.DataFrame:
    """One row per loss with `origins` in time: `account_id`, whether `caught`, `lead` of the first alert, `revenue`."""
    left, alert = pl.col("left_after"), pl.col("alert")
    before = alerts.filter(left <= last).with_columns(_loss_day(), (left >= first).alias("in_time"))
    losses = before.group_by("account_id", "loss_day").agg(
        pl.col("in_time").sum().alias("origins"),
        (alert & pl.col("in_time")).any().alias("caught"),
        left.filter(alert).max().alias("lead"),
        pl.col("revenue").filter("in_time").sort_by(pl.col("day").filter("in_time")).last(),
    )
    return losses.filter(pl.col("origins") > 0).sort("account_id", "loss_day")
