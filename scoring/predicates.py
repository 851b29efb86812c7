"""SQL predicates over the feature table: checked when they are read, evaluated for all accounts at once."""

import difflib
import re
from collections.abc import Iterable, Mapping
from typing import Any

import polars as pl
from polars.exceptions import PolarsError

Columns = Mapping[str, Any]  # feature name -> Polars type
WORDS = {
    "and", "or", "not", "in", "is", "null", "between", "like", "true", "false",
    "case", "when", "then", "else", "end", "coalesce", "abs", "least", "greatest",
}  # fmt: skip
_QUOTED = re.compile(r"'(?:[^']|'')*'")
_WORD = re.compile(r"[A-Za-z_]\w*")


class PredicateError(ValueError):
    """A predicate that cannot be used; the message says what to write instead."""


def predicate(text: str, columns: Columns) -> tuple[pl.Expr, tuple[str, ...]]:
    """Check one predicate on an empty table of the given columns.

    Args:
        text: SQL over one row, e.g. `usage_change_28d <= -0.3 AND tenure_days > 60`.
        columns: the columns that there are, with their types.

    Returns:
        The expression, and the columns that it reads, sorted.

    Raises:
        PredicateError: for bad syntax, an unknown column, a wrong type, or more than an expression over one row.
    """
    try:
        expression = pl.sql_expr(text)
    except (PolarsError, TypeError) as error:
        raise PredicateError(f"this is no SQL predicate: {_first_line(error)}") from error
    used = sorted(set(expression.meta.root_names()))
    for name in used:
        if name not in columns:
            raise PredicateError(f"unknown feature '{name}'{did_you_mean(name, columns)}")
    _only_over_one_row(text, columns)
    if not used:
        raise PredicateError("the predicate names no feature")
    _boolean(expression, columns)
    return expression, tuple(used)


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Name the most similar known word, if one is similar at all."""
    near = difflib.get_close_matches(word, list(known), 1, 0.4)
    return f", did you mean '{near[0]}'?" if near else ""


def _only_over_one_row(text: str, columns: Columns) -> None:
    """Refuse aggregates, windows and queries: what one account's row says must not depend on the others."""
    bare = _QUOTED.sub("''", text)
    for word in _WORD.findall(bare):
        if word not in columns and word.lower() not in WORDS:
            raise PredicateError(f"'{word}' may not be used here: a predicate compares features of one account")


def _boolean(expression: pl.Expr, columns: Columns) -> None:
    empty = pl.DataFrame(schema=dict(columns))
    try:
        kind = empty.select(expression.alias("holds")).schema["holds"]
    except PolarsError as error:
        raise PredicateError(_first_line(error)) from error
    if kind != pl.Boolean:
        raise PredicateError(f"the predicate must be true or false, and this one is of type {kind}")


def _first_line(error: Exception) -> str:
    return str(error).split("\n", 1)[0]
