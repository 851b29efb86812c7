"""What plays there are and how they do: one account's, the whole library with counts, and their measured effect."""

from collections import Counter, defaultdict
from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal

from sqlmodel import Session, col, func, select

from knowledge.kinds import Play
from knowledge.play_intents import RANKS
from storage.models import PlayDecision, PlayRun, PlayStep, RunState, StepState
from tools.account_query import scored_day
from tools.context import Context
from tools.facts import FactSheet, Result, day, plural
from tools.names import resolve_account

SOURCE = "play_run"
MOST_ROWS = 200
Urgency = Literal["immediate", "soon", "planned", "routine"]


@dataclass(frozen=True)
class RunRow:
    """One run as people see it; `next_step` and `next_at` only while it runs, `outcome` once it has ended."""

    id: int
    play: str
    title: str
    state: str
    because: str
    started_at: datetime
    started_by: str
    next_step: str | None = None
    next_at: datetime | None = None
    outcome: str | None = None
    goal_met_on: date | None = None


@dataclass(frozen=True)
class AccountPlays(Result):
    """The plays of one account: `running` (paused and held out too), `held_back` with the reason, `past`."""

    account: str = ""
    running: tuple[RunRow, ...] = ()
    held_back: tuple[tuple[str, str], ...] = ()
    past: tuple[RunRow, ...] = ()


@dataclass(frozen=True)
class PlayRow:
    """One play of the library with its runs: open ones, ended ones, and those that reached their goal."""

    id: str
    title: str
    urgency: str
    owner: str
    steps: int
    running: int
    held_out: int
    ended: int
    goal_met: int


@dataclass(frozen=True)
class PlayList(Result):
    """Plays, the most urgent first; `errors` are documents that cannot be used."""

    rows: tuple[PlayRow, ...] = ()
    total: int = 0
    errors: tuple[str, ...] = ()


def account_plays(ctx: Context, account: str) -> AccountPlays:
    """Show an account's plays: what runs with its next step, what is held back and why, and what came of past ones.

    Args:
        account: the account's name, domain or external id.
    """
    with ctx.session() as session:
        found = resolve_account(session, account, scored_day(ctx, session))
        runs = session.exec(
            select(PlayRun).where(PlayRun.account_id == found.id).order_by(col(PlayRun.started_at).desc())
        ).all()
        rows = [_run_row(ctx, session, run) for run in runs]
        held = _held(session, found.id or 0, {row.play for row in rows if row.outcome is None})
    running = tuple(row for row in rows if row.outcome is None)
    past = tuple(row for row in rows if row.outcome is not None)
    sheet = FactSheet(ctx.today())
    sheet.add(found.name, "running plays", len(running), "plays", SOURCE)
    for row in running:
        sheet.add(found.name, f"next step of {row.title}", row.next_at and row.next_at.date(), "date", SOURCE)
    for row in past:
        sheet.add(found.name, f"goal of {row.title} met on", row.goal_met_on, "date", SOURCE)
    text = _account_words(found.name, running, held, past)
    return AccountPlays(text, tuple(sheet), (found.id or 0,), found.name, running, held, past)


def list_plays(ctx: Context, words: str | None = None, urgency: Urgency | None = None, limit: int = 20) -> PlayList:
    """Browse the plays, the most urgent first, with how many runs are open, ended and successful.

    Args:
        words: part of the title or of a question that the play answers.
        urgency: immediate, soon, planned or routine.
        limit: how many rows to show, at most 200.
    """
    known = ctx.library()
    wanted = [p for p in known.plays.values() if _fits(p, words) and urgency in (None, p.urgency)]
    with ctx.session() as session:
        counts = _counts(session)
    wanted.sort(key=lambda play: (RANKS[play.urgency], play.title))
    rows = tuple(_play_row(play, counts[play.id]) for play in wanted[: max(1, min(limit, MOST_ROWS))])
    sheet = FactSheet(ctx.today())
    sheet.add("library", "plays", len(wanted), "plays", "knowledge")
    for row in rows:
        for name in ("running", "ended", "goal_met"):
            sheet.add(row.title, f"runs {name.replace('_', ' ')}", getattr(row, name), "runs", SOURCE)
    lines = [
        f"• {row.title} ({row.urgency}, {plural(row.steps, 'step')}): {row.running:,} running, {row.ended:,} ended, "
        f"{row.goal_met:,} reached the goal"
        for row in rows
    ]
    head = f"{plural(len(wanted), 'play')}." if wanted else "No play fits that."
    return PlayList("\n".join([head, *lines]), tuple(sheet), (), rows, len(wanted), known.errors)


def _run_row(ctx: Context, session: Session, run: PlayRun) -> RunRow:
    play = ctx.library().plays.get(run.play)
    waits = (PlayStep.run_id == run.id, PlayStep.state == StepState.WAITING)
    ahead = session.exec(select(PlayStep).where(*waits).order_by(col(PlayStep.due_at), col(PlayStep.id))).first()
    running = run.state == RunState.RUNNING and ahead is not None
    return RunRow(
        id=run.id or 0,
        play=run.play,
        title=play.title if play else run.play,
        state=run.state,
        because=run.because,
        started_at=run.started_at,
        started_by=run.started_by,
        next_step=ahead.step if running and ahead else None,
        next_at=ahead.due_at if running and ahead else None,
        outcome=None if run.ended_at is None else (run.ended_because or run.state),
        goal_met_on=run.goal_met_on,
    )


def _held(session: Session, account_id: int, running: set[str]) -> tuple[tuple[str, str], ...]:
    """What is held back now: the newest decision of each play, where that is a hold."""
    newest = select(func.max(PlayDecision.id)).where(PlayDecision.account_id == account_id).group_by(PlayDecision.play)
    rows = session.exec(select(PlayDecision).where(col(PlayDecision.id).in_(newest), PlayDecision.decision == "hold"))
    return tuple(sorted((row.play, row.because) for row in rows if row.play not in running))


def _account_words(
    name: str, running: tuple[RunRow, ...], held: tuple[tuple[str, str], ...], past: tuple[RunRow, ...]
) -> str:
    lines = [f"{name}: {plural(len(running), 'play')} open, {len(held)} held back, {len(past)} in the past."]
    for row in running:
        then = f", next {row.next_step} on {day(row.next_at.date())}" if row.next_at else ""
        lines.append(f"• {row.title}: {row.state.replace('_', ' ')} since {day(row.started_at.date())}{then}")
    lines += [f"• held back: {play}, {because}" for play, because in held]
    lines += [f"• {row.title}, {day(row.started_at.date())}: {row.outcome}" for row in past]
    return "\n".join(lines)


def _fits(play: Play, words: str | None) -> bool:
    return words is None or any(words.lower() in text.lower() for text in (play.title, *play.examples))


def _counts(session: Session) -> dict[str, Counter[str]]:
    met = col(PlayRun.goal_met_on).is_not(None)
    ended = col(PlayRun.ended_at).is_not(None)
    columns = (col(PlayRun.play), col(PlayRun.state), ended, met, func.count())
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for play, state, is_ended, is_met, many in session.execute(select(*columns).group_by(*columns[:4])).all():  # type: ignore[call-overload]
        held_out = state == RunState.HELD_OUT
        counts[play]["held_out"] += many * held_out
        counts[play]["running"] += many * (not is_ended and not held_out)
        counts[play]["ended"] += many * (bool(is_ended) and not held_out)
        counts[play]["goal_met"] += many * (bool(is_met) and not held_out)
    return counts


def _play_row(play: Play, counts: Counter[str]) -> PlayRow:
    return PlayRow(
        play.id, play.title, play.urgency, play.owner, len(play.steps), counts["running"], counts["held_out"],
        counts["ended"], counts["goal_met"],
    )  # fmt: skip
