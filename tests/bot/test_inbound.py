"""Replies and bounces come in by the signed webhook and by the mailbox, each once, and the owner is told."""

import json
import shutil
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from pydantic import SecretStr
from sqlmodel import select

from bot import jobs
from bot.app import build
from bot.http import create_http
from bot.keys import signing_key
from bot.local.run import Running
from bot.local.server import LocalWorkspace, Person
from bot.mail_reading import read_mail
from bot.mailbox_job import five_minutes, read_mailbox
from bot.runtime import Tend
from bot.settings import Settings
from bot.signatures import signed_headers
from storage.models import Consent, Inbound, Outbox, Suppression, User
from tests.bot.imap_server import ImapServer
from tests.tools.portfolio import NOW, OPEN_RULES
from tools import approvals, outbox
from tools.context import Context
from tools.drafts import draft_outreach
from tools.unsubscribing import make_token

SECRET, CY, OURS = "a secret", "cy@customer.example", "<draft-1@team.example>"


@pytest.fixture
def imap() -> Iterator[ImapServer]:
    made = ImapServer()
    yield made
    made.stop()


@pytest.fixture
def slack() -> Iterator[tuple[LocalWorkspace, str]]:
    people = [Person("U0DANA", "dana", "Dana Reyes", "dana@team.example")]
    made = LocalWorkspace(request_url="http://127.0.0.1:9/", signing_secret="s" * 16, people=people, channels=[])
    with Running(made.app) as running:
        yield made, f"{running.url}/api/"
    made.close()


@pytest.fixture
def tend(filled: Path, tmp_path: Path, imap: ImapServer, slack: tuple[LocalWorkspace, str]) -> Iterator[Tend]:
    folder = shutil.copytree(filled, tmp_path / "data")
    shutil.copy(OPEN_RULES, folder / "governance.toml")
    settings = Settings(
        _env_file=None, data_dir=folder, slack_bot_token="xoxb-local", slack_signing_secret="s" * 16, slack_mode="http",
        slack_api_url=slack[1], openai_api_key=None, webhook_secret=SECRET, imap_url=imap.url,
    )  # fmt: skip
    made = build(settings, clock=lambda: NOW, senders={})
    with made.database.session("main") as session:
        session.exec(select(User).where(User.email == "dana@team.example")).one().slack_id = "U0DANA"
        session.commit()
    made.queue.start()
    yield made
    made.queue.stop()
    made.database.engine.dispose()


@pytest.fixture
def sent(tend: Tend) -> Context:
    """A mail to Cy has left."""
    ctx = tend.context()
    with ctx.session() as session:
        dana = session.exec(select(User).where(User.email == "dana@team.example")).one()
    from tools.context import Actor

    acting = ctx.acting(Actor.of(dana))
    card = draft_outreach(acting, "Acme Group", "check_in")
    approvals.approve(acting, card.id, card.content_hash)
    assert outbox.claim_next(ctx) is not None
    outbox.mark_sent(ctx, card.id, 1, OURS)
    return ctx


def mail(name: str, sender: str = CY, body: str = "Thursday suits me.\n\n> Hello Cy,\n> would", **more: str) -> bytes:
    head = {
        "From": f"Cy Diaz <{sender}>", "To": "success@team.example", "Subject": "Re: Hi",
        "Message-ID": f"<{name}@customer.example>", "In-Reply-To": OURS, **more,
    }  # fmt: skip
    return "\r\n".join([*(f"{key}: {value}" for key, value in head.items()), "", *body.split("\n"), ""]).encode()


BOUNCE = f"""From: MAILER-DAEMON@mx.customer.example
To: success@team.example
Subject: Undelivered Mail
Message-ID: <b1@mx.customer.example>
Auto-Submitted: auto-replied
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="B"

--B
Content-Type: text/plain

It did not work.
--B
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.customer.example

Final-Recipient: rfc822; {CY}
Action: failed
Status: 5.1.1
Diagnostic-Code: smtp; 550 5.1.1 no such user

--B
Content-Type: message/rfc822

From: success@team.example
To: {CY}
Message-ID: {OURS}
Subject: Hi

Hello
--B--
""".replace("\n", "\r\n").encode()

COMPLAINT = f"""From: fbl@provider.example
To: success@team.example
Message-ID: <c1@provider.example>
MIME-Version: 1.0
Content-Type: multipart/report; report-type=feedback-report; boundary="B"

--B
Content-Type: message/feedback-report

Feedback-Type: abuse
Version: 1
Original-Rcpt-To: {CY}

--B
Content-Type: text/rfc822-headers

From: success@team.example
Message-ID: {OURS}

--B--
""".replace("\n", "\r\n").encode()


# ── what mails say ──


def test_a_reply_is_read_without_what_it_answers() -> None:
    report = read_mail(mail("r1")).report
    assert report is not None
    assert (report.kind, report.key, report.address) == ("reply", "<r1@customer.example>", CY)
    assert (report.detail, report.about) == ("Thursday suits me.", (OURS,))


@pytest.mark.parametrize(
    ("status", "action", "hard"),
    [("5.1.1", "failed", True), ("5.2.2", "failed", False), ("4.4.1", "delayed", False), ("4.4.1", "failed", False)],
)
def test_a_bounce_says_whether_it_is_for_good(status: str, action: str, hard: bool) -> None:
    raw = BOUNCE.replace(b"Status: 5.1.1", f"Status: {status}".encode()).replace(b"failed", action.encode())
    report = read_mail(raw).report
    assert report is not None
    assert (report.kind, report.address, report.hard, report.about) == ("bounce", CY, hard, (OURS,))
    assert report.detail == f"{status} 550 5.1.1 no such user"


def test_a_complaint_names_address_and_mail() -> None:
    report = read_mail(COMPLAINT).report
    assert report is not None
    assert (report.kind, report.address, report.detail, report.about) == ("complaint", CY, "abuse", (OURS,))


@pytest.mark.parametrize(
    "raw",
    [
        BOUNCE.replace(b"failed", b"delivered"), mail("x", **{"Auto-Submitted": "auto-replied"}),
        mail("x", Precedence="bulk"), b"", b"\xff\xfe\x00", b"Subject: no id\r\n\r\nhello", mail("x", sender=""),
    ],
    ids=["delivered", "absence", "list", "empty", "bytes", "no id", "no sender"],
)  # fmt: skip
def test_what_a_machine_wrote_is_no_reply(raw: bytes) -> None:
    assert read_mail(raw).report is None


# ── the mailbox ──


def test_the_mailbox_is_read_from_where_the_last_reading_ended(tend: Tend, sent: Context, imap: ImapServer) -> None:
    job = jobs.Job("mailbox", five_minutes, read_mailbox)
    imap.mails = {3: mail("r1"), 7: b"\xff\x00 nonsense"}
    ran = [jobs._run(tend, sent, job.name, period, job.function) for period in ("1", "1", "2")]
    assert ran == [True, False, True]
    fetched = [command for command in imap.commands if "FETCH" in command]
    assert len(fetched) == 2
    assert all("PEEK" in command for command in fetched)
    imap.mails[9] = BOUNCE
    assert jobs._run(tend, sent, job.name, "3", job.function)
    with sent.session() as session:
        assert [row.kind for row in session.exec(select(Inbound).order_by(Inbound.id))] == ["reply", "bounce"]
        assert session.exec(select(Suppression.address)).one() == CY


def test_a_mailbox_that_is_numbered_anew_is_read_again_and_nothing_counts_twice(
    tend: Tend, sent: Context, imap: ImapServer
) -> None:
    imap.mails = {3: mail("r1")}
    for period, validity in (("1", 1), ("2", 2)):
        imap.validity = validity
        assert jobs._run(tend, sent, "mailbox", period, read_mailbox)
    with sent.session() as session:
        assert len(session.exec(select(Inbound)).all()) == 1


def test_a_mail_to_unsubscribe_is_obeyed_when_its_token_is_ours(tend: Tend, sent: Context, imap: ImapServer) -> None:
    token = make_token(signing_key(tend.settings), "main", 3, "marketing")
    imap.mails = {1: mail("u1", Subject=f"unsubscribe {token}"), 2: mail("u2", Subject="unsubscribe forged.token")}
    assert read_mailbox(tend, sent)["taken"] == 1
    with sent.session() as session:
        row = session.exec(select(Consent)).one()
    assert (row.contact_id, row.message_class, row.granted) == (3, "marketing", False)


def test_the_mailbox_is_only_looked_at_where_there_is_one(tend: Tend) -> None:
    assert five_minutes(tend.context()) == "2026-05-04T09:00"
    job = next(job for job in jobs.JOBS if job.name == "mailbox")
    without = replace(tend, settings=tend.settings.model_copy(update={"imap_url": None}))
    with_one = replace(tend, settings=tend.settings.model_copy(update={"imap_url": SecretStr("imaps://a:b@c")}))
    assert (job.wanted(without), job.wanted(with_one)) == (False, True)


# ── the webhook ──


def post(tend: Tend, told: Any, **changed: Any) -> Any:
    body = changed.get("body", json.dumps(told).encode())
    head = signed_headers(changed.get("secret", SECRET).encode(), body, time.time() + changed.get("late", 0))
    return TestClient(create_http(tend)).post("/webhooks/inbound", content=changed.get("sent", body), headers=head)


def test_a_signed_report_counts_once_and_the_owner_is_told_once(
    tend: Tend, sent: Context, slack: tuple[LocalWorkspace, str]
) -> None:
    with sent.session() as session:
        key = session.exec(select(Outbox.idempotency_key)).one()
    told = {"key": "ev-1", "kind": "reply", "address": CY, "detail": "Yes <!channel>", "message": key}
    answers = [post(tend, told).json() for _ in range(3)]
    assert [answer["new"] for answer in answers] == [True, False, False]
    channel = slack[0].open_dm("U0DANA")
    deadline = time.monotonic() + 10
    while not slack[0].messages(channel):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    time.sleep(0.3)
    (message,) = slack[0].messages(channel)
    assert message["text"].startswith("Cy Diaz at Acme Group replied to")


@pytest.mark.parametrize(
    ("changed", "status"),
    [
        ({"secret": "other"}, 401), ({"late": -301}, 401), ({"late": 301}, 401), ({"sent": b"{}"}, 401),
        ({"body": b"no json"}, 400), ({"body": b'{"key": "k"}'}, 422), ({"body": b"x" * 200_000}, 413),
    ],
)  # fmt: skip
def test_a_report_that_is_not_signed_or_not_sound_changes_nothing(
    tend: Tend, sent: Context, changed: dict[str, Any], status: int
) -> None:
    assert post(tend, {"key": "k", "kind": "reply", "address": CY}, **changed).status_code == status
    with sent.session() as session:
        assert session.exec(select(Inbound)).all() == []


def test_a_report_of_an_unknown_kind_or_workspace_says_so(tend: Tend) -> None:
    told = {"key": "k", "kind": "reply", "address": CY}
    assert "kind" in post(tend, told | {"kind": "wave"}).json()["error"]
    assert "no workspace" in post(tend, told | {"workspace": "other"}).json()["error"]
    assert "extra" in post(tend, told | {"more": 1}).json()["error"].lower()
