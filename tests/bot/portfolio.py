"""A small portfolio with known numbers and awkward names, built once per test session."""

import tempfile
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import polars as pl

from bot.app import Core, build_core
from bot.settings import Settings
from storage.importing import import_frames
from storage.models import Role
from tools.context import Actor, Context
from tools.refresh import refresh

NOW = datetime(2026, 11, 16, 9, tzinfo=UTC)  # a Monday
TODAY = NOW.date()
PEOPLE = ("Dana Reyes", "Tomasz Lindqvist", "Priya Raman", "Marcus Oyelaran", "Ingrid Solheim")
PLANS = ("starter", "professional", "business", "enterprise", "trial")
# name, segment, plan, industry, revenue a month, days to renewal, how it fares (0 bad – 3 good), owner's place
ACCOUNTS = (
    ("Acme Dental", "smb", "starter", "healthcare", 400, 20, 3, 0),
    ("Acme Group", "enterprise", "enterprise", "saas", 12350, 40, 0, 0),
    ("Acme Logistics", "mid_market", "business", "ecommerce", 3100, 200, 2, 1),
    ("Otterwick Accounting", "smb", "starter", "professional_services", 223, 300, 1, 0),
    ("Bramblewick Consulting", "mid_market", "professional", "professional_services", 2100, 55, 2, 1),
    ("Oakfen Plumbing", "smb", "professional", "trades", 510, 90, 3, 2),
    ("Hazelshaw Medical Group", "enterprise", "enterprise", "healthcare", 8900, 12, 1, 0),
    ("Silverholt Legal", "mid_market", "business", "professional_services", 1800, 150, 3, 2),
    ("Ravenholt Goods", "smb", "starter", "ecommerce", 190, 30, 0, 3),
    ("Thornmoor Education", "mid_market", "professional", "other", 1500, 75, 2, 3),
    ("Globex", "enterprise", "enterprise", "saas", 15000, 60, 1, 0),
    ("Initech", "mid_market", "business", "saas", 4200, 10, 2, 1),
    ("Umbrella Pets", "consumer", "starter", "ecommerce", 45, 100, 3, 4),
    ("Stark Heating & Air", "smb", "professional", "trades", 640, 33, 1, 4),
    ("Wayne's Garage", "smb", "starter", "trades", 150, 250, 3, 0),
    ("O'Brien Interiors", "smb", "professional", "trades", 420, 180, 2, 1),
    ("Nova", "mid_market", "business", "saas", 2600, 44, 3, 2),
    ("Nova Analytics", "enterprise", "enterprise", "saas", 9900, 320, 3, 2),
    ("First Harbour Bank", "enterprise", "business", "other", 7000, 25, 2, 3),
    ("Business Partners United", "mid_market", "business", "professional_services", 2300, 8, 0, 3),
    ("Enterprise Cars", "smb", "professional", "other", 580, 140, 3, 4),
    ("Health First Clinic", "mid_market", "professional", "healthcare", 1900, 65, 1, 4),
    ("Summit Outdoor", "smb", "starter", "ecommerce", 260, 15, 2, 0),
    ("Dana Foods", "mid_market", "business", "ecommerce", 2900, 110, 3, 1),
    ("24seven Fitness", "smb", "professional", "other", 700, 48, 2, 2),
    ("Blue Harbour Retail", "mid_market", "business", "ecommerce", 3300, 29, 1, 0),
    ("Müller Logistik", "enterprise", "enterprise", "other", 8100, 210, 3, 3),
    ("Critical Mass Cycles", "smb", "starter", "ecommerce", 310, 5, 2, 4),
    ("Larkhaven Mining Farm", "mid_market", "business", "other", 2750, 95, 0, 4),
    ("Quillcroft Analytics", "smb", "trial", "saas", 0, 14, 2, 1),
)
CORE_FEATURES = ("Inbox", "Contacts", "Reports", "Calendar", "Workflows")


def email(name: str) -> str:
    return f"{name.lower().replace(' ', '.')}@team.example"


DANA = Actor(email(PEOPLE[0]), PEOPLE[0], Role.CSM)


@cache
def core() -> Core:
    """Build, fill and score the portfolio."""
    built = build_core(Settings(_env_file=None, data_dir=Path(tempfile.mkdtemp())), clock=lambda: NOW)
    ctx = built.context()
    with ctx.session() as session:
        report = import_frames(session, ctx.usage, frames(), now=NOW)
    assert not report.rejects, report.rejects
    refresh(ctx)
    return built


def context(actor: Actor = DANA) -> Context:
    return core().context(actor=actor)


def frames() -> dict[str, pl.DataFrame]:
    """Return the portfolio as import frames."""
    ids = [f"P{place:03}" for place in range(len(ACCOUNTS))]
    levels = [row[6] for row in ACCOUNTS]
    both = list(zip(ids, levels, strict=True))
    return {
        "users": pl.DataFrame([{"email": email(name), "name": name, "role": "csm"} for name in PEOPLE]),
        "accounts": pl.DataFrame([_account(key, *row) for key, row in zip(ids, ACCOUNTS, strict=True)]),
        "contacts": pl.DataFrame([row for key in ids for row in _contacts(key)]),
        "features": pl.DataFrame([row for key, level in both for row in _features(key, level)]),
        "goals": pl.DataFrame([_goal(key, level) for key, level in both]),
        "tickets": pl.DataFrame([row for key, level in both for row in _tickets(key, level)]),
        "usage": pl.DataFrame([row for key, level in both for row in _usage(key, level)]),
    }


def _account(key: str, name: str, segment: str, plan: str, industry: str, mrr: float, renewal: int, level: int,
             owner: int) -> dict[str, Any]:  # fmt: skip
    return {
        "external_id": key, "name": name, "segment": segment, "plan": plan, "industry": industry, "mrr": float(mrr),
        "currency": "EUR" if name == "Müller Logistik" else "USD", "owner_email": email(PEOPLE[owner]),
        "started_on": date(2026, 7, 1), "first_value_on": date(2026, 7, 10) + timedelta(days=20 * (3 - level)),
        "renewal_on": TODAY + timedelta(days=renewal), "seats_bought": 20, "seats_used": 5 + 5 * level,
    }  # fmt: skip


def _contacts(key: str) -> list[dict[str, Any]]:
    return [
        {"external_id": f"{key}-{role}", "account": key, "name": name, "email": f"{role}@{key.lower()}.example",
         "role": role, "joined_on": date(2026, 7, 1)}
        for role, name in (("champion", "Wanjiru Farrow"), ("billing", "Anders Okonkwo"))
    ]  # fmt: skip


def _features(key: str, level: int) -> list[dict[str, Any]]:
    return [
        {"account": key, "feature": feature, "core": True, "first_used_on": date(2026, 7, 5),
         "last_used_on": TODAY - timedelta(days=1 if place <= level + 1 else 120), "use_count": 50}
        for place, feature in enumerate(CORE_FEATURES)
    ]  # fmt: skip


def _goal(key: str, level: int) -> dict[str, Any]:
    return {"external_id": f"{key}-goal", "account": key, "objective": "Answer customers faster", "baseline": 10.0,
            "target": 4.0, "current": 9.5 - 2.1 * level, "roi": 90.0 * level, "stated_on": date(2026, 7, 10),
            "measured_on": date(2026, 8, 3)}  # fmt: skip


def _tickets(key: str, level: int) -> list[dict[str, Any]]:
    opened = [NOW - timedelta(days=3 + 40 * (place % 3) + place) for place in range(3 * (4 - level))]
    return [
        {"external_id": f"{key}-t{place}", "account": key, "opened_at": at, "severity": "normal", "subject": "Export",
         "resolved_at": None if level == 0 and place == 0 else at + timedelta(hours=10 + 40 * (3 - level)),
         "escalated": level == 0 and place < 2}
        for place, at in enumerate(opened)
    ]  # fmt: skip


def _usage(key: str, level: int) -> list[dict[str, Any]]:
    rows = []
    for back in range(100, -1, -1):
        day = TODAY - timedelta(days=back)
        faded = level == 0 and back < 28  # the worst ones fell off in the last four weeks
        if day.weekday() < (1 if faded else 2 + level):
            users = 2 if faded else 4 + 4 * level
            rows.append({"account": key, "day": day, "active_users": users, "sessions": users * 2,
                         "minutes": users * (8.0 + 8 * level), "key_events": users * 3, "features_used": 2 + level,
                         "core_features_used": 1 + level})  # fmt: skip
    return rows
