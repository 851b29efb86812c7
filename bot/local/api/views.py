"""views.*: the app opens, stacks and changes modals, and publishes Home."""

import hashlib
import json
import secrets
from typing import Any

from .. import limits
from ..errors import SlackError
from ..state import State, View
from .method import Arguments, Method

_STACK = 3


def open_view(state: State, arguments: Arguments) -> dict[str, Any]:
    """views.open."""
    definition = limits.view(arguments["view"], "modal")
    user = state.use_trigger(arguments.get("trigger_id"))
    return {"view": stack_view(state, user, definition, [])}


def push_view(state: State, arguments: Arguments) -> dict[str, Any]:
    """views.push."""
    definition = limits.view(arguments["view"], "modal")
    user = state.use_trigger(arguments.get("trigger_id"))
    return {"view": push_on(state, user, definition)}


def push_on(state: State, user: str, definition: View) -> View:
    """Put a modal on top of a person's stack; raise ``push_limit_reached``."""
    stack = state.short.modals.get(user, [])
    if len(stack) >= _STACK:
        raise SlackError("push_limit_reached")
    return stack_view(state, user, definition, stack)


def stack_view(state: State, user: str, definition: View, below: list[View]) -> View:
    """Show a modal above ``below``."""
    view = new_view(state, definition)
    view["root_view_id"] = below[0]["id"] if below else view["id"]
    view["previous_view_id"] = below[-1]["id"] if below else None
    with state.lock:
        state.short.modals[user] = [*below, view]
    state.announce("modal", user=user)
    return view


def new_view(state: State, definition: View) -> View:
    """Return a view with what Slack adds to its definition."""
    view = {
        "id": "V" + secrets.token_hex(5).upper(),
        "team_id": state.identity.team_id,
        "app_id": state.identity.app_id,
        "bot_id": state.identity.bot_id,
        "app_installed_team_id": state.identity.team_id,
        "private_metadata": "",
        "callback_id": "",
        "external_id": "",
        "clear_on_close": False,
        "notify_on_close": False,
        "submit": None,
        "close": None,
        "state": {"values": {}},
        **definition,
    }
    return view | {"hash": _hash(view)}


def _hash(view: View) -> str:
    digest = hashlib.sha256(json.dumps([view.get("blocks"), secrets.token_hex(4)]).encode())
    return f"{digest.hexdigest()[:10]}.{secrets.token_hex(4)}"


def update_view(state: State, arguments: Arguments) -> dict[str, Any]:
    """views.update."""
    view_id = arguments.get("view_id") or _by_external_id(state, arguments.get("external_id"))
    user, current = find_view(state, view_id)
    surface = "home" if current["type"] == "home" else "modal"
    definition = limits.view(arguments["view"], surface)
    if arguments.get("hash") not in (None, current["hash"]):
        raise SlackError("hash_conflict")
    return {"view": replace_view(state, user, current, definition)}


def replace_view(state: State, user: str, current: View, definition: View) -> View:
    """Give an open view new content, keeping its id and place."""
    fresh = new_view(state, definition)
    kept = {name: current[name] for name in ("id", "root_view_id", "previous_view_id") if name in current}
    view = fresh | kept
    if view["type"] == "home":
        _keep_home(state, user, view)
        return view
    with state.lock:
        stack = state.short.modals.get(user, [])
        state.short.modals[user] = [view if each["id"] == view["id"] else each for each in stack]
    state.announce("modal", user=user)
    return view


def find_view(state: State, view_id: Any) -> tuple[str, View]:
    """Return whose view it is, and the view; raise ``not_found``."""
    for user, stack in state.short.modals.items():
        for view in stack:
            if view["id"] == view_id:
                return user, view
    for home in state.store.all("home"):
        if home["view"]["id"] == view_id:
            return home["user"], home["view"]
    raise SlackError("not_found")


def _by_external_id(state: State, external_id: Any) -> str | None:
    views = [view for stack in state.short.modals.values() for view in stack]
    views += [home["view"] for home in state.store.all("home")]
    return next((view["id"] for view in views if external_id and view["external_id"] == external_id), None)


def publish(state: State, arguments: Arguments) -> dict[str, Any]:
    """views.publish."""
    user = arguments["user_id"]
    definition = limits.view(arguments["view"], "home")
    if user not in state.people:
        raise SlackError("user_not_found")
    current = state.store.get("home", user)
    if arguments.get("hash") and current and arguments["hash"] != current["view"]["hash"]:
        raise SlackError("hash_conflict")
    view = new_view(state, definition)
    view["id"] = view["root_view_id"] = current["view"]["id"] if current else view["id"]
    _keep_home(state, user, view)
    return {"view": view}


def _keep_home(state: State, user: str, view: View) -> None:
    state.store.put("home", user, {"user": user, "view": view})
    state.announce("home", user=user)


_TRIGGER = "trigger_id interactivity_pointer"
METHODS = {
    "views.open": Method(open_view, _TRIGGER, "view", 100),
    "views.push": Method(push_view, _TRIGGER, "view", 100),
    "views.update": Method(update_view, "external_id view_id hash", "view", 100),
    "views.publish": Method(publish, "hash", "user_id view", 100),
}
