"""How far accounts are on their journeys: milestones, blockers, the expected end, and how likely it is reached."""

from collections.abc import Iterator
from datetime import date

import polars as pl

from scoring.flow import TOLD
from scoring.journeys import Advice, DayJourney, Journeys, Milestone, StageRule, prepared

MET = {"account_id": pl.Int64, "journey": pl.String, "milestone": pl.String}
WHO = ["account_id", "journey"]


def milestones_met(journeys: Journeys, table: pl.DataFrame, entered: pl.DataFrame) -> pl.DataFrame:
    """Find the milestones whose condition holds today, of the stage that an account is in and of its journeys by day.

    Args:
        table: the feature table of a day.
        entered: `account_id, stage`: where the accounts are.

    Returns:
        `account_id, journey, milestone`; the journey of a stage is the lifecycle's id.
    """
    rows = _with_stage(table, entered).lazy()
    parts = [
        rows.filter(who & journeys.holds(milestone.when)).select(
            "account_id", pl.lit(journey).alias("journey"), pl.lit(milestone.id).alias("milestone")
        )
        for journey, who, owner in _owners(journeys)
        for milestone in owner.milestones
        if milestone.when
    ]
    return pl.concat(parts).collect() if parts else pl.DataFrame(schema=MET)


def progress(
    journeys: Journeys, table: pl.DataFrame, entered: pl.DataFrame, met: pl.DataFrame, odds: pl.DataFrame, as_of: date
) -> pl.DataFrame:
    """Say how far each account is in its stage and in each of its journeys by day.

    Args:
        table: the feature table of a day.
        entered: `account_id, stage, entered_on`.
        met: `account_id, journey, milestone`: milestones met up to the day, whenever that was.
        odds: what `flow.stage_odds` tells of the past.

    Returns:
        `account_id, journey, stage` (null for journeys by day)`, day` (since the entry)`, completion` (share of the
        milestones that are met; null without any)`, met, open, late` (lists of milestone ids; late ones are open
        ones)`, blockers` (list of what the risks say)`, expected_exit, probability, low, high, basis`: the share of
        past accounts that went on in time with its 95 % interval, null without enough history.
    """
    rows = _with_stage(table, entered).lazy()
    had = _marks(met).lazy()
    parts = [_one(journeys, rows.filter(who), name, owner, had, as_of) for name, who, owner in _owners(journeys)]
    told = pl.concat(parts).collect()
    return _with_odds(told, odds)


def _owners(journeys: Journeys) -> Iterator[tuple[str, pl.Expr, StageRule | DayJourney]]:
    """Each stage and each journey by day, with who is in it."""
    for stage in journeys.lifecycle.stages:
        yield journeys.lifecycle.id, (pl.col("stage") == stage.name).fill_null(False), stage
    for journey in journeys.by_day:
        within = (pl.col("tenure_days") <= journey.days).fill_null(False)
        yield journey.id, within & journeys.holds(journey.who), journey


def _with_stage(table: pl.DataFrame, entered: pl.DataFrame) -> pl.DataFrame:
    return prepared(table).join(entered, on="account_id", how="left", maintain_order="left")


def _marks(met: pl.DataFrame) -> pl.DataFrame:
    """One row per account and journey with the list of what was met."""
    return met.group_by(WHO).agg(pl.col("milestone").alias("had"))


def _one(
    journeys: Journeys, rows: pl.LazyFrame, name: str, owner: StageRule | DayJourney, had: pl.LazyFrame, as_of: date
) -> pl.LazyFrame:
    stage = owner if isinstance(owner, StageRule) else None
    length = stage.typical_days if stage else owner.days  # type: ignore[union-attr]
    since = (pl.lit(as_of) - pl.col("entered_on")).dt.total_days() if stage else pl.col("tenure_days").cast(pl.Int64)
    mine = had.filter(pl.col("journey") == name).drop("journey")
    there = rows.with_columns(since.alias("day")).join(mine, on="account_id", how="left", maintain_order="left")
    done = {m.id: pl.col("had").list.contains(pl.lit(m.id)).fill_null(False) for m in owner.milestones}
    marked = there.with_columns(done[m.id].alias(f"met:{m.id}") for m in owner.milestones)
    return marked.select(
        "account_id",
        pl.lit(name).alias("journey"),
        pl.lit(stage.name if stage else None, pl.String).alias("stage"),
        "segment",
        "day",
        _share(owner.milestones).alias("completion"),
        _listed([(pl.col(f"met:{m.id}"), m.id) for m in owner.milestones]).alias("met"),
        _listed([(~pl.col(f"met:{m.id}"), m.id) for m in owner.milestones]).alias("open"),
        _listed([(~pl.col(f"met:{m.id}") & _past(m), m.id) for m in owner.milestones]).alias("late"),
        _listed([(journeys.holds(risk.when), risk.says) for risk in owner.risks]).alias("blockers"),
        (pl.lit(as_of) + pl.duration(days=length - pl.col("day"))).cast(pl.Date).alias("expected_exit"),
    )


def _past(milestone: Milestone) -> pl.Expr:
    return (pl.col("day") > milestone.day).fill_null(False)


def _share(milestones: tuple[Milestone, ...]) -> pl.Expr:
    """The share that is met; those that only a colleague can tell count once they were told."""
    if not milestones:
        return pl.lit(None, pl.Float64)
    met = pl.sum_horizontal(pl.col(f"met:{m.id}").cast(pl.Float64) for m in milestones)
    told = pl.sum_horizontal((pl.col(f"met:{m.id}") if m.manual else pl.lit(True)).cast(pl.Float64) for m in milestones)
    return met / pl.when(told > 0).then(told)


def _listed(conditions: list[tuple[pl.Expr, str]]) -> pl.Expr:
    """The words of those conditions that hold."""
    if not conditions:
        return pl.lit([], pl.List(pl.String))
    words = [pl.when(condition).then(pl.lit(text)) for condition, text in conditions]
    return pl.concat_list(words).list.drop_nulls()


def next_actions(journeys: Journeys, owner: StageRule | DayJourney, row: pl.DataFrame) -> tuple[Advice, ...]:
    """Choose what to do next for one account: what answers a risk that holds, then the actions that fit.

    Args:
        row: the feature table's row of the account.
    """
    told = (*(risk for risk in owner.risks if risk.play), *owner.actions)
    if not told:
        return ()
    holds = prepared(row).select(journeys.holds(each.when).alias(str(n)) for n, each in enumerate(told)).row(0)
    return tuple(each for each, so in zip(told, holds, strict=True) if so)


def _with_odds(told: pl.DataFrame, odds: pl.DataFrame) -> pl.DataFrame:
    """Add the odds of the account's own segment; of all segments where it has too few."""
    own = odds.filter(pl.col("segment").is_not_null()).select("stage", "segment", *TOLD)
    every = odds.filter(pl.col("segment").is_null()).select("stage", *(pl.col(n).alias(f"{n}_all") for n in TOLD))
    both = told.join(own, on=["stage", "segment"], how="left", maintain_order="left").join(
        every, on="stage", how="left", maintain_order="left"
    )
    own_known, all_known = (pl.col(name).is_not_null() for name in ("probability", "probability_all"))
    basis = pl.coalesce(pl.when(own_known).then(pl.lit("segment")), pl.when(all_known).then(pl.lit("all")))
    return both.with_columns(basis.alias("basis"), *(pl.coalesce(n, f"{n}_all").alias(n) for n in TOLD)).drop(
        "segment", *(f"{n}_all" for n in TOLD)
    )
