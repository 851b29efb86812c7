"""chat.* and reactions.*: the app posts, changes and deletes its messages."""

import json
from typing import Any

from .. import limits
from ..errors import SlackError
from ..state import Message, State
from .method import Arguments, Method, flag

_CONTENT = "text attachments blocks markdown_text link_names parse as_user metadata"
_LOOK = "icon_emoji icon_url username"


def content(arguments: Arguments, most: int, markdown_most: int = limits.MARKDOWN_TEXT) -> dict[str, Any]:
    """Return a message's text and blocks, checked."""
    text = str(arguments.get("text") or "")
    markdown = arguments.get("markdown_text")
    blocks = arguments.get("blocks")
    if markdown and (text or blocks):
        raise SlackError("markdown_text_conflict")
    if max(len(text), 0) > most or len(markdown or "") > markdown_most:
        raise SlackError("msg_too_long")
    if markdown:
        text, blocks = markdown, [{"type": "markdown", "text": markdown}]
    if not text.strip() and not blocks and not arguments.get("attachments"):
        raise SlackError("no_text")
    checked = limits.message_blocks(blocks) if blocks else []
    own_blocks = {"derived": True} if markdown else {}
    return {"text": text, "blocks": checked} | own_blocks | _extras(arguments)


def _extras(arguments: Arguments) -> dict[str, Any]:
    extras = {name: arguments[name] for name in ("attachments",) if arguments.get(name)}
    metadata = arguments.get("metadata")
    if metadata and not {"event_type", "event_payload"} <= set(metadata):
        raise SlackError("invalid_metadata_format")
    return extras | ({"metadata": metadata} if metadata else {})


def own_message(state: State, channel: str, thread_ts: str | None = None) -> Message:
    """Return the frame of a new message of the app."""
    identity = state.identity
    frame = {
        "type": "message",
        "channel": channel,
        "user": identity.bot_user_id,
        "bot_id": identity.bot_id,
        "app_id": identity.app_id,
        "team": identity.team_id,
        "ts": state.new_ts(),
    }
    return frame | ({"thread_ts": thread_ts} if thread_ts else {})


def place_to_post(state: State, channel: str) -> str:
    """Return the conversation the app may post to."""
    found = state.resolve(channel)
    if not state.is_member(state.identity.bot_user_id, found):
        raise SlackError("not_in_channel")
    return found


def thread_root(state: State, channel: str, thread_ts: str | None) -> str | None:
    """Return the root of the thread that a reply belongs to."""
    if not thread_ts:
        return None
    try:
        return str(state.find(channel, thread_ts).get("thread_ts") or thread_ts)
    except SlackError:
        raise SlackError("thread_not_found") from None


def post(state: State, arguments: Arguments) -> dict[str, Any]:
    """chat.postMessage."""
    channel = place_to_post(state, arguments["channel"])
    body = content(arguments, limits.POST_TEXT)
    root = thread_root(state, channel, arguments.get("thread_ts"))
    message = own_message(state, channel, root) | body | _look(arguments)
    if root and flag(arguments.get("reply_broadcast")):
        message |= {"subtype": "thread_broadcast"}
    state.short.status.pop((channel, root or ""), None)
    added = state.add(message)
    return {"channel": channel, "ts": added["ts"], "message": added}


def _look(arguments: Arguments) -> dict[str, Any]:
    return {name: arguments[name] for name in _LOOK.split() if arguments.get(name)}


def post_ephemeral(state: State, arguments: Arguments) -> dict[str, Any]:
    """chat.postEphemeral."""
    channel = place_to_post(state, arguments["channel"])
    viewer = arguments["user"]
    if viewer not in state.people:
        raise SlackError("user_not_found")
    if not state.is_member(viewer, channel):
        raise SlackError("user_not_in_channel")
    body = content(arguments, limits.POST_TEXT)
    frame = own_message(state, channel, arguments.get("thread_ts"))
    return {"message_ts": state.whisper(frame | body, viewer)["ts"]}


def own(state: State, channel: str, ts: str, error: str) -> Message:
    """Return a message of the app; raise ``error`` for someone else's, and ephemerals are not found."""
    state.conversation_members(channel)
    message = state.message(channel, ts)
    if message["user"] != state.identity.bot_user_id:
        raise SlackError(error)
    return message


def update(state: State, arguments: Arguments) -> dict[str, Any]:
    """chat.update."""
    channel, ts = state.resolve(arguments["channel"]), str(arguments["ts"])
    message = own(state, channel, ts, "cant_update_message")
    if message.get("streaming") and (channel, ts) in state.short.stream_ends:
        raise SlackError("streaming_state_conflict")
    changes = content(_kept(message, arguments), limits.UPDATE_TEXT, limits.UPDATE_TEXT)
    edited = {"user": state.identity.bot_user_id, "ts": state.new_ts()}
    state.change(channel, ts, **{"derived": None, "streaming": None, "parts": None} | changes, edited=edited)
    return {"channel": channel, "ts": ts, "text": changes["text"], "message": state.message(channel, ts)}


def _kept(message: Message, arguments: Arguments) -> Arguments:
    """Blocks that are not mentioned stay, as in Slack; ``blocks=[]`` removes them."""
    if not any(arguments.get(name) for name in ("text", "blocks", "markdown_text", "attachments", "metadata")):
        return arguments
    kept = {"text": message["text"]} if not arguments.get("text") and "blocks" not in arguments else {}
    if "blocks" not in arguments and message.get("blocks") and not message.get("derived"):
        kept["blocks"] = message["blocks"]
    return arguments if arguments.get("markdown_text") else kept | arguments


def delete(state: State, arguments: Arguments) -> dict[str, Any]:
    """chat.delete."""
    channel, ts = state.resolve(arguments["channel"]), str(arguments["ts"])
    own(state, channel, ts, "cant_delete_message")
    state.remove(channel, ts)
    return {"channel": channel, "ts": ts}


def permalink(state: State, arguments: Arguments) -> dict[str, Any]:
    """chat.getPermalink."""
    channel, ts = state.resolve(arguments["channel"]), str(arguments["message_ts"])
    state.message(channel, ts)
    return {"channel": channel, "permalink": f"{state.base_url}/#/{channel}/{ts}"}


def react(state: State, arguments: Arguments, user: str | None = None) -> dict[str, Any]:
    """reactions.add."""
    channel, message = _reacted(state, arguments)
    user, name = user or state.identity.bot_user_id, str(arguments["name"])
    reactions = {each["name"]: each["users"] for each in message.get("reactions", [])}
    if user in reactions.get(name, []):
        raise SlackError("already_reacted")
    reactions[name] = [*reactions.get(name, []), user]
    _keep_reactions(state, channel, message["ts"], reactions)
    return {}


def unreact(state: State, arguments: Arguments, user: str | None = None) -> dict[str, Any]:
    """reactions.remove."""
    channel, message = _reacted(state, arguments)
    user, name = user or state.identity.bot_user_id, str(arguments["name"])
    reactions = {each["name"]: each["users"] for each in message.get("reactions", [])}
    if user not in reactions.get(name, []):
        raise SlackError("no_reaction")
    reactions[name] = [each for each in reactions[name] if each != user]
    _keep_reactions(state, channel, message["ts"], reactions)
    return {}


def _reacted(state: State, arguments: Arguments) -> tuple[str, Message]:
    channel = state.resolve(str(arguments.get("channel") or ""))
    return channel, state.message(channel, str(arguments.get("timestamp") or ""))


def _keep_reactions(state: State, channel: str, ts: str, reactions: dict[str, list[str]]) -> None:
    kept = [{"name": name, "users": users, "count": len(users)} for name, users in reactions.items() if users]
    state.change(channel, ts, reactions=kept)


def answer_response_url(state: State, token: str, body: bytes) -> None:
    """Take a post to a response URL: replace, delete, or add a message."""
    try:
        arguments = json.loads(body or b"{}")
    except ValueError:
        raise SlackError("invalid_payload") from None
    if not isinstance(arguments, dict):
        raise SlackError("invalid_payload")
    url = state.use_response_url(token)
    original = url.message_ts
    if original and flag(arguments.get("delete_original")):
        state.remove_any(url.channel_id, original)
        return
    body_fields = content(arguments, limits.POST_TEXT)
    if original and flag(arguments.get("replace_original")):
        _replace(state, url.channel_id, original, body_fields)
        return
    thread_ts = arguments.get("thread_ts") or url.thread_ts
    message = own_message(state, url.channel_id, thread_ts) | body_fields
    if arguments.get("response_type") == "in_channel":
        state.add(message)
    else:
        state.whisper(message, url.user_id)


def _replace(state: State, channel: str, ts: str, fields: dict[str, Any]) -> None:
    with state.lock:
        whispered = state.short.ephemerals.get((channel, ts))
        if whispered:
            whispered.update(fields)
    if whispered is None:
        state.change(channel, ts, **fields)
    state.announce("message", channel=channel, ts=ts)


METHODS = {
    "chat.postMessage": Method(
        post,
        f"{_CONTENT} {_LOOK} thread_ts reply_broadcast unfurl_links unfurl_media container_id mrkdwn",
        "channel",
        60,
    ),
    "chat.postEphemeral": Method(post_ephemeral, f"{_CONTENT} {_LOOK} thread_ts", "channel user", 100),
    "chat.update": Method(update, f"{_CONTENT} file_ids reply_broadcast", "channel ts"),
    "chat.delete": Method(delete, "as_user", "channel ts"),
    "chat.getPermalink": Method(permalink, "", "channel message_ts", 1000),
    "reactions.add": Method(react, "", "channel name timestamp"),
    "reactions.remove": Method(unreact, "channel file file_comment timestamp", "name"),
}
