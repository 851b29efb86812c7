"""Chroma as a server: shared between processes, and what happens when it is away."""

import http.server
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from knowledge.index import Index, Synced
from knowledge.store import StoreError
from tests.knowledge.chroma_server import chroma_server, free_port
from tests.knowledge.samples import ALL, RENEWAL, STORY, TODAY, documents


def test_two_processes_share_one_server(tmp_path: Path) -> None:
    with chroma_server(tmp_path / "server", free_port()) as url:
        one, other = Index(tmp_path / "one", url), Index(tmp_path / "other", url)
        assert one.sync(ALL).added == 3
        assert other.sync(ALL) == Synced(added=0, replaced=0, removed=0, unchanged=3)
        assert one.search("contract", TODAY) == other.search("contract", TODAY)
        other.sync([STORY])
        assert one.refresh()
        assert documents(one.search("contract", TODAY)) == ["story"]


def test_machines_that_sync_one_server_at_once_leave_what_they_wanted(tmp_path: Path) -> None:
    with chroma_server(tmp_path / "server", free_port()) as url, ThreadPoolExecutor(3) as threads:
        machines = [Index(tmp_path / str(number), url) for number in range(3)]
        list(threads.map(lambda machine: machine.sync(ALL), machines))
        assert Index(tmp_path / "last", url).sync(ALL).unchanged == 3
        assert [documents(machine.search("contract", TODAY))[0] for machine in machines] == ["renewal"] * 3


def test_while_the_server_is_away_the_search_goes_on_and_says_so(tmp_path: Path) -> None:
    port = free_port()
    with chroma_server(tmp_path / "server", port) as url:
        running = Index(tmp_path / "copy", url)
        running.sync(ALL)
        before = running.search("contract", TODAY)
    started_later = Index(tmp_path / "copy", url)
    assert not running.refresh()
    assert started_later.refresh()
    for index in (running, started_later):
        found = index.search("contract", TODAY)
        assert found.hits == before.hits
        assert found.notice.startswith(f"Chroma at {url} cannot be used")
        with pytest.raises(StoreError, match="start the server or correct CHROMA_URL"):
            index.sync([RENEWAL])
    with chroma_server(tmp_path / "server", port):
        started_later.refresh()
        assert started_later.search("contract", TODAY) == before


def test_without_server_and_copy_the_error_names_the_server(tmp_path: Path) -> None:
    index = Index(tmp_path, f"http://127.0.0.1:{free_port()}")
    with pytest.raises(StoreError, match=r"Chroma at http://127\.0\.0\.1:\d+ cannot be used .*refused"):
        index.search("contract", TODAY)


class Other(http.server.BaseHTTPRequestHandler):
    """Some server that is not Chroma."""

    def do_GET(self) -> None:
        self.send_error(404)

    do_POST = do_GET  # noqa: N815

    def log_message(self, *_: object) -> None:
        """Keep quiet."""


def test_a_server_that_is_not_chroma_is_named(tmp_path: Path) -> None:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Other) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        with pytest.raises(StoreError, match=f"Chroma at {url} cannot be used .*404"):
            Index(tmp_path, url).sync(ALL)
        server.shutdown()


def test_a_server_that_hangs_is_not_waited_for(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        started = time.monotonic()
        with pytest.raises(StoreError, match=f"Chroma at {url} cannot be used .*timed out"):
            Index(tmp_path, url).refresh()
        assert time.monotonic() - started < 15


def test_an_address_without_its_beginning_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"Chroma at localhost:8000 cannot be used .*correct CHROMA_URL"):
        Index(tmp_path, "localhost:8000").refresh()


def test_a_damaged_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "chroma").mkdir()
    (tmp_path / "chroma/chroma.sqlite3").write_bytes(b"no database" * 1000)
    with pytest.raises(StoreError, match=f"Chroma at {tmp_path} cannot be used"):
        Index(tmp_path).sync(ALL)
