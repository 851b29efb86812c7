"""Who is in which stage of the lifecycle, how accounts flow through the stages, and where they stall."""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import polars as pl
from sqlalchemy import and_, func
from sqlmodel import Session, col, select

from scoring.experiments import Share
from scoring.flow import ENOUGH, ENTRIES, STALLED, conversion, standing
from scoring.journeys import Journeys, StageRule
from scoring.predicates import did_you_mean
from scoring.stages import PASSED
from storage.models import Account, StageEntry
from storage.queries import read_frame
from tools.account_query import scored_day
from tools.context import Context
from tools.errors import UserError
from tools.facts import Fact, FactSheet, Result, plural
from tools.names import find_colleague

SOURCE = "stage_entry"
MOST_ROWS = 100
PAST_DAYS = 730  # how far back the history of a stage is asked
WINDOWS = (90, 180)  # days over which the flow is told


@dataclass(frozen=True)
class StageRow:
    """An account in a stage; `stalled` when it has been there for longer than usual."""

    account_id: int
    account: str
    owner_email: str | None
    entered_on: date
    days: int
    inferred: bool
    stalled: bool


@dataclass(frozen=True)
class StageList(Result):
    """The accounts in a stage, those first who have been there longest."""

    stage: str = ""
    rows: tuple[StageRow, ...] = ()
    total: int = 0
    as_of: date = date.min


def accounts_in_stage(
    ctx: Context,
    stage: str,
    owner: str | None = None,
    segment: str | None = None,
    stalled: bool = False,
    limit: int = 10,
) -> StageList:
    """List the accounts that are in a stage of the lifecycle, the longest there first.

    Args:
        stage: trial, onboarding, adoption … as the team's lifecycle names them.
        owner: a CSM's name or email; "me" for the accounts of the person who asks.
        segment: smb, mid_market, enterprise or consumer, or the team's own.
        stalled: only those who have been there for much longer than usual.
        limit: how many rows to show, at most 100.
    """
    rule = stage_rule(ctx.journeys, stage)
    with ctx.session() as session:
        as_of = scored_day(ctx, session)
        person = find_colleague(ctx, session, owner) if owner else None
        late = as_of - timedelta(days=int(STALLED * rule.typical_days))
        where: list[Any] = [
            col(StageEntry.journey) == ctx.journeys.lifecycle.id,
            col(StageEntry.stage) == rule.name,
            col(StageEntry.left_on).is_(None),
            *([func.lower(Account.owner_email) == person.email.lower()] if person else []),
            *([func.lower(Account.segment) == segment.lower()] if segment else []),
            *([col(StageEntry.entered_on) < late] if stalled else []),
        ]
        joined = col(Account.id) == col(StageEntry.account_id)
        total = session.exec(select(func.count(col(StageEntry.id))).join(Account, joined).where(*where)).one()
        statement = select(StageEntry, Account).join(Account, joined).where(*where)
        order = (col(StageEntry.entered_on), col(Account.name))
        found = session.exec(statement.order_by(*order).limit(max(1, min(limit, MOST_ROWS)))).all()
    rows = tuple(
        StageRow(a.id or 0, a.name, a.owner_email, e.entered_on, (as_of - e.entered_on).days, e.inferred,
                 e.entered_on < late)
        for e, a in found
    )  # fmt: skip
    text, facts = _list_words(rule, rows, total, stalled), _list_facts(rule, rows, total, as_of)
    return StageList(text, facts, tuple(row.account_id for row in rows), rule.name, rows, total, as_of)


def stage_now(session: Session, account: Account) -> str | None:
    """The stage that the journeys found; the imported one while there is none."""
    here = (StageEntry.account_id == account.id, col(StageEntry.left_on).is_(None))
    found = session.exec(select(StageEntry.stage).where(*here).order_by(col(StageEntry.id).desc())).first()
    return found or account.stage


def _list_words(rule: StageRule, rows: tuple[StageRow, ...], total: int, stalled: bool) -> str:
    name, much = spoken(rule.name), " stalled" if stalled else ""
    if not rows:
        return f"No account is{much} in {name}."
    first = rows[0]
    since = f"{'probably ' if first.inferred else ''}{plural(first.days, 'day')}"
    verb = "is" if total == 1 else "are"
    return f"{plural(total, 'account')} {verb}{much} in {name}. Longest: {first.account}, {since}."


def _list_facts(rule: StageRule, rows: tuple[StageRow, ...], total: int, as_of: date) -> tuple[Fact, ...]:
    sheet = FactSheet(as_of)
    sheet.add("portfolio", f"accounts in {spoken(rule.name)}", total, "accounts", SOURCE)
    for row in rows:
        sheet.add(row.account, f"days in {spoken(rule.name)}", row.days, "days", SOURCE)
        sheet.add(row.account, f"in {spoken(rule.name)} since", row.entered_on, "date", SOURCE)
    return tuple(sheet)


@dataclass(frozen=True)
class Flow:
    """What happened in a stage over `days`: of `counted` accounts whose time came, `went` went on.

    Args:
        share: went / counted with its 95 % interval `low` to `high`; None with fewer than 20 accounts.
        median_days: that those who went on took.
    """

    days: int
    counted: int
    went: int
    share: float | None
    low: float | None
    high: float | None
    median_days: float | None


@dataclass(frozen=True)
class StageFlow:
    """A stage: who is there now, how many of them for much longer than usual, and the flow over 90 and 180 days."""

    stage: str
    now: int
    stalled: int
    median_stay: float | None
    typical_days: int
    target: float | None
    flows: tuple[Flow, ...]


@dataclass(frozen=True)
class Bottlenecks(Result):
    """Every stage in order; `worst` is where most accounts stall, `segment` of whom this tells (None: all)."""

    stages: tuple[StageFlow, ...] = ()
    worst: str | None = None
    segment: str | None = None
    as_of: date = date.min


def bottlenecks(ctx: Context, segment: str | None = None) -> Bottlenecks:
    """Show where accounts stall in the lifecycle: per stage how many are there, go on, and how long it takes.

    Args:
        segment: smb, mid_market, enterprise or consumer, or the team's own.
    """
    journeys = ctx.journeys
    with ctx.session() as session:
        as_of = scored_day(ctx, session)
        entries = stage_entries(session, journeys, as_of, segment=segment)
    there = standing(journeys, entries, as_of)
    flows = {days: _flows(journeys, entries, as_of, days) for days in WINDOWS}
    stages = tuple(
        StageFlow(
            name, now, stalled, stay, rule.typical_days, rule.target, tuple(flows[days][name] for days in WINDOWS)
        )
        for name, now, stalled, stay in there.iter_rows()
        for rule in (journeys.lifecycle.stage(name),)
    )
    most = max(stages, key=lambda each: each.stalled)
    worst = most.stage if most.stalled else None
    return Bottlenecks(_words(stages, most, segment), _facts(stages, as_of), (), stages, worst, segment, as_of)


def _flows(journeys: Journeys, entries: pl.DataFrame, as_of: date, days: int) -> dict[str, Flow]:
    found = {row[0]: row[1:] for row in conversion(journeys, entries, as_of, days).iter_rows()}
    return {stage.name: _flow(days, *found.get(stage.name, (0, 0, None))) for stage in journeys.lifecycle.stages}


def _flow(days: int, counted: int, went: int, median: float | None) -> Flow:
    if counted < ENOUGH:
        return Flow(days, counted, went, None, None, None, median)
    share = Share(went, counted)
    return Flow(days, counted, went, share.value, *share.interval, median)


def _words(stages: tuple[StageFlow, ...], most: StageFlow, segment: str | None) -> str:
    of = f" ({spoken(segment)})" if segment else ""
    placed = sum(each.now for each in stages)
    if not placed:
        return f"No account has a stage yet{of}; the next scoring places them."
    said = f"{plural(placed, 'account')} in the lifecycle{of}."
    if most.stalled:
        limit = round(STALLED * most.typical_days)
        said += f" Most stall in {spoken(most.stage)}: {most.stalled:,} of {most.now:,} for more than {limit} days."
    else:
        said += " None is in a stage for much longer than usual."
    return f"{said} {_lowest(stages)}"


def _lowest(stages: tuple[StageFlow, ...]) -> str:
    known = [(each.flows[0].share, each) for each in stages if each.flows[0].share is not None]
    if not known:
        return f"Not enough history yet to say how many go on (fewer than {ENOUGH} accounts in each stage)."
    share, stage = min(known, key=lambda pair: pair[0])
    aim = f", the target is {stage.target:.0%}" if stage.target else ""
    flow = stage.flows[0]
    return f"The fewest go on from {spoken(stage.stage)}: {share:.0%} of {flow.counted:,} in {flow.days} days{aim}."


def _facts(stages: tuple[StageFlow, ...], as_of: date) -> tuple[Fact, ...]:
    sheet = FactSheet(as_of)
    sheet.add("portfolio", "accounts in the lifecycle", sum(each.now for each in stages), "accounts", SOURCE)
    for each in stages:
        name = spoken(each.stage)
        sheet.add(name, "accounts", each.now, "accounts", SOURCE)
        sheet.add(name, "stalled accounts", each.stalled, "accounts", SOURCE)
        sheet.add(name, "median days so far", each.median_stay, "days", SOURCE)
        sheet.add(name, "typical days", each.typical_days, "days", "lifecycle")
        sheet.add(name, "days after which an account stalls", round(STALLED * each.typical_days), "days", "lifecycle")
        sheet.add(name, "target", each.target, "share", "lifecycle")
        for flow in each.flows:
            sheet.add(name, f"accounts counted in {flow.days} days", flow.counted, "accounts", SOURCE)
            sheet.add(name, f"went on in {flow.days} days", flow.share, "share", SOURCE)
            sheet.add(name, f"median days of those who went on in {flow.days} days", flow.median_days, "days", SOURCE)
    return tuple(sheet)


def stage_rule(journeys: Journeys, words: str) -> StageRule:
    """Find a stage by its name.

    Raises:
        UserError: there is none; names those there are.
    """
    plain = words.strip().lower().replace(" ", "_")
    names = [stage.name for stage in journeys.lifecycle.stages]
    if plain not in names:
        known = ", ".join(spoken(name) for name in names)
        raise UserError(f"There is no stage “{words}”{did_you_mean(plain, names)} There are: {known}.")
    return journeys.lifecycle.stage(plain)


def stage_entries(session: Session, journeys: Journeys, as_of: date, segment: str | None = None) -> pl.DataFrame:
    """Return the entries of the last two years, and who is where now, with the columns of `ENTRIES`."""
    recent = (col(StageEntry.entered_on) > as_of - timedelta(days=PAST_DAYS)) | col(StageEntry.left_on).is_(None)
    return _entries(session, journeys, recent, segment)


def past_entries(session: Session, journeys: Journeys, as_of: date, stage: str | None = None) -> pl.DataFrame:
    """Return what the odds rest on: entries of the last two years that were seen, of a stage or of all."""
    recent = col(StageEntry.entered_on) > as_of - timedelta(days=PAST_DAYS)
    which = [col(StageEntry.stage) == stage] if stage else []
    return _entries(session, journeys, and_(recent, col(StageEntry.inferred).is_(False), *which))


def _entries(session: Session, journeys: Journeys, where: Any, segment: str | None = None) -> pl.DataFrame:
    mine = (col(StageEntry.journey) == journeys.lifecycle.id, col(StageEntry.how) != PASSED, where)
    rows = read_frame(session, StageEntry, [name for name in ENTRIES if name != "segment"], *mine)
    those: list[Any] = [col(Account.id).in_(select(StageEntry.account_id).where(*mine))]
    if segment:
        those.append(func.lower(Account.segment) == segment.lower())
    segments = read_frame(session, Account, ("id", "segment"), *those).rename({"id": "account_id"})
    return rows.join(segments, on="account_id").select(list(ENTRIES))


def spoken(name: str) -> str:
    """Show a stage's name as people say it."""
    return name.replace("_", " ")
