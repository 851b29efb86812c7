"""Score the portfolio: for the newest day of the data, and for the past that trends and records need."""

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from typing import Any

import polars as pl
import structlog
from sqlmodel import Session, col, select

from scoring.baselines import baselines
from scoring.catalogue import CATALOGUE, TEXTS
from scoring.features import collect_usage, feature_table, with_measures
from scoring.health import Health, loss_rates, score
from scoring.mentions import load_mentions
from scoring.scorecard import Scorecards
from scoring.signals import SIGNALS, Signals, load_signals
from storage import queries
from storage.aggregates import NEWEST, aggregates
from storage.database import insert_frame, insert_new
from storage.freshness import USAGE_ARRIVES, described_day, newest_usage
from storage.models import Account, Prediction, ScoringRun, Snapshot
from storage.queries import read_frame
from tools.context import Context
from tools.errors import UserError
from tools.forecasts import growth_chances, store_forecasts
from tools.journey_update import update_journeys
from tools.mentions import scan_mentions
from tools.opportunities import update_opportunities
from tools.signals import update_signals

LOSS_HORIZON = 60  # days: the default report is 30-60 days of early warning
# Days back that are scored once after an import, oldest first: trends need the near ones, loss rates the far ones.
BACKFILL = tuple(sorted({1, 30, *range(7, 92, 7), *range(120, 361, 30)}, reverse=True))
SNAPSHOT_KEY = ("day", "scorecard", "account_id")
MOST_MISSED = 90  # days that are made up for after a long silence
SOURCE_OF = {name: feature.source for name, feature in CATALOGUE.items()}
SCORES = ("health", "health_change_1d", "health_change_7d", "loss_probability")
SCORED = ("account_id", "scorecard", "value")
Progress = Callable[[int, int], None]
log = structlog.get_logger()


@dataclass(frozen=True)
class Refreshed:
    """What one scoring run did."""

    day: date
    accounts: int
    days_written: int


def no_progress(done: int, total: int) -> None:
    """Report nothing."""


def data_day(ctx: Context) -> date | None:
    """Return the newest day that the data describe, at most today."""
    with ctx.session() as session:
        return described_day(session, ctx.usage.table(ctx.workspace_id), ctx.today())


def refresh(ctx: Context, progress: Progress = no_progress) -> Refreshed:
    """Score every account for the newest day of the data, and once for the past days that trends need.

    Snapshots that are there are left as they are, so running it again changes nothing; accounts that were
    imported after a day was scored are added to it.
    """
    newest = data_day(ctx)
    if newest is None:
        return Refreshed(ctx.today(), 0, 0)
    with ctx.session() as session:
        watched = queries.scored_day(session, newest) is not None
    missing = _days_to_score(ctx, newest)
    usage = ctx.usage.table(ctx.workspace_id, in_memory=len(missing) > 1) if missing else None
    accounts = 0
    for done, day in enumerate(missing):
        accounts = score_day(ctx, usage, day, watched or day == newest)
        progress(done + 1, len(missing))
    return Refreshed(newest, accounts, len(missing))


def score_day(ctx: Context, usage: Any, as_of: date, signals: bool = True) -> int:
    """Write one day's snapshots, and then its signals. Returns the number of accounts scored.

    Args:
        usage: the workspace's usage facts as an Ibis table, or None.
        signals: open and close signals too; not for a past that was never watched.
    """
    if signals:
        with ctx.session() as session:
            scan_mentions(ctx, session, as_of, load_mentions())
            session.commit()
    newest = newest_usage(usage, as_of)
    facts, collected = _read_at_once(ctx, usage, as_of, newest)
    features = feature_table(facts, collected, as_of, usage_day(newest, as_of))
    with ctx.session() as session:
        fresh = freshness(facts, newest, as_of)
        dated = {source: day.isoformat() if day else None for source, day in fresh.items()}
        scored = score_all(ctx.scorecards, features)
        around = [{"freshness": dated, "baselines": baselines(features, health)} for health in scored]
        stored = [_store(ctx, session, health, as_of, each) for health, each in zip(scored, around, strict=True)]
        measured = with_measures(features, collected, usage_day(newest, as_of))
        store_forecasts(session, measured, as_of)
        if signals and stored:
            table = with_scores(session, features, pl.concat(stored), as_of)
            update_signals(ctx, session, as_of, table, declared_signals(), source_of=SOURCE_OF, freshness=fresh)
            _offer(ctx, session, table, measured, as_of)
            _follow(ctx, session, table, as_of)
        session.commit()
    return features.height


def _offer(ctx: Context, session: Session, table: pl.DataFrame, measured: pl.DataFrame, as_of: date) -> None:
    """Find the day's opportunities; offers that cannot be read stop nothing else."""
    try:
        update_opportunities(ctx, session, table, as_of, growth_chances(session, measured))
    except UserError as error:
        log.error("no_opportunities", reason=str(error))


def _follow(ctx: Context, session: Session, table: pl.DataFrame, as_of: date) -> None:
    """Follow accounts on their journeys; a journey that cannot be read stops nothing else."""
    try:
        update_journeys(ctx, session, table, as_of)
    except UserError as error:
        log.error("no_journeys", reason=str(error))


def _read_at_once(
    ctx: Context, usage: Any, as_of: date, newest: date | None
) -> tuple[dict[str, pl.DataFrame], pl.DataFrame | None]:
    """Read usage and everything else at the same time: they lie in different databases."""
    with ThreadPoolExecutor(1) as beside, ctx.session() as session:
        collecting = beside.submit(_collected, usage, usage_day(newest, as_of))
        return aggregates(session, as_of), collecting.result()


def features_on(
    session: Session,
    usage: Any,
    as_of: date,
    account: Account | None = None,
    measures: bool = False,
    everybody: Any = None,
) -> pl.DataFrame:
    """Return the feature table of a day, of all accounts or of one (empty when it was no customer then).

    A day that was scored is described from the usage that had arrived by then.

    Args:
        usage: of all accounts, or of the one.
        everybody: usage of all accounts where `usage` is of one: it says which days have arrived.
        measures: what each measure of usage says by itself, too: the columns that models learn from.
    """
    scored = session.exec(select(ScoringRun.freshness).where(ScoringRun.day == as_of)).first()
    known = (scored or {}).get("usage")
    until = usage_day(
        date.fromisoformat(known) if known else newest_usage(usage if everybody is None else everybody, as_of), as_of
    )
    facts = aggregates(session, as_of, account.id if account else None)
    collected = _collected(usage, until)
    table = feature_table(facts, collected, as_of, until)
    return with_measures(table, collected, until) if measures else table


def usage_day(newest: date | None, as_of: date) -> date:
    """The last day that usage is read for: a day whose usage has not arrived yet is no day without use."""
    return newest if newest is not None and 0 <= (as_of - newest).days <= USAGE_ARRIVES else as_of


def _collected(usage: Any, as_of: date) -> pl.DataFrame | None:
    return None if usage is None else collect_usage(usage, as_of)


@cache
def declared_signals() -> Signals:
    """The signals of the product, checked against the features when first needed."""
    numbers = dict.fromkeys([*CATALOGUE, *SCORES], pl.Float64())
    return load_signals(SIGNALS, {**numbers, **dict.fromkeys([*TEXTS, "band"], pl.String())})


def with_scores(session: Session, features: pl.DataFrame, stored: pl.DataFrame, as_of: date) -> pl.DataFrame:
    """Add to the features of a day the scores that signals and plays ask for.

    Args:
        stored: the snapshots of the day: `account_id, scorecard, band, value, loss_probability`.
    """
    told = read_frame(session, Prediction, ("account_id", "within_60"), col(Prediction.day) == as_of)
    now = stored.select("account_id", "scorecard", "band", "loss_probability", pl.col("value").alias("health"))
    best = pl.coalesce("within_60", "loss_probability").alias("loss_probability")
    both = now.join(told, on="account_id", how="left").with_columns(best).drop("within_60")
    table = features.join(both, on="account_id", how="left")
    for days in (1, 7):
        before = read_frame(session, Snapshot, SCORED, Snapshot.day == as_of - timedelta(days=days))  # type: ignore[arg-type]
        same = before.join(stored, on=["account_id", "scorecard"], how="semi")  # a switched card is no change
        was = same.select("account_id", pl.col("value").alias("was"))
        change = (pl.col("health") - pl.col("was")).alias(f"health_change_{days}d")
        table = table.join(was, on="account_id", how="left").with_columns(change).drop("was")
    return table


def score_all(cards: Scorecards, features: pl.DataFrame) -> list[Health]:
    """Score every account with the scorecard of its segment."""
    own = pl.col("segment").replace_strict(dict(cards.choice), default=cards.default, return_dtype=pl.String)
    chosen = features.with_columns(own.fill_null(cards.default).alias("card")) if cards.choice else features
    parts = [(card, chosen.filter(pl.col("card") == card.id) if cards.choice else chosen) for card in cards.used]
    return [score(card, part) for card, part in parts if part.height]


def _store(ctx: Context, session: Session, health: Health, as_of: date, around: dict[str, Any]) -> pl.DataFrame:
    card = health.scorecard
    rates = loss_rates(queries.losses_by_band(session, card.id, as_of, LOSS_HORIZON))
    run = {
        "day": as_of,
        "scorecard": card.id,
        "version": card.version,
        "card": card.model_dump(mode="json", by_alias=True),
        "means": health.means,
        "loss_rates": rates,
        "created_at": ctx.now(),
        **around,
    }
    insert_new(session, ScoringRun, run, ("scorecard", "day"))
    snapshots = _snapshots(health, as_of, rates)
    insert_frame(session, Snapshot, snapshots, unless=SNAPSHOT_KEY)
    return snapshots


def _snapshots(health: Health, as_of: date, rates: dict[str, float]) -> pl.DataFrame:
    card = health.scorecard
    frame = pl.DataFrame(
        {
            "account_id": health.account_ids,
            "value": pl.Series(health.values, nan_to_null=True),
            "band": health.bands,
            "coverage": health.coverage.round(4),
            "raw": health.raw_json(),
        }
    )
    rate = pl.col("band").replace_strict(rates, default=None, return_dtype=pl.Float64)
    return frame.with_columns(
        pl.lit(as_of).alias("day"),
        pl.lit(card.id).alias("scorecard"),
        pl.lit(card.version).alias("scorecard_version"),
        rate.alias("loss_probability"),
    )


def freshness(facts: dict[str, pl.DataFrame], newest_usage: date | None, as_of: date) -> dict[str, date | None]:
    """Return the newest day of each source's facts up to `as_of`; None where there is none of late."""
    found: dict[str, date | None] = {"usage": newest_usage}
    for source, frame in facts.items():
        if NEWEST in frame.columns:
            hours = frame[NEWEST].cast(pl.Float64).min()
            # An hour of the day itself is "after" its midnight, hence below zero.
            found[source] = None if hours is None else as_of - timedelta(days=math.ceil(float(hours) / 24))  # type: ignore[arg-type]
    if (adopted := facts["feature_adoption"]["last_used_on"].max()) is not None:
        found["feature_adoption"] = min(adopted, as_of)  # type: ignore[assignment]
    return found


def _days_to_score(ctx: Context, newest: date) -> list[date]:
    """The newest day and, the first time, days of the past; later, days that were stepped over."""
    with ctx.session() as session:
        started = session.exec(select(col(Account.started_on)).order_by(col(Account.started_on))).first()
        last = queries.scored_day(session, newest)
        unscored = queries.unscored_accounts(session, newest)
    if last is None:
        past = [newest - timedelta(days=back) for back in BACKFILL]
        first = (started or newest) + timedelta(days=28)
        return [*(day for day in past if day >= first), newest]
    if last == newest:
        return [newest] if unscored else []
    return [last + timedelta(days=n) for n in range(1, (newest - last).days + 1)][-MOST_MISSED:]
