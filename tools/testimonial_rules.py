"""When a customer may be asked for a testimonial or a case study, and what stands against it."""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any

from sqlmodel import Session, col, func, select

from storage.models import Account, Draft, DraftState, Outbox, PlayRun, RunState, Testimonial, Ticket
from tools.facts import day, plural
from tools.governance import Governance

PRAISE = ("testimonial", "case_study")  # purposes that ask for it
CLASS = "testimonial"  # of the messages that ask for it
REST_DAYS = 180  # between two requests at the same account
NEGOTIATING_DAYS = 30  # before a renewal
WENT_OUT = (DraftState.SENT, DraftState.SENDING, DraftState.UNCLEAR)
ASKED = (*WENT_OUT, DraftState.DRAFTED, DraftState.SNOOZED, DraftState.APPROVED)


def testimonial_obstacle(session: Session, account: Account, now: datetime, rules: Governance) -> str | None:
    """Say why an account must not be asked for praise now; None when it may be."""
    found = obstacles(session, now, ASKED, [account.id or 0]).get(account.id or 0)
    return found or over_the_limit(session, now, rules)


def obstacles(
    session: Session, now: datetime, states: Collection[DraftState] = ASKED, only: Collection[int] | None = None
) -> dict[int, str]:
    """Say for each account at which something of its own stands against asking what that is."""
    found: dict[int, str] = {}
    for part in (_escalated, _negotiating, _given, _asked):
        found = part(session, now, states, only) | found
    return found


def over_the_limit(session: Session, now: datetime, rules: Governance) -> str | None:
    """Say that the whole company has asked as often as it wants to; None while it has not."""
    cap = rules.testimonial_cap
    sent = session.exec(
        select(func.count(col(Outbox.id)))
        .join(Draft, col(Draft.id) == col(Outbox.draft_id))
        .where(Draft.message_class == CLASS, col(Outbox.sent_at) > now - timedelta(days=cap.days))
    ).one()
    if sent < cap.messages:
        return None
    return f"we asked {plural(sent, 'customer')} within {cap.days} days, the most that the rules allow"


def _within(column: Any, only: Collection[int] | None) -> tuple[Any, ...]:
    return () if only is None else (col(column).in_(only),)


def _escalated(session: Session, now: datetime, states: Any, only: Collection[int] | None) -> dict[int, str]:
    still = (col(Ticket.escalated), col(Ticket.resolved_at).is_(None), *_within(Ticket.account_id, only))
    rows = session.exec(select(Ticket.account_id).where(*still).distinct()).all()
    return dict.fromkeys(rows, "an escalated ticket is open")


def _negotiating(session: Session, now: datetime, states: Any, only: Collection[int] | None) -> dict[int, str]:
    """A renewal that is near, or that a play is at."""
    today = now.date()
    near = (col(Account.renewal_on) >= today, col(Account.renewal_on) <= today + timedelta(days=NEGOTIATING_DAYS))
    soon = session.exec(select(col(Account.id), col(Account.renewal_on)).where(*near, *_within(Account.id, only))).all()
    at_it = (
        col(PlayRun.play).contains("renewal"),
        col(PlayRun.state).in_((RunState.RUNNING, RunState.PAUSED)),
        *_within(PlayRun.account_id, only),
    )
    running = session.exec(select(PlayRun.account_id).where(*at_it).distinct()).all()
    found = dict.fromkeys(running, "a renewal play is running")
    return found | {key or 0: f"the renewal is being negotiated, it is due on {day(on)}" for key, on in soon}


def _given(session: Session, now: datetime, states: Any, only: Collection[int] | None) -> dict[int, str]:
    since = col(Testimonial.given_at) > now - timedelta(days=REST_DAYS)
    newest = select(Testimonial.account_id, func.max(Testimonial.given_at)).where(
        since, *_within(Testimonial.account_id, only)
    )
    rows = session.exec(newest.group_by(col(Testimonial.account_id))).all()
    return {key: f"they gave one on {day(at.date())}, and {REST_DAYS} days have to pass" for key, at in rows}


def _asked(session: Session, now: datetime, states: Any, only: Collection[int] | None) -> dict[int, str]:
    rows = session.exec(
        select(Draft.account_id, func.max(Draft.created_at))
        .where(
            Draft.message_class == CLASS,
            col(Draft.state).in_(states),
            col(Draft.created_at) > now - timedelta(days=REST_DAYS),
            *_within(Draft.account_id, only),
        )
        .group_by(col(Draft.account_id))
    ).all()
    return {key: f"they were asked on {day(at.date())}, and {REST_DAYS} days have to pass" for key, at in rows}
