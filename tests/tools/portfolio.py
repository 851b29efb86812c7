"""Twelve accounts with known numbers, for tests of what the tools say about them."""

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
from sqlmodel import select

from scoring.scorecard import SCORECARDS, load_scorecards
from storage.database import Database, insert_rows
from storage.importing import import_frames
from storage.models import Account, ScoringRun, Snapshot
from storage.usage import UsageStore
from tools.context import Actor, Clock, Context

OPEN_RULES = Path(__file__).parent / "open_rules.toml"
NOW = datetime(2026, 5, 4, 9, tzinfo=UTC)  # a Monday
TODAY = NOW.date()
CARDS = load_scorecards(SCORECARDS)
CARD = CARDS.of(None)
DANA = Actor("dana@team.example", "Dana Reyes")
MORGAN = Actor("morgan@team.example", "Morgan Ames")
# id, name, segment, plan, industry, revenue a month, currency, owner, days to renewal,
# health now, health 30 days ago, probability of loss
ACCOUNTS: tuple[tuple[Any, ...], ...] = (
    ("a1", "Acme Dental", "smb", "starter", "healthcare", 400, "USD", "dana", 20, 85.0, 84.0, 0.02),
    ("a2", "Acme Group", "enterprise", "enterprise", "saas", 12000, "USD", "dana", 40, 35.0, 62.0, 0.4),
    ("a3", "Birchwood Clinic", "mid_market", "professional", "healthcare", 2000, "EUR", "morgan", 90, 65.0, 50.0, 0.1),
    ("a4", "Cedar Freight", "enterprise", "business", "other", 8000, "USD", "dana", 10, 55.0, 55.0, 0.2),
    ("a5", "Dunmore Law", "smb", "professional", "professional_services", 500, "USD", "morgan", 200, 90.0, None, 0.02),
    ("a6", "Elm Street Bakery", "smb", "starter", "ecommerce", 100, "USD", "dana", 300, 72.0, 90.0, 0.1),
    ("a7", "Fairview Plumbing", "smb", "starter", "trades", 150, "USD", "morgan", 5, 45.0, 44.0, 0.2),
    ("a8", "Granite Bank", "enterprise", "enterprise", "other", 20000, "USD", "morgan", 60, 81.0, 70.0, 0.02),
    ("a9", "Harbour Retail", "mid_market", "business", "ecommerce", 3000, "EUR", "dana", 30, 38.0, 38.0, 0.4),
    ("a10", "Iris Studio", "smb", "trial", "saas", None, "USD", "morgan", 14, None, None, None),
    ("a11", "Juniper Farms", "mid_market", "professional", "other", 1500, "USD", "dana", -3, 60.0, 66.0, 0.1),
    ("a12", "Gone Limited", "enterprise", "enterprise", "saas", 9000, "USD", "dana", 100, 20.0, 25.0, 0.4),
)  # fmt: skip
DRIVERS = {"active_days_per_week": 3.0, "core_feature_share": 0.9}
LESS_DATA = {"a6": 0.5}  # what coverage was 30 days ago, where it was not the 0.9 of today


def ago(days: int) -> date:
    return TODAY - timedelta(days=days)


def at(days: int) -> datetime:
    return NOW - timedelta(days=days)


def context(database: Database, usage: UsageStore, clock: Clock = lambda: NOW, actor: Actor = DANA) -> Context:
    return Context("main", actor, database, usage, CARDS, "success@team.example", clock, governance_file=OPEN_RULES)


def fill(ctx: Context) -> None:
    """Import the facts, and write the scores of today and of 30 days ago by hand."""
    with ctx.session() as session:
        report = import_frames(session, ctx.usage, frames(), now=ctx.now())
        assert not report.rejects, report.rejects
        for day in (TODAY, ago(30)):
            insert_rows(session, ScoringRun, [run(day)])
        ids = dict(session.exec(select(Account.external_id, Account.id)).all())
        for key, *_, health, before, loss in ACCOUNTS:
            insert_rows(session, Snapshot, [snapshot(ids[key], TODAY, health, loss, 0.9 if health else 0.2)])
            if before is not None:
                insert_rows(session, Snapshot, [snapshot(ids[key], ago(30), before, loss, LESS_DATA.get(key, 0.9))])
        session.commit()


def snapshot(account_id: int, day: date, health: float | None, loss: float | None, coverage: float) -> dict[str, Any]:
    """A score with two drivers: three days in use a week pull down, most core features in use hold up."""
    raw = [DRIVERS.get(feature) if health else None for feature in CARD.features]
    return {
        "account_id": account_id,
        "day": day,
        "scorecard": CARD.id,
        "scorecard_version": 1,
        "value": health,
        "band": CARD.band(health),
        "coverage": coverage,
        "loss_probability": loss,
        "raw": json.dumps(raw),
    }


def run(day: date) -> dict[str, Any]:
    """What the scores of a day rest on; the portfolio's mean points are such that each driver has an effect."""
    card = CARD.model_dump(mode="json", by_alias=True)
    means = [85.0 if feature in DRIVERS else 0.0 for feature in CARD.features]
    return {"day": day, "scorecard": CARD.id, "version": 1, "card": card, "means": means, "created_at": NOW}


def frames() -> dict[str, pl.DataFrame]:
    return {
        "users": pl.DataFrame(
            {"email": [DANA.email, MORGAN.email, "morgane@team.example"],
             "name": [DANA.name, MORGAN.name, "Morgane Petit"]}
        ),
        "accounts": pl.DataFrame(
            [
                {
                    "external_id": key, "name": name, "segment": segment, "plan": plan, "industry": industry,
                    "mrr": mrr, "currency": currency, "owner_email": f"{owner}@team.example",
                    "domain": f"{name.split()[0].lower()}.example" if key != "a2" else "acmegroup.example",
                    "started_on": ago(400), "renewal_on": ago(-renewal),
                    "churned_on": ago(10) if key == "a12" else None, "seats_bought": 10, "seats_used": 6,
                }
                for key, name, segment, plan, industry, mrr, currency, owner, renewal, *_ in ACCOUNTS
            ],
            schema_overrides={"churned_on": pl.Date, "mrr": pl.Float64},
        ),
        "contacts": pl.DataFrame(
            [contact(*row) for row in CONTACTS],
            schema_overrides={"left_on": pl.Date, "opted_out_on": pl.Date},
        ),
        "tickets": pl.DataFrame(
            {
                "external_id": ["t1", "t2", "t3"], "account": ["a2", "a4", "a4"],
                "subject": ["Export <b>fails</b> “again”", "Login", "Billing question"],
                "opened_at": [at(5), at(40), at(3)], "escalated": [True, False, False],
            }
        ),
        "goals": pl.DataFrame(
            {
                "external_id": ["g1", "g2"], "account": ["a11", "a11"],
                "objective": ["Answer within an hour", "Half the paperwork"],
                "baseline": [0.0, 0.0], "target": [100.0, 100.0], "current": [60.0, 200.0],
                "stated_on": [ago(300), ago(300)], "measured_on": [ago(5), ago(50)],
            }
        ),
        "invoices": pl.DataFrame(
            {"external_id": ["i1"], "account": ["a6"], "amount": [100.0], "issued_on": [ago(40)],
             "due_on": [ago(20)], "failed_on": [ago(19)]}
        ),
        "usage": pl.DataFrame(
            [
                {"account": key, "day": ago(n), "active_users": users, "sessions": users, "minutes": users * 9.0}
                for key, now, before in (("a1", 6, 6), ("a2", 2, 10), ("a4", 5, 5), ("a6", 4, 4), ("a11", 3, 3))
                for n in range(0, 56, 2)
                if (users := now if n < 28 else before)
            ]
        ),
    }  # fmt: skip


# id, account, name, role, left, opted out
CONTACTS: tuple[tuple[Any, ...], ...] = (
    ("c1", "a1", "Ada King", "champion", None, None),
    ("c2", "a2", "Bo Chen", "user", None, None),
    ("c3", "a2", "Cy Diaz", "champion", None, None),
    ("c4", "a2", "Di Evans", "executive_sponsor", None, None),
    ("c5", "a4", "Ed Frost", "champion", None, ago(20)),
    ("c6", "a4", "Flo Grant", "executive_sponsor", ago(20), None),
    ("c7", "a4", "Gus Hill", "admin", None, None),
    ("c8", "a7", "Hal Ito", "champion", ago(5), None),
    ("c9", "a7", "Ivy Jones", "user", None, ago(5)),
    ("c10", "a10", "Jo Klein", "champion", None, None),
    ("c11", "a6", "Kit Lowe", "champion", None, None),
    ("c12", "a6", "Lu Moss", "billing", None, None),
    ("c13", "a11", "Max Nye", "champion", None, None),
)


def contact(key: str, account: str, name: str, role: str, left: date | None, out: date | None) -> dict[str, Any]:
    email = f"{name.split()[0].lower()}@customer.example"
    given = {"external_id": key, "account": account, "name": name, "role": role, "email": email}
    return given | {"joined_on": ago(390), "left_on": left, "opted_out_on": out}
