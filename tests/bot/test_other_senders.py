"""Messages by webhook and Slack: signed, once per key, and every answer is understood."""

import json
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from pydantic import ValidationError
from slack_sdk import WebClient

from bot.delivery import DeliveryWorker, hand_over
from bot.local.run import Running
from bot.local.server import LocalWorkspace, Person
from bot.senders import SendError
from bot.senders.pace import Pace
from bot.senders.setup import channels_of, senders_of
from bot.senders.slack import SlackSender
from bot.senders.webhook import WebhookSender
from bot.settings import Settings, SettingsError
from bot.signatures import SIGNATURE, TIMESTAMP, SignatureError, check_signature, signed_headers
from tools.context import Context
from tools.outbox import Parcel

SECRET = "a secret that both know"
SMS = Parcel(1, "draft-1-abc", "sms", "+49 30 1234", "Ann Lee", "dana@team.example", "Dana", "Hi", "Thursday, ten?")
DIRECT = Parcel(1, "draft-1-abc", "slack", "U0ANN", "Ann", "dana@team.example", "Dana", "Hi", "See <#C1> & *this*")


class Service:
    """Stands for the team's own service: keeps requests, answers as told."""

    def __init__(self) -> None:
        self.requests: list[tuple[dict[str, str], bytes]] = []
        self.answer: tuple[int, dict[str, str]] = (202, {})
        self.cut = False
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                service.requests.append((dict(self.headers), body))
                if service.cut:
                    self.connection.close()
                    return
                status, more = service.answer
                self.send_response(status)
                for name, value in {"Content-Length": "0", **more}.items():
                    self.send_header(name, value)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                return

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}/messages"


@pytest.fixture
def service() -> Iterator[Service]:
    made = Service()
    yield made
    made.server.shutdown()
    made.server.server_close()


def test_a_message_is_posted_with_a_signature_over_time_and_body(ctx: Context, service: Service) -> None:
    assert WebhookSender(service.url, SECRET).send(SMS, ctx) == "draft-1-abc"
    ((head, body),) = service.requests
    check_signature(SECRET.encode(), head[TIMESTAMP], head[SIGNATURE], body, time.time())
    assert head["Idempotency-Key"] == "draft-1-abc"
    assert json.loads(body) == {
        "id": "draft-1-abc", "workspace": "main", "channel": "sms", "class": "service", "subject": "Hi",
        "to": {"name": "Ann Lee", "address": "+49 30 1234"}, "from": {"name": "Dana", "address": "dana@team.example"},
        "text": "Thursday, ten?",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("status", "head", "permanent", "wait"),
    [
        (400, {}, True, 0), (401, {}, True, 0), (404, {}, True, 0), (410, {}, True, 0),
        (302, {"Location": "http://127.0.0.1:1/"}, True, 0),
        (408, {}, False, 0), (425, {}, False, 0), (429, {"Retry-After": "90"}, False, 90),
        (500, {}, False, 0), (503, {"Retry-After": "soon"}, False, 0), (503, {"Retry-After": "999999"}, False, 3600),
        (503, {"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}, False, 0),
    ],
)  # fmt: skip
def test_every_answer_is_understood(
    ctx: Context, service: Service, status: int, head: dict[str, str], permanent: bool, wait: int
) -> None:
    service.answer = (status, head)
    with pytest.raises(SendError, match=str(status)) as failed:
        WebhookSender(service.url, SECRET).send(SMS, ctx)
    assert (failed.value.permanent, failed.value.unclear) == (permanent, False)
    assert failed.value.wait == timedelta(seconds=wait)
    assert len(service.requests) == 1


def test_a_connection_that_breaks_is_tried_again_because_the_key_is_the_same(ctx: Context, service: Service) -> None:
    service.cut = True
    sender = WebhookSender(service.url, SECRET)
    with pytest.raises(SendError) as failed:
        sender.send(SMS, ctx)
    assert (failed.value.permanent, failed.value.unclear) == (False, False)
    service.cut = False
    sender.send(SMS, ctx)
    assert {head["Idempotency-Key"] for head, _ in service.requests} == {"draft-1-abc"}


@pytest.mark.parametrize("url", ["http://service.example/x", "ftp://127.0.0.1/x", "https:///x", "service.example"])
def test_an_address_that_is_not_encrypted_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="must begin with https"):
        WebhookSender(url, SECRET)


def test_a_signature_is_for_its_time_its_body_and_its_secret() -> None:
    now, body = 1_800_000_000.0, b"{}"
    head = signed_headers(b"k", body, now)
    stamp, signature = head[TIMESTAMP], head[SIGNATURE]
    check_signature(b"k", stamp, signature, body, now + 299)
    for case in (
        (b"x", stamp, signature, body, now), (b"k", stamp, signature, b"{ }", now),
        (b"k", str(int(now) + 1), signature, body, now), (b"k", stamp, "é", body, now),
        (b"k", stamp, signature, body, now + 301), (b"k", stamp, signature, body, now - 301),
        (b"k", "soon", signature, body, now), (b"k", "", "", body, now), (b"k", "²", signature, body, now),
    ):  # fmt: skip
        with pytest.raises(SignatureError):
            check_signature(*case)


# ── Slack ──


@pytest.fixture
def slack() -> Iterator[LocalWorkspace]:
    people = [Person("U0ANN", "ann", "Ann", "ann@x.example")]
    made = LocalWorkspace(request_url="http://127.0.0.1:9/", signing_secret="s" * 16, people=people, channels=[])
    yield made
    made.close()


def test_a_slack_message_reaches_its_user_as_it_was_approved(ctx: Context, slack: LocalWorkspace) -> None:
    with Running(slack.app) as running:
        client = WebClient(token="xoxb-local", base_url=f"{running.url}/api/")
        SlackSender(lambda _: client).send(DIRECT, ctx)
        (message,) = slack.messages(slack.open_dm("U0ANN"))
        assert message["text"] == "See &lt;#C1&gt; &amp; *this*"
        with pytest.raises(SendError, match=r"users?_not_found") as failed:
            SlackSender(lambda _: client).send(Parcel(**{**vars(DIRECT), "recipient": "U0NOBODY"}), ctx)
        assert failed.value.permanent
    with pytest.raises(SendError, match="cannot be reached") as away:
        SlackSender(lambda _: client).send(DIRECT, ctx)
    assert (away.value.permanent, away.value.unclear) == (False, False)


# ── what is set up ──


def test_what_is_not_set_up_says_which_setting_is_missing(ctx: Context) -> None:
    with pytest.raises(SendError, match=r"by sms \(WEBHOOK_URL\)"):
        hand_over({}, SMS, ctx)


def test_senders_follow_from_the_settings() -> None:
    def settings(**given: Any) -> Settings:
        return Settings(_env_file=None, **given)

    assert channels_of(settings()) == {"email"}
    both = settings(webhook_url="https://x.example", webhook_secret="s", customer_slack=True)
    assert set(senders_of(both, lambda _: WebClient())) == {"sms", "in_app", "webhook", "slack"}
    assert channels_of(both) == {"email", "sms", "in_app", "webhook", "slack"}
    with pytest.raises(SettingsError, match="WEBHOOK_SECRET is not set"):
        senders_of(settings(webhook_url="https://x.example"), lambda _: WebClient())
    with pytest.raises(SettingsError, match="DKIM_KEY cannot be used"):
        senders_of(settings(smtp_url="smtp://x.example", dkim_key="/nowhere.pem"), lambda _: WebClient())
    with pytest.raises(ValidationError):
        settings(send_rate={"email": 0})


# ── pace ──


def test_a_channel_rests_between_its_messages_and_the_others_do_not() -> None:
    now = [100.0]
    pace = Pace({"slack": 2.0}, lambda: now[0])
    assert (pace.held(), pace.wait()) == (frozenset(), 0.0)
    pace.count("email")
    pace.count("slack")
    assert (pace.held(), pace.wait()) == ({"slack"}, 0.5)
    now[0] += 0.5
    assert (pace.held(), pace.wait()) == (frozenset(), 0.0)


def test_the_worker_keeps_the_pace_and_still_empties_the_outbox(ctx: Context) -> None:
    from tools import approvals
    from tools.drafts import draft_outreach

    class Noting:
        def __init__(self) -> None:
            self.at: list[float] = []

        def send(self, parcel: Parcel, ctx: Context) -> None:
            self.at.append(time.monotonic())

        def rest(self) -> None:
            return

    for name in ("Acme Group", "Juniper Farms", "Elm Street Bakery"):
        card = draft_outreach(ctx, name, "check_in")
        approvals.approve(ctx, card.id, card.content_hash)
    noting = Noting()
    DeliveryWorker(lambda: [ctx], {"email": noting}, lambda *_: None, Pace({"email": 5.0})).run()
    gaps = [later - sooner for sooner, later in zip(noting.at, noting.at[1:], strict=False)]
    assert len(gaps) == 2
    assert min(gaps) >= 0.15
