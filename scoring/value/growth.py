"""How the revenue of accounts that stay grows or shrinks with their age, learned from their past months."""

import math
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import polars as pl

AGES = (2.0, 4.0, 6.0, 12.0, 24.0, 48.0, math.inf)  # months since the start: young accounts grow most
SHRINK = 20.0  # accounts' worth of belief that nothing changes
FARTHEST = math.log(10.0)  # a month's log change beyond it says no more about the usual spread


@dataclass(frozen=True)
class Stage:
    """Monthly changes of accounts up to an age, in logs of revenue.

    Args:
        until: months since the account's start.
        rate: expected change, expansion and contraction together, weighted by revenue.
        spread: standard deviation of one account's change.
        error: standard deviation of `rate` itself.
        accounts: learned from.
    """

    until: float = math.inf
    rate: float = 0.0
    spread: float = 0.0
    error: float = 0.0
    accounts: int = 0


@dataclass(frozen=True)
class Growth:
    """The log of an account's revenue as a random walk whose drift depends on its age; the default never changes.

    Args:
        stages: by age; an account passes through them.
        usual: of all ages together, for accounts whose age is not known.
        months: of history behind it. So long the rates hold; over as many months again they fade to none, for what
            is farther away than the history is long has never been seen.
    """

    stages: tuple[Stage, ...] = ()
    usual: Stage = field(default_factory=Stage)
    months: int = 0

    def path(self, months: int, age: float = math.nan) -> tuple[np.ndarray, np.ndarray]:
        """Return the expected log change from today to the middle of each month, and its standard deviation.

        The errors of the rates are taken to go the same way in all months; the spread does not fade.

        Args:
            months: how many.
            age: months since the account's start; nan when unknown.
        """
        ages = age + np.arange(months)
        stages = [next((s for s in self.stages if past < s.until), self.usual) for past in ages]
        fade = np.clip(2 - (np.arange(months) + 0.5) / max(self.months, 1), 0, 1) if self.months else np.zeros(months)
        drift = _to_middle(np.array([stage.rate for stage in stages]) * fade)
        error = _to_middle(np.array([stage.error for stage in stages]) * fade)
        spread = np.sqrt(_to_middle(np.array([stage.spread**2 for stage in stages])))
        return drift, np.hypot(spread, error)


def fit_growth(changes: pl.DataFrame) -> Growth:
    """Learn the growth of the accounts that stayed.

    A stage's rate is the log of all revenue after by all revenue before, so an account counts by what it pays, drawn
    towards 0 by `SHRINK` accounts that never change. Its error is that of a ratio of sums over accounts (months of
    one account are not independent; W. G. Cochran, Sampling Techniques, 1977, section 6.3), plus what it was drawn.

    Args:
        changes: `account_id, month, age, before, after`: monthly revenue of an account at the beginning and at the
            end of a month in which it stayed, and its months since the start by then (null: only `usual` learns from
            it). Unknown revenue and revenue that begins at 0 have no ratio and are left out.

    Raises:
        ValueError: negative or infinite revenue, with its row.
    """
    _check(changes)
    known = changes.filter((pl.col("before") > 0) & pl.col("before").is_finite() & pl.col("after").is_finite())
    if known.is_empty():
        return Growth()
    usual = _stage(known, math.inf, None)
    edges = [0.0, *AGES]
    parts = [
        _stage(known.filter((pl.col("age") >= low) & (pl.col("age") < high)), high, usual)
        for low, high in pairwise(edges)
    ]
    return Growth(tuple(parts), usual, known["month"].n_unique())


def _stage(rows: pl.DataFrame, until: float, usual: Stage | None) -> Stage:
    """Learn one stage; its spread is drawn towards the usual one, where there is one, as its rate is towards 0."""
    if rows.is_empty():
        return Stage(until, spread=usual.spread if usual else 0.0, error=usual.error if usual else 0.0)
    before, after = rows["before"].to_numpy(), rows["after"].to_numpy()
    ratio = after.sum() / before.sum()
    raw = math.log(max(ratio, math.exp(-FARTHEST)))
    each = rows.group_by("account_id").agg(
        pl.col("before").sum().alias("weight"), (pl.col("after") - ratio * pl.col("before")).sum().alias("rest")
    )
    weight, rest = each["weight"].to_numpy(), each["rest"].to_numpy()
    worth = float(weight.sum() ** 2 / (weight**2).sum())  # accounts of equal revenue that would tell as much
    trust = worth / (worth + SHRINK)
    error = math.hypot(math.sqrt((rest**2).sum()) / weight.sum(), raw * (1 - trust))
    spread = _spread(before, after, raw)
    if usual:
        spread = math.sqrt(trust * spread**2 + (1 - trust) * usual.spread**2)
    return Stage(until, raw * trust, spread, error, each.height)


def _spread(before: np.ndarray, after: np.ndarray, raw: float) -> float:
    logs = np.clip(np.log(np.maximum(after / before, math.exp(-FARTHEST))), -FARTHEST, FARTHEST)
    return float(np.sqrt(np.average((logs - raw) ** 2, weights=before)))


def _to_middle(monthly: np.ndarray) -> np.ndarray:
    """Sum up to the middle of each month."""
    return monthly.cumsum() - monthly / 2


def _check(changes: pl.DataFrame) -> None:
    bad = pl.any_horizontal((pl.col(name) < 0) | pl.col(name).is_infinite() for name in ("before", "after"))
    rows = changes.with_row_index("row").filter(bad)
    if rows.height:
        row = rows.row(0, named=True)
        raise ValueError(
            f"row {row['row']} of the changes (account {row['account_id']}): revenue {row['before']} to "
            f"{row['after']}; monthly revenue is a number from 0 up, or null when unknown"
        )
