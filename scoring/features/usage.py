"""Usage facts to one row of features per account, as one Ibis expression that runs where the data is."""

import functools
import operator
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import polars as pl

if TYPE_CHECKING:
    import ibis.expr.types as ir

WINDOW = 28  # days: four whole weeks, so that weekdays weigh the same in both windows
HISTORY = 365  # days read: an account that has been silent for months must count as silent, not as unknown
STOCKS = {"storage_gb"}  # measures of a level, which say nothing about being active that day
LEVELS = ("active_users", "sessions", "key_events", "minutes")  # the first that is there; else all flows together
LIMITED = ("conversations", "api_calls", "storage_gb", "transactions")  # measures that a plan may limit by month
BASELINE_SHARE = 0.8  # a day below this share of its weekday's mean counts as below the baseline
CHECKED_DAYS = 3


def measures_of(usage: "ir.Table") -> list[str]:
    """Name the numeric measures of a usage table."""
    return [name for name, kind in usage.schema().items() if kind.is_numeric()]


def level_of(measures: list[str]) -> list[str]:
    """Name the measures whose sum stands for how much an account uses the product."""
    known = [name for name in LEVELS if name in measures]
    return known[:1] or [name for name in measures if name not in STOCKS]


def usage_features(usage: "ir.Table", as_of: date) -> "ir.Table":
    """Return one Ibis expression: usage facts to aggregates per account, pushed down to where the data is.

    Args:
        usage: columns `account`, `day` and any numeric measures, one row per account and day.
        as_of: the last day that may be read; `HISTORY` days are.

    Returns:
        `account`, `last_active`, `active_days` and `api_days` of the last 28 days; for each measure its daily
        mean over the last 28 days (`<measure>_28d`) and the 28 before (`<measure>_prior_28d`; for measures that
        plans limit the 28 before those too, `<measure>_older_28d`), and the day it was last above 0
        (`<measure>_last`); for the level of use `level_28d`, `level_prior_28d`, `level_7d`, `level_before_7d` (the
        28 days before those 7), `level_squares` and `level_day_N`, `level_base_N` for the last three days and the
        mean of the same weekday in the four weeks before. Days without a row count as 0.
    """
    import ibis

    measures, level = measures_of(usage), level_of(measures_of(usage))
    known = usage.filter((usage.day <= as_of) & (usage.day > as_of - timedelta(days=HISTORY)))
    flows = [known[name].fill_null(0) > 0 for name in measures if name not in STOCKS]
    active = ibis.or_(*flows) if flows else ibis.literal(False)
    columns: dict[str, Any] = {
        "last_active": known.day.max(where=active),
        "active_days": (active & _window(known, as_of, 0, WINDOW)).sum(),
    }
    if "api_calls" in measures:
        columns["api_days"] = ((known.api_calls > 0) & _window(known, as_of, 0, WINDOW)).sum()
    for name in measures:
        columns |= _measure(known, name, as_of)
    if level:
        columns |= _level(known, level, as_of)
    return known.group_by("account").aggregate(**columns)


def _window(known: "ir.Table", as_of: date, first: int, last: int) -> Any:
    """Days from `first` (0 is `as_of`) up to but without `last` days back."""
    return known.day.between(as_of - timedelta(days=last - 1), as_of - timedelta(days=first))


def _measure(known: "ir.Table", name: str, as_of: date) -> dict[str, Any]:
    recent, prior = _window(known, as_of, 0, WINDOW), _window(known, as_of, WINDOW, 2 * WINDOW)
    older = _window(known, as_of, 2 * WINDOW, 3 * WINDOW)
    limited = {f"{name}_older_28d": known[name].sum(where=older).fill_null(0) / float(WINDOW)}
    return {
        **(limited if name in LIMITED else {}),
        f"{name}_28d": known[name].sum(where=recent).fill_null(0) / float(WINDOW),
        f"{name}_prior_28d": known[name].sum(where=prior).fill_null(0) / float(WINDOW),
        f"{name}_last": known.day.max(where=known[name] > 0),
    }


def _level(known: "ir.Table", level: list[str], as_of: date) -> dict[str, Any]:
    value = functools.reduce(operator.add, [known[name].fill_null(0).cast("float64") for name in level])
    recent, prior = _window(known, as_of, 0, WINDOW), _window(known, as_of, WINDOW, 2 * WINDOW)
    week, month = _window(known, as_of, 0, 7), _window(known, as_of, 7, 7 + WINDOW)
    columns: dict[str, Any] = {
        "level_28d": value.sum(where=recent).fill_null(0) / float(WINDOW),
        "level_prior_28d": value.sum(where=prior).fill_null(0) / float(WINDOW),
        "level_7d": value.sum(where=week).fill_null(0) / 7.0,
        "level_before_7d": value.sum(where=month).fill_null(0) / float(WINDOW),
        "level_squares": (value * value).sum(where=recent).fill_null(0),
    }
    for back in range(CHECKED_DAYS):
        same = [as_of - timedelta(days=back + 7 * week) for week in range(1, 5)]
        columns[f"level_day_{back}"] = value.sum(where=known.day == as_of - timedelta(days=back)).fill_null(0)
        columns[f"level_base_{back}"] = value.sum(where=known.day.isin(same)).fill_null(0) / 4.0
    return columns


def usage_rates(usage: pl.DataFrame | None, as_of: date) -> pl.DataFrame:
    """Turn collected aggregates into features by `account`; empty without usage facts."""
    if usage is None:
        return pl.DataFrame(schema={"account": pl.String})
    has = set(usage.columns)
    columns = [
        (pl.col("active_days") / (WINDOW / 7)).alias("active_days_per_week"),
        _days_since(pl.col("last_active"), as_of).alias("days_since_use"),
    ]
    if "level_28d" in has:
        columns += _level_rates()
    if {"minutes_28d", "sessions_28d"} <= has:
        columns.append(_ratio(pl.col("minutes_28d"), pl.col("sessions_28d")).alias("minutes_per_session"))
    if "sessions_28d" in has:
        columns.append(_change("sessions").alias("sessions_change_28d"))
    if "active_users_28d" in has:
        columns.append(pl.col("active_users_28d").alias("active_users"))
    if "api_days" in has:
        columns += [
            (pl.col("api_days") / WINDOW).alias("api_days_share"),
            pl.col("api_calls_28d").alias("api_calls_per_day"),
        ]
    return usage.select("account", *[column.cast(pl.Float64) for column in columns])


def _level_rates() -> list[pl.Expr]:
    mean = pl.col("level_28d")
    spread = (pl.col("level_squares") / WINDOW - mean**2).clip(lower_bound=0).sqrt()
    below = [
        (pl.col(f"level_base_{n}") > 0) & (pl.col(f"level_day_{n}") < BASELINE_SHARE * pl.col(f"level_base_{n}"))
        for n in range(CHECKED_DAYS)
    ]
    return [
        mean.alias("usage_level"),
        _change("level").alias("usage_change_28d"),
        (_ratio(pl.col("level_7d"), pl.col("level_before_7d")) - 1).alias("usage_change_7d"),
        _ratio(spread, mean).alias("usage_volatility"),
        pl.sum_horizontal(below).alias("days_below_baseline"),
    ]


def _change(measure: str) -> pl.Expr:
    return _ratio(pl.col(f"{measure}_28d"), pl.col(f"{measure}_prior_28d")) - 1


def _ratio(above: pl.Expr, below: pl.Expr) -> pl.Expr:
    return above / pl.when(below > 0).then(below)


def _days_since(day: pl.Expr, as_of: date) -> pl.Expr:
    return (pl.lit(as_of) - day.cast(pl.Date)).dt.total_days()
