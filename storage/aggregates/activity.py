"""What happens between the account and the team, as of a day: tickets, surveys, talks, bills, visits."""

from datetime import date, timedelta
from typing import Any

from sqlalchemy import and_, case, func, or_, select, true
from sqlalchemy.orm import aliased
from sqlmodel import col

from storage.aggregates.parts import (
    LONG_COMMENT,
    TALKS,
    YEAR,
    HoursBetween,
    Statement,
    count,
    count_of,
    mean,
    midnight,
    newest,
    share,
    since,
    until,
)
from storage.models import (
    Interaction,
    Invoice,
    Mention,
    ServiceRecord,
    SurveyResponse,
    Ticket,
)

SETTLED = 7  # days after which what is not dated no longer changes
MONTHLY = ("cancellation", "competitor", "export", "legal", "budget", "complaint")
QUARTERLY = ("roadmap", "upgrade", "compliance")


def tickets(as_of: date) -> Statement:
    """Counts, pace and tone of support requests."""
    at, done = col(Ticket.opened_at), col(Ticket.resolved_at)
    quarter, solved = since(at, as_of, 90), func.coalesce(until(done, as_of), False)
    category = func.lower(Ticket.category)
    return (
        select(
            col(Ticket.account_id).label("account_id"),
            newest(at, as_of),
            func.count().label("tickets_90d"),
            count(since(at, as_of, 28)).label("tickets_28d"),
            count(and_(since(at, as_of, 56), ~since(at, as_of, 28))).label("tickets_prior_28d"),
            count(since(at, as_of, 7)).label("tickets_7d"),
            mean(HoursBetween(at, done), solved).label("resolution_hours"),
            count(col(Ticket.escalated)).label("escalated_tickets_90d"),
            share(col(Ticket.self_service), true()).label("self_service_share"),
            func.avg(col(Ticket.sentiment)).label("ticket_sentiment_90d"),
            mean(col(Ticket.sentiment), since(at, as_of, 14)).label("ticket_sentiment_14d"),
            mean(col(Ticket.csat), solved).label("ticket_csat_90d"),
            count(category.in_(("feature_request", "feature request"))).label("feature_requests_90d"),
            count(category.in_(("training", "training_request", "training request"))).label("training_requests_90d"),
        )
        .where(until(at, as_of), quarter)
        .group_by(col(Ticket.account_id))
    )


def open_tickets(as_of: date) -> Statement:
    """Support requests that wait for their solution, however old."""
    return (
        select(
            col(Ticket.account_id).label("account_id"),
            func.count().label("open_tickets"),
            count(col(Ticket.escalated)).label("open_escalations"),
        )
        .where(until(col(Ticket.opened_at), as_of))
        .where(or_(col(Ticket.resolved_at).is_(None), ~until(col(Ticket.resolved_at), as_of)))
        .group_by(col(Ticket.account_id))
    )


def surveys(as_of: date) -> Statement:
    """The latest NPS and the one before it, means of the others, over 180 days (a year for reviews)."""
    day, kind = col(SurveyResponse.answered_on), col(SurveyResponse.kind)
    place = func.row_number().over(
        partition_by=[col(SurveyResponse.account_id), kind], order_by=[day.desc(), col(SurveyResponse.id).desc()]
    )
    rows = select(SurveyResponse, place.label("place")).where(until(day, as_of), since(day, as_of, YEAR)).subquery().c
    recent = since(rows.answered_on, as_of, 180)
    told = func.length(func.coalesce(rows.comment, "")) >= LONG_COMMENT

    def nps(place_: int) -> Any:
        return func.max(case((and_(rows.kind == "nps", rows.place == place_, recent), rows.score)))

    return select(
        rows.account_id.label("account_id"),
        newest(rows.answered_on, as_of),
        nps(1).label("nps"),
        (nps(1) - nps(2)).label("nps_change"),
        mean(rows.score, and_(rows.kind == "csat", recent)).label("csat"),
        mean(rows.score, and_(rows.kind == "ces", recent)).label("ces"),
        mean(rows.score, rows.kind == "onboarding").label("onboarding_score"),
        mean(rows.score, rows.kind == "review").label("review_score_365d"),
        func.avg(case((and_(recent, told), 1.0), (recent, 0.0))).label("survey_comment_share"),
    ).group_by(rows.account_id)


def interactions(as_of: date) -> Statement:
    """Answers, attendance and what they do of their own accord."""
    at, channel = col(Interaction.at), col(Interaction.channel)
    quarter, before = since(at, as_of, 90), and_(since(at, as_of, TALKS), ~since(at, as_of, 90))
    inbound = col(Interaction.direction) == "in"
    # An answer without its date is believed after a week; so is an e-mail that was opened.
    settled = until(at, as_of - timedelta(days=SETTLED))
    undated = and_(col(Interaction.replied_on).is_(None), settled, col(Interaction.replied).is_(True))
    replied = or_(func.coalesce(until(col(Interaction.replied_on), as_of), False), undated)
    sent = and_(channel == "email", ~inbound)
    told = and_(sent, or_(col(Interaction.replied).is_not(None), col(Interaction.replied_on).is_not(None)))
    invited = and_(channel == "meeting", col(Interaction.attendees).is_not(None))
    came = col(Interaction.attendees) > 0
    answered = case((inbound, at), (undated, at))
    return (
        select(
            col(Interaction.account_id).label("account_id"),
            newest(at, as_of),
            share(replied, and_(quarter, told)).label("reply_rate_90d"),
            share(replied, and_(before, told)).label("reply_rate_prior_90d"),
            share(col(Interaction.opened), and_(quarter, sent, settled)).label("email_open_rate_90d"),
            HoursBetween(func.max(answered), midnight(as_of)).label("hours_since_reply"),
            count(and_(quarter, channel == "in_app", inbound)).label("in_app_actions_90d"),
            count(and_(quarter, channel == "community", inbound)).label("community_posts_90d"),
            count(and_(quarter, channel.in_(("meeting", "call")))).label("meetings_90d"),
            share(came, and_(quarter, invited)).label("attendance_rate_90d"),
            share(came, and_(before, invited)).label("attendance_prior_90d"),
        )
        .where(until(at, as_of), since(at, as_of, TALKS))
        .group_by(col(Interaction.account_id))
    )


def invoices(as_of: date) -> Statement:
    """Failed, late and overdue payments."""
    failed, paid, due = col(Invoice.failed_on), col(Invoice.paid_on), col(Invoice.due_on)
    open_ = or_(paid.is_(None), paid > as_of)
    judged = and_(due < as_of, since(due, as_of, 180))
    overdue = func.min(case((and_(open_, due < as_of), due)))
    return (
        select(
            col(Invoice.account_id).label("account_id"),
            newest(col(Invoice.issued_on), as_of),
            count(and_(until(failed, as_of), since(failed, as_of, 90))).label("failed_payments_90d"),
            count(and_(until(failed, as_of), since(failed, as_of, 14))).label("failed_payments_14d"),
            HoursBetween(overdue, midnight(as_of)).label("hours_overdue"),
            func.avg(case((and_(judged, paid <= due), 1.0), (judged, 0.0))).label("on_time_share_180d"),
        )
        .where(until(col(Invoice.issued_on), as_of), or_(since(due, as_of, YEAR), paid.is_(None)))
        .group_by(col(Invoice.account_id))
    )


def mentions(as_of: date) -> Statement:
    """How often they spoke of leaving, a competitor, their budget, the roadmap …"""
    said = col(Mention.said_on)
    month, quarter = since(said, as_of, 30), since(said, as_of, 90)
    return (
        select(
            col(Mention.account_id).label("account_id"),
            *_kinds(month, MONTHLY, "30d"),
            *_kinds(quarter, QUARTERLY, "90d"),
        )
        .where(until(said, as_of), quarter)
        .group_by(col(Mention.account_id))
    )


def _kinds(recent: Any, kinds: tuple[str, ...], window: str) -> list[Any]:
    return [count(and_(recent, col(Mention.kind) == kind)).label(f"{kind}_mentions_{window}") for kind in kinds]


def services(as_of: date) -> Statement:
    """Appointments, check-ups, emergencies, projects: what a service business does for the account."""
    kind, due, done = col(ServiceRecord.kind), col(ServiceRecord.due_on), col(ServiceRecord.done_on)
    recorded, satisfaction = col(ServiceRecord.recorded_on), col(ServiceRecord.satisfaction)
    finished = func.coalesce(until(done, as_of), False)
    cancelled = func.coalesce(until(col(ServiceRecord.cancelled_on), as_of), False)
    waiting, year = and_(~finished, ~cancelled), since(recorded, as_of, YEAR)
    visit = and_(kind == "appointment", due <= as_of, since(due, as_of, 180))
    missed = and_(kind == "seasonal", waiting, due < as_of)
    late = HoursBetween(func.min(case((missed, due))), midnight(as_of)) / 24.0
    ends = func.max(case((kind.in_(("maintenance", "contract")), col(ServiceRecord.ends_on))))
    judged = and_(finished, since(done, as_of, YEAR))
    return (
        select(
            col(ServiceRecord.account_id).label("account_id"),
            newest(recorded, as_of),
            share(col(ServiceRecord.no_show), and_(visit, ~cancelled)).label("no_show_rate_180d"),
            share(cancelled, visit).label("cancellation_rate_180d"),
            count_of(kind == "checkup", and_(waiting, due < as_of)).label("overdue_checkups"),
            count(and_(kind == "insurance_change", since(recorded, as_of, 180))).label("insurance_changes_180d"),
            (-1.0 * HoursBetween(ends, midnight(as_of)) / 24.0).label("contract_days_left"),
            func.coalesce(late, func.max(case((kind == "seasonal", 0.0)))).label("seasonal_overdue_days"),
            mean(col(ServiceRecord.response_hours), and_(kind == "emergency", year)).label("emergency_response_hours"),
            mean(satisfaction, and_(kind != "milestone", judged)).label("service_satisfaction_365d"),
            count_of(kind == "warranty", waiting).label("warranty_followups_open"),
            mean(satisfaction, and_(kind == "milestone", judged)).label("milestone_satisfaction_365d"),
            count(and_(kind == "proposal", waiting, year)).label("open_proposals"),
            count(and_(kind == "referral", year)).label("referrals_365d"),
        )
        .where(until(recorded, as_of))
        .group_by(col(ServiceRecord.account_id))
    )


def service_contracts(as_of: date) -> Statement:
    """Visits made of those that the running maintenance contract includes.

    They are counted from the visits themselves, which have dates; the contract's own count has none and only
    stands in where no visits are known.
    """
    contract: Any = aliased(ServiceRecord)
    visit: Any = aliased(ServiceRecord)
    made = and_(
        visit.account_id == contract.account_id,
        visit.kind == "seasonal",
        visit.workspace_id == contract.workspace_id,
        visit.done_on >= contract.recorded_on,
    )
    counted = func.sum(case((until(visit.done_on, as_of), 1.0), else_=0.0))
    used = case((func.count(visit.id) > 0, counted), else_=func.max(contract.used))
    share_used: Any = used / func.nullif(func.max(contract.included), 0)
    return (
        select(
            col(contract.account_id).label("account_id"),
            share_used.label("contract_use"),
        )
        .join(visit, made, isouter=True)
        .where(contract.kind == "maintenance", until(contract.recorded_on, as_of), contract.ends_on >= as_of)
        .group_by(col(contract.account_id))
    )
