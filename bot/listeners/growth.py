"""Growth: draft an offer, note what the customer said, settle a trial, show one account's opportunities."""

from typing import Any

from slack_bolt import App

from bot.cards import post_draft
from bot.listeners.accounts import account_key, direct_messages
from bot.listeners.common import person, post_result, put_press, say_only_to
from bot.runtime import Tend
from bot.work import Item
from tools.expansion import account_opportunities
from tools.proposals import draft_proposal, settle
from tools.trials import settle_trial

PRESSES = ("draft_offer", "settle_offer", "settle_trial", "grow")


def register(app: App) -> None:
    for name in PRESSES:
        app.action(name)(_listener(name))


def _listener(name: str) -> Any:
    def on_press(ack: Any, body: dict[str, Any], context: Any) -> Any:
        put_press(context, body, name)
        return ack()

    return on_press


def draft_offer(tend: Tend, item: Item) -> None:
    """Draft the offer and post the card into the thread."""
    ctx = person(tend, item)
    if ctx is None:
        return
    payload = item.payload
    card = draft_proposal(
        ctx, account_key(ctx, payload["account"]), payload.get("offer"), request_key=f"press:{item.key}"
    )
    channel = payload["channel"] or direct_messages(tend, ctx, payload["user"])
    post_draft(tend, ctx, card, channel, payload.get("thread_ts"))


def settle_offer(tend: Tend, item: Item) -> None:
    """Note what the customer said to an offer."""
    ctx = person(tend, item)
    if ctx is None:
        return
    payload = item.payload
    said = settle(ctx, payload["account"], payload["offer"], payload["accepted"])
    say_only_to(tend, ctx, payload, said)


def end_trial(tend: Tend, item: Item) -> None:
    """Note how a trial ended."""
    ctx = person(tend, item)
    if ctx is None:
        return
    said = settle_trial(ctx, item.payload["trial"], item.payload["converted"])
    say_only_to(tend, ctx, item.payload, said)


def grow(tend: Tend, item: Item) -> None:
    """Show one account's opportunities in the thread."""
    ctx = person(tend, item)
    if ctx is None:
        return
    found = account_opportunities(ctx, account_key(ctx, item.payload["account"]))
    post_result(tend, ctx, item, "grow", found)


HANDLERS = {"draft_offer": draft_offer, "settle_offer": settle_offer, "settle_trial": end_trial, "grow": grow}
