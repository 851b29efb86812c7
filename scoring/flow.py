"""How accounts flow through the stages: how many are there, go on, take how long, and where they stall."""

from datetime import date, timedelta

import polars as pl

from scoring.experiments import Share
from scoring.journeys import Journeys
from scoring.stages import FORWARD, PASSED

ENOUGH = 20  # past accounts below which no share is told
STALLED = 1.5  # times the typical days
ENTRIES = {
    "account_id": pl.Int64, "stage": pl.String, "segment": pl.String, "entered_on": pl.Date, "left_on": pl.Date,
    "how": pl.String, "left_how": pl.String, "inferred": pl.Boolean,
}  # fmt: skip
TOLD = ("probability", "low", "high")


def stage_odds(journeys: Journeys, past: pl.DataFrame, as_of: date) -> pl.DataFrame:
    """Count, by stage and segment, how many of the past accounts went on within the stage's typical days.

    Only accounts whose entry was seen count, and only those who came in early enough to have had the time: the others
    would make the share wrong in either direction.

    Args:
        past: stored entries, with the columns of `ENTRIES`.

    Returns:
        `stage, segment` (null: all segments)`, n, went, probability, low, high`: Wilson's 95 % interval; only where
        there are `ENOUGH` accounts.
    """
    rows = _seen(journeys, past).filter(pl.col("due_on") <= pl.lit(as_of))
    in_time = (_gone() & (pl.col("left_on") <= pl.col("due_on"))).fill_null(False)
    counts = [pl.len().cast(pl.Int64).alias("n"), in_time.sum().cast(pl.Int64).alias("went")]
    each = rows.filter(pl.col("segment").is_not_null()).group_by("stage", "segment").agg(counts)
    everyone = rows.group_by("stage").agg(counts).with_columns(pl.lit(None, pl.String).alias("segment"))
    both = pl.concat([each, everyone.select(each.columns)]).filter(pl.col("n") >= ENOUGH)
    kind = pl.Struct(dict.fromkeys(TOLD, pl.Float64()))
    told = pl.struct("went", "n").map_elements(_interval, return_dtype=kind).alias("told")
    return both.with_columns(told).unnest("told").sort("stage", "segment")


def standing(journeys: Journeys, entries: pl.DataFrame, as_of: date) -> pl.DataFrame:
    """Count who is where: `stage, now, stalled, median_stay` (days that they have been there), every stage once.

    Stalled are those who have been there for longer than `STALLED` times the typical days.
    """
    here = entries.filter(pl.col("left_on").is_null()).with_columns(_typical(journeys).alias("typical"))
    stay = (pl.lit(as_of) - pl.col("entered_on")).dt.total_days()
    counts = here.group_by("stage").agg(
        pl.len().cast(pl.Int64).alias("now"),
        (stay > STALLED * pl.col("typical")).sum().cast(pl.Int64).alias("stalled"),
        stay.median().alias("median_stay"),
    )
    every = pl.DataFrame({"stage": [stage.name for stage in journeys.lifecycle.stages]})
    return every.join(counts, on="stage", how="left", maintain_order="left").with_columns(
        pl.col("now", "stalled").fill_null(0)
    )


def conversion(journeys: Journeys, entries: pl.DataFrame, as_of: date, days: int) -> pl.DataFrame:
    """Say how many accounts went on from each stage, and how long that took, over the last `days`.

    An account counts on the day on which it left, or on which its typical days were over without that it had left: so
    those who stall count too. Entries that nobody saw, and stages that were only passed, do not.

    Returns:
        `stage, counted, went, median_days` (of those who went on), stages with `counted` above 0 only.
    """
    since = as_of - timedelta(days=days)
    decided = pl.min_horizontal("left_on", "due_on")
    rows = _seen(journeys, entries).filter((decided > pl.lit(since)) & (decided <= pl.lit(as_of)))
    took = (pl.col("left_on") - pl.col("entered_on")).dt.total_days()
    went = _gone().fill_null(False)
    return rows.group_by("stage").agg(
        pl.len().cast(pl.Int64).alias("counted"),
        went.sum().cast(pl.Int64).alias("went"),
        took.filter(went).median().alias("median_days"),
    )


def _seen(journeys: Journeys, entries: pl.DataFrame) -> pl.DataFrame:
    """Entries whose beginning was seen, with the day on which the typical days are over."""
    due = (pl.col("entered_on") + pl.duration(days=_typical(journeys))).cast(pl.Date)
    return entries.filter(~pl.col("inferred") & (pl.col("how") != PASSED)).with_columns(due.alias("due_on"))


def _gone() -> pl.Expr:
    return pl.col("left_how") == FORWARD


def _typical(journeys: Journeys) -> pl.Expr:
    days = {stage.name: stage.typical_days for stage in journeys.lifecycle.stages}
    return pl.col("stage").replace_strict(days, default=None, return_dtype=pl.Int64)


def _interval(row: dict[str, int]) -> dict[str, float]:
    share = Share(row["went"], row["n"])
    low, high = share.interval
    return {"probability": share.value, "low": low, "high": high}
