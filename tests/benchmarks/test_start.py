"""How long `make demo` takes in a fresh clone until the page answers, and the second time."""

import os
import signal
import subprocess
import time
import urllib.request
from pathlib import Path

from bot.demo import _free_port

REPO = Path(__file__).parents[2]


def seconds_until_usable(clone: Path) -> float:
    """Start `make demo`, wait until the page answers, stop it by its own process group."""
    port = _free_port()
    environment = {**os.environ, "PORT": str(port), "BROWSER": "true"}
    environment.pop("DATA_DIR", None)
    started = time.perf_counter()
    running = subprocess.Popen(
        ["make", "demo"], cwd=clone, env=environment, start_new_session=True, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        while running.poll() is None and time.perf_counter() - started < 300:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=2):
                    return time.perf_counter() - started
            except OSError:
                time.sleep(0.1)
        raise AssertionError("the demo did not start")
    finally:
        os.killpg(running.pid, signal.SIGINT)
        running.wait(30)


def test_the_demo_is_usable_within_a_minute_and_again_within_five_seconds(tmp_path: Path) -> None:
    clone = tmp_path / "tend"
    subprocess.run(["git", "clone", "--quiet", str(REPO), str(clone)], check=True)
    first = seconds_until_usable(clone)
    second = min(seconds_until_usable(clone) for _ in range(2))
    print(f"\nmake demo in a fresh clone: {first:.1f} s, second start: {second:.1f} s")
    assert first < 60
    assert second < 5
