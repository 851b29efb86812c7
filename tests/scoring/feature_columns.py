"""The columns that the declared signals are checked against, and one account about which nothing is remarkable."""

from typing import Any

import polars as pl

QUIET: dict[str, Any] = {
    "tenure_days": 150, "days_to_renewal": 215, "days_to_first_value": 20, "seat_use": 0.6, "seats_bought": 10,
    "locations": 1, "related_accounts": 0, "arr": 12000, "limit_use": 0.4, "overage_months": 0,
    "active_days_per_week": 4, "minutes_per_session": 12, "active_users": 5, "active_user_share": 0.5,
    "usage_change_7d": 0, "usage_change_28d": 0, "sessions_change_28d": 0, "days_below_baseline": 0,
    "days_since_use": 0, "days_without_login": 0, "usage_volatility": 0.2, "api_days_share": 0.1,
    "api_calls_per_day": 5,
    "core_features_abandoned": 0, "key_feature_idle_days": 1, "core_feature_share": 0.7, "feature_share": 0.75,
    "advanced_feature_share": 0.2, "features_started_60d": 1, "tickets_per_month": 0.5, "open_tickets": 0,
    "tickets_change_28d": 0, "tickets_7d": 0, "resolution_hours": 8, "escalated_tickets_90d": 0,
    "open_escalations": 0, "self_service_share": 0.4, "ticket_sentiment_90d": 0.1, "ticket_sentiment_14d": 0.1,
    "feature_requests_90d": 0, "training_requests_90d": 0, "nps": 8, "nps_change": 0, "csat": 4, "ces": 4,
    "onboarding_score": 4, "survey_comment_share": 0.5, "roi_percent": 40, "efficiency_gain": 0.1,
    "goal_attainment": 0.7, "goal_trend_90d": 0.1, "goals_met_share": 0.5, "champion_present": 1,
    "sponsor_present": 1, "reply_rate_90d": 0.5, "reply_rate_change_90d": 0, "days_since_reply": 9,
    "email_open_rate_90d": 0.6, "in_app_actions_90d": 4, "community_posts_90d": 0, "meetings_90d": 1,
    "attendance_rate_90d": 0.8, "attendance_change_90d": 0, "stakeholders_left_90d": 0,
    "champion_left_90d": 0, "role_changes_90d": 0, "contacts_joined_90d": 0, "failed_payments_90d": 0,
    "failed_payments_14d": 0, "days_overdue": 0, "on_time_share_180d": 1, "seat_growth_90d": 0, "mrr_change_90d": 0,
    "no_show_rate_180d": 0, "cancellation_rate_180d": 0, "overdue_checkups": 0, "insurance_changes_180d": 0,
    "contract_days_left": 215, "contract_use": 0.5, "milestone_satisfaction_365d": 4,
    "service_satisfaction_365d": 4, "open_proposals": 0, "referrals_365d": 0, "cancellation_mentions_30d": 0,
    "competitor_mentions_30d": 0, "export_mentions_30d": 0, "legal_mentions_30d": 0, "budget_mentions_30d": 0,
    "complaint_mentions_30d": 0, "roadmap_mentions_90d": 0, "upgrade_mentions_90d": 0,
    "compliance_mentions_90d": 0, "health": 85,
    "health_change_1d": 0, "health_change_7d": 0, "loss_probability": 0.05,
    "industry": "saas", "segment": "smb", "plan": "starter", "status": "active", "band": "healthy",
}  # fmt: skip
COLUMNS: dict[str, Any] = {name: pl.String if isinstance(v, str) else pl.Float64 for name, v in QUIET.items()}


def table(*rows: dict[str, Any], **given: Any) -> pl.DataFrame:
    """One quiet account per row, changed by what the row says; `given` changes all of them."""
    filled = [{"account_id": n, **QUIET, **given, **row} for n, row in enumerate(rows, 1)]
    return pl.DataFrame(filled, schema={"account_id": pl.Int64, **COLUMNS})
