"""Every stored score of the demo's history can be made again, from what was stored and from the facts."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from sqlmodel import select

from scoring.health import read_raw, score, value_of
from scoring.scorecard import Scorecard
from storage.database import Database
from storage.demo import build
from storage.importing import import_frames
from storage.models import ScoringRun, Snapshot
from storage.usage import UsageStore
from tests.tools import portfolio
from tools.context import Context
from tools.refresh import features_on, refresh

TODAY, STEPPED = date(2026, 11, 20), 4


@pytest.fixture(scope="module")
def history(migrated_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Context]:
    """The demo as it was four days ago, scored, and then lived through day by day."""
    folder = tmp_path_factory.mktemp("history")
    database = Database(f"sqlite:///{folder / 'tend.db'}")
    database.migrate()
    now = {"day": TODAY - timedelta(days=STEPPED)}
    clock = lambda: datetime.combine(now["day"], datetime.min.time(), UTC) + timedelta(hours=6)  # noqa: E731
    ctx = portfolio.context(database, UsageStore(str(folder / "usage")), clock)
    world = build(TODAY)
    for step in range(STEPPED + 1):
        now["day"] = TODAY - timedelta(days=STEPPED - step)
        frames = world.day(now["day"]) if step else world.until(now["day"])
        with ctx.session() as session:
            import_frames(session, ctx.usage, frames, now=ctx.now())
        refresh(ctx)
    yield ctx
    database.engine.dispose()


def test_every_score_follows_from_the_values_and_the_scorecard_that_were_stored_with_it(history: Context) -> None:
    with history.session() as session:
        cards = {run.day: Scorecard.model_validate(run.card) for run in session.exec(select(ScoringRun))}
        snapshots = session.exec(select(Snapshot)).all()
    assert len(cards) > 28
    wrong = [s.id for s in snapshots if s.value is not None and value_of(cards[s.day], read_raw(s.raw)) != s.value]
    assert (len(snapshots) > 6_000, wrong) == (True, [])


def test_the_facts_of_today_still_give_every_score_of_the_past(history: Context) -> None:
    usage = history.usage.table("main", in_memory=True)
    card = history.scorecards.of(None)
    different: dict[date, list[str]] = {}
    with history.session() as session:
        days = session.exec(select(ScoringRun.day).order_by(ScoringRun.day)).all()  # type: ignore[arg-type]
        for day in [*days[:-6:3], *days[-6:]]:  # the imported past, and every day that was lived through
            again = score(card, features_on(session, usage, day))
            stored = session.exec(select(Snapshot.account_id, Snapshot.raw).where(Snapshot.day == day)).all()
            raw = pl.DataFrame(stored, schema=["account_id", "raw"], orient="row")
            # Who was a customer may be told late: a loss of yesterday, a trial entered afterwards.
            made = pl.DataFrame({"account_id": again.account_ids, "made": again.raw_json()})
            both = made.join(raw, on="account_id", how="inner").filter(pl.col("raw").ne_missing(pl.col("made")))
            if both.height and (moved := _indicators(card, both)):
                different[day] = moved
    assert different == {}


def _indicators(card: Scorecard, both: pl.DataFrame) -> list[str]:
    """Name the indicators that came out otherwise; sums of floats may differ in their last digit."""
    now = np.array([read_raw(text) for text in both["made"]], dtype=float)
    then = np.array([read_raw(text) for text in both["raw"]], dtype=float)
    moved = ~np.isclose(now, then, equal_nan=True)
    return [f"{name}: {moved[:, k].sum()}" for k, name in enumerate(card.features) if moved[:, k].any()]
