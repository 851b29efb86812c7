"""What people do in the workspace: write, press, choose, submit, command, and what follows from it."""

import secrets
from typing import Any

from . import limits, payloads, values
from .api import views
from .api.chat import content as message_content
from .api.chat import own_message
from .delivery import Delivery, Envelope, Reply
from .errors import SlackError
from .people import dm_id
from .state import Message, State, View

Surface = Message | View


class Desk:
    """Turns what people do into state changes and deliveries to the app."""

    def __init__(self, state: State, delivery: Delivery) -> None:
        self._state, self._delivery = state, delivery

    # -- messages

    def say(self, user_id: str, channel_id: str, text: str, thread_ts: str | None = None) -> str:
        """Post a person's message and deliver its events."""
        state = self._state
        if not state.is_member(user_id, channel_id):
            raise SlackError("not_in_channel")
        added = state.add(self._typed(user_id, channel_id, text, thread_ts))
        for kind in self._events(added):
            event = payloads.message_event(state, added, kind)
            self._later(user_id, event)
        return str(added["ts"])

    def _typed(self, user_id: str, channel_id: str, text: str, thread_ts: str | None) -> Message:
        state = self._state
        team = state.people[user_id].team(state.identity.team_id)
        message: Message = {
            "type": "message",
            "channel": channel_id,
            "user": user_id,
            "team": team,
            "text": text,
            "ts": state.new_ts(),
            "client_msg_id": secrets.token_hex(8),
        }
        if team != state.identity.team_id:
            message |= {"user_team": team, "source_team": team}
        if thread_ts:
            root = state.message(channel_id, thread_ts)
            message |= {"thread_ts": root.get("thread_ts") or thread_ts, "parent_user_id": root["user"]}
        return message

    def _events(self, message: Message) -> list[str]:
        bot = self._state.identity.bot_user_id
        if message["channel"] in self._state.dms:
            return ["message"]
        if not self._state.is_member(bot, message["channel"]):
            return []
        return ["app_mention", "message"] if f"<@{bot}>" in message["text"] else ["message"]

    def _later(self, user_id: str, event: dict[str, Any]) -> None:
        envelope = Envelope("events_api", payloads.event_callback(self._state, event))
        self._delivery.in_order(user_id, lambda: self._delivery.with_retries(envelope))

    def open_home(self, user_id: str, tab: str) -> str:
        """Open the app's Home or Messages tab and return the direct message's id."""
        self._later(user_id, payloads.home_opened(self._state, user_id, tab))
        return dm_id(user_id)

    # -- interactive elements

    def act_on_message(self, user_id: str, channel_id: str, ts: str, action_id: str, value: Any) -> int:
        """Use an element of a message and return the app's HTTP status."""
        message = self._state.find(channel_id, ts)
        action, chosen = self._action(user_id, f"{channel_id}:{ts}", message, action_id, value)
        return self._interact(user_id, payloads.message_action(self._state, user_id, message, action, chosen)).status

    def act_on_view(self, user_id: str, view: View, action_id: str, value: Any, typed: values.Values) -> int:
        """Use an element of a modal or Home and return the app's HTTP status."""
        action, chosen = self._action(user_id, view["id"], view, action_id, value, typed)
        return self._interact(user_id, payloads.view_action(self._state, user_id, view, action, chosen)).status

    def _action(
        self,
        user_id: str,
        place: str,
        surface: Surface,
        action_id: str,
        value: Any,
        typed: values.Values | None = None,
    ) -> tuple[dict[str, Any], values.Values]:
        block, element = find_element(surface.get("blocks", []), action_id, value)
        picked = self._state.short.picks.setdefault((user_id, place), {})
        for block_id, entries in (typed or {}).items():
            picked.setdefault(block_id, {}).update(entries)
        action = {"action_id": action_id, "block_id": block["block_id"]} | _pressed(element, value)
        if values.untouched(element) is not None:
            picked.setdefault(block["block_id"], {})[action_id] = values.entered(element, value)
        return action, values.all_values(surface["blocks"], picked)

    def _interact(self, user_id: str, payload: dict[str, Any]) -> Reply:
        envelope = Envelope("interactive", payload)
        reply = self._delivery.in_order(user_id, lambda: self._delivery.send(envelope)).result()
        if not reply.ok:
            self._state.announce("unanswered", user=user_id, status=reply.status)
        return reply

    # -- modals

    def submit(self, user_id: str, view_id: str, given: dict[str, dict[str, Any]]) -> dict[str, Any]:
        """Submit a modal, apply the app's answer to it, and return that answer."""
        view = self._top(user_id, view_id)
        state_values = self.view_values(user_id, view, given)
        refused = values.problems(view["blocks"], state_values)
        if refused:
            return {"response_action": "errors", "errors": refused}
        payload = payloads.submission(self._state, user_id, view, state_values)
        reply = self._interact(user_id, payload)
        if not reply.ok:
            return {"error": "no_answer", "status": reply.status}
        return self._apply(user_id, view, reply.body)

    def view_values(self, user_id: str, view: View, given: dict[str, dict[str, Any]]) -> values.Values:
        """Return a view's state with newly entered values."""
        picked = dict(self._state.short.picks.get((user_id, view["id"]), {}))
        for block_id, entries in given.items():
            picked[block_id] = picked.get(block_id, {}) | self._entries(view, block_id, entries)
        return values.all_values(view["blocks"], picked)

    def _entries(self, view: View, block_id: str, entries: dict[str, Any]) -> dict[str, Any]:
        blocks = [block for block in view["blocks"] if block["block_id"] == block_id]
        if not blocks:
            raise SlackError("block_not_found", [f"[ERROR] no block {block_id}"])
        known = {element["action_id"]: element for element in limits.elements_of(blocks[0])}
        missing = set(entries) - set(known)
        if missing:
            raise SlackError("action_not_found", [f"[ERROR] no element {name}" for name in missing])
        return {name: values.entered(known[name], value) for name, value in entries.items()}

    def _top(self, user_id: str, view_id: str) -> View:
        stack = self._state.short.modals.get(user_id, [])
        if not stack or stack[-1]["id"] != view_id:
            raise SlackError("view_not_found")
        return stack[-1]

    def _apply(self, user_id: str, view: View, answer: dict[str, Any]) -> dict[str, Any]:
        action = answer.get("response_action")
        try:
            if action == "update":
                views.replace_view(self._state, user_id, view, limits.view(answer.get("view"), "modal"))
            elif action == "push":
                views.push_on(self._state, user_id, limits.view(answer.get("view"), "modal"))
        except SlackError as refused:
            return {"error": refused.code, "messages": refused.messages}
        if action in (None, "clear"):
            self._close(user_id, everything=action == "clear")
        return answer

    def _close(self, user_id: str, everything: bool) -> list[View]:
        with self._state.lock:
            stack = self._state.short.modals.get(user_id, [])
            kept = [] if everything else stack[:-1]
            self._state.short.modals[user_id] = kept
        self._state.announce("modal", user=user_id)
        return stack[len(kept) :]

    def close(self, user_id: str, everything: bool = False) -> None:
        """Close a person's top modal, or all; the app hears of it when it asked to."""
        top = self._state.short.modals.get(user_id, [])[-1:]
        cleared = everything or bool(top and top[0].get("clear_on_close"))
        for view in reversed(self._close(user_id, cleared)):
            if view.get("notify_on_close"):
                self._interact(user_id, payloads.closing(self._state, user_id, view, cleared))

    # -- slash commands

    def command(self, user_id: str, channel_id: str, command: str, text: str) -> dict[str, Any]:
        """Run a slash command, show the app's direct answer, and return it."""
        if not self._state.is_member(user_id, channel_id):
            raise SlackError("not_in_channel")
        fields = payloads.slash_command(self._state, user_id, channel_id, command, text)
        envelope = Envelope("slash_commands", fields)
        reply = self._delivery.in_order(user_id, lambda: self._delivery.send(envelope)).result()
        if not reply.ok:
            self._failed(user_id, channel_id, command, reply)
            return {"error": "no_answer", "status": reply.status}
        if reply.body.get("text") or reply.body.get("blocks"):
            self._show(user_id, channel_id, reply.body)
        return reply.body

    def _failed(self, user_id: str, channel_id: str, command: str, reply: Reply) -> None:
        reason = "operation_timeout" if reply.status == 504 else "dispatch_failed"
        text = f'{command} failed with the error "{reason}"'
        frame = own_message(self._state, channel_id) | {"user": "USLACKBOT", "bot_id": ""}
        self._state.whisper(frame | {"text": text, "blocks": []}, user_id)

    def _show(self, user_id: str, channel_id: str, answer: dict[str, Any]) -> None:
        message = own_message(self._state, channel_id) | message_content(answer, limits.POST_TEXT)
        if answer.get("response_type") == "in_channel":
            self._state.add(message)
        else:
            self._state.whisper(message, user_id)


def find_element(blocks: list[limits.Block], action_id: str, value: Any) -> tuple[limits.Block, dict[str, Any]]:
    """Return the block and element with an action id; the value tells same-named buttons apart."""
    found = [
        (block, element)
        for block in blocks
        for element in limits.elements_of(block)
        if element.get("action_id") == action_id
    ]
    if not found:
        raise SlackError("action_not_found", [f"[ERROR] no element {action_id}"])
    same = [each for each in found if value is not None and each[1].get("value") == value]
    buttons_only = all(element["type"] == "button" for _, element in found)
    if value is not None and buttons_only and not same:
        raise SlackError("action_not_found", [f"[ERROR] no {action_id} with value {value}"])
    return (same or found)[0]


def _pressed(element: dict[str, Any], value: Any) -> dict[str, Any]:
    kind = element["type"]
    if kind == "feedback_buttons":
        sides = [element["positive_button"], element["negative_button"]]
        side = next((each for each in sides if each["value"] == value), None)
        if side is None:
            raise SlackError("action_not_found", [f"[ERROR] no feedback {value}"])
        return {"type": kind, "text": side["text"], "value": side["value"]}
    if kind in {"button", "icon_button"}:
        kept = {name: element[name] for name in ("text", "value", "style") if name in element}
        return {"type": kind} | kept
    return values.entered(element, value)
