"""Asks a running demo questions as Slack would deliver them, and reads off Slack's own times how long answers took."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bot.demo import Demo
from bot.settings import Settings
from tests.e2e.conftest import CHANNEL, DANA, fixed_date

QUESTIONS = (
    "which accounts are at risk?",
    "summarise my portfolio",
    "which accounts renew in the next 60 days?",
    "whose health dropped the most?",
    "who leaves in the next 60 days?",
    "where can we expand?",
    "which accounts deserve my next hours?",
    "what are my tasks?",
)


@contextmanager
def running(folder: Path, portfolio: bool = True, **settings: Any) -> Iterator[Demo]:
    """A warm demo in a folder, on the fixed date."""
    if not (folder / "demo").exists():
        fixed_date(folder)
    options = {"openai_api_key": None, **settings}
    demo = Demo(Settings(_env_file=None, data_dir=folder, **options), 0, portfolio)
    demo.start()
    for thread in threading.enumerate():
        if thread.name in ("warm-up", "catch-up"):
            thread.join()
    demo.tend.queue.drain()
    try:
        yield demo
    finally:
        demo.stop()


def ask(demo: Demo, text: str, user: str = DANA) -> str:
    """Ask in the channel; the answer comes into the thread."""
    return demo.workspace.say(user, CHANNEL, f"<@U0TEND> {text}")


def answers(demo: Demo, asked: str) -> list[dict[str, Any]]:
    return [m for m in demo.workspace.messages(CHANNEL, asked) if m.get("bot_id")]


def wait(demo: Demo, asked: str, seconds: float = 60) -> dict[str, Any]:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := answers(demo, asked):
            return found[0]
        time.sleep(0.02)
    raise AssertionError("no answer came in time")


def took(demo: Demo, asked: str) -> float:
    """Seconds from the question's post to the answer's, by the times that Slack gave them."""
    return float(answers(demo, asked)[0]["ts"]) - float(asked)


def percentile(values: list[float], share: float) -> float:
    return sorted(values)[min(int(len(values) * share), len(values) - 1)]
