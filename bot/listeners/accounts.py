"""Buttons on accounts and digests: why, I'm on it, snooze, show all."""

from typing import Any

from slack_bolt import App

from bot.blocks import result_blocks
from bot.blocks.accounts import TABLE_ROWS, line
from bot.blocks.parts import context as small
from bot.blocks.parts import escape, fit, section
from bot.listeners.common import person, put_press, say_only_to
from bot.runtime import Tend
from bot.work import Item
from storage.models import Account
from tools.account_query import rows_at_risk, scored_day
from tools.accounts import acknowledge_account, find_accounts, snooze_account
from tools.context import Context
from tools.errors import UserError
from tools.facts import plural
from tools.insights import explain_health

ACTIONS = ("why", "acknowledge", "snooze", "digest_all", "more")
PAGE = 40  # accounts in one thread message


def register(app: App) -> None:
    for name in ACTIONS:
        app.action(name)(on_press)


def on_press(ack: Any, body: dict[str, Any], context: Any) -> Any:
    put_press(context, body, body["actions"][0]["action_id"])
    return ack()


def why(tend: Tend, item: Item) -> None:
    """Explain the account's score in the thread."""
    ctx = person(tend, item)
    if ctx is None:
        return
    payload = item.payload
    card = explain_health(ctx, account_key(ctx, payload["account"]))
    tend.messenger.post_once(
        ctx,
        f"why:{item.key}",
        payload["channel"] or direct_messages(tend, ctx, payload["user"]),
        card.text,
        result_blocks(card),
        thread_ts=payload.get("thread_ts"),
        accounts=card.account_ids,
    )


def acknowledge(tend: Tend, item: Item) -> None:
    """Note who has taken the account on, and tell the channel in the thread."""
    ctx = person(tend, item)
    if ctx is None:
        return
    name = acknowledge_account(ctx, item.payload["account"])
    shown = f"<@{item.payload['user']}> is on *{escape(name)}*."
    tend.messenger.post_once(
        ctx,
        f"ack:{item.key}",
        item.payload["channel"],
        f"{ctx.actor.name} is on {name}.",
        [section(shown)],
        thread_ts=item.payload.get("thread_ts"),
        accounts=(item.payload["account"],),
    )


def snooze(tend: Tend, item: Item) -> None:
    """Leave the account out of digests for some days."""
    ctx = person(tend, item)
    if ctx is None:
        return
    days = item.payload["days"]
    name = snooze_account(ctx, item.payload["account"], days)
    say_only_to(tend, ctx, item.payload, f"{name} stays out of the digests for {plural(days, 'day')}.")


def digest_all(tend: Tend, item: Item) -> None:
    """Post every account at risk into the digest's thread."""
    ctx = person(tend, item)
    if ctx is None:
        return
    with ctx.session() as session:
        rows = rows_at_risk(ctx, session, scored_day(ctx, session), None)
    payload = item.payload
    channel, thread = tend.messenger.place(ctx, payload["channel"], payload.get("thread_ts"))
    for start in range(0, len(rows), PAGE):
        part = rows[start : start + PAGE]
        blocks = [section(line(row)) for row in part]
        label = f"{start + 1}–{start + len(part)} of {len(rows)} at risk, by revenue at risk"
        tend.messenger.post_once(
            ctx,
            f"all:{item.key}:{start}",
            channel,
            label,
            fit([small(label), *blocks]),
            thread_ts=thread,
        )


def more(tend: Tend, item: Item) -> None:
    """Post the next page of a list."""
    ctx = person(tend, item)
    if ctx is None:
        return
    payload = item.payload
    found = find_accounts(ctx, **{**payload["filters"], "limit": TABLE_ROWS}, offset=payload["offset"])
    shown = f"{payload['offset'] + 1}–{payload['offset'] + len(found.rows)} of {found.total} {found.title}"
    tend.messenger.post_once(
        ctx,
        f"more:{item.key}",
        payload["channel"],
        shown,
        fit([small(shown), *result_blocks(found)]),
        thread_ts=payload.get("thread_ts"),
    )


def account_key(ctx: Context, account_id: int) -> str:
    with ctx.session() as session:
        account = session.get(Account, account_id)
    if account is None:
        raise UserError("That account is no longer here.")
    return account.external_id


def direct_messages(tend: Tend, ctx: Context, user: str) -> str:
    return str(tend.messenger.client_of(ctx.workspace_id).conversations_open(users=user)["channel"]["id"])


HANDLERS = {"why": why, "acknowledge": acknowledge, "snooze": snooze, "digest_all": digest_all, "more": more}
