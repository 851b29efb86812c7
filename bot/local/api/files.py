"""files.*: uploads in Slack's three steps, and the files that messages show."""

import base64
import mimetypes
import secrets
from typing import Any

from ..errors import SlackError
from ..state import State
from .chat import own_message, place_to_post, thread_root
from .method import Arguments, Method, amount

_MOST_BYTES = 20_000_000


def upload_url(state: State, arguments: Arguments) -> dict[str, Any]:
    """files.getUploadURLExternal."""
    length = amount(arguments["length"], 0)
    if not 0 < length <= _MOST_BYTES:
        raise SlackError("file_upload_size_restricted")
    file_id, ticket = "F" + secrets.token_hex(5).upper(), secrets.token_hex(16)
    waiting = {"id": file_id, "name": arguments["filename"], "length": length, "ticket": ticket}
    state.store.put("file", file_id, waiting | {"alt_txt": arguments.get("alt_txt") or ""})
    return {"file_id": file_id, "upload_url": f"{state.base_url}/upload/{file_id}/{ticket}"}


def receive(state: State, file_id: str, ticket: str, body: bytes) -> None:
    """Take the bytes of an announced upload."""
    waiting = state.store.get("file", file_id)
    if waiting is None or not secrets.compare_digest(waiting["ticket"], ticket):
        raise SlackError("file_not_found")
    if len(body) != waiting["length"]:
        raise SlackError("file_update_failed")
    state.store.put("file", file_id, waiting | {"content": base64.b64encode(body).decode()})


def complete(state: State, arguments: Arguments) -> dict[str, Any]:
    """files.completeUploadExternal: share the uploaded files, or keep them for a ``slack_file``."""
    files = [_completed(state, each) for each in arguments["files"]]
    named = [arguments.get("channel_id"), *str(arguments.get("channels") or "").split(",")]
    for channel in dict.fromkeys(each for each in named if each):
        _share(state, channel, files, arguments)
    return {"files": files}


def _completed(state: State, each: Arguments) -> dict[str, Any]:
    stored = state.store.get("file", str(each.get("id")))
    if stored is None or "content" not in stored:
        raise SlackError("file_not_found")
    if each.get("title"):
        state.store.put("file", stored["id"], stored | {"title": each["title"]})
    return file_object(state, stored | {"title": each.get("title") or stored["name"]})


def file_object(state: State, stored: dict[str, Any]) -> dict[str, Any]:
    """Return a file the way messages show it."""
    url = f"/files/{stored['id']}/{stored['name']}"
    return {
        "id": stored["id"],
        "name": stored["name"],
        "title": stored.get("title") or stored["name"],
        "mimetype": media_type(stored["name"]),
        "size": stored["length"],
        "alt_txt": stored.get("alt_txt", ""),
        "user": state.identity.bot_user_id,
        "url_private": state.base_url + url,
        "permalink": state.base_url + url,
        "path": url,
    }


def media_type(name: str) -> str:
    """Guess a file's media type from its name."""
    return mimetypes.guess_type(name)[0] or "application/octet-stream"


def _share(state: State, channel: str, files: list[dict[str, Any]], arguments: Arguments) -> None:
    place = place_to_post(state, channel)
    root = thread_root(state, place, arguments.get("thread_ts"))
    text = str(arguments.get("initial_comment") or "")
    state.add(own_message(state, place, root) | {"text": text, "blocks": [], "files": files})


METHODS = {
    "files.getUploadURLExternal": Method(upload_url, "alt_txt snippet_type", "filename length", 100),
    "files.completeUploadExternal": Method(
        complete, "channel_id channels initial_comment thread_ts blocks", "files", 100
    ),
}
