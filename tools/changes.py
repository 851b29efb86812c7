"""What is new since a day: who got worse or better, left or came, which signals opened."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from typing import Any

import polars as pl
from sqlmodel import Session, col, func, select

from storage import queries
from storage.models import Account, Signal
from tools.account_filters import wanted_accounts
from tools.account_query import AccountQuery, scored_day
from tools.account_rows import AccountRow
from tools.accounts import points
from tools.context import Context
from tools.errors import UserError
from tools.facts import Fact, FactSheet, Result, day, plural
from tools.refresh import declared_signals

MOVED = 5.0  # points that count as a change
SHOWN = 5
LONGEST = 366
SOURCE = "snapshot"


@dataclass(frozen=True)
class Changes(Result):
    """What changed between two days.

    Args:
        since: the day of the earlier scores, which may be a little before what was asked for.
        counts: accounts by what happened to them: `fresh` (at risk now and not then), `recovered` (the other way
            round), `fell` and `rose` (by five points or more), `left`, `joined`.
        fresh, recovered, fell, rose: the first few of them, the most important first.
        left, joined: names of the first few that were lost or came.
        signals: what opened, with how many accounts.
    """

    since: date = date.min
    as_of: date = date.min
    counts: Mapping[str, int] = field(default_factory=dict)
    fresh: tuple[AccountRow, ...] = ()
    recovered: tuple[AccountRow, ...] = ()
    fell: tuple[AccountRow, ...] = ()
    rose: tuple[AccountRow, ...] = ()
    left: tuple[str, ...] = ()
    joined: tuple[str, ...] = ()
    signals: tuple[tuple[str, int], ...] = ()


def what_changed(
    ctx: Context, days: int = 7, owner: str | None = None, segment: str | None = None, plan: str | None = None
) -> Changes:
    """Say what changed over the last days: newly at risk, recovered, health fallen or risen, lost, new, signals.

    Args:
        days: how far back, 1 to 366.
        owner: a CSM's name or email; "me" for the accounts of the person who asks.
        segment: only this segment.
        plan: only this plan.
    """
    if not 1 <= days <= LONGEST:
        raise UserError(f"I can look back 1 to {LONGEST} days.")
    with ctx.session() as session:
        as_of = scored_day(ctx, session)
        since = queries.scored_day(session, as_of - timedelta(days=days))
        if since is None:
            raise UserError(f"There are no scores of {days} days ago yet. Ask for fewer days.")
        wanted, person = wanted_accounts(ctx, session, owner=owner, segment=segment, plan=plan)
        query = AccountQuery(ctx, as_of, wanted, against=since)
        moved = _moved(ctx, session, query)
        lists = {kind: _rows(session, query, part) for kind, part in moved.items()}
        left = _names(session, query, col(Account.churned_on), since, as_of)
        joined = _names(session, query, col(Account.started_on), since, as_of)
        signals = _signals(session, query, since)
    counts = {kind: part.height for kind, part in moved.items()} | {"left": len(left), "joined": len(joined)}
    dates: dict[str, Any] = {"since": since, "as_of": as_of}
    names: dict[str, Any] = {"left": left[:SHOWN], "joined": joined[:SHOWN]}
    found = Changes("", **dates, counts=counts, **names, signals=signals, **lists)  # type: ignore[arg-type]
    whose = f" for {person.name}" if person else ""
    ids = tuple(dict.fromkeys(row.id for rows in lists.values() for row in rows))
    return replace(found, text=_words(found, whose), facts=_facts(found), account_ids=ids)


def _moved(ctx: Context, session: Session, query: AccountQuery) -> dict[str, pl.DataFrame]:
    """Ids of who crossed the border of risk, and of who moved without crossing it, in the order to show them."""
    risky = sorted({band.name for card in ctx.scorecards.used for band in card.bands if card.at_risk(band.name)})
    risk = query.arr * query.loss
    columns = (Account.id, query.now.value, query.before.value, query.now.band, query.before.band, risk)
    names = ("id", "now", "then", "band", "band_then", "risk")
    found = session.execute(query.joined(session, select(*columns)))  # type: ignore[call-overload]
    rows = pl.DataFrame([tuple(row) for row in found], schema=names, orient="row", infer_schema_length=None)
    rows = rows.drop_nulls(["now", "then"]).with_columns(
        (pl.col("now") - pl.col("then")).alias("change"),
        pl.col("band").is_in(risky).alias("risky"),
        pl.col("band_then").is_in(risky).alias("was_risky"),
    )
    crossed = pl.col("risky") != pl.col("was_risky")
    by_risk = rows.sort("risk", descending=True, nulls_last=True)
    return {
        "fresh": by_risk.filter(crossed & pl.col("risky")),
        "recovered": by_risk.filter(crossed & ~pl.col("risky")),
        "fell": rows.filter(~crossed & (pl.col("change") <= -MOVED)).sort("change"),
        "rose": rows.filter(~crossed & (pl.col("change") >= MOVED)).sort("change", descending=True),
    }


def _rows(session: Session, query: AccountQuery, part: pl.DataFrame) -> tuple[AccountRow, ...]:
    ids = part["id"].to_list()[:SHOWN]
    shown = query.among(ids).rows(session, "name", SHOWN) if ids else []
    return tuple(sorted(shown, key=lambda row: ids.index(row.id)))


def _names(session: Session, query: AccountQuery, moved_on: Any, since: date, as_of: date) -> tuple[str, ...]:
    """Names of those whose date lies after the earlier day, the largest first."""
    wanted = select(Account.name).where(moved_on > since, moved_on <= as_of, *query.on_account)
    return tuple(session.exec(wanted.order_by(col(Account.mrr).desc())).all())


def _signals(session: Session, query: AccountQuery, since: date) -> tuple[tuple[str, int], ...]:
    titles = {rule.kind: rule.declared.title for rule in declared_signals()}
    mine = select(Signal.kind, func.count()).join(Account, col(Account.id) == col(Signal.account_id))
    opened = mine.where(col(Signal.opened_on) > since, *query.on_account).group_by(col(Signal.kind))
    counted = Counter({titles.get(kind, kind): count for kind, count in session.exec(opened).all()})
    return tuple(counted.most_common(SHOWN))


def _words(found: Changes, whose: str) -> str:
    many = found.counts
    said = [
        f"{plural(many['fresh'], 'account')} newly at risk" if many["fresh"] else "",
        f"{many['recovered']:,} recovered" if many["recovered"] else "",
        f"{many['fell']:,} fell by {MOVED:.0f} points or more" if many["fell"] else "",
        f"{many['rose']:,} rose as much" if many["rose"] else "",
        f"{many['left']:,} left" if many["left"] else "",
        f"{many['joined']:,} came" if many["joined"] else "",
    ]
    told = ", ".join(part for part in said if part)
    head = f"Since {day(found.since)}{whose}: {told or 'nothing of note changed'}."
    if not found.fresh:
        return head
    first = found.fresh[0]
    return f"{head} First: {first.name}, health {points(first.health or 0)}, {first.change or 0:+.0f}."


LABELS = {
    "fresh": "accounts newly at risk", "recovered": "accounts recovered", "fell": "accounts fallen",
    "rose": "accounts risen", "left": "accounts that left", "joined": "new accounts",
}  # fmt: skip


def _facts(found: Changes) -> tuple[Fact, ...]:
    sheet = FactSheet(found.as_of)
    sheet.add("portfolio", "compared with", found.since, "date", SOURCE)
    sheet.add("portfolio", "points that count as a change", MOVED, "points", "setting")
    for kind, count in found.counts.items():
        sheet.add("portfolio", LABELS[kind], count, "accounts", SOURCE)
    for row in (*found.fresh, *found.recovered, *found.fell, *found.rose):
        sheet.add(row.name, "health score", row.health, "points", SOURCE)
        sheet.add(row.name, f"change of health since {day(found.since)}", row.change, "points", SOURCE)
    for kind, names in (("left", found.left), ("joined", found.joined)):
        for name in names:
            sheet.add(name, LABELS[kind], "yes", "text", "account")
    for title, count in found.signals:
        sheet.add("portfolio", f"signal opened: {title}", count, "accounts", "signal")
    return tuple(sheet)
