"""Parts of the statements that aggregate facts: windows of days, counts, shares and ages."""

from datetime import date, datetime, time, timedelta
from typing import Any

import polars as pl
from sqlalchemy import Date, DateTime, Float, Select, and_, case, func, type_coerce
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement
from sqlmodel import Session

from storage.database import sqlite_rows

YEAR = 365  # days: older rows no longer say how an account is
TALKS = 180  # days of interactions that are read: a quarter, and the one before it to compare with
LONG_COMMENT = 40  # characters: below, an answer's comment says little
NEWEST = "newest_hours"  # the column of a frame that says how many hours before `as_of` its newest row is
Statement = Select[Any]


class HoursBetween(FunctionElement[float]):
    """Hours from the first to the second point in time."""

    inherit_cache = True
    type = Float()


@compiles(HoursBetween)
def _hours_postgresql(element: Any, compiler: Any, **kwargs: Any) -> str:
    start, end = (compiler.process(clause, **kwargs) for clause in element.clauses)
    return f"(EXTRACT(EPOCH FROM ({end} - {start})) / 3600.0)"


@compiles(HoursBetween, "sqlite")
def _hours_sqlite(element: Any, compiler: Any, **kwargs: Any) -> str:
    start, end = (compiler.process(clause, **kwargs) for clause in element.clauses)
    return f"((julianday({end}) - julianday({start})) * 24.0)"


def read(session: Session, statement: Statement) -> pl.DataFrame:
    """Collect a statement: account ids as they are, everything else as numbers."""
    schema = {
        column.name: pl.Int64 if column.name == "account_id" else pl.Float64 for column in statement.selected_columns
    }
    rows = sqlite_rows(session, statement)
    if rows is None:
        rows = [tuple(row) for row in session.execute(statement)]
    return pl.DataFrame(rows, schema=schema, orient="row", strict=False)


def since(column: Any, as_of: date, days: int) -> Any:
    """The row's day is one of the last `days` up to `as_of`."""
    first = as_of - timedelta(days=days)
    if isinstance(column.type, Date):
        return column > first
    return column >= datetime.combine(first + timedelta(days=1), time.min)


def until(column: Any, as_of: date) -> Any:
    """The row's day is `as_of` or earlier."""
    if isinstance(column.type, Date):
        return column <= as_of
    return column < datetime.combine(as_of + timedelta(days=1), time.min)


def count(condition: Any) -> Any:
    """Count the rows that meet a condition."""
    return func.count().filter(condition)


def share(condition: Any, of: Any) -> Any:
    """Mean of a condition over the rows that `of` picks; NULL conditions are left out."""
    return func.avg(case((condition, 1.0), else_=0.0)).filter(and_(of, condition.is_not(None)))


def midnight(as_of: date) -> Any:
    """The beginning of the day, as a point in time."""
    return type_coerce(datetime.combine(as_of, time.min), DateTime)


def newest(column: Any, as_of: date) -> Any:
    """How old the newest row is: what a source's freshness is told from."""
    return HoursBetween(func.max(column), midnight(as_of)).label(NEWEST)


def mean(value: Any, of: Any) -> Any:
    """Average a value over some rows."""
    return func.avg(value).filter(of)


def count_of(rows: Any, condition: Any) -> Any:
    """How many of some rows meet a condition; unknown for an account that has none of them."""
    return func.sum(case((and_(rows, condition), 1), (rows, 0)))
