"""Buttons on an explained score: all indicators, a CSM's own judgement and its end."""

import json
from typing import Any

from slack_bolt import App

from bot.blocks.accounts import indicators as indicators_table
from bot.blocks.accounts import override_view
from bot.blocks.parts import escape, section
from bot.listeners.accounts import account_key, direct_messages
from bot.listeners.common import origin, person, pressed, put_press, say_only_to, submitting
from bot.runtime import Tend
from bot.work import Item
from storage.models import Account
from tools import overrides
from tools.account_query import row_of, scored_day
from tools.errors import UserError
from tools.insights import explain_health


def register(app: App) -> None:
    app.action("indicators")(on_press)
    app.action("end_override")(on_press)
    app.action("override_health")(on_override)
    app.view("override_health")(on_overridden)


def on_press(ack: Any, body: dict[str, Any], context: Any) -> Any:
    put_press(context, body, body["actions"][0]["action_id"])
    return ack()


def on_override(ack: Any, body: dict[str, Any], context: Any, client: Any) -> Any:
    """Open the modal; the trigger lives three seconds, so not through the queue."""
    tend: Tend = context["tend"]
    value, key = pressed(body)
    where = origin(body)
    ctx = tend.context(tend.workspace_of(where["team"]))
    try:
        acting = ctx.acting(tend.actor(ctx, where["user"], where["team"]))
        with acting.session() as session:
            account = session.get(Account, value["account"])
            if account is None:
                raise UserError("That account is no longer here.")
            row = row_of(acting, session, account, scored_day(acting, session))
        place = {"channel": where["channel"], "thread_ts": where["thread_ts"]}
        client.views_open(
            trigger_id=body["trigger_id"], view=override_view(row, acting.scorecards.of(row.segment), place)
        )
    except UserError as error:
        tend.queue.put(ctx.workspace_id, "tell", key, {**where, "text": str(error)})
    return ack()


def on_overridden(ack: Any, body: dict[str, Any], view: dict[str, Any], context: Any) -> Any:
    """Save the judgement and tell the thread; a mistake is shown beside the field."""
    tend, ctx, team = submitting(context, body)
    about = json.loads(view["private_metadata"])
    values = view["state"]["values"]
    number = values["value"]["value"].get("value")
    note = values["note"]["note"]["value"] or ""
    try:
        acting = ctx.acting(tend.actor(ctx, body["user"]["id"], team))
        made = overrides.set_override(
            acting,
            about["account"],
            values["band"]["band"]["selected_option"]["value"],
            float(number) if number else None,
            note,
            int(values["days"]["days"]["selected_option"]["value"]),
        )
    except UserError as error:
        wrong = "note" if not note.strip() else "value" if number else "band"
        return ack(response_action="errors", errors={wrong: str(error)})
    payload = {"team": team, "user": body["user"]["id"], "account": about["account"], "override": made.id}
    where = {"channel": about["channel"], "thread_ts": about["thread_ts"]}
    tend.queue.put(ctx.workspace_id, "override_told", f"override:{made.id}", {**payload, **where})
    return ack()


# Work


def indicators(tend: Tend, item: Item) -> None:
    """Show every indicator of the score in the thread."""
    ctx = person(tend, item)
    if ctx is None:
        return
    payload = item.payload
    card = explain_health(ctx, account_key(ctx, payload["account"]))
    channel = payload["channel"] or direct_messages(tend, ctx, payload["user"])
    text = f"Every indicator of {card.row.name if card.row else 'the account'}"
    blocks = indicators_table(card)
    thread = payload.get("thread_ts")
    tend.messenger.post_once(
        ctx, f"indicators:{item.key}", channel, text, blocks, thread_ts=thread, accounts=card.account_ids
    )


def end_override(tend: Tend, item: Item) -> None:
    """Let the computed score count again."""
    ctx = person(tend, item)
    if ctx is not None:
        say_only_to(tend, ctx, item.payload, overrides.end_override(ctx, item.payload["account"]))


def override_told(tend: Tend, item: Item) -> None:
    """Say in the thread what was set, by whom and why: colleagues look at the same account."""
    ctx = person(tend, item)
    if ctx is None:
        return
    payload = item.payload
    card = explain_health(ctx, account_key(ctx, payload["account"]))
    channel = payload["channel"] or direct_messages(tend, ctx, payload["user"])
    tend.messenger.post_once(
        ctx,
        item.key,
        channel,
        card.text,
        [section(escape(card.text))],
        thread_ts=payload.get("thread_ts"),
        accounts=card.account_ids,
    )


HANDLERS = {"indicators": indicators, "end_override": end_override, "override_told": override_told}
