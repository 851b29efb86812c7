"""How the revenue of accounts that stay grows or shrinks, learned from their past months."""

from dataclasses import dataclass

import numpy as np
import polars as pl

SHRINK = 20.0  # accounts' worth of belief that nothing changes
FARTHEST = np.log(10.0)  # a month's log change beyond it says no more about the usual spread


@dataclass(frozen=True)
class Growth:
    """The log of an account's revenue as a random walk with a common drift; the default never changes.

    Args:
        rate: expected log change in a month, expansion and contraction together, weighted by revenue.
        spread: standard deviation of one account's log change in a month.
        error: standard deviation of `rate` itself.
        months: of history behind it. So long the rate holds; over as many months again it fades to none.
        accounts: behind it.
    """

    rate: float = 0.0
    spread: float = 0.0
    error: float = 0.0
    months: int = 0
    accounts: int = 0

    def drift(self, after: np.ndarray) -> np.ndarray:
        """Return the expected log change after so many months."""
        return self.rate * self._months_of_growth(after)

    def deviation(self, after: np.ndarray) -> np.ndarray:
        """Return the standard deviation of the log change after so many months; it does not fade."""
        return np.hypot(self.spread * np.sqrt(after), self.error * self._months_of_growth(after))

    def _months_of_growth(self, after: np.ndarray) -> np.ndarray:
        fading = np.clip(after - self.months, 0, self.months)
        return np.minimum(after, self.months) + fading - fading**2 / (2 * max(self.months, 1))


def fit_growth(changes: pl.DataFrame) -> Growth:
    """Learn the growth of the accounts that stayed.

    The rate is the log of all revenue after by all revenue before, so an account counts by what it pays, drawn
    towards 0 by `SHRINK` accounts that never change. Its error is that of a ratio of sums over accounts (months of
    one account are not independent; W. G. Cochran, Sampling Techniques, 1977, section 6.3), plus what it was drawn.

    Args:
        changes: `account_id, month, before, after`: monthly revenue of an account at the beginning and at the end of
            a month in which it stayed. Unknown revenue and revenue that begins at 0 have no ratio and are left out.

    Raises:
        ValueError: negative or infinite revenue, with its row.
    """
    _check(changes)
    known = changes.filter((pl.col("before") > 0) & pl.col("after").is_not_null() & pl.col("after").is_not_nan())
    if known.is_empty():
        return Growth()
    before, after = known["before"].to_numpy(), known["after"].to_numpy()
    ratio = after.sum() / before.sum()
    raw = float(np.log(max(ratio, np.exp(-FARTHEST))))
    each = known.group_by("account_id").agg(
        pl.col("before").sum().alias("weight"), (pl.col("after") - ratio * pl.col("before")).sum().alias("rest")
    )
    weight, rest = each["weight"].to_numpy(), each["rest"].to_numpy()
    worth = weight.sum() ** 2 / (weight**2).sum()  # accounts of equal revenue that would tell as much
    rate = raw * worth / (worth + SHRINK)
    error = np.hypot(np.sqrt((rest**2).sum()) / weight.sum(), raw - rate)
    return Growth(rate, _spread(before, after, raw), float(error), known["month"].n_unique(), each.height)


def _spread(before: np.ndarray, after: np.ndarray, raw: float) -> float:
    logs = np.clip(np.log(np.maximum(after / before, np.exp(-FARTHEST))), -FARTHEST, FARTHEST)
    return float(np.sqrt(np.average((logs - raw) ** 2, weights=before)))


def _check(changes: pl.DataFrame) -> None:
    bad = pl.any_horizontal((pl.col(name) < 0) | pl.col(name).is_infinite() for name in ("before", "after"))
    rows = changes.with_row_index("row").filter(bad)
    if rows.height:
        row = rows.row(0, named=True)
        raise ValueError(
            f"row {row['row']} of the changes (account {row['account_id']}): revenue {row['before']} to "
            f"{row['after']}; monthly revenue is a number from 0 up, or null when unknown"
        )
