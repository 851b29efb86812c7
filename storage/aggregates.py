"""What each table says of every account as of a day, aggregated by the database: one row per account.

Every statement reads only rows that were known at the end of the day; a date that lies later in such a row
(a ticket resolved afterwards) counts as not yet there.
"""

from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from typing import Any

import polars as pl
from sqlalchemy import Date, DateTime, Float, Select, and_, case, func, or_, select, true, type_coerce
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement
from sqlmodel import Session, col

from storage.models import (
    Account,
    Contact,
    FeatureAdoption,
    Goal,
    Interaction,
    Invoice,
    StakeholderChange,
    Subscription,
    SurveyResponse,
    Ticket,
)
from storage.queries import known_by, read_frame

LONG_COMMENT = 40  # characters: below, an answer's comment says little
YEAR = 365  # days: older rows no longer say how an account is
TALKS = 180  # days of interactions that are read: a quarter, and the one before it to compare with
Statement = Select[Any]
NEWEST = "newest_hours"  # the column of a frame that says how many hours before `as_of` its newest row is


class HoursBetween(FunctionElement[float]):
    """Hours from the first to the second point in time."""

    inherit_cache = True
    type = Float()


@compiles(HoursBetween)
def _hours_postgresql(element: Any, compiler: Any, **kwargs: Any) -> str:
    start, end = (compiler.process(clause, **kwargs) for clause in element.clauses)
    return f"(EXTRACT(EPOCH FROM ({end} - {start})) / 3600.0)"


@compiles(HoursBetween, "sqlite")
def _hours_sqlite(element: Any, compiler: Any, **kwargs: Any) -> str:
    start, end = (compiler.process(clause, **kwargs) for clause in element.clauses)
    return f"((julianday({end}) - julianday({start})) * 24.0)"


def aggregates(session: Session, as_of: date, account_id: int | None = None) -> dict[str, pl.DataFrame]:
    """Return one frame per source, each with `account_id` and what its statement names.

    Args:
        account_id: only this account; left out, all of them.
    """
    frames = {"account": _accounts(session, as_of, account_id), "feature_adoption": _features(session, as_of)}
    for name, build in STATEMENTS.items():
        statement = build(as_of)
        if account_id is not None:
            statement = statement.where(statement.selected_columns.account_id == account_id)
        frames[name] = _read(session, statement)
    return frames


def _accounts(session: Session, as_of: date, account_id: int | None) -> pl.DataFrame:
    names = (
        "id", "external_id", "industry", "segment", "plan", "status", "started_on", "churned_on", "first_value_on",
        "renewal_on", "seats_bought", "seats_used", "locations", "parent_external_id", "mrr", "limits",
    )  # fmt: skip
    where = [col(Account.started_on) <= as_of, or_(col(Account.churned_on).is_(None), col(Account.churned_on) > as_of)]
    if account_id is not None:
        where.append(col(Account.id) == account_id)
    return read_frame(session, Account, names, *where)


def _features(session: Session, as_of: date) -> pl.DataFrame:
    names = ("account_id", "feature", "core", "first_used_on", "last_used_on")
    return read_frame(session, FeatureAdoption, names, known_by(FeatureAdoption, "first_used_on", as_of))


def _read(session: Session, statement: Statement) -> pl.DataFrame:
    schema = {
        column.name: pl.Int64 if column.name == "account_id" else pl.Float64 for column in statement.selected_columns
    }
    rows = session.execute(statement).all()
    return pl.DataFrame([tuple(row) for row in rows], schema=schema, orient="row", strict=False)


def _since(column: Any, as_of: date, days: int) -> Any:
    """The row's day is one of the last `days` up to `as_of`."""
    first = as_of - timedelta(days=days)
    if isinstance(column.type, Date):
        return column > first
    return column >= datetime.combine(first + timedelta(days=1), time.min)


def _until(column: Any, as_of: date) -> Any:
    """The row's day is `as_of` or earlier."""
    if isinstance(column.type, Date):
        return column <= as_of
    return column < datetime.combine(as_of + timedelta(days=1), time.min)


def _count(condition: Any) -> Any:
    return func.sum(case((condition, 1), else_=0))


def _share(condition: Any, of: Any) -> Any:
    """Mean of a condition over the rows that `of` picks; NULL conditions are left out."""
    return func.avg(case((and_(of, condition), 1.0), (and_(of, condition.is_(False)), 0.0)))


def _newest(column: Any, as_of: date) -> Any:
    """How old the newest row is: what a source's freshness is told from."""
    midnight = type_coerce(datetime.combine(as_of, time.min), DateTime)
    return HoursBetween(func.max(column), midnight).label(NEWEST)


def _mean(value: Any, of: Any) -> Any:
    return func.avg(case((of, value)))


def tickets(as_of: date) -> Statement:
    """Counts, pace and tone of support requests."""
    at, done = col(Ticket.opened_at), col(Ticket.resolved_at)
    quarter, solved = _since(at, as_of, 90), func.coalesce(_until(done, as_of), False)
    category = func.replace(func.lower(Ticket.category), " ", "_")
    return (
        select(
            col(Ticket.account_id).label("account_id"),
            _newest(at, as_of),
            func.count().label("tickets_90d"),
            _count(_since(at, as_of, 28)).label("tickets_28d"),
            _count(and_(_since(at, as_of, 56), ~_since(at, as_of, 28))).label("tickets_prior_28d"),
            _count(_since(at, as_of, 7)).label("tickets_7d"),
            _mean(HoursBetween(at, done), solved).label("resolution_hours"),
            _count(col(Ticket.escalated)).label("escalated_tickets_90d"),
            _share(col(Ticket.self_service), true()).label("self_service_share"),
            func.avg(col(Ticket.sentiment)).label("ticket_sentiment_90d"),
            _mean(col(Ticket.sentiment), _since(at, as_of, 14)).label("ticket_sentiment_14d"),
            func.avg(col(Ticket.csat)).label("ticket_csat_90d"),
            _count(category == "feature_request").label("feature_requests_90d"),
            _count(category.in_(("training", "training_request"))).label("training_requests_90d"),
        )
        .where(_until(at, as_of), quarter)
        .group_by(col(Ticket.account_id))
    )


def open_tickets(as_of: date) -> Statement:
    """Support requests that wait for their solution, however old."""
    return (
        select(
            col(Ticket.account_id).label("account_id"),
            func.count().label("open_tickets"),
            _count(col(Ticket.escalated)).label("open_escalations"),
        )
        .where(_until(col(Ticket.opened_at), as_of))
        .where(or_(col(Ticket.resolved_at).is_(None), ~_until(col(Ticket.resolved_at), as_of)))
        .group_by(col(Ticket.account_id))
    )


def surveys(as_of: date) -> Statement:
    """The latest NPS and the one before it, means of the others, over 180 days (a year for reviews)."""
    day, kind = col(SurveyResponse.answered_on), col(SurveyResponse.kind)
    place = func.row_number().over(
        partition_by=[col(SurveyResponse.account_id), kind], order_by=[day.desc(), col(SurveyResponse.id).desc()]
    )
    rows = select(SurveyResponse, place.label("place")).where(_until(day, as_of), _since(day, as_of, YEAR)).subquery().c
    recent = _since(rows.answered_on, as_of, 180)
    told = func.length(func.coalesce(rows.comment, "")) >= LONG_COMMENT

    def nps(place_: int) -> Any:
        return func.max(case((and_(rows.kind == "nps", rows.place == place_, recent), rows.score)))

    return select(
        rows.account_id.label("account_id"),
        _newest(rows.answered_on, as_of),
        nps(1).label("nps"),
        (nps(1) - nps(2)).label("nps_change"),
        _mean(rows.score, and_(rows.kind == "csat", recent)).label("csat"),
        _mean(rows.score, and_(rows.kind == "ces", recent)).label("ces"),
        _mean(rows.score, rows.kind == "onboarding").label("onboarding_score"),
        _mean(rows.score, rows.kind == "review").label("review_score_365d"),
        func.avg(case((and_(recent, told), 1.0), (recent, 0.0))).label("survey_comment_share"),
    ).group_by(rows.account_id)


def goals(as_of: date) -> Statement:
    """The newest measurement of each objective, and the newest that is 90 days old."""
    measured = col(Goal.measured_on)
    key = [col(Goal.account_id), col(Goal.objective)]
    old = measured <= as_of - timedelta(days=90)
    newest = func.row_number().over(partition_by=key, order_by=[measured.desc(), col(Goal.id).desc()])
    newest_old = func.row_number().over(partition_by=[*key, old], order_by=[measured.desc(), col(Goal.id).desc()])
    known = and_(_until(measured, as_of), or_(col(Goal.stated_on).is_(None), _until(col(Goal.stated_on), as_of)))
    rows = (
        select(Goal, newest.label("newest"), newest_old.label("newest_old"), old.label("old")).where(known).subquery().c
    )
    done = (rows.current - rows.baseline) / func.nullif(rows.target - rows.baseline, 0)
    last, before = rows.newest == 1, and_(rows.old, rows.newest_old == 1)
    return select(
        rows.account_id.label("account_id"),
        _newest(rows.measured_on, as_of),
        _mean(rows.roi, last).label("roi_percent"),
        _mean(rows.efficiency_gain, last).label("efficiency_gain"),
        _mean(done, last).label("goal_attainment"),
        func.avg(case((and_(last, done >= 1), 1.0), (and_(last, done < 1), 0.0))).label("goals_met_share"),
        (_mean(done, last) - _mean(done, before)).label("goal_trend_90d"),
    ).group_by(rows.account_id)


def contacts(as_of: date) -> Statement:
    """Who is there."""
    present = or_(col(Contact.left_on).is_(None), col(Contact.left_on) > as_of)

    def holds(role: str) -> Any:
        return func.max(case((and_(present, col(Contact.role) == role), 1.0), else_=0.0))

    return (
        select(
            col(Contact.account_id).label("account_id"),
            _newest(col(Contact.joined_on), as_of),
            holds("champion").label("champion_present"),
            holds("executive_sponsor").label("sponsor_present"),
        )
        .where(or_(col(Contact.joined_on).is_(None), _until(col(Contact.joined_on), as_of)))
        .group_by(col(Contact.account_id))
    )


def interactions(as_of: date) -> Statement:
    """Answers, attendance and what they do of their own accord."""
    at, channel = col(Interaction.at), col(Interaction.channel)
    quarter, before = _since(at, as_of, 90), and_(_since(at, as_of, TALKS), ~_since(at, as_of, 90))
    inbound, replied = col(Interaction.direction) == "in", col(Interaction.replied)
    sent = and_(channel == "email", ~inbound)
    invited = and_(channel == "meeting", col(Interaction.attendees).is_not(None))
    came = col(Interaction.attendees) > 0
    theirs = or_(inbound, func.coalesce(replied, False))
    midnight = type_coerce(datetime.combine(as_of, time.min), DateTime)
    return (
        select(
            col(Interaction.account_id).label("account_id"),
            _newest(at, as_of),
            _share(replied, and_(quarter, sent)).label("reply_rate_90d"),
            _share(replied, and_(before, sent)).label("reply_rate_prior_90d"),
            _share(col(Interaction.opened), and_(quarter, sent)).label("email_open_rate_90d"),
            HoursBetween(func.max(case((theirs, at))), midnight).label("hours_since_reply"),
            _count(and_(quarter, channel == "in_app", inbound)).label("in_app_actions_90d"),
            _count(and_(quarter, channel == "community", inbound)).label("community_posts_90d"),
            _count(and_(quarter, channel.in_(("meeting", "call")))).label("meetings_90d"),
            _share(came, and_(quarter, invited)).label("attendance_rate_90d"),
            _share(came, and_(before, invited)).label("attendance_prior_90d"),
        )
        .where(_until(at, as_of), _since(at, as_of, TALKS))
        .group_by(col(Interaction.account_id))
    )


def stakeholders(as_of: date) -> Statement:
    """Who came, left and changed role within 90 days."""
    day, kind = col(StakeholderChange.changed_on), col(StakeholderChange.kind)
    quarter = _since(day, as_of, 90)
    left = and_(quarter, kind == "left")
    return (
        select(
            col(StakeholderChange.account_id).label("account_id"),
            _newest(day, as_of),
            _count(left).label("stakeholders_left_90d"),
            _count(and_(left, col(StakeholderChange.role) == "champion")).label("champion_left_90d"),
            _count(and_(quarter, kind == "role_changed")).label("role_changes_90d"),
            _count(and_(quarter, kind == "joined")).label("contacts_joined_90d"),
        )
        .where(_until(day, as_of))
        .group_by(col(StakeholderChange.account_id))
    )


def invoices(as_of: date) -> Statement:
    """Failed, late and overdue payments."""
    failed, paid, due = col(Invoice.failed_on), col(Invoice.paid_on), col(Invoice.due_on)
    open_ = or_(paid.is_(None), paid > as_of)
    judged = and_(due < as_of, _since(due, as_of, 180))
    overdue = func.min(case((and_(open_, due < as_of), due)))
    midnight = type_coerce(datetime.combine(as_of, time.min), DateTime)
    return (
        select(
            col(Invoice.account_id).label("account_id"),
            _newest(col(Invoice.issued_on), as_of),
            _count(and_(_until(failed, as_of), _since(failed, as_of, 90))).label("failed_payments_90d"),
            _count(and_(_until(failed, as_of), _since(failed, as_of, 14))).label("failed_payments_14d"),
            HoursBetween(overdue, midnight).label("hours_overdue"),
            func.avg(case((and_(judged, paid <= due), 1.0), (judged, 0.0))).label("on_time_share_180d"),
        )
        .where(_until(col(Invoice.issued_on), as_of), or_(_since(due, as_of, YEAR), paid.is_(None)))
        .group_by(col(Invoice.account_id))
    )


def subscriptions(as_of: date) -> Statement:
    """Seats and revenue now and 90 days ago, from the history of subscriptions."""
    start = col(Subscription.start_on)
    old = start <= as_of - timedelta(days=90)
    order: Any = [start.desc(), col(Subscription.id).desc()]
    newest = func.row_number().over(partition_by=[col(Subscription.account_id)], order_by=order)
    newest_old = func.row_number().over(partition_by=[col(Subscription.account_id), old], order_by=order)
    rows = (
        select(Subscription, newest.label("newest"), newest_old.label("newest_old"), old.label("old"))
        .where(_until(start, as_of))
        .subquery()
        .c
    )
    now, before = rows.newest == 1, and_(rows.old, rows.newest_old == 1)

    def value(field: Any, of: Any) -> Any:
        return func.max(case((of, field)))

    return select(
        rows.account_id.label("account_id"),
        _newest(rows.start_on, as_of),
        (value(rows.seats, now) / func.nullif(1.0 * value(rows.seats, before), 0) - 1).label("seat_growth_90d"),
        (value(rows.mrr, now) / func.nullif(1.0 * value(rows.mrr, before), 0) - 1).label("mrr_change_90d"),
    ).group_by(rows.account_id)


STATEMENTS: dict[str, Callable[[date], Statement]] = {
    "ticket": tickets,
    "open_ticket": open_tickets,
    "survey_response": surveys,
    "goal": goals,
    "contact": contacts,
    "interaction": interactions,
    "stakeholder_change": stakeholders,
    "invoice": invoices,
    "subscription": subscriptions,
}
