"""The outbox in Slack: `/tend outbox`, and the decision on a message that failed or is unclear."""

from collections.abc import Callable
from typing import Any

from slack_bolt import App

from bot.blocks.outbox import outbox_blocks
from bot.listeners.accounts import direct_messages
from bot.listeners.common import person, put_press, say_only_to
from bot.runtime import Tend
from bot.work import Item
from tools.context import Context
from tools.errors import UserError
from tools.outbox_desk import mark_as_sent, outbox_desk, send_again


def register(app: App) -> None:
    app.action("outbox_again")(on_again)
    app.action("outbox_sent")(on_sent)


def on_again(ack: Any, body: dict[str, Any], context: Any) -> Any:
    put_press(context, body, "outbox_again")
    return ack()


def on_sent(ack: Any, body: dict[str, Any], context: Any) -> Any:
    put_press(context, body, "outbox_sent")
    return ack()


def show(tend: Tend, ctx: Context, item: Item) -> None:
    """Post the outbox into the person's own messages: it names customers."""
    desk = outbox_desk(ctx)
    channel = direct_messages(tend, ctx, item.payload["user"])
    tend.messenger.post_once(ctx, f"outbox:{item.key}", channel, desk.text, outbox_blocks(desk))


def _decided(tend: Tend, item: Item, decide: Callable[[Context, int], str]) -> None:
    ctx = person(tend, item)
    if ctx is None:
        return
    payload = item.payload
    try:
        said = decide(ctx, payload["draft"])
    except UserError as error:
        said = str(error)
    else:
        tend.delivery.wake()
        tend.refresh_cards(ctx, payload["draft"])
    desk = outbox_desk(ctx)
    tend.messenger.update(ctx, payload["channel"], payload["ts"], desk.text, outbox_blocks(desk))
    say_only_to(tend, ctx, payload, said)


def again(tend: Tend, item: Item) -> None:
    """Send a message again."""
    _decided(tend, item, send_again)


def sent(tend: Tend, item: Item) -> None:
    """Count a message as sent."""
    _decided(tend, item, mark_as_sent)


HANDLERS = {"outbox_again": again, "outbox_sent": sent}
