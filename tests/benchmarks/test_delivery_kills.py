"""Two hundred kills at moments that nobody chose: what became of every approved message."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.kills import Range

KILLS = 200


@pytest.fixture(params=["sqlite", "postgresql"])
def delivery(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Range]:
    if request.param == "sqlite":
        url = f"sqlite:///{shutil.copy(request.getfixturevalue('migrated_file'), tmp_path / 'tend.db')}"
    else:
        url = request.getfixturevalue("postgres_url")
    opened = Range(url, tmp_path)
    yield opened
    opened.close()


@pytest.mark.timeout(1800)
def test_two_hundred_kills_lose_nothing_and_double_nothing(delivery: Range) -> None:
    delivery.kill_at_random(KILLS, seed=200)
    ends = delivery.check()
    mails, dialect = len(delivery.mailbox.messages), delivery.ctx.database.engine.dialect.name
    print(f"\n{dialect}: {KILLS} kills, {sum(ends.values())} messages, {mails} mails, {ends}")
    assert sum(ends.values()) == 4 * KILLS
