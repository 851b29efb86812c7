"""What the account itself, its people, goals and contract say as of a day."""

from datetime import date, timedelta
from typing import Any

import polars as pl
from sqlalchemy import and_, case, func, or_, select
from sqlalchemy.orm import aliased
from sqlmodel import Session, col

from storage.aggregates.parts import Statement, count, mean, newest, since, until
from storage.models import (
    STATED,
    Account,
    AccountState,
    Contact,
    FeatureAdoption,
    Goal,
    StakeholderChange,
    Subscription,
)
from storage.queries import customers_on, read_frame

ROW = (
    "id", "external_id", "industry", "segment", "plan", "status", "started_on", "churned_on", "first_value_on",
    "renewal_on", "seats_bought", "seats_used", "locations", "parent_external_id", "mrr", "limits",
    "term_months",
)  # fmt: skip
INFERRED_FROM = ("observed_on",)
TERM = ("plan", "seats", "mrr", "start_on", "end_on")
TERMS = (1, 2, 3, 6, 12, 18, 24, 36, 48, 60)  # months for which contracts are made
DAYS_A_MONTH = 365.25 / 12


def account_rows(session: Session, as_of: date, account_id: int | None) -> pl.DataFrame:
    """The customers of the day; what changes about them over time is as it was then."""
    where = list(customers_on(as_of))
    if account_id is not None:
        where.append(col(Account.id) == account_id)
    now = read_frame(session, Account, (*ROW, *INFERRED_FROM), *where).with_columns(pl.col("id").alias("account_id"))
    then = read_frame(session, AccountState, ("account_id", *STATED), _newest_state(as_of, account_id))
    both = now.join(then, on="account_id", how="left", suffix="_then", maintain_order="left")
    stated = pl.col("account_id").is_in(then["account_id"].implode())
    known = both.with_columns(
        *(pl.when(stated).then(pl.col(f"{name}_then")).otherwise(pl.col(name)).alias(name) for name in STATED),
        # Who left later had not left on the day.
        pl.col("status").replace("churned", "active"),
    )
    past = pl.col("observed_on") > as_of
    return (_inferred(session, known, past, as_of) if known.select(past.any()).item() else known).select(ROW)


def _inferred(session: Session, rows: pl.DataFrame, past: pl.Expr, as_of: date) -> pl.DataFrame:
    """Say how accounts were before they were observed: from their subscriptions, else only what a later day cannot
    give away. An account's last renewal would, for the one that left, say when.
    """
    order = col(Subscription.start_on), col(Subscription.id)
    terms = read_frame(
        session, Subscription, ("account_id", *TERM), col(Subscription.start_on) <= as_of, order_by=order
    )
    last = terms.unique("account_id", keep="last").select("account_id", *(pl.col(n).alias(f"term_{n}") for n in TERM))
    both = rows.join(last, on="account_id", how="left", maintain_order="left").with_columns(agreed=_agreed_months())
    ends = pl.when(pl.col("agreed").is_not_null() & (pl.col("term_end_on") >= as_of)).then(pl.col("term_end_on"))
    before = {
        "plan": pl.coalesce("term_plan", "plan"),
        "seats_bought": pl.coalesce("term_seats", "seats_bought"),
        "mrr": pl.coalesce("term_mrr", "mrr"),
        "term_months": pl.coalesce("agreed", "term_months"),
        "seats_used": pl.lit(None, pl.Int64),
        "renewal_on": pl.coalesce(ends, _rolled_back(as_of)),
    }
    return both.with_columns(
        pl.when(past).then(then).otherwise(pl.col(name)).alias(name) for name, then in before.items()
    )


def _agreed_months() -> pl.Expr:
    """The length of a term whose end lies whole months after its start, as contracts do. Any other end was written
    down when the term was cut short, and would give away what came.
    """
    start, end = pl.col("term_start_on"), pl.col("term_end_on")
    months = (end.dt.year() - start.dt.year()) * 12 + end.dt.month().cast(pl.Int32) - start.dt.month().cast(pl.Int32)
    whole = months.is_in(TERMS) & (start.dt.offset_by(pl.format("{}mo", months)) == end)
    return pl.when(whole).then(months.cast(pl.Int64))


def _rolled_back(as_of: date) -> pl.Expr:
    """The renewal that was next on a day, for terms that follow one another; unknown without their length."""
    renewal, months = pl.col("renewal_on"), pl.when(pl.col("term_months") > 0).then(pl.col("term_months"))
    ahead = (renewal - pl.lit(as_of)).dt.total_days()
    terms = (ahead / (months * DAYS_A_MONTH)).floor().clip(lower_bound=0).cast(pl.Int64)
    return renewal.dt.offset_by(pl.format("-{}mo", terms * months))


def _newest_state(as_of: date, account_id: int | None) -> Any:
    other: Any = aliased(AccountState)
    same = and_(other.account_id == AccountState.account_id, other.workspace_id == AccountState.workspace_id)
    newer = select(other.id).where(same, other.known_on <= as_of, other.known_on > AccountState.known_on)
    mine = [] if account_id is None else [col(AccountState.account_id) == account_id]
    return and_(col(AccountState.known_on) <= as_of, ~newer.exists(), *mine)


def feature_rows(session: Session, as_of: date) -> pl.DataFrame:
    """The features that stood beside each account's name on the day, used yet or not.

    Where a team lists only features that were used, a row came to be with its first use.
    """
    names = ("account_id", "feature", "core", "first_used_on", "last_used_on", "listed_on")
    rows = read_frame(session, FeatureAdoption, names)
    used, listed = (pl.col(name).is_null() | (pl.col(name) <= as_of) for name in ("first_used_on", "listed_on"))
    known = rows.filter(listed if rows["first_used_on"].null_count() else used)
    return known.with_columns(pl.when(used).then(pl.col("first_used_on")).alias("first_used_on")).drop("listed_on")


def goals(as_of: date) -> Statement:
    """The newest measurement of each objective, and the newest that is 90 days old."""
    measured = col(Goal.measured_on)
    key = [col(Goal.account_id), col(Goal.objective)]
    old = measured <= as_of - timedelta(days=90)
    latest = func.row_number().over(partition_by=key, order_by=[measured.desc(), col(Goal.id).desc()])
    newest_old = func.row_number().over(partition_by=[*key, old], order_by=[measured.desc(), col(Goal.id).desc()])
    known = and_(until(measured, as_of), or_(col(Goal.stated_on).is_(None), until(col(Goal.stated_on), as_of)))
    rows = (
        select(Goal, latest.label("latest"), newest_old.label("newest_old"), old.label("old")).where(known).subquery().c
    )
    done = (rows.current - rows.baseline) / func.nullif(rows.target - rows.baseline, 0)
    last, before = rows.latest == 1, and_(rows.old, rows.newest_old == 1)
    return select(
        rows.account_id.label("account_id"),
        newest(rows.measured_on, as_of),
        mean(rows.roi, last).label("roi_percent"),
        mean(rows.efficiency_gain, last).label("efficiency_gain"),
        mean(done, last).label("goal_attainment"),
        func.avg(case((and_(last, done >= 1), 1.0), (and_(last, done < 1), 0.0))).label("goals_met_share"),
        (mean(done, last) - mean(done, before)).label("goal_trend_90d"),
    ).group_by(rows.account_id)


def contacts(as_of: date) -> Statement:
    """Who is there."""
    present = or_(col(Contact.left_on).is_(None), col(Contact.left_on) > as_of)

    def holds(role: str) -> Any:
        return func.max(case((and_(present, col(Contact.role) == role), 1.0), else_=0.0))

    return (
        select(
            col(Contact.account_id).label("account_id"),
            newest(col(Contact.joined_on), as_of),
            holds("champion").label("champion_present"),
            holds("executive_sponsor").label("sponsor_present"),
        )
        .where(or_(col(Contact.joined_on).is_(None), until(col(Contact.joined_on), as_of)))
        .group_by(col(Contact.account_id))
    )


def stakeholders(as_of: date) -> Statement:
    """Who came, left and changed role within 90 days."""
    day, kind = col(StakeholderChange.changed_on), col(StakeholderChange.kind)
    quarter = since(day, as_of, 90)
    left = and_(quarter, kind == "left")
    return (
        select(
            col(StakeholderChange.account_id).label("account_id"),
            newest(day, as_of),
            count(left).label("stakeholders_left_90d"),
            count(and_(left, col(StakeholderChange.role) == "champion")).label("champion_left_90d"),
            count(and_(quarter, kind == "role_changed")).label("role_changes_90d"),
            count(and_(quarter, kind == "joined")).label("contacts_joined_90d"),
        )
        .where(until(day, as_of))
        .group_by(col(StakeholderChange.account_id))
    )


def subscriptions(as_of: date) -> Statement:
    """Seats and revenue now and 90 days ago, from the history of subscriptions."""
    start = col(Subscription.start_on)
    old = start <= as_of - timedelta(days=90)
    order: Any = [start.desc(), col(Subscription.id).desc()]
    latest = func.row_number().over(partition_by=[col(Subscription.account_id)], order_by=order)
    newest_old = func.row_number().over(partition_by=[col(Subscription.account_id), old], order_by=order)
    rows = (
        select(Subscription, latest.label("latest"), newest_old.label("newest_old"), old.label("old"))
        .where(until(start, as_of))
        .subquery()
        .c
    )
    now, before = rows.latest == 1, and_(rows.old, rows.newest_old == 1)

    def value(field: Any, of: Any) -> Any:
        return func.max(case((of, field)))

    return select(
        rows.account_id.label("account_id"),
        newest(rows.start_on, as_of),
        value(rows.discount, now).label("discount"),
        (value(rows.seats, now) / func.nullif(1.0 * value(rows.seats, before), 0) - 1).label("seat_growth_90d"),
        (value(rows.mrr, now) / func.nullif(1.0 * value(rows.mrr, before), 0) - 1).label("mrr_change_90d"),
    ).group_by(rows.account_id)
