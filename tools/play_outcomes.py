"""What plays have changed, measured against the hold-out that received nothing, and which of them do harm."""

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlmodel import Session, col, func, select

from knowledge.play_intents import HELD_OUT
from scoring.experiments import FEWEST, FEWEST_EVENTS, Effect, Share, effects, share_effect, stop_for_harm
from storage.models import PlayRun
from tools.context import Context
from tools.facts import FactSheet, Result, plural
from tools.play_control import BY_HAND, find_play

SOURCE = "play_run"


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


def play_outcomes(ctx: Context, play: str | None = None) -> Outcomes:
    """Show per play how many reached its goal, against the hold-out that received nothing, with a 95 % interval.

    Only runs whose goal's time is over count, so that both groups were watched equally long; a run that ended early
    is watched to the same day.

    Args:
        play: the id or title of one play; left out, every play that has run.
    """
    only = find_play(ctx, play).id if play else None
    with ctx.session() as session:
        started, groups = _groups(session, ctx.now())
    titles = {p.id: p.title for p in ctx.library().plays.values()}
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


def harmful_plays(session: Session, now: datetime) -> frozenset[str]:
    """Return the plays that, with enough data, do worse than nothing."""
    started, groups = _groups(session, now)
    return frozenset(name for name in started if _outcome(name, name, started[name], groups[name]).harmful)


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
