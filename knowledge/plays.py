"""Which plays begin at which accounts now, what runs take their next step or end, and why the others wait: pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

import polars as pl
from polars.exceptions import PolarsError

from knowledge.kinds import Play
from knowledge.play_intents import Decisions, History, Limits, Run
from knowledge.play_runs import decide_runs
from knowledge.play_starts import decide_starts

CANDIDATES = {"account_id": pl.Int64, "play": pl.String, "because": pl.String, "severity": pl.Int64}
USUAL_SEVERITY = 3  # of a play that a predicate starts
MOST_FIGURES = 4  # of an account's own, in a reason


@dataclass(frozen=True, eq=False)
class Eligible:
    """Accounts that plays are meant for now.

    Args:
        rows: `account_id, play, because, severity` (1 to 5), one row per account and play.
        errors: why a play could not be asked for, by its id; it is disabled, the others are not.
    """

    rows: pl.DataFrame
    errors: Mapping[str, str] = field(default_factory=dict)


def eligible(plays: Iterable[Play], table: pl.DataFrame, signals: pl.DataFrame) -> Eligible:
    """Find for each play the accounts that trigger it, are its audience, and have not reached its goal already.

    Args:
        table: one row per account with `account_id` and every column that predicates ask for; what is unknown is
            null, and meets no condition.
        signals: `account_id, kind, opened_on, severity` of the signals that are open.
    """
    known = {play.id: play for play in plays}
    meant, errors = _meant(known, table)
    found = [pl.DataFrame(schema=CANDIDATES)]
    for name, mask in meant.items():
        if mask.any():
            found.append(_candidates(known[name], table.filter(mask), signals))
    return Eligible(pl.concat(found), errors)


def decide(
    plays: Mapping[str, Play],
    candidates: Eligible,
    runs: Sequence[Run],
    facts: pl.DataFrame,
    history: History,
    now: datetime,
    limits: Limits,
) -> Decisions:
    """Decide what starts, goes on, waits and ends now. The same input gives the same decisions.

    Args:
        plays: the plays that may start, by id; runs carry their own.
        candidates: what `eligible` returned.
        runs: those that are open, and ended ones whose goal still counts.
        facts: the table of `eligible`, with `account` (external id), `owner`, `time_zone`, `arr`, `snoozed_until`,
            `red_override`, `opted_out_on` and `replied_at` (UTC).
    """
    going = decide_runs(runs, facts, history, now, limits)
    begun = decide_starts(plays, candidates.rows, runs, facts, history, now, limits)
    holds = pl.concat([going.holds, begun.holds]).unique(["account_id", "play"], keep="first", maintain_order=True)
    return replace(going, starts=begun.starts, holds=holds, errors={**going.errors, **candidates.errors})


def _meant(plays: Mapping[str, Play], table: pl.DataFrame) -> tuple[dict[str, pl.Series], dict[str, str]]:
    """Ask all predicates at once; one by one when one of them cannot be asked, which is then named."""
    try:
        asked = table.select(_condition(play).alias(name) for name, play in plays.items())
        return {name: asked[name] for name in asked.columns}, {}
    except (PolarsError, TypeError):
        masks, errors = {}, {}
    for name, play in plays.items():
        try:
            masks[name] = table.select(_condition(play).alias(name))[name]
        except (PolarsError, TypeError) as error:
            errors[name] = f"play {name}: {str(error).splitlines()[0]}"
    return masks, errors


def _condition(play: Play) -> pl.Expr:
    """Whether a play is meant for an account: its audience, its goal not reached yet, its predicate."""
    meant = pl.sql_expr(play.audience)
    if play.goal is not None:
        meant &= ~pl.sql_expr(play.goal).fill_null(False)
    if play.trigger.when is not None:
        meant &= pl.sql_expr(play.trigger.when)
    return meant.fill_null(False)


def _candidates(play: Play, rows: pl.DataFrame, signals: pl.DataFrame) -> pl.DataFrame:
    """The accounts that a play is meant for, with the reason and how bad it is."""
    when = play.trigger.when
    because = pl.lit("") if when is None else _figures(pl.sql_expr(when))
    rows = rows.select("account_id", because.alias("because"))
    if not play.trigger.signals:
        rows = rows.with_columns(pl.lit(USUAL_SEVERITY, pl.Int64).alias("severity"))
    else:
        rows = _signalled(rows, signals.filter(pl.col("kind").is_in(play.trigger.signals)))
    return rows.select("account_id", pl.lit(play.id).alias("play"), "because", "severity")


def _signalled(rows: pl.DataFrame, signals: pl.DataFrame) -> pl.DataFrame:
    """Keep accounts with an open signal; the worst one is the reason."""
    said = pl.format("signal {} since {}", pl.col("kind").str.replace_all("_", " "), "opened_on")
    worst = (
        signals.sort("severity", "opened_on", "kind", descending=[True, False, False])
        .unique("account_id", keep="first", maintain_order=True)
        .select("account_id", "severity", said.alias("said"))
    )
    both = pl.concat_str([pl.col("said"), pl.col("because").replace("", None)], separator=", ", ignore_nulls=True)
    return rows.join(worst, on="account_id", how="inner").with_columns(both.alias("because"))


def _figures(when: pl.Expr) -> pl.Expr:
    """The account's own values of what a predicate asks for, as far as they are known, in words."""
    names = sorted(set(when.meta.root_names()))[:MOST_FIGURES]
    shown = [pl.format("{} {}", pl.lit(name.replace("_", " ")), _short(name)) for name in names]
    return pl.concat_str(shown, separator=", ", ignore_nulls=True) if shown else pl.lit("")


def _short(name: str) -> pl.Expr:
    return pl.col(name).cast(pl.String).str.replace(r"(\.\d\d)\d+$", "$1").str.strip_suffix(".0")
