"""What the runs of plays do now: take a step, leave one out, wait for their turn, or end."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
from polars.exceptions import PolarsError

from knowledge.kinds import LEVELS, Play, Step
from knowledge.play_intents import HELD_OUT, HOLDS, Decisions, DoStep, GoalMet, History, Limits, Run, Skip, Stop
from knowledge.play_times import due_at, open_at, reaches

WORDS = {
    "goal_met": "its goal is met",
    "left_audience": "the account is no longer whom the play is for",
    "reply": "the customer replied",
    "opt_out": "a contact of the account opted out",
    "done": "every step is behind it",
}
TURNS = {"account_id": pl.Int64, "run": pl.Int64, "play": pl.String, "rank": pl.Int64}
ASKED = ("account_id", "time_zone", "snoozed_until", "opted_out_on", "replied_at")


@dataclass(frozen=True)
class _Seen:
    """An account as a run sees it: its conditions by text (None: they could not be asked), and its row."""

    there: bool
    holds: Mapping[str, bool] | None
    row: Mapping[str, Any]
    error: str | None = None

    def zone(self, limits: Limits) -> str:
        return self.row.get("time_zone") or limits.time_zone


def decide_runs(runs: Sequence[Run], facts: pl.DataFrame, history: History, now: datetime, limits: Limits) -> Decisions:
    """Decide for every run what happens now; of one account's plays, the most urgent takes its touchpoints."""
    seen = _look(runs, facts)
    stops, goals, going = [], [], []
    for run in runs:
        ended = _ending(run, seen[run.id], now, limits)
        if isinstance(ended, GoalMet):
            goals.append(ended)
        elif ended is not None:
            stops.append(ended)
        elif run.state == "running":
            going.append(run)
    done, skips, holds = _steps(going, seen, history, now, limits)
    errors = {run.play.id: error for run in runs if (error := seen[run.id].error)}
    held = pl.DataFrame(holds, schema=HOLDS, orient="row")
    return Decisions((), tuple(done), tuple(skips), tuple(stops), tuple(goals), held, errors)


def due_touchpoints(runs: Sequence[Run], facts: pl.DataFrame, now: datetime, limits: Limits) -> pl.DataFrame:
    """Return `account_id, run, play, rank` of running plays with a touchpoint now or within the frequency limit."""
    going = [run for run in runs if run.state == "running"]
    zones = _rows(going, facts)
    rows = []
    for run in going:
        zone = zones.get(run.account_id, {}).get("time_zone") or limits.time_zone
        ahead = (due_at(run.play, s, run.started_at, run.done, zone, run.waited) for s in _left(run) if reaches(s))
        if any(due <= now + limits.between_plays for due in ahead):
            rows.append((run.account_id, run.id, run.play.id, run.rank))
    return pl.DataFrame(rows, schema=TURNS, orient="row")


def _look(runs: Sequence[Run], facts: pl.DataFrame) -> dict[int, _Seen]:
    """What each run sees of its account, asked for all runs of one version of a play at once."""
    by_play: dict[int, list[Run]] = defaultdict(list)
    for run in runs:
        by_play[id(run.play)].append(run)
    mine = facts.filter(pl.col("account_id").is_in([run.account_id for run in runs]))
    rows, seen = _rows(runs, mine), {}
    for group in by_play.values():
        holds, error = _conditions(group, mine)
        for run in group:
            there = run.account_id in rows
            seen[run.id] = _Seen(there, holds.get(run.account_id), rows.get(run.account_id, {}), error)
    return seen


def _rows(runs: Sequence[Run], facts: pl.DataFrame) -> dict[int, dict[str, Any]]:
    mine = facts.filter(pl.col("account_id").is_in([run.account_id for run in runs]))
    return {row["account_id"]: row for row in mine.select(ASKED).iter_rows(named=True)}


def _conditions(group: list[Run], facts: pl.DataFrame) -> tuple[dict[int, dict[str, bool]], str | None]:
    """Every predicate of a play for the accounts of its runs, by its text; or what is wrong with one."""
    play = group[0].play
    texts = sorted(set(play.predicates.values()))
    mine = facts.filter(pl.col("account_id").is_in([run.account_id for run in group]))
    try:
        asked = mine.select(*(pl.sql_expr(text).fill_null(False).alias(text) for text in texts))
    except (PolarsError, TypeError) as error:
        return {}, f"play {play.id}: {str(error).splitlines()[0]}"
    return dict(zip(mine["account_id"].to_list(), asked.iter_rows(named=True), strict=True)), None


def _ending(run: Run, seen: _Seen, now: datetime, limits: Limits) -> Stop | GoalMet | None:
    """How a run ends now, if it does."""
    goal = run.play.goal
    met = bool(goal and seen.holds and seen.holds[goal])
    counts = now <= run.goal_until
    if run.state not in ("running", "paused"):
        if met and counts:
            return GoalMet(run.id, now.date())
        return Stop(run.id, "done", "its time to be watched is over") if run.state == HELD_OUT and not counts else None
    if met:
        return Stop(run.id, "goal_met", WORDS["goal_met"]) if counts else Stop(run.id, "done", "its goal came late")
    for because, applies in _reasons(run, seen, now, limits):
        if applies:
            return Stop(run.id, because, WORDS[because])  # type: ignore[arg-type]
    if run.state == "running" and now > _latest_end(run, limits):
        return Stop(run.id, "done", "its time is over, with steps that never had their turn")
    return None


def _reasons(run: Run, seen: _Seen, now: datetime, limits: Limits) -> Iterator[tuple[str, bool]]:
    left = not seen.there or (seen.holds is not None and not seen.holds[run.play.audience])
    opted_out, replied = seen.row.get("opted_out_on"), seen.row.get("replied_at")
    first = min((at for name, at in run.done.items() if reaches(_step(run.play, name))), default=None)
    yield "opt_out", "opt_out" in run.play.stop and opted_out is not None and opted_out >= run.started_at.date()
    spoke = replied is not None and first is not None and replied.replace(tzinfo=UTC) > first
    yield "reply", "reply" in run.play.stop and spoke
    yield "left_audience", left and ("left_audience" in run.play.stop or not seen.there)
    yield "done", not _left(run) and (run.play.goal is None or now > run.goal_until)


def _latest_end(run: Run, limits: Limits) -> datetime:
    last = run.started_at + timedelta(hours=2 * run.play.steps[-1].hours) + run.waited  # working days, twice at most
    return max(last, run.goal_until) + limits.grace


@dataclass(frozen=True)
class _Wish:
    """A touchpoint that a run has coming: due, or only within the contact-frequency limit."""

    run: Run
    step: Step
    due: datetime


def _steps(
    runs: list[Run], seen: dict[int, _Seen], history: History, now: datetime, limits: Limits
) -> tuple[list[DoStep], list[Skip], list[tuple[int, str, str]]]:
    """Steps to do, steps to leave out, and due ones that wait."""
    done: list[DoStep] = []
    skips: list[Skip] = []
    holds: list[tuple[int, str, str]] = []
    wishes: dict[int, list[_Wish]] = defaultdict(list)
    for run in runs:
        if seen[run.id].holds is None:
            holds.append((run.account_id, run.play.id, seen[run.id].error or "nothing is known of the account"))
            continue
        for wish in _coming(run, seen[run.id], now, limits, skips):
            if reaches(wish.step):
                wishes[run.account_id].append(wish)
            elif wish.due <= now:
                done.append(DoStep(run.id, wish.step.id, wish.due))
    touches = _touches(history, set(wishes))
    for account_id, wanted in sorted(wishes.items()):
        turn = min(wanted, key=lambda wish: (wish.run.rank, wish.run.id)).run
        for wish in wanted:
            if wish.due <= now:
                held = _obstacle(wish, turn, touches[account_id], seen[wish.run.id], now, limits)
                done += [DoStep(wish.run.id, wish.step.id, wish.due)] if held is None else []
                holds += [(account_id, wish.run.play.id, held)] if held is not None else []
    return done, skips, holds


def _coming(run: Run, seen: _Seen, now: datetime, limits: Limits, skips: list[Skip]) -> Iterator[_Wish]:
    """Steps that are due, and touchpoints within the limit; touchpoints keep their order and their distance."""
    before: Step | None = None  # the first touchpoint that is not behind us
    for step in _left(run):
        if before is not None and reaches(step) and step.hours > before.hours:
            continue
        due = due_at(run.play, step, run.started_at, run.done, seen.zone(limits), run.waited)
        if due <= now and not _wanted(run.play, step, seen.holds or {}):
            skips.append(Skip(run.id, step.id, f"it is for accounts with: {step.when}"))
            continue
        if due <= now:
            due = max(due, open_at(run.play, step, now, seen.zone(limits))) if reaches(step) else due
        before = step if reaches(step) else before
        if due <= now + limits.between_plays:
            yield _Wish(run, step, due)


def _wanted(play: Play, step: Step, holds: Mapping[str, bool]) -> bool:
    """Whether the step's condition holds; what counts as high, medium and low use is written in the play's branch."""
    if step.when is None:
        return True
    return holds[play.trigger.branch[step.when] if step.when in LEVELS else step.when]  # type: ignore[index]


def _obstacle(
    wish: _Wish, turn: Run, touches: list[tuple[str, datetime]], seen: _Seen, now: datetime, limits: Limits
) -> str | None:
    """Why a due touchpoint waits, or None."""
    snoozed = seen.row.get("snoozed_until")
    if snoozed is not None and snoozed >= now.date():
        return f"a colleague snoozed the account until {snoozed:%-d %b %Y}"
    if wish.run is not turn:
        return f"the play {turn.play.id}, as urgent or more, has the turn"
    others = [(at, by) for by, at in touches if by != wish.run.play.id and now - at < limits.between_plays]
    if others:
        at, by = max(others)
        after = f"the play {by}" if by else "a colleague's message"
        return f"contact-frequency limit until {at + limits.between_plays:%-d %b %Y} after {after}"
    return None


def _touches(history: History, accounts: set[int]) -> dict[int, list[tuple[str, datetime]]]:
    found: dict[int, list[tuple[str, datetime]]] = defaultdict(list)
    for account_id, play, at in history.touches.filter(pl.col("account_id").is_in(list(accounts))).iter_rows():
        found[account_id].append((play, at.replace(tzinfo=UTC)))
    return found


def _left(run: Run) -> list[Step]:
    return [step for step in run.play.steps if step.id not in run.done and step.id not in run.skipped]


def _step(play: Play, name: str) -> Step:
    return next(step for step in play.steps if step.id == name)
