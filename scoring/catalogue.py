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


LATE = {  # days after which a source counts as old on a health card; others after `LATE_ELSEWHERE`
    "usage": 3,
    "goal": 100,
    "stakeholder_change": 180,
    "subscription": 400,
    "contact": 400,
    "account": 400,
}
LATE_ELSEWHERE = 45
SOURCE_WORDS = {  # where the plural of the table's name would not do
    "usage": "usage data",
    "survey_response": "survey answers",
    "goal": "goal measurements",
    "subscription": "subscription changes",
    "feature_adoption": "feature adoption",
}
TEXTS = ("industry", "segment", "plan", "status")  # what predicates may ask besides the features

_ROWS = (
    ("tenure_days", "customer for", "days", "higher", "account", days),
    ("days_to_renewal", "time to renewal", "days", "higher", "account", days),
    ("term_months", "length of the contract", "months", "higher", "account", count),
    ("days_to_first_value", "time to first value", "days", "lower", "account", days),
    ("seat_use", "bought seats in use", "share", "higher", "account", percent),
    ("seats_bought", "seats bought", "seats", "higher", "account", count),
    ("locations", "locations", "sites", "higher", "account", count),
    ("related_accounts", "other accounts of the same group", "accounts", "higher", "account", count),
    ("arr", "revenue a year", "money", "higher", "account", count),
    ("mrr_per_seat", "revenue a month for each seat", "money", "lower", "account", one_decimal),
    ("limit_use", "highest use of a plan limit", "share", "lower", "account", percent),
    ("overage_months", "months of the last 3 above a plan limit", "months", "lower", "account", count),
    ("active_days_per_week", "days in use a week", "days", "higher", "usage", one_decimal),
    ("minutes_per_session", "minutes a session", "minutes", "higher", "usage", one_decimal),
    ("active_users", "active users a day", "people", "higher", "usage", one_decimal),
    ("active_user_share", "seats active on a day", "share", "higher", "usage", percent),
    ("usage_level", "level of use a day", "uses", "higher", "usage", one_decimal),
    ("usage_change_7d", "use this week against the 28 days before", "share", "higher", "usage", signed_percent),
    ("usage_change_28d", "use against the 28 days before", "share", "higher", "usage", signed_percent),
    ("sessions_change_28d", "logins against the 28 days before", "share", "higher", "usage", signed_percent),
    ("days_below_baseline", "of the last 3 days below its usual", "days", "lower", "usage", count),
    ("days_since_use", "time since last use", "days", "lower", "usage", days),
    ("days_without_login", "time without a login, from the first day on", "days", "lower", "usage", days),
    ("mrr_per_use", "revenue a month for each daily use", "money", "lower", "usage", one_decimal),
    ("usage_volatility", "spread of daily use", "share", "lower", "usage", one_decimal),
    ("api_days_share", "days with API calls", "share", "higher", "usage", percent),
    ("api_calls_per_day", "API calls a day", "calls", "higher", "usage", count),
    ("core_feature_share", "core features in use", "share", "higher", "feature_adoption", percent),
    ("advanced_feature_share", "advanced features in use", "share", "higher", "feature_adoption", percent),
    ("feature_share", "all features in use", "share", "higher", "feature_adoption", percent),
    ("core_features_abandoned", "core features no longer used", "features", "lower", "feature_adoption", count),
    ("key_feature_idle_days", "longest idle core feature", "days", "lower", "feature_adoption", days),
    ("features_started_60d", "features started in 60 days", "features", "higher", "feature_adoption", count),
    ("tickets_per_month", "tickets a month", "tickets", "lower", "ticket", one_decimal),
    ("open_tickets", "open tickets", "tickets", "lower", "ticket", count),
    ("tickets_change_28d", "tickets against the 28 days before", "share", "lower", "ticket", signed_percent),
    ("tickets_7d", "tickets in 7 days", "tickets", "lower", "ticket", count),
    ("resolution_hours", "time to resolve a ticket", "hours", "lower", "ticket", hours),
    ("escalated_tickets_90d", "escalated tickets in 90 days", "tickets", "lower", "ticket", count),
    ("open_escalations", "open escalations", "tickets", "lower", "ticket", count),
    ("self_service_share", "tickets solved by self-service", "share", "higher", "ticket", percent),
    ("ticket_sentiment_90d", "tone of tickets (-1 to 1)", "score", "higher", "ticket", one_decimal),
    ("ticket_sentiment_14d", "tone of the last 14 days' tickets", "score", "higher", "ticket", one_decimal),
    ("ticket_csat_90d", "satisfaction with support", "score", "higher", "ticket", one_decimal),
    ("feature_requests_90d", "feature requests in 90 days", "requests", "higher", "ticket", count),
    ("training_requests_90d", "training requests in 90 days", "requests", "higher", "ticket", count),
    ("nps", "latest NPS answer", "score", "higher", "survey_response", count),
    ("nps_change", "NPS against the answer before", "score", "higher", "survey_response", one_decimal),
    ("csat", "average CSAT", "score", "higher", "survey_response", one_decimal),
    ("ces", "effort score", "score", "higher", "survey_response", one_decimal),
    ("onboarding_score", "onboarding survey", "score", "higher", "survey_response", one_decimal),
    ("survey_comment_share", "surveys with a real comment", "share", "higher", "survey_response", percent),
    ("review_score_365d", "reviews in a year", "score", "higher", "survey_response", one_decimal),
    ("roi_percent", "measured return", "percent", "higher", "goal", lambda value: f"{value:,.0f}%"),
    ("efficiency_gain", "efficiency gained", "share", "higher", "goal", percent),
    ("goal_attainment", "way to the stated goals", "share", "higher", "goal", percent),
    ("goal_trend_90d", "progress on goals in 90 days", "share", "higher", "goal", signed_percent),
    ("goals_met_share", "goals met", "share", "higher", "goal", percent),
    ("champion_present", "champion in place", "yes/no", "higher", "contact", yes_no),
    ("sponsor_present", "executive sponsor in place", "yes/no", "higher", "contact", yes_no),
    ("reply_rate_90d", "emails answered in 90 days", "share", "higher", "interaction", percent),
    ("reply_rate_change_90d", "emails answered against before", "share", "higher", "interaction", signed_percent),
    ("days_since_reply", "time since their last reply", "days", "lower", "interaction", days),
    ("email_open_rate_90d", "emails opened in 90 days", "share", "higher", "interaction", percent),
    ("in_app_actions_90d", "in-app replies in 90 days", "actions", "higher", "interaction", count),
    ("community_posts_90d", "community posts in 90 days", "posts", "higher", "interaction", count),
    ("meetings_90d", "meetings and calls in 90 days", "meetings", "higher", "interaction", count),
    ("attendance_rate_90d", "meetings they came to", "share", "higher", "interaction", percent),
    ("attendance_change_90d", "meetings they came to, against before", "share", "higher", "interaction",
     signed_percent),
    ("stakeholders_left_90d", "contacts who left in 90 days", "people", "lower", "stakeholder_change", count),
    ("champion_left_90d", "champions who left in 90 days", "people", "lower", "stakeholder_change", count),
    ("role_changes_90d", "contacts with a new role in 90 days", "people", "lower", "stakeholder_change", count),
    ("contacts_joined_90d", "new contacts in 90 days", "people", "higher", "stakeholder_change", count),
    ("failed_payments_90d", "failed payments in 90 days", "payments", "lower", "invoice", count),
    ("failed_payments_14d", "failed payments in 14 days", "payments", "lower", "invoice", count),
    ("days_overdue", "oldest unpaid invoice overdue", "days", "lower", "invoice", days),
    ("on_time_share_180d", "invoices paid on time", "share", "higher", "invoice", percent),
    ("discount", "discount", "share", "lower", "subscription", percent),
    ("seat_growth_90d", "seats against 90 days ago", "share", "higher", "subscription", signed_percent),
    ("mrr_change_90d", "revenue against 90 days ago", "share", "higher", "subscription", signed_percent),
    ("no_show_rate_180d", "missed appointments", "share", "lower", "service_record", percent),
    ("cancellation_rate_180d", "cancelled appointments", "share", "lower", "service_record", percent),
    ("overdue_checkups", "overdue check-ups", "check-ups", "lower", "service_record", count),
    ("insurance_changes_180d", "insurance changes in 180 days", "changes", "lower", "service_record", count),
    ("contract_days_left", "time to the end of the contract", "days", "higher", "service_record", days),
    ("contract_use", "contracted visits used", "share", "higher", "service_record", percent),
    ("seasonal_overdue_days", "seasonal service overdue", "days", "lower", "service_record", days),
    ("emergency_response_hours", "emergency response", "hours", "lower", "service_record", hours),
    ("service_satisfaction_365d", "satisfaction with service visits", "score", "higher", "service_record",
     one_decimal),
    ("warranty_followups_open", "open warranty follow-ups", "cases", "lower", "service_record", count),
    ("milestone_satisfaction_365d", "satisfaction with milestones", "score", "higher", "service_record",
     one_decimal),
    ("open_proposals", "open proposals", "proposals", "higher", "service_record", count),
    ("referrals_365d", "referrals in a year", "referrals", "higher", "service_record", count),
    ("cancellation_mentions_30d", "said they may cancel", "mentions", "lower", "mention", count),
    ("competitor_mentions_30d", "spoke of a competitor", "mentions", "lower", "mention", count),
    ("export_mentions_30d", "asked to export their data", "mentions", "lower", "mention", count),
    ("legal_mentions_30d", "brought in legal", "mentions", "lower", "mention", count),
    ("budget_mentions_30d", "spoke of their budget", "mentions", "lower", "mention", count),
    ("complaint_mentions_30d", "complaints of executives", "mentions", "lower", "mention", count),
    ("roadmap_mentions_90d", "asked about the roadmap", "mentions", "higher", "mention", count),
    ("upgrade_mentions_90d", "asked about a higher plan", "mentions", "higher", "mention", count),
    ("compliance_mentions_90d", "asked about compliance", "mentions", "higher", "mention", count),
)  # fmt: skip
CATALOGUE: dict[str, Feature] = {row[0]: Feature(*row) for row in _ROWS}


def late_after(source: str) -> int:
    """Days without anything new after which a source counts as old."""
    return LATE.get(source, LATE_ELSEWHERE)


def source_words(source: str) -> str:
    """How people call a source."""
    return SOURCE_WORDS.get(source, f"{source.replace('_', ' ')}s")


def catalogue_markdown() -> str:
    """Write the catalogue as a table for people."""
    lines = [
        "# Features",
        "",
        "What scorecards, signals and filters may name; generated from `scoring/catalogue.py` by `make docs`. Each",
        "describes an account as of a day; without data it is missing, never zero. `better` says which way is good,",
        "`old after` after how many days without anything new the source counts as old.",
        "",
        "| feature | meaning | unit | better | source | old after |",
        "|---|---|---|---|---|---|",
    ]
    lines += [
        f"| `{f.name}` | {f.label} | {f.unit} | {f.better} | {f.source} | {late_after(f.source)} days |"
        for f in CATALOGUE.values()
    ]
    return "\n".join(lines) + "\n"
