"""Databases for tests: SQLite in a file, and PostgreSQL, each at the newest version of the schema."""

import os
import shutil
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import settings

from bot.runtime import Core
from storage.database import Database
from storage.usage import UsageStore
from tests.postgres import empty_postgres, postgres, postgres_url
from tests.tools import leavers, portfolio
from tools.context import Context

os.environ.setdefault("TRAIN_WEEKLY", "false")  # it takes minutes; the tests of training ask for it
os.environ.setdefault("COLUMNS", "120")  # of the terminal that commands print to, wherever the tests run
settings.register_profile("tend", deadline=None)  # a busy machine is no defect
settings.load_profile("tend")
__all__ = ["empty_postgres", "postgres", "postgres_url"]


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An SQLite file that is migrated once; tests copy it."""
    file = tmp_path_factory.mktemp("schema") / "tend.db"
    database = Database(f"sqlite:///{file}")
    database.migrate()
    with database.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    database.engine.dispose()
    return file


@pytest.fixture
def sqlite_database(migrated_file: Path, tmp_path: Path) -> Iterator[Database]:
    file = shutil.copy(migrated_file, tmp_path / "tend.db")
    database = Database(f"sqlite:///{file}")
    yield database
    database.engine.dispose()


@pytest.fixture(params=["sqlite", "postgresql"])
def any_database(request: pytest.FixtureRequest) -> Iterator[Database]:
    """The same test on both databases."""
    if request.param == "sqlite":
        yield request.getfixturevalue("sqlite_database")
        return
    database = Database(request.getfixturevalue("postgres_url"))
    yield database
    database.engine.dispose()


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a database without a table, of both kinds."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/empty.db"
    return str(request.getfixturevalue("empty_postgres"))


@pytest.fixture(scope="session")
def filled(migrated_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the known portfolio, imported once; tests copy it."""
    folder = tmp_path_factory.mktemp("portfolio")
    database = Database(f"sqlite:///{shutil.copy(migrated_file, folder / 'tend.db')}")
    portfolio.fill(portfolio.context(database, UsageStore(str(folder / "usage"))))
    with database.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    database.engine.dispose()
    return folder


class Stepped:
    """A clock that tests step."""

    def __init__(self) -> None:
        self.now = portfolio.NOW

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Stepped:
    return Stepped()


@pytest.fixture
def ctx(filled: Path, tmp_path: Path, clock: Stepped) -> Iterator[Context]:
    """The known portfolio as Dana sees it, in a copy of its own."""
    folder = shutil.copytree(filled, tmp_path / "filled")
    database = Database(f"sqlite:///{folder}/tend.db")
    yield portfolio.context(database, UsageStore(str(folder / "usage")), clock)
    database.engine.dispose()


@pytest.fixture(scope="session")
def left_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with accounts of which half have left, imported and scored once; tests copy it."""
    folder = tmp_path_factory.mktemp("leavers")
    database = leavers.build(folder).database
    with database.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    database.engine.dispose()
    return folder


@pytest.fixture
def left(left_folder: Path, tmp_path: Path) -> Iterator[Core]:
    """The accounts of which half have left, in a copy of their own."""
    core = leavers.open_(shutil.copytree(left_folder, tmp_path / "left"))
    yield core
    core.database.engine.dispose()
