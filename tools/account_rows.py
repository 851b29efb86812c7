"""One row per account with its score: the query that all lists, briefs and digests share."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Literal

from sqlalchemy import ColumnElement, and_, case, func, not_, nulls_last, or_
from sqlalchemy.orm import aliased
from sqlmodel import Session, col, select

from scoring.health import Drivers, drivers, read_raw
from scoring.reasons import Reason, reasons, strengths
from scoring.risk import load_risk
from scoring.scorecard import Scorecard
from storage import queries
from storage.models import Account, HealthOverride, Prediction, Snapshot
from tools.context import Context
from tools.errors import UserError

Band = Literal[
    "healthy", "at_risk", "critical", "churning", "champion", "medium_risk", "high_risk", "low", "medium", "high"
]  # fmt: skip
Sort = Literal["revenue_at_risk", "arr", "health", "renewal", "trend", "name"]
Trend = Literal["falling", "rising"]
TREND_DAYS = 30
NOTICEABLE_TREND = 5.0  # points in 30 days
MOST_AT_RISK = 10_000
SLACK = timedelta(days=7)  # how much older than asked for an earlier score may be where history is sparse
COMPARABLE = 0.1  # scores whose coverage differs by more rest on different data; their change means nothing


@dataclass(frozen=True)
class Override:
    """A colleague's judgement that stands in place of the computed score until it expires."""

    by: str
    note: str
    expires_on: date
    value: float | None
    computed: float | None
    computed_band: str | None


@dataclass(frozen=True)
class AccountRow:
    """One account as lists show it. Amounts a year in `currency`; health 0-100 or None without enough data.

    `health` and `band` are what counts: an override where there is one. Reasons explain the computed score.
    """

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
    scorecard: str = ""
    override: Override | None = None

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
        self.override: Any = aliased(HealthOverride)
        self.forecast: Any = aliased(Prediction)
        self.where: list[ColumnElement[bool]] = [
            *queries.customers_on(as_of),
            *self._on_account(wanted),
            *self._on_health(wanted),
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
        change = self.now.value - self.before.value
        if wanted.at_risk is not None:
            in_bands = or_(*[self._in_bands(card, wanted.at_risk) for card in self.ctx.scorecards.used])
            likely = func.coalesce(self.forecast.within_60, 0.0) >= load_risk().alarming
            yield or_(in_bands, likely) if wanted.at_risk else and_(in_bands, not_(likely))
        if wanted.band:
            yield self.band.in_(wanted.band)
        if wanted.min_health is not None:
            yield self.value >= wanted.min_health
        if wanted.max_health is not None:
            yield self.value <= wanted.max_health
        if wanted.trend:
            yield change <= -NOTICEABLE_TREND if wanted.trend == "falling" else change >= NOTICEABLE_TREND

    def _in_bands(self, card: Scorecard, at_risk: bool) -> ColumnElement[bool]:
        names = [band.name for band in card.bands if card.at_risk(band.name) == at_risk]
        return and_(self.now.scorecard == card.id, self.band.in_(names))

    def rows(self, session: Session, sort: Sort, limit: int, offset: int = 0) -> list[AccountRow]:
        columns: list[Any] = [Account, self.now, self.before, self.override, self.loss]
        statement = self.joined(session, select(*columns))
        found = session.exec(statement.order_by(*self._order(sort)).limit(limit).offset(offset)).all()
        runs = Runs(session)
        return [_row(runs, *each) for each in found]

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
        wanted = self.as_of - timedelta(days=TREND_DAYS)
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


class Runs:
    """The scoring runs that a request needs, each read once."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._known: dict[tuple[str, date], tuple[Scorecard, list[float]]] = {}

    def drivers(self, snapshot: Snapshot | None) -> Drivers | None:
        """What made a stored score, against the portfolio of its day."""
        if snapshot is None or snapshot.raw is None:
            return None
        card, means = self.of(snapshot)
        return drivers(card, means, read_raw(snapshot.raw))

    def of(self, snapshot: Snapshot) -> tuple[Scorecard, list[float]]:
        """The scorecard as it was on a snapshot's day, and the portfolio's mean points."""
        key = (snapshot.scorecard, snapshot.day)
        if key not in self._known:
            run = queries.scoring_run(self._session, *key)
            self._known[key] = (Scorecard.model_validate(run.card), run.means)
        return self._known[key]


def _row(
    runs: Runs,
    account: Account,
    now: Snapshot | None,
    before: Snapshot | None,
    override: HealthOverride | None,
    loss: float | None,
) -> AccountRow:
    made, earlier = runs.drivers(now), runs.drivers(before)
    value, was = (now.value if now else None), (before.value if before else None)
    band = now.band if now else None
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
        health=override.value if override and override.value is not None else value,
        band=override.band if override else band,
        coverage=now.coverage if now else 0.0,
        change=None if value is None or was is None else round(value - was, 1),
        loss_probability=loss,
        reasons=tuple(reasons(made, earlier)),
        strengths=tuple(strengths(made)),
        scorecard=now.scorecard if now else "",
        override=_override(override, value, band),
    )


def _override(made: HealthOverride | None, value: float | None, band: str | None) -> Override | None:
    return Override(made.by, made.note, made.expires_on, made.value, value, band) if made else None
