"""The workspace behind the page: Slack to the app, and a tool to tests."""

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from fastapi import FastAPI

from . import web
from .api import ApiCall, WebApi
from .clock import Clock
from .delivery import Delivery, Envelope, Retry, Signature
from .desk import Desk, find_element
from .errors import SlackError
from .mailbox import Mailbox
from .payloads import event_callback
from .people import Channel, Identity, Person
from .socketmode import Sockets
from .state import Lifetimes, Message, State, View
from .store import Store
from .values import entered


class Workspace:
    """A Slack-like workspace; serve ``app`` with ``bot.local.run.Running``."""

    state: State
    mailbox: Mailbox
    clock: Clock
    app: FastAPI
    slash_commands: tuple[tuple[str, str], ...]

    def __init__(
        self,
        *,
        request_url: str,
        signing_secret: str,
        bot_token: str = "xoxb-local",
        app_token: str = "xapp-local",
        people: Sequence[Person],
        channels: Sequence[Channel],
        team_id: str = "T0LOCAL",
        team_name: str = "Local workspace",
        bot_user_id: str = "U0TEND",
        bot_id: str = "B0TEND",
        app_id: str = "A0TEND",
        bot_name: str = "Tend",
        slash_commands: Sequence[tuple[str, str]] = (("/tend", "usage hint"),),
        state_file: Path | None = None,
        step_day: Callable[[int], str] | None = None,
        today: Callable[[], str] | None = None,
        now: Callable[[], float] = time.time,
        retry_delays: Sequence[float] = (0, 60, 300),
        strict_rates: bool = False,
        lifetimes: Lifetimes | None = None,
        groups: Mapping[str, Sequence[str]] = MappingProxyType({}),
    ) -> None:
        identity = Identity(
            team_id, team_name, bot_user_id, bot_id, app_id, bot_name, bot_token, app_token, signing_secret
        )
        self.slash_commands = tuple(slash_commands)
        self._store = Store(state_file)
        self.state = State(self._store, identity, people, channels, now, lifetimes or Lifetimes())
        self.state.groups = dict(groups)
        self.sockets = Sockets(app_id)
        self._delivery = Delivery(request_url, signing_secret, self.sockets, retry_delays)
        self._desk = Desk(self.state, self._delivery)
        self._api = WebApi(self.state, self._socket_url, strict_rates)
        self.mailbox = Mailbox(self._store, now, lambda: self.state.announce("mail"))
        self.clock = Clock(step_day, today, lambda: self.state.announce("clock"))
        self.app = web.build(self.state, self._api, self.sockets)
        self.state.served_at = lambda: getattr(self.app.state, "url", "")

    def _socket_url(self) -> str:
        return f"{self.state.base_url.replace('http', 'ws', 1)}/link/{self.sockets.new_ticket()}"

    def close(self) -> None:
        """Stop deliveries and the mailbox, and close the state file."""
        self._delivery.close()
        self.mailbox.stop()
        self._store.close()

    # -- what people do

    def say(self, user_id: str, channel_id: str, text: str, thread_ts: str | None = None) -> str:
        """Post a message as a person; its events are delivered in the background."""
        return self._desk.say(user_id, channel_id, text, thread_ts)

    def click(self, user_id: str, channel_id: str, ts: str, action_id: str, value: str | None = None) -> int:
        """Press a button of a message or ephemeral; 504 when the app did not answer in time, 502 at all."""
        return self._desk.act_on_message(user_id, channel_id, ts, action_id, value)

    def select(self, user_id: str, channel_id: str, ts: str, action_id: str, option_value: Any) -> int:
        """Choose in a select, picker or overflow menu of a message."""
        return self._desk.act_on_message(user_id, channel_id, ts, action_id, option_value)

    act = select

    def click_home(self, user_id: str, action_id: str, value: Any = None) -> int:
        """Use an element of a person's Home tab."""
        home = self.home(user_id)
        if home is None:
            raise SlackError("view_not_found")
        return self._desk.act_on_view(user_id, home, action_id, value, {})

    def click_modal(self, user_id: str, action_id: str, value: Any = None) -> int:
        """Use an element of a person's top modal."""
        view = self.modal(user_id)
        if view is None:
            raise SlackError("view_not_found")
        return self._desk.act_on_view(user_id, view, action_id, value, {})

    def act_in_view(
        self, user_id: str, view_id: str, action_id: str, value: Any, given: dict[str, dict[str, Any]]
    ) -> int:
        """Use an element of a view, with what else was entered in it so far."""
        view = next(
            (each for each in (self.modal(user_id), self.home(user_id)) if each and each["id"] == view_id),
            None,
        )
        if view is None:
            raise SlackError("view_not_found")
        typed = {
            block_id: {name: entered(find_element(view["blocks"], name, None)[1], each) for name, each in found.items()}
            for block_id, found in given.items()
        }
        return self._desk.act_on_view(user_id, view, action_id, value, typed)

    def submit(self, user_id: str, view_id: str, values: dict[str, dict[str, Any]]) -> dict[str, Any]:
        """Submit the top modal; return and apply the app's answer ({} closes it).

        Untouched elements keep their initial values. What Slack's own client refuses, such as a
        required field left empty, comes back as errors without reaching the app.
        """
        return self._desk.submit(user_id, view_id, values)

    def close_modal(self, user_id: str, everything: bool = False) -> None:
        """Close a person's top modal, or the whole stack."""
        self._desk.close(user_id, everything)

    def command(self, user_id: str, channel_id: str, command: str, text: str) -> dict[str, Any]:
        """Run a slash command and return the app's direct answer."""
        return self._desk.command(user_id, channel_id, command, text)

    def open_home(self, user_id: str) -> str:
        """Open the app's Home tab; return the id of the direct message."""
        return self._desk.open_home(user_id, "home")

    def open_dm(self, user_id: str) -> str:
        """Open the app's Messages tab; return the id of the direct message."""
        return self._desk.open_home(user_id, "messages")

    # -- what they see

    def messages(self, channel_id: str, thread_ts: str | None = None, viewer: str | None = None) -> list[Message]:
        """Return a conversation, replies and the viewer's ephemerals included, or one thread of it."""
        found = self.state.history(channel_id) + self.state.ephemerals(channel_id, viewer)
        if thread_ts:
            found = [each for each in found if thread_ts in (each["ts"], each.get("thread_ts"))]
        return sorted(found, key=lambda each: float(each["ts"]))

    def home(self, user_id: str) -> View | None:
        """Return what the app published on a person's Home tab."""
        found = self._store.get("home", user_id)
        return found["view"] if found else None

    def modal(self, user_id: str) -> View | None:
        """Return the top of a person's modal stack."""
        stack = self.state.short.modals.get(user_id, [])
        return stack[-1] if stack else None

    def wait_for(
        self,
        predicate: Callable[[Message], bool],
        channel_id: str,
        timeout: float = 10,
        viewer: str | None = None,
    ) -> Message:
        """Wait for a message (without ``viewer``, anybody's ephemerals too) that fits; raise TimeoutError."""
        deadline = time.monotonic() + timeout
        with self.state.changed:
            while True:
                for message in self._visible(channel_id, viewer):
                    if predicate(message):
                        return message
                left = deadline - time.monotonic()
                if left <= 0 or not self.state.changed.wait(left):
                    raise TimeoutError(f"no such message in {channel_id} within {timeout} s")

    def _visible(self, channel_id: str, viewer: str | None) -> list[Message]:
        viewers = [viewer] if viewer else list(self.state.people)
        whispered = [each for person in viewers for each in self.state.ephemerals(channel_id, person)]
        return self.state.history(channel_id) + whispered

    # -- for tests

    @property
    def calls(self) -> list[ApiCall]:
        """Return every Web API call so far."""
        return self._api.calls

    def fail_next(self, method: str, error: str = "ratelimited", times: int = 1, retry_after: int = 1) -> None:
        """Make a method fail: ``ratelimited`` is HTTP 429, ``internal`` HTTP 500, others are error codes."""
        self._api.fail_next(method, error, times, retry_after)

    def deliver_event(
        self,
        event: dict[str, Any],
        *,
        retry_num: int | None = None,
        event_id: str | None = None,
        signature: Signature = "good",
    ) -> int:
        """Deliver one event once and return the app's HTTP status."""
        envelope = Envelope("events_api", event_callback(self.state, event, event_id))
        retry = Retry(retry_num, "http_error") if retry_num is not None else None
        return self._delivery.send(envelope, retry, signature).status
