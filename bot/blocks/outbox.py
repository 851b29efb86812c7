"""The outbox as blocks: what waits, what failed, what is unclear, and the buttons for a person's decision."""

from bot.blocks.parts import Block, actions, button, context, escape, fit, section
from storage.models import DraftState
from tools.outbox_desk import Desk, Entry, attempts_said

SIGNS = {
    DraftState.UNCLEAR: ":warning: Unclear whether it went out",
    DraftState.FAILED: ":x: Not delivered",
    DraftState.SENDING: ":hourglass_flowing_sand: With the sender now",
    DraftState.APPROVED: ":hourglass_flowing_sand: Waiting",
}


def outbox_blocks(desk: Desk) -> list[Block]:
    """The list, those that need a person first."""
    blocks = [section(f"*{escape(desk.text)}*")]
    for entry in desk.entries:
        blocks += _entry(entry)
    hidden = sum(desk.counts.values()) - len(desk.entries)
    return fit([*blocks, *([context(f"and {hidden:,} more")] if hidden else [])])


def _entry(entry: Entry) -> list[Block]:
    head = f"{SIGNS[entry.state]} · *{escape(entry.subject)}*\nto {escape(entry.contact)}, {escape(entry.account)}"
    why = ": ".join(part for part in (attempts_said(entry), entry.reason) if part)
    blocks = [
        section(head),
        context(f"{escape(entry.channel.replace('_', '-'))} to {escape(entry.recipient)} · {escape(why)}"),
    ]
    value = {"draft": entry.id}
    if entry.state is DraftState.FAILED:
        return [*blocks, actions(button("Send again", "outbox_again", value))]
    if entry.state is DraftState.UNCLEAR:
        again = button("Send again", "outbox_again", value, "danger", _sure(entry))
        return [*blocks, actions(button("Mark as sent", "outbox_sent", value), again)]
    return blocks


def _sure(entry: Entry) -> Block:
    def plain(text: str) -> Block:
        return {"type": "plain_text", "text": text}

    said = f"It may have gone out already. Ask {entry.contact[:80]} first, or look into the sent mails."
    return {
        "title": plain("Send it again?"),
        "text": plain(said),
        "confirm": plain("Send again"),
        "deny": plain("Wait"),
    }
