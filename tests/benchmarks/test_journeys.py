"""Journeys of a large fleet: every account placed, moved and measured right after scoring; one account at once."""

import statistics
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func
from sqlmodel import col, select

from scoring.flow import stage_odds
from scoring.progress import progress
from storage.models import MilestoneMet, StageEntry
from storage.queries import read_frame
from tests.benchmarks.fleet import TODAY, build_fleet, open_fleet
from tools import refresh
from tools.journey_update import MILESTONE, current_entries, journey_table, update_journeys
from tools.journeys import journey_of
from tools.stages import accounts_in_stage, bottlenecks, past_entries

ACCOUNTS = 100_000


@pytest.mark.timeout(900)
def test_a_large_fleet_is_staged_and_progressed_within_five_seconds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build_fleet(tmp_path, ACCOUNTS, tickets=300_000, interactions=300_000, invoices=300_000)
    ctx = open_fleet(tmp_path).context()
    given: dict[str, Any] = {}
    took: dict[str, float] = {}

    def timed(*arguments: Any) -> int:
        given["table"] = arguments[2]
        began = time.perf_counter()
        written = update_journeys(*arguments)
        took["first day"] = time.perf_counter() - began
        return written

    monkeypatch.setattr(refresh, "update_journeys", timed)
    refresh.score_day(ctx, ctx.usage.table("main"), TODAY)
    journeys = ctx.journeys
    with ctx.session() as session:
        began = time.perf_counter()
        current = current_entries(session, journeys)
        table = journey_table(session, given["table"], current, TODAY)
        met = read_frame(session, MilestoneMet, MILESTONE)
        odds = stage_odds(journeys, past_entries(session, journeys, TODAY), TODAY)
        told = progress(journeys, table, current.drop("id"), met, odds, TODAY)
        took["progress"] = time.perf_counter() - began
        began = time.perf_counter()
        moved = update_journeys(ctx, session, given["table"], TODAY + timedelta(1))
        session.commit()
        took["next day"] = time.perf_counter() - began
        placed = session.exec(select(func.count()).where(col(StageEntry.left_on).is_(None))).one()
    print(
        f"\n100,000 accounts: {placed:,} placed with {met.height:,} milestones in {took['first day']:.1f} s after "
        f"scoring, {told.height:,} journeys measured in {took['progress']:.1f} s; the next day, with "
        f"{moved:,} entries, in {took['next day']:.1f} s"
    )
    assert placed > 0.9 * ACCOUNTS
    assert took["first day"] <= 5  # once: every account is written
    assert took["next day"] + took["progress"] <= 5
    _told_at_once(ctx)


def _told_at_once(ctx: Any) -> None:
    """One account's journey, the accounts of a stage, and the bottlenecks of the whole fleet."""
    journey_of(ctx, "A1")
    single = [_milliseconds(journey_of, ctx, f"A{n * 991}") for n in range(2, 22)]
    listed, stuck = _milliseconds(accounts_in_stage, ctx, "retention"), _milliseconds(bottlenecks, ctx)
    print(
        f"one account: median {statistics.median(single):.0f} ms, worst of 20 {max(single):.0f} ms; the accounts of a "
        f"stage: {listed:.0f} ms; bottlenecks: {stuck:.0f} ms"
    )
    assert statistics.median(single) <= 1000  # its features are collected anew, for rules and actions
    assert stuck <= 3000


def _milliseconds(function: Any, *arguments: Any) -> float:
    began = time.perf_counter()
    function(*arguments)
    return 1000 * (time.perf_counter() - began)
