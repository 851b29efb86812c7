"""Find, list and look up accounts, each with its health as of the newest scoring."""

from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any, Literal

from rapidfuzz import fuzz, process, utils
from sqlalchemy import ColumnElement, and_, func, nulls_last
from sqlalchemy.orm import aliased
from sqlmodel import Session, col, select

from scoring.reasons import Reason, reasons, strengths
from storage import queries
from storage.models import Account, AccountAction, Snapshot, User
from tools.context import Context
from tools.errors import AmbiguousError, Choice, UnknownAccountError, UserError
from tools.facts import FactSheet, Result, day, money, money_by_currency, plural

Band = Literal["healthy", "at_risk", "critical", "churning"]
Sort = Literal["revenue_at_risk", "arr", "health", "renewal", "trend", "name"]
TREND_DAYS = 30
NOTICEABLE_TREND = 5.0  # points in 30 days
MOST_ROWS = 100
SURE_MATCH, POSSIBLE_MATCH = 92, 72  # of 100: similarity of names that counts as this one, as maybe


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
class AccountList(Result):
    """Accounts that met the filters: the rows shown, how many there are, and the filters in words."""

    rows: tuple[AccountRow, ...] = ()
    total: int = 0
    title: str = ""
    as_of: date = date.min
    arr_total: dict[str, float] = field(default_factory=dict)


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
    trend: Literal["falling", "rising"] | None = None,
    sort: Sort = "revenue_at_risk",
    limit: int = 10,
) -> AccountList:
    """List the accounts that meet all given filters, with health, what changed and why.

    Args:
        owner: a CSM's name or email; "me" for the accounts of the person who asks.
        at_risk: true for accounts in any band below healthy, false for the healthy ones.
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
        sort: order; revenue_at_risk is probability of loss times annual revenue.
        limit: how many rows to show, at most 100.
    """
    with ctx.session() as session:
        as_of = scored_day(ctx, session)
        person = find_colleague(ctx, session, owner) if owner else None
        found = _Query(ctx, as_of)
        found.filter_fields(person and person.email, segment, plan, industry, min_arr, max_arr)
        found.filter_health(at_risk, band, min_health, max_health, trend)
        if renewal_within_days is not None:
            found.filter_renewal(renewal_within_days)
        rows = found.rows(session, sort, max(1, min(limit, MOST_ROWS)))
        total, arr_total = found.totals(session)
    title = _title(
        person,
        at_risk,
        band,
        segment,
        plan,
        industry,
        renewal_within_days,
        min_arr,
        max_arr,
        min_health,
        max_health,
        trend,
    )
    return account_list(ctx, rows, total, arr_total, title, as_of)


def account_brief(ctx: Context, account: str) -> AccountBrief:
    """Show one account at a glance: health and why, revenue, renewal, owner, seats, open matters.

    Args:
        account: the account's name, domain or external id.
    """
    with ctx.session() as session:
        as_of = scored_day(ctx, session)
        found = resolve_account(session, account, as_of)
        row = row_of(ctx, session, found, as_of)
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
    with ctx.session() as session:
        account = session.get(Account, account_id)
        if account is None:
            raise UserError("That account is no longer here. Ask for the list again.")
        session.add(
            AccountAction(account_id=account_id, action=action, by=ctx.actor.email, at=ctx.now(), until=until)
        )
        session.commit()
        return account.name


# Names


def resolve_account(session: Session, text: str, as_of: date) -> Account:
    """Find the account that a person means by name, domain or external id; typing mistakes are forgiven.

    Raises:
        AmbiguousError: when several current accounts fit equally; carries them as choices.
        UnknownAccountError: when none fits; carries the nearest names.
    """
    wanted = text.strip().strip("“”\"'")
    exact = session.exec(
        select(Account).where(
            (func.lower(Account.name) == wanted.lower())
            | (Account.external_id == wanted)
            | (func.lower(Account.domain) == wanted.lower())
        )
    ).first()
    if exact is not None:
        return exact
    names = account_names(session, as_of)
    ranked = _ranked(wanted, names)
    best = [account_id for account_id, score in ranked if score >= SURE_MATCH and score >= ranked[0][1] - 3]
    if len(best) == 1:
        return session.exec(select(Account).where(Account.id == best[0])).one()
    if best:
        choices = [Choice(names[account_id], names[account_id]) for account_id in best[:5]]
        raise AmbiguousError(f"Several accounts fit “{wanted[:80]}”. Which one do you mean?", choices)
    near = [Choice(names[a], names[a]) for a, score in ranked[:3] if score >= POSSIBLE_MATCH]
    raise UnknownAccountError(wanted, near)


def account_names(session: Session, as_of: date) -> dict[int, str]:
    """Return the names of the accounts that were customers on a day, by id."""
    rows = session.exec(select(Account.id, Account.name).where(*queries.customers_on(as_of))).all()
    return {account_id: name for account_id, name in rows if account_id is not None}


def _ranked(wanted: str, names: dict[int, str]) -> list[tuple[int, float]]:
    found = process.extract(wanted, names, scorer=name_similarity, processor=utils.default_process, limit=6)
    return [(account_id, score) for _, score, account_id in found]


def name_similarity(one: str, other: str, **_: Any) -> float:
    """Compare two names, 0-100: spelling mistakes cost little, and a name's first words may stand for it."""
    if not one or not other:
        return 0.0
    if other.startswith(one + " ") or one == other:
        return 100.0 if one == other else 95.0
    return max(fuzz.ratio(one, other), fuzz.token_set_ratio(one, other) * 0.93)


def find_colleague(ctx: Context, session: Session, text: str) -> User:
    if text.lower() in ("me", "my", "mine", "i"):
        found = queries.user_by_email(session, ctx.actor.email)
        return found or User(email=ctx.actor.email, name=ctx.actor.name)
    users = session.exec(select(User).where(User.active)).all()
    by_email = next((user for user in users if user.email.lower() == text.lower()), None)
    if by_email:
        return by_email
    names = {place: user.name for place, user in enumerate(users)}
    ranked = _ranked(text, names)
    best = [place for place, score in ranked if score >= 85 and score >= ranked[0][1] - 3]
    if len(best) == 1:
        return users[best[0]]
    if best:
        raise AmbiguousError(
            f"Several colleagues fit “{text[:80]}”. Whom do you mean?",
            [Choice(users[place].name, users[place].name) for place in best[:5]],
        )
    raise UserError(
        f"I know no colleague called “{text[:80]}”. Names come from the users file of your import."
    )


# The query


class _Query:
    """Accounts that were customers on a day, joined with their score then and 30 days before."""

    def __init__(self, ctx: Context, as_of: date) -> None:
        self.ctx, self.as_of = ctx, as_of
        self.now, self.before = aliased(Snapshot), aliased(Snapshot)
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
            names = [
                b.name for b in self.ctx.scorecard.bands if self.ctx.scorecard.at_risk(b.name) == at_risk
            ]
            self.where.append(col(self.now.band).in_(names))
        if band:
            self.where.append(col(self.now.band).in_(band))
        if low is not None:
            self.where.append(value >= low)
        if high is not None:
            self.where.append(value <= high)
        if trend:
            self.where.append(
                change <= -NOTICEABLE_TREND if trend == "falling" else change >= NOTICEABLE_TREND
            )

    def filter_renewal(self, days: int) -> None:
        self.where += [
            col(Account.renewal_on) >= self.as_of,
            col(Account.renewal_on) <= self.as_of + timedelta(days=days),
        ]

    def rows(self, session: Session, sort: Sort, limit: int) -> list[AccountRow]:
        statement = self._joined(select(Account, self.now, self.before)).order_by(*self._order(sort))
        found = session.exec(statement.limit(limit)).all()
        return [_row(account, now, before) for account, now, before in found]

    def totals(self, session: Session) -> tuple[int, dict[str, float]]:
        statement = self._joined(select(Account.currency, func.count(), func.sum(self.arr)))
        found = session.exec(statement.group_by(col(Account.currency))).all()
        return sum(n for _, n, _ in found), {currency: float(arr or 0) for currency, _, arr in found}

    def _joined(self, statement: Any) -> Any:
        card, prior = self.ctx.scorecard.id, self.as_of - timedelta(days=TREND_DAYS)
        mine, earlier = self.now.account_id == Account.id, self.before.account_id == Account.id
        return (
            statement.select_from(Account)
            .join(self.now, and_(mine, self.now.day == self.as_of, self.now.scorecard == card), isouter=True)
            .join(
                self.before,
                and_(earlier, self.before.day == prior, self.before.scorecard == card),
                isouter=True,
            )
            .where(*self.where)
        )

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
    query = _Query(ctx, as_of)
    query.where = [col(Account.id) == account.id]
    return query.rows(session, "name", 1)[0]


def rows_at_risk(ctx: Context, session: Session, as_of: date, owner_email: str | None) -> list[AccountRow]:
    """Return every account in a band below the green ones, by revenue at risk."""
    query = _Query(ctx, as_of)
    query.filter_fields(owner_email, None, None, None, None, None)
    query.filter_health(True, None, None, None, None)
    return query.rows(session, "revenue_at_risk", 10_000)


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


# Wording


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


def band_words(band: str | None) -> str:
    return "not enough data" if band is None else band.replace("_", " ")


def _list_text(rows: list[AccountRow], total: int, arr_total: dict[str, float], title: str) -> str:
    if not total:
        return f"No accounts match: {title}."
    head = f"{plural(total, 'account')}: {title}, {money_by_currency(arr_total)} ARR."
    first = rows[0]
    why = f": {'; '.join(reason.text for reason in first.reasons[:2])}" if first.reasons else ""
    return f"{head} First: {first.name}, {_health_words(first)}{why}."


def _health_words(row: AccountRow) -> str:
    if row.health is None:
        return f"not enough data for a score (coverage {row.coverage:.0%})"
    moved = f", {row.change:+.0f} in {TREND_DAYS} days" if row.change and abs(row.change) >= 1 else ""
    return f"health {row.health:.0f} ({band_words(row.band)}{moved})"


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


def _title(
    person: User | None,
    at_risk: bool | None,
    band: list[Band] | None,
    segment: str | None,
    plan: str | None,
    industry: str | None,
    renewal: int | None,
    min_arr: float | None,
    max_arr: float | None,
    min_health: float | None,
    max_health: float | None,
    trend: str | None,
) -> str:
    bands = [band_words(name) for name in band or ()]
    parts = [
        {True: "at risk", False: "healthy", None: ""}[at_risk] if not bands else " or ".join(bands),
        segment and segment.replace("_", " "),
        plan and f"on {plan}",
        industry and f"in {industry.replace('_', ' ')}",
        person and f"owned by {person.name}",
        renewal is not None and f"renewing within {renewal} days",
        min_arr is not None and f"ARR from {money(min_arr)}",
        max_arr is not None and f"ARR up to {money(max_arr)}",
        min_health is not None and f"health from {min_health:g}",
        max_health is not None and f"health up to {max_health:g}",
        trend and f"health {trend}",
    ]
    return ", ".join(str(part) for part in parts if part) or "all accounts"
