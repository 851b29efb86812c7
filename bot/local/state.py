"""What the workspace holds: messages, ephemerals, Home views, modals, short-lived tokens."""

import copy
import secrets
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from .errors import SlackError
from .people import Channel, Identity, Person, dm_id
from .store import Store

Message = dict[str, Any]
View = dict[str, Any]
Change = dict[str, Any]


@dataclass
class Lifetimes:
    """How long Slack's short-lived things live, in seconds."""

    trigger: float = 3.0
    response_url: float = 1800.0
    stream: float = 300.0


@dataclass
class ResponseUrl:
    """Where an interaction's answer may still be posted to, and how often."""

    channel_id: str
    user_id: str
    message_ts: str | None
    thread_ts: str | None
    made: float
    uses_left: int = 5


@dataclass
class Short:
    """Tokens and surfaces that do not survive a restart, as in Slack's clients."""

    ephemerals: dict[tuple[str, str], Message] = field(default_factory=dict)
    modals: dict[str, list[View]] = field(default_factory=dict)
    triggers: dict[str, tuple[str, float]] = field(default_factory=dict)
    used_triggers: set[str] = field(default_factory=set)
    response_urls: dict[str, ResponseUrl] = field(default_factory=dict)
    picks: dict[tuple[str, str], dict[str, dict[str, Any]]] = field(default_factory=dict)
    status: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    stream_ends: dict[tuple[str, str], float] = field(default_factory=dict)


class State:
    """The workspace's data, thread-safe; every change is announced to those who wait or listen."""

    def __init__(
        self,
        store: Store,
        identity: Identity,
        people: Sequence[Person],
        channels: Sequence[Channel],
        now: Callable[[], float],
        lifetimes: Lifetimes,
    ) -> None:
        self.store, self.identity, self.lifetimes = store, identity, lifetimes
        self.people = {person.id: person for person in people}
        self.groups: dict[str, Sequence[str]] = {}
        self.channels = {channel.id: channel for channel in channels}
        self.dms = {dm_id(person.id): person for person in people}
        self.short = Short()
        self.served_at: Callable[[], str] = lambda: ""  # known once somebody serves the workspace
        self.lock = threading.RLock()
        self.changed = threading.Condition(self.lock)
        self._listeners: list[Callable[[Change], None]] = []
        self._now = now
        self._messages: dict[str, dict[str, Message]] = {}
        self._last_ts = 0
        self._load()

    def _load(self) -> None:
        for message in sorted(self.store.all("message"), key=lambda found: float(found["ts"])):
            self._messages.setdefault(message["channel"], {})[message["ts"]] = message
            self._last_ts = max(self._last_ts, round(float(message["ts"]) * 1e6))

    @property
    def base_url(self) -> str:
        """Return the address that links to the workspace start with."""
        return self.served_at() or "http://127.0.0.1"

    # -- time and announcements

    def new_ts(self) -> str:
        """Return a message timestamp, unique and later than all before it."""
        with self.lock:
            self._last_ts = max(round(self._now() * 1e6), self._last_ts + 100)
            return f"{self._last_ts // 10**6}.{self._last_ts % 10**6:06d}"

    def listen(self, listener: Callable[[Change], None]) -> Callable[[], None]:
        """Call ``listener`` on every change until the returned function is called."""
        with self.lock:
            self._listeners.append(listener)
        return lambda: self._forget(listener)

    def _forget(self, listener: Callable[[Change], None]) -> None:
        with self.lock:
            if listener in self._listeners:
                self._listeners.remove(listener)

    def announce(self, kind: str, **details: Any) -> None:
        """Tell waiting tests and open browsers that something changed."""
        with self.lock:
            self.changed.notify_all()
            listeners = list(self._listeners)
        for listener in listeners:
            listener({"kind": kind, **details})

    # -- conversations

    def conversation_members(self, channel_id: str) -> tuple[str, ...]:
        """Return who is in a channel or direct message; raise ``channel_not_found``."""
        if channel_id in self.channels:
            return self.channels[channel_id].members
        if channel_id in self.dms:
            return (self.dms[channel_id].id, self.identity.bot_user_id)
        raise SlackError("channel_not_found")

    def is_member(self, user_id: str, channel_id: str) -> bool:
        """Say whether someone is in a conversation."""
        return user_id in self.conversation_members(channel_id)

    def resolve(self, channel: str) -> str:
        """Return a conversation id for an id, a #name or a person (their direct message)."""
        if channel in self.people:
            return dm_id(channel)
        by_name = {f"#{known.name}": known.id for known in self.channels.values()}
        found = by_name.get(channel, channel)
        self.conversation_members(found)
        return found

    # -- messages

    def add(self, message: Message) -> Message:
        """Store a new message, count it in its thread, and announce it."""
        with self.lock:
            self._messages.setdefault(message["channel"], {})[message["ts"]] = message
            self.store.put("message", f"{message['channel']}:{message['ts']}", message)
            self._recount(message)
        self.announce("message", channel=message["channel"], ts=message["ts"])
        return copy.deepcopy(message)

    def _recount(self, reply: Message) -> None:
        root_ts = reply.get("thread_ts")
        root = self._messages[reply["channel"]].get(root_ts or "")
        if root is None or root_ts == reply["ts"]:
            return
        replies = self._replies(reply["channel"], root["ts"])
        root.update(
            thread_ts=root["ts"],
            reply_count=len(replies),
            reply_users=list(dict.fromkeys(found["user"] for found in replies)),
            latest_reply=replies[-1]["ts"] if replies else root["ts"],
        )
        self.store.put("message", f"{root['channel']}:{root['ts']}", root)

    def _replies(self, channel_id: str, root_ts: str) -> list[Message]:
        found = self._messages.get(channel_id, {}).values()
        return [reply for reply in found if reply.get("thread_ts") == root_ts and reply["ts"] != root_ts]

    def message(self, channel_id: str, ts: str) -> Message:
        """Return a copy of one message; raise ``message_not_found``."""
        with self.lock:
            found = self._messages.get(channel_id, {}).get(ts)
            if found is None:
                raise SlackError("message_not_found")
            return copy.deepcopy(found)

    def change(self, channel_id: str, ts: str, **changes: Any) -> Message:
        """Change fields of a message (None removes a field) and announce it."""
        with self.lock:
            self.message(channel_id, ts)
            message = self._messages[channel_id][ts]
            message.update(changes)
            for name in [name for name, value in changes.items() if value is None]:
                message.pop(name, None)
            self.store.put("message", f"{channel_id}:{ts}", message)
            changed = copy.deepcopy(message)
        self.announce("message", channel=channel_id, ts=ts)
        return changed

    def remove(self, channel_id: str, ts: str) -> None:
        """Delete a message and announce it."""
        with self.lock:
            message = self.message(channel_id, ts)
            del self._messages[channel_id][ts]
            self.store.drop("message", f"{channel_id}:{ts}")
            self._recount(message)
        self.announce("message", channel=channel_id, ts=ts)

    def history(self, channel_id: str) -> list[Message]:
        """Return all messages of a conversation, thread replies included, oldest first."""
        with self.lock:
            return copy.deepcopy(list(self._messages.get(channel_id, {}).values()))

    def thread(self, channel_id: str, root_ts: str) -> list[Message]:
        """Return a thread's root and replies, oldest first."""
        with self.lock:
            root = self.message(channel_id, root_ts)
            return [root, *copy.deepcopy(self._replies(channel_id, root_ts))]

    # -- ephemerals

    def whisper(self, message: Message, viewer: str) -> Message:
        """Show a message to one person only."""
        with self.lock:
            self.short.ephemerals[message["channel"], message["ts"]] = message | {
                "viewer": viewer,
                "is_ephemeral": True,
            }
        self.announce("message", channel=message["channel"], ts=message["ts"])
        return message

    def ephemerals(self, channel_id: str, viewer: str | None) -> list[Message]:
        """Return what only ``viewer`` sees of a conversation."""
        with self.lock:
            found = self.short.ephemerals.items()
            seen = [each for (place, _), each in found if place == channel_id and each["viewer"] == viewer]
            return copy.deepcopy(seen)

    def find(self, channel_id: str, ts: str) -> Message:
        """Return a message or an ephemeral; raise ``message_not_found``."""
        with self.lock:
            whispered = self.short.ephemerals.get((channel_id, ts))
            return copy.deepcopy(whispered) if whispered else self.message(channel_id, ts)

    def remove_any(self, channel_id: str, ts: str) -> None:
        """Delete a message or an ephemeral."""
        with self.lock:
            whispered = self.short.ephemerals.pop((channel_id, ts), None)
        if whispered is None:
            self.remove(channel_id, ts)
        self.announce("message", channel=channel_id, ts=ts)

    # -- short-lived tokens

    def new_trigger(self, user_id: str) -> str:
        """Return a trigger id that opens one modal for a person, soon."""
        trigger = f"{time.time_ns()}.{secrets.token_hex(6)}"
        with self.lock:
            self.short.triggers[trigger] = (user_id, time.monotonic())
        return trigger

    def use_trigger(self, trigger: str | None) -> str:
        """Return whose trigger it is, once; raise Slack's errors for a bad, old or used one."""
        with self.lock:
            if trigger in self.short.used_triggers:
                raise SlackError("exchanged_trigger_id")
            if trigger not in self.short.triggers:
                raise SlackError("invalid_trigger_id")
            user_id, made = self.short.triggers[trigger]
            if time.monotonic() - made > self.lifetimes.trigger:
                raise SlackError("expired_trigger_id")
            self.short.used_triggers.add(trigger)
            return user_id

    def new_response_url(
        self, channel_id: str, user_id: str, message_ts: str | None = None, thread_ts: str | None = None
    ) -> str:
        """Return the token of a response URL."""
        token = secrets.token_hex(16)
        made = time.monotonic()
        with self.lock:
            self.short.response_urls[token] = ResponseUrl(channel_id, user_id, message_ts, thread_ts, made)
        return token

    def use_response_url(self, token: str) -> ResponseUrl:
        """Count one use of a response URL; raise ``expired_url`` or ``used_url``."""
        with self.lock:
            found = self.short.response_urls.get(token)
            if found is None or time.monotonic() - found.made > self.lifetimes.response_url:
                raise SlackError("expired_url")
            if found.uses_left == 0:
                raise SlackError("used_url")
            found.uses_left -= 1
            return found
