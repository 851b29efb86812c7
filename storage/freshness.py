"""How long each source of facts is usually silent."""

import itertools
from datetime import date, timedelta
from typing import Any

from sqlalchemy import func, not_
from sqlmodel import Session, select

from storage.models import Goal, Interaction, Invoice, StakeholderChange, Subscription, SurveyResponse, Ticket
from storage.queries import known_by

DATED: dict[str, tuple[Any, str]] = {  # table name -> model and the column that says when a row became known
    "ticket": (Ticket, "opened_at"),
    "interaction": (Interaction, "at"),
    "survey_response": (SurveyResponse, "answered_on"),
    "invoice": (Invoice, "issued_on"),
    "goal": (Goal, "measured_on"),
    "stakeholder_change": (StakeholderChange, "changed_on"),
    "subscription": (Subscription, "start_on"),
}


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
