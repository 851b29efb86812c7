"""A log of versions: how a row looked from which day on."""

from collections.abc import Mapping
from typing import Any

import polars as pl

SINCE = "_since"  # day number from which this version of a row is what everybody knows


class Log:
    """All versions of one entity's rows.

    Args:
        versions: the entity's columns and `_since`; of two versions since the same day the later row counts.
        keys: the columns that say which row it is.
    """

    def __init__(self, versions: pl.DataFrame, keys: tuple[str, ...] = ("external_id",)) -> None:
        self.versions = versions.with_columns(pl.col(SINCE).cast(pl.Int32)).sort(SINCE, maintain_order=True)
        self.keys = keys

    def until(self, day: int) -> pl.DataFrame:
        """Return every row as it was known at the end of a day."""
        return self._latest(pl.col(SINCE) <= day)

    def on(self, day: int) -> pl.DataFrame:
        """Return the rows that are new or changed on a day."""
        return self._latest(pl.col(SINCE) == day)

    def _latest(self, chosen: pl.Expr) -> pl.DataFrame:
        rows = self.versions.filter(chosen)
        return rows.unique(self.keys, keep="last", maintain_order=True).drop(SINCE)


def together(*logs: Log) -> Log:
    """Make one log of several of the same entity."""
    return Log(pl.concat([log.versions for log in logs]))


def log_of(rows: list[dict[str, Any]], schema: Mapping[str, Any]) -> Log:
    """Make a log of plain records that carry `_since`."""
    return Log(pl.DataFrame(rows, schema={**schema, SINCE: pl.Int32}, orient="row"))
