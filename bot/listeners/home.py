"""App Home: my accounts by band, the ones at risk, drafts that wait; and suggested prompts in messages."""

from typing import Any

import structlog
from slack_bolt import App
from slack_sdk.errors import SlackApiError
from sqlmodel import col, select

from bot.blocks.accounts import DOTS, line
from bot.blocks.parts import Block, actions, button, context, divider, escape, header, section
from bot.listeners.chat import PROMPTS
from bot.listeners.common import put_press
from bot.runtime import Tend
from bot.work import Item
from storage.models import Draft, DraftState
from tools.accounts import band_words, find_accounts
from tools.context import Context
from tools.errors import NotAllowedError, UserError
from tools.facts import day, money_by_currency, plural
from tools.portfolio import portfolio_summary

log = structlog.get_logger()
EMPTY = "You own no accounts yet. Accounts belong to the CSM whose email stands in their `owner_email`."


def register(app: App) -> None:
    app.event("app_home_opened")(on_opened)
    app.action("open_draft")(on_open_draft)


def on_opened(event: dict[str, Any], body: dict[str, Any], context: Any) -> None:
    tend: Tend = context["tend"]
    team = body.get("team_id") or context["team_id"]
    payload = {"team": team, "user": event["user"], "channel": event.get("channel")}
    kind = "home" if event.get("tab") == "home" else "prompts"
    tend.queue.put(tend.workspace_of(team), kind, body.get("event_id") or f"home:{event['event_ts']}", payload)


def on_open_draft(ack: Any, body: dict[str, Any], context: Any) -> Any:
    put_press(context, body, "show_draft")
    return ack()


def publish_home(tend: Tend, item: Item) -> None:
    """Publish the person's Home tab."""
    ctx = tend.context(item.workspace_id)
    payload = item.payload
    try:
        acting = ctx.acting(tend.actor(ctx, payload["user"], payload["team"]))
        blocks = home_blocks(acting)
    except NotAllowedError as refusal:
        blocks = [section(str(refusal))]
    view = {"type": "home", "blocks": blocks}
    tend.messenger.client_of(ctx.workspace_id).views_publish(user_id=payload["user"], view=view)


def home_blocks(ctx: Context) -> list[Block]:
    """Compose the Home tab of the person in the context."""
    blocks = [header(f"Good to see you, {ctx.actor.name.split()[0]}")]
    try:
        summary = portfolio_summary(ctx, owner="me")
        worst = find_accounts(ctx, owner="me", at_risk=True, limit=5)
    except UserError as error:
        return [*blocks, section(escape(str(error)))]
    if not summary.total:
        return [*blocks, section(EMPTY), *_ask()]
    counts = " · ".join(
        f"{DOTS.get(b.band, DOTS[None])} *{b.accounts}* {band_words(b.band)}" for b in summary.bands if b.accounts
    )
    arr: dict[str, float] = {}
    for band in summary.bands:
        for currency, amount in band.arr.items():
            arr[currency] = arr.get(currency, 0) + (amount or 0)
    blocks += [
        section(f"*{plural(summary.total, 'account')}*, {money_by_currency(arr)} ARR\n{counts}"),
        divider(),
    ]
    blocks += _drafts(ctx)
    blocks.append(
        section(f"*At risk* ({worst.total})" if worst.total else ":large_green_circle: None of yours is at risk.")
    )
    for row in worst.rows:
        value = {"account": row.id}
        blocks += [
            section(line(row)),
            actions(button("Draft outreach", "draft_outreach", value), button("Why", "why", value)),
        ]
    return [*blocks, divider(), *_ask(), context(f"As of {day(summary.as_of)}")]


def _ask() -> list[Block]:
    return [context("Ask me in Messages or with `/tend`, for example: " + " · ".join(f"“{p}”" for p in PROMPTS[:3]))]


def _drafts(ctx: Context) -> list[Block]:
    with ctx.session() as session:
        waiting = session.exec(
            select(Draft)
            .where(
                Draft.state == DraftState.DRAFTED,
                Draft.created_by == ctx.actor.email,
                col(Draft.expires_at) > ctx.now(),
            )
            .order_by(col(Draft.created_at).desc())
        ).all()
    if not waiting:
        return []
    blocks = [section(f"*Waiting for your approval* ({len(waiting)})")]
    for draft in waiting[:5]:
        blocks.append(section(escape(draft.subject), button("Review", "open_draft", {"draft": draft.id})))
    return [*blocks, divider()]


def suggest_prompts(tend: Tend, item: Item) -> None:
    """Offer questions in an empty conversation; without `thread_ts`, as agent_view wants it."""
    ctx = tend.context(item.workspace_id)
    prompts = [{"title": text, "message": text} for text in PROMPTS]
    try:
        tend.messenger.client_of(ctx.workspace_id).assistant_threads_setSuggestedPrompts(
            channel_id=item.payload["channel"], prompts=prompts
        )
    except SlackApiError as error:
        log.info("no_prompts", error=error.response.get("error"))


HANDLERS = {"home": publish_home, "prompts": suggest_prompts}
