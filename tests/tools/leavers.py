"""Eighty accounts over ten months, of which every second one left after its use had faded for sixty days."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl

from bot.app import Core, build_core
from bot.settings import Settings
from storage.importing import import_frames
from tools.refresh import refresh

NOW = datetime(2025, 6, 30, 9, tzinfo=UTC)
TODAY = NOW.date()
ACCOUNTS, LEAVERS, DAYS = 80, 40, 300
FADE = 60  # days of silence before the account leaves
FIRST, GAP = 10, 5  # the last one left ten days ago, the one before it five days earlier, and so on


def ago(days: int) -> date:
    return TODAY - timedelta(days=days)


def left_on(place: int) -> date | None:
    return ago(FIRST + GAP * place) if place < LEAVERS else None


def build(folder: Path) -> Core:
    """Import and score them in a data folder."""
    core = open_(folder)
    ctx = core.context()
    with ctx.session() as session:
        report = import_frames(session, ctx.usage, frames(), now=NOW)
    assert not report.rejects, report.rejects
    refresh(ctx)
    return core


def open_(folder: Path) -> Core:
    return build_core(Settings(_env_file=None, data_dir=folder), clock=lambda: NOW)


def frames() -> dict[str, pl.DataFrame]:
    return {
        "users": pl.DataFrame({"email": ["dana@team.example"], "name": ["Dana Reyes"]}),
        "accounts": pl.DataFrame([_account(n) for n in range(ACCOUNTS)], schema_overrides={"churned_on": pl.Date}),
        "goals": pl.DataFrame([_goal(n) for n in range(ACCOUNTS)]),
        "usage": pl.DataFrame([row for n in range(ACCOUNTS) for row in _usage(n)]),
    }


def _account(place: int) -> dict[str, Any]:
    return {
        "external_id": f"L{place}", "name": f"Account {place}", "segment": ("smb", "enterprise")[place % 2],
        "mrr": 100.0 + place, "owner_email": "dana@team.example", "started_on": ago(DAYS + 100),
        "first_value_on": ago(DAYS + 80), "churned_on": left_on(place), "seats_bought": 10,
    }  # fmt: skip


def _goal(place: int) -> dict[str, Any]:
    return {
        "external_id": f"G{place}", "account": f"L{place}", "objective": "Answer faster", "baseline": 0.0,
        "target": 100.0, "current": 104.0, "roi": 270.0 + 13 * place % 60, "stated_on": ago(DAYS + 90),
        "measured_on": ago(DAYS),
    }  # fmt: skip


def _usage(place: int) -> list[dict[str, Any]]:
    gone = left_on(place)
    last = TODAY if gone is None else gone - timedelta(days=FADE)
    days = [day for back in range(DAYS, -1, -1) if (day := ago(back)) <= last and (back + place) % 7 < 5]
    return [{"account": f"L{place}", "day": day, "sessions": 4, "minutes": 120.0} for day in days]
