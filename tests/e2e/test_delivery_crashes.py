"""Killed anywhere between an approval and its confirmation, Tend loses no message and sends none twice."""

import shutil
from collections.abc import Iterator

import pytest

from storage.models import DraftState
from tests.e2e.delivering import POINTS, WITH_A_SENDER
from tests.e2e.kills import Range

# There may have been nothing to take yet, or nothing more.
EITHER = {"after the claim": {0, 1}, "after it is noted": {0, 1}}
KILLS = 10  # on each database; the benchmarks have two hundred


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def delivery(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Range]:
    folder = tmp_path_factory.mktemp("delivery")
    if request.param == "sqlite":
        file = shutil.copy(request.getfixturevalue("migrated_file"), folder / "tend.db")
        url = f"sqlite:///{file}"
    else:
        url = request.getfixturevalue("postgres").create("template")
    opened = Range(url, folder)
    yield opened
    opened.close()


@pytest.mark.parametrize("point", POINTS)
def test_a_kill_at_any_point_loses_nothing_and_doubles_nothing(delivery: Range, point: str) -> None:
    before = delivery.check()
    delivery.drafts(3)
    delivery.die_at(point)
    delivery.finish()
    after = delivery.check()
    unclear = after.get(DraftState.UNCLEAR, 0) - before.get(DraftState.UNCLEAR, 0)
    assert sum(after.values()) - sum(before.values()) == 3
    assert unclear in EITHER.get(point, {point in WITH_A_SENDER})


def test_kills_at_random_moments_lose_nothing_and_double_nothing(delivery: Range) -> None:
    delivery.kill_at_random(KILLS, seed=7)
    delivery.check()
