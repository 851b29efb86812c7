"""Killed anywhere between an approval and its confirmation, Tend loses no message and sends none twice."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from storage.models import DraftState
from tests.e2e.delivering import POINTS, WITH_A_SENDER
from tests.e2e.kills import Range

# There may have been nothing to take yet, or nothing more.
EITHER = {"after the claim": {0, 1}, "after it is noted": {0, 1}}
KILLS = 5  # on each database; the benchmarks have two hundred


@pytest.fixture(scope="module")
def on_sqlite(migrated_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Range]:
    folder = tmp_path_factory.mktemp("delivery")
    opened = Range(f"sqlite:///{shutil.copy(migrated_file, folder / 'tend.db')}", folder)
    yield opened
    opened.close()


@pytest.fixture
def on_postgresql(postgres_url: str, tmp_path: Path) -> Iterator[Range]:
    opened = Range(postgres_url, tmp_path)
    yield opened
    opened.close()


@pytest.mark.parametrize("point", POINTS)
def test_a_kill_at_any_point_loses_nothing_and_doubles_nothing(on_sqlite: Range, point: str) -> None:
    before = on_sqlite.check()
    on_sqlite.drafts(2)
    on_sqlite.die_at(point)
    on_sqlite.finish()
    after = on_sqlite.check()
    unclear = after.get(DraftState.UNCLEAR, 0) - before.get(DraftState.UNCLEAR, 0)
    assert sum(after.values()) - sum(before.values()) == 2
    assert unclear in EITHER.get(point, {point in WITH_A_SENDER})


def test_kills_at_random_moments_lose_nothing_and_double_nothing(on_sqlite: Range) -> None:
    on_sqlite.kill_at_random(KILLS, seed=7)
    on_sqlite.check()


def test_on_postgresql_kills_at_every_point_and_at_random_lose_and_double_nothing(on_postgresql: Range) -> None:
    """Each process takes up what the one before it left, and dies at its own point."""
    for point in POINTS:
        on_postgresql.drafts(2)
        on_postgresql.die_at(point)
    on_postgresql.kill_at_random(KILLS, seed=8)
    ends = on_postgresql.check()
    assert sum(ends.values()) == 2 * len(POINTS) + 4 * KILLS
