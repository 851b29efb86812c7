"""Score the portfolio, explain one score, summarise them all."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import numpy as np
import polars as pl
from sqlmodel import Session, col, select

from scoring.catalogue import CATALOGUE
from scoring.features import feature_table, usage_features
from scoring.health import Health, loss_rates, score
from storage import queries
from storage.database import insert_rows
from storage.models import Account, Snapshot
from tools.account_rows import COMPARABLE, SLACK, AccountRow, row_of, scored_day
from tools.accounts import add_row_facts, band_words, points
from tools.context import Context
from tools.facts import FactSheet, Result
from tools.names import resolve_account

LOSS_HORIZON = 60  # days: the default report is 30-60 days of early warning
TRENDS = (7, 30, 90)
# Days back that are scored once after an import, oldest first: trends need the near ones, loss rates the far ones.
BACKFILL = tuple(sorted({1, 30, *range(7, 92, 7), *range(120, 361, 30)}, reverse=True))
SNAPSHOT_KEY = ("day", "scorecard", "account_id")
MOST_MISSED = 90  # days that are made up for after a long silence


@dataclass(frozen=True)
class Refreshed:
    """What one scoring run did."""

    day: date
    accounts: int
    days_written: int


@dataclass(frozen=True)
class Indicator:
    """One line of an explained score."""

    label: str
    shown: str
    points: float
    weight: float
    effect: float


@dataclass(frozen=True)
class HealthCard(Result):
    """An explained score: trend against 7, 30 and 90 days, every indicator, what is missing."""

    row: AccountRow | None = None
    trends: tuple[tuple[int, float], ...] = ()
    indicators: tuple[Indicator, ...] = ()
    missing: tuple[str, ...] = ()
    history: tuple[tuple[date, float], ...] = ()
    as_of: date = date.min


def data_day(ctx: Context) -> date | None:
    """Return the newest day that the data describe, at most today; scores are as of it.

    An import of old history is scored as of its own end: as of today, every account would look dead.
    """
    usage = ctx.usage.table(ctx.workspace_id)
    newest = None
    if usage is not None:
        newest = usage.filter(usage.day <= ctx.today()).day.max().to_pyarrow().as_py()
    if newest is None:
        with ctx.session() as session:
            newest = queries.newest_fact(session)
    # A day's usage arrives during the next night: data of yesterday is today's picture.
    fresh = newest is not None and newest >= ctx.today() - timedelta(days=3)
    return ctx.today() if fresh else newest


def no_progress(done: int, total: int) -> None:
    """Report nothing."""


def refresh(ctx: Context, progress: Callable[[int, int], None] = no_progress) -> Refreshed:
    """Score every account for the newest day of the data, and once for the past days that trends need.

    Snapshots that are there are left as they are, so running it again changes nothing; accounts that were
    imported after a day was scored are added to it.
    """
    newest = data_day(ctx)
    if newest is None:
        return Refreshed(ctx.today(), 0, 0)
    missing = _days_to_score(ctx, newest)
    if not missing:
        return Refreshed(newest, 0, 0)
    with ctx.session() as session:
        frames = queries.facts_until(session, newest)
    accounts = 0
    usage = ctx.usage.table(ctx.workspace_id, in_memory=len(missing) > 1)
    for done, day in enumerate(missing):
        accounts = _score_day(ctx, frames, usage, day)
        progress(done + 1, len(missing))
    return Refreshed(newest, accounts, len(missing))


def _score_day(ctx: Context, frames: dict[str, pl.DataFrame], usage: Any, as_of: date) -> int:
    """Write one day's snapshots. Returns the number of accounts scored."""
    collected = None if usage is None else usage_features(usage, as_of).to_polars()
    features = feature_table(frames, collected, as_of)
    health = score(ctx.scorecard, features)
    with ctx.session() as session:
        rates = loss_rates(queries.loss_history(session, ctx.scorecard.id, as_of, LOSS_HORIZON))
        insert_rows(session, Snapshot, _snapshots(health, as_of, rates), unless=SNAPSHOT_KEY)
        session.commit()
    return features.height


def features_of(ctx: Context, session: Session, account: Account, as_of: date) -> pl.DataFrame:
    """Return one account's row of the feature table (empty when it was no customer on the day)."""
    usage = ctx.usage.table(ctx.workspace_id)
    collected = None
    if usage is not None:
        collected = usage_features(usage.filter(usage.account == account.external_id), as_of).to_polars()
    return feature_table(queries.facts_until(session, as_of, account.id), collected, as_of)


def explain_health(ctx: Context, account: str) -> HealthCard:
    """Explain one account's health score: band, trend, what pulls it up or down, and what data is missing.

    Args:
        account: the account's name, domain or external id.
    """
    with ctx.session() as session:
        as_of = scored_day(ctx, session)
        found = resolve_account(session, account, as_of)
        row = row_of(ctx, session, found, as_of)
        history = _history(session, ctx, row.id, as_of)
    now = history.get(as_of)
    trends = _trends(history, as_of)
    indicators, missing = _indicators(ctx, (now.drivers if now else None) or {})
    sheet = FactSheet(as_of)
    add_row_facts(sheet, row)
    for days, change in trends:
        sheet.add(row.name, f"change of health in {days} days", change, "points", "snapshot")
    for line in indicators:
        sheet.add(row.name, line.label, line.shown, "text", "snapshot")
    return HealthCard(
        text=_explanation(row, trends, missing),
        facts=tuple(sheet),
        account_ids=(row.id,),
        row=row,
        trends=trends,
        indicators=indicators,
        missing=missing,
        as_of=as_of,
        history=tuple((d, s.value) for d, s in sorted(history.items()) if s.value is not None),
    )


def _days_to_score(ctx: Context, newest: date) -> list[date]:
    """The newest day and, the first time, days of the past; later, days that were stepped over."""
    with ctx.session() as session:
        started = session.exec(select(col(Account.started_on)).order_by(col(Account.started_on))).first()
        last = queries.snapshot_day(session, ctx.scorecard.id, newest)
        unscored = queries.unscored_accounts(session, newest, ctx.scorecard.id)
    if last is None:
        past = [newest - timedelta(days=back) for back in BACKFILL]
        first = (started or newest) + timedelta(days=28)
        return [*(day for day in past if day >= first), newest]
    if last == newest:
        return [newest] if unscored else []
    return [last + timedelta(days=n) for n in range(1, (newest - last).days + 1)][-MOST_MISSED:]


def _snapshots(health: Health, as_of: date, rates: dict[str, float]) -> list[dict[str, Any]]:
    card = health.scorecard
    rows = []
    for row, account_id in enumerate(health.account_ids.tolist()):
        value = None if np.isnan(health.values[row]) else float(health.values[row])
        band = card.band(value)
        rows.append(
            {
                "account_id": account_id,
                "day": as_of,
                "scorecard": card.id,
                "scorecard_version": card.version,
                "value": value,
                "band": band,
                "coverage": round(float(health.coverage[row]), 4),
                "loss_probability": rates.get(band) if band else None,
                "drivers": health.drivers(row),
            }
        )
    return rows


def _history(session: Session, ctx: Context, account_id: int, as_of: date) -> dict[date, Snapshot]:
    found = session.exec(
        select(Snapshot).where(
            Snapshot.account_id == account_id,
            Snapshot.scorecard == ctx.scorecard.id,
            col(Snapshot.day) <= as_of,
            col(Snapshot.day) >= as_of - timedelta(days=180),
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


def _near(history: dict[date, Snapshot], day: date) -> Snapshot | None:
    """The newest snapshot up to a day, unless it is more than a week older."""
    found = max((known for known in history if day - SLACK <= known <= day), default=None)
    return history[found] if found else None


def _indicators(ctx: Context, drivers: dict[str, Any]) -> tuple[tuple[Indicator, ...], tuple[str, ...]]:
    lines, missing = [], []
    for indicator, weight in zip(ctx.scorecard.indicators, ctx.scorecard.weights.tolist(), strict=True):
        feature, driver = CATALOGUE[indicator.feature], drivers.get(indicator.feature)
        if driver is None:
            missing.append(feature.label)
            continue
        shown = feature.show(driver["value"])
        lines.append(Indicator(feature.label, shown, driver["points"], weight, driver["effect"]))
    return tuple(sorted(lines, key=lambda line: line.effect)), tuple(missing)


def _explanation(row: AccountRow, trends: tuple[tuple[int, float], ...], missing: tuple[str, ...]) -> str:
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
