"""A running demo on a fixed date, and a real browser where one is installed."""

import json
import shutil
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from bot.demo import Demo
from bot.settings import Settings
from tests.tools.portfolio import OPEN_RULES

TODAY = date(2026, 11, 20)  # the made-up portfolio is the same for the same day
DANA, MORGAN, GUEST, EXTERN = "U0001", "U0013", "UGUEST", "UEXTERN"
CHANNEL = "C0CUSTOMERS"


def fixed_date(folder: Path) -> None:
    """Have the demo in a folder believe that it is TODAY."""
    place = folder / "demo"
    place.mkdir(parents=True)
    away = (TODAY - datetime.now(UTC).date()).days
    (place / "demo.json").write_text(json.dumps({"built_on": TODAY.isoformat(), "stepped": away}))


def fixed_now() -> datetime:
    """This time of day on TODAY."""
    return datetime.combine(TODAY, datetime.now(UTC).time(), UTC)


@pytest.fixture(scope="session")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with the demo portfolio, imported and scored once."""
    folder = tmp_path_factory.mktemp("filled")
    fixed_date(folder)
    (folder / "demo").mkdir(exist_ok=True)
    shutil.copy(OPEN_RULES, folder / "demo" / "governance.toml")
    demo = Demo(Settings(data_dir=folder, openai_api_key=None), 0)
    demo.stop()
    return folder


@pytest.fixture
def demo(filled: Path, tmp_path: Path) -> Iterator[Demo]:
    """A demo of its own for each test, from a copy of the filled folder."""
    shutil.copytree(filled, tmp_path / "data")
    running = Demo(Settings(data_dir=tmp_path / "data", openai_api_key=None), 0)
    running.start()
    yield running
    running.stop()


@pytest.fixture(scope="session")
def chromium() -> str:
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found is None:
        pytest.skip("no Chromium is installed: the browser tests need one (Debian: apt-get install chromium)")
    return found
