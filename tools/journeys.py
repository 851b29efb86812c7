"""Where one account is in its lifecycle: since when and why, what blocks it, what comes next."""

import json
from dataclasses import dataclass
from datetime import date
from typing import Any

import polars as pl
from sqlmodel import Session, col, select

from scoring.catalogue import CATALOGUE
from scoring.flow import stage_odds
from scoring.journeys import Advice, DayJourney, Journeys, StageRule
from scoring.progress import next_actions, progress
from storage.models import Account, MilestoneMet, StageEntry
from storage.queries import read_frame
from tools.account_query import subject_of
from tools.account_rows import AccountRow
from tools.context import Context
from tools.facts import Fact, FactSheet, Result, day, plural
from tools.journey_update import MILESTONE, current_entries, journey_table
from tools.refresh import features_on
from tools.stages import SOURCE, past_entries, spoken

SHOWN = 3  # blockers and actions that the wording names


@dataclass(frozen=True)
class JourneyProgress:
    """How far an account is on one journey; titles of milestones, in their order.

    Args:
        completion: share of the milestones that are met; None where a colleague alone can tell.
        to_tell: id and title of open milestones that a colleague alone can tell.
        day: days since the entry into the stage, or since the first day.
    """

    journey: str
    title: str
    day: int
    completion: float | None
    met: tuple[str, ...]
    open: tuple[str, ...]
    late: tuple[str, ...]
    blockers: tuple[str, ...]
    expected_exit: date
    actions: tuple[Advice, ...]
    to_tell: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Stay:
    """An account's time in a stage, with why it came there."""

    stage: str
    entered_on: date
    left_on: date | None
    how: str
    inferred: bool
    says: str
    evidence: tuple[str, ...]


@dataclass(frozen=True)
class JourneyCard(Result):
    """One account's journey.

    Args:
        history: its stages, the newest first.
        parts: progress in the stage first, then in the journeys by day.
        next_stage: what follows on the way; None at its end or beside it.
        probability: that it goes on within the typical time, `low` to `high` its 95 % interval; None without enough
            history. `basis` says of whom: `segment` or `all`.
    """

    row: AccountRow | None = None
    stage: str | None = None
    history: tuple[Stay, ...] = ()
    parts: tuple[JourneyProgress, ...] = ()
    next_stage: str | None = None
    probability: float | None = None
    low: float | None = None
    high: float | None = None
    basis: str | None = None
    as_of: date = date.min


def journey_of(ctx: Context, account: str) -> JourneyCard:
    """Say where an account is in its lifecycle, since when and why, what blocks it, and what to do next.

    Args:
        account: the account's name, domain or external id.
    """
    journeys = ctx.journeys
    with ctx.session() as session:
        found, row, as_of = subject_of(ctx, session, account)
        used = pl.col("stage").is_in([stage.name for stage in journeys.lifecycle.stages])
        current = current_entries(session, journeys, found.id).filter(used)
        if current.is_empty():
            text = f"{row.name} has no stage yet: what is known of it meets no entry rule, or it is not scored yet."
            return JourneyCard(text, (), (row.id,), row, as_of=as_of)
        table = _described(ctx, session, found, row, current, as_of)
        met = read_frame(session, MilestoneMet, MILESTONE, col(MilestoneMet.account_id) == found.id)
        odds = stage_odds(journeys, past_entries(session, journeys, as_of, stage=current["stage"][0]), as_of)
        history = _history(session, journeys, found)
    told = progress(journeys, table, current.drop("id"), met, odds, as_of)
    parts = tuple(_part(journeys, each, table) for each in told.iter_rows(named=True))
    chance = told.filter(pl.col("stage").is_not_null()).row(0, named=True)
    card = JourneyCard(
        text="",
        account_ids=(row.id,),
        row=row,
        stage=current["stage"][0],
        history=history,
        parts=parts,
        next_stage=_next(journeys, current["stage"][0]),
        **{name: chance[name] for name in ("probability", "low", "high", "basis")},
        as_of=as_of,
    )
    return JourneyCard(**{**vars(card), "text": _words(journeys, card), "facts": _facts(card)})


def _described(
    ctx: Context, session: Session, account: Account, row: AccountRow, current: pl.DataFrame, as_of: date
) -> pl.DataFrame:
    everybody: Any = ctx.usage.table(ctx.workspace_id)
    usage: Any = ctx.usage.table(ctx.workspace_id, account=account.external_id)
    features = features_on(session, usage, as_of, account, everybody=everybody).with_columns(
        pl.lit(row.health, pl.Float64).alias("health"),
        pl.lit(row.loss_probability, pl.Float64).alias("loss_probability"),
    )
    return journey_table(session, features, current, as_of, account.id)


def _history(session: Session, journeys: Journeys, account: Account) -> tuple[Stay, ...]:
    mine = (StageEntry.account_id == account.id, StageEntry.journey == journeys.lifecycle.id)
    found = session.exec(select(StageEntry).where(*mine).order_by(col(StageEntry.id).desc())).all()
    return tuple(_stay(entry) for entry in found)


def _stay(entry: StageEntry) -> Stay:
    because = json.loads(entry.because)
    shown = tuple(_evidence(name, value) for name, value in because["features"].items() if value is not None)
    return Stay(entry.stage, entry.entered_on, entry.left_on, entry.how, entry.inferred, because["says"], shown)


def _evidence(name: str, value: Any) -> str:
    feature = CATALOGUE.get(name)
    if feature is None:
        return f"{spoken(name)}: {value:.4g}" if isinstance(value, float) else f"{spoken(name)}: {value}"
    return f"{feature.label}: {feature.show(value)}"


def _part(journeys: Journeys, told: dict[str, Any], table: pl.DataFrame) -> JourneyProgress:
    owner: StageRule | DayJourney = (
        journeys.lifecycle.stage(told["stage"])
        if told["stage"]
        else next(each for each in journeys.by_day if each.id == told["journey"])
    )
    titles = {milestone.id: milestone.title for milestone in owner.milestones}
    return JourneyProgress(
        journey=told["journey"],
        title=spoken(owner.name) if isinstance(owner, StageRule) else owner.title,
        day=told["day"],
        completion=told["completion"],
        met=tuple(titles[name] for name in told["met"]),
        open=tuple(titles[name] for name in told["open"]),
        late=tuple(titles[name] for name in told["late"]),
        blockers=tuple(told["blockers"]),
        expected_exit=told["expected_exit"],
        actions=next_actions(journeys, owner, table),
        to_tell=tuple((m.id, m.title) for m in owner.milestones if m.manual and m.id in told["open"]),
    )


def _next(journeys: Journeys, stage: str) -> str | None:
    way = [each.name for each in journeys.lifecycle.stages if not each.aside]
    place = way.index(stage) + 1 if stage in way else len(way)
    return way[place] if place < len(way) else None


def _unique(parts: tuple[JourneyProgress, ...], name: str) -> list[Any]:
    return list(dict.fromkeys(each for part in parts for each in getattr(part, name)))


def _words(journeys: Journeys, card: JourneyCard) -> str:
    assert card.row is not None
    now, part = card.history[0], card.parts[0]
    about = "probably since" if now.inferred else "since"
    said = [f"{card.row.name} is in {spoken(now.stage)} ({now.says}), {about} {day(now.entered_on)}, "
            f"{plural(part.day, 'day')}."]  # fmt: skip
    if blockers := _unique(card.parts, "blockers"):
        said.append(f"What blocks it: {'; '.join(blockers[:SHOWN])}.")
    if late := _unique(card.parts, "late"):
        said.append(f"Late: {'; '.join(late[:SHOWN])}.")
    said.append(_chance(journeys, card))
    if actions := _unique(card.parts, "actions"):
        said.append(f"Next: {'; '.join(each.says for each in actions[:SHOWN])}.")
    return " ".join(each for each in said if each)


def _chance(journeys: Journeys, card: JourneyCard) -> str:
    if card.next_stage is None or card.stage is None:
        return ""
    if card.probability is None:
        return f"How likely it goes on to {spoken(card.next_stage)}: not enough history yet."
    of = "its segment" if card.basis == "segment" else "all segments"
    typical = journeys.lifecycle.stage(card.stage).typical_days
    return (
        f"{card.probability:.0%} of past accounts of {of} went on within {typical} days "
        f"(95% interval {card.low:.0%} to {card.high:.0%})."
    )


def _facts(card: JourneyCard) -> tuple[Fact, ...]:
    assert card.row is not None
    sheet, name = FactSheet(card.as_of), card.row.name
    sheet.add(name, "stage", card.stage and spoken(card.stage), "text", SOURCE)
    sheet.add(name, "next stage", card.next_stage and spoken(card.next_stage), "text", SOURCE)
    sheet.add(name, "in its stage since", card.history[0].entered_on, "date", SOURCE)
    for words in card.history[0].evidence:
        sheet.add(name, "evidence for its stage", words, "text", SOURCE)
    for measure in ("probability", "low", "high"):
        label = {"probability": "went on in time", "low": "lower end", "high": "upper end"}[measure]
        sheet.add(name, f"past accounts of this stage: {label}", getattr(card, measure), "share", SOURCE)
    for part in card.parts:
        sheet.add(name, f"days in {part.title}", part.day, "days", SOURCE)
        sheet.add(name, f"completion of {part.title}", part.completion, "share", "milestone")
        sheet.add(name, f"expected end of {part.title}", part.expected_exit, "date", SOURCE)
        for measure in ("met", "late", "blockers"):
            for words in getattr(part, measure):
                sheet.add(name, f"{part.title}: {measure}", words, "text", "milestone")
    return tuple(sheet)
