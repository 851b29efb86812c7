"""Testimonials: ask for one, enter it in a modal, approve it, withdraw it; `/tend testimonial <account>`."""

import json
from collections.abc import Callable
from typing import Any

from slack_bolt import App
from sqlmodel import col, select

from bot.blocks.testimonials import enter_view
from bot.blocks.testimonials import of_account as account_blocks
from bot.cards import post_draft
from bot.listeners.accounts import account_key, direct_messages
from bot.listeners.common import origin, person, pressed, put_press, say_only_to, submitting
from bot.runtime import Tend
from bot.work import Item
from storage.models import Account, Contact, Role
from tools import testimonial_records
from tools.context import Context
from tools.drafts import draft_outreach
from tools.errors import UserError

USAGE = "I know `/tend testimonial <account>`, for example `/tend testimonial Acme`."
DECIDES: dict[str, Callable[[Context, int], str]] = {
    "approve_testimonial": testimonial_records.approve_testimonial,
    "withdraw_testimonial": testimonial_records.withdraw_testimonial,
}


def register(app: App) -> None:
    for name in (*DECIDES, "draft_testimonial"):
        app.action(name)(_listener(name))
    app.action("enter_testimonial")(on_enter)
    app.view("enter_testimonial")(on_entered)


def _listener(name: str) -> Any:
    def on_press(ack: Any, body: dict[str, Any], context: Any) -> Any:
        put_press(context, body, name)
        return ack()

    return on_press


def on_enter(ack: Any, body: dict[str, Any], context: Any, client: Any) -> Any:
    """Open the modal; the trigger lives three seconds, so not through the queue."""
    tend: Tend = context["tend"]
    value, key = pressed(body)
    where = origin(body)
    ctx = tend.context(tend.workspace_of(where["team"]))
    try:
        acting = ctx.acting(tend.actor(ctx, where["user"], where["team"]))
        acting.require(Role.CSM)
        name, people = _people(acting, value["account"])
        client.views_open(trigger_id=body["trigger_id"], view=enter_view(name, value["account"], people))
    except UserError as error:
        tend.queue.put(ctx.workspace_id, "tell", key, {**where, "text": str(error)})
    return ack()


def _people(ctx: Context, account_id: int) -> tuple[str, list[str]]:
    with ctx.session() as session:
        account = session.get(Account, account_id)
        if account is None:
            raise UserError("That account is no longer here.")
        names = (
            select(Contact.name).where(Contact.account_id == account_id).order_by(col(Contact.left_on), Contact.name)
        )
        people = list(dict.fromkeys(session.exec(names).all()))
        if not people:
            raise UserError(f"{account.name} has no contact who could have said it. Import one first.")
        return account.name, people


def on_entered(ack: Any, body: dict[str, Any], view: dict[str, Any], context: Any) -> Any:
    """Save what was entered; a mistake is shown beside the quote."""
    tend, ctx, team = submitting(context, body)
    values = view["state"]["values"]
    account = json.loads(view["private_metadata"])["account"]
    rating = (values["rating"]["rating"].get("selected_option") or {}).get("value")
    allowed = {one["value"] for one in values["allowed"]["allowed"].get("selected_options") or []}
    try:
        acting = ctx.acting(tend.actor(ctx, body["user"]["id"], team))
        made = testimonial_records.collect_testimonial(
            acting,
            account_key(acting, account),
            values["contact"]["contact"]["selected_option"]["value"],
            values["quote"]["quote"]["value"] or "",
            int(rating) if rating else None,
            may_use_name="name" in allowed,
            may_use_logo="logo" in allowed,
            may_use_quote="quote" in allowed,
            use=values["use"]["use"].get("value") or "",
        )
    except UserError as error:
        return ack(response_action="errors", errors={"quote": str(error)})
    payload = {"team": team, "user": body["user"]["id"], "account": account, "channel": None, "ts": None}
    tend.queue.put(ctx.workspace_id, "testimonials", f"testimonial:{made}", payload)
    return ack()


# Work


def of_account(tend: Tend, ctx: Context, item: Item, account: str) -> None:
    """Show the person who asks what an account gave, in their own messages, with buttons."""
    if not account:
        raise UserError(USAGE)
    found, rows = testimonial_records.list_testimonials(ctx, account)
    blocks = account_blocks(found.name, found.id or 0, rows)
    channel = direct_messages(tend, ctx, item.payload["user"])
    text = f"Testimonials of {found.name}"
    tend.messenger.post_once(ctx, f"testimonials:{item.key}", channel, text, blocks, accounts=(found.id or 0,))
    if item.payload.get("channel") not in (None, channel):
        say_only_to(tend, ctx, item.payload, "They are in our messages.")


def show(tend: Tend, item: Item) -> None:
    """Show an account's testimonials after one was entered."""
    ctx = person(tend, item)
    if ctx is not None:
        of_account(tend, ctx, item, account_key(ctx, item.payload["account"]))


def draft_request(tend: Tend, item: Item) -> None:
    """Draft the request and post the card into the thread."""
    ctx = person(tend, item)
    if ctx is None:
        return
    payload = item.payload
    key = account_key(ctx, payload["account"])
    card = draft_outreach(ctx, key, "testimonial", request_key=f"press:{item.key}")
    channel = payload["channel"] or direct_messages(tend, ctx, payload["user"])
    post_draft(tend, ctx, card, channel, payload.get("thread_ts"))


def _decide(name: str) -> Callable[[Tend, Item], None]:
    def handle(tend: Tend, item: Item) -> None:
        ctx = person(tend, item)
        if ctx is not None:
            say_only_to(tend, ctx, item.payload, DECIDES[name](ctx, item.payload["testimonial"]))

    return handle


HANDLERS = {**{name: _decide(name) for name in DECIDES}, "draft_testimonial": draft_request, "testimonials": show}
