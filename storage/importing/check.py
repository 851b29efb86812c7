"""Check one sheet against the format: columns, values, references and repeated rows."""

import difflib
import hashlib
from dataclasses import dataclass, field
from datetime import datetime

import polars as pl

from storage.importing.cast import Sieve, cast_field, shortened
from storage.importing.entities import USAGE
from storage.importing.format import Entity, Field, Kind
from storage.importing.read import ROW, Sheet, UnreadableError
from storage.importing.report import Reject
from storage.importing.spikes import Stored, nothing_stored, refuse_spikes

KEY_LENGTH = 120


@dataclass
class Checked:
    """The accepted rows, under the format's column names, and what became of the others, which are as in the file."""

    frame: pl.DataFrame
    refused: pl.DataFrame
    rejects: list[Reject]
    rejected: int
    beyond: int
    notes: list[str] = field(default_factory=list)
    unknown_accounts: list[str] = field(default_factory=list)


def check(
    sheet: Sheet,
    entity: Entity,
    known: pl.Series,
    now: datetime,
    date_format: str | None = None,
    stored: Stored = nothing_stored,
) -> Checked:
    """Return the rows of a sheet that may be written.

    Args:
        known: the external ids of all accounts.
        now: dates may lie at most twenty years after it.
        date_format: a strftime pattern, when dates are not written YYYY-MM-DD.
        stored: returns earlier usage of accounts, which a new day is compared with.

    Raises:
        UnreadableError: a required column is missing.
    """
    frame, notes = _matched(sheet, entity)
    sieve = Sieve(sheet.file, frame[ROW])
    columns = _columns(frame, entity, sieve, now, date_format, notes)
    typed = pl.DataFrame([frame[ROW], *columns])
    unknown = _refuse_unknown_accounts(typed, entity, sieve, known)
    _refuse_reversed(typed, entity, sieve)
    typed = _identified(typed, entity)
    if entity is USAGE:
        refuse_spikes(typed, sieve, stored)
    typed = _refuse_repeated(typed, entity, sieve)
    return Checked(
        typed.filter(~sieve.bad),
        frame.filter(sieve.bad),
        sheet.rejects + sieve.rejects,
        len(sheet.rejects) + int(sieve.bad.sum()),
        sieve.beyond,
        sheet.notes + notes,
        unknown,
    )


def _matched(sheet: Sheet, entity: Entity) -> tuple[pl.DataFrame, list[str]]:
    """Match the columns to the format, forgiving case and spaces; refuse a sheet that lacks one."""
    renames = {column: _canonical(column) for column in sheet.frame.columns if column != ROW}
    renames = {column: name for column, name in renames.items() if entity.field(name) and column != name}
    renames = {column: name for column, name in renames.items() if name not in sheet.frame.columns}
    frame = sheet.frame.rename(renames)
    for required in (f for f in entity.fields if f.required and f.name not in frame.columns):
        raise UnreadableError(_missing(sheet.file, required, frame.columns, entity))
    return frame, _unknown_columns(sheet.file, frame, entity)


def _canonical(column: str) -> str:
    return column.strip().lower().replace(" ", "_").replace("-", "_")


def _missing(file: str, required: Field, columns: list[str], entity: Entity) -> str:
    spare = [column for column in columns if not entity.field(column) and column != ROW]
    near = difflib.get_close_matches(required.name, spare, 1, 0.5)
    hint = f"; the nearest column is `{near[0]}`" if near else ""
    return f"{file} has no column `{required.name}` ({required.meaning}){hint}. Nothing of it was read"


def _unknown_columns(file: str, frame: pl.DataFrame, entity: Entity) -> list[str]:
    extra = [c for c in frame.columns if c != ROW and not entity.field(c)]
    return [] if entity is USAGE or not extra else [f"{file}: columns not used: {', '.join(extra)}"]


def _columns(
    frame: pl.DataFrame,
    entity: Entity,
    sieve: Sieve,
    now: datetime,
    date_format: str | None,
    notes: list[str],
) -> list[pl.Series]:
    fields = [field for field in entity.fields if field.name in frame.columns]
    columns = []
    for one in fields + _further_measures(frame, entity, sieve.file, notes):
        column, cut = cast_field(frame[one.name], one, sieve, now, date_format)
        columns.append(column.alias(one.name))
        if cut:
            notes.append(f"{sieve.file}: `{one.name}` cut to {one.length} characters in {cut} rows")
    return columns


def _further_measures(frame: pl.DataFrame, entity: Entity, file: str, notes: list[str]) -> list[Field]:
    """Take every other numeric column of a usage file as a measure; name the columns that are not."""
    if entity is not USAGE:
        return []
    extra = [c for c in frame.columns if c != ROW and not entity.field(c)]
    numeric = [c for c in extra if _is_numeric(frame[c])]
    if len(numeric) < len(extra):
        notes.append(f"{file}: columns not used: {', '.join(c for c in extra if c not in numeric)}")
    return [Field(name, "a measure of your own", kind=Kind.NUMBER, low=0, high=1e12) for name in numeric]


def _is_numeric(values: pl.Series) -> bool:
    """Judge by the most: a few broken numbers are rejects, not a reason to drop the measure."""
    if values.dtype != pl.String:
        return values.dtype.is_numeric()
    present = values.str.strip_chars().replace("", None).drop_nulls()
    good = present.cast(pl.Float64, strict=False).is_not_null().sum()
    return len(present) > 0 and good >= 0.5 * len(present)


def _refuse_unknown_accounts(frame: pl.DataFrame, entity: Entity, sieve: Sieve, known: pl.Series) -> list[str]:
    if not entity.field("account"):
        return []
    missing = frame["account"].is_not_null() & ~frame["account"].is_in(known.implode())
    sieve.refuse(missing, "account", frame["account"], lambda v: f"no account has the id '{v}'")
    return frame["account"].filter(missing).unique().sort().to_list()


def _refuse_reversed(frame: pl.DataFrame, entity: Entity, sieve: Sieve) -> None:
    for first, second in entity.order:
        if first in frame.columns and second in frame.columns:
            early = frame[second] < frame[first]
            reason = f"is before `{first}`"
            sieve.refuse(early, second, frame[second], lambda v, s=second, r=reason: f"`{s}` {v} {r}")


def _identified(frame: pl.DataFrame, entity: Entity) -> pl.DataFrame:
    """Give rows without an external id the one that their own fields make."""
    if not entity.identity or entity is USAGE:
        return frame
    parts = [pl.col(name).cast(pl.String) for name in entity.identity if name in frame.columns]
    derived = frame.select(pl.concat_str(parts, separator="|", ignore_nulls=True).alias("k"))["k"]
    derived = _bounded(derived)
    if "external_id" in frame.columns:
        derived = pl.select(pl.coalesce(frame["external_id"], derived)).to_series()
    return frame.with_columns(derived.alias("external_id"))


def _bounded(keys: pl.Series) -> pl.Series:
    """Keep a derived id within its column: the tail of a long one becomes a digest of the whole."""
    if not (keys.str.len_chars() > KEY_LENGTH).any():
        return keys
    return pl.Series([_digest(key) for key in keys.to_list()], dtype=pl.String)


def _digest(key: str) -> str:
    if len(key) <= KEY_LENGTH:
        return key
    return f"{key[:100]}|{hashlib.sha256(key.encode()).hexdigest()[:16]}"


def _refuse_repeated(frame: pl.DataFrame, entity: Entity, sieve: Sieve) -> pl.DataFrame:
    """Keep the first good row of each id; a later one is refused, whatever it says."""
    keys = ["account", "day"] if entity is USAGE else [entity.key]
    joined = frame.select(pl.concat_str([pl.col(k).cast(pl.String) for k in keys], separator=" on "))
    ids = joined.to_series().set(sieve.bad, None)
    repeated = ids.is_not_null() & ~ids.is_first_distinct()
    what = "account and day" if entity is USAGE else "id"
    sieve.refuse(repeated, keys[0], ids, lambda v: f"the {what} '{shortened(v)}' stands earlier in this file already")
    return frame
