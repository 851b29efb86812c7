"""Run the plays: daily what starts and ends, hourly the steps that are due, each exactly once."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime

import polars as pl
import structlog
from sqlalchemy import update
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, col, func, select

from knowledge.kinds import Play
from knowledge.play_intents import HELD_OUT, Decisions, GoalMet, Limits, Run, Start, Stop
from knowledge.plays import Eligible, decide, eligible
from storage import queries
from storage.database import changed_one, insert_frame
from storage.models import PlayDecision, PlayRun, PlayStep, RunState, StepState
from storage.queries import read_frame
from tools.context import Context
from tools.facts import FactSheet, Result, plural
from tools.play_facts import open_signals, play_table
from tools.play_outcomes import harmful_plays
from tools.play_runs import end_run, history, load_runs, start_run
from tools.play_steps import do_step, skip

PAIR = ["account_id", "play"]
SOURCE = "play_run"
COUNTED = ("started", "held_out", "draft", "task", "skipped", "ended", "held_back")
log = structlog.get_logger()


@dataclass(frozen=True)
class PlayReport(Result):
    """What one pass did, counted by `COUNTED`; `errors` says which plays are disabled and why."""

    counts: Mapping[str, int] = field(default_factory=dict)
    errors: Mapping[str, str] = field(default_factory=dict)
    as_of: date = date.min


def run_plays(ctx: Context, now: datetime, plays: Mapping[str, Play] | None = None) -> PlayReport:
    """Start plays where they are meant for, go on with those that run, end those that are over.

    Daily, after scoring. Running it again, or twice at once, starts and does nothing twice.

    Args:
        plays: those that may start; left out, every one of the library.
    """
    return _run(replace(ctx, clock=lambda: now), ctx.library().plays if plays is None else plays)


def run_due_steps(ctx: Context, now: datetime) -> PlayReport:
    """Go on with the plays that run, without starting any; hourly, and cheap while no step is due."""
    with ctx.session() as session:
        waits = (PlayStep.state == StepState.WAITING, col(PlayStep.due_at) <= now, PlayRun.state == RunState.RUNNING)
        due = select(func.count()).join(PlayRun, col(PlayRun.id) == col(PlayStep.run_id)).where(*waits)
        nothing = not session.exec(due.select_from(PlayStep)).one()
    return _report(ctx, Counter(), {}) if nothing else _run(replace(ctx, clock=lambda: now), {})


def _run(ctx: Context, plays: Mapping[str, Play]) -> PlayReport:
    limits = limits_of(ctx)
    with ctx.session() as session:
        as_of = queries.scored_day(session, ctx.today())
        if as_of is None:
            return _report(ctx, Counter(), {})
        table = play_table(ctx, session, as_of)
        found = eligible(plays.values(), table, open_signals(session))
    nobody = Eligible(found.rows.clear())
    counts: Counter[str] = Counter()
    decided = _pass(ctx, plays, found, table, as_of, limits, counts)
    if decided.starts:  # their first steps, now that they run
        _pass(ctx, {}, nobody, table, as_of, limits, counts)
    for play, error in decided.errors.items():
        log.error("play_disabled", play=play, reason=error)
    return _report(ctx, counts, decided.errors)


def _pass(
    ctx: Context, plays: Mapping[str, Play], found: Eligible, table: pl.DataFrame, as_of: date, limits: Limits,
    counts: Counter[str],
) -> Decisions:  # fmt: skip
    """Decide on what is stored now, and act on it."""
    with ctx.session() as session:
        runs = load_runs(session, ctx.now())
        past = history(session, ctx.now(), limits)
    decided = decide(plays, found, runs, table, past, ctx.now(), limits)
    zones = {account: zone or limits.time_zone for account, zone in table.select("account_id", "time_zone").iter_rows()}
    by_id = {run.id: run for run in runs}
    _settle(ctx, decided, by_id, counts)
    for intent in decided.steps:
        run = by_id[intent.run]
        step = next(step for step in run.play.steps if step.id == intent.step)
        counts[do_step(ctx, run, step, table, as_of, zones.get(run.account_id, limits.time_zone)) or "elsewhere"] += 1
    for start in decided.starts:
        _start(ctx, plays[start.play], start, zones.get(start.account_id, limits.time_zone), counts)
    _log_holds(ctx, decided, bool(plays))
    counts["held_back"] = max(counts["held_back"], decided.holds.height)
    return decided


def _settle(ctx: Context, decided: Decisions, runs: Mapping[int, Run], counts: Counter[str]) -> None:
    """Write down what ends, which goals are met, and which steps are left out."""
    with ctx.session() as session:
        for stop in decided.stops:
            counts["ended"] += _end(ctx, session, stop)
        for goal in decided.goals:
            counts["ended"] += _meet(ctx, session, goal, runs[goal.run])
        for intent in decided.skips:
            counts["skipped"] += skip(ctx, session, intent.run, intent)
        session.commit()


def _end(ctx: Context, session: Session, stop: Stop) -> bool:
    state = RunState.FINISHED if stop.because in ("goal_met", "done") else RunState.STOPPED
    goal_on = ctx.today() if stop.because == "goal_met" else None
    return end_run(ctx, session, stop.run, state, f"{stop.because}: {stop.words}", goal_on)


def _meet(ctx: Context, session: Session, goal: GoalMet, run: Run) -> bool:
    """Note the day on which a watched run reached its goal; one of the hold-out ends with it."""
    if run.state == HELD_OUT:
        return end_run(ctx, session, run.id, RunState.HELD_OUT, "goal_met: reached without the play", goal.on)
    still = (col(PlayRun.id) == run.id, col(PlayRun.goal_met_on).is_(None))
    changed_one(session, update(PlayRun).where(*still).values(goal_met_on=goal.on))
    return False


def _start(ctx: Context, play: Play, start: Start, zone: str, counts: Counter[str]) -> None:
    """Start one run in a transaction of its own: where another worker was faster, nothing happens."""
    with ctx.session() as session:
        try:
            start_run(ctx, session, play, start.account_id, start.because, start.variant, zone)
            session.commit()
        except IntegrityError:
            session.rollback()
            return
    counts["held_out" if start.variant == HELD_OUT else "started"] += 1


def _log_holds(ctx: Context, decided: Decisions, all_plays: bool) -> None:
    """Log what is held back when that begins, changes or, known only after all plays were asked, is over."""
    day = ctx.today()
    with ctx.session() as session:
        newest = select(func.max(PlayDecision.id)).group_by(col(PlayDecision.account_id), col(PlayDecision.play))
        last = read_frame(session, PlayDecision, (*PAIR, "decision", "because"), col(PlayDecision.id).in_(newest))
        held = last.filter(pl.col("decision") == "hold")
        new = decided.holds.join(held, on=[*PAIR, "because"], how="anti").with_columns(decision=pl.lit("hold"))
        if all_plays:
            pairs = [(start.account_id, start.play) for start in decided.starts]
            started = pl.DataFrame(pairs, schema={"account_id": pl.Int64, "play": pl.String}, orient="row")
            over = held.join(decided.holds, on=PAIR, how="anti").join(started, on=PAIR, how="anti")
            new = pl.concat([new, over.with_columns(decision=pl.lit("over"), because=pl.lit(""))], how="diagonal")
        rows = new.select(pl.lit(day).alias("day"), *PAIR, "decision", pl.col("because").str.slice(0, 400))
        insert_frame(session, PlayDecision, rows, unless=("account_id", "play", "day", "decision", "because"))
        session.commit()


def limits_of(ctx: Context) -> Limits:
    """The limits of a workspace, with the plays that do harm there."""
    with ctx.session() as session:
        return Limits(time_zone=ctx.time_zone, harmful=harmful_plays(session, ctx.now()))


def _report(ctx: Context, counts: Counter[str], errors: Mapping[str, str]) -> PlayReport:
    sheet = FactSheet(ctx.today())
    for name in COUNTED:
        sheet.add("plays", name.replace("_", " "), counts[name], "count", SOURCE)
    text = (
        f"{plural(counts['started'], 'play')} started, {counts['held_out']:,} held out for comparison, "
        f"{plural(counts['draft'], 'draft')} and {plural(counts['task'], 'task')} made, "
        f"{counts['skipped']:,} steps left out, {counts['ended']:,} runs ended, {counts['held_back']:,} held back."
    )
    if errors:
        text += " Disabled: " + "; ".join(errors.values()) + "."
    return PlayReport(text, tuple(sheet), (), {name: counts[name] for name in COUNTED}, dict(errors), ctx.today())
