"""Drafts: ask for one, edit, approve or reject it; every copy of the card shows how it stands."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from slack_bolt import App

from bot.blocks.drafts import draft_blocks, edit_view, reject_view
from bot.cards import post_draft
from bot.listeners.accounts import account_key, direct_messages
from bot.listeners.common import origin, person, pressed, put_press, say_only_to, submitting
from bot.runtime import Tend
from bot.work import Item
from tools import approvals
from tools.context import Context
from tools.drafts import DraftCard, draft_outreach
from tools.errors import UserError

LONGEST_IN_MODAL = 3000


def register(app: App) -> None:
    app.action("draft_outreach")(on_draft)
    app.action("approve_draft")(on_approve)
    app.action("edit_draft")(on_edit)
    app.action("reject_draft")(on_reject)
    app.view("edit_draft")(on_edited)
    app.view("reject_draft")(on_rejected)


def on_draft(ack: Any, body: dict[str, Any], context: Any) -> Any:
    put_press(context, body, "draft")
    return ack()


def on_approve(ack: Any, body: dict[str, Any], context: Any) -> Any:
    """Approve at once: the update is quick, and the answer must not wait for the queue."""
    tend: Tend = context["tend"]
    with _pressed_on_card(body, context) as (acting, value):
        approvals.approve(acting, value["draft"], value["hash"])
        tend.refresh_cards(acting, value["draft"])
        tend.delivery.wake()
    return ack()


@contextmanager
def _pressed_on_card(body: dict[str, Any], context: Any) -> Iterator[tuple[Context, dict[str, Any]]]:
    """Who pressed and what the button holds. A refusal is told to them alone, and the cards are drawn anew."""
    tend: Tend = context["tend"]
    value, key = pressed(body)
    where = origin(body)
    ctx = tend.context(tend.workspace_of(where["team"]))
    try:
        acting = ctx.acting(tend.actor(ctx, where["user"], where["team"]))
        approvals.remember_card(ctx, value["draft"], where["channel"], where["ts"])
        yield acting, value
    except UserError as error:
        tend.queue.put(ctx.workspace_id, "tell", key, {**where, "text": str(error)})
        tend.refresh_cards(ctx, value["draft"])


def on_edit(ack: Any, body: dict[str, Any], context: Any, client: Any) -> Any:
    return _open(ack, body, context, client, edit_view)


def on_reject(ack: Any, body: dict[str, Any], context: Any, client: Any) -> Any:
    return _open(ack, body, context, client, reject_view)


def _open(ack: Any, body: dict[str, Any], context: Any, client: Any, view: Any) -> Any:
    """Open a modal over the newest text; the trigger lives three seconds, so not through the queue."""
    with _pressed_on_card(body, context) as (acting, value):
        card = approvals.get_open_draft(acting, value["draft"])
        if len(card.body) > LONGEST_IN_MODAL:
            raise UserError("This text is too long for Slack's edit window. Reject it and ask for a shorter one.")
        client.views_open(trigger_id=body["trigger_id"], view=view(card))
    return ack()


def on_edited(ack: Any, body: dict[str, Any], view: dict[str, Any], context: Any) -> Any:
    """Save the edited text; a mistake is shown beside the field."""
    values = view["state"]["values"]
    subject = values["subject"]["subject"]["value"] or ""
    text = values["body"]["body"]["value"] or ""

    def change(ctx: Context, draft: int, seen: str) -> DraftCard:
        return approvals.edit(ctx, draft, seen, subject, text)

    return _submitted(ack, body, view, context, change, "body")


def on_rejected(ack: Any, body: dict[str, Any], view: dict[str, Any], context: Any) -> Any:
    reason = view["state"]["values"]["reason"]["reason"]["value"] or ""

    def change(ctx: Context, draft: int, seen: str) -> DraftCard:
        return approvals.reject(ctx, draft, seen, reason)

    return _submitted(ack, body, view, context, change, "reason")


def _submitted(ack: Any, body: dict[str, Any], view: dict[str, Any], context: Any, change: Any, field: str) -> Any:
    tend, ctx, team = submitting(context, body)
    about = json.loads(view["private_metadata"])
    try:
        change(ctx.acting(tend.actor(ctx, body["user"]["id"], team)), about["draft"], about["hash"])
    except UserError as error:
        tend.refresh_cards(ctx, about["draft"])
        return ack(response_action="errors", errors={field: str(error)})
    tend.refresh_cards(ctx, about["draft"])
    return ack()


# Work


def draft(tend: Tend, item: Item) -> None:
    """Draft outreach for an account and post the card into the thread."""
    ctx = person(tend, item)
    if ctx is None:
        return
    payload = item.payload
    try:
        card = draft_outreach(ctx, account_key(ctx, payload["account"]), request_key=f"press:{item.key}")
    except UserError as error:
        say_only_to(tend, ctx, payload, str(error))
        return
    channel = payload["channel"] or direct_messages(tend, ctx, payload["user"])
    post_draft(tend, ctx, card, channel, payload.get("thread_ts"))


def show_draft(tend: Tend, item: Item) -> None:
    """Post a waiting draft into the person's own messages, from the Home tab."""
    ctx = person(tend, item)
    if ctx is None:
        return
    card = approvals.get_draft(ctx, item.payload["draft"])
    post_draft(tend, ctx, card, direct_messages(tend, ctx, item.payload["user"]), again=item.key)


def refresh_cards(tend: Tend, item: Item) -> None:
    """Update every copy of a draft's card to how it stands now."""
    ctx = tend.context(item.workspace_id)
    card = approvals.get_draft(ctx, item.payload["draft"])
    for channel, ts in card.cards:
        tend.messenger.update(ctx, channel, ts, card.text, draft_blocks(card))


def tell(tend: Tend, item: Item) -> None:
    """Say something to one person about what they pressed."""
    say_only_to(tend, tend.context(item.workspace_id), item.payload, item.payload["text"])


HANDLERS = {"draft": draft, "show_draft": show_draft, "refresh_cards": refresh_cards, "tell": tell}
