"""What plays there are and how they do: one account's, the whole library with counts, and their measured effect."""

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal

from sqlmodel import Session, col, func, select

from knowledge.documents import library
from knowledge.kinds import Play
from knowledge.play_intents import HELD_OUT, RANKS
from scoring.experiments import FEWEST, FEWEST_EVENTS, Effect, Share, effects, share_effect, stop_for_harm
from storage.models import PlayDecision, PlayRun, PlayStep, RunState, StepState
from tools.account_query import scored_day
from tools.context import Context
from tools.facts import FactSheet, Result, day, plural
from tools.names import resolve_account
from tools.play_control import BY_HAND, find_play

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


@dataclass(frozen=True)
class Outcome:
    """How a play did, over the runs whose goal's time is over.

    Args:
        started: runs that the engine started, ended or not; those that people started are not compared.
        arms: share that reached the goal, by variant.
        effect: all variants together against the hold-out.
        variants: each variant against the hold-out, where there are several.
        harmful: whether it should be stopped: with enough data, it does worse than nothing.
    """

    play: str
    title: str
    started: int
    treated: Share
    held_out: Share
    arms: Mapping[str, Share]
    effect: Effect
    variants: Mapping[str, Effect]
    harmful: bool


@dataclass(frozen=True)
class Outcomes(Result):
    """The outcome of every play that has run."""

    rows: tuple[Outcome, ...] = ()


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
        rows = [_run_row(session, run) for run in runs]
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
    known = library()
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


def play_outcomes(ctx: Context, play: str | None = None) -> Outcomes:
    """Show per play how many reached its goal, against the hold-out that received nothing, with a 95 % interval.

    Only runs whose goal's time is over count, so that both groups were watched equally long; a run that ended early
    is watched to the same day.

    Args:
        play: the id or title of one play; left out, every play that has run.
    """
    only = find_play(play).id if play else None
    with ctx.session() as session:
        started, groups = _groups(session, ctx.now())
    titles = {p.id: p.title for p in library().plays.values()}
    names = sorted(name for name in started if only in (None, name))
    rows = tuple(_outcome(name, titles.get(name, name), started[name], groups[name]) for name in names)
    sheet = FactSheet(ctx.today())
    for row in rows:
        sheet.add(row.title, "runs started", row.started, "runs", SOURCE)
        for group, share in (("with the play", row.treated), ("in the hold-out", row.held_out)):
            sheet.add(row.title, f"reached the goal {group}", share.reached, "runs", SOURCE)
            sheet.add(row.title, f"watched to the end {group}", share.of, "runs", SOURCE)
        if row.effect.known:
            for name in ("difference", "low", "high"):
                sheet.add(row.title, f"effect, {name}", getattr(row.effect, name), "share", SOURCE)
    text = "\n".join(_outcome_words(row) for row in rows) or "No play has run yet."
    return Outcomes(text, tuple(sheet), (), rows)


def _run_row(session: Session, run: PlayRun) -> RunRow:
    play = library().plays.get(run.play)
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


def _groups(session: Session, now: datetime) -> tuple[Counter[str], dict[str, dict[str, Share]]]:
    """Runs that the engine started per play, and per play and arm who reached the goal of those watched to the end."""
    started: Counter[str] = Counter()
    groups: dict[str, dict[str, Share]] = defaultdict(dict)
    met = col(PlayRun.goal_met_on).is_not(None)
    over = col(PlayRun.goal_until) < now
    columns = (col(PlayRun.play), col(PlayRun.variant), over, met, func.count())
    chosen = select(*columns).where(col(PlayRun.variant) != BY_HAND).group_by(*columns[:4])  # type: ignore[call-overload]
    for play, variant, is_over, is_met, many in session.execute(chosen).all():
        started[play] += many * (variant != HELD_OUT)
        if is_over:
            known = groups[play].get(variant, Share(0, 0))
            groups[play][variant] = Share(known.reached + many * bool(is_met), known.of + many)
    return started, groups


def _outcome(play: str, title: str, started: int, arms: Mapping[str, Share]) -> Outcome:
    control = arms.get(HELD_OUT, Share(0, 0))
    own = {name: share for name, share in arms.items() if name != HELD_OUT}
    treated = Share(sum(s.reached for s in own.values()), sum(s.of for s in own.values()))
    effect = share_effect(treated, control)
    each = effects({**own, HELD_OUT: control}, HELD_OUT) if len(own) > 1 else {}
    return Outcome(play, title, started, treated, control, own, effect, each, stop_for_harm(effect))


def _outcome_words(row: Outcome) -> str:
    said = f"• {row.title}: {plural(row.started, 'run')} started, {row.treated.reached:,} of {row.treated.of:,} reached"
    said += f" the goal; {row.held_out.reached:,} of {row.held_out.of:,} without the play"
    if not row.effect.known:
        return (
            f"{said}. Not enough data yet: at least {FEWEST} watched to the end on each side, and {FEWEST_EVENTS} "
            "that did and did not reach it, are needed."
        )
    points = [f"{100 * value:+.1f}" for value in (row.effect.difference, row.effect.low, row.effect.high)]
    harm = " It does harm: stop it." if row.harmful else ""
    return f"{said}: {points[0]} points (95 % {points[1]} to {points[2]}), {row.effect.verdict}.{harm}"
