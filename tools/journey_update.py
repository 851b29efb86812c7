"""Bring the stored stages and milestones of all accounts to a day, each change once and with its reason."""

from datetime import date

import polars as pl
from sqlmodel import Session, col, or_, select

from scoring.journeys import Journeys
from scoring.progress import milestones_met
from scoring.stages import FIRST, FORWARD, STAYS, passed, stage_of
from storage.bulk import change_rows
from storage.database import insert_frame, insert_rows
from storage.models import Account, Bookmark, MilestoneMet, StageEntry
from storage.queries import read_frame
from tools.context import Context

NEWEST = "journeys"  # the bookmark of the newest day that was followed
OWN = ("id", "sub_segment", "stage")
LEFT = ("id", "industry", "segment", "plan", "status", "started_on", "churned_on")
DATED = {"tenure_days": pl.Float64, "days_to_first_value": pl.Float64, "days_without_login": pl.Float64,
         "churned_on": pl.Date}  # fmt: skip
MILESTONE = ("account_id", "journey", "milestone")


def update_journeys(ctx: Context, session: Session, table: pl.DataFrame, as_of: date) -> int:
    """Record which accounts changed their stage, and which milestones were met. The caller commits.

    The same day again changes nothing but places accounts that came later; a day before the newest is left as it was.
    An account that was there before anybody watched gets the best known date, marked as inferred.

    Args:
        table: the day's features with `health` and `loss_probability`.

    Returns:
        The number of entries written.
    """
    journeys = ctx.journeys
    newest = session.exec(select(col(Bookmark.day)).where(Bookmark.name == NEWEST)).first()
    if newest is not None and newest > as_of:
        return 0
    current = current_entries(session, journeys)
    rows = journey_table(session, table, current, as_of)
    todo = rows if newest != as_of else rows.join(current, on="account_id", how="anti")
    staged = stage_of(journeys, todo, current.select("account_id", "stage"))
    written = _write(session, journeys, todo, staged, current, as_of, newest)
    others = current.select("account_id", "stage").join(staged, on="account_id", how="anti")
    now = pl.concat([staged.select("account_id", "stage"), others])
    _keep_milestones(session, milestones_met(journeys, rows, now), as_of)
    _keep_day(session, as_of)
    return written


def current_entries(session: Session, journeys: Journeys, account_id: int | None = None) -> pl.DataFrame:
    """Return `id, account_id, stage, entered_on` of the stages in which accounts are now."""
    where = [col(StageEntry.journey) == journeys.lifecycle.id, col(StageEntry.left_on).is_(None)]
    if account_id is not None:
        where.append(col(StageEntry.account_id) == account_id)
    return read_frame(session, StageEntry, ("id", "account_id", "stage", "entered_on"), *where)


def journey_table(
    session: Session, table: pl.DataFrame, current: pl.DataFrame, as_of: date, account_id: int | None = None
) -> pl.DataFrame:
    """Add to the features of a day what journeys ask for besides, and the accounts that have left.

    Args:
        table: the day's features with `health` and `loss_probability`.
        current: what `current_entries` returned.
        account_id: only this account; left out, all of them.
    """
    mine = [] if account_id is None else [col(Account.id) == account_id]
    told = or_(col(Account.sub_segment).is_not(None), col(Account.stage).is_not(None))
    own = read_frame(session, Account, OWN, told, *mine).rename({"id": "account_id", "stage": "stated_stage"})
    gone = read_frame(session, Account, LEFT, col(Account.churned_on) <= as_of, *mine)
    lost = gone.rename({"id": "account_id"}).with_columns(
        pl.lit("churned").alias("status"), (pl.lit(as_of) - pl.col("started_on")).dt.total_days().alias("tenure_days")
    )
    both = pl.concat([table, lost], how="diagonal_relaxed").with_columns(
        pl.col("loss_probability").alias("churn_probability")
    )
    stays = (pl.lit(as_of) - pl.col("entered_on")).dt.total_days().alias("days_in_stage")
    return both.join(own, on="account_id", how="left").join(
        current.select("account_id", stays), on="account_id", how="left"
    )


def _dates(rows: pl.DataFrame, as_of: date) -> pl.DataFrame:
    """`account_id` and the dates that `since` of a stage may name, as features tell them; null where they do not."""
    rows = rows.with_columns(pl.lit(None, kind).alias(name) for name, kind in DATED.items() if name not in rows.columns)
    tenure, value = pl.col("tenure_days").cast(pl.Int64), pl.col("days_to_first_value").cast(pl.Int64)
    began = pl.lit(as_of) - pl.duration(days=tenure)
    dates = {
        "started_on": began,
        # Without value yet, the feature is as long as the tenure.
        "first_value_on": pl.when(value < tenure).then(began + pl.duration(days=value)),
        "last_used_on": pl.coalesce(
            "churned_on", pl.lit(as_of) - pl.duration(days=pl.col("days_without_login").cast(pl.Int64))
        ),
        "churned_on": pl.col("churned_on"),
    }
    return rows.select("account_id", *(told.cast(pl.Date).alias(name) for name, told in dates.items()))


def _write(
    session: Session,
    journeys: Journeys,
    rows: pl.DataFrame,
    staged: pl.DataFrame,
    current: pl.DataFrame,
    as_of: date,
    newest: date | None,
) -> int:
    moved = staged.filter(pl.col("how") != STAYS)
    over = moved.join(current.select("id", "account_id"), on="account_id")
    for (how,), group in over.group_by("how"):
        change_rows(session, StageEntry, group["id"].to_list(), {"left_on": as_of, "left_how": str(how)})
    way = passed(journeys, rows, staged).with_columns(
        pl.lit(as_of).alias("entered_on"), pl.lit(as_of).alias("left_on"), pl.lit(FORWARD).alias("left_how"),
        pl.lit(False).alias("inferred"),
    )  # fmt: skip
    here = _dated(journeys, moved, rows, as_of, newest).with_columns(
        pl.lit(None, pl.Date).alias("left_on"), pl.lit(None, pl.String).alias("left_how")
    )
    columns = (
        "account_id", pl.lit(journeys.lifecycle.id).alias("journey"), "stage", "entered_on", "left_on", "how",
        "left_how", "inferred", "because",
    )  # fmt: skip
    # Those passed come first: an account's entries are in the order of their ids.
    return sum(insert_frame(session, StageEntry, part.select(columns)) for part in (way, here))


def _dated(
    journeys: Journeys, moved: pl.DataFrame, rows: pl.DataFrame, as_of: date, newest: date | None
) -> pl.DataFrame:
    """Say when accounts came into their stages; for those that were not watched, by the best known date."""
    dated = moved.join(_dates(rows, as_of), on="account_id", how="left")
    first = pl.col("how") == FIRST
    seen = pl.col("started_on") > newest if newest else pl.lit(False)
    told = [(stage.name, stage.since) for stage in journeys.lifecycle.stages if stage.since]
    best = pl.coalesce(
        *(pl.when(first & (pl.col("stage") == name)).then(pl.col(since)) for name, since in told), pl.lit(as_of)
    )
    entered = pl.min_horizontal(best, pl.lit(as_of)).alias("entered_on")
    return dated.with_columns(entered, (first & ~seen.fill_null(False)).alias("inferred"))


def _keep_milestones(session: Session, met: pl.DataFrame, as_of: date) -> None:
    known = read_frame(session, MilestoneMet, MILESTONE)
    new = met.join(known, on=MILESTONE, how="anti").sort(MILESTONE)
    insert_frame(session, MilestoneMet, new.with_columns(pl.lit(as_of).alias("met_on")), unless=MILESTONE)


def _keep_day(session: Session, as_of: date) -> None:
    insert_rows(session, Bookmark, [{"name": NEWEST, "day": as_of}], unless=("name",))
    mark = session.exec(select(Bookmark).where(Bookmark.name == NEWEST)).one()
    mark.day = as_of
    session.add(mark)
    session.flush()
