"""Explain one account's health score: trend, what makes it up, what moved it, and what is missing."""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from sqlmodel import Session, col, select

from scoring.baselines import FLEET, peer_group
from scoring.catalogue import CATALOGUE, late_after
from scoring.health import Drivers, Raw, read_raw, waterfall
from scoring.scorecard import Scorecard
from storage import queries
from storage.models import Account, ScoringRun, Signal, Snapshot
from tools.account_query import SLACK, subject_of
from tools.account_rows import COMPARABLE, AccountRow, Runs
from tools.accounts import add_row_facts, band_words, points
from tools.context import Context
from tools.facts import Fact, FactSheet, Result, day
from tools.refresh import declared_signals

TRENDS = (7, 30, 90)
MOST_SIGNALS = 3
HISTORY = 180  # days of scores that the chart may show


@dataclass(frozen=True)
class Indicator:
    """One line of an explained score."""

    label: str
    shown: str
    points: float
    weight: float
    effect: float


@dataclass(frozen=True)
class Step:
    """One indicator's part in a change, in points; the parts sum exactly to the change."""

    label: str
    before: str
    now: str
    points: float


@dataclass(frozen=True)
class Change:
    """How a score came from an earlier one."""

    since: date
    before: float
    now: float
    steps: tuple[Step, ...]


@dataclass(frozen=True)
class HealthCard(Result):
    """An explained score: trend against 7, 30 and 90 days, every indicator, what moved, what is missing or old."""

    row: AccountRow | None = None
    trends: tuple[tuple[int, float], ...] = ()
    indicators: tuple[Indicator, ...] = ()
    missing: tuple[str, ...] = ()
    history: tuple[tuple[date, float], ...] = ()
    last_change: Change | None = None
    month_change: Change | None = None
    stale: tuple[tuple[str, date], ...] = ()
    baselines: tuple[tuple[str, float], ...] = ()
    signals: tuple[tuple[str, date, str], ...] = ()
    scorecard: str = ""
    version: int = 0
    as_of: date = date.min


def explain_health(ctx: Context, account: str) -> HealthCard:
    """Explain one account's health score: band, trend, what pulls it up or down, what changed, what is missing.

    Args:
        account: the account's name, domain or external id.
    """
    with ctx.session() as session:
        found, row, as_of = subject_of(ctx, session, account)
        history = _history(session, row, as_of)
        runs = Runs(session)
        now = history.get(as_of)
        last = _changed(runs, now, _before(history, as_of))
        month = _changed(runs, now, _near(history, as_of - timedelta(days=30)))
        card = runs.of(now)[0] if now else ctx.scorecards.of(row.segment)
        indicators, missing = _indicators(card, runs.drivers(now) or {}, row.industry)
        run = queries.scoring_run(session, card.id, as_of) if now else None
        stale = _stale(run, card, as_of) if run else ()
        held_against = _baselines(run, found, history, as_of) if run else ()
        signals = _signals(session, row.id)
    return HealthCard(
        text=_explanation(row, _trends(history, as_of), missing),
        facts=_facts(row, _trends(history, as_of), indicators, (last, month), held_against, as_of),
        account_ids=(row.id,),
        row=row,
        trends=_trends(history, as_of),
        indicators=indicators,
        missing=missing,
        history=tuple((d, s.value) for d, s in sorted(history.items()) if s.value is not None),
        last_change=last,
        month_change=month,
        stale=stale,
        baselines=held_against,
        signals=signals,
        scorecard=card.title,
        version=card.version,
        as_of=as_of,
    )


def _facts(
    row: AccountRow,
    trends: tuple[tuple[int, float], ...],
    indicators: tuple[Indicator, ...],
    changes: tuple[Change | None, ...],
    held_against: tuple[tuple[str, float], ...],
    as_of: date,
) -> tuple[Fact, ...]:
    sheet = FactSheet(as_of)
    add_row_facts(sheet, row)
    for days, change in trends:
        sheet.add(row.name, f"change of health in {days} days", change, "points", "snapshot")
    for line in indicators:
        sheet.add(row.name, line.label, line.shown, "text", "snapshot")
    for label, value in held_against:
        sheet.add(row.name, label, value, "points", "scoring run")
    for each in changes:
        for step in each.steps if each else ():
            measure = f"effect of {step.label} since {day(each.since)}" if each else ""
            sheet.add(row.name, measure, step.points, "points", "snapshot")
    return tuple(sheet)


def _history(session: Session, row: AccountRow, as_of: date) -> dict[date, Snapshot]:
    found = session.exec(
        select(Snapshot).where(
            Snapshot.account_id == row.id,
            Snapshot.scorecard == row.scorecard,
            col(Snapshot.day) <= as_of,
            col(Snapshot.day) >= as_of - timedelta(days=HISTORY),
        )
    )
    return {snapshot.day: snapshot for snapshot in found}


def _trends(history: dict[date, Snapshot], as_of: date) -> tuple[tuple[int, float], ...]:
    now = history.get(as_of)
    found = []
    for days in TRENDS:
        before = _near(history, as_of - timedelta(days=days))
        if now is None or before is None or abs(now.coverage - before.coverage) > COMPARABLE:
            continue
        if now.value is not None and before.value is not None:
            found.append((days, round(now.value - before.value, 1)))
    return tuple(found)


def _near(history: dict[date, Snapshot], wanted: date) -> Snapshot | None:
    """The newest snapshot up to a day, unless it is more than a week older."""
    found = max((known for known in history if wanted - SLACK <= known <= wanted), default=None)
    return history[found] if found else None


def _before(history: dict[date, Snapshot], as_of: date) -> Snapshot | None:
    found = max((known for known in history if known < as_of), default=None)
    return history[found] if found else None


def _changed(runs: Runs, now: Snapshot | None, before: Snapshot | None) -> Change | None:
    """Split the change between two snapshots; None when one of them has no score."""
    if now is None or before is None or now.value is None or before.value is None:
        return None
    if now.raw is None or before.raw is None:
        return None
    (new, _), (old, _) = runs.of(now), runs.of(before)
    values, was = read_raw(now.raw), read_raw(before.raw)
    deltas = waterfall((old, was, before.value), (new, values, now.value))
    shown, earlier = _shown(new, values), _shown(old, was)
    steps = [
        Step(CATALOGUE[name].label, earlier.get(name, "no data"), shown.get(name, "no data"), delta)
        for name, delta in sorted(deltas.items(), key=lambda item: -abs(item[1]))
    ]
    return Change(before.day, before.value, now.value, tuple(steps))


def _shown(card: Scorecard, raw: Raw) -> dict[str, str]:
    pairs = zip(card.features, raw, strict=True)
    return {name: CATALOGUE[name].show(value) for name, value in pairs if value is not None}


def _indicators(card: Scorecard, made: Drivers, industry: str) -> tuple[tuple[Indicator, ...], tuple[str, ...]]:
    lines, missing = [], []
    for indicator, weight in zip(card.indicators, card.weights.tolist(), strict=True):
        feature, driver = CATALOGUE[indicator.feature], made.get(indicator.feature)
        if driver is not None:
            shown = feature.show(driver["value"])
            lines.append(Indicator(feature.label, shown, driver["points"], weight, driver["effect"]))
        elif not indicator.industries or industry in indicator.industries:
            missing.append(feature.label)
    return tuple(sorted(lines, key=lambda line: line.effect)), tuple(missing)


def _baselines(
    run: ScoringRun, account: Account, history: dict[date, Snapshot], as_of: date
) -> tuple[tuple[str, float], ...]:
    """The account's own mean of 90 days, its peers' median and the fleet's."""
    own = [s.value for day_, s in history.items() if s.value is not None and day_ >= as_of - timedelta(days=90)]
    found = [("its own mean of 90 days", round(sum(own) / len(own), 1))] if len(own) > 1 else []
    group = peer_group(account.segment, account.plan, (as_of - account.started_on).days)
    if group in run.baselines:
        middle, count = run.baselines[group]
        found.append((f"median of {count:.0f} peers", middle))
    if FLEET in run.baselines:
        found.append(("median of all accounts", run.baselines[FLEET][0]))
    return tuple(found)


def _signals(session: Session, account_id: int) -> tuple[tuple[str, date, str], ...]:
    """The gravest open signals: title, since when, and the evidence in numbers."""
    titles = {rule.kind: rule.declared.title for rule in declared_signals()}
    found = session.exec(
        select(Signal)
        .where(Signal.account_id == account_id, col(Signal.closed_on).is_(None))
        .order_by(col(Signal.severity).desc(), col(Signal.opened_on).desc())
    ).all()
    return tuple((titles.get(s.kind, s.kind), s.opened_on, _evidence(s.evidence or {})) for s in found[:MOST_SIGNALS])


def _evidence(evidence: dict[str, Any]) -> str:
    shown = [
        f"{CATALOGUE[name].label} {CATALOGUE[name].show(float(value))}"
        for name, value in evidence.items()
        if name in CATALOGUE and isinstance(value, (int, float))
    ]
    return "; ".join(shown[:2])


def _stale(run: ScoringRun, card: Scorecard, as_of: date) -> tuple[tuple[str, date], ...]:
    """The sources of this scorecard that had nothing new for a while before the day, with their newest day."""
    sources = dict.fromkeys(CATALOGUE[name].source for name in card.features)
    newest = {s: date.fromisoformat(d) for s in sources if (d := run.freshness.get(s))}
    return tuple((s, d) for s, d in newest.items() if (as_of - d).days > late_after(s))


def _explanation(row: AccountRow, trends: tuple[tuple[int, float], ...], missing: tuple[str, ...]) -> str:
    if row.override:
        return _override_words(row)
    if row.health is None:
        return (
            f"{row.name} has not enough data for a score: coverage {row.coverage:.0%}. Missing: {', '.join(missing)}."
        )
    moved = ", ".join(f"{change:+.1f} in {days} days" for days, change in trends)
    down = "; ".join(reason.text for reason in row.reasons) or "nothing stands out"
    up = "; ".join(reason.text for reason in row.strengths)
    return (
        f"{row.name} scores {points(row.health)} ({band_words(row.band)})"
        + (f", {moved}" if moved else "")
        + f". Pulls down: {down}."
        + (f" Holds up: {up}." if up else "")
        + f" Coverage {row.coverage:.0%}."
    )


def _override_words(row: AccountRow) -> str:
    assert row.override is not None
    made = row.override
    computed = "no score" if made.computed is None else f"{points(made.computed)} ({band_words(made.computed_band)})"
    shown = band_words(row.band) if row.health is None else f"{points(row.health)} ({band_words(row.band)})"
    return (
        f"{row.name} is set to {shown} by {made.by} until {day(made.expires_on)}: “{made.note}”. Computed: {computed}."
    )
