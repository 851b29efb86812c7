"""Usage facts, one row per account and day: Parquet files by default, or the team's own warehouse.

Columns: `account` (the account's external id), `day`, and any number of numeric measures. `MEASURES` names
the ones that the scorecards know; every other numeric column that a team imports is kept and scored too.
"""

import os
import threading
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl
from filelock import FileLock

if TYPE_CHECKING:  # Ibis takes half a second to import: only when a question needs usage
    import ibis.expr.types as ir

KEYS = ("account", "day")
MEASURES = {
    "active_users": "people who used the product that day",
    "sessions": "sessions started",
    "minutes": "minutes in the product, all users together",
    "key_events": "events that the team counts as real work done",
    "api_calls": "calls of the public interface",
    "storage_gb": "storage in use, gigabytes",
    "conversations": "conversations handled",
    "features_used": "distinct features touched",
    "core_features_used": "distinct core features touched",
}


@dataclass(frozen=True)
class Written:
    """How many account-days a write added, changed and found unchanged."""

    added: int = 0
    changed: int = 0
    unchanged: int = 0

    def __add__(self, other: "Written") -> "Written":
        return Written(self.added + other.added, self.changed + other.changed, self.unchanged + other.unchanged)


class UsageStore:
    """Where one installation keeps usage facts.

    Args:
        address: a folder for Parquet files, or any Ibis address (`postgres://…`, `snowflake://…`) of a
            database that holds a table `usage_daily` with the columns above and `workspace_id`.
    """

    def __init__(self, address: str) -> None:
        self.address = address
        self.folder = None if "://" in address else Path(address)
        self._own = threading.local()

    def table(self, workspace_id: str, in_memory: bool = False, account: str | None = None) -> "ir.Table | None":
        """Return the workspace's usage as an Ibis table, or None while there is none.

        Args:
            in_memory: read files once and keep their rows, for a caller that asks many questions of them.
            account: only this account's rows, by its external id.
        """
        if self.folder is None:
            facts = self._warehouse()
            mine = facts.filter(facts.workspace_id == workspace_id).drop("workspace_id")
            return mine if account is None else mine.filter(mine.account == account)
        files = sorted(self._place(workspace_id).glob("*.parquet"))
        if not files:
            return None
        import ibis

        connection = ibis.duckdb.connect()
        connection.raw_sql("SET enable_progress_bar = false")  # it would write over our own output
        # One name for all: statements that are kept by their table's name are found again.
        facts = connection.read_parquet([str(file) for file in files], table_name="usage_files", union_by_name=True)
        facts = facts if account is None else facts.filter(facts.account == account)
        return connection.create_table("usage_daily", facts, temp=True) if in_memory else facts

    def measures(self, workspace_id: str) -> list[str]:
        """Name the measures that this workspace has, the known ones first."""
        table = self.table(workspace_id)
        present = [] if table is None else [name for name in table.columns if name not in KEYS]
        return [name for name in MEASURES if name in present] + [n for n in present if n not in MEASURES]

    def daily(self, workspace_id: str, account: str, since: date, until: date) -> pl.DataFrame:
        """Return one account's days in `[since, until]`, oldest first."""
        table = self.table(workspace_id)
        if table is None:
            return pl.DataFrame(schema={"account": pl.String, "day": pl.Date})
        wanted = (table.account == account) & (table.day >= since) & (table.day <= until)
        return table.filter(wanted).order_by("day").to_polars()

    def stored(self, workspace_id: str, accounts: list[str], measures: list[str]) -> pl.DataFrame:
        """Return the days that files here hold of some accounts, with those of the measures that there are."""
        table = self.table(workspace_id) if self.folder else None
        if table is None:
            return pl.DataFrame(schema={"account": pl.String, "day": pl.Date})
        import ibis

        wanted = ibis.memtable(pl.DataFrame({"account": accounts}))
        present = [name for name in measures if name in table.columns]
        found = table.semi_join(wanted, "account").select(*KEYS, *present).to_polars()
        return found.with_columns(pl.col("day").cast(pl.Date), pl.col(present).cast(pl.Float64))

    def quarantine(self, workspace_id: str, name: str, rows: pl.DataFrame) -> None:
        """Keep refused rows beside the workspace's usage, as a CSV file in `quarantine`, for a person to look at."""
        if self.folder is None:
            return
        place = self._place(workspace_id) / "quarantine"
        place.mkdir(parents=True, exist_ok=True)
        rows.write_csv(place / name)

    def write(self, workspace_id: str, rows: pl.DataFrame) -> Written:
        """Add or replace account-days; the same rows twice change nothing.

        Raises:
            ValueError: when the facts live in the team's own warehouse, which Tend only reads.
        """
        if self.folder is None:
            raise ValueError("usage is read from USAGE_URL: load it there, or unset USAGE_URL to import files")
        place = self._place(workspace_id)
        place.mkdir(parents=True, exist_ok=True)
        total = Written()
        with FileLock(place / ".lock"):
            for (month,), part in rows.group_by(pl.col("day").dt.strftime("%Y-%m")):
                total += _merge(place / f"{month}.parquet", part)
        return total

    def _warehouse(self) -> "ir.Table":
        """The team's table, over one connection per thread, opened again when the warehouse dropped it."""
        import ibis

        try:
            return self._own.connection.table("usage_daily")
        except Exception:  # none yet, or whatever this kind of warehouse raises on a lost one
            self._own.connection = ibis.connect(self.address)
            return self._own.connection.table("usage_daily")

    def _place(self, workspace_id: str) -> Path:
        assert self.folder is not None
        return self.folder / workspace_id


def _merge(file: Path, new: pl.DataFrame) -> Written:
    """Merge one month's rows into its file, replaced in one step so that readers never see half of it.

    A measure that the new rows lack keeps its stored value; a measure that is new to the file is added.
    """
    new = new.unique(KEYS, keep="last")
    if not file.exists():
        _replace(file, new)
        return Written(added=new.height)
    old = pl.read_parquet(file)
    both = old.join(new, on=KEYS, how="full", suffix="_new", coalesce=True)
    measures = [name for name in dict.fromkeys([*old.columns, *new.columns]) if name not in KEYS]
    merged = both.select(*KEYS, *[_newest(name, both.columns) for name in measures])
    added = merged.height - old.height
    changed = _differing(old, merged)
    if added or changed:
        _replace(file, merged)
    return Written(added, changed, new.height - added - changed)


def _newest(name: str, columns: list[str]) -> pl.Expr:
    present = [column for column in (f"{name}_new", name) if column in columns]
    return pl.coalesce(*present).alias(name)


def _differing(old: pl.DataFrame, merged: pl.DataFrame) -> int:
    """Count the old rows that the merge changed, by a measure that differs or was not there."""
    both = old.join(merged, on=KEYS, suffix="_new")
    known = [name for name in old.columns if name not in KEYS]
    differs = [pl.col(name).ne_missing(pl.col(f"{name}_new")) for name in known]
    differs += [pl.col(name).is_not_null() for name in merged.columns if name not in old.columns]
    return both.filter(pl.any_horizontal(differs)).height if differs else 0


def _replace(file: Path, rows: pl.DataFrame) -> None:
    part = file.with_suffix(".part")
    rows.sort(KEYS).write_parquet(part)
    os.replace(part, file)
