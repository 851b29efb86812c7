"""How long a question takes from Slack's event to the posted answer, without a language model, over real HTTP."""

import json
import os
import statistics
import time
from pathlib import Path

import pytest

from tests.benchmarks.asking import QUESTIONS, ask, percentile, running, took, wait
from tests.benchmarks.fleet import TODAY, build_fleet

ROUNDS = 5
ACCOUNTS = int(os.environ.get("FLEET_ACCOUNTS", "100000"))
OF_A_FLEET = (*QUESTIONS[:4], "why is Account 4711 at risk?", "tell me about Account 99")


def measured(demo: object, questions: tuple[str, ...], rounds: int) -> dict[str, list[float]]:
    """Seconds of each question asked alone, after one round that warms up."""
    found: dict[str, list[float]] = {question: [] for question in questions}
    for round_ in range(rounds + 1):
        for question in questions:
            asked = ask(demo, question)  # type: ignore[arg-type]
            wait(demo, asked)  # type: ignore[arg-type]
            if round_:
                found[question].append(took(demo, asked))  # type: ignore[arg-type]
            time.sleep(0.05)
    return found


def show(name: str, found: dict[str, list[float]]) -> list[float]:
    every = [value for values in found.values() for value in values]
    for question, values in found.items():
        print(f"\n  {statistics.median(values) * 1e3:5.0f} ms  {question}", end="")
    middle, high = statistics.median(every), percentile(every, 0.95)
    print(f"\n{name}: median {middle * 1e3:.0f} ms, 95th percentile {high * 1e3:.0f} ms, {len(every)} questions")
    return every


def test_an_answer_of_the_rules_is_posted_quickly(tmp_path: Path) -> None:
    with running(tmp_path) as demo:
        every = show("400 accounts", measured(demo, QUESTIONS, ROUNDS))
    assert statistics.median(every) < 0.150
    assert percentile(every, 0.95) < 0.400


@pytest.mark.timeout(1200)
def test_also_with_many_accounts(tmp_path: Path) -> None:
    from tools.refresh import refresh

    folder = tmp_path / "demo"
    folder.mkdir()
    core = build_fleet(folder, ACCOUNTS, ACCOUNTS, ACCOUNTS, ACCOUNTS)
    refresh(core.context())
    core.database.engine.dispose()
    (folder / "demo.json").write_text(json.dumps({"built_on": TODAY.isoformat(), "stepped": 0}))
    with running(tmp_path, portfolio=False) as demo:
        every = show(f"{ACCOUNTS:,} accounts", measured(demo, OF_A_FLEET, 3))
    assert percentile(every, 0.95) < 1.0
