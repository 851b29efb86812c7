"""Account-periods: what was known of an account on a day, and whether it left within a period after that.

One function builds the columns for training and for live scoring, from the feature table alone: the day of leaving
is joined afterwards, as the label.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import polars as pl

PERIOD = 30  # days
LEADS = 6  # periods after a day that are learned from; later ones are taken to be like the last
MOST = 600_000  # account-periods that are learned from; beyond, those without a loss are sampled and weighted
DAYS_A_MONTH = 365.25 / 12
FEWEST_VALUES = 0.01  # a column known for fewer rows teaches nothing
# Not learned from: keys, what a table of one account cannot say, and the outcome.
NOT_INPUTS = ("account_id", "day", "account", "related_accounts", "churned_on")
UNLIKELY_SILENCE = 10.0  # losses that would have come, at the usual pace, in a silence that is no luck
OWN = ("renewals in the period", "periods ahead")  # what a period has besides the account's features


@dataclass(frozen=True)
class Periods:
    """Rows to learn from.

    Args:
        inputs: rows x (columns + `OWN`), nan where unknown.
        lost: whether the account left within the period.
        weights: how many account-periods a row stands for: 1 for a loss, the same for all others.
        accounts, days: the row's account and origin day.
    """

    columns: tuple[str, ...]
    inputs: np.ndarray
    lost: np.ndarray
    weights: np.ndarray
    accounts: np.ndarray
    days: np.ndarray

    def part(self, rows: np.ndarray) -> "Periods":
        """Keep some rows."""
        return Periods(
            self.columns, *(v[rows] for v in (self.inputs, self.lost, self.weights, self.accounts, self.days))
        )


def outcomes_known_until(churned: pl.DataFrame, newest: date) -> date:
    """Return the last day of which is known who left: the newest day, unless losses stop long before it.

    Records of leaving often end earlier than usage does; counting the days after as "nobody left" would teach
    a model just that. The pace is that of the last year with losses; a single loss has none.
    """
    days = churned.filter(pl.col("churned_on") <= newest)["churned_on"].sort()
    last = days.max()
    if not isinstance(last, date):
        return newest
    year = days.filter(days > last - timedelta(days=365))
    reach = max((last - min(year)).days, PERIOD)
    silent = (newest - last).days
    return last if silent * (len(year) - 1) / reach > UNLIKELY_SILENCE else newest


def useful_columns(history: pl.DataFrame) -> tuple[str, ...]:
    """Name the numeric columns that are known often enough and vary."""
    numbers = [n for n, kind in history.schema.items() if kind.is_numeric() and n not in NOT_INPUTS]
    if not numbers or history.is_empty():
        return ()
    kept = history.select(
        ((pl.col(n).is_not_null().mean() >= FEWEST_VALUES) & (pl.col(n).drop_nulls().n_unique() > 1)).alias(n)
        for n in numbers
    )
    return tuple(n for n in numbers if kept[n].item())


def inputs_of(table: pl.DataFrame, columns: Sequence[str], lead: int) -> np.ndarray:
    """Return accounts x (columns + `OWN`) for one period, `lead` = 1 being the first; an absent column is unknown."""
    both = np.empty((table.height, len(columns) + len(OWN)))
    for place, name in enumerate(columns):
        both[:, place] = _numbers(table, name)
    both[:, -len(OWN) :] = own_of(table, lead)
    both[~np.isfinite(both)] = np.nan
    return both


def own_of(table: pl.DataFrame, lead: int) -> np.ndarray:
    """Return accounts x `OWN` for one period."""
    return np.column_stack([renewals(table, lead), np.full(table.height, float(min(lead, LEADS)))])


def renewals(table: pl.DataFrame, lead: int) -> np.ndarray:
    """Count the renewals of the contract that fall into a period: the days on which an account can leave.

    Terms follow one another; without a term only the next renewal is known, without a renewal nothing is.
    """
    ahead = _numbers(table, "days_to_renewal")
    term = np.where(_numbers(table, "term_months") > 0, _numbers(table, "term_months"), np.inf) * DAYS_A_MONTH
    return _until(ahead, term, lead * PERIOD) - _until(ahead, term, (lead - 1) * PERIOD)


def account_periods(
    history: pl.DataFrame, churned: pl.DataFrame, until: date, columns: Sequence[str], seed: int = 0
) -> Periods:
    """Build the rows to learn from: each origin day with each period whose outcome is known.

    Args:
        history: feature tables of several days, one below the other, with their `day`.
        churned: `account_id, churned_on`; a later start after leaving is a new account.
        until: the last day of which is known who left; nothing after it is looked at.
        columns: of the history, to learn from.
        seed: of the sample that is drawn when there are more than `MOST` rows.
    """
    gone = churned.filter(pl.col("churned_on") <= until).group_by("account_id").agg(pl.col("churned_on").min())
    past = history.filter(pl.col("day") <= until).drop("churned_on", strict=False)
    rows = past.join(gone, on="account_id", how="left", maintain_order="left")
    left = (rows["churned_on"] - rows["day"]).dt.total_days().cast(pl.Float64).to_numpy()
    left = np.where(np.isnan(left), np.inf, left)
    known = (pl.lit(until) - pl.col("day")).dt.total_days()
    seen = rows.select(known).to_series().to_numpy()
    parts, total = [], 0
    for lead in range(1, LEADS + 1):
        at_risk = (seen >= lead * PERIOD) & (left > (lead - 1) * PERIOD)
        lost = left <= lead * PERIOD
        parts.append((lead, at_risk, lost))
        total += int(at_risk.sum())
    share = min(1.0, MOST / max(total, 1))
    draw = np.random.default_rng(seed)
    found = [_chosen(rows, columns, lead, at_risk, lost, share, draw) for lead, at_risk, lost in parts]
    return Periods(tuple(columns), *(np.concatenate(values) for values in zip(*found, strict=True)))


def _chosen(
    rows: pl.DataFrame,
    columns: Sequence[str],
    lead: int,
    at_risk: np.ndarray,
    lost: np.ndarray,
    share: float,
    draw: np.random.Generator,
) -> tuple[np.ndarray, ...]:
    kept = at_risk if share >= 1 else at_risk & (lost | (draw.random(len(lost)) < share))
    places = np.flatnonzero(kept)
    part = rows[places]
    weights = np.where(lost[places], 1.0, 1.0 / share)
    return (
        inputs_of(part, columns, lead),
        lost[places],
        weights,
        part["account_id"].to_numpy(),
        part["day"].to_numpy(),
    )


def _until(ahead: np.ndarray, term: np.ndarray, days: int) -> np.ndarray:
    """How many renewals lie 0 to `days` ahead."""
    with np.errstate(invalid="ignore"):
        later = np.where(np.isfinite(term), np.floor((days - ahead) / term), 0.0)
        return np.where(np.isnan(ahead), np.nan, np.where(ahead <= days, later + 1, 0.0))


def _numbers(table: pl.DataFrame, name: str) -> np.ndarray:
    if name not in table.columns:
        return np.full(table.height, np.nan)
    return table[name].cast(pl.Float64).fill_null(float("nan")).to_numpy()
