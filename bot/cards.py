"""Cards of drafts: posted once per place, and remembered so that every copy shows how the draft stands."""

from bot.blocks.drafts import draft_blocks
from bot.runtime import Tend
from tools import approvals
from tools.context import Context
from tools.drafts import DraftCard


def post_draft(
    tend: Tend, ctx: Context, card: DraftCard, channel: str, thread_ts: str | None = None, again: str = ""
) -> None:
    """Post a draft's card once per place (and per press that asks for it again), and remember where it stands."""
    channel, thread_ts = tend.messenger.place(ctx, channel, thread_ts, card.account_ids)
    key = f"draft:{card.id}:{channel}:{thread_ts or ''}:{again}"
    ts = tend.messenger.post_once(ctx, key, channel, card.text, draft_blocks(card), thread_ts=thread_ts)
    approvals.remember_card(ctx, card.id, channel, ts)
