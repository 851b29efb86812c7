"""One row per account with its score: the query that all lists, briefs and digests share."""

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


class AccountQuery:
    """Accounts that were customers on a day, joined with their score then and 30 days before."""

    def __init__(self, ctx: Context, as_of: date) -> None:
        self.ctx, self.as_of = ctx, as_of
        self.now: Any = aliased(Snapshot)
        self.before: Any = aliased(Snapshot)
        self.where: list[ColumnElement[bool]] = list(queries.customers_on(as_of))

    @property
    def arr(self) -> Any:
        return col(Account.mrr) * 12

    def filter_fields(
        self,
        owner: str | None,
        segment: str | None,
        plan: str | None,
        industry: str | None,
        min_arr: float | None,
        max_arr: float | None,
    ) -> None:
        wanted = {
            Account.owner_email: owner,
            Account.segment: segment,
            Account.plan: plan,
            Account.industry: industry,
        }
        self.where += [func.lower(field) == value.lower() for field, value in wanted.items() if value]
        if min_arr is not None:
            self.where.append(self.arr >= min_arr)
        if max_arr is not None:
            self.where.append(self.arr <= max_arr)

    def filter_health(
        self,
        at_risk: bool | None,
        band: list[Band] | None,
        low: float | None,
        high: float | None,
        trend: str | None,
    ) -> None:
        value, change = self.now.value, self.now.value - self.before.value
        if at_risk is not None:
            names = [b.name for b in self.ctx.scorecard.bands if self.ctx.scorecard.at_risk(b.name) == at_risk]
            self.where.append(col(self.now.band).in_(names))
        if band:
            self.where.append(col(self.now.band).in_(band))
        if low is not None:
            self.where.append(value >= low)
        if high is not None:
            self.where.append(value <= high)
        if trend:
            self.where.append(change <= -NOTICEABLE_TREND if trend == "falling" else change >= NOTICEABLE_TREND)

    def filter_renewal(self, days: int) -> None:
        self.where += [
            col(Account.renewal_on) >= self.as_of,
            col(Account.renewal_on) <= self.as_of + timedelta(days=days),
        ]

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
    query = AccountQuery(ctx, as_of)
    query.filter_fields(owner_email, None, None, None, None, None)
    query.filter_health(True, None, None, None, None)
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
