"""Read one CSV or Parquet file into columns with the row numbers of the file."""

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from storage.importing.report import Reject

ROW = "_row"  # the row's number in its file, carried along until the row is written or refused
SUFFIXES = (".csv", ".parquet")
MALFORMED = "has {found} fields where the header has {width}: check the separators and quotes of this line"


class UnreadableError(ValueError):
    """A whole file cannot be taken; the message says why and what to do."""


@dataclass
class Sheet:
    """The rows of one file, with `_row`, and what was odd about it."""

    file: str
    frame: pl.DataFrame
    rejects: list[Reject] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def read_sheet(path: Path) -> Sheet:
    """Read a file: CSV columns as text, Parquet columns with their types.

    Raises:
        UnreadableError: nothing can be read from it.
    """
    if path.suffix == ".parquet":
        return _parquet(path)
    text, notes = _decoded(path)
    if not text.strip():
        raise UnreadableError(f"{path.name} is empty")
    sheet = _quoted(path.name, text) if '"' in text else _plain(path.name, text)
    return Sheet(path.name, sheet.frame, sheet.rejects, notes)


def numbered(frame: pl.DataFrame) -> pl.DataFrame:
    """Number the rows from 1, unless the frame brings its row numbers."""
    return frame if ROW in frame.columns else frame.with_row_index(ROW, offset=1)


def _parquet(path: Path) -> Sheet:
    try:
        return Sheet(path.name, numbered(pl.read_parquet(path)))
    except (pl.exceptions.PolarsError, OSError) as error:
        raise UnreadableError(f"{path.name} is not a Parquet file: {str(error).splitlines()[0]}") from error


def _decoded(path: Path) -> tuple[str, list[str]]:
    data = path.read_bytes()
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return data.decode("utf-16", errors="replace"), [f"{path.name} is UTF-16; UTF-8 is expected"]
    try:
        return data.decode("utf-8-sig"), []
    except UnicodeDecodeError:
        note = f"{path.name} is not UTF-8; it was read as Latin-1, check the accents in names"
        return data.decode("cp1252", errors="replace"), [note]


def _plain(name: str, text: str) -> Sheet:
    """Split a file without any quote: one line is one row, so it is done in columns."""
    lines = pl.DataFrame({"line": text.replace("\r\n", "\n").replace("\r", "\n").split("\n")})
    lines = lines.with_row_index(ROW, offset=1).filter(pl.col("line").str.strip_chars() != "")
    first = lines["line"][0]
    separator = _separator(first)
    names = _header(name, first.split(separator))
    lines = lines[1:].with_columns(n=pl.col("line").str.count_matches(separator, literal=True) + 1)
    broken = lines.filter(pl.col("n") != len(names))
    rejects = [_malformed(name, row, line, n, len(names)) for row, line, n in broken.iter_rows()]
    good = lines.filter(pl.col("n") == len(names))
    parts = good["line"].str.split_exact(separator, len(names) - 1).struct.rename_fields(names)
    return Sheet(name, parts.struct.unnest().insert_column(0, good[ROW]), rejects)


def _quoted(name: str, text: str) -> Sheet:
    lines = list(io.StringIO(text, newline=""))
    separator = _separator(lines[0])
    names = _header(name, _next(_Lines(lines), separator)[0])
    rows: list[list[str]] = []
    numbers: list[int] = []
    rejects: list[Reject] = []
    for number, record in _whole(lines, separator, len(names)):
        if isinstance(record, Reject):
            rejects.append(Reject(name, number, "", record.reason, record.value))
        elif number > 1:
            rows.append(record)
            numbers.append(number)
    frame = pl.DataFrame(rows, schema=dict.fromkeys(names, pl.String), orient="row")
    return Sheet(name, frame.insert_column(0, pl.Series(ROW, numbers, dtype=pl.UInt32)), rejects)


class _Lines:
    """The lines of a file, which a reader takes one by one and which can be wound back."""

    def __init__(self, lines: list[str]) -> None:
        self.lines, self.at = lines, 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        if self.at >= len(self.lines):
            raise StopIteration
        self.at += 1
        return self.lines[self.at - 1]


def _whole(lines: list[str], separator: str, width: int) -> Iterator[tuple[int, list[str] | Reject]]:
    """Yield each record with its first line's number; after a broken one, go on with the next line.

    Without going back, one forgotten quote would swallow every row up to the next quote.
    """
    source = _Lines(lines)
    while source.at < len(lines):
        start = source.at
        record, problem = _next(source, separator)
        if not problem and not any(record):
            continue
        if not problem and len(record) != width:
            problem = MALFORMED.format(found=len(record), width=width)
        if problem:
            source.at = start + 1
            yield start + 1, Reject("", 0, "", problem, _short(lines[start]))
        else:
            yield start + 1, record


def _next(source: _Lines, separator: str) -> tuple[list[str], str]:
    try:
        return next(csv.reader(source, delimiter=separator, strict=True), []), ""
    except csv.Error as error:
        return [], f"cannot be read: {error}"


def _separator(header: str) -> str:
    """Take the sign that the header has most of: spreadsheets of many countries write semicolons."""
    return max((",", ";", "\t"), key=header.count)


def _header(file: str, names: list[str]) -> list[str]:
    names = [name.strip() for name in names]
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise UnreadableError(f"{file} has the column `{min(twice)}` twice: rename one")
    return names


def _malformed(file: str, row: int, line: str, found: int, width: int) -> Reject:
    return Reject(file, row, "", MALFORMED.format(found=found, width=width), _short(line))


def _short(line: str) -> str:
    return line.strip()[:60]
