"""Lists as CSV: written so that no cell is a formula, read line by line with the bad ones named."""

import csv
import io
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass

from tools.errors import UserError

FORMULA = ("=", "+", "-", "@", "\t", "\r")
MOST_ROWS = 200_000
MARK = "'"  # before a cell that a spreadsheet would calculate


@dataclass(frozen=True)
class Imported:
    """What an import of a list did; `errors` name the line."""

    added: int
    known: int
    errors: tuple[str, ...]


def csv_line(cells: Iterable[str]) -> str:
    """Write one line; a cell that a spreadsheet would take for a formula is marked as text."""
    out = io.StringIO()
    csv.writer(out).writerow([f"{MARK}{cell}" if cell.startswith(FORMULA) else cell for cell in cells])
    return out.getvalue()


def read_list(
    text: str, columns: Collection[str], needed: Collection[str], add: Callable[[dict[str, str]], bool]
) -> Imported:
    """Take in a list line by line; a bad line is named and the rest goes on.

    Args:
        columns: all that a line may have; `needed` must be there.
        add: stores one line and returns whether it is new; raises ValueError with what is wrong with it.

    Raises:
        UserError: the first line does not name the needed columns.
    """
    reader = csv.DictReader(io.StringIO(text.removeprefix("\ufeff")))
    if not set(reader.fieldnames or ()) >= set(needed):
        named, least = ", ".join(columns), ", ".join(name for name in columns if name in needed)
        raise UserError(f"The first line must name the columns: {named}; needed: {least}.")
    added = known = 0
    errors: list[str] = []
    for place, row in enumerate(reader, 2):
        if place > MOST_ROWS:
            errors.append(f"line {place}: at most {MOST_ROWS:,} lines at once; the rest was left out")
            break
        try:
            new = add({name: _read((value or "").strip()) for name, value in row.items() if name})
        except ValueError as error:
            errors.append(f"line {place}: {error}")
            continue
        added, known = added + new, known + (not new)
    return Imported(added, known, tuple(errors))


def _read(cell: str) -> str:
    """Take off the mark that `csv_line` put before a cell."""
    return cell[1:] if cell.startswith(MARK) and cell[1:].startswith(FORMULA) else cell
