"""One folder for many threads and processes, and nothing sent anywhere."""

import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from knowledge.index import Index, Synced
from tests.knowledge.samples import ALL, STORY, TODAY, documents, index_of, versions

REPO = Path(__file__).parents[2]


def test_searches_during_a_sync_see_one_version_whole(tmp_path: Path) -> None:
    index = index_of(tmp_path, *versions(0))
    stop = threading.Event()

    def look() -> set[str]:
        seen = set()
        while not stop.is_set():
            texts = [hit.text for hit in index.search("version of the renewal steps", TODAY, limit=20).hits]
            assert len(texts) == 12
            seen.add("|".join(sorted(set(texts))))
        return seen

    with ThreadPoolExecutor(3) as threads:
        looking = [threads.submit(look) for _ in range(3)]
        for number in range(1, 5):
            index.sync(versions(number))
        stop.set()
        seen = set().union(*(one.result() for one in looking))
    assert seen <= {f"Version {number} of the renewal steps." for number in range(5)}
    assert len(seen) > 1


SYNCING = """
import sys
from pathlib import Path
from knowledge.index import Index
from tests.knowledge.samples import ALL, versions
for number in range(3):
    Index(Path(sys.argv[1])).sync(versions(number) + ALL)
"""


def test_processes_that_sync_at_once_leave_what_both_wanted(tmp_path: Path) -> None:
    command = [sys.executable, "-c", SYNCING, str(tmp_path)]
    both = [subprocess.Popen(command, cwd=REPO, stderr=subprocess.PIPE) for _ in range(2)]
    assert [one.communicate()[1].decode() for one in both] == ["", ""]
    assert Index(tmp_path).sync(versions(2) + ALL) == Synced(added=0, replaced=0, removed=0, unchanged=15)


def test_what_another_process_has_synced_is_taken_over(tmp_path: Path) -> None:
    index = index_of(tmp_path, STORY)
    assert not index.refresh()
    subprocess.run([sys.executable, "-c", SYNCING, str(tmp_path)], cwd=REPO, check=True)
    assert documents(index.search("contract", TODAY)) == ["story"]
    assert index.refresh()
    assert documents(index.search("contract", TODAY))[0] == "renewal"
    assert index.sync([STORY]).removed == 14


LISTENING = """
import sys
asked = []
sys.addaudithook(lambda event, args: asked.append(event) if event in ("socket.connect", "socket.getaddrinfo") else None)
from pathlib import Path
from knowledge.index import Index
from tests.knowledge.samples import ALL, TODAY
index = Index(Path(sys.argv[1]))
index.sync(ALL)
print(len(index.search("contract", TODAY).hits), asked)
"""


def test_nothing_is_downloaded_or_reported(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", LISTENING, str(tmp_path / "index")],
        cwd=REPO, env={**os.environ, "HOME": str(home)}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout == "3 []\n"
    assert [path for path in home.rglob("*") if path.is_file()] == []
