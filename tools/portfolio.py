"""The portfolio at a glance: counts, shares, average score and revenue per health band."""

from dataclasses import dataclass
from datetime import date
from typing import Any

import polars as pl
from sqlmodel import Session, select

from storage.models import Account
from tools.account_query import AccountFilter, AccountQuery, scored_day
from tools.accounts import band_words
from tools.context import Context
from tools.facts import FactSheet, Result, money_by_currency, plural
from tools.names import find_colleague


@dataclass(frozen=True)
class BandCount:
    """One line of the portfolio summary."""

    band: str | None
    accounts: int
    share: float
    average: float | None
    arr: dict[str, float]


@dataclass(frozen=True)
class PortfolioSummary(Result):
    """Counts, shares, average score and revenue per band."""

    bands: tuple[BandCount, ...] = ()
    total: int = 0
    title: str = ""
    as_of: date = date.min


def portfolio_summary(ctx: Context, owner: str | None = None, segment: str | None = None) -> PortfolioSummary:
    """Summarise the portfolio by health band: counts, shares, average score, annual revenue.

    Args:
        owner: a CSM's name or email; "me" for the accounts of the person who asks.
        segment: only this segment.
    """
    with ctx.session() as session:
        as_of = scored_day(ctx, session)
        person = find_colleague(ctx, session, owner) if owner else None
        frame = _summary_frame(ctx, session, as_of, person.email if person else None, segment)
    bands = tuple(_band_count(frame, name) for name in [*ctx.scorecards.band_names, None])
    whose = f"accounts of {person.name}" if person else ""
    title = ", ".join(part for part in (whose, (segment or "").replace("_", " ")) if part)
    shown = tuple(count for count in bands if count.accounts or count.band)
    return PortfolioSummary(
        text=_summary_text(shown, frame, title),
        facts=_summary_facts(shown, frame, as_of),
        bands=shown,
        total=frame.height,
        title=title or "whole portfolio",
        as_of=as_of,
    )


def _summary_frame(ctx: Context, session: Session, as_of: date, owner: str | None, segment: str | None) -> pl.DataFrame:
    query = AccountQuery(ctx, as_of, AccountFilter(owner_email=owner, segment=segment))
    statement = query.joined(session, select(Account.currency, query.arr, query.band, query.value))
    rows = session.execute(statement).all()
    schema = {"currency": pl.String, "arr": pl.Float64, "band": pl.String, "value": pl.Float64}
    return pl.DataFrame([tuple(row) for row in rows], schema=schema, orient="row")


def _band_count(frame: pl.DataFrame, band: str | None) -> BandCount:
    part = frame.filter(pl.col("band").is_null() if band is None else pl.col("band") == band)
    arr = part.group_by("currency").agg(pl.col("arr").sum()).iter_rows()
    average: Any = part["value"].mean()
    return BandCount(band, part.height, part.height / max(frame.height, 1), average, dict(arr))


def _summary_text(bands: tuple[BandCount, ...], frame: pl.DataFrame, title: str) -> str:
    if not frame.height:
        return "There are no accounts here yet."
    average: Any = frame["value"].mean()
    shares = ", ".join(f"{b.accounts} {band_words(b.band)} ({b.share:.0%})" for b in bands if b.accounts)
    arr = money_by_currency(dict(frame.group_by("currency").agg(pl.col("arr").sum()).iter_rows()))
    score_ = "" if average is None else f", average health {average:.0f}"
    return f"{plural(frame.height, 'account')}{f' ({title})' if title else ''}, {arr} ARR{score_}: {shares}."


def _summary_facts(bands: tuple[BandCount, ...], frame: pl.DataFrame, as_of: date) -> tuple[Any, ...]:
    sheet = FactSheet(as_of)
    sheet.add("portfolio", "accounts", frame.height, "accounts", "account")
    sheet.add("portfolio", "average health", frame["value"].mean(), "points", "snapshot")
    for currency, arr in frame.group_by("currency").agg(pl.col("arr").sum()).iter_rows():
        sheet.add("portfolio", "ARR", arr, currency, "account")
    for band in bands:
        name = band_words(band.band)
        sheet.add("portfolio", f"{name} accounts", band.accounts, "accounts", "snapshot")
        sheet.add("portfolio", f"{name} share", band.share, "share", "snapshot")
        sheet.add("portfolio", f"{name} average health", band.average, "points", "snapshot")
        for currency, arr in band.arr.items():
            sheet.add("portfolio", f"{name} ARR", arr, currency, "account, snapshot")
    return tuple(sheet)
