"""The key figures of the portfolio: retention, churn, satisfaction, response, value; each with what it counts."""

from datetime import date, datetime, time, timedelta
from typing import Any

import polars as pl
from sqlmodel import Session, col, func, select

from scoring import kpis as formula
from scoring.kpis import Retention
from storage import queries
from storage.models import Account, Subscription, SurveyResponse, Ticket
from storage.queries import read_frame
from tools.account_filters import wanted_accounts
from tools.account_query import AccountQuery, scored_day
from tools.context import Context
from tools.facts import Cell, FactSheet, Listing, money

YEAR, QUARTER, MONTH = 365, 90, 30
PERIODS = ("subscription", "account")


def portfolio_kpis(ctx: Context, owner: str | None = None, segment: str | None = None) -> Listing:
    """Show key figures: revenue retention, logo churn, expansion, trial conversion, NPS, CSAT, CES, response, value.

    Args:
        owner: a CSM's name or email; "me" for the accounts of the person who asks.
        segment: only this segment.
    """
    with ctx.session() as session:
        as_of = scored_day(ctx, session)
        wanted, person = wanted_accounts(ctx, session, owner=owner, segment=segment)
        mine = AccountQuery(ctx, as_of, wanted).on_account
        figures = [
            *_revenue(session, mine, as_of),
            *_logos(session, mine, as_of),
            *_satisfaction(session, mine, as_of),
            *_times(session, mine, as_of),
        ]
    sheet = FactSheet(as_of)
    rows: list[tuple[Cell, ...]] = []
    for label, value, unit, shown, how in figures:
        if value is not None:
            sheet.add("portfolio", label, value, unit, "computed: " + how)
            rows.append((label, shown, how))
    whose = ", ".join(part for part in (person.name if person else "", (segment or "").replace("_", " ")) if part)
    first = "; ".join(f"{row[0]} {row[1]}" for row in rows[:4])
    text = f"Key figures{f' ({whose})' if whose else ''}: {first}." if rows else "There is too little data for figures."
    caption = f"Key figures{f': {whose}' if whose else ''}"
    return Listing(text, tuple(sheet), (), caption, ("", "Value", "What it counts"), tuple(rows), len(rows))


Figure = tuple[str, Any, str, str, str]  # label, value, unit, as shown, what it counts


def _figure(label: str, value: float | None, unit: str, how: str) -> Figure:
    return label, value, unit, "" if value is None else _shown(value, unit), how


def _shown(value: float, unit: str) -> str:
    if unit == "share":
        return f"{value:.1%}"
    if len(unit) == 3 and unit.isupper():
        return money(value, unit)
    return f"{value:,.1f}{'' if unit == 'points' else f' {unit}'}"


def _revenue(session: Session, mine: list[Any], as_of: date) -> list[Figure]:
    """Retention over a year and a month, in each currency that has revenue."""
    names = ("account_id", "mrr", "currency", "start_on", "end_on")
    ids = select(Account.id).where(*mine)
    periods = read_frame(session, Subscription, names, col(Subscription.account_id).in_(ids))
    parts = {str(currency): part for (currency,), part in periods.group_by("currency")}
    figures = []
    for place, unit in enumerate(sorted(parts, key=lambda name: (-parts[name]["account_id"].n_unique(), name))):
        year, month = (_retention(parts[unit], as_of - timedelta(days=days), as_of) for days in (YEAR, MONTH))
        figures += [
            _figure(f"Net revenue retention ({unit})", year.net, "share", "revenue now of those who paid a year ago"),
            _figure(f"Gross revenue retention ({unit})", year.gross, "share", "the same without any growth"),
        ]
        if place == 0:  # the details for the currency that most accounts pay in
            figures += [
                _figure(f"Net retention, month ({unit})", month.net, "share", "the same over 30 days"),
                _figure(f"Expansion in a year ({unit})", year.expansion * 12, unit, "growth of those who stayed"),
            ]
    return [figure for figure in figures if figure[1]]


def _retention(periods: pl.DataFrame, start: date, end: date) -> Retention:
    def on(day: date) -> dict[int, float]:
        there = (pl.col("start_on") <= day) & (pl.col("end_on").is_null() | (pl.col("end_on") > day))
        paid = periods.filter(there & (pl.col("mrr") > 0)).group_by("account_id").agg(pl.col("mrr").sum())
        return dict(paid.iter_rows())

    return Retention(on(start), on(end))


def _logos(session: Session, mine: list[Any], as_of: date) -> list[Figure]:
    def count(*where: Any) -> int:
        return session.exec(select(func.count(col(Account.id))).where(*mine, *where)).one()

    def lost(days: int) -> float | None:
        then = as_of - timedelta(days=days)
        there = queries.customers_on(then)
        return formula.share(count(*there, col(Account.churned_on) <= as_of), count(*there))

    ended = col(Account.trial_ends_on).between(as_of - timedelta(days=QUARTER), as_of)
    bought = (Account.status == "active", col(Account.churned_on).is_(None), col(Account.mrr) > 0)
    return [
        _figure("Logo churn, month", lost(MONTH), "share", "accounts lost of those there 30 days ago"),
        _figure("Logo churn, year", lost(YEAR), "share", "accounts lost of those there a year ago"),
        _figure("Trial conversion", formula.share(count(ended, *bought), count(ended)), "share",
                "paying now, of trials that ended within 90 days"),
    ]  # fmt: skip


def _satisfaction(session: Session, mine: list[Any], as_of: date) -> list[Figure]:
    within = col(SurveyResponse.answered_on).between(as_of - timedelta(days=QUARTER), as_of)
    asked = select(SurveyResponse.kind, SurveyResponse.score).join(
        Account, col(Account.id) == col(SurveyResponse.account_id)
    )
    scores: dict[str, list[float]] = {"nps": [], "csat": [], "ces": []}
    for kind, score in session.exec(asked.where(within, *mine)).all():
        scores.get(kind.lower(), []).append(score)
    return [
        _figure("NPS", formula.nps(scores["nps"]), "points", f"of {len(scores['nps']):,} answers within 90 days"),
        _figure("CSAT", formula.mean(scores["csat"]), "points", f"mean of {len(scores['csat']):,} answers, 90 days"),
        _figure("CES", formula.mean(scores["ces"]), "points", f"mean of {len(scores['ces']):,} answers, 90 days"),
    ]


def _times(session: Session, mine: list[Any], as_of: date) -> list[Figure]:
    since = datetime.combine(as_of - timedelta(days=QUARTER), time.min)
    columns: Any = (Ticket.opened_at, Ticket.first_response_at, Ticket.resolved_at)
    joined = select(*columns).join(Account, col(Account.id) == col(Ticket.account_id))
    found = session.exec(joined.where(col(Ticket.opened_at) >= since, *mine)).all()
    answered = [(answer - opened).total_seconds() / 3600 for opened, answer, _ in found if answer]
    solved = [(end - opened).total_seconds() / 3600 for opened, _, end in found if end]
    new = col(Account.started_on).between(as_of - timedelta(days=YEAR), as_of)
    dates: Any = (Account.started_on, Account.first_value_on)
    began = select(*dates).where(*mine, new)
    value = [(first - start).days for start, first in session.exec(began).all() if first and first <= as_of]
    return [
        _figure("First response", formula.middle(answered), "hours", "median, tickets of 90 days"),
        _figure("Resolution", formula.middle(solved), "hours", "median, tickets of 90 days that are solved"),
        _figure("Time to value", formula.middle([float(days) for days in value]), "days",
                "median from start to first value, accounts of a year"),
    ]  # fmt: skip
