"""Turn the columns of a sheet into typed columns, and name every value that cannot be."""

import difflib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

import polars as pl

from storage.importing.format import Field, Kind
from storage.importing.report import KEPT, Reject

FIRST = date(1970, 1, 1)
OLDEST_BIRTHDAY = date(1900, 1, 1)
YEARS_AHEAD = 20  # no contract runs longer; a later date is a typing error
TIMES = ("%Y-%m-%d %H:%M:%S%.f%#z", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%d %H:%M", "%Y-%m-%d")
YES = ("true", "yes", "y", "1", "t", "1.0")
NO = ("false", "no", "n", "0", "f", "0.0")
EMAIL = r"^[^@\s]+@[^@\s]+\.[^@\s]+$"
TYPES: dict[Kind, Any] = {
    Kind.DATE: pl.Date,
    Kind.TIME: pl.Datetime("us", "UTC"),
    Kind.NUMBER: pl.Float64,
    Kind.WHOLE: pl.Int64,
    Kind.YES_NO: pl.Boolean,
}
WANTED = {
    Kind.DATE: "not a date; write YYYY-MM-DD",
    Kind.TIME: "not a date and time; write YYYY-MM-DDTHH:MM:SSZ",
    Kind.NUMBER: "not a number; write 1234.5",
    Kind.WHOLE: "not a whole number",
    Kind.YES_NO: "neither yes nor no",
    Kind.EMAIL: "not an email address",
    Kind.OBJECT: 'not a JSON object such as {"seats": 10}',
}


@dataclass
class Sieve:
    """The rows of one sheet on their way through the checks; a refused row stays refused.

    Args:
        file: the file's name, for the rejects.
        rows: the row numbers of the file.
    """

    file: str
    rows: pl.Series
    rejects: list[Reject] = field(default_factory=list)
    beyond: int = 0
    bad: pl.Series = field(init=False)

    def __post_init__(self) -> None:
        self.bad = pl.Series([False], dtype=pl.Boolean).new_from_index(0, len(self.rows))

    def refuse(
        self, mask: pl.Series, field: str, values: pl.Series, reason: Callable[..., str], *more: pl.Series
    ) -> None:
        """Refuse the rows where `mask` holds; `reason` makes the sentence from the value's text and `more`."""
        mask = mask.fill_null(False)
        count = int(mask.sum())
        if not count:
            return
        self.bad = self.bad | mask
        room = max(0, KEPT - len(self.rejects))
        self.beyond += max(0, count - room)
        chosen = zip(*[column.filter(mask)[:room] for column in (self.rows, values, *more)], strict=True)
        self.rejects += [self._reject(row, field, value, reason, *rest) for row, value, *rest in chosen]

    def _reject(self, row: int, field: str, value: Any, reason: Callable[..., str], *rest: Any) -> Reject:
        text = "" if value is None else shortened(str(value))
        return Reject(self.file, int(row), field, reason(text, *rest), text or None)


def shortened(text: str, length: int = 60) -> str:
    """Return the text, cut with an ellipsis when it is longer than `length`."""
    return text if len(text) <= length else text[: length - 1] + "…"


def cast_field(
    values: pl.Series, field: Field, sieve: Sieve, now: datetime, date_format: str | None
) -> tuple[pl.Series, int]:
    """Return the typed column and how many texts were cut; values that cannot be read are refused."""
    values = _clean(values)
    typed, cut = _typed(values, field, date_format)
    _refuse_unreadable(values, typed, field, sieve)
    _refuse_implausible(values, typed, field, sieve, now)
    if field.required:
        sieve.refuse(values.is_null(), field.name, values, lambda _: f"`{field.name}` is empty")
    if field.default is not None:
        typed = typed.fill_null(field.default)
    return typed, cut


def _clean(values: pl.Series) -> pl.Series:
    """Trim texts; an empty text is no value, and the zero byte has no place in a database."""
    if values.dtype != pl.String:
        return values
    text = values.str.replace_all("\x00", "", literal=True).str.strip_chars()
    return text.replace("", None)


def _typed(values: pl.Series, field: Field, date_format: str | None) -> tuple[pl.Series, int]:
    if field.kind in (Kind.TEXT, Kind.EMAIL):
        return _text(values, field)
    if field.kind in (Kind.LIST, Kind.OBJECT):
        return _json(values, field.kind), 0
    if values.dtype == pl.String:
        return _parsed(values, field.kind, date_format), 0
    return _converted(values, field.kind), 0


def _text(values: pl.Series, field: Field) -> tuple[pl.Series, int]:
    text = _plain_text(values)
    if field.kind == Kind.EMAIL:
        text = text.str.to_lowercase()
    if field.allowed:
        text = text.str.to_lowercase().str.replace_all(r"[\s-]+", "_")
    if not (field.shorten and field.length):
        return text, 0
    long = int((text.str.len_chars() > field.length).sum())
    return text.str.slice(0, field.length), long


def _plain_text(values: pl.Series) -> pl.Series:
    """Whole numbers that a tool wrote as 17.0 are ids, so they are written 17."""
    if values.dtype.is_float() and (values.drop_nulls() % 1 == 0).all():
        values = values.cast(pl.Int64, strict=False)
    return values.cast(pl.String, strict=False)


def _parsed(values: pl.Series, kind: Kind, date_format: str | None) -> pl.Series:
    if kind in (Kind.DATE, Kind.TIME):
        return _times(values, date_format).cast(TYPES[kind])
    if kind == Kind.YES_NO:
        low = values.str.to_lowercase()
        answers = dict.fromkeys(YES, True) | dict.fromkeys(NO, False)
        return low.replace_strict(answers, default=None, return_dtype=pl.Boolean)
    return _numbers(values.cast(pl.Float64, strict=False), kind)


def _times(values: pl.Series, date_format: str | None) -> pl.Series:
    frame = pl.DataFrame({"v": values.str.replace("T", " ", literal=True) if not date_format else values})
    formats = (date_format,) if date_format else TIMES
    tries = [pl.col("v").str.to_datetime(f, strict=False, time_unit="us", time_zone="UTC") for f in formats]
    return frame.select(v=pl.coalesce(tries))["v"]


def _numbers(values: pl.Series, kind: Kind) -> pl.Series:
    values = values.replace([float("inf"), float("-inf"), float("nan")], None)
    if kind == Kind.NUMBER:
        return values
    return values.set((values % 1 != 0).fill_null(False), None).cast(pl.Int64, strict=False)


def _converted(values: pl.Series, kind: Kind) -> pl.Series:
    """Cast a typed column; what does not fit its kind at all becomes null, and so a reject."""
    if kind in (Kind.NUMBER, Kind.WHOLE):
        return _numbers(values.cast(pl.Float64, strict=False), kind)
    if kind == Kind.TIME and isinstance(values.dtype, pl.Datetime) and values.dtype.time_zone:
        return values.dt.convert_time_zone("UTC").cast(TYPES[kind])
    if kind in (Kind.DATE, Kind.TIME) and not values.dtype.is_temporal():
        return pl.Series(values.name, [None] * len(values), dtype=TYPES[kind])
    if kind == Kind.TIME:
        return values.cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    return values.cast(TYPES[kind], strict=False)


def _json(values: pl.Series, kind: Kind) -> pl.Series:
    """Return canonical JSON text, so that equal values compare as equal."""
    read = _list_of if kind == Kind.LIST else _object_of
    return pl.Series(values.name, [read(value) for value in values.to_list()], dtype=pl.String)


def _list_of(value: Any) -> str | None:
    if value is None:
        return None
    parts = re.split(r"\s*;\s*", value) if isinstance(value, str) else map(str, value)
    return json.dumps([part for part in parts if part], ensure_ascii=False)


def _object_of(value: Any) -> str | None:
    try:
        found = json.loads(value) if isinstance(value, str) else value
    except ValueError:
        return None
    if not isinstance(found, dict):
        return None
    return json.dumps({k: v for k, v in found.items() if v is not None}, sort_keys=True)


def _refuse_unreadable(values: pl.Series, typed: pl.Series, field: Field, sieve: Sieve) -> None:
    def reason(value: str) -> str:
        return f"`{field.name}` is '{value}': {WANTED[field.kind]}"

    if field.kind == Kind.EMAIL:
        sieve.refuse(~typed.str.contains(EMAIL), field.name, values, reason)
    elif field.allowed:
        known = typed.is_in(list(field.allowed))
        sieve.refuse(values.is_not_null() & ~known, field.name, values, lambda v: _not_allowed(field, v))
    elif field.kind in WANTED:
        sieve.refuse(values.is_not_null() & typed.is_null(), field.name, values, reason)


def _not_allowed(field: Field, value: str) -> str:
    near = difflib.get_close_matches(value.lower(), field.allowed, 1)
    hint = f"did you mean {near[0]}?" if near else f"write one of {', '.join(field.allowed)}"
    return f"`{field.name}` is '{value}': {hint}"


def _refuse_implausible(values: pl.Series, typed: pl.Series, field: Field, sieve: Sieve, now: datetime) -> None:
    if field.kind in (Kind.DATE, Kind.TIME):
        _refuse_absurd_dates(typed, field, sieve, now)
    if field.low is not None or field.high is not None:
        _refuse_out_of_range(values, typed, field, sieve)
    if field.length and typed.dtype == pl.String and field.kind not in (Kind.LIST, Kind.OBJECT):
        too_long = typed.str.len_chars() > field.length
        sieve.refuse(too_long, field.name, values, lambda _: f"`{field.name}` is longer than {field.length}")


def _refuse_absurd_dates(typed: pl.Series, field: Field, sieve: Sieve, now: datetime) -> None:
    first = OLDEST_BIRTHDAY if field.name == "birthday" else FIRST
    last = date(now.year + YEARS_AHEAD, 12, 31)
    days = typed.cast(pl.Date)
    span = f"outside {first} to {last}"
    outside = (days < first) | (days > last)
    sieve.refuse(outside, field.name, days, lambda v: f"`{field.name}` is '{v}': {span}")


def _refuse_out_of_range(values: pl.Series, typed: pl.Series, field: Field, sieve: Sieve) -> None:
    if field.low is not None:
        low = f"below {field.low:g}"
        sieve.refuse(typed < field.low, field.name, values, lambda v: f"`{field.name}` is {v}: {low}")
    if field.high is not None:
        high = f"above {field.high:g}"
        sieve.refuse(typed > field.high, field.name, values, lambda v: f"`{field.name}` is {v}: {high}")
