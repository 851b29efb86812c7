"""Which plays start now, the most urgent first, and why the others are held back: for all accounts at once."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl

from knowledge.kinds import Play
from knowledge.play_intents import HELD_OUT, HOLDS, RANKS, TOUCHES, Decisions, History, Limits, Run, Start, assigned
from knowledge.play_runs import due_touchpoints
from knowledge.play_times import reaches

PAIR = ["account_id", "play"]
NOBODY = "accounts without an owner"
DAY = "%-d %b %Y"
OPEN = ("running", "paused", HELD_OUT)
OPENED: dict[str, Any] = {"account_id": pl.Int64, "play": pl.String, "state": pl.String, "since": pl.Datetime("us")}
ACCOUNT = ("account_id", "account", "owner", "arr", "snoozed_until", "red_override")


def decide_starts(
    plays: Mapping[str, Play],
    candidates: pl.DataFrame,
    runs: Sequence[Run],
    facts: pl.DataFrame,
    history: History,
    now: datetime,
    limits: Limits,
) -> Decisions:
    """Choose the plays that start now; every other candidate is held back with the first reason that applies.

    A play whose first step is a touchpoint waits for the contact-frequency limit and for the turn of a play that is
    as urgent; an immediate play starts, and its touchpoints wait. One account starts one play a day.

    Args:
        candidates: `account_id, play, because, severity`.
    """
    rows = candidates.join(_of_plays(plays), on="play", how="inner").join(
        facts.select(ACCOUNT), on="account_id", how="inner"
    )
    rows = rows.with_columns(pl.col("owner").fill_null(NOBODY))
    rows = _with_past(rows, runs, facts, history, now, limits).with_columns(_obstacle(now, limits).alias("held"))
    free = rows.filter(pl.col("held").is_null()).sort(
        "rank", "severity", "arr", "account", "play", descending=[False, True, True, False, False], nulls_last=True
    )
    chosen = _chosen(free, _started_today(facts, history, now, limits), limits)
    starts = tuple(
        Start(account_id, play, because, assigned(plays[play], account))
        for account_id, play, because, account in chosen.filter(pl.col("held").is_null())
        .select(*PAIR, "because", "account")
        .iter_rows()
    )
    held = pl.concat([rows.select(*PAIR, "held"), chosen.select(*PAIR, "held")]).drop_nulls("held")
    return Decisions(starts, holds=held.rename({"held": "because"}).cast(HOLDS))  # type: ignore[arg-type]


def _of_plays(plays: Mapping[str, Play]) -> pl.DataFrame:
    rows = [(p.id, RANKS[p.urgency], p.cool_down_days, reaches(p.steps[0])) for p in plays.values()]
    schema = {"play": pl.String, "rank": pl.Int64, "cool_down": pl.Int64, "touches_first": pl.Boolean}
    return pl.DataFrame(rows, schema=schema, orient="row")


def _with_past(
    rows: pl.DataFrame, runs: Sequence[Run], facts: pl.DataFrame, history: History, now: datetime, limits: Limits
) -> pl.DataFrame:
    """Add what is running, when the play was there before, the newest contact by another play, whose turn it is."""
    still = [(r.account_id, r.play.id, r.state, _plain(r.started_at)) for r in runs if r.state in OPEN]
    opened = pl.DataFrame(still, schema=OPENED, orient="row")
    others = (
        rows.select(PAIR).join(_recent(history, now, limits), on="account_id").filter(pl.col("play") != pl.col("by"))
    )
    touched = others.sort("at").group_by(PAIR).last()
    turns = due_touchpoints(runs, facts, now, limits).sort("rank", "run").group_by("account_id").first()
    today = _today(history, now, limits).select("account_id", pl.lit(True).alias("today")).unique("account_id")
    return (
        rows.join(opened, on=PAIR, how="left")
        .join(history.starts, on=PAIR, how="left")
        .join(touched, on=PAIR, how="left")
        .join(turns.select("account_id", turn="play", turn_rank="rank"), on="account_id", how="left")
        .join(today, on="account_id", how="left")
    )


def _recent(history: History, now: datetime, limits: Limits) -> pl.DataFrame:
    since = _plain(now - limits.between_plays)
    return history.touches.cast(TOUCHES).filter(pl.col("at") > since).rename({"play": "by"})  # type: ignore[arg-type]


def _obstacle(now: datetime, limits: Limits) -> pl.Expr:
    """Why a candidate may not start, the first reason that applies; null when nothing stands against it."""
    again = pl.col("started_at") + pl.duration(days=pl.col("cool_down"))
    waits = pl.col("touches_first") & (pl.col("rank") > 0)
    free_at = pl.col("at") + pl.duration(seconds=int(limits.between_plays.total_seconds()))
    by = pl.when(pl.col("by") == "").then(pl.lit("a colleague's message")).otherwise(pl.format("the play {}", "by"))
    return (
        pl.when(pl.col("state") == HELD_OUT)
        .then(pl.lit("hold-out: it receives nothing of this play, so that the play's effect can be measured"))
        .when(pl.col("play").is_in(sorted(limits.harmful)))
        .then(pl.lit("it did worse than doing nothing, against its hold-out: it starts by hand only"))
        .when(pl.col("state").is_not_null())
        .then(pl.format("already {} since {}", "state", pl.col("since").dt.strftime(DAY)))
        .when(again > _plain(now))
        .then(pl.format("cool-down until {}", again.dt.strftime(DAY)))
        .when(pl.col("snoozed_until") >= limits.today(now))
        .then(pl.format("a colleague snoozed the account until {}", pl.col("snoozed_until").dt.strftime(DAY)))
        .when(pl.col("red_override").fill_null(False) & (pl.col("rank") > RANKS["soon"]))
        .then(pl.lit("a colleague rates the account red: only immediate plays and those within a week start"))
        .when(waits & pl.col("by").is_not_null())
        .then(pl.format("contact-frequency limit until {} after {}", free_at.dt.strftime(DAY), by))
        .when(waits & (pl.col("turn_rank") <= pl.col("rank")))
        .then(pl.format("the play {}, as urgent or more, has the turn", "turn"))
        .when(pl.col("today"))
        .then(pl.lit("another play was started for the account today"))
    )


def _chosen(free: pl.DataFrame, started: pl.DataFrame, limits: Limits) -> pl.DataFrame:
    """Of what may start, in order of urgency, the first play of each account and the first few of each owner."""
    winner = pl.col("play").first().over("account_id")
    first = pl.int_range(pl.len()).over("account_id") == 0
    lost = pl.format("the play {}, as urgent or more, has the turn", winner)
    one = free.with_columns(pl.when(~first).then(lost).otherwise(pl.col("held")).alias("held"))
    place = pl.col("held").is_null().cast(pl.Int64).cum_sum().over("owner") + pl.col("before").fill_null(0)
    full = pl.format(f"the day's limit of {limits.starts_per_owner} new plays for {{}} is reached", "owner")
    over = pl.col("held").is_null() & (place > limits.starts_per_owner)
    return one.join(started, on="owner", how="left", maintain_order="left").with_columns(
        pl.when(over).then(full).otherwise(pl.col("held")).alias("held")
    )


def _started_today(facts: pl.DataFrame, history: History, now: datetime, limits: Limits) -> pl.DataFrame:
    """How many plays each owner's accounts have started today: `owner, before`."""
    owners = facts.select("account_id", pl.col("owner").fill_null(NOBODY))
    counted = _today(history, now, limits).join(owners, on="account_id").group_by("owner").len("before")
    return counted.with_columns(pl.col("before").cast(pl.Int64))


def _today(history: History, now: datetime, limits: Limits) -> pl.DataFrame:
    local = now.astimezone(ZoneInfo(limits.time_zone))
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0)
    return history.starts.filter(pl.col("started_at") >= _plain(midnight))


def _plain(moment: datetime) -> datetime:
    """UTC without its name, as frames keep times."""
    return moment.astimezone(UTC).replace(tzinfo=None)
