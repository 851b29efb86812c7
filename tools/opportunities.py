"""Each day's opportunities: found by rule for every account, given a chance, kept with what became of them."""

from datetime import date, timedelta

import polars as pl
from sqlalchemy import delete, update
from sqlmodel import Session, col

from scoring.expansion.offers import Rules
from scoring.expansion.opportunities import Decided, opportunities, with_probability
from scoring.risk import load_risk
from storage.database import changed_one, insert_frame
from storage.models import Account, Draft, Opportunity, OpportunityState, Subscription
from storage.queries import read_frame
from tools.context import Context

KEY = ["account_id", "offer"]
DECIDED = (OpportunityState.ACCEPTED, OpportunityState.REFUSED)


def update_opportunities(
    ctx: Context, session: Session, table: pl.DataFrame, as_of: date, chances: pl.DataFrame | None = None
) -> int:
    """Replace the open opportunities by those of a day. The caller commits. Returns how many there are.

    What was proposed or decided stays as it is; a refused offer is not made again before its time, an accepted one
    not while it can be seen as bought.

    Args:
        table: the day's features with `health`, `band`, `scorecard`, `loss_probability`.
        chances: `account_id, chance` to grow, by the model; None without one.
    """
    rules = ctx.offers
    found = opportunities(rules, _with_account(ctx, session, table))
    fresh = found.join(_taken(session, rules, as_of), on=KEY, how="anti")
    told = with_probability(fresh, rules.book, _decided(session, rules), chances)
    opened = read_frame(session, Opportunity, (*KEY, "opened_on"), col(Opportunity.state) == OpportunityState.OPEN)
    rows = told.join(opened, on=KEY, how="left").select(
        "account_id", "offer", "type", "score", "probability", "low", "high", "uplift", "timing", "evidence", "blocker",
        pl.col("currency").fill_null(rules.book.currency),
        pl.col("opened_on").fill_null(as_of),
        pl.lit(as_of).alias("day"),
        pl.lit(str(OpportunityState.OPEN)).alias("state"),
        pl.format('["{}"]', pl.col("reasons").list.join('", "')).replace('[""]', "[]").alias("reasons"),
    )  # fmt: skip
    mine = (col(Opportunity.workspace_id) == ctx.workspace_id, col(Opportunity.state) == OpportunityState.OPEN)
    session.connection().execute(delete(Opportunity).where(*mine))
    return insert_frame(session, Opportunity, rows)


def _with_account(ctx: Context, session: Session, table: pl.DataFrame) -> pl.DataFrame:
    own = read_frame(session, Account, ("id", "mrr", "currency", "sub_segment")).rename({"id": "account_id"})
    red = {(c.id, b.name) for c in ctx.scorecards.used for b in c.bands if b.colour == "red"}
    bands = pl.DataFrame(sorted(red), schema={"scorecard": pl.String, "band": pl.String}, orient="row")
    risky = pl.col("churn_probability") >= load_risk().segments[0].lower
    return (
        table.join(own, on="account_id", how="left")
        .join(bands.with_columns(pl.lit(True).alias("red_band")), on=["scorecard", "band"], how="left")
        .with_columns(pl.col("loss_probability").alias("churn_probability"), pl.col("red_band").fill_null(False))
        .with_columns(risky.alias("high_churn_risk"))
    )


def _taken(session: Session, rules: Rules, as_of: date) -> pl.DataFrame:
    """Account and offer that are not to be proposed now: on their way, refused lately, or accepted lately."""
    since = as_of - timedelta(days=rules.book.policy.cooldown_days)
    recent = col(Opportunity.state).in_(DECIDED) & (col(Opportunity.decided_on) > since)
    running = col(Opportunity.state) == OpportunityState.PROPOSED
    return read_frame(session, Opportunity, KEY, running | recent)


def _decided(session: Session, rules: Rules) -> Decided:
    """What became of earlier proposals, by the campaign of their score."""
    rows = read_frame(session, Opportunity, ("score", "state"), col(Opportunity.state).in_(DECIDED))
    decided: dict[str, int] = {}
    accepted: dict[str, int] = {}
    for score, state in rows.iter_rows():
        campaign = rules.book.campaign(score)
        if campaign is not None:
            decided[campaign.name] = decided.get(campaign.name, 0) + 1
            accepted[campaign.name] = accepted.get(campaign.name, 0) + (state == OpportunityState.ACCEPTED)
    return Decided(decided, accepted)


def expansion_events(session: Session) -> pl.DataFrame:
    """Return `account_id, on`: the days on which accounts took more seats, or a plan for which they pay more.

    From the history of subscriptions; the end of a trial is no expansion.
    """
    names = ("account_id", "start_on", "plan", "seats", "mrr")
    rows = read_frame(session, Subscription, names).sort("account_id", "start_on")
    before = {f"{name}_before": pl.col(name).shift().over("account_id") for name in ("plan", "seats", "mrr")}
    table = rows.with_columns(**before)
    seats = pl.col("seats") > pl.col("seats_before")
    plan = (
        (pl.col("plan") != pl.col("plan_before")) & (pl.col("mrr") > pl.col("mrr_before")) & (pl.col("mrr_before") > 0)
    )
    return table.filter(seats.fill_null(False) | plan.fill_null(False)).select(
        "account_id", pl.col("start_on").alias("on")
    )


def mark_proposed(session: Session, draft: Draft) -> None:
    """Note that the offer of an approved draft is on its way. The caller commits."""
    mine = (col(Opportunity.account_id) == draft.account_id, col(Opportunity.offer) == draft.offer)
    still = col(Opportunity.state) == OpportunityState.OPEN
    changed_one(session, update(Opportunity).where(*mine, still).values(state=OpportunityState.PROPOSED))
