"""Drafts: ask for one, edit, approve or reject it; every copy of the card shows how it stands."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from slack_bolt import App

from bot.blocks.drafts import diff_view, draft_blocks, edit_view, hand_over_view, reject_view, review_view
from bot.cards import post_draft
from bot.listeners.accounts import account_key, direct_messages
from bot.listeners.common import origin, person, pressed, put_press, say_only_to, submitting
from bot.runtime import Tend
from bot.work import Item
from tools import approvals, draft_care
from tools.context import Context
from tools.drafts import DraftCard, draft_outreach
from tools.errors import UserError

LONGEST_IN_MODAL, LONGEST_METADATA = 3000, 3000


def register(app: App) -> None:
    app.action("draft_outreach")(on_draft)
    app.action("approve_draft")(on_approve)
    app.action("edit_draft")(on_edit)
    app.action("reject_draft")(on_reject)
    app.action("undo_approval")(on_undo)
    app.action("draft_more")(on_more)
    app.action("review_drafts")(on_review)
    app.view("edit_draft")(on_edited)
    app.view("keep_edit")(on_kept)
    app.view("hand_over_draft")(on_handed_over)
    app.view("review_draft")(on_reviewed)
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


def on_undo(ack: Any, body: dict[str, Any], context: Any) -> Any:
    """Take an approval back at once: a moment later the message may be gone."""
    tend: Tend = context["tend"]
    with _pressed_on_card(body, context) as (acting, value):
        approvals.undo(acting, value["draft"])
        tend.refresh_cards(acting, value["draft"])
    return ack()


def on_more(ack: Any, body: dict[str, Any], context: Any, client: Any) -> Any:
    """Snooze, hand over or write anew, from the three dots of a card."""
    tend: Tend = context["tend"]
    with _pressed_on_card(body, context) as (acting, value):
        if value["do"] == "hand_over":
            card = approvals.get_open_draft(acting, value["draft"])
            client.views_open(trigger_id=body["trigger_id"], view=hand_over_view(card))
        elif value["do"] == "snooze":
            draft_care.snooze(acting, value["draft"], value["hash"], value["days"])
        else:
            draft_care.refresh_draft(acting, value["draft"], value["hash"])
        tend.refresh_cards(acting, value["draft"])
    return ack()


def on_review(ack: Any, body: dict[str, Any], context: Any, client: Any) -> Any:
    """Open the first of several drafts that are decided one after the other."""
    tend: Tend = context["tend"]
    where = origin(body)
    ctx = tend.context(tend.workspace_of(where["team"]))
    try:
        open_review(tend, ctx.acting(tend.actor(ctx, where["user"], where["team"])), client, body["trigger_id"])
    except UserError as error:
        tend.queue.put(ctx.workspace_id, "tell", pressed(body)[1], {**where, "text": str(error)})
    return ack()


def open_review(tend: Tend, ctx: Context, client: Any, trigger_id: str) -> None:
    """Open the modal in which a person decides the drafts that wait for them.

    Raises:
        UserError: nothing waits.
    """
    waiting = draft_care.waiting_for(ctx)
    if not waiting:
        raise UserError("No draft waits for you. Ask for one, for example “draft outreach to …”.")
    card = approvals.get_open_draft(ctx, waiting[0])
    client.views_open(trigger_id=trigger_id, view=review_view(card, waiting[1:], 0))


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
    """Show the edited text with what changed, before it is kept; a mistake is shown beside the field."""
    values = view["state"]["values"]
    subject = (values["subject"]["subject"]["value"] or "").strip()
    text = (values["body"]["body"]["value"] or "").strip()
    tend, ctx, team = submitting(context, body)
    about = json.loads(view["private_metadata"])
    try:
        approvals.check_text(subject, text)
        card = approvals.get_open_draft(ctx.acting(tend.actor(ctx, body["user"]["id"], team)), about["draft"])
        shown = diff_view(replace(card, content_hash=about["hash"]), subject, text)
    except UserError as error:
        tend.refresh_cards(ctx, about["draft"])
        return ack(response_action="errors", errors={"body": str(error)})
    if len(shown["private_metadata"]) > LONGEST_METADATA:  # too long to be remembered by a modal: kept at once
        return _submitted(ack, body, view, context, _edit(subject, text), "body")
    return ack(response_action="update", view=shown)


def on_kept(ack: Any, body: dict[str, Any], view: dict[str, Any], context: Any) -> Any:
    """Keep the text that was shown."""
    about = json.loads(view["private_metadata"])
    return _submitted(ack, body, view, context, _edit(about["subject"], about["body"]), None)


def _edit(subject: str, text: str) -> Any:
    return lambda ctx, draft, seen: approvals.edit(ctx, draft, seen, subject, text)


def on_handed_over(ack: Any, body: dict[str, Any], view: dict[str, Any], context: Any) -> Any:
    """Give the draft to the chosen colleague and show it to them."""
    user = view["state"]["values"]["colleague"]["colleague"]["selected_user"] or ""
    tend, ctx, team = submitting(context, body)

    def change(acting: Context, draft: int, seen: str) -> DraftCard:
        colleague = tend.actor(acting, user, team)
        card = draft_care.hand_over(acting, draft, seen, colleague.email)
        where = {"team": team, "user": user, "draft": draft}
        tend.queue.put(ctx.workspace_id, "show_draft", f"handed:{draft}:{seen[:16]}:{user}", where)
        return card

    return _submitted(ack, body, view, context, change, "colleague")


def on_reviewed(ack: Any, body: dict[str, Any], view: dict[str, Any], context: Any) -> Any:
    """Decide one draft of a review and show the next; what was decided elsewhere meanwhile is passed over."""
    tend, ctx, team = submitting(context, body)
    about, values = json.loads(view["private_metadata"]), view["state"]["values"]
    acting = ctx.acting(tend.actor(ctx, body["user"]["id"], team))
    chosen = (values["decision"]["decision"]["selected_option"] or {}).get("value")
    try:
        if chosen == "approve":
            approvals.approve(acting, about["draft"], about["hash"])
            tend.delivery.wake()
        elif chosen == "reject":
            approvals.reject(acting, about["draft"], about["hash"], values["reason"]["reason"]["value"] or "")
    except UserError as error:
        return ack(response_action="errors", errors={"decision": str(error)})
    tend.refresh_cards(ctx, about["draft"])
    return _next_review(ack, acting, about["left"], about["done"] + 1)


def _next_review(ack: Any, ctx: Context, left: list[int], done: int) -> Any:
    for place, draft in enumerate(left):
        try:
            card = approvals.get_open_draft(ctx, draft)
        except UserError:  # decided or expired in the meantime
            continue
        return ack(response_action="update", view=review_view(card, left[place + 1 :], done))
    return ack()


def on_rejected(ack: Any, body: dict[str, Any], view: dict[str, Any], context: Any) -> Any:
    reason = view["state"]["values"]["reason"]["reason"]["value"] or ""

    def change(ctx: Context, draft: int, seen: str) -> DraftCard:
        return approvals.reject(ctx, draft, seen, reason)

    return _submitted(ack, body, view, context, change, "reason")


def _submitted(
    ack: Any, body: dict[str, Any], view: dict[str, Any], context: Any, change: Any, field: str | None
) -> Any:
    tend, ctx, team = submitting(context, body)
    about = json.loads(view["private_metadata"])
    try:
        change(ctx.acting(tend.actor(ctx, body["user"]["id"], team)), about["draft"], about["hash"])
    except UserError as error:
        tend.refresh_cards(ctx, about["draft"])
        if field is None:  # there is no field to say it beside
            where = {"team": team, "user": body["user"]["id"], "text": str(error), "channel": None}
            tend.queue.put(ctx.workspace_id, "tell", f"tell:{view['id']}", where)
            return ack()
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
