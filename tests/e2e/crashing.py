"""Tend as a child process that dies, as by kill -9, at a named point."""

import os
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from bot import agent, jobs, messages, work
from bot.app import build
from bot.http import create_http
from bot.local.run import Running
from bot.senders.email import EmailSender
from bot.settings import Settings
from tests.e2e.conftest import fixed_now
from tools import approvals, digests, outbox


def die(*_: Any, **__: Any) -> Any:
    os._exit(137)


def before(place: Any, name: str) -> None:
    setattr(place, name, die)


def after(place: Any, name: str) -> None:
    real: Callable[..., Any] = getattr(place, name)

    def run_and_die(*args: Any, **options: Any) -> Any:
        real(*args, **options)
        die()

    setattr(place, name, run_and_die)


POINTS: dict[str, Callable[[], None]] = {
    "before answering": lambda: before(agent.Agent, "answer"),
    "after answering": lambda: after(agent.Agent, "answer"),
    "before the post": lambda: before(messages.WebClient, "chat_postMessage"),
    "after the post": lambda: after(messages.WebClient, "chat_postMessage"),
    "after the stream's begin": lambda: after(messages.WebClient, "chat_startStream"),
    "after a sentence": lambda: after(messages.WebClient, "chat_appendStream"),
    "before the stream's end": lambda: before(messages.WebClient, "chat_stopStream"),
    "after the stream's end": lambda: after(messages.WebClient, "chat_stopStream"),
    "after composing the digest": lambda: after(digests, "compose_digest"),
    "before keeping the digest": lambda: before(digests, "keep_digest"),
    "after the approval": lambda: after(approvals, "approve"),
    "before claiming for sending": lambda: before(outbox, "claim_next"),
    "after claiming for sending": lambda: after(outbox, "claim_next"),
    "before handing over": lambda: before(EmailSender, "_data"),
    "after handing over": lambda: after(EmailSender, "_data"),
    "before noting that it was sent": lambda: before(outbox, "hand_on"),
}


def run(options: dict[str, Any], ready: Any) -> None:
    """Serve Tend until killed, or until it dies at its point; `ready` is told once requests are accepted."""
    work.LEASE = outbox.SENDING_LEASE = jobs.LEASE = timedelta(seconds=1)
    if options["point"]:
        POINTS[options["point"]]()
    tend = build(Settings(**options["settings"]), clock=fixed_now)
    with Running(create_http(tend), options["port"]):
        tend.start()
        ready.send(True)
        threading.Event().wait()
