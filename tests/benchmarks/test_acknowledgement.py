"""How fast a signed event over HTTP is acknowledged, beside a bare Bolt app with the same server."""

import json
import statistics
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bot.local.run import Running
from bot.local.server import Channel, LocalWorkspace, Person
from tests.benchmarks.ack_servers import SLOW_SECONDS

REPO = Path(__file__).parents[2]
SENDERS, EVENTS, ROUNDS, SLOW = 50, 1500, 3, 20


def python(module: str, *arguments: str) -> list[str]:
    return [sys.executable, "-m", f"tests.benchmarks.{module}", *arguments]


@pytest.fixture
def urls(tmp_path: Path) -> Iterator[dict[str, str]]:
    """Both servers as processes of their own, over a local Slack in this one."""
    slack = LocalWorkspace(
        request_url="http://127.0.0.1:9/", signing_secret="s" * 16,
        people=[Person("U0001", "dana", "Dana Reyes", "dana@brightwater.example")],
        channels=[Channel("C0CUSTOMERS", "customer-success", ("U0001", "U0TEND"))],
    )  # fmt: skip
    with Running(slack.app) as running:
        settings = {
            "data_dir": str(tmp_path), "slack_bot_token": "xoxb-local", "slack_signing_secret": "s" * 16,
            "slack_mode": "http", "slack_api_url": f"{running.url}/api/", "openai_api_key": None,
        }  # fmt: skip
        children = {
            kind: subprocess.Popen(
                python("ack_servers", kind, json.dumps(settings)), cwd=REPO, stdout=subprocess.PIPE, text=True
            )
            for kind in ("bare", "tend")
        }
        yield {kind: (child.stdout.readline().strip() if child.stdout else "") for kind, child in children.items()}
        for child in children.values():
            child.kill()
            child.wait()
    slack.close()


def load(url: str, events: int, senders: int) -> dict[str, Any]:
    done = subprocess.run(
        python("ack_load", url, str(events), str(senders)), cwd=REPO, capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout)


def test_acknowledging_holds_up_against_a_bare_bolt_app_while_slow_questions_run(urls: dict[str, str]) -> None:
    for url in urls.values():
        load(url, 100, 10)  # warm up
    load(urls["tend"], SLOW, SLOW)  # these occupy workers for longer than the rest takes
    rounds = [{kind: load(url, EVENTS, SENDERS) for kind, url in urls.items()} for _ in range(ROUNDS)]
    ratio = statistics.median(r["tend"]["per_second"] / r["bare"]["per_second"] for r in rounds)
    p99 = statistics.median(r["tend"]["p99_ms"] for r in rounds)
    for kind in urls:
        figures = {name: statistics.median(r[kind][name] for r in rounds) for name in rounds[0][kind]}
        print(f"\n{kind}: " + ", ".join(f"{name} {value:.1f}" for name, value in figures.items()), end="")
    print(f"\nratio of throughput, Tend to bare Bolt: {ratio:.2f} ({SENDERS} senders, {SLOW} slow questions running)")
    assert ratio >= 0.5
    assert p99 < 200
    assert SLOW_SECONDS > 20
