"""Usage facts to one row of features per account, as one Ibis expression that runs where the data is."""

import functools
import operator
import re
from collections.abc import Callable
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
NAMES = ("rate:", "change:", "idle:")  # before the name of a measure, see `measure_rates`
WINDOWS = {  # days back, the last one left out; names that no measure has
    "__in_recent": (0, WINDOW),
    "__in_prior": (WINDOW, 2 * WINDOW),
    "__in_older": (2 * WINDOW, 3 * WINDOW),
    "__in_week": (0, 7),
    "__in_month": (7, 7 + WINDOW),
}


def measures_of(usage: "ir.Table") -> list[str]:
    """Name the numeric measures of a usage table."""
    return [name for name, kind in usage.schema().items() if kind.is_numeric()]


def level_of(measures: list[str]) -> list[str]:
    """Name the measures whose sum stands for how much an account uses the product."""
    known = [name for name in LEVELS if name in measures]
    return known[:1] or [name for name in measures if name not in STOCKS]


Days = Callable[[int], Any]  # the day so many days back, as a date or as an expression
_BACK = re.compile(r"TEND_DAYS_BACK\((\d+)\)")


def collect_usage(usage: "ir.Table", as_of: date) -> pl.DataFrame:
    """Collect `usage_features`. A plain table of files is asked by a statement that is made once for all days:
    making it takes several times as long as DuckDB does to answer it.
    """
    import ibis.expr.operations as ops

    backend, table = usage.get_backend(), usage.op()
    if backend.name != "duckdb" or not isinstance(table, ops.DatabaseTable):
        return usage_features(usage, as_of).to_polars()
    statement, schema = _statement(table.name, usage.schema())
    dated = _BACK.sub(lambda back: f"CAST('{as_of - timedelta(days=int(back[1]))}' AS DATE)", statement)
    return backend.con.sql(dated).pl().cast(schema)


@functools.lru_cache(16)
def _statement(name: str, schema: Any) -> tuple[str, dict[str, Any]]:
    """Write the statement over a table of this name and schema, with a placeholder for each day."""
    import ibis

    @ibis.udf.scalar.builtin(name="tend_days_back")
    def back(days: int) -> date: ...  # type: ignore[empty-body]

    expression = _features(ibis.table(schema, name=name), back)
    return str(ibis.to_sql(expression, dialect="duckdb")), dict(expression.schema().to_polars())


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
    return _features(usage, lambda back: as_of - timedelta(days=back))


def _features(usage: "ir.Table", day: Days) -> "ir.Table":
    import ibis

    measures, level = measures_of(usage), level_of(measures_of(usage))
    known = usage.filter((usage.day <= day(0)) & (usage.day > day(HISTORY)))
    known = known.mutate(**{name: _within(known.day, day, *days) for name, days in WINDOWS.items()})
    flows = [known[name].fill_null(0) > 0 for name in measures if name not in STOCKS]
    active = ibis.or_(*flows) if flows else ibis.literal(False)
    columns: dict[str, Any] = {
        "last_active": _newest(known, active),
        "active_days": (active & known["__in_recent"]).sum(),
    }
    if "api_calls" in measures:
        columns["api_days"] = ((known.api_calls > 0) & known["__in_recent"]).sum()
    for name in measures:
        columns |= _measure(known, name)
    if level:
        columns |= _level(known, level, day)
    return known.group_by("account").aggregate(**columns)


def _within(column: Any, day: Days, first: int, last: int) -> Any:
    """Days from `first` up to but without `last` days back."""
    return column.between(day(last - 1), day(first))


# The windows are columns and the aggregates choose by CASE: DuckDB takes five times as long over FILTER.
def _total(value: Any, days: Any) -> Any:
    return days.ifelse(value, 0.0).sum().fill_null(0)


def _newest(known: "ir.Table", when: Any) -> Any:
    import ibis

    return when.ifelse(known.day, ibis.null("date")).max()


def _measure(known: "ir.Table", name: str) -> dict[str, Any]:
    value = known[name].cast("float64")
    limited = {f"{name}_older_28d": _total(value, known["__in_older"]) / float(WINDOW)}
    return {
        **(limited if name in LIMITED else {}),
        f"{name}_28d": _total(value, known["__in_recent"]) / float(WINDOW),
        f"{name}_prior_28d": _total(value, known["__in_prior"]) / float(WINDOW),
        f"{name}_last": _newest(known, known[name] > 0),
    }


def _level(known: "ir.Table", level: list[str], day: Days) -> dict[str, Any]:
    value = functools.reduce(operator.add, [known[name].fill_null(0).cast("float64") for name in level])
    columns: dict[str, Any] = {
        "level_28d": _total(value, known["__in_recent"]) / float(WINDOW),
        "level_prior_28d": _total(value, known["__in_prior"]) / float(WINDOW),
        "level_7d": _total(value, known["__in_week"]) / 7.0,
        "level_before_7d": _total(value, known["__in_month"]) / float(WINDOW),
        "level_squares": _total(value * value, known["__in_recent"]),
    }
    for back in range(CHECKED_DAYS):
        same = [day(back + 7 * week) for week in range(1, 5)]
        columns[f"level_day_{back}"] = _total(value, known.day == day(back))
        columns[f"level_base_{back}"] = _total(value, known.day.isin(same)) / 4.0
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


def measure_rates(usage: pl.DataFrame | None, as_of: date) -> pl.DataFrame:
    """Turn collected aggregates into what every measure says by itself, whatever a team imports.

    Returns:
        `account` and for each measure, with `NAMES` before its name: its daily mean over 28 days, that mean
        against the 28 days before, and the days since it was last above 0.
    """
    if usage is None:
        return pl.DataFrame(schema={"account": pl.String})
    columns = []
    for name in (c.removesuffix("_last") for c in usage.columns if c.endswith("_last")):
        now, before = pl.col(f"{name}_28d"), pl.col(f"{name}_prior_28d")
        told = (now, _ratio(now, before) - 1, _days_since(pl.col(f"{name}_last"), as_of))
        columns += [value.cast(pl.Float64).alias(prefix + name) for prefix, value in zip(NAMES, told, strict=True)]
    return usage.select("account", *columns)


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
