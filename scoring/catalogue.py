"""The feature catalogue: every feature that scorecards, filters and triggers may name, in one table."""

from collections.abc import Callable
from dataclasses import dataclass

Formatter = Callable[[float], str]


def percent(value: float) -> str:
    return f"{value:.0%}"


def signed_percent(value: float) -> str:
    shown = f"{value:+.0%}"
    return "0%" if shown in ("+0%", "-0%") else shown


def count(value: float) -> str:
    return f"{value:,.0f}"


def one_decimal(value: float) -> str:
    return f"{value:,.1f}".removesuffix(".0")


def days(value: float) -> str:
    return f"{value:,.0f} day{'' if round(value) == 1 else 's'}"


def hours(value: float) -> str:
    return f"{value:,.0f} h" if value < 96 else f"{value / 24:,.0f} days"


def yes_no(value: float) -> str:
    return "yes" if value >= 0.5 else "no"


@dataclass(frozen=True)
class Feature:
    """One column of the feature table.

    Args:
        name: the column.
        label: how people read it, in the middle of a sentence.
        unit: what one stands for.
        better: `higher` or `lower`.
        source: the table that it is computed from; without rows there the feature is missing, not zero.
        show: formats a value for people.
    """

    name: str
    label: str
    unit: str
    better: str
    source: str
    show: Formatter


_ROWS = (
    ("core_feature_share", "core features in use", "share", "higher", "feature_adoption", percent),
    ("feature_share", "all features in use", "share", "higher", "feature_adoption", percent),
    ("days_to_first_value", "time to first value", "days", "lower", "account", days),
    ("active_days_per_week", "days in use a week", "days", "higher", "usage", one_decimal),
    ("minutes_per_session", "minutes a session", "minutes", "higher", "usage", one_decimal),
    ("active_users", "active users a day", "people", "higher", "usage", one_decimal),
    ("usage_change_28d", "use against the 28 days before", "share", "higher", "usage", signed_percent),
    ("days_since_use", "time since last use", "days", "lower", "usage", days),
    ("tickets_per_month", "tickets a month", "tickets", "lower", "ticket", one_decimal),
    ("open_tickets", "open tickets", "tickets", "lower", "ticket", count),
    ("resolution_hours", "time to resolve a ticket", "hours", "lower", "ticket", hours),
    ("escalated_tickets_90d", "escalated tickets in 90 days", "tickets", "lower", "ticket", count),
    ("self_service_share", "tickets solved by self-service", "share", "higher", "ticket", percent),
    ("ticket_sentiment_90d", "tone of tickets (-1 to 1)", "score", "higher", "ticket", one_decimal),
    ("nps", "latest NPS answer", "score", "higher", "survey_response", count),
    ("csat", "average CSAT", "score", "higher", "survey_response", one_decimal),
    ("roi_percent", "measured return", "percent", "higher", "goal", lambda value: f"{value:,.0f}%"),
    ("goal_attainment", "way to the stated goals", "share", "higher", "goal", percent),
    ("champion_present", "champion in place", "yes/no", "higher", "contact", yes_no),
    ("reply_rate_90d", "emails answered in 90 days", "share", "higher", "interaction", percent),
    ("days_since_reply", "time since their last reply", "days", "lower", "interaction", days),
    ("stakeholders_left_90d", "contacts who left in 90 days", "people", "lower", "stakeholder_change", count),
    ("failed_payments_90d", "failed payments in 90 days", "payments", "lower", "invoice", count),
    ("days_overdue", "oldest unpaid invoice overdue", "days", "lower", "invoice", days),
    ("seat_growth_90d", "seats against 90 days ago", "share", "higher", "subscription", signed_percent),
    ("seat_use", "bought seats in use", "share", "higher", "account", percent),
    ("tenure_days", "customer for", "days", "higher", "account", days),
    ("days_to_renewal", "time to renewal", "days", "higher", "account", days),
)
CATALOGUE: dict[str, Feature] = {row[0]: Feature(*row) for row in _ROWS}
