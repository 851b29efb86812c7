"""A made-up portfolio of accounts whose chance to leave is known exactly."""

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import polars as pl

START = date(2024, 1, 1)
CHURNED = {"account_id": pl.Int64, "churned_on": pl.Date}


@dataclass(frozen=True)
class Leaving:
    """Feature tables of many days, who left, and the true chance to leave within a period (`account_id, chance`)."""

    history: pl.DataFrame
    churned: pl.DataFrame
    until: date
    chances: pl.DataFrame


def on(day: int) -> date:
    return START + timedelta(days=day)


def churned(rows: list[tuple[int, date]]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=CHURNED, orient="row")


def leaving(seed: int = 0, accounts: int = 350, days: int = 600, step: int = 30, pull: float = 1.3) -> Leaving:
    """Draw a portfolio.

    Args:
        accounts: how many, some of which come later and some of which leave early.
        days: from the first feature table to the last day of which is known who left.
        step: days between feature tables.
        pull: what `driver`, standard normal and constant for an account, adds to its log-odds of leaving. Without it,
            accounts leave by lot; all other columns are noise.
    """
    draw = np.random.default_rng(seed)
    driver = draw.normal(size=accounts)
    chance = 1 / (1 + np.exp(3.2 - pull * driver))
    came = draw.integers(-200, days - 100, accounts)
    stayed = draw.geometric(1 - (1 - chance) ** (1 / 30))  # days; the same hazard on each of them
    first = np.maximum(came, 0)  # who came earlier is known to have been there on the first day
    left = first + stayed
    rows = [
        (account, on(day), driver[account], (came[account] - day) % 365)
        for day in range(0, days + 1, step)
        for account in range(accounts)
        if first[account] <= day < left[account]
    ]
    history = pl.DataFrame(
        rows,
        schema={"account_id": pl.Int64, "day": pl.Date, "driver": pl.Float64, "days_to_renewal": pl.Int64},
        orient="row",
    ).with_columns(
        pl.Series("noise", draw.normal(size=len(rows))),
        pl.Series("days_since_use", draw.integers(0, 30, len(rows))),
        pl.Series("health", draw.uniform(0, 100, len(rows))),
        pl.Series("arr", draw.integers(1, 20, len(rows)) * 1200.0),
        pl.lit(12).alias("term_months"),
        pl.lit("smb").alias("segment"),
    )
    gone = [(account, on(int(left[account]))) for account in range(accounts) if left[account] <= days]
    chances = pl.DataFrame({"account_id": np.arange(accounts), "chance": chance})
    return Leaving(history, churned(gone), on(days), chances)
