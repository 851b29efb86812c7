"""Delivery to the app: signed requests or Socket Mode envelopes, retries, order kept per person."""

import hashlib
import hmac
import json
import logging
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Literal, TypeVar
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode
from urllib.request import ProxyHandler, Request, build_opener

from .socketmode import Sockets

Signature = Literal["good", "bad", "stale", "none"]
T = TypeVar("T")

ACK_SECONDS = 3.0
NO_ANSWER = 504
UNREACHABLE = 502
_log = logging.getLogger(__name__)
_direct = build_opener(ProxyHandler({}))


@dataclass(frozen=True)
class Envelope:
    """Something for the app: an event, an interaction or a slash command."""

    kind: Literal["events_api", "interactive", "slash_commands"]
    payload: dict[str, Any]

    def encoded(self) -> tuple[str, bytes]:
        """Return content type and body of the HTTP request."""
        if self.kind == "events_api":
            return "application/json", json.dumps(self.payload).encode()
        fields = self.payload if self.kind == "slash_commands" else {"payload": json.dumps(self.payload)}
        return "application/x-www-form-urlencoded", urlencode(fields).encode()


@dataclass(frozen=True)
class Retry:
    """Which further attempt this is, and why."""

    number: int
    reason: str

    def headers(self) -> dict[str, str]:
        """Return Slack's retry headers."""
        return {"x-slack-retry-num": str(self.number), "x-slack-retry-reason": self.reason}


@dataclass(frozen=True)
class Reply:
    """The app's answer; 504 for none in time, 502 for nobody there."""

    status: int
    body: dict[str, Any]

    @property
    def ok(self) -> bool:
        """Say whether the app acknowledged."""
        return 200 <= self.status < 300

    @property
    def reason(self) -> str:
        """Return Slack's word for why an event is retried."""
        known = {NO_ANSWER: "http_timeout", UNREACHABLE: "connection_failed"}
        return known.get(self.status, "http_error")


class Delivery:
    """Brings envelopes to the app."""

    def __init__(self, request_url: str, signing_secret: str, sockets: Sockets, retry_delays: Sequence[float]) -> None:
        self._url, self._secret, self._sockets = request_url, signing_secret, sockets
        self._delays = tuple(retry_delays)
        self._lanes: dict[str, ThreadPoolExecutor] = {}
        self._timers: set[threading.Timer] = set()
        self._lock = threading.Lock()
        self._closed = False

    def in_order(self, person: str, work: Callable[[], T]) -> "Future[T]":
        """Run ``work`` in the background, after all earlier work of the same person."""
        with self._lock:
            lane = self._lanes.get(person)
            if lane is None:
                lane = self._lanes[person] = ThreadPoolExecutor(1, f"deliver-{person}")
        return lane.submit(work)

    def with_retries(self, envelope: Envelope) -> Reply:
        """Deliver an event; when that fails, try again later with the same event id."""
        return self._attempt(envelope, 0, "")

    def _attempt(self, envelope: Envelope, number: int, reason: str) -> Reply:
        reply = self.send(envelope, Retry(number, reason) if number else None)
        if not reply.ok and number < len(self._delays):
            self._later(self._delays[number], envelope, number + 1, reply.reason)
        return reply

    def _later(self, delay: float, envelope: Envelope, number: int, reason: str) -> None:
        timer = threading.Timer(delay, self._attempt, (envelope, number, reason))
        timer.daemon = True
        with self._lock:
            if self._closed:
                return
            self._timers = {known for known in self._timers if known.is_alive()} | {timer}
            timer.start()

    def send(
        self,
        envelope: Envelope,
        retry: Retry | None = None,
        signature: Signature = "good",
    ) -> Reply:
        """Deliver once, over Socket Mode when a client is connected."""
        if self._sockets.connected and signature == "good":
            return self._by_socket(envelope, retry)
        return self._by_http(envelope, retry, signature)

    def _by_socket(self, envelope: Envelope, retry: Retry | None) -> Reply:
        more = {"retry_attempt": retry.number, "retry_reason": retry.reason} if retry else {}
        try:
            return Reply(200, self._sockets.send(envelope.kind, envelope.payload, more, ACK_SECONDS))
        except TimeoutError:
            return Reply(NO_ANSWER, {})

    def _by_http(self, envelope: Envelope, retry: Retry | None, signature: Signature) -> Reply:
        content_type, body = envelope.encoded()
        headers = {"content-type": content_type} | signed(self._secret, body, signature)
        request = Request(self._url, body, headers | (retry.headers() if retry else {}), method="POST")
        try:
            with _direct.open(request, timeout=ACK_SECONDS) as response:
                return Reply(response.status, parsed(response.read()))
        except HTTPError as refused:
            return Reply(refused.code, parsed(refused.read()))
        except TimeoutError:
            return Reply(NO_ANSWER, {})
        except (URLError, OSError) as failed:
            late = isinstance(getattr(failed, "reason", None), TimeoutError)
            _log.warning("the app's request URL did not answer: %s", failed)
            return Reply(NO_ANSWER if late else UNREACHABLE, {})

    def close(self) -> None:
        """Stop retrying and let running deliveries end."""
        with self._lock:
            self._closed = True
            timers, lanes = list(self._timers), list(self._lanes.values())
        for timer in timers:
            timer.cancel()
        for lane in lanes:
            lane.shutdown(wait=False, cancel_futures=True)


def signed(secret: str, body: bytes, signature: Signature) -> dict[str, str]:
    """Return Slack's signature headers, or deliberately wrong ones for tests."""
    if signature == "none":
        return {}
    # The signature carries real time, not the workspace's clock: the app checks it against its own.
    moment = str(int(time.time()) - (3600 if signature == "stale" else 0))
    key = secret if signature != "bad" else secret + "?"
    digest = hmac.new(key.encode(), b"v0:" + moment.encode() + b":" + body, hashlib.sha256).hexdigest()
    return {"x-slack-request-timestamp": moment, "x-slack-signature": f"v0={digest}"}


def parsed(body: bytes) -> dict[str, Any]:
    """Read the app's answer: JSON, or plain text as a message's text."""
    text = body.decode(errors="replace").strip()
    try:
        found = json.loads(text or "{}")
    except ValueError:
        return {"text": text}
    return found if isinstance(found, dict) else {"text": text}
