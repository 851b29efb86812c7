"""A draft for review as blocks, and its modals."""

import json

from bot.blocks.parts import Block, actions, button, context, escape, fit, section
from storage.models import DraftState
from tools.drafts import DraftCard
from tools.facts import day, shown


def draft_blocks(card: DraftCard) -> list[Block]:
    """A draft for review: who and why, the exact text, the facts it uses, then the decision."""
    head = (
        f":envelope: *Draft to {escape(card.contact)}* ({escape(card.contact_role)}, {escape(card.account)})\n"
        f"From {escape(card.sender_name)} to {escape(card.recipient)} · asks for {escape(card.ask or 'a reply')}"
    )
    blocks = [section(head), section(f"*{escape(card.subject)}*")]
    blocks += [section(_quote(part)) for part in _pieces(card.body, 2500)]
    facts = "; ".join(f"{fact.measure} {shown(fact)}" for fact in card.facts)
    blocks.append(context(f"Facts used: {escape(facts)}"))
    blocks += _decision(card)
    return fit(blocks)


def _decision(card: DraftCard) -> list[Block]:
    if card.state not in (DraftState.DRAFTED, DraftState.SNOOZED):
        return [context(STATES[card.state] + (f" · {escape(card.note)}" if card.note else ""))]
    value = {"draft": card.id, "hash": card.content_hash}
    return [
        actions(
            button("Approve and send", "approve_draft", value, "primary"),
            button("Edit", "edit_draft", value),
            button("Reject", "reject_draft", value, "danger"),
        ),
        context(f"Nothing is sent before you approve. Expires {day(card.expires_at.date())}.", _who_approves(card)),
    ]


def _who_approves(card: DraftCard) -> str:
    """Who may approve it, where that is not every CSM."""
    if card.four_eyes:
        return f":eyes: needs a second person: {card.approver_role}"
    return f"needs the role {card.approver_role}" if card.approver_role != "csm" else ""


STATES = {
    DraftState.REJECTED: ":no_entry_sign: Rejected",
    DraftState.EXPIRED: ":hourglass: Expired; ask for a new one",
    DraftState.APPROVED: ":hourglass_flowing_sand: Approved, on its way",
    DraftState.CANCELLED: ":warning: Approved, but not sent",
    DraftState.SENDING: ":hourglass_flowing_sand: Sending",
    DraftState.SENT: ":white_check_mark: Sent",
    DraftState.FAILED: ":x: Could not be delivered",
    DraftState.UNCLEAR: ":warning: Unclear whether it went out: check with the recipient before sending again",
}


def _quote(text: str) -> str:
    return "\n".join(f"> {escape(row)}" if row else ">" for row in text.split("\n"))


def _pieces(text: str, most: int) -> list[str]:
    """Split long text at line ends, so that each piece fits a block."""
    pieces = [""]
    for row in text.split("\n"):
        for part in [row[i : i + most] for i in range(0, len(row), most)] or [""]:
            if len(pieces[-1]) + len(part) + 1 > most:
                pieces.append(part)
            else:
                pieces[-1] = f"{pieces[-1]}\n{part}" if pieces[-1] else part
    return pieces


def edit_view(card: DraftCard) -> Block:
    """The modal that edits a draft."""
    return _modal(
        "edit_draft",
        "Edit the draft",
        "Save",
        card,
        [
            context(f"To {escape(card.contact)}, {escape(card.recipient)}"),
            _input("subject", "Subject", card.subject, 200, False),
            _input("body", "Text", card.body, 3000, True),
        ],
    )


def reject_view(card: DraftCard) -> Block:
    """The modal that asks why a draft is rejected."""
    return _modal(
        "reject_draft",
        "Reject the draft",
        "Reject",
        card,
        [
            section(f"“{escape(card.subject)}” to {escape(card.contact)} will not be sent."),
            _input("reason", "Why? It teaches the next draft.", "", 1000, True),
        ],
    )


def _modal(callback: str, title: str, submit: str, card: DraftCard, blocks: list[Block]) -> Block:
    return {
        "type": "modal",
        "callback_id": callback,
        "title": {"type": "plain_text", "text": title},
        "submit": {"type": "plain_text", "text": submit},
        "close": {"type": "plain_text", "text": "Cancel"},
        "private_metadata": json.dumps({"draft": card.id, "hash": card.content_hash}),
        "blocks": blocks,
    }


def _input(name: str, label: str, value: str, most: int, multiline: bool) -> Block:
    element: Block = {
        "type": "plain_text_input",
        "action_id": name,
        "multiline": multiline,
        "max_length": most,
    }
    if value:
        element["initial_value"] = value[:most]
    return {
        "type": "input",
        "block_id": name,
        "label": {"type": "plain_text", "text": label},
        "element": element,
    }
