"""Slack's events, one file per behaviour: `register` names the listeners, `HANDLERS` the work they leave."""

from collections.abc import Callable
from typing import Any

from slack_bolt import App

from bot.listeners import (
    accounts,
    chat,
    command,
    documents,
    drafts,
    feedback,
    growth,
    health,
    home,
    inbound,
    outbox,
    plays,
    review,
    testimonials,
)
from bot.listeners.common import say_only_to
from bot.work import Item
from tools.errors import UserError

_PARTS = (chat, home, command, drafts, accounts, health, growth, plays, feedback, outbox, review, testimonials)
Handler = Callable[[Any, Item], None]


def _kindly(handler: Handler) -> Handler:
    """What the person can put right is said to them once; it is not a failure to try again."""

    def run(tend: Any, item: Item) -> None:
        try:
            handler(tend, item)
        except UserError as error:
            say_only_to(tend, tend.context(item.workspace_id), item.payload, str(error))

    return run


HANDLERS: dict[str, Handler] = {
    kind: _kindly(handler) for part in (*_PARTS, documents, inbound) for kind, handler in part.HANDLERS.items()
}


def say_that_it_failed(tend: Any, item: Item, error_id: str) -> None:
    """Never silence: whoever is waiting hears that it failed, with an id to quote."""
    if item.payload.get("user"):
        text = f"Something went wrong on my side, so this was not done (error `{error_id}`). Please try again."
        say_only_to(tend, tend.context(item.workspace_id), item.payload, text)


def register(app: App) -> None:
    """Add every listener to the app."""
    for part in _PARTS:
        part.register(app)
