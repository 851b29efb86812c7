"""The table that plays are decided on: every account of a day with its features, scores, attributes and contacts."""

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from typing import Any

import polars as pl
from sqlmodel import Session, col, func, select

from knowledge.attributes import ATTRIBUTES
from storage import queries
from storage.models import (
    Account,
    AccountAction,
    Contact,
    Draft,
    DraftState,
    FeatureAdoption,
    HealthOverride,
    Interaction,
    Opportunity,
    OpportunityState,
    Signal,
    Snapshot,
    StageEntry,
    SurveyResponse,
    Ticket,
)
from storage.queries import read_frame
from tools.context import Context
from tools.refresh import features_on, with_scores

LOST_DAYS = 400  # how long lost accounts stay in the table, for plays that win them back
REPLY_DAYS = 120  # how far back replies are read
BAND_DAYS = 75  # how far back a band without a break is counted
NOT_SENT = (DraftState.REJECTED, DraftState.EXPIRED, DraftState.CANCELLED)
SCORED = ("account_id", "scorecard", "band", "value", "loss_probability")
OWN = ("id", "external_id", "owner_email", "stage", "sub_segment", "tags", "started_on", "churned_on", "status")
TYPES = {"text": pl.String, "number": pl.Float64}


def play_table(ctx: Context, session: Session, as_of: date, only: Account | None = None) -> pl.DataFrame:
    """Return one row per customer, and per account lost of late, with every column that plays and the engine ask for.

    What nothing here can tell (a loyalty tier before there is a programme) is null.

    Args:
        only: one account, which has no rank of use among the others then.
    """
    usage: Any = ctx.usage.table(ctx.workspace_id, account=only.external_id if only else None)
    everybody = ctx.usage.table(ctx.workspace_id) if only else None
    features = features_on(session, usage, as_of, only, everybody=everybody)
    table = with_scores(session, features, _snapshots(session, as_of), as_of)
    table = _judged(ctx, session, table, as_of)
    table = table.with_columns(pl.col("loss_probability").alias("churn_probability"))
    lost = _lost(session, as_of)
    lost = lost if only is None else lost.filter(pl.col("account_id") == only.id)
    table = pl.concat([table, lost], how="diagonal_relaxed")
    for part in (
        _accounts(session, as_of),
        _contacts(session, as_of),
        _band_days(session, as_of),
        _opportunities(session),
        _snoozed(session, as_of),
        *_since(session, as_of),
    ):
        table = table.join(part, on="account_id", how="left")
    rank = (pl.col("usage_level").rank("min") - 1) / pl.max_horizontal(pl.col("usage_level").count() - 1, 1)
    table = table.with_columns(rank.alias("usage_rank"), pl.col("red_override").fill_null(False))
    missing = {name: TYPES[kind] for name, (kind, _) in ATTRIBUTES.items() if name not in table.columns}
    return table.with_columns(pl.lit(None, kind).alias(name) for name, kind in missing.items())


def open_signals(session: Session) -> pl.DataFrame:
    """Return `account_id, kind, opened_on, severity` of the signals that are open."""

    return read_frame(session, Signal, ("account_id", "kind", "opened_on", "severity"), col(Signal.closed_on).is_(None))


def _snapshots(session: Session, as_of: date) -> pl.DataFrame:
    """The newest score of each account on the day; a day on which the scorecard changed has two."""
    rows = read_frame(session, Snapshot, SCORED, Snapshot.day == as_of, order_by=[col(Snapshot.id)])  # type: ignore[arg-type]
    return rows.unique("account_id", keep="last", maintain_order=True)


def _judged(ctx: Context, session: Session, table: pl.DataFrame, as_of: date) -> pl.DataFrame:
    """Put colleagues' own judgements in place of computed health, and add the band's colour."""
    rows = read_frame(
        session, HealthOverride, ("account_id", "band", "value"), *queries.override_holds(HealthOverride, as_of)
    ).rename({"band": "own_band", "value": "own_value"})
    colours = [(card.id, band.name, band.colour) for card in ctx.scorecards.used for band in card.bands]
    schema = {"scorecard": pl.String, "band": pl.String, "band_colour": pl.String}
    both = table.join(rows.unique("account_id", keep="last"), on="account_id", how="left").with_columns(
        pl.coalesce("own_value", "health").alias("health"), pl.coalesce("own_band", "band").alias("band")
    )
    coloured = both.join(pl.DataFrame(colours, schema=schema, orient="row"), on=["scorecard", "band"], how="left")
    red = pl.col("own_band").is_not_null() & (pl.col("band_colour") == "red")
    return coloured.with_columns(red.fill_null(False).alias("red_override")).drop("own_band", "own_value")


def _lost(session: Session, as_of: date) -> pl.DataFrame:
    """Accounts that were lost in the last months, with what is still known of them."""
    names = ("id", "external_id", "industry", "segment", "plan", "mrr", "churned_on")
    gone = (col(Account.churned_on) <= as_of, col(Account.churned_on) > as_of - timedelta(days=LOST_DAYS))
    return read_frame(session, Account, names, *gone).select(
        pl.col("id").alias("account_id"),
        pl.col("external_id").alias("account"),
        "industry",
        "segment",
        "plan",
        (pl.col("mrr") * 12).alias("arr"),
        pl.lit("churned").alias("status"),
        (pl.lit(as_of) - pl.col("churned_on")).dt.total_days().cast(pl.Float64).alias("days_since_churn"),
    )


def _accounts(session: Session, as_of: date) -> pl.DataFrame:
    rows = _staged(session, read_frame(session, Account, OWN))
    words = pl.col("tags").str.replace_all(r'[\[\]",]+', " ").str.strip_chars()
    return rows.select(
        pl.col("id").alias("account_id"),
        pl.col("owner_email").alias("owner"),
        "stage",
        "sub_segment",
        words.alias("tags"),
        _days_to(pl.col("started_on"), as_of).alias("days_to_anniversary"),
    )


def _staged(session: Session, accounts: pl.DataFrame) -> pl.DataFrame:
    """Put the stage that the journeys found in place of the imported one; that stands where there is none yet."""
    now = read_frame(session, StageEntry, ("account_id", "stage"), col(StageEntry.left_on).is_(None))
    found = now.unique("account_id", keep="last").rename({"account_id": "id", "stage": "found"})
    both = accounts.join(found, on="id", how="left").with_columns(pl.coalesce("found", "stage").alias("stage"))
    return both.drop("found")


def _days_to(day: pl.Expr, as_of: date) -> pl.Expr:
    """Days until the date comes round again; the last of February where there is no 29th."""
    this = pl.date(as_of.year, day.dt.month(), pl.min_horizontal(day.dt.day(), pl.lit(28)))
    next_ = pl.date(as_of.year + 1, day.dt.month(), pl.min_horizontal(day.dt.day(), pl.lit(28)))
    late = (day.dt.day() - pl.min_horizontal(day.dt.day(), pl.lit(28))).cast(pl.Int64)
    ahead = pl.when(this + pl.duration(days=late) >= pl.lit(as_of)).then(this).otherwise(next_)
    return ((ahead + pl.duration(days=late)) - pl.lit(as_of)).dt.total_days().cast(pl.Float64)


def _contacts(session: Session, as_of: date) -> pl.DataFrame:
    """Per account: the time zone of the contact we know longest, birthdays, the newest opt-out and reply."""
    names = ("id", "account_id", "time_zone", "birthday", "left_on", "opted_out_on", "last_reply_on")
    rows = read_frame(session, Contact, names).sort("id")
    there = pl.col("left_on").is_null()
    said = rows.group_by("account_id", maintain_order=True).agg(
        pl.col("time_zone").filter(there).drop_nulls().first(),
        _days_to(pl.col("birthday").filter(there), as_of).min().alias("days_to_birthday"),
        pl.col("opted_out_on").max(),
        # A reply without an hour counts for its whole day: stopping too early is the smaller mistake.
        (pl.col("last_reply_on").max().cast(pl.Datetime("us")) + pl.duration(days=1)).alias("replied"),
    )
    since = datetime.combine(as_of - timedelta(days=REPLY_DAYS), time.min)
    heard = read_frame(
        session, Interaction, ("account_id", "at"), col(Interaction.direction) == "in", col(Interaction.at) >= since
    )
    both = said.join(heard.group_by("account_id").agg(pl.col("at").max()), on="account_id", how="full", coalesce=True)
    return both.with_columns(pl.max_horizontal("replied", "at").alias("replied_at")).drop("replied", "at")


def _band_days(session: Session, as_of: date) -> pl.DataFrame:
    """Days since the account's score lay in another band, or since it was first scored."""
    days = (col(Snapshot.day) <= as_of, col(Snapshot.day) > as_of - timedelta(days=BAND_DAYS))
    asked = (col(Snapshot.account_id), col(Snapshot.scorecard), col(Snapshot.band))
    columns: Sequence[Any] = (*asked, func.min(Snapshot.day), func.max(Snapshot.day))
    found = session.execute(select(*columns).where(*days).group_by(*asked)).all()
    schema = {"account_id": pl.Int64, "card": pl.String, "in": pl.String, "first": pl.Date, "last": pl.Date}
    spans = pl.DataFrame([tuple(row) for row in found], schema=schema, orient="row")
    now = pl.col("last") == as_of
    present = spans.filter(now).select("account_id", "card", pl.col("in").alias("present"), "first")
    other = spans.join(present.drop("first"), on=["account_id", "card"]).filter(~now)
    broke = other.group_by("account_id").agg(pl.col("last").max().alias("broke"))
    since = pl.coalesce("broke", "first")
    return (
        present.unique("account_id", keep="first", maintain_order=True)
        .join(broke, on="account_id", how="left")
        .select("account_id", (pl.lit(as_of) - since).dt.total_days().cast(pl.Float64).alias("band_days"))
    )


def _opportunities(session: Session) -> pl.DataFrame:
    found = (col(Opportunity.state) == OpportunityState.OPEN, col(Opportunity.blocker).is_(None))
    rows = read_frame(session, Opportunity, ("account_id", "score"), *found)
    return rows.group_by("account_id").agg(pl.col("score").max().alias("opportunity_score"))


def _snoozed(session: Session, as_of: date) -> pl.DataFrame:
    asleep = (col(AccountAction.action) == "snooze", col(AccountAction.until) >= as_of)
    rows = read_frame(session, AccountAction, ("account_id", "until"), *asleep)
    return rows.group_by("account_id").agg(pl.col("until").max().alias("snoozed_until"))


def _since(session: Session, as_of: date) -> list[pl.DataFrame]:
    """Days since the last survey, testimonial request, resolved ticket and newly used feature."""
    sent = read_frame(session, Draft, ("account_id", "purpose", "created_at"), col(Draft.state).not_in(NOT_SENT))
    sent = sent.with_columns(pl.col("created_at").dt.date().alias("on"))
    answered = read_frame(session, SurveyResponse, ("account_id", "answered_on"))
    asked = sent.filter(pl.col("purpose").str.starts_with("survey")).select("account_id", "on")
    praised = sent.filter(pl.col("purpose").str.contains("testimonial")).select("account_id", "on")
    since = datetime.combine(as_of - timedelta(days=LOST_DAYS), time.min)
    solved = read_frame(session, Ticket, ("account_id", "resolved_at"), col(Ticket.resolved_at) >= since)
    begun = read_frame(session, FeatureAdoption, ("account_id", "first_used_on"))
    return [
        _days_since(pl.concat([asked, answered.rename({"answered_on": "on"})]), as_of, "days_since_survey"),
        _days_since(praised, as_of, "days_since_testimonial_request"),
        _days_since(
            solved.select("account_id", pl.col("resolved_at").dt.date().alias("on")), as_of, "days_since_resolution"
        ),
        _days_since(begun.rename({"first_used_on": "on"}), as_of, "days_since_new_feature"),
    ]


def _days_since(rows: pl.DataFrame, as_of: date, name: str) -> pl.DataFrame:
    newest = rows.filter(pl.col("on") <= as_of).group_by("account_id").agg(pl.col("on").max())
    return newest.select("account_id", (pl.lit(as_of) - pl.col("on")).dt.total_days().cast(pl.Float64).alias(name))
