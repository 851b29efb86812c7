"""What the app receives: event wrappers, interaction payloads, slash command fields."""

import secrets
from typing import Any

from .people import dm_id
from .state import Message, State, View

_HIDDEN = {"channel", "parts", "derived", "viewer"}


def event_callback(state: State, event: dict[str, Any], event_id: str | None = None) -> dict[str, Any]:
    """Wrap an inner event the way the Events API sends it."""
    identity = state.identity
    channel = event.get("channel")
    return {
        "token": "verification-token",
        "team_id": identity.team_id,
        "context_team_id": identity.team_id,
        "api_app_id": identity.app_id,
        "event": event,
        "type": "event_callback",
        "event_id": event_id or "Ev" + secrets.token_hex(6).upper(),
        "event_time": int(float(event.get("event_ts") or state.new_ts())),
        "authorizations": [
            {
                "enterprise_id": None,
                "team_id": identity.team_id,
                "user_id": identity.bot_user_id,
                "is_bot": True,
                "is_enterprise_install": False,
            }
        ],
        "is_ext_shared_channel": channel in state.channels and state.channels[channel].shared,
    }


def message_event(state: State, message: Message, kind: str) -> dict[str, Any]:
    """Return a ``message`` or ``app_mention`` event for a person's message."""
    channel = message["channel"]
    event = {name: value for name, value in message.items() if name not in {"reply_count", "latest_reply"}}
    event |= {"type": kind, "event_ts": message["ts"]}
    if kind == "message":
        event["channel_type"] = "im" if channel in state.dms else "channel"
    return event


def home_opened(state: State, user_id: str, tab: str) -> dict[str, Any]:
    """Return an ``app_home_opened`` event."""
    event = {
        "type": "app_home_opened",
        "user": user_id,
        "channel": dm_id(user_id),
        "tab": tab,
        "event_ts": state.new_ts(),
    }
    home = state.store.get("home", user_id)
    return event | ({"view": home["view"]} if home and tab == "home" else {})


def _common(state: State, kind: str, user_id: str) -> dict[str, Any]:
    identity, person = state.identity, state.people[user_id]
    return {
        "type": kind,
        "user": {
            "id": user_id,
            "username": person.name,
            "name": person.name,
            "team_id": person.team(identity.team_id),
        },
        "team": {"id": identity.team_id, "domain": identity.domain},
        "api_app_id": identity.app_id,
        "token": "verification-token",
        "enterprise": None,
        "is_enterprise_install": False,
    }


def channel_name(state: State, channel_id: str) -> str:
    """Return a channel's name, ``directmessage`` for a direct message."""
    return state.channels[channel_id].name if channel_id in state.channels else "directmessage"


def message_action(
    state: State, user_id: str, message: Message, action: dict[str, Any], values: dict[str, Any]
) -> dict[str, Any]:
    """Return a ``block_actions`` payload for an element of a message."""
    channel, ts = message["channel"], message["ts"]
    whispered = bool(message.get("is_ephemeral"))
    token = state.new_response_url(channel, user_id, ts, message.get("thread_ts"))
    container = {
        "type": "message",
        "message_ts": ts,
        "channel_id": channel,
        "is_ephemeral": whispered,
    }
    if message.get("thread_ts"):
        container["thread_ts"] = message["thread_ts"]
    payload = _common(state, "block_actions", user_id) | {
        "container": container,
        "trigger_id": state.new_trigger(user_id),
        "channel": {"id": channel, "name": channel_name(state, channel)},
        "state": {"values": values},
        "response_url": f"{state.base_url}/response/{token}",
        "actions": [action | {"action_ts": state.new_ts()}],
    }
    # Slack does not send an ephemeral message's content back.
    return payload if whispered else payload | {"message": visible(message)}


def visible(message: Message) -> Message:
    """Return a message without what only the workspace knows."""
    return {name: value for name, value in message.items() if name not in _HIDDEN}


def view_action(
    state: State, user_id: str, view: View, action: dict[str, Any], values: dict[str, Any]
) -> dict[str, Any]:
    """Return a ``block_actions`` payload for an element of a modal or Home."""
    return _common(state, "block_actions", user_id) | {
        "container": {"type": "view", "view_id": view["id"]},
        "trigger_id": state.new_trigger(user_id),
        "view": view | {"state": {"values": values}},
        "actions": [action | {"action_ts": state.new_ts()}],
    }


def submission(state: State, user_id: str, view: View, values: dict[str, Any]) -> dict[str, Any]:
    """Return a ``view_submission`` payload."""
    return _common(state, "view_submission", user_id) | {
        "trigger_id": state.new_trigger(user_id),
        "view": view | {"state": {"values": values}},
        "response_urls": [],
    }


def closing(state: State, user_id: str, view: View, cleared: bool) -> dict[str, Any]:
    """Return a ``view_closed`` payload."""
    return _common(state, "view_closed", user_id) | {"view": view, "is_cleared": cleared}


def slash_command(state: State, user_id: str, channel_id: str, command: str, text: str) -> dict[str, Any]:
    """Return the form fields of a slash command."""
    identity, person = state.identity, state.people[user_id]
    token = state.new_response_url(channel_id, user_id)
    return {
        "token": "verification-token",
        "team_id": identity.team_id,
        "team_domain": identity.domain,
        "channel_id": channel_id,
        "channel_name": channel_name(state, channel_id),
        "user_id": user_id,
        "user_name": person.name,
        "command": command,
        "text": text,
        "api_app_id": identity.app_id,
        "is_enterprise_install": "false",
        "response_url": f"{state.base_url}/response/{token}",
        "trigger_id": state.new_trigger(user_id),
    }
