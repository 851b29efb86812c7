"""From facts to one row of features per account, as of a date; nothing later than the date is read."""

from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING

import polars as pl

if TYPE_CHECKING:
    import ibis.expr.types as ir

WINDOW = 28  # days: four whole weeks, so that weekdays weigh the same in both windows
STOCKS = {"storage_gb"}  # measures of a level, which say nothing about being active that day
KNOWN = {  # the column of each table that says when a row became known
    "contact": "joined_on",
    "feature_adoption": "first_used_on",
    "goal": "stated_on",
    "interaction": "at",
    "invoice": "issued_on",
    "stakeholder_change": "changed_on",
    "subscription": "start_on",
    "survey_response": "answered_on",
    "ticket": "opened_at",
}
USAGE_COLUMNS = (
    "active_days_per_week",
    "minutes_per_session",
    "active_users",
    "usage_change_28d",
    "days_since_use",
)


def usage_features(usage: "ir.Table", as_of: date) -> "ir.Table":
    """Return one Ibis expression: usage facts to features per account, pushed down to where the data is.

    Args:
        usage: columns `account`, `day` and any numeric measures, one row per account and day.
        as_of: the last day that may be read.

    Returns:
        `account`, `last_active`, `active_days`, and for each measure its daily mean over the last 28 days
        (`<measure>_28d`) and over the 28 days before (`<measure>_prior_28d`). Days without a row count as 0.
    """
    import ibis

    measures = [name for name, kind in usage.schema().items() if kind.is_numeric()]
    known = usage.filter((usage.day <= as_of) & (usage.day > as_of - timedelta(days=365)))
    active = ibis.or_(*[known[name].fill_null(0) > 0 for name in measures if name not in STOCKS])
    recent = known.day > as_of - timedelta(days=WINDOW)
    prior = (known.day <= as_of - timedelta(days=WINDOW)) & (known.day > as_of - timedelta(days=2 * WINDOW))
    columns = {
        "last_active": known.day.max(where=active),
        "active_days": (active & recent).sum(),
    }
    for name in measures:
        columns[f"{name}_28d"] = known[name].sum(where=recent).fill_null(0) / float(WINDOW)
        columns[f"{name}_prior_28d"] = known[name].sum(where=prior).fill_null(0) / float(WINDOW)
    return known.group_by("account").aggregate(**columns)


def feature_table(frames: dict[str, pl.DataFrame], usage: pl.DataFrame | None, as_of: date) -> pl.DataFrame:
    """Join every aggregate to one row per account that was a customer on `as_of`.

    Args:
        frames: `account`, `ticket`, `survey_response`, … as read by `storage.queries.facts_until`; rows that
            became known after `as_of` are left out here, so frames of a later day may be given.
        usage: the collected result of `usage_features`, or None without usage facts.
        as_of: the date that the features describe.

    Returns:
        `account_id`, `account` (external id) and the catalogue's columns, null where data is missing.
    """
    frames = {name: _known(frame, KNOWN.get(name), as_of) for name, frame in frames.items()}
    table = _account_features(frames["account"], as_of)
    parts = [
        _usage_rates(usage, as_of),
        _adoption(frames["feature_adoption"], table, usage, as_of),
        _tickets(frames["ticket"], table, as_of),
        _surveys(frames["survey_response"], as_of),
        _goals(frames["goal"], as_of),
        _contacts(frames["contact"], as_of),
        _interactions(frames["interaction"], as_of),
        _stakeholders(frames["stakeholder_change"], table, as_of),
        _invoices(frames["invoice"], table, as_of),
        _seats(frames["subscription"], as_of),
    ]
    for part in parts:
        key = "account" if "account" in part.columns else "account_id"
        table = table.join(part, on=key, how="left")
    return table.sort("account_id")


def _known(frame: pl.DataFrame, column: str | None, as_of: date) -> pl.DataFrame:
    """Rows that were known at the end of the day, or are not dated at all."""
    if column is None:
        return frame
    return frame.filter(pl.col(column).is_null() | (pl.col(column).cast(pl.Date) <= as_of))


def _days_before(as_of: date, days: int) -> datetime:
    return datetime.combine(as_of - timedelta(days=days), time.min)


def _account_features(accounts: pl.DataFrame, as_of: date) -> pl.DataFrame:
    day = pl.lit(as_of)
    current = accounts.filter(
        (pl.col("started_on") <= as_of) & (pl.col("churned_on").is_null() | (pl.col("churned_on") > as_of))
    )
    tenure = (day - pl.col("started_on")).dt.total_days()
    reached = pl.when(pl.col("first_value_on") <= as_of).then(
        (pl.col("first_value_on") - pl.col("started_on")).dt.total_days()
    )
    measured = (accounts["first_value_on"] <= as_of).any()
    return current.select(
        pl.col("id").alias("account_id"),
        pl.col("external_id").alias("account"),
        tenure.alias("tenure_days"),
        # Past 90 days without first value, the wait so far is the honest figure; before, it is unknown.
        pl.coalesce(reached, pl.when(pl.lit(measured) & (tenure > 90)).then(tenure)).alias("days_to_first_value"),
        (pl.col("renewal_on") - day).dt.total_days().alias("days_to_renewal"),
        (pl.col("seats_used") / pl.when(pl.col("seats_bought") > 0).then(pl.col("seats_bought"))).alias("seat_use"),
    )


def _usage_rates(usage: pl.DataFrame | None, as_of: date) -> pl.DataFrame:
    if usage is None:
        return pl.DataFrame(schema={"account": pl.String, **dict.fromkeys(USAGE_COLUMNS, pl.Float64)})
    has = set(usage.columns)
    minutes, sessions = pl.col("minutes_28d"), pl.col("sessions_28d")
    per_session = minutes / pl.when(sessions > 0).then(sessions)
    level = next((m for m in ("active_users", "sessions", "key_events", "minutes") if f"{m}_28d" in has), None)
    before = pl.col(f"{level}_prior_28d")
    change = pl.col(f"{level}_28d") / pl.when(before > 0).then(before) - 1
    return usage.select(
        "account",
        (pl.col("active_days") / (WINDOW / 7)).alias("active_days_per_week"),
        (per_session if {"minutes_28d", "sessions_28d"} <= has else pl.lit(None)).alias("minutes_per_session"),
        (pl.col("active_users_28d") if "active_users_28d" in has else pl.lit(None)).alias("active_users"),
        (change if level else pl.lit(None)).alias("usage_change_28d"),
        (pl.lit(as_of) - pl.col("last_active")).dt.total_days().alias("days_since_use"),
    ).cast(dict.fromkeys(USAGE_COLUMNS, pl.Float64))


def _adoption(features: pl.DataFrame, accounts: pl.DataFrame, usage: pl.DataFrame | None, as_of: date) -> pl.DataFrame:
    """Shares of the features known for the account that it touched within 28 days.

    A feature that is also a measure of usage is read there, which is exact for any day. Otherwise its last use
    decides, and only on days that the table describes: a last use later than `as_of` hides how it was then.
    """
    known = features.join(accounts.select("account_id", "account"), on="account_id")
    known = known.join(_feature_use(known, usage), on=["account", "feature"], how="left")
    told = pl.when(pl.lit(known["last_used_on"].max()) <= as_of).then(
        (pl.col("last_used_on") > as_of - timedelta(days=WINDOW)).fill_null(False)
    )
    in_use = pl.coalesce(pl.col("uses") > 0, told)
    return known.group_by("account_id").agg(
        in_use.filter(pl.col("core")).mean().alias("core_feature_share"),
        in_use.mean().alias("feature_share"),
    )


def _feature_use(known: pl.DataFrame, usage: pl.DataFrame | None) -> pl.DataFrame:
    """Uses a day over 28 days, per account and feature that is a measure of usage."""
    names = known["feature"].unique().to_list()
    columns = [f"{name}_28d" for name in names if usage is not None and f"{name}_28d" in usage.columns]
    if usage is None or not columns:
        return pl.DataFrame(schema={"account": pl.String, "feature": pl.String, "uses": pl.Float64})
    wide = usage.select("account", *columns)
    long = wide.unpivot(columns, index="account", variable_name="feature", value_name="uses")
    return long.with_columns(pl.col("feature").str.strip_suffix("_28d"), pl.col("uses").cast(pl.Float64))


def _tickets(tickets: pl.DataFrame, accounts: pl.DataFrame, as_of: date) -> pl.DataFrame:
    since = _days_before(as_of, 90)
    resolved = pl.col("resolved_at") < _days_before(as_of, -1)
    hours = (pl.col("resolved_at") - pl.col("opened_at")).dt.total_minutes() / 60
    recent = pl.col("opened_at") > since
    found = tickets.group_by("account_id").agg(
        (recent.sum() / 3).alias("tickets_per_month"),
        (~resolved.fill_null(False)).sum().alias("open_tickets"),
        hours.filter(recent & resolved).median().alias("resolution_hours"),
        (recent & pl.col("escalated")).sum().alias("escalated_tickets_90d"),
        pl.col("self_service").filter(recent).mean().alias("self_service_share"),
        pl.col("sentiment").filter(recent).mean().alias("ticket_sentiment_90d"),
    )
    return _zero_where_silent(found, accounts, tickets, ["tickets_per_month", "open_tickets", "escalated_tickets_90d"])


def _zero_where_silent(
    found: pl.DataFrame, accounts: pl.DataFrame, source: pl.DataFrame, counts: list[str]
) -> pl.DataFrame:
    """An account without rows counts as 0 if the source has rows at all, and as unknown if it has none."""
    everyone = accounts.select("account_id").join(found, on="account_id", how="left")
    return everyone.with_columns(pl.col(counts).fill_null(0)) if source.height else everyone


def _surveys(surveys: pl.DataFrame, as_of: date) -> pl.DataFrame:
    recent = surveys.filter(pl.col("answered_on") > as_of - timedelta(days=180)).sort("answered_on")
    return recent.group_by("account_id").agg(
        pl.col("score").filter(pl.col("kind") == "nps").last().alias("nps"),
        pl.col("score").filter(pl.col("kind") == "csat").mean().alias("csat"),
    )


def _goals(goals: pl.DataFrame, as_of: date) -> pl.DataFrame:
    """The newest measurement of each objective up to the day; a goal may be measured many times."""
    measured = goals.filter(pl.col("measured_on") <= as_of).sort("measured_on")
    newest = measured.group_by("account_id", "objective").last()
    span = pl.col("target") - pl.col("baseline")
    done = (pl.col("current") - pl.col("baseline")) / pl.when(span != 0).then(span)
    return newest.group_by("account_id").agg(
        pl.col("roi").mean().alias("roi_percent"),
        done.mean().alias("goal_attainment"),
    )


def _contacts(contacts: pl.DataFrame, as_of: date) -> pl.DataFrame:
    present = pl.col("left_on").is_null() | (pl.col("left_on") > as_of)
    return contacts.group_by("account_id").agg(
        (present & (pl.col("role") == "champion")).any().cast(pl.Float64).alias("champion_present")
    )


def _interactions(interactions: pl.DataFrame, as_of: date) -> pl.DataFrame:
    recent = pl.col("at") > _days_before(as_of, 90)
    sent = recent & (pl.col("channel") == "email") & (pl.col("direction") == "out")
    theirs = (pl.col("direction") == "in") | pl.col("replied").fill_null(False)
    last = pl.col("at").filter(theirs).max()
    return interactions.group_by("account_id").agg(
        pl.col("replied").filter(sent).mean().alias("reply_rate_90d"),
        (pl.lit(_days_before(as_of, 0)) - last).dt.total_days().clip(0).alias("days_since_reply"),
    )


def _stakeholders(changes: pl.DataFrame, accounts: pl.DataFrame, as_of: date) -> pl.DataFrame:
    left = (pl.col("kind") == "left") & (pl.col("changed_on") > as_of - timedelta(days=90))
    found = changes.group_by("account_id").agg(left.sum().alias("stakeholders_left_90d"))
    return _zero_where_silent(found, accounts, changes, ["stakeholders_left_90d"])


def _invoices(invoices: pl.DataFrame, accounts: pl.DataFrame, as_of: date) -> pl.DataFrame:
    failed = (pl.col("failed_on") > as_of - timedelta(days=90)) & (pl.col("failed_on") <= as_of)
    unpaid = pl.col("paid_on").is_null() | (pl.col("paid_on") > as_of)
    late = (pl.lit(as_of) - pl.col("due_on").filter(unpaid & (pl.col("due_on") < as_of)).min()).dt.total_days()
    found = invoices.group_by("account_id").agg(
        failed.fill_null(False).sum().alias("failed_payments_90d"), late.fill_null(0).alias("days_overdue")
    )
    return _zero_where_silent(found, accounts, invoices, ["failed_payments_90d", "days_overdue"])


def _seats(subscriptions: pl.DataFrame, as_of: date) -> pl.DataFrame:
    """Seats now against 90 days ago, from the history of subscriptions."""
    ordered = subscriptions.filter(pl.col("start_on") <= as_of).sort("start_on")
    now, before = (
        pl.col("seats").last(),
        pl.col("seats").filter(pl.col("start_on") <= as_of - timedelta(days=90)).last(),
    )
    return ordered.group_by("account_id").agg((now / pl.when(before > 0).then(before) - 1).alias("seat_growth_90d"))
