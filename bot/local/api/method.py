"""What a Web API method is: its handler, the arguments it knows, and its rate tier."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..errors import SlackError
from ..state import State

Arguments = dict[str, Any]
Handler = Callable[[State, Arguments], dict[str, Any]]


@dataclass(frozen=True)
class Method:
    """One Web API method; ``known`` and ``required`` are space-separated argument names."""

    handler: Handler
    known: str = ""
    required: str = ""
    per_minute: int = 50
    app_token: bool = False

    def check(self, arguments: Arguments) -> None:
        """Refuse unknown and missing arguments, naming them."""
        # Slack's client adds team_id to every call of an app that serves several workspaces.
        known = {*self.known.split(), *self.required.split(), "token", "team_id"}
        problems = [f"[ERROR] unknown argument: {name}" for name in arguments if name not in known]
        missing = [name for name in self.required.split() if arguments.get(name) in (None, "")]
        problems += [f"[ERROR] missing required field: {name}" for name in missing]
        if problems:
            raise SlackError("invalid_arguments", problems)


def flag(value: Any) -> bool:
    """Read a boolean that may have come as form text."""
    return value in (True, "1", "true", "True", 1)


def amount(value: Any, otherwise: int) -> int:
    """Read a number that may have come as form text."""
    try:
        return int(value) if value is not None else otherwise
    except (TypeError, ValueError):
        raise SlackError("invalid_arguments", ["[ERROR] must be an integer"]) from None


def page(items: list[Any], arguments: Arguments, otherwise: int = 100) -> tuple[list[Any], str]:
    """Return the asked-for page and the cursor of the next one ('' at the end)."""
    start = _start(arguments.get("cursor"))
    size = max(1, amount(arguments.get("limit"), otherwise))
    following = f"next:{start + size}" if start + size < len(items) else ""
    return items[start : start + size], following


def _start(cursor: Any) -> int:
    if not cursor:
        return 0
    kind, _, place = str(cursor).partition(":")
    if kind != "next" or not place.isdigit():
        raise SlackError("invalid_cursor")
    return int(place)
