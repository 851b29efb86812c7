"""Deciding every play for 100,000 accounts at once: the time and the memory that it takes."""

import random
import resource
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import numpy as np
import polars as pl

from knowledge.attributes import ATTRIBUTES
from knowledge.documents import library
from knowledge.play_intents import STARTS, TOUCHES, History, Limits, Run
from knowledge.plays import decide, eligible
from scoring.catalogue import CATALOGUE

ACCOUNTS, RUNS, OWNERS = 100_000, 5_000, 200
NOW = datetime(2026, 11, 20, 10, tzinfo=UTC)
MOST_SECONDS = 5.0
TEXTS = {
    "status": ["active", "active", "active", "trial"],
    "plan": ["starter", "professional", "business", "enterprise"],
    "segment": ["smb", "mid_market", "enterprise", "consumer"],
    "industry": ["saas", "healthcare", "trades", "professional_services"],
    "band_colour": ["green", "green", "yellow", "orange", "red"],
    "loyalty_tier": ["bronze", "silver", "gold"],
}
PLAYS = library().plays


def fleet(rng: np.random.Generator) -> pl.DataFrame:
    """Accounts with figures of every size, so that each play finds somebody."""
    numbers = [name for name in CATALOGUE if name not in TEXTS]
    numbers += [name for name, (kind, _) in ATTRIBUTES.items() if kind == "number" and name not in CATALOGUE]
    columns = {name: np.round(rng.gamma(0.7, 40, ACCOUNTS), 2) for name in numbers}
    columns |= {name: rng.choice(words, ACCOUNTS) for name, words in TEXTS.items()}
    missing = [name for name, (kind, _) in ATTRIBUTES.items() if kind == "text" and name not in TEXTS]
    owned = [f"csm{n % OWNERS}@team.example" for n in range(ACCOUNTS)]
    return pl.DataFrame(columns).with_columns(
        *(pl.lit(None, pl.String).alias(name) for name in missing),
        pl.int_range(1, ACCOUNTS + 1).alias("account_id"),
        pl.format("A{}", pl.int_range(ACCOUNTS)).alias("account"),
        pl.Series("owner", owned),
        pl.lit("Europe/Berlin").alias("time_zone"),
        pl.lit(None, pl.Date).alias("snoozed_until"),
        pl.lit(None, pl.Date).alias("opted_out_on"),
        pl.lit(None, pl.Datetime("us")).alias("replied_at"),
        pl.lit(False).alias("red_override"),
    )


def running() -> Iterator[Run]:
    chance = random.Random(3)
    names = sorted(PLAYS)
    for number in range(RUNS):
        play = PLAYS[chance.choice(names)]
        yield Run(number, 1 + number % (RUNS - 500), play, "running", NOW - timedelta(days=chance.randint(0, 10)))


def test_every_play_is_decided_for_a_hundred_thousand_accounts_in_seconds() -> None:
    table = fleet(np.random.default_rng(1))
    kinds = sorted({kind for play in PLAYS.values() for kind in play.trigger.signals})
    chance = random.Random(2)
    opened = [(chance.randint(1, ACCOUNTS), chance.choice(kinds), date(2026, 11, 15), 3) for _ in range(50_000)]
    signals = pl.DataFrame(opened, schema=["account_id", "kind", "opened_on", "severity"], orient="row")
    runs = list(running())
    starts = [(run.account_id, run.play.id, run.started_at.replace(tzinfo=None)) for run in runs]
    history = History(
        pl.DataFrame(starts, schema=STARTS, orient="row").unique(["account_id", "play"]), pl.DataFrame(schema=TOUCHES)
    )
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    began = time.perf_counter()
    candidates = eligible(PLAYS.values(), table, signals)
    found = time.perf_counter() - began
    decided = decide(PLAYS, candidates, runs, table, history, NOW, Limits())
    seconds = time.perf_counter() - began
    more = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6 - before
    print(
        f"\n{ACCOUNTS:,} accounts, {len(PLAYS)} plays, {RUNS:,} runs: {candidates.rows.height:,} candidates in "
        f"{found:.1f} s, decided in {seconds:.1f} s with {more:.2f} GB more; {len(decided.starts):,} start, "
        f"{len(decided.steps):,} steps, {len(decided.skips):,} skipped, {len(decided.stops):,} end, "
        f"{decided.holds.height:,} held back"
    )
    assert not decided.errors
    assert 0 < len(decided.starts) <= OWNERS * Limits().starts_per_owner
    for made in (decided.steps, decided.skips, decided.stops):
        assert made
    assert seconds <= MOST_SECONDS
