"""Drafts: ask for one, edit, approve or reject it; every copy of the card shows how it stands."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from slack_bolt import App

from bot.blocks.drafts import diff_view, draft_blocks, edit_view, hand_over_view, reject_view, rewrite_view
from bot.cards import post_draft
from bot.listeners.accounts import account_key, direct_messages
from bot.listeners.common import origin, person, pressed, put_press, say_only_to, submitting
from bot.rewriting import rewriter
from bot.runtime import Tend
from bot.work import Item
from tools import approvals, draft_care
from tools.context import Context
from tools.drafts import DraftCard, draft_outreach
from tools.errors import UserError
from tools.rewriting import rewrite

LONGEST_IN_MODAL, LONGEST_METADATA = 3000, 3000


def register(app: App) -> None:
    app.action("draft_outreach")(on_draft)
    app.action("approve_draft")(on_approve)
    app.action("edit_draft")(on_edit)
    app.action("reject_draft")(on_reject)
    app.action("undo_approval")(on_undo)
    app.action("draft_more")(on_more)
    app.view("edit_draft")(on_edited)
    app.view("keep_edit")(on_kept)
    app.view("hand_over_draft")(on_handed_over)
    app.view("rewrite_draft")(on_rewrite)
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
        if value["do"] == "snooze":
            draft_care.snooze(acting, value["draft"], value["hash"], value["days"])
        else:
            view = {"hand_over": hand_over_view, "rewrite": rewrite_view}[value["do"]]
            card = approvals.get_open_draft(acting, value["draft"])
            client.views_open(trigger_id=body["trigger_id"], view=view(card))
        tend.refresh_cards(acting, value["draft"])
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


def on_rewrite(ack: Any, body: dict[str, Any], view: dict[str, Any], context: Any) -> Any:
    """Leave the writing of another version to a worker: a language model may take its time."""
    tend, ctx, team = submitting(context, body)
    values, about = view["state"]["values"], json.loads(view["private_metadata"])
    how = (values["how"]["how"]["selected_option"] or {}).get("value") or "shorter"
    what = (values["what"]["what"]["value"] or "").strip()
    if how == "mention" and not what:
        return ack(response_action="errors", errors={"what": "Say what to mention, for example: the open ticket."})
    payload = {"team": team, "user": body["user"]["id"], "channel": None, **about, "how": how, "what": what}
    tend.queue.put(ctx.workspace_id, "rewrite_draft", f"rewrite:{view['id']}", payload)
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


def rewrite_draft(tend: Tend, item: Item) -> None:
    """Write another version of a draft; each copy of its card shows it."""
    ctx = person(tend, item)
    if ctx is None:
        return
    payload = item.payload
    try:
        if payload["how"] == "refresh":
            draft_care.refresh_draft(ctx, payload["draft"], payload["hash"])
        else:
            how = f"mention {payload['what']}" if payload["how"] == "mention" else payload["how"]
            writer = rewriter(tend.settings, ctx, direct_messages(tend, ctx, payload["user"]))
            rewrite(ctx, payload["draft"], payload["hash"], how, writer)
    except UserError as error:
        say_only_to(tend, ctx, payload, str(error))
    tend.refresh_cards(ctx, payload["draft"])


def tell(tend: Tend, item: Item) -> None:
    """Say something to one person about what they pressed."""
    say_only_to(tend, tend.context(item.workspace_id), item.payload, item.payload["text"])


HANDLERS = {
    "draft": draft,
    "show_draft": show_draft,
    "refresh_cards": refresh_cards,
    "tell": tell,
    "rewrite_draft": rewrite_draft,
}
