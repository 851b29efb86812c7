"""Which accounts a list holds, in which order: the query that all lists, briefs and digests share."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Literal

from sqlalchemy import ColumnElement, and_, case, func, not_, nulls_last, or_
from sqlalchemy.orm import aliased
from sqlmodel import Session, col, select

from scoring.risk import load_risk
from scoring.scorecard import Scorecard
from storage import queries
from storage.models import Account, HealthOverride, Prediction, Snapshot, StageEntry
from tools.account_rows import COMPARABLE, TREND_DAYS, AccountRow, Runs, account_row
from tools.context import Context
from tools.errors import UserError
from tools.names import resolve_account

Band = Literal[
    "healthy", "at_risk", "critical", "churning", "champion", "medium_risk", "high_risk", "low", "medium", "high"
]  # fmt: skip
Sort = Literal["revenue_at_risk", "arr", "health", "renewal", "trend", "name", "probability", "expected_value"]
Trend = Literal["falling", "rising"]
NOTICEABLE_TREND = 5.0  # points in 30 days
MOST_AT_RISK = 10_000
SLACK = timedelta(days=7)  # how much older than asked for an earlier score may be where history is sparse


@dataclass(frozen=True)
class AccountFilter:
    """What accounts must meet to be listed; None asks for nothing. Revenue a year, health 0-100, days from today.

    `without` names segments, plans, industries, countries, stages, bands and owners (by email) that are left out.
    """

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
    stage: str | None = None
    country: str | None = None
    renewal_from_days: int | None = None
    started_within_days: int | None = None
    without: tuple[str, ...] = ()


class AccountQuery:
    """Accounts that were customers on a day, joined with their score then and 30 days before."""

    def __init__(
        self, ctx: Context, as_of: date, wanted: AccountFilter = AccountFilter(), against: date | None = None
    ) -> None:
        self.ctx, self.as_of, self.against = ctx, as_of, against
        self.now: Any = aliased(Snapshot)
        self.before: Any = aliased(Snapshot)
        self.override: Any = aliased(HealthOverride)
        self.forecast: Any = aliased(Prediction)
        self.on_account = list(self._on_account(wanted))
        self.where: list[ColumnElement[bool]] = [
            *queries.customers_on(as_of),
            *self.on_account,
            *self._on_health(wanted),
            *self._left_out(wanted.without),
        ]

    @property
    def arr(self) -> Any:
        return col(Account.mrr) * 12

    @property
    def value(self) -> Any:
        """The health that counts: a colleague's override before the computed score."""
        return func.coalesce(self.override.value, self.now.value)

    @property
    def band(self) -> Any:
        return func.coalesce(self.override.band, self.now.band)

    @property
    def loss(self) -> Any:
        """The model's probability of loss within 60 days; without a model, the observed rate of the band."""
        return func.coalesce(self.forecast.within_60, self.now.loss_probability)

    @property
    def _keeping_value(self) -> Any:
        """What an attempt to keep the account is worth, see `RiskTable.expected_value`."""
        risk = load_risk()
        cost = case(*[(self.loss >= segment.lower, segment.cost) for segment in risk.segments], else_=0.0)
        return self.loss * self.arr * risk.saved - cost

    def _on_account(self, wanted: AccountFilter) -> Iterator[ColumnElement[bool]]:
        words = {
            Account.owner_email: wanted.owner_email,
            Account.segment: wanted.segment,
            Account.plan: wanted.plan,
            Account.industry: wanted.industry,
            Account.country: wanted.country,
        }
        yield from (func.lower(field) == value.lower() for field, value in words.items() if value)
        if wanted.min_arr is not None:
            yield self.arr >= wanted.min_arr
        if wanted.max_arr is not None:
            yield self.arr <= wanted.max_arr
        if wanted.stage:
            yield col(Account.id).in_(in_stages([wanted.stage]))
        if wanted.renewal_within_days is not None:
            first = self.as_of + timedelta(days=wanted.renewal_from_days or 0)
            last = self.as_of + timedelta(days=wanted.renewal_within_days)
            yield col(Account.renewal_on).between(first, last)
        if wanted.started_within_days is not None:
            yield col(Account.started_on) >= self.as_of - timedelta(days=wanted.started_within_days)

    def _left_out(self, without: Sequence[str]) -> Iterator[ColumnElement[bool]]:
        """What is unknown of an account leaves it in."""
        words = [word.lower() for word in without]
        if words:
            fields = (Account.segment, Account.plan, Account.industry, Account.country, Account.owner_email)
            for field in (*fields, self.band):
                yield func.coalesce(func.lower(field), "").not_in(words)
            yield col(Account.id).not_in(in_stages(words))

    def _on_health(self, wanted: AccountFilter) -> Iterator[ColumnElement[bool]]:
        change = self.now.value - self.before.value
        if wanted.at_risk is not None:
            yield self.in_risk(wanted.at_risk)
        if wanted.band:
            yield self.band.in_(wanted.band)
        if wanted.min_health is not None:
            yield self.value >= wanted.min_health
        if wanted.max_health is not None:
            yield self.value <= wanted.max_health
        if wanted.trend:
            yield change <= -NOTICEABLE_TREND if wanted.trend == "falling" else change >= NOTICEABLE_TREND

    def in_risk(self, wanted: bool) -> ColumnElement[bool]:
        """In a band below the green ones, or likely to leave; or, where that is wanted, neither."""
        in_bands = or_(*[self._in_bands(card, wanted) for card in self.ctx.scorecards.used])
        likely = func.coalesce(self.forecast.within_60, 0.0) >= load_risk().alarming
        return or_(in_bands, likely) if wanted else and_(in_bands, not_(likely))

    def _in_bands(self, card: Scorecard, at_risk: bool) -> ColumnElement[bool]:
        names = [band.name for band in card.bands if card.at_risk(band.name) == at_risk]
        return and_(self.now.scorecard == card.id, self.band.in_(names))

    def among(self, ids: Sequence[int]) -> "AccountQuery":
        """The same columns for these accounts only."""
        only = AccountQuery(self.ctx, self.as_of, against=self.against)
        only.where = [col(Account.id).in_(ids)]
        return only

    def rows(self, session: Session, sort: Sort, limit: int, offset: int = 0) -> list[AccountRow]:
        columns: list[Any] = [Account, self.now, self.before, self.override, self.loss]
        statement = self.joined(session, select(*columns))
        found = session.exec(statement.order_by(*self._order(sort)).limit(limit).offset(offset)).all()
        runs = Runs(session)
        return [account_row(runs, *each) for each in found]

    def totals(self, session: Session) -> tuple[int, dict[str, float]]:
        statement = self.joined(session, select(Account.currency, func.count(), func.sum(self.arr)))
        found = session.exec(statement.group_by(col(Account.currency))).all()
        return sum(n for _, n, _ in found), {currency: float(arr or 0) for currency, _, arr in found}

    def joined(self, session: Session, statement: Any) -> Any:
        """Add to a statement over Account the score of the day, the one 30 days before and the override."""
        card = card_of(self.ctx)
        mine = and_(self.now.account_id == Account.id, self.now.day == self.as_of, self.now.scorecard == card)
        comparable = func.abs(self.now.coverage - self.before.coverage) <= COMPARABLE
        earlier = and_(
            self.before.account_id == Account.id,
            self.before.day == self._prior(session),
            self.before.scorecard == card,
            comparable,
        )
        holds = and_(self.override.account_id == Account.id, *queries.override_holds(self.override, self.as_of))
        told = and_(self.forecast.account_id == Account.id, self.forecast.day == self.as_of)
        return (
            statement.select_from(Account)
            .join(self.now, mine, isouter=True)
            .join(self.before, earlier, isouter=True)
            .join(self.override, holds, isouter=True)
            .join(self.forecast, told, isouter=True)
            .where(*self.where)
        )

    def _prior(self, session: Session) -> date:
        wanted = self.against or self.as_of - timedelta(days=TREND_DAYS)
        found = queries.scored_day(session, wanted)
        return found if found and found >= wanted - SLACK else wanted

    def _order(self, sort: Sort) -> list[Any]:
        risk = self.arr * self.loss
        orders: dict[str, list[Any]] = {
            "revenue_at_risk": [
                nulls_last(risk.desc()),
                nulls_last(self.value),
                nulls_last(self.arr.desc()),
            ],
            "arr": [nulls_last(self.arr.desc())],
            "health": [nulls_last(self.value)],
            "renewal": [nulls_last(col(Account.renewal_on))],
            "trend": [nulls_last(self.now.value - self.before.value)],
            "name": [],
            "probability": [nulls_last(self.loss.desc()), nulls_last(self.arr.desc())],
            "expected_value": [nulls_last(self._keeping_value.desc())],
        }
        return [*orders[sort], col(Account.name)]


def in_stages(stages: Sequence[str]) -> Any:
    """Select the ids of the accounts that are in one of these stages of the lifecycle now."""
    here = (col(StageEntry.left_on).is_(None), col(StageEntry.stage).in_([stage.lower() for stage in stages]))
    return select(StageEntry.account_id).where(*here)


def row_of(ctx: Context, session: Session, account: Account, as_of: date) -> AccountRow:
    """Return one account's row, churned ones included."""
    return AccountQuery(ctx, as_of).among([account.id or 0]).rows(session, "name", 1)[0]


def subject_of(ctx: Context, session: Session, account: str) -> tuple[Account, AccountRow, date]:
    """Find the account that a request names: itself, its row, and the day of the newest scores.

    Raises:
        UserError: nothing is scored yet, nothing has that name, or several have.
    """
    as_of = scored_day(ctx, session)
    found = resolve_account(session, account, as_of)
    return found, row_of(ctx, session, found, as_of), as_of


def rows_at_risk(ctx: Context, session: Session, as_of: date, owner_email: str | None) -> list[AccountRow]:
    """Return every account in a band below the green ones, by revenue at risk."""
    query = AccountQuery(ctx, as_of, AccountFilter(owner_email=owner_email, at_risk=True))
    return query.rows(session, "revenue_at_risk", MOST_AT_RISK)


def scored_day(ctx: Context, session: Session) -> date:
    """Return the day of the newest scores.

    Raises:
        UserError: before anything was scored, with what to do.
    """
    found = queries.scored_day(session, ctx.today())
    if found is None:
        raise UserError(
            "There are no scored accounts yet. Import your accounts with "
            "`python -m bot import FOLDER`, or try the demo with `make demo`."
        )
    return found


def card_of(ctx: Context) -> Any:
    """The id of the scorecard that scores an account, as an expression over Account."""
    cards = ctx.scorecards
    if not cards.choice:
        return cards.default
    own = [(col(Account.segment) == segment, name) for segment, name in cards.choice.items()]
    return case(*own, else_=cards.default)
