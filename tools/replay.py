"""Score the past again: any scorecard, in use or not, on the facts as they were known on each day."""

from collections.abc import Iterator, Sequence
from datetime import date, timedelta

import polars as pl
from sqlmodel import col, select

from scoring.health import Health, score
from scoring.scorecard import Scorecard
from storage.models import Account
from storage.queries import read_frame
from tools.context import Context
from tools.errors import UserError
from tools.refresh import Progress, data_day, features_on, no_progress

# Days between two replayed days: as far as a score may be older than "30, 60, 90 days before", so that every loss
# has one, and a divisor of the horizon.
STEP = 10
SPAN = 360  # days back: a year in whole steps
WARM_UP = 56  # days of facts before the first replayed day: features compare four weeks with the four before


def newest_day(ctx: Context) -> date:
    """Return the newest day of the data.

    Raises:
        UserError: before anything was imported.
    """
    found = data_day(ctx)
    if found is None:
        raise UserError("There are no accounts yet. Import yours with `python -m bot import FOLDER`.")
    return found


def replay_days(ctx: Context, step: int = STEP, span: int = SPAN) -> list[date]:
    """Return the days to replay, oldest first, up to the newest day of the data.

    Args:
        step: days between two of them.
        span: days back, as far as the facts reach.
    """
    newest = newest_day(ctx)
    first = max(_first_fact(ctx, newest) + timedelta(days=WARM_UP), newest - timedelta(days=span))
    reach = max((newest - first).days, 0) // step * step
    return [newest - timedelta(days=back) for back in range(reach, -1, -step)]


def features_of(
    ctx: Context, days: Sequence[date], progress: Progress = no_progress, measures: bool = False
) -> Iterator[pl.DataFrame]:
    """Yield the feature table of each day; usage is read into memory once."""
    usage = ctx.usage.table(ctx.workspace_id, in_memory=True)
    for done, day in enumerate(days):
        with ctx.session() as session:
            yield features_on(session, usage, day, measures=measures)
        progress(done + 1, len(days))


def replay(
    ctx: Context,
    cards: Sequence[Scorecard],
    days: Sequence[date],
    progress: Progress = no_progress,
    segments: pl.Expr | None = None,
) -> list[pl.DataFrame]:
    """Return one history per scorecard, in their order: `account_id, day, value, band`.

    Each day's features are computed once and scored with every card.

    Args:
        segments: the accounts to score, as a condition over the feature table; left out, all.
    """
    wanted = pl.lit(True) if segments is None else segments
    histories: list[list[pl.DataFrame]] = [[] for _ in cards]
    for day, features in zip(days, features_of(ctx, days, progress), strict=True):
        part = features.filter(wanted)
        for history, card in zip(histories, cards, strict=True):
            history.append(history_of(score(card, part), day))
    return [pl.concat(history) for history in histories]


def history_of(health: Health, day: date) -> pl.DataFrame:
    """Return one day's scores as rows of a history."""
    values = pl.Series(health.values, nan_to_null=True)
    return pl.DataFrame(
        {"account_id": health.account_ids, "value": values, "band": health.bands.cast(pl.String)},
        schema_overrides={"account_id": pl.Int64},
    ).select("account_id", pl.lit(day).alias("day"), "value", "band")


def churned_accounts(ctx: Context) -> pl.DataFrame:
    """Return `account_id, churned_on` of the accounts that left."""
    with ctx.session() as session:
        found = read_frame(session, Account, ("id", "churned_on"), col(Account.churned_on).is_not(None))
    return found.rename({"id": "account_id"})


def _first_fact(ctx: Context, newest: date) -> date:
    """The first day of usage; without usage, the first account's start."""
    usage = ctx.usage.table(ctx.workspace_id)
    found: date | None = None if usage is None else usage.day.min().to_pyarrow().as_py()
    if found is None:
        with ctx.session() as session:
            found = session.exec(select(col(Account.started_on)).order_by(col(Account.started_on))).first()
    return found or newest
