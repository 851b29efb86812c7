"""Slack's events, one file per behaviour: `register` names the listeners, `HANDLERS` the work they leave."""

from collections.abc import Callable
from typing import Any

from slack_bolt import App

from bot.listeners import accounts, chat, command, drafts, home
from bot.work import Item

_PARTS = (chat, home, command, drafts, accounts)
HANDLERS: dict[str, Callable[[Any, Item], None]] = {
    kind: handler for part in _PARTS for kind, handler in part.HANDLERS.items()
}


def register(app: App) -> None:
    """Add every listener to the app."""
    for part in _PARTS:
        part.register(app)
