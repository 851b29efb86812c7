"""What a score is held against besides the account itself: its peers and the whole fleet."""

import polars as pl

from scoring.health import Health

FEWEST_PEERS = 10  # with fewer, a median says more about chance than about peers
FLEET = "fleet"
AGES = ((90, "under 3 months"), (365, "under a year"), (10**6, "over a year"))  # days as a customer, below


def peer_group(segment: str | None, plan: str | None, tenure_days: float) -> str:
    """Name an account's peers: the same segment, plan and age."""
    age = next(name for below, name in AGES if tenure_days < below)
    return "|".join([segment or "", plan or "", age])


def baselines(features: pl.DataFrame, health: Health) -> dict[str, list[float]]:
    """Return the median score and the number of accounts of the fleet and of every group of peers.

    Args:
        features: has `account_id`, `segment`, `plan`, `tenure_days`.
        health: the scores of (a part of) the same accounts.
    """
    scores = pl.DataFrame({"account_id": health.account_ids, "value": pl.Series(health.values, nan_to_null=True)})
    known = features.join(scores.drop_nulls(), on="account_id").with_columns(_age().alias("age"))
    key = pl.concat_str([pl.col("segment").fill_null(""), pl.col("plan").fill_null(""), "age"], separator="|")
    groups = known.group_by(key.alias("group")).agg(pl.col("value").median(), pl.len().alias("n"))
    peers = groups.filter(pl.col("n") >= FEWEST_PEERS)
    found = {group: [round(value, 1), float(n)] for group, value, n in peers.iter_rows()}
    middle = known["value"].median()
    return found | ({FLEET: [round(float(middle), 1), float(known.height)]} if middle is not None else {})  # type: ignore[arg-type]


def _age() -> pl.Expr:
    named = pl.when(pl.col("tenure_days") < AGES[0][0]).then(pl.lit(AGES[0][1]))
    return named.when(pl.col("tenure_days") < AGES[1][0]).then(pl.lit(AGES[1][1])).otherwise(pl.lit(AGES[2][1]))
