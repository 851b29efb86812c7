"""Accounts counted, added up and averaged: by group, or a few of them side by side."""

from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

from sqlalchemy import case, extract, func
from sqlmodel import Session, col, select

from storage.models import Account, StageEntry, User
from tools.account_filters import title_of, wanted_accounts
from tools.account_query import AccountQuery, Band, scored_day, subject_of
from tools.account_rows import AccountRow
from tools.accounts import add_row_facts, band_words, points
from tools.context import Context
from tools.errors import UserError
from tools.facts import Cell, FactSheet, Listing, day, money, plural

By = Literal["csm", "segment", "plan", "industry", "stage", "country", "band", "renewal_month"]
Measure = Literal["accounts", "arr", "health", "at_risk", "revenue_at_risk", "churn_probability"]
MOST_GROUPS, MOST_ACCOUNTS = 30, 5
SOURCE = "account, snapshot"
HEAD = ("Accounts", "ARR", "Share", "Health", "At risk", "Revenue at risk")
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


@dataclass(frozen=True)
class Group:
    """The sums of one group in one currency; health and probability are averages over the accounts that have one."""

    name: str
    currency: str
    accounts: int
    arr: float
    share: float
    health: float | None
    at_risk: int
    revenue_at_risk: float
    churn_probability: float | None


def compare_groups(
    ctx: Context,
    by: By,
    measure: Measure = "arr",
    owner: str | None = None,
    at_risk: bool | None = None,
    band: list[Band] | None = None,
    segment: str | None = None,
    plan: str | None = None,
    industry: str | None = None,
    stage: str | None = None,
    renewal_within_days: int | None = None,
    without: list[str] | None = None,
) -> Listing:
    """Compare groups of accounts: how many, revenue and its share, average health, how many are at risk.

    Args:
        by: what makes the groups.
        measure: what they are ordered by, the most first.
        owner: a CSM's name or email; "me" for the accounts of the person who asks.
        at_risk: true for accounts at risk only, false for the others.
        band: bands of the health score.
        segment: only this segment.
        plan: only this plan.
        industry: only this industry.
        stage: only this stage of the lifecycle.
        renewal_within_days: only renewals up to this many days ahead.
        without: segments, plans, industries, countries, stages, bands or CSMs to leave out.
    """
    with ctx.session() as session:
        as_of = scored_day(ctx, session)
        given: dict[str, Any] = {
            "owner": owner, "at_risk": at_risk, "band": band, "segment": segment, "plan": plan, "industry": industry,
            "stage": stage, "renewal_within_days": renewal_within_days, "without": without,
        }  # fmt: skip
        wanted, person = wanted_accounts(ctx, session, **given)
        groups = _groups(session, AccountQuery(ctx, as_of, wanted), by)
    size = _sizes(groups)  # currencies are never added: the largest one's groups come first
    groups.sort(key=lambda g: (-size[g.currency], g.name == "unknown", -(getattr(g, measure) or 0), g.name))
    title = title_of(wanted, person, 2)
    return _listing(groups, by, measure, title, as_of)


def _groups(session: Session, query: AccountQuery, by: By) -> list[Group]:
    key, label = _key(session, by, query)
    columns = [
        key,
        col(Account.currency),
        func.count(),
        func.sum(query.arr),
        func.avg(query.value),
        func.sum(case((query.in_risk(True), 1), else_=0)),
        func.sum(query.arr * func.coalesce(query.loss, 0)),
        func.avg(query.loss),
    ]
    statement = query.joined(session, select(*columns)).group_by(key, col(Account.currency))
    rows = session.execute(statement).all()
    totals: dict[str, float] = {}
    for _, currency, _, arr, *_ in rows:
        totals[currency] = totals.get(currency, 0.0) + float(arr or 0)
    return [
        Group(label(name), currency, count, float(arr or 0), float(arr or 0) / (totals[currency] or 1.0),
              None if health is None else float(health), int(risky), float(lost or 0), None if p is None else float(p))
        for name, currency, count, arr, health, risky, lost, p in rows
    ]  # fmt: skip


def _sizes(groups: list[Group]) -> dict[str, int]:
    """How many accounts pay in each currency."""
    found: dict[str, int] = {}
    for group in groups:
        found[group.currency] = found.get(group.currency, 0) + group.accounts
    return found


def _key(session: Session, by: By, query: AccountQuery) -> tuple[Any, Any]:
    """The expression that makes the groups, and how its values are said."""
    if by == "csm":
        people = {email.lower(): name for email, name in session.exec(select(User.email, User.name)).all()}
        return func.lower(Account.owner_email), lambda email: people.get(email or "", email or "unknown")
    if by == "renewal_month":
        renewal = col(Account.renewal_on)
        return extract("year", renewal) * 100 + extract("month", renewal), _month
    if by == "stage":
        here = (StageEntry.account_id == Account.id, col(StageEntry.left_on).is_(None))
        return select(func.max(StageEntry.stage)).where(*here).correlate(Account).scalar_subquery(), _said
    if by == "band":
        return query.band, lambda band: band_words(band)
    return getattr(Account, by), _said


def _said(value: str | None) -> str:
    return (value or "unknown").replace("_", " ")


def _month(value: int | None) -> str:
    return "unknown" if value is None else f"{MONTHS[int(value) % 100 - 1]} {int(value) // 100}"


def _listing(groups: list[Group], by: By, measure: Measure, title: str, as_of: date) -> Listing:
    if by == "renewal_month" and measure == "arr":
        size = _sizes(groups)
        groups = sorted(groups, key=lambda group: (-size[group.currency], _place(group.name)))
    sheet = FactSheet(as_of)
    sheet.add("portfolio", "groups", len({group.name for group in groups}), "groups", SOURCE)
    for group in groups:
        _add(sheet, group)
    spoken = by.replace("_", " ").replace("csm", "CSM")
    return Listing(
        text=_words(groups, spoken, measure, title),
        facts=tuple(sheet),
        caption=f"{title[:1].upper()}{title[1:]} by {spoken}",
        head=(spoken[:1].upper() + spoken[1:], *HEAD),
        rows=tuple(_cells(group) for group in groups[:MOST_GROUPS]),
        total=len(groups),
        note="each currency by itself; health and chances are averages" if len(_sizes(groups)) > 1 else "",
    )


def _place(name: str) -> tuple[int, int]:
    month, _, year = name.partition(" ")
    return (int(year), MONTHS.index(month)) if year else (9999, 0)


def _add(sheet: FactSheet, group: Group) -> None:
    sheet.add(group.name, "accounts", group.accounts, "accounts", SOURCE)
    sheet.add(group.name, "ARR", group.arr, group.currency, "account")
    sheet.add(group.name, f"share of ARR in {group.currency}", group.share, "share", "account")
    sheet.add(group.name, "average health", group.health, "points", "snapshot")
    sheet.add(group.name, "accounts at risk", group.at_risk, "accounts", "snapshot")
    sheet.add(group.name, "share at risk", group.at_risk / group.accounts, "share", "snapshot")
    sheet.add(group.name, "revenue at risk", group.revenue_at_risk, group.currency, SOURCE)
    sheet.add(group.name, "average chance to leave within 60 days", group.churn_probability, "share", "snapshot")


def _cells(group: Group) -> tuple[Cell, ...]:
    return (
        group.name,
        (group.accounts, f"{group.accounts:,}"),
        (group.arr, money(group.arr, group.currency)),
        (group.share, f"{group.share:.0%}"),
        "–" if group.health is None else (group.health, points(group.health)),
        (group.at_risk, f"{group.at_risk:,} ({group.at_risk / group.accounts:.0%})"),
        (group.revenue_at_risk, money(group.revenue_at_risk, group.currency)),
    )


def _words(groups: list[Group], by: str, measure: Measure, title: str) -> str:
    if not groups:
        return f"No {title}."
    first = [group for group in groups if group.currency == groups[0].currency]
    most = first[:3] if measure != "arr" or by != "renewal month" else sorted(first, key=lambda g: -g.arr)[:3]
    shown = "; ".join(f"{group.name} {_value(group, measure)}" for group in most)
    return f"{title[:1].upper()}{title[1:]} by {by}, the most {SPOKEN[measure]} first: {shown}."


SPOKEN = {
    "accounts": "accounts", "arr": "ARR", "health": "health", "at_risk": "accounts at risk",
    "revenue_at_risk": "revenue at risk", "churn_probability": "likely to leave",
}  # fmt: skip


def _value(group: Group, measure: Measure) -> str:
    said = {
        "accounts": plural(group.accounts, "account"),
        "arr": f"{money(group.arr, group.currency)} ARR ({group.share:.0%})",
        "health": "no score" if group.health is None else f"average health {points(group.health)}",
        "at_risk": f"{group.at_risk:,} of {group.accounts:,} at risk",
        "revenue_at_risk": f"{money(group.revenue_at_risk, group.currency)} at risk",
        "churn_probability": "unknown" if group.churn_probability is None else f"{group.churn_probability:.0%}",
    }
    return said[measure]


def compare_accounts(ctx: Context, accounts: list[str]) -> Listing:
    """Put two to five accounts side by side: revenue, health, chance to leave, renewal, and how far they are apart.

    Args:
        accounts: the accounts' names, domains or external ids.
    """
    if not 2 <= len(accounts) <= MOST_ACCOUNTS:
        raise UserError(f"I compare two to {MOST_ACCOUNTS} accounts. Name them, for example “compare Acme and Globex”.")
    with ctx.session() as session:
        found = [subject_of(ctx, session, name) for name in accounts]
    rows, as_of = list(dict.fromkeys(row for _, row, _ in found)), found[0][2]
    if len(rows) < 2:
        raise UserError(f"These are the same account, {rows[0].name}. Name another one to compare it with.")
    sheet = FactSheet(as_of)
    for row in rows:
        add_row_facts(sheet, row)
    return Listing(
        text=_apart(sheet, rows),
        facts=tuple(sheet),
        account_ids=tuple(row.id for row in rows),
        caption="Side by side",
        head=("", *(row.name for row in rows)),
        rows=_beside(rows),
        total=len(rows),
    )


def _beside(rows: list[AccountRow]) -> tuple[tuple[Cell, ...], ...]:
    def chance(row: AccountRow) -> str:
        return "–" if row.loss_probability is None else f"{row.loss_probability:.0%}"

    return (
        ("ARR", *(money(row.arr, row.currency) for row in rows)),
        ("Health", *("no score" if r.health is None else f"{points(r.health)} {band_words(r.band)}" for r in rows)),
        ("30 days", *("–" if row.change is None else f"{row.change:+.0f}" for row in rows)),
        ("Chance to leave", *map(chance, rows)),
        ("At risk", *(money(row.revenue_at_risk, row.currency) if row.revenue_at_risk else "–" for row in rows)),
        ("Renews", *(day(row.renewal_on) for row in rows)),
        ("Why", *("; ".join(reason.text for reason in row.reasons[:2]) or "–" for row in rows)),
    )


def _apart(sheet: FactSheet, rows: list[AccountRow]) -> str:
    """Say who pays more and who is healthier, and by how much; each difference is a fact of its own."""
    said = []
    paying = sorted((row for row in rows if row.arr is not None), key=lambda row: -(row.arr or 0))
    if len(paying) >= 2 and len({row.currency for row in paying}) == 1:
        top, low = paying[0], paying[-1]
        gap = (top.arr or 0) - (low.arr or 0)
        sheet.add(top.name, f"ARR more than {low.name}", gap, top.currency, "computed: difference of ARR")
        said.append(f"{top.name} pays {money(gap, top.currency)} more a year than {low.name}")
        if low.arr and gap:
            times = (top.arr or 0) / low.arr
            sheet.add(top.name, f"ARR as a multiple of {low.name}", times, "times", "computed: ratio of ARR")
            said[-1] += f" ({times:.1f} times as much)"
    scored = sorted((row for row in rows if row.health is not None), key=lambda row: -(row.health or 0))
    if len(scored) >= 2:
        best, worst = scored[0], scored[-1]
        points_apart = (best.health or 0) - (worst.health or 0)
        sheet.add(best.name, f"health above {worst.name}", points_apart, "points", "computed: difference of health")
        said.append(f"{best.name} is healthier by {points_apart:.0f} points than {worst.name}")
    return ". ".join(said) + "." if said else "Too little is known of them to say how far they are apart."
