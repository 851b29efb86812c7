"""conversations.*, users.*, team.info and auth.test: what the app may look up."""

from typing import Any

from ..errors import SlackError
from ..people import Channel, Person, bot_object, dm_id, user_object
from ..state import Message, State
from .method import Arguments, Method, amount, flag, page

_HIDDEN = {"channel", "parts", "derived"}


def auth_test(state: State, arguments: Arguments) -> dict[str, Any]:
    """auth.test."""
    identity = state.identity
    return {
        "url": f"{state.base_url}/",
        "team": identity.team_name,
        "user": identity.bot_name.lower(),
        "team_id": identity.team_id,
        "user_id": identity.bot_user_id,
        "bot_id": identity.bot_id,
        "is_enterprise_install": False,
    }


def api_test(state: State, arguments: Arguments) -> dict[str, Any]:
    """api.test."""
    if arguments.get("error"):
        raise SlackError(str(arguments["error"]))
    return {"args": {name: value for name, value in arguments.items() if name != "token"}}


def team_info(state: State, arguments: Arguments) -> dict[str, Any]:
    """team.info."""
    identity = state.identity
    if arguments.get("team") not in (None, identity.team_id):
        raise SlackError("team_not_found")
    return {"team": {"id": identity.team_id, "name": identity.team_name, "domain": identity.domain}}


def channel_object(state: State, channel: Channel) -> dict[str, Any]:
    """Return a channel the way ``conversations.info`` shows it."""
    return {
        "id": channel.id,
        "name": channel.name,
        "is_channel": True,
        "is_im": False,
        "is_private": False,
        "is_archived": False,
        "is_member": state.identity.bot_user_id in channel.members,
        "is_shared": channel.shared,
        "is_ext_shared": channel.shared,
        "num_members": len(channel.members),
        "topic": {"value": channel.topic},
        "context_team_id": state.identity.team_id,
    }


def dm_object(person: Person) -> dict[str, Any]:
    """Return a direct message with the app the way ``conversations.info`` shows it."""
    return {
        "id": dm_id(person.id),
        "is_channel": False,
        "is_im": True,
        "user": person.id,
        "is_archived": False,
    }


def info(state: State, arguments: Arguments) -> dict[str, Any]:
    """conversations.info."""
    channel = arguments["channel"]
    if channel in state.channels:
        return {"channel": channel_object(state, state.channels[channel])}
    if channel in state.dms:
        return {"channel": dm_object(state.dms[channel])}
    raise SlackError("channel_not_found")


def _listed(state: State, arguments: Arguments) -> list[dict[str, Any]]:
    types = str(arguments.get("types") or "public_channel").split(",")
    channels = [channel_object(state, each) for each in state.channels.values() if "public_channel" in types]
    return channels + [dm_object(person) for person in state.dms.values() if "im" in types]


def _paged(name: str, items: list[Any], arguments: Arguments) -> dict[str, Any]:
    found, cursor = page(items, arguments)
    return {name: found, "response_metadata": {"next_cursor": cursor}}


def list_conversations(state: State, arguments: Arguments) -> dict[str, Any]:
    """conversations.list."""
    return _paged("channels", _listed(state, arguments), arguments)


def users_conversations(state: State, arguments: Arguments) -> dict[str, Any]:
    """users.conversations."""
    user = arguments.get("user") or state.identity.bot_user_id
    mine = [each for each in _listed(state, arguments) if state.is_member(user, each["id"])]
    return _paged("channels", mine, arguments)


def members(state: State, arguments: Arguments) -> dict[str, Any]:
    """conversations.members."""
    return _paged("members", list(state.conversation_members(arguments["channel"])), arguments)


def open_conversation(state: State, arguments: Arguments) -> dict[str, Any]:
    """conversations.open."""
    users = str(arguments.get("users") or "")
    channel = arguments.get("channel") or (dm_id(users) if users in state.people else None)
    if channel is None:
        raise SlackError("user_not_found" if "," not in users else "not_supported")
    if channel not in state.dms:
        raise SlackError("channel_not_found")
    full = dm_object(state.dms[channel])
    return {"channel": full if flag(arguments.get("return_im")) else {"id": channel}}


def history(state: State, arguments: Arguments) -> dict[str, Any]:
    """conversations.history: top-level messages, newest first."""
    channel = _readable(state, arguments["channel"])
    top = [each for each in state.history(channel) if _is_top(each)]
    return _messages(list(reversed(_window(top, arguments))), arguments)


def replies(state: State, arguments: Arguments) -> dict[str, Any]:
    """conversations.replies: a thread with its root, oldest first."""
    channel = _readable(state, arguments["channel"])
    try:
        asked = state.message(channel, str(arguments["ts"]))
    except SlackError:
        raise SlackError("thread_not_found") from None
    thread = state.thread(channel, asked.get("thread_ts") or asked["ts"])
    return _messages([thread[0], *_window(thread[1:], arguments)], arguments)


def _readable(state: State, channel: str) -> str:
    if not state.is_member(state.identity.bot_user_id, channel):
        raise SlackError("not_in_channel")
    return channel


def _is_top(message: Message) -> bool:
    return message.get("thread_ts") in (None, message["ts"]) or message.get("subtype") == "thread_broadcast"


def _window(messages: list[Message], arguments: Arguments) -> list[Message]:
    oldest, latest = _moment(arguments, "oldest", 0.0), _moment(arguments, "latest", float("inf"))
    edges = flag(arguments.get("inclusive"))

    def inside(ts: float) -> bool:
        return oldest < ts < latest or (edges and ts in (oldest, latest))

    return [message for message in messages if inside(float(message["ts"]))]


def _moment(arguments: Arguments, name: str, otherwise: float) -> float:
    try:
        return float(arguments[name]) if arguments.get(name) else otherwise
    except ValueError:
        raise SlackError(f"invalid_ts_{name}") from None


def _messages(found: list[Message], arguments: Arguments) -> dict[str, Any]:
    if amount(arguments.get("limit"), 100) > 999:
        raise SlackError("invalid_limit")
    shown, cursor = page(found, arguments)
    hidden = _HIDDEN if flag(arguments.get("include_all_metadata")) else _HIDDEN | {"metadata"}
    cleaned = [{name: each[name] for name in each if name not in hidden} for each in shown]
    return {
        "messages": cleaned,
        "has_more": bool(cursor),
        "response_metadata": {"next_cursor": cursor},
    }


def user_info(state: State, arguments: Arguments) -> dict[str, Any]:
    """users.info."""
    user = arguments["user"]
    if user == state.identity.bot_user_id:
        return {"user": bot_object(state.identity)}
    if user not in state.people:
        raise SlackError("user_not_found")
    return {"user": user_object(state.people[user], state.identity.team_id)}


def users_list(state: State, arguments: Arguments) -> dict[str, Any]:
    """users.list."""
    everyone = [user_object(person, state.identity.team_id) for person in state.people.values()]
    return _paged("members", [*everyone, bot_object(state.identity)], arguments)


def lookup_by_email(state: State, arguments: Arguments) -> dict[str, Any]:
    """users.lookupByEmail: only people of this workspace are found."""
    wanted = arguments["email"].casefold()
    for person in state.people.values():
        if person.email.casefold() == wanted and person.kind != "external":
            return {"user": user_object(person, state.identity.team_id)}
    raise SlackError("users_not_found")


def group_users(state: State, arguments: Arguments) -> dict[str, Any]:
    """usergroups.users.list."""
    if arguments["usergroup"] not in state.groups:
        raise SlackError("no_such_subteam")
    return {"users": list(state.groups[arguments["usergroup"]])}


_PAGE = "cursor limit"
_LIST = f"{_PAGE} exclude_archived team_id types"
_READ = f"{_PAGE} inclusive include_all_metadata latest oldest"
METHODS = {
    "auth.test": Method(auth_test, per_minute=1000),
    "api.test": Method(api_test, "error foo", per_minute=100),
    "team.info": Method(team_info, "team domain include_slackbot_availability"),
    "conversations.info": Method(info, "include_locale include_num_members", "channel"),
    "conversations.list": Method(list_conversations, _LIST, "", 20),
    "users.conversations": Method(users_conversations, f"{_LIST} user"),
    "conversations.members": Method(members, _PAGE, "channel", 100),
    "conversations.open": Method(open_conversation, "channel return_im users prevent_creation"),
    "conversations.history": Method(history, _READ, "channel"),
    "conversations.replies": Method(replies, _READ, "channel ts"),
    "usergroups.users.list": Method(group_users, "include_disabled", "usergroup", 20),
    "users.info": Method(user_info, "include_locale", "user", 100),
    "users.list": Method(users_list, f"{_PAGE} include_locale team_id", "", 20),
    "users.lookupByEmail": Method(lookup_by_email, "", "email"),
}
