"""Who is likely to leave within 60 days, what that would cost, and where trying to keep them pays."""

from dataclasses import dataclass
from datetime import date
from typing import Literal

from sqlmodel import Session, func, select

from scoring.risk import RiskTable, load_risk
from storage.models import Account
from tools.account_query import AccountFilter, AccountQuery, scored_day
from tools.account_rows import AccountRow
from tools.accounts import MOST_ROWS, add_row_facts
from tools.churn import TOLD, percent
from tools.context import Context
from tools.facts import Fact, FactSheet, Result, money, money_by_currency, plural
from tools.forecasts import champion
from tools.names import find_colleague

SOURCE = "churn model, account"


@dataclass(frozen=True)
class LeavingList(Result):
    """Accounts by probability of loss or by what an attempt to keep them is worth.

    Args:
        expected: how many losses the probabilities add up to, over all accounts asked for.
        revenue: what they would cost a year, by currency.
        segments: how many accounts each risk segment holds, the riskiest first.
        by_model: whether a churn model forecast; otherwise the rates of the health bands stand in.
    """

    rows: tuple[AccountRow, ...] = ()
    expected: float = 0.0
    revenue: tuple[tuple[str, float], ...] = ()
    segments: tuple[tuple[str, int], ...] = ()
    by_model: bool = True
    as_of: date = date.min


def who_leaves(
    ctx: Context,
    owner: str | None = None,
    segment: str | None = None,
    plan: str | None = None,
    industry: str | None = None,
    sort: Literal["probability", "expected_value"] = "probability",
    limit: int = 10,
) -> LeavingList:
    """List the accounts that are likely to leave within 60 days, how many losses to expect and what they would cost.

    Args:
        owner: a CSM's name or email; "me" for the accounts of the person who asks.
        segment: smb, mid_market, enterprise or consumer, or the team's own.
        plan: the product plan.
        industry: the account's industry.
        sort: by probability of loss, or by what an attempt to keep the account is worth after its cost.
        limit: how many to show, at most 100.
    """
    with ctx.session() as session:
        as_of = scored_day(ctx, session)
        person = find_colleague(ctx, session, owner) if owner else None
        email = person.email if person else None
        query = AccountQuery(ctx, as_of, AccountFilter(email, segment=segment, plan=plan, industry=industry))
        query.where.append(query.loss.is_not(None))
        rows = query.rows(session, sort, max(1, min(limit, MOST_ROWS)))
        expected, revenue = _expected(query, session)
        segments = _segments(query, session, load_risk())
        by_model = champion(session) is not None
    return LeavingList(
        text=_words(rows, expected, revenue),
        facts=_facts(rows, expected, revenue, segments, as_of),
        account_ids=tuple(row.id for row in rows),
        rows=tuple(rows),
        expected=expected,
        revenue=tuple(sorted(revenue.items())),
        segments=segments,
        by_model=by_model,
        as_of=as_of,
    )


def keeping_value(row: AccountRow) -> float | None:
    """What an attempt to keep an account is worth a year after its cost, in its currency."""
    if row.arr is None or row.loss_probability is None:
        return None
    return load_risk().expected_value(row.loss_probability, row.arr)


def _expected(query: AccountQuery, session: Session) -> tuple[float, dict[str, float]]:
    columns = select(Account.currency, func.sum(query.loss), func.sum(query.loss * query.arr))
    found = session.exec(query.joined(session, columns).group_by(Account.currency)).all()
    return sum(float(losses) for _, losses, _ in found), {c: float(arr) for c, _, arr in found if arr}


def _segments(query: AccountQuery, session: Session, risk: RiskTable) -> tuple[tuple[str, int], ...]:
    counts = [func.count().filter(query.loss >= low, query.loss < high) for low, high in _ranges(risk)]
    found = session.exec(query.joined(session, select(*counts))).one()
    return tuple((segment.name, int(n)) for segment, n in zip(risk.segments, found, strict=True))


def _ranges(risk: RiskTable) -> list[tuple[float, float]]:
    uppers = [2.0, *(segment.lower for segment in risk.segments)]
    return [(segment.lower, upper) for segment, upper in zip(risk.segments, uppers, strict=False)]


def _words(rows: list[AccountRow], expected: float, revenue: dict[str, float]) -> str:
    if not rows:
        return "No account with a forecast meets this."
    first = rows[0]
    return (
        f"About {plural(round(expected), 'account')} will leave within {TOLD} days, by probability "
        f"{money_by_currency(revenue)} ARR. First: {first.name}, {percent(first.loss_probability or 0.0)}, "
        f"{money(first.arr, first.currency)} ARR."
    )


def _facts(
    rows: list[AccountRow],
    expected: float,
    revenue: dict[str, float],
    segments: tuple[tuple[str, int], ...],
    as_of: date,
) -> tuple[Fact, ...]:
    sheet = FactSheet(as_of)
    sheet.add("portfolio", f"losses to expect within {TOLD} days", round(expected), "accounts", SOURCE)
    for currency, amount in revenue.items():
        sheet.add("portfolio", "ARR to lose by probability", amount, currency, SOURCE)
    for name, count in segments:
        sheet.add("portfolio", f"accounts of {name} risk", count, "accounts", SOURCE)
    for row in rows:
        add_row_facts(sheet, row)
        sheet.add(row.name, "worth of an attempt to keep it", keeping_value(row), row.currency, SOURCE)
    return tuple(sheet)
