"""Which account could use what: every offer for every account at once, with score, revenue, timing and hold-backs."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from scoring.expansion.offers import COLUMNS, Offer, OfferBook, Rules

LEAST = 40.0  # of the score: below, nothing is proposed
LEVEL = 0.8  # of the interval of the expected revenue
ROOM = 0.8  # of the seats in use after more are bought
AT_ONCE = 80.0
FOUND: dict[str, Any] = {
    "account_id": pl.Int64,
    "offer": pl.String,
    "type": pl.String,
    "score": pl.Float64,
    "uplift": pl.Float64,
    "currency": pl.String,
    "timing": pl.String,
    "reasons": pl.List(pl.String),
    "evidence": pl.String,
    "blocker": pl.String,
}


@dataclass(frozen=True)
class Decided:
    """Proposals of the past by the campaign that they belonged to: how many were decided, how many accepted."""

    decided: dict[str, int]
    accepted: dict[str, int]


def opportunities(rules: Rules, table: pl.DataFrame) -> pl.DataFrame:
    """Find every opportunity with a score of at least `LEAST`, and those that something forbids to propose.

    What speaks against an account counts in the score; of a blocked one, only what speaks for it must reach `LEAST`,
    so that a team sees what it holds back.

    Args:
        table: one row per account: `account_id`, `mrr`, `currency`, `sub_segment`, the features, and the columns of
            `scoring.expansion.offers`; a missing value or column meets no condition.

    Returns:
        One row per account and offer, see `FOUND`. `uplift`: revenue a month if accepted, in `currency`; null
        where no price is known. `evidence`: a JSON object of the features behind it. `blocker`: why it is held
        back, else null. `reasons`: the signs that speak for it.
    """
    rows = prepared(table)
    signs = rows.select(expr.fill_null(False).alias(str(k)) for k, expr in enumerate(rules.signs))
    blocked = _blockers(rules, rows)
    parts = [
        _of_offer(rules, offer, expr, rows, signs, blocked)
        for offer, expr in zip(rules.book.offers, rules.possible, strict=True)
    ]
    return pl.concat([pl.DataFrame(schema=FOUND), *parts])


def unknown_plans(book: OfferBook, table: pl.DataFrame) -> dict[str, int]:
    """Count the accounts whose plan the offers do not know, by plan: nothing can be offered to them."""
    known = [plan.name for plan in book.plans]
    counts = table.filter(pl.col("plan").is_not_null(), ~pl.col("plan").is_in(known)).group_by("plan").len()
    return dict(counts.sort("plan").iter_rows())


def with_probability(
    found: pl.DataFrame, book: OfferBook, decided: Decided, propensity: pl.DataFrame | None = None
) -> pl.DataFrame:
    """Add `probability` with `low` and `high`, and `expected`, the revenue a month that they make of the uplift.

    By rule it is the share that the campaign's proposals were accepted, drawn towards what the file states. Where
    a model forecast whether an account grows, its chance is shared out over the account's growth offers.

    Args:
        propensity: `account_id, chance`, or None without a model.
    """
    from scipy.stats import beta

    campaign = np.array([_campaign(book, score) for score in found["score"]], dtype=int)
    prior = np.array([c.probability for c in book.campaigns])
    won = np.array([decided.accepted.get(c.name, 0) for c in book.campaigns]) + prior * book.policy.prior
    all_ = np.array([decided.decided.get(c.name, 0) for c in book.campaigns]) + book.policy.prior
    low, high = (beta.ppf(q, won, all_ - won) for q in ((1 - LEVEL) / 2, (1 + LEVEL) / 2))
    table = found.with_columns(
        pl.Series("probability", (won / all_)[campaign], pl.Float64),
        pl.Series("low", low[campaign], pl.Float64),
        pl.Series("high", high[campaign], pl.Float64),
    )
    if propensity is not None:
        table = _by_model(table, propensity)
    return table.with_columns((pl.col("probability") * pl.col("uplift")).alias("expected"))


GROWTH = ("seats", "plan_upgrade")  # what the history of subscriptions shows


def _by_model(table: pl.DataFrame, propensity: pl.DataFrame) -> pl.DataFrame:
    growth = pl.col("type").is_in(GROWTH)
    total = pl.col("probability").filter(growth).sum().over("account_id")
    joined = table.join(propensity, on="account_id", how="left", maintain_order="left")
    factor = pl.when(growth & pl.col("chance").is_not_null()).then(pl.col("chance") / total).otherwise(1.0)
    scaled = [(pl.col(n) * factor).clip(0, 1).alias(n) for n in ("probability", "low", "high")]
    return joined.with_columns(scaled).drop("chance")


def _campaign(book: OfferBook, score: float) -> int:
    return next((k for k, c in enumerate(book.campaigns) if score >= c.lower), len(book.campaigns) - 1)


def prepared(table: pl.DataFrame) -> pl.DataFrame:
    """Give every column that predicates may name its type; what is absent is unknown."""
    there = set(table.columns)
    own = {"account_id": pl.Int64(), "mrr": pl.Float64(), "currency": pl.String(), "sub_segment": pl.String()}
    return table.select(
        (pl.col(name).cast(kind) if name in there else pl.lit(None, kind)).alias(name)
        for name, kind in {**own, **COLUMNS}.items()
    ).with_columns(pl.col(pl.Float64).fill_nan(None))


def _blockers(rules: Rules, rows: pl.DataFrame) -> pl.Series:
    says = [
        pl.when(expr.fill_null(False)).then(pl.lit(blocker.says))
        for expr, blocker in zip(rules.blocked, rules.evidence.blockers, strict=True)
    ]
    return rows.select(
        pl.concat_str(says, separator=", ", ignore_nulls=True).replace("", None).alias("blocker")
    ).to_series()


def growth_scores(rules: Rules, table: pl.DataFrame) -> pl.Series:
    """Return the best score of any growth offer for each row, 0 where none is possible: what the model is held to."""
    rows = prepared(table)
    signs = rows.select(expr.fill_null(False).alias(str(k)) for k, expr in enumerate(rules.signs))
    best = pl.lit(0.0)
    for offer, possible in zip(rules.book.offers, rules.possible, strict=True):
        if offer.type in GROWTH:
            score = pl.when(_audience(offer, possible)).then(_score(rules, offer)).otherwise(0.0)
            best = pl.max_horizontal(best, score)
    return rows.hstack(signs).select(best.alias("score")).to_series()


def _audience(offer: Offer, possible: pl.Expr) -> pl.Expr:
    audience = pl.col("plan").is_in(offer.plans) & possible
    if offer.sub_segments:
        audience &= pl.col("sub_segment").is_in(offer.sub_segments)
    return audience.fill_null(False)


def _counted(rules: Rules, offer: Offer) -> list[int]:
    """Which points count for an offer."""
    return [k for k, p in enumerate(rules.evidence.points) if not p.types or offer.type in p.types]


def _score(rules: Rules, offer: Offer, least: float = -100.0) -> pl.Expr:
    """The sum of the points, of those above `least` only."""
    score = pl.lit(offer.points)
    for k in _counted(rules, offer):
        if rules.evidence.points[k].points > least:
            score += pl.col(str(k)) * rules.evidence.points[k].points
    return score.clip(0, 100)


def _of_offer(
    rules: Rules, offer: Offer, possible: pl.Expr, rows: pl.DataFrame, signs: pl.DataFrame, blocked: pl.Series
) -> pl.DataFrame:
    counted = _counted(rules, offer)
    mine = rows.select(_audience(offer, possible)).to_series()
    scores = signs.select(_score(rules, offer).alias("score")).to_series()
    for_it = signs.select(_score(rules, offer, 0.0).alias("score")).to_series()
    enough = (scores >= LEAST) | (blocked.is_not_null() & (for_it >= LEAST))
    kept = (mine & enough).arg_true()
    part, signed = rows[kept], signs[kept]
    if part.is_empty():
        return pl.DataFrame(schema=FOUND)
    reasons = [
        pl.when(str(k)).then(pl.lit(rules.evidence.points[k].says))
        for k in counted
        if rules.evidence.points[k].points > 0
    ]
    shown = _evidence(rules, offer, counted)
    both = part.hstack(signed)
    return both.select(
        "account_id",
        pl.lit(offer.id).alias("offer"),
        pl.lit(offer.type).alias("type"),
        scores[kept].alias("score"),
        uplift(rules.book, offer).alias("uplift"),
        "currency",
        _timing(scores[kept]).alias("timing"),
        pl.concat_list(reasons).list.drop_nulls().alias("reasons"),
        pl.struct(shown).struct.json_encode().alias("evidence"),
        blocked[kept].alias("blocker"),
    )


def _evidence(rules: Rules, offer: Offer, counted: list[int]) -> list[pl.Expr]:
    """The offer's own features always, those of the other signs where they hold."""
    holds: dict[str, pl.Expr] = {}
    for k in counted:
        for name in rules.evidence.points[k].evidence:
            holds[name] = holds[name] | pl.col(str(k)) if name in holds else pl.col(str(k))
    others = {name: pl.when(sign).then(pl.col(name)) for name, sign in holds.items() if name not in offer.evidence}
    every = {**{name: pl.col(name) for name in offer.evidence}, **others}
    return [expr.round(4).alias(name) for name, expr in every.items()]


def uplift(book: OfferBook, offer: Offer) -> pl.Expr:
    """Revenue a month that an accepted offer adds, in the account's currency; null where no price is known."""
    mrr = pl.col("mrr")
    if offer.type == "seats":
        used = pl.max_horizontal(pl.col("seat_use") * pl.col("seats_bought"), pl.col("active_users"))
        more = pl.max_horizontal((used / ROOM).ceil() - pl.col("seats_bought"), pl.lit(1.0))
        return more * mrr / pl.when(pl.col("seats_bought") > 0).then(pl.col("seats_bought"))
    if offer.type == "plan_upgrade":
        return mrr * (_step(book, offer) - 1)
    if offer.type == "annual_prepay":
        return -offer.discount * mrr
    if offer.type == "multi_location":
        others = pl.max_horizontal(pl.col("locations") - 1, pl.col("related_accounts"), pl.lit(1.0))
        return mrr * offer.share_per_location * offer.reach * others
    if offer.type == "premium_trial":
        return mrr * (_next_step(book) - 1)
    return _price(book, offer)


def _step(book: OfferBook, offer: Offer) -> pl.Expr:
    """Price of the new plan against the old one; unknown where the list has a gap."""
    prices = {plan.name: plan.price for plan in book.plans}
    to = prices[offer.to] if offer.to else None
    ratios = {name: to / price for name, price in prices.items() if price and to}
    return pl.col("plan").replace_strict(ratios, default=None, return_dtype=pl.Float64)


def _next_step(book: OfferBook) -> pl.Expr:
    """Price of the next larger plan against the account's own."""
    pairs = zip(book.plans, book.plans[1:], strict=False)
    ratios = {a.name: b.price / a.price for a, b in pairs if a.price and b.price}
    return pl.col("plan").replace_strict(ratios, default=None, return_dtype=pl.Float64)


def _price(book: OfferBook, offer: Offer) -> pl.Expr:
    """The list price in the account's currency: its own, or by a rate that the team gave."""
    known = dict(offer.prices)
    if offer.price is not None:
        converted = {c: offer.price * rate for c, rate in book.rates.items()}
        known = {**converted, book.currency: offer.price, **known}
    return pl.col("currency").replace_strict(known, default=None, return_dtype=pl.Float64)


def _timing(scores: pl.Series) -> pl.Expr:
    """When to speak of it: at once when it is strong, with a renewal that is near, else within the quarter."""
    near = pl.col("days_to_renewal").is_between(0, 60)
    return (
        pl.when(near)
        .then(pl.lit("with the renewal"))
        .when(pl.lit(scores) >= AT_ONCE)
        .then(pl.lit("now"))
        .otherwise(pl.lit("this quarter"))
    )
