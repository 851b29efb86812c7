"""How long each source of facts is usually silent."""

import itertools
from datetime import date, timedelta
from typing import Any

from sqlalchemy import func, not_
from sqlmodel import Session, select

from storage.models import Goal, Interaction, Invoice, StakeholderChange, Subscription, SurveyResponse, Ticket
from storage.queries import known_by, newest_fact

USAGE_ARRIVES = 3  # days that a day's usage may take to arrive
DATED: dict[str, tuple[Any, str]] = {  # table name -> model and the column that says when a row became known
    "ticket": (Ticket, "opened_at"),
    "interaction": (Interaction, "at"),
    "survey_response": (SurveyResponse, "answered_on"),
    "invoice": (Invoice, "issued_on"),
    "goal": (Goal, "measured_on"),
    "stakeholder_change": (StakeholderChange, "changed_on"),
    "subscription": (Subscription, "start_on"),
}


def described_day(session: Session, usage: Any, today: date) -> date | None:
    """Return the newest day that the data describe, at most today; None without any.

    Old history that was imported is described as of its own end: as of today, every account would look dead.

    Args:
        usage: the workspace's usage facts as an Ibis table, or None.
    """
    newest = newest_usage(usage, today) or newest_fact(session)
    # A day's usage arrives during the next night: data of yesterday is today's picture.
    fresh = newest is not None and newest >= today - timedelta(days=USAGE_ARRIVES)
    return today if fresh else newest


def newest_usage(usage: Any, until: date) -> date | None:
    """Return the newest day of usage up to a day; None without any."""
    if usage is None:
        return None
    found: date | None = usage.filter(usage.day <= until).day.max().to_pyarrow().as_py()
    return found


def largest_gap(session: Session, source: str, newest: date, days: int = 90) -> int | None:
    """Return the longest silence of a source, in days, within the days up to its newest fact.

    None for a source that is not in the database, or that spoke on one day only.
    """
    if source not in DATED:
        return None
    model, column = DATED[source]
    day = func.date(getattr(model, column))
    where = (known_by(model, column, newest), not_(known_by(model, column, newest - timedelta(days=days))))
    spoken = sorted(day for day in map(_day, session.exec(select(day).where(*where).distinct())) if day)
    return max(((b - a).days for a, b in itertools.pairwise(spoken)), default=None)


def _day(value: Any) -> date | None:
    """SQLite says days as text, PostgreSQL as dates."""
    return None if value is None else date.fromisoformat(str(value)[:10])
