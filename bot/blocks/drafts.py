"""A draft for review as blocks, and its modals."""

import difflib
import json

from bot.blocks.parts import Block, actions, button, context, escape, field, fit, option, section, shorten
from storage.models import DraftState
from tools.claims import claims
from tools.drafts import DraftCard
from tools.facts import day, plural, shown

SNOOZES = (1, 3, 7)  # days
MOST_REVIEWED = 100  # in a row: more would not fit into a modal's memory


def draft_blocks(card: DraftCard) -> list[Block]:
    """A draft for review: who and why, the exact text, the facts it uses, then the decision."""
    head = (
        f":envelope: *Draft to {escape(card.contact)}* ({escape(card.contact_role)}, {escape(card.account)})\n"
        f"From {escape(card.sender_name)} to {escape(card.recipient)} · asks for {escape(card.ask or 'a reply')}"
    )
    blocks = [section(head), section(f"*{escape(card.subject)}*")]
    blocks += [section(_quote(part)) for part in _pieces(_marked(card), 2500)]
    facts = "; ".join(f"{_raised((n,))}{fact.measure} {shown(fact)}" for n, fact in enumerate(card.facts, 1))
    blocks.append(context(f"Facts used: {escape(facts)} · the small figures are not sent" if facts else "No facts."))
    blocks += _decision(card)
    return fit(blocks)


def _marked(card: DraftCard) -> str:
    """The text for the reviewer: each sentence that states facts ends with their numbers, which are not sent."""
    text = card.body
    for sentence, numbers in claims(card):
        if numbers:
            text = text.replace(sentence, f"{sentence}{_raised(numbers)}", 1)
    return text


def _raised(numbers: tuple[int, ...]) -> str:
    return "".join("⁰¹²³⁴⁵⁶⁷⁸⁹"[n] for n in numbers if n < 10)


def _decision(card: DraftCard) -> list[Block]:
    if card.state not in (DraftState.DRAFTED, DraftState.SNOOZED):
        return _decided(card)
    value = {"draft": card.id, "hash": card.content_hash}
    return [
        actions(
            button("Approve and send", "approve_draft", value, "primary"),
            button("Edit", "edit_draft", value),
            button("Reject", "reject_draft", value, "danger"),
            _later(card),
        ),
        context(
            f"Nothing is sent before you approve. Expires {day(card.expires_at.date())}.",
            _who_approves(card),
            f":zzz: rests until {day(card.snoozed_until.date())}" if card.snoozed_until else "",
            f"handed to {escape(card.handed_to)}" if card.handed_to else "",
            "" if card.language.startswith("en") else f":warning: the contact's language is {escape(card.language)}",
        ),
    ]


def _decided(card: DraftCard) -> list[Block]:
    """How it stands; and, for a moment, a way back."""
    said = context(STATES[card.state] + (f" · {escape(card.note)}" if card.note else ""))
    return [said, actions(button("Undo", "undo_approval", {"draft": card.id}))] if card.undo_until else [said]


def _later(card: DraftCard) -> Block:
    """What else can be done with an open draft, behind three dots."""
    choices = [(f"Snooze for {plural(days, 'day')}", {"do": "snooze", "days": days}) for days in SNOOZES]
    choices += [("Hand over…", {"do": "hand_over"}), ("Another version…", {"do": "rewrite"})]
    options = [
        option(label, json.dumps({**what, "draft": card.id, "hash": card.content_hash}, separators=(",", ":")))
        for label, what in choices
    ]
    return {"type": "overflow", "action_id": "draft_more", "options": options}


def hand_over_view(card: DraftCard) -> Block:
    """The modal that gives a draft to a colleague."""
    blocks = [
        section(f"“{escape(card.subject)}” to {escape(card.contact)} at {escape(card.account)}"),
        field("colleague", "Who decides it?", {"type": "users_select", "action_id": "colleague"}),
    ]
    return _modal("hand_over_draft", "Hand over the draft", "Hand over", card, blocks)


def rewrite_view(card: DraftCard) -> Block:
    """The modal that asks for another version of a draft."""
    ways = [
        ("Shorter", "shorter"),
        ("Warmer", "warmer"),
        ("Mention…", "mention"),
        ("Anew, from today's facts", "refresh"),
    ]
    choice = {
        "type": "radio_buttons",
        "action_id": "how",
        "options": [option(label, value) for label, value in ways],
        "initial_option": option(*ways[0]),
    }
    blocks = [
        section(f"“{escape(card.subject)}” to {escape(card.contact)} at {escape(card.account)}"),
        field("how", "Which version?", choice),
        _input("what", "What to mention, for “Mention…”", "", 200, False) | {"optional": True},
    ]
    return _modal("rewrite_draft", "Another version", "Write it", card, blocks)


def diff_view(card: DraftCard, subject: str, body: str) -> Block:
    """The modal that shows an edit before it is kept: what goes out, and what changed."""
    changed = _diff(f"{card.subject}\n\n{card.body}", f"{subject}\n\n{body}")
    view = _modal(
        "keep_edit",
        "Keep this text?",
        "Keep",
        card,
        [
            section(f"*To {escape(card.contact)}, {escape(card.recipient)}*\n*{escape(subject)}*"),
            *(section(_quote(part)) for part in _pieces(body, 2500)),
            section(f"*What changed*\n{shorten(changed, 2900)}" if changed else "Nothing changed."),
            context("Keeping it voids earlier approvals; it still has to be approved."),
        ],
    )
    about = {"draft": card.id, "hash": card.content_hash, "subject": subject, "body": body}
    return {**view, "private_metadata": json.dumps(about, ensure_ascii=False)}


def _diff(before: str, after: str) -> str:
    """Lines that went out, struck through, and lines that came in."""
    lines = difflib.ndiff(before.splitlines(), after.splitlines())
    told = [(line[:1], escape(line[2:].strip())) for line in lines if line[:1] in "+-" and line[2:].strip()]
    return "\n".join(f"~{words}~" if sign == "-" else f"+ {words}" for sign, words in told)


def review_view(card: DraftCard, left: list[int], done: int) -> Block:
    """One draft of several to be decided one after the other: each text is seen before it is approved."""
    choice = {
        "type": "radio_buttons",
        "action_id": "decision",
        "options": [option("Approve and send", "approve"), option("Leave it open", "skip"), option("Reject", "reject")],
        "initial_option": option("Leave it open", "skip"),
    }
    view = _modal(
        "review_draft",
        f"Review {done + 1} of {done + 1 + len(left)}",
        "Next" if left else "Done",
        card,
        [
            section(f"*{escape(card.account)}* · to {escape(card.contact)} ({escape(card.contact_role)})"),
            section(f"*{escape(card.subject)}*"),
            *(section(_quote(part)) for part in _pieces(card.body, 2500)[:8]),
            context(f"Facts used: {escape('; '.join(f'{f.measure} {shown(f)}' for f in card.facts))}"),
            field("decision", "What do you want to do?", choice),
            _input("reason", "Why, if you reject it", "", 1000, False) | {"optional": True},
        ],
    )
    about = {"draft": card.id, "hash": card.content_hash, "left": left[:MOST_REVIEWED], "done": done}
    return {**view, "private_metadata": json.dumps(about)}


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
