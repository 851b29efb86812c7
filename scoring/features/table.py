"""Joins what usage and every table say of an account to one row of features."""

from datetime import date, timedelta

import polars as pl

from scoring.catalogue import CATALOGUE, TEXTS
from scoring.features.usage import LIMITED, STOCKS, WINDOW, measure_rates, usage_rates

MONTH = 30  # days of a plan's limit
PATIENCE = 90  # days: past them without first value, the wait so far is the honest figure
NEW_FEATURES = 60  # days in which a feature's first use counts as new
KEY_FEATURE_USES = 3  # a feature used less often before was never a habit
# Counts that are 0, not unknown, for an account without rows when the source has rows of others.
COUNTS = {
    "ticket": (
        "tickets_90d", "tickets_28d", "tickets_prior_28d", "tickets_7d", "escalated_tickets_90d",
        "feature_requests_90d", "training_requests_90d",
    ),
    "mention": tuple(name for name, feature in CATALOGUE.items() if feature.source == "mention"),
    "open_ticket": ("open_tickets", "open_escalations"),
    "interaction": ("in_app_actions_90d", "community_posts_90d", "meetings_90d"),
    "stakeholder_change": ("stakeholders_left_90d", "champion_left_90d", "role_changes_90d", "contacts_joined_90d"),
    "invoice": ("failed_payments_90d", "failed_payments_14d", "hours_overdue"),
}  # fmt: skip


def feature_table(
    facts: dict[str, pl.DataFrame], usage: pl.DataFrame | None, as_of: date, usage_until: date | None = None
) -> pl.DataFrame:
    """Join every aggregate to one row per account that was a customer on `as_of`.

    Args:
        facts: what `storage.aggregates` returns for the day, one frame per source.
        usage: the collected result of `usage_features`, or None without usage facts.
        as_of: the date that the features describe.
        usage_until: the last day that `usage` was collected for, when its newest day has not arrived yet.

    Returns:
        `account_id`, `account` (external id) and the catalogue's columns, null where data is missing.
    """
    table = _accounts(facts["account"], as_of)
    table = table.join(usage_rates(usage, usage_until or as_of), on="account", how="left")
    if usage is not None:  # who never used it has been away since the first day
        away = pl.coalesce("days_since_use", pl.col("tenure_days").cast(pl.Float64))
        table = table.with_columns(away.alias("days_without_login"))
    table = table.join(_adoption(facts["feature_adoption"], table, usage, as_of), on="account_id", how="left")
    table = table.join(_limits(facts["account"], usage), on="account_id", how="left")
    for name, frame in facts.items():
        if name not in ("account", "feature_adoption"):
            table = _joined(table, frame.drop("newest_hours", strict=False), COUNTS.get(name, ()))
    return _completed(table.with_columns(_derived(table)))


def with_measures(table: pl.DataFrame, usage: pl.DataFrame | None, as_of: date) -> pl.DataFrame:
    """Add to a feature table what each measure of usage says by itself: what models learn from besides the catalogue.

    Args:
        table: what `feature_table` returned.
        usage, as_of: what it was given, `as_of` being its `usage_until` where there was one.
    """
    return table.join(measure_rates(usage, as_of), on="account", how="left", maintain_order="left")


def _joined(table: pl.DataFrame, frame: pl.DataFrame, counts: tuple[str, ...]) -> pl.DataFrame:
    both = table.join(frame, on="account_id", how="left")
    return both.with_columns(pl.col(counts).fill_null(0)) if frame.height and counts else both


def _completed(table: pl.DataFrame) -> pl.DataFrame:
    """Every column of the catalogue, in its order and type; what nothing is known of is null."""
    numbers = [
        pl.col(name).cast(pl.Float64) if name in table.columns else pl.lit(None, pl.Float64).alias(name)
        for name in CATALOGUE
    ]
    texts = [pl.col(name) if name in table.columns else pl.lit(None, pl.String).alias(name) for name in TEXTS]
    return table.select("account_id", "account", *texts, *numbers).sort("account_id")


def _derived(table: pl.DataFrame) -> list[pl.Expr]:
    """Features that follow from several aggregates; NULL whenever a part is missing."""
    known = set(table.columns)
    rates = {
        "tickets_per_month": (pl.col("tickets_90d") / 3, {"tickets_90d"}),
        "tickets_change_28d": (
            # One ticket more than none is no surge: the base counts at least one.
            pl.col("tickets_28d") / pl.col("tickets_prior_28d").clip(lower_bound=1) - 1,
            {"tickets_28d", "tickets_prior_28d"},
        ),
        "days_since_reply": ((pl.col("hours_since_reply") / 24).clip(lower_bound=0).floor(), {"hours_since_reply"}),
        "days_overdue": (pl.col("hours_overdue") / 24, {"hours_overdue"}),
        "reply_rate_change_90d": (
            pl.col("reply_rate_90d") - pl.col("reply_rate_prior_90d"),
            {"reply_rate_90d", "reply_rate_prior_90d"},
        ),
        "attendance_change_90d": (
            pl.col("attendance_rate_90d") - pl.col("attendance_prior_90d"),
            {"attendance_rate_90d", "attendance_prior_90d"},
        ),
        "mrr_per_use": (
            pl.col("arr") / 12 / pl.when(pl.col("usage_level") > 0).then(pl.col("usage_level")),
            {"usage_level"},
        ),
        "active_user_share": (
            pl.col("active_users") / pl.when(pl.col("seats_bought") > 0).then(pl.col("seats_bought")),
            {"active_users"},
        ),
    }
    return [expression.alias(name) for name, (expression, needs) in rates.items() if needs <= known]


def _accounts(accounts: pl.DataFrame, as_of: date) -> pl.DataFrame:
    day = pl.lit(as_of)
    tenure = (day - pl.col("started_on")).dt.total_days()
    reached = pl.when(pl.col("first_value_on") <= as_of).then(
        (pl.col("first_value_on") - pl.col("started_on")).dt.total_days()
    )
    measured = bool((accounts["first_value_on"] <= as_of).any())
    family = pl.coalesce("parent_external_id", "external_id")
    return accounts.select(
        pl.col("id").alias("account_id"),
        pl.col("external_id").alias("account"),
        *TEXTS,
        tenure.alias("tenure_days"),
        pl.coalesce(reached, pl.when(pl.lit(measured) & (tenure > PATIENCE)).then(tenure)).alias("days_to_first_value"),
        (pl.col("renewal_on") - day).dt.total_days().alias("days_to_renewal"),
        (pl.col("seats_used") / pl.when(pl.col("seats_bought") > 0).then(pl.col("seats_bought"))).alias("seat_use"),
        pl.col("seats_bought", "locations", "term_months"),
        (pl.col("mrr") / pl.when(pl.col("seats_bought") > 0).then(pl.col("seats_bought"))).alias("mrr_per_seat"),
        (pl.len().over(family) - 1).alias("related_accounts"),
        (pl.col("mrr") * 12).alias("arr"),
    )


def _limits(accounts: pl.DataFrame, usage: pl.DataFrame | None) -> pl.DataFrame:
    """How far each account is into its plan's limits, which hold for a month."""
    has = set() if usage is None else set(usage.columns)
    names = [name for name in LIMITED if f"{name}_28d" in has]
    both = accounts if usage is None else accounts.join(usage, left_on="external_id", right_on="account", how="left")
    shares = [_limit_share(name, "28d") for name in names] + [pl.col("seats_used") / _limit("seats")]
    columns = [pl.col("id").alias("account_id"), pl.max_horizontal(shares).alias("limit_use")]
    if names:
        months = [_any_over(names, window) for window in ("28d", "prior_28d", "older_28d")]
        limited = pl.any_horizontal([_limit(name).is_not_null() for name in names])
        columns.append(pl.when(limited).then(pl.sum_horizontal(months)).alias("overage_months"))
    return both.select(columns)


def _any_over(names: list[str], window: str) -> pl.Expr:
    return pl.any_horizontal([(_limit_share(name, window) > 1).fill_null(False) for name in names])


def _limit(name: str) -> pl.Expr:
    return pl.col("limits").str.json_path_match(f"$.{name}").cast(pl.Float64, strict=False).replace(0.0, None)


def _limit_share(name: str, window: str) -> pl.Expr:
    """A month's use as a share of the limit; storage is a level, everything else adds up."""
    days = 1 if name in STOCKS else MONTH
    return pl.col(f"{name}_{window}") * days / _limit(name)


def _adoption(features: pl.DataFrame, accounts: pl.DataFrame, usage: pl.DataFrame | None, as_of: date) -> pl.DataFrame:
    """What the account does with the features that are known for it.

    A feature that is also a measure of usage is read there, which is exact for any day. Otherwise its last use
    decides, and only on days that the table describes: a last use later than `as_of` hides how it was then.
    """
    known = features.join(accounts.select("account_id", "account"), on="account_id")
    use = _feature_use(known, usage)
    measured = pl.col("feature").is_in(use["feature"].unique().implode())
    known = known.join(use, on=["account", "feature"], how="left")
    known = known.with_columns(  # an account without a row of usage does not use it
        pl.when(measured).then(pl.col("uses").fill_null(0)).alias("uses"),
        pl.when(measured).then(pl.col("prior").fill_null(0)).alias("prior"),
    )
    described = bool((known["last_used_on"] <= as_of).all() and known["last_used_on"].is_not_null().any())
    told = pl.col("last_used_on") if described else pl.lit(None, pl.Date)
    last = pl.when(pl.col("uses").is_not_null()).then(pl.col("last")).otherwise(told)
    known = known.with_columns(last.alias("last"))
    in_use = pl.coalesce(
        pl.col("uses") > 0,
        pl.when(described).then((pl.col("last") > as_of - timedelta(days=WINDOW)).fill_null(False)),
    )
    idle = (pl.lit(as_of) - pl.col("last")).dt.total_days()
    habit = pl.coalesce(pl.col("prior") * WINDOW >= KEY_FEATURE_USES, pl.lit(True))
    left = ~in_use & habit & idle.is_between(WINDOW, PATIENCE)
    core = pl.col("core")
    return known.group_by("account_id").agg(
        in_use.filter(core).mean().alias("core_feature_share"),
        in_use.filter(~core).mean().alias("advanced_feature_share"),
        in_use.mean().alias("feature_share"),
        pl.when(in_use.is_not_null().any()).then(left.filter(core).sum()).alias("core_features_abandoned"),
        idle.filter(core & habit & (idle <= PATIENCE)).max().alias("key_feature_idle_days"),
        (pl.col("first_used_on") > as_of - timedelta(days=NEW_FEATURES)).sum().alias("features_started_60d"),
    )


def _feature_use(known: pl.DataFrame, usage: pl.DataFrame | None) -> pl.DataFrame:
    """Uses a day now and before, and the day of the last use, per account and feature that is a measure."""
    schema = {"account": pl.String, "feature": pl.String, "uses": pl.Float64, "prior": pl.Float64, "last": pl.Date}
    has = set() if usage is None else set(usage.columns)
    names = [name for name in known["feature"].unique().to_list() if f"{name}_28d" in has]
    if usage is None or not names:
        return pl.DataFrame(schema=schema)
    return pl.concat(
        usage.select(
            "account",
            pl.lit(name).alias("feature"),
            pl.col(f"{name}_28d").cast(pl.Float64).alias("uses"),
            pl.col(f"{name}_prior_28d").cast(pl.Float64).alias("prior"),
            pl.col(f"{name}_last").cast(pl.Date).alias("last"),
        )
        for name in names
    )
