"""How fast approved messages leave, beside a bare smtplib loop, and how fast approvals are answered meanwhile."""

import hashlib
import hmac
import http.client
import json
import shutil
import smtplib
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
from sqlmodel import func, select

from bot.local.run import Running
from bot.local.server import Channel, LocalWorkspace, Person
from bot.senders.email import EmailSender
from storage.database import Database
from storage.models import Draft, DraftState
from storage.usage import UsageStore
from tests.benchmarks.approved import fill
from tests.tools.portfolio import OPEN_RULES, context
from tools.outbox import Parcel

REPO = Path(__file__).parents[2]
MESSAGES, CLICKS, CLICK_GAP = 10_000, 40, 0.4  # gap in seconds: two people who decide all the time
SECRET, TEAM, FROM = "s" * 16, "T0LOCAL", "success@team.example"


def child(module: str, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", f"tests.benchmarks.{module}", *arguments]
    return subprocess.Popen(command, cwd=REPO, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


@pytest.fixture
def mail_server() -> Iterator[Any]:
    running = child("mail_server")
    yield running
    running.kill()
    running.wait()


@pytest.fixture
def database(migrated_file: Path, tmp_path: Path) -> Iterator[Database]:
    shutil.copy(OPEN_RULES, tmp_path / "governance.toml")
    opened = Database(f"sqlite:///{shutil.copy(migrated_file, tmp_path / 'tend.db')}")
    fill(opened, TEAM, MESSAGES, CLICKS)
    yield opened
    opened.engine.dispose()


@pytest.fixture
def tend(database: Database, mail_server: Any, tmp_path: Path) -> Iterator[tuple[Any, str, int]]:
    """Tend in a process of its own, its address, and the mail server's port."""
    slack = LocalWorkspace(
        request_url="http://127.0.0.1:9/", signing_secret=SECRET, team_id=TEAM,
        people=[Person("U0001", "dana", "Dana Reyes", "dana@team.example")],
        channels=[Channel("C0CUSTOMERS", "customer-success", ("U0001", "U0TEND"))],
    )  # fmt: skip
    port = int(mail_server.stdout.readline())
    with Running(slack.app) as running:
        settings = {
            "data_dir": str(tmp_path), "slack_bot_token": "xoxb-local", "slack_signing_secret": SECRET,
            "slack_mode": "http", "slack_api_url": f"{running.url}/api/", "openai_api_key": None,
            "smtp_url": f"smtp://127.0.0.1:{port}", "email_from": FROM,
        }  # fmt: skip
        started = child("draining_server", json.dumps(settings))
        yield started, started.stdout.readline().strip() if started.stdout else "", port
        started.kill()
        started.wait()
    slack.close()


def mails(database: Database, tmp_path: Path) -> list[tuple[str, bytes]]:
    """The same mails as Tend writes."""
    ctx = context(database, UsageStore(str(tmp_path / "usage")))
    sender = EmailSender("smtp://127.0.0.1:1", FROM)
    with ctx.session() as session:
        drafts = session.exec(select(Draft).where(Draft.state == DraftState.APPROVED)).all()
    parcels = [
        Parcel(d.id or 0, f"draft-{d.id}", "email", d.recipient, "Ann", d.sender, d.sender_name, d.subject, d.body)
        for d in drafts
    ]
    return [(parcel.recipient, sender.written(parcel, ctx)) for parcel in parcels]


def bare_loop(port: int, messages: list[tuple[str, bytes]]) -> float:
    """Messages a second of one connection with nothing else to do."""
    with smtplib.SMTP("127.0.0.1", port) as server:
        server.ehlo()
        started = time.perf_counter()
        for recipient, message in messages:
            server.sendmail(FROM, [recipient], message)
        return len(messages) / (time.perf_counter() - started)


def counted(mail_server: Any, until: int) -> None:
    while int(mail_server.stdout.readline()) < until:
        pass


def click(connection: http.client.HTTPConnection, draft: int, exact: str) -> float:
    """Approve a draft as Slack tells it. Returns the seconds until it was answered."""
    stamp = f"{time.time():.6f}"
    payload = {
        "type": "block_actions", "api_app_id": "A0TEND", "token": "t", "trigger_id": stamp,
        "team": {"id": TEAM, "domain": "local"}, "user": {"id": "U0001", "team_id": TEAM, "username": "dana"},
        "channel": {"id": "C0CUSTOMERS", "name": "customer-success"},
        "container": {"type": "message", "message_ts": stamp, "channel_id": "C0CUSTOMERS"}, "message": {"ts": stamp},
        "actions": [
            {"type": "button", "action_id": "approve_draft", "block_id": "b", "action_ts": stamp,
             "value": json.dumps({"draft": draft, "hash": exact})}
        ],
    }  # fmt: skip
    body, when = f"payload={quote(json.dumps(payload))}", str(int(time.time()))
    signature = hmac.new(SECRET.encode(), f"v0:{when}:{body}".encode(), hashlib.sha256).hexdigest()
    headers = {
        "Content-Type": "application/x-www-form-urlencoded", "X-Slack-Request-Timestamp": when,
        "X-Slack-Signature": f"v0={signature}",
    }  # fmt: skip
    started = time.perf_counter()
    connection.request("POST", "/slack/events", body, headers)
    answer = connection.getresponse()
    answer.read()
    assert answer.status == 200
    return time.perf_counter() - started


def test_ten_thousand_messages_leave_at_half_the_rate_of_a_bare_loop_and_clicks_are_answered(
    database: Database, mail_server: Any, tend: tuple[Any, str, int], tmp_path: Path
) -> None:
    process, url, port = tend
    bare = bare_loop(port, mails(database, tmp_path))
    counted(mail_server, MESSAGES)
    with database.session("main") as session:
        waiting = session.exec(select(Draft.id, Draft.content_hash).where(Draft.state == DraftState.DRAFTED)).all()
    place = urlsplit(url)
    connection = http.client.HTTPConnection(place.hostname or "", place.port or 0)
    click(connection, *waiting[0])  # the first one finds nothing warm
    started = time.perf_counter()
    process.stdin.write("go\n")
    process.stdin.flush()
    took = []
    for draft, exact in waiting[1:]:
        took.append(click(connection, draft or 0, exact))
        time.sleep(CLICK_GAP)
    counted(mail_server, 2 * MESSAGES)
    rate = MESSAGES / (time.perf_counter() - started)
    took.sort()
    p95 = took[int(len(took) * 0.95)] * 1000
    print(f"\nbare smtplib loop: {bare:.0f} messages a second; Tend: {rate:.0f}, ratio {rate / bare:.2f}")
    print(f"{len(took)} approvals while it drained: median {took[len(took) // 2] * 1000:.0f} ms, 95 % {p95:.0f} ms")
    time.sleep(2)
    with database.session("main") as session:
        states = dict(session.exec(select(Draft.state, func.count()).group_by(Draft.state)).all())
    assert states == {DraftState.SENT: MESSAGES + CLICKS}
    assert rate >= bare / 2
    assert p95 < 300
