"""What listeners share: the person's payload, and refusing those who may not ask."""

import json
from typing import Any

from slack_sdk.errors import SlackApiError

from bot.blocks import result_blocks
from bot.runtime import Tend
from bot.work import Item
from tools.context import Context
from tools.errors import NotAllowedError
from tools.facts import Result


def origin(body: dict[str, Any]) -> dict[str, Any]:
    """Who pressed something, where: the part of an interaction's payload that work needs."""
    container = body.get("container") or {}
    message = body.get("message") or {}
    return {
        "team": (body.get("team") or {}).get("id") or body["user"].get("team_id", ""),
        "user": body["user"]["id"],
        "channel": (body.get("channel") or {}).get("id") or container.get("channel_id"),
        "ts": container.get("message_ts") or message.get("ts"),
        "thread_ts": container.get("thread_ts") or message.get("thread_ts") or container.get("message_ts"),
    }


def pressed(body: dict[str, Any]) -> tuple[dict[str, Any], str]:
    """The value of the pressed button, and a key that is the same for a repeated delivery of the press."""
    action = body["actions"][0]
    value = action.get("value") or (action.get("selected_option") or {}).get("value") or "{}"
    key = f"{body['user']['id']}:{action['action_id']}:{action.get('action_ts', '')}"
    return json.loads(value), key


def put_press(context: Any, body: dict[str, Any], kind: str, extra: dict[str, Any] | None = None) -> None:
    """Queue what a press asks for, durably, before Slack is answered."""
    tend: Tend = context["tend"]
    value, key = pressed(body)
    where = origin(body)
    tend.queue.put(tend.workspace_of(where["team"]), kind, key, {**where, **value, **(extra or {})})


def submitting(context: Any, body: dict[str, Any]) -> tuple[Tend, Context, str]:
    """The installation, the workspace of the submitted modal, and the team of its sender."""
    tend: Tend = context["tend"]
    team = (body.get("team") or {}).get("id") or body["user"].get("team_id", "")
    return tend, tend.context(tend.workspace_of(team)), team


def person(tend: Tend, item: Item) -> Context | None:
    """Return a context acting as the person behind the work; None after refusing them politely."""
    ctx = tend.context(item.workspace_id)
    payload = item.payload
    try:
        return ctx.acting(tend.actor(ctx, payload["user"], payload["team"]))
    except NotAllowedError as refusal:
        say_only_to(tend, ctx, payload, str(refusal))
        return None


def say_only_to(tend: Tend, ctx: Context, payload: dict[str, Any], text: str) -> None:
    """Answer so that only the person sees it; where Slack has no channel for that, in their messages."""
    channel = payload.get("channel")
    client = tend.messenger.client_of(ctx.workspace_id)
    if not channel or channel.startswith("D"):
        target = channel or client.conversations_open(users=payload["user"])["channel"]["id"]
        tend.messenger.write(ctx, target, text, thread_ts=_thread_in_dm(payload))
        return
    try:
        tend.messenger.tell(ctx, channel, payload["user"], text, thread_ts=payload.get("thread_ts"))
    except SlackApiError as error:
        if error.response.get("error") not in ("user_not_in_channel", "channel_not_found", "not_in_channel"):
            raise
        target = client.conversations_open(users=payload["user"])["channel"]["id"]
        tend.messenger.write(ctx, target, text)


def post_result(tend: Tend, ctx: Context, item: Item, name: str, found: Result) -> None:
    """Post what a press asked for into its thread, once."""
    tend.messenger.post_once(
        ctx,
        f"{name}:{item.key}",
        item.payload["channel"],
        found.text,
        result_blocks(found),
        thread_ts=item.payload.get("thread_ts"),
        accounts=found.account_ids,
    )


def _thread_in_dm(payload: dict[str, Any]) -> str | None:
    thread = payload.get("thread_ts")
    return thread if thread != payload.get("ts") else None
