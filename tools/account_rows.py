"""One row per account with its score: the query that all lists, briefs and digests share."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Literal

from sqlalchemy import ColumnElement, and_, func, nulls_last
from sqlalchemy.orm import aliased
from sqlmodel import Session, col, select

from scoring.reasons import Reason, reasons, strengths
from storage import queries
from storage.models import Account, Snapshot
from tools.context import Context
from tools.errors import UserError

Band = Literal["healthy", "at_risk", "critical", "churning"]
Sort = Literal["revenue_at_risk", "arr", "health", "renewal", "trend", "name"]
Trend = Literal["falling", "rising"]
TREND_DAYS = 30
NOTICEABLE_TREND = 5.0  # points in 30 days
MOST_AT_RISK = 10_000
SLACK = timedelta(days=7)  # how much older than asked for an earlier score may be where history is sparse
COMPARABLE = 0.1  # scores whose coverage differs by more rest on different data; their change means nothing


@dataclass(frozen=True)
class AccountRow:
    """One account as lists show it. Amounts a year in `currency`; health 0-100 or None without enough data."""

    id: int
    external_id: str
    name: str
    owner_email: str | None
    segment: str | None
    plan: str | None
    industry: str
    currency: str
    arr: float | None
    renewal_on: date | None
    health: float | None
    band: str | None
    coverage: float
    change: float | None
    loss_probability: float | None
    reasons: tuple[Reason, ...] = ()
    strengths: tuple[Reason, ...] = ()

    @property
    def revenue_at_risk(self) -> float | None:
        """Revenue a year times the probability of losing it, where both are known."""
        if self.arr is None or self.loss_probability is None:
            return None
        return self.arr * self.loss_probability


@dataclass(frozen=True)
class AccountFilter:
    """What accounts must meet to be listed; None asks for nothing. Revenue a year, health 0-100, days from today."""

    owner_email: str | None = None
    at_risk: bool | None = None
    band: tuple[Band, ...] = ()
    segment: str | None = None
    plan: str | None = None
    industry: str | None = None
    renewal_within_days: int | None = None
    min_arr: float | None = None
    max_arr: float | None = None
    min_health: float | None = None
    max_health: float | None = None
    trend: Trend | None = None


class AccountQuery:
    """Accounts that were customers on a day, joined with their score then and 30 days before."""

    def __init__(self, ctx: Context, as_of: date, wanted: AccountFilter = AccountFilter()) -> None:
        self.ctx, self.as_of = ctx, as_of
        self.now: Any = aliased(Snapshot)
        self.before: Any = aliased(Snapshot)
        self.where: list[ColumnElement[bool]] = [
            *queries.customers_on(as_of),
            *self._on_account(wanted),
            *self._on_health(wanted),
        ]

    @property
    def arr(self) -> Any:
        return col(Account.mrr) * 12

    def _on_account(self, wanted: AccountFilter) -> Iterator[ColumnElement[bool]]:
        words = {
            Account.owner_email: wanted.owner_email,
            Account.segment: wanted.segment,
            Account.plan: wanted.plan,
            Account.industry: wanted.industry,
        }
        yield from (func.lower(field) == value.lower() for field, value in words.items() if value)
        if wanted.min_arr is not None:
            yield self.arr >= wanted.min_arr
        if wanted.max_arr is not None:
            yield self.arr <= wanted.max_arr
        if wanted.renewal_within_days is not None:
            last = self.as_of + timedelta(days=wanted.renewal_within_days)
            yield col(Account.renewal_on).between(self.as_of, last)

    def _on_health(self, wanted: AccountFilter) -> Iterator[ColumnElement[bool]]:
        value, change = self.now.value, self.now.value - self.before.value
        card = self.ctx.scorecard
        if wanted.at_risk is not None:
            yield col(self.now.band).in_([b.name for b in card.bands if card.at_risk(b.name) == wanted.at_risk])
        if wanted.band:
            yield col(self.now.band).in_(wanted.band)
        if wanted.min_health is not None:
            yield value >= wanted.min_health
        if wanted.max_health is not None:
            yield value <= wanted.max_health
        if wanted.trend:
            yield change <= -NOTICEABLE_TREND if wanted.trend == "falling" else change >= NOTICEABLE_TREND

    def rows(self, session: Session, sort: Sort, limit: int, offset: int = 0) -> list[AccountRow]:
        statement = self._joined(session, select(Account, self.now, self.before)).order_by(*self._order(sort))
        found = session.exec(statement.limit(limit).offset(offset)).all()
        return [_row(account, now, before) for account, now, before in found]

    def totals(self, session: Session) -> tuple[int, dict[str, float]]:
        statement = self._joined(session, select(Account.currency, func.count(), func.sum(self.arr)))
        found = session.exec(statement.group_by(col(Account.currency))).all()
        return sum(n for _, n, _ in found), {currency: float(arr or 0) for currency, _, arr in found}

    def _joined(self, session: Session, statement: Any) -> Any:
        card = self.ctx.scorecard.id
        mine = self.now.account_id == Account.id
        comparable = func.abs(self.now.coverage - self.before.coverage) <= COMPARABLE
        earlier = and_(self.before.account_id == Account.id, comparable)
        return (
            statement.select_from(Account)
            .join(self.now, and_(mine, self.now.day == self.as_of, self.now.scorecard == card), isouter=True)
            .join(
                self.before,
                and_(earlier, self.before.day == self._prior(session), self.before.scorecard == card),
                isouter=True,
            )
            .where(*self.where)
        )

    def _prior(self, session: Session) -> date:
        wanted = self.as_of - timedelta(days=TREND_DAYS)
        found = queries.snapshot_day(session, self.ctx.scorecard.id, wanted)
        return found if found and found >= wanted - SLACK else wanted

    def _order(self, sort: Sort) -> list[Any]:
        risk = self.arr * self.now.loss_probability
        orders: dict[str, list[Any]] = {
            "revenue_at_risk": [
                nulls_last(risk.desc()),
                nulls_last(self.now.value),
                nulls_last(self.arr.desc()),
            ],
            "arr": [nulls_last(self.arr.desc())],
            "health": [nulls_last(self.now.value)],
            "renewal": [nulls_last(col(Account.renewal_on))],
            "trend": [nulls_last(self.now.value - self.before.value)],
            "name": [],
        }
        return [*orders[sort], col(Account.name)]


def row_of(ctx: Context, session: Session, account: Account, as_of: date) -> AccountRow:
    """Return one account's row, churned ones included."""
    query = AccountQuery(ctx, as_of)
    query.where = [col(Account.id) == account.id]
    return query.rows(session, "name", 1)[0]


def rows_at_risk(ctx: Context, session: Session, as_of: date, owner_email: str | None) -> list[AccountRow]:
    """Return every account in a band below the green ones, by revenue at risk."""
    query = AccountQuery(ctx, as_of, AccountFilter(owner_email=owner_email, at_risk=True))
    return query.rows(session, "revenue_at_risk", MOST_AT_RISK)


def scored_day(ctx: Context, session: Session) -> date:
    """Return the day of the newest scores.

    Raises:
        UserError: before anything was scored, with what to do.
    """
    found = queries.snapshot_day(session, ctx.scorecard.id, ctx.today())
    if found is None:
        raise UserError(
            "There are no scored accounts yet. Import your accounts with "
            "`python -m bot import FOLDER`, or try the demo with `make demo`."
        )
    return found


def _row(account: Account, now: Snapshot | None, before: Snapshot | None) -> AccountRow:
    drivers, earlier = (now.drivers if now else None), (before.drivers if before else None)
    value, was = (now.value if now else None), (before.value if before else None)
    return AccountRow(
        id=account.id or 0,
        external_id=account.external_id,
        name=account.name,
        owner_email=account.owner_email,
        segment=account.segment,
        plan=account.plan,
        industry=account.industry,
        currency=account.currency,
        arr=None if account.mrr is None else account.mrr * 12,
        renewal_on=account.renewal_on,
        health=value,
        band=now.band if now else None,
        coverage=now.coverage if now else 0.0,
        change=None if value is None or was is None else round(value - was, 1),
        loss_probability=now.loss_probability if now else None,
        reasons=tuple(reasons(drivers, earlier)),
        strengths=tuple(strengths(drivers)),
    )
