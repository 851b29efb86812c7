"""chat.startStream, appendStream and stopStream: an answer that grows while it is written."""

import time
from typing import Any

from .. import limits
from ..checks import array, by_type, choice, string
from ..elements import kind
from ..errors import SlackError
from ..state import Message, State
from .chat import own, own_message, place_to_post, thread_root
from .method import Arguments, Method

_CHUNK = by_type(
    {
        "markdown_text": kind({"text": string(limits.MARKDOWN_TEXT)}),
        "plan_update": kind({"title": string()}),
        "blocks": kind({"blocks": array(lambda value, at: iter(()), 50)}),
        "task_update": kind(
            {
                "id": string(),
                "title": string(),
                "status": choice("pending", "in_progress", "complete", "error"),
            },
            {
                "details": string(None, 0),
                "output": string(None, 0),
                "sources": array(lambda value, at: iter(()), None, 0),
            },
        ),
    },
    "chunk",
)


def start(state: State, arguments: Arguments) -> dict[str, Any]:
    """chat.startStream."""
    channel = place_to_post(state, arguments["channel"])
    if channel in state.channels and not (arguments.get("recipient_user_id") and arguments.get("recipient_team_id")):
        raise SlackError("missing_recipient_user_id")
    root = thread_root(state, channel, arguments["thread_ts"])
    parts = _extended([], arguments)
    message = own_message(state, channel, root) | {"streaming": True, "derived": True, "parts": parts} | _shown(parts)
    state.short.stream_ends[channel, message["ts"]] = time.monotonic() + state.lifetimes.stream
    state.short.status.pop((channel, root or ""), None)
    return {"channel": channel, "ts": state.add(message)["ts"]}


def append(state: State, arguments: Arguments) -> dict[str, Any]:
    """chat.appendStream."""
    message = _streaming(state, arguments)
    parts = _extended(message["parts"], arguments)
    state.change(message["channel"], message["ts"], parts=parts, **_shown(parts))
    return {"channel": message["channel"], "ts": message["ts"]}


def stop(state: State, arguments: Arguments) -> dict[str, Any]:
    """chat.stopStream."""
    message = _streaming(state, arguments)
    parts = _extended(message["parts"], arguments)
    if arguments.get("blocks"):
        limits.message_blocks(arguments["blocks"])
        parts = [*parts, {"type": "blocks", "blocks": arguments["blocks"]}]
    shown = _shown(parts)
    if not shown["blocks"]:
        raise SlackError("no_text")
    metadata = {"metadata": arguments["metadata"]} if arguments.get("metadata") else {}
    state.short.stream_ends.pop((message["channel"], message["ts"]), None)
    final = state.change(message["channel"], message["ts"], parts=None, streaming=None, **shown, **metadata)
    return {"channel": message["channel"], "ts": message["ts"], "message": final}


def _streaming(state: State, arguments: Arguments) -> Message:
    channel = state.resolve(arguments["channel"])
    message = own(state, channel, str(arguments["ts"]), "message_not_owned_by_app")
    ends = state.short.stream_ends.get((channel, message["ts"]), 0.0)
    if not message.get("streaming") or time.monotonic() > ends:
        state.short.stream_ends.pop((channel, message["ts"]), None)
        raise SlackError("message_not_in_streaming_state")
    return message


def _extended(parts: list[dict[str, Any]], arguments: Arguments) -> list[dict[str, Any]]:
    chunks = list(arguments.get("chunks") or [])
    markdown = arguments.get("markdown_text")
    if markdown and chunks:
        raise SlackError("markdown_text_conflict")
    if markdown:
        chunks = [{"type": "markdown_text", "text": markdown}]
    problems = list(array(_CHUNK, None, 0)(chunks, "/chunks"))
    if problems:
        raise SlackError("invalid_chunks", problems)
    for chunk in chunks:
        parts = _merged(parts, chunk)
    return parts


def _merged(parts: list[dict[str, Any]], chunk: dict[str, Any]) -> list[dict[str, Any]]:
    """Add a chunk: text grows the last text, a task or plan replaces its earlier state."""
    if chunk["type"] == "markdown_text" and parts and parts[-1]["type"] == "markdown_text":
        return [*parts[:-1], parts[-1] | {"text": parts[-1]["text"] + chunk["text"]}]
    same = [place for place, part in enumerate(parts) if _same_task(part, chunk)]
    if same:
        return [*parts[: same[0]], parts[same[0]] | chunk, *parts[same[0] + 1 :]]
    return [*parts, chunk]


def _same_task(part: dict[str, Any], chunk: dict[str, Any]) -> bool:
    if chunk["type"] == "plan_update":
        return part["type"] == "plan_update"
    return chunk["type"] == part["type"] == "task_update" and part["id"] == chunk["id"]


def _shown(parts: list[dict[str, Any]]) -> dict[str, Any]:
    text = "".join(part["text"] for part in parts if part["type"] == "markdown_text")
    blocks = [block for part in parts for block in _as_blocks(part)]
    return {"text": text, "blocks": limits.message_blocks(blocks)}


def _as_blocks(part: dict[str, Any]) -> list[dict[str, Any]]:
    if part["type"] == "markdown_text":
        return [{"type": "markdown", "text": part["text"]}]
    if part["type"] == "blocks":
        return list(part["blocks"])
    if part["type"] == "plan_update":
        return [{"type": "plan", "title": part["title"]}]
    task = {"type": "task_card", "task_id": part["id"], "title": part["title"], "status": part["status"]}
    rich = {name: _rich(part[name]) for name in ("details", "output") if part.get(name)}
    return [task | rich | ({"sources": part["sources"]} if part.get("sources") else {})]


def _rich(text: str) -> dict[str, Any]:
    section = {"type": "rich_text_section", "elements": [{"type": "text", "text": text}]}
    return {"type": "rich_text", "elements": [section]}


_GROWS = "markdown_text chunks"
METHODS = {
    "chat.startStream": Method(
        start,
        f"{_GROWS} recipient_team_id recipient_user_id task_display_mode icon_emoji icon_url username",
        "channel thread_ts",
        20,
    ),
    "chat.appendStream": Method(append, _GROWS, "channel ts", 100),
    "chat.stopStream": Method(stop, f"{_GROWS} blocks metadata session_status", "channel ts", 20),
}
