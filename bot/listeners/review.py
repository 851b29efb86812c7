"""Several drafts decided one after the other in one window, each text seen before it is approved."""

import json
from typing import Any

from slack_bolt import App

from bot.blocks.drafts import review_view
from bot.listeners.common import origin, pressed, submitting
from bot.runtime import Tend
from tools import approvals, draft_care
from tools.context import Context
from tools.errors import UserError


def register(app: App) -> None:
    app.action("review_drafts")(on_review)
    app.view("review_draft")(on_reviewed)


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


HANDLERS: dict[str, Any] = {}
