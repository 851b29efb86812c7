"""assistant.threads.* and agents.sessions.*: status line, suggested prompts, titles."""

from typing import Any

from ..checks import array, shape, string
from ..errors import SlackError
from ..state import State
from .method import Arguments, Method

_PROMPTS = array(shape({"title": string(), "message": string()}), 4)


def set_status(state: State, arguments: Arguments) -> dict[str, Any]:
    """assistant.threads.setStatus; an empty status clears the line."""
    channel, thread = state.resolve(arguments["channel_id"]), str(arguments["thread_ts"])
    loading = arguments.get("loading_messages") or []
    problems = list(array(string(), 10, 0)(loading, "/loading_messages"))
    if problems:
        raise SlackError("invalid_arguments", problems)
    _show_status(state, channel, thread, str(arguments.get("status") or ""), loading)
    return {}


def _show_status(state: State, channel: str, thread: str, status: str, loading: list[str]) -> None:
    with state.lock:
        if status:
            state.short.status[channel, thread] = {"status": status, "loading_messages": loading}
        else:
            state.short.status.pop((channel, thread), None)
    state.announce("status", channel=channel)


def set_prompts(state: State, arguments: Arguments) -> dict[str, Any]:
    """assistant.threads.setSuggestedPrompts; with thread_ts nothing is shown, as under agent_view."""
    channel = state.resolve(arguments["channel_id"])
    problems = list(_PROMPTS(arguments["prompts"], "/prompts"))
    if problems:
        raise SlackError("invalid_arguments", problems)
    if not arguments.get("thread_ts"):
        shown = {"title": arguments.get("title") or "", "prompts": arguments["prompts"]}
        state.store.put("prompts", channel, shown)
        state.announce("status", channel=channel)
    return {}


def set_title(state: State, arguments: Arguments) -> dict[str, Any]:
    """assistant.threads.setTitle and agents.sessions.rename."""
    channel = state.resolve(arguments["channel_id"])
    key = f"{channel}:{arguments.get('thread_ts') or ''}"
    state.store.put("title", key, str(arguments["title"]))
    state.announce("status", channel=channel)
    return {}


def set_session_status(state: State, arguments: Arguments) -> dict[str, Any]:
    """agents.sessions.setStatus."""
    channel = state.resolve(arguments["channel_id"])
    if arguments.get("title"):
        set_title(state, arguments)
    state.announce("status", channel=channel)
    return {}


_LOOK = "icon_emoji icon_url username"
METHODS = {
    "assistant.threads.setStatus": Method(set_status, f"status loading_messages {_LOOK}", "channel_id thread_ts", 600),
    "assistant.threads.setSuggestedPrompts": Method(set_prompts, "thread_ts title", "channel_id prompts", 600),
    "assistant.threads.setTitle": Method(set_title, "", "channel_id thread_ts title", 600),
    "agents.sessions.setStatus": Method(
        set_session_status, f"thread_ts title initiator_user_id {_LOOK}", "channel_id status", 600
    ),
    "agents.sessions.rename": Method(set_title, "thread_ts", "channel_id title", 600),
}
