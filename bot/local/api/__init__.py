"""The Web API: who calls, what is known, faults on request, and a record of every call."""

import json
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from ..errors import SlackError
from ..state import State
from . import agents, chat, conversations, files, streams, views
from .method import Arguments, Method

_JSON_ARGUMENTS = frozenset(
    ["blocks", "attachments", "metadata", "view", "files", "prompts", "chunks", "loading_messages"]
)
_SCOPES = "app_mentions:read,chat:write,commands,im:history,channels:history,users:read,files:write"


@dataclass(frozen=True)
class ApiCall:
    """One Web API call: what was asked, and ``error`` or the answer."""

    method: str
    arguments: dict[str, Any]
    response: dict[str, Any]
    ok: bool
    error: str | None = None
    at: float = 0.0


@dataclass(frozen=True)
class Answer:
    """What goes back over HTTP."""

    body: dict[str, Any]
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Fault:
    """A failure that the next calls of a method meet."""

    error: str
    times: int
    retry_after: int

    def answer(self) -> Answer:
        """Return the failure the way Slack would send it."""
        if self.error == "ratelimited":
            return too_many(self.retry_after)
        if self.error == "internal":
            return Answer({"ok": False, "error": "internal_error"}, 500)
        return Answer({"ok": False, "error": self.error})


def too_many(retry_after: int) -> Answer:
    """Return HTTP 429."""
    return Answer({"ok": False, "error": "ratelimited"}, 429, {"Retry-After": str(retry_after)})


class WebApi:
    """Answers Web API calls; ``calls`` records them all."""

    def __init__(self, state: State, open_socket: Callable[[], str], strict_rates: bool) -> None:
        self.calls: list[ApiCall] = []
        self._state, self._strict = state, strict_rates
        self._faults: dict[str, list[Fault]] = defaultdict(list)
        self._recent: dict[str, deque[float]] = defaultdict(deque)
        self._lock = threading.Lock()
        connect = Method(lambda _state, _arguments: {"url": open_socket()}, app_token=True)
        self._methods: dict[str, Method] = {"apps.connections.open": connect}
        for module in (agents, chat, conversations, files, streams, views):
            self._methods |= module.METHODS

    def fail_next(self, method: str, error: str, times: int, retry_after: int) -> None:
        """Make the next calls of a method fail."""
        with self._lock:
            self._faults[method].append(Fault(error, times, retry_after))

    def call(self, name: str, headers: Mapping[str, str], body: bytes, query: str = "") -> Answer:
        """Answer one HTTP request to a method."""
        arguments: Arguments = {}
        try:
            arguments = decoded(headers.get("content-type", ""), body, query)
            answer = self._fault(name) or self._answer(name, headers, arguments)
        except SlackError as refused:
            answer = Answer(_refusal(refused))
        self._record(name, arguments, answer)
        return answer

    def _fault(self, name: str) -> Answer | None:
        with self._lock:
            waiting = self._faults[name]
            if not waiting:
                return None
            fault = waiting[0]
            fault.times -= 1
            if fault.times <= 0:
                waiting.pop(0)
        return fault.answer()

    def _answer(self, name: str, headers: Mapping[str, str], arguments: Arguments) -> Answer:
        method = self._methods.get(name)
        if method is None:
            raise SlackError("unknown_method")
        if name != "api.test":
            self._authenticate(method, headers, arguments)
        method.check(arguments)
        wait = self._wait(name, method, arguments) if self._strict else 0
        if wait:
            return too_many(wait)
        return Answer({"ok": True} | method.handler(self._state, arguments), headers={"x-oauth-scopes": _SCOPES})

    def _authenticate(self, method: Method, headers: Mapping[str, str], arguments: Arguments) -> None:
        kind, _, given = headers.get("authorization", "").partition(" ")
        token = given if kind == "Bearer" and given else arguments.get("token")
        if not token:
            raise SlackError("not_authed")
        identity = self._state.identity
        known = {identity.bot_token, identity.app_token}
        if token not in known:
            raise SlackError("invalid_auth")
        if token != (identity.app_token if method.app_token else identity.bot_token):
            raise SlackError("not_allowed_token_type")

    def _wait(self, name: str, method: Method, arguments: Arguments) -> int:
        """Return how many seconds the caller must wait, 0 if it may go on."""
        posting = name == "chat.postMessage"
        # Slack allows short bursts above one message per second and channel.
        most, window = (4, 4.0) if posting else (method.per_minute, 60.0)
        now = time.monotonic()
        with self._lock:
            recent = self._recent[f"{name}:{arguments.get('channel') if posting else ''}"]
            while recent and now - recent[0] > window:
                recent.popleft()
            if len(recent) >= most:
                return max(1, round(window - (now - recent[0])))
            recent.append(now)
        return 0

    def _record(self, name: str, arguments: Arguments, answer: Answer) -> None:
        shown = {key: value for key, value in arguments.items() if key != "token"}
        ok = bool(answer.body.get("ok"))
        self.calls.append(ApiCall(name, shown, answer.body, ok, answer.body.get("error"), time.time()))


def decoded(content_type: str, body: bytes, query: str = "") -> Arguments:
    """Return the arguments of a JSON or form-encoded request."""
    if content_type.startswith("application/json"):
        found = _json(body.decode() or "{}", "invalid_json")
        if not isinstance(found, dict):
            raise SlackError("json_not_object")
        return {name: value for name, value in found.items() if value is not None}
    pairs = parse_qsl(query, keep_blank_values=True) + parse_qsl(body.decode(), keep_blank_values=True)
    return {name: _field(name, value) for name, value in pairs}


def _field(name: str, value: str) -> Any:
    if name not in _JSON_ARGUMENTS or not value:
        return value
    return _json(value, "invalid_blocks_format" if name == "blocks" else "invalid_arguments")


def _json(text: str, error: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        raise SlackError(error) from None


def _refusal(refused: SlackError) -> dict[str, Any]:
    body: dict[str, Any] = {"ok": False, "error": refused.code}
    if refused.messages:
        body["response_metadata"] = {"messages": refused.messages}
    return body
