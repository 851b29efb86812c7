"""What to do about an account: the plays that fit it now, with the reason, where they worked, a story to share."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import polars as pl
from sqlmodel import Session, col, select

from knowledge.kinds import Play
from knowledge.play_intents import RANKS
from knowledge.plays import eligible
from knowledge.snapshot import Hit
from storage.models import Account, PlayRun, RunState, Signal
from tools.account_query import subject_of
from tools.account_rows import AccountRow
from tools.context import Context
from tools.expansion import evidence_words
from tools.facts import Fact, FactSheet, Result, day, plural
from tools.play_facts import open_signals, play_table
from tools.refresh import declared_signals

MOST = 3
NUMBERS = 2  # figures of a signal that are told
WORKED = 2  # accounts that are named
OPEN = (RunState.RUNNING, RunState.PAUSED)
URGENCY = {
    "immediate": "within 24 hours", "soon": "within a week", "planned": "within a month", "routine": "in its own time"
}  # fmt: skip
SOURCE = "plays, signal"


@dataclass(frozen=True)
class Recommendation:
    """A play that fits an account now.

    Args:
        because: the account's own signs and figures that call for it.
        first_step: what it begins with.
        worked: similar accounts where it reached its goal, `of` how many that it ran for.
    """

    play: str
    title: str
    urgency: str
    owner: str
    because: str
    first_step: str
    steps: int
    success: str
    worked: tuple[str, ...] = ()
    of: int = 0


@dataclass(frozen=True)
class NextBest(Result):
    """The plays that fit an account, the most urgent first; `running` go on already; a story to share, if one fits."""

    row: AccountRow | None = None
    plays: tuple[Recommendation, ...] = ()
    more: int = 0
    running: tuple[str, ...] = ()
    story: Hit | None = None
    as_of: date = date.min


def recommend(ctx: Context, account: str) -> NextBest:
    """Say what to do about an account: the fitting plays with the reason, where they worked, a case study to share.

    Args:
        account: the account's name, domain or external id.
    """
    with ctx.session() as session:
        found, row, as_of = subject_of(ctx, session, account)
        table = play_table(ctx, session, as_of, found)
        signals = open_signals(session).filter(pl.col("account_id") == found.id)
        known = ctx.library().plays
        fitting = eligible(known.values(), table, signals).rows.filter(pl.col("account_id") == found.id)
        open_runs = session.exec(
            select(PlayRun.play).where(PlayRun.account_id == found.id, col(PlayRun.state).in_(OPEN))
        ).all()
        rows = _ranked(fitting, known, set(open_runs))
        told = _told(session, found)
        plays = tuple(
            _recommended(session, known[play], told.get(kind, because), found) for play, kind, because in rows[:MOST]
        )
    running = tuple(known[play].title if play in known else play for play in open_runs)
    return NextBest(
        text=_words(row, plays, running),
        facts=_facts(row, plays, as_of),
        account_ids=(row.id,),
        row=row,
        plays=plays,
        more=max(len(rows) - MOST, 0),
        running=running,
        story=_story(ctx, row, plays),
        as_of=as_of,
    )


def _ranked(fitting: pl.DataFrame, known: Mapping[str, Play], running: set[str]) -> list[tuple[str, str, str]]:
    """Play, the signal behind it if one is, and the reason: the most urgent first, then the most severe."""
    free = [row for row in fitting.iter_rows(named=True) if row["play"] not in running]
    free.sort(key=lambda row: (RANKS[known[row["play"]].urgency], -row["severity"], row["play"]))
    return [(row["play"], _signal(known[row["play"]], row["because"]), row["because"]) for row in free]


def _signal(play: Play, because: str) -> str:
    """The signal that a reason names; empty where a condition started it."""
    return next((name for name in play.trigger.signals if name.replace("_", " ") in because), "")


def _told(session: Session, account: Account) -> dict[str, str]:
    """The account's open signals in words: what it is, since when, in its own numbers."""
    titles = {rule.kind: rule.declared.title for rule in declared_signals()}
    mine = select(Signal).where(Signal.account_id == account.id, col(Signal.closed_on).is_(None))
    return {
        signal.kind: "; ".join(
            [
                f"{titles.get(signal.kind, signal.kind)} since {day(signal.opened_on)}",
                *numbers(signal.evidence)[:NUMBERS],
            ]
        )
        for signal in session.exec(mine).all()
    }


def numbers(evidence: dict[str, Any] | None) -> tuple[str, ...]:
    """The figures of a signal's evidence in words."""
    return evidence_words({k: v for k, v in (evidence or {}).items() if isinstance(v, int | float)})


def _recommended(session: Session, play: Play, because: str, account: Account) -> Recommendation:
    first = play.steps[0]
    worked, of = _worked(session, play.id, account)
    words = first.goal or first.channel.replace("_", " ")
    return Recommendation(
        play=play.id,
        title=play.title,
        urgency=URGENCY[play.urgency],
        owner=play.owner.replace("_", " "),
        because=because,
        first_step=f"{first.channel.replace('_', '-')} by {first.actor.replace('_', ' ')}: {words}",
        steps=len(play.steps),
        success=play.success_metric,
        worked=worked,
        of=of,
    )


def _worked(session: Session, play: str, account: Account) -> tuple[tuple[str, ...], int]:
    """Accounts of the same industry or segment where it reached its goal, and how many of them it ran for."""
    alike = (col(Account.industry) == account.industry) | (col(Account.segment) == account.segment)
    ran = (
        select(Account.name, col(PlayRun.goal_met_on))
        .join(Account, col(Account.id) == col(PlayRun.account_id))
        .where(PlayRun.play == play, alike, PlayRun.account_id != account.id, PlayRun.state != RunState.HELD_OUT)
    )
    rows = session.exec(ran.order_by(col(PlayRun.goal_met_on).desc())).all()
    return tuple(name for name, met in rows if met is not None)[:WORKED], len(rows)


def _story(ctx: Context, row: AccountRow, plays: tuple[Recommendation, ...]) -> Hit | None:
    """A case study of the same industry that is nearest to the best play."""
    if ctx.knowledge is None or not plays:
        return None
    asked = f"{plays[0].title}. {plays[0].success}"
    index = ctx.knowledge.index(ctx.workspace_id)
    found = index.search(asked, ctx.today(), kinds=("case_study",), only={"industry": row.industry}, limit=1)
    return found.hits[0] if found.hits else None


def _words(row: AccountRow, plays: tuple[Recommendation, ...], running: tuple[str, ...]) -> str:
    going = f" {plural(len(running), 'play')} running already: {', '.join(running)}." if running else ""
    if not plays:
        return f"No play calls for {row.name} now.{going}"
    best = plays[0]
    return f"For {row.name}: {best.title}, {best.urgency}. Why: {best.because}.{going}"


def _facts(row: AccountRow, plays: tuple[Recommendation, ...], as_of: date) -> tuple[Fact, ...]:
    sheet = FactSheet(as_of)
    for play in plays:
        sheet.add(row.name, f"play “{play.title}”", play.because, "text", SOURCE)
        sheet.add(row.name, f"urgency of “{play.title}”", play.urgency, "text", SOURCE)
        if play.of:
            sheet.add(row.name, f"similar accounts that “{play.title}” ran for", play.of, "accounts", "play_run")
    return tuple(sheet)
