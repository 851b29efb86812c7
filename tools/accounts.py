"""Find, list and look up accounts, each with its health as of the newest scoring."""

import math
from dataclasses import asdict, dataclass, field, replace
from datetime import date, timedelta
from typing import Any

from sqlmodel import Session

from storage import queries
from storage.models import Account, AccountAction, Role
from tools.account_filters import title_of, wanted_accounts
from tools.account_query import AccountFilter, AccountQuery, Band, Sort, Trend, scored_day, subject_of
from tools.account_rows import TREND_DAYS, AccountRow
from tools.context import Context
from tools.errors import UserError
from tools.facts import FactSheet, Result, day, money, money_by_currency

MOST_ROWS = 100


@dataclass(frozen=True)
class AccountList(Result):
    """Accounts that met the filters: the rows shown, how many there are, and the filters in words."""

    rows: tuple[AccountRow, ...] = ()
    total: int = 0
    title: str = ""
    as_of: date = date.min
    arr_total: dict[str, float] = field(default_factory=dict)
    filters: dict[str, Any] = field(default_factory=dict)
    offset: int = 0


@dataclass(frozen=True)
class AccountBrief(Result):
    """One account at a glance."""

    row: AccountRow | None = None
    details: tuple[tuple[str, str], ...] = ()
    as_of: date = date.min


def find_accounts(
    ctx: Context,
    owner: str | None = None,
    at_risk: bool | None = None,
    band: list[Band] | None = None,
    segment: str | None = None,
    plan: str | None = None,
    industry: str | None = None,
    renewal_within_days: int | None = None,
    min_arr: float | None = None,
    max_arr: float | None = None,
    min_health: float | None = None,
    max_health: float | None = None,
    trend: Trend | None = None,
    stage: str | None = None,
    country: str | None = None,
    renewal_from_days: int | None = None,
    started_within_days: int | None = None,
    without: list[str] | None = None,
    sort: Sort = "revenue_at_risk",
    limit: int = 10,
    offset: int = 0,
) -> AccountList:
    """List the accounts that meet all given filters, with health, what changed and why.

    Args:
        owner: a CSM's name or email; "me" for the accounts of the person who asks.
        at_risk: true for accounts in any band below healthy or likely to leave, false for the others.
        band: bands of the health score.
        segment: smb, mid_market, enterprise or consumer, or the team's own.
        plan: the product plan.
        industry: the account's industry.
        renewal_within_days: renewal from today up to this many days ahead.
        min_arr: least annual recurring revenue.
        max_arr: most annual recurring revenue.
        min_health: least health score, 0-100.
        max_health: highest health score, 0-100.
        trend: health falling or rising by at least 5 points in 30 days.
        stage: stage of the lifecycle, such as onboarding or adoption.
        country: the account's country.
        renewal_from_days: with renewal_within_days, leaves out renewals that come sooner than this many days.
        started_within_days: customers since at most this many days.
        without: segments, plans, industries, countries, stages, bands or CSMs to leave out.
        sort: order; revenue_at_risk is probability of loss times annual revenue.
        limit: how many rows to show, at most 100.
        offset: how many to leave out at the beginning, for the next page.
    """
    with ctx.session() as session:
        as_of = scored_day(ctx, session)
        wanted, person = wanted_accounts(
            ctx,
            session,
            owner=owner,
            at_risk=at_risk,
            band=band,
            segment=segment,
            plan=plan,
            industry=industry,
            renewal_within_days=renewal_within_days,
            min_arr=min_arr,
            max_arr=max_arr,
            min_health=min_health,
            max_health=max_health,
            trend=trend,
            stage=stage,
            country=country,
            renewal_from_days=renewal_from_days,
            started_within_days=started_within_days,
            without=without,
        )
        found = AccountQuery(ctx, as_of, wanted)
        rows = found.rows(session, sort, max(1, min(limit, MOST_ROWS)), offset)
        total, arr_total = found.totals(session)
    listed = account_list(ctx, rows, total, arr_total, title_of(wanted, person, total), as_of)
    return replace(listed, filters=_arguments(wanted, sort, limit), offset=offset)


def _arguments(wanted: AccountFilter, sort: Sort, limit: int) -> dict[str, Any]:
    """The arguments that ask for the same list again, with the person named by email."""
    filters = {name: value for name, value in asdict(wanted).items() if value not in (None, ())}
    owner = filters.pop("owner_email", None)
    return {**filters, **({"owner": owner} if owner else {}), "sort": sort, "limit": limit}


def account_brief(ctx: Context, account: str) -> AccountBrief:
    """Show one account at a glance: health and why, revenue, renewal, owner, seats, open matters.

    Args:
        account: the account's name, domain or external id.
    """
    with ctx.session() as session:
        found, row, as_of = subject_of(ctx, session, account)
        details = _details(session, found, as_of)
    sheet = FactSheet(as_of)
    add_row_facts(sheet, row)
    for label, shown in details:
        sheet.add(row.name, label, shown, "text", "account")
    return AccountBrief(
        text=_brief_text(row, details),
        facts=tuple(sheet),
        account_ids=(row.id,),
        row=row,
        details=details,
        as_of=as_of,
    )


def snooze_account(ctx: Context, account_id: int, days: int) -> str:
    """Leave an account out of digests for some days. Returns the account's name."""
    return _record(ctx, account_id, "snooze", ctx.today() + timedelta(days=days))


def acknowledge_account(ctx: Context, account_id: int) -> str:
    """Note that the actor has taken on an account that was reported at risk. Returns its name."""
    return _record(ctx, account_id, "acknowledge", None)


def _record(ctx: Context, account_id: int, action: str, until: date | None) -> str:
    ctx.require(Role.CSM)
    with ctx.session() as session:
        account = session.get(Account, account_id)
        if account is None:
            raise UserError("That account is no longer here. Ask for the list again.")
        session.add(AccountAction(account_id=account_id, action=action, by=ctx.actor.email, at=ctx.now(), until=until))
        session.commit()
        return account.name


def account_list(
    ctx: Context, rows: list[AccountRow], total: int, arr_total: dict[str, float], title: str, as_of: date
) -> AccountList:
    """Turn rows into a result with facts and wording."""
    sheet = FactSheet(as_of)
    sheet.add("portfolio", title, total, "accounts", "account, snapshot")
    sheet.add("portfolio", "rows shown", len(rows), "accounts", "account, snapshot")
    for currency, amount in arr_total.items():
        sheet.add("portfolio", f"ARR of {title}", amount, currency, "account")
    for row in rows:
        add_row_facts(sheet, row)
    return AccountList(
        text=_list_text(rows, total, arr_total, title),
        facts=tuple(sheet),
        account_ids=tuple(row.id for row in rows),
        rows=tuple(rows),
        total=total,
        title=title,
        as_of=as_of,
        arr_total=arr_total,
    )


def add_row_facts(sheet: FactSheet, row: AccountRow) -> None:
    """Record everything that a list shows of one account."""
    sheet.add(row.name, "health score", row.health, "points", "snapshot")
    sheet.add(row.name, "health band", row.band, "text", "snapshot")
    sheet.add(row.name, f"change of health in {TREND_DAYS} days", row.change, "points", "snapshot")
    sheet.add(row.name, "coverage", row.coverage, "share", "snapshot")
    sheet.add(row.name, "ARR", row.arr, row.currency, "account")
    sheet.add(row.name, "renewal", row.renewal_on, "date", "account")
    sheet.add(row.name, "probability of loss within 60 days", row.loss_probability, "share", "snapshot")
    sheet.add(row.name, "revenue at risk", row.revenue_at_risk, row.currency, "account, snapshot")
    for reason in (*row.reasons, *row.strengths):
        sheet.add(row.name, reason.text, reason.value, "feature", "snapshot")


def points(value: float) -> str:
    """Show a score rounded down, so that the number never contradicts its band: 59.6 is 59 and critical."""
    return f"{math.floor(value)}"


def band_words(band: str | None) -> str:
    return "not enough data" if band is None else band.replace("_", " ")


def _list_text(rows: list[AccountRow], total: int, arr_total: dict[str, float], title: str) -> str:
    if not total:
        return f"No {title}."
    head = f"{total:,} {title}: {money_by_currency(arr_total)} ARR."
    first = rows[0]
    why = f": {'; '.join(reason.text for reason in first.reasons[:2])}" if first.reasons else ""
    return f"{head} First: {first.name}, {_health_words(first)}{why}."


def _health_words(row: AccountRow) -> str:
    if row.health is None:
        return f"not enough data for a score (coverage {row.coverage:.0%})"
    moved = f", {row.change:+.0f} in {TREND_DAYS} days" if row.change and abs(row.change) >= 1 else ""
    return f"health {points(row.health)} ({band_words(row.band)}{moved})"


def _brief_text(row: AccountRow, details: tuple[tuple[str, str], ...]) -> str:
    reasons_ = f" What pulls it down: {'; '.join(r.text for r in row.reasons)}." if row.reasons else ""
    known = ", ".join(f"{label} {shown}" for label, shown in details[:4])
    return f"{row.name}: {_health_words(row)}, {money(row.arr, row.currency)} ARR, {known}.{reasons_}"


def _details(session: Session, account: Account, as_of: date) -> tuple[tuple[str, str], ...]:
    owner = queries.user_by_email(session, account.owner_email) if account.owner_email else None
    gone = account.churned_on is not None and account.churned_on <= as_of
    seats = f"{account.seats_used or '?'} of {account.seats_bought}" if account.seats_bought else None
    known = {
        "status": f"left on {day(account.churned_on)}" if gone else None,
        "renewal": account.renewal_on and day(account.renewal_on),
        "owner": owner.name if owner else account.owner_email,
        "plan": account.plan,
        "segment": account.segment and account.segment.replace("_", " "),
        "industry": account.industry.replace("_", " "),
        "seats": seats,
        "customer since": day(account.started_on),
    }
    return tuple((label, str(shown)) for label, shown in known.items() if shown)
