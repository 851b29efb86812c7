"""Thumbs under an answer, the question why, and the report about both."""

import json
from collections.abc import Iterable

from bot.blocks.parts import Block, context, escape, field, fit, option, section, shorten
from tools.feedback import REASONS, FeedbackReport, Share

OFFERED = ("wrong_figure", "not_asked", "too_long", "missing", "other")


def thumbs(key: str) -> Block:
    """The two buttons under an answer."""
    sides = {
        name: {
            "text": {"type": "plain_text", "text": text},
            "value": json.dumps({"key": key, "good": good}, separators=(",", ":")),
            "accessibility_label": label,
        }
        for name, good, text, label in (
            ("positive_button", True, "Good answer", "This answer is good"),
            ("negative_button", False, "Bad answer", "This answer is bad"),
        )
    }
    return {"type": "context_actions", "elements": [{"type": "feedback_buttons", "action_id": "feedback", **sides}]}


def reason_view(key: str) -> Block:
    """The modal that asks what was wrong."""
    reasons = {
        "type": "radio_buttons",
        "action_id": "reason",
        "options": [option(REASONS[name].capitalize(), name) for name in OFFERED],
    }
    words = {"type": "plain_text_input", "action_id": "words", "multiline": True, "max_length": 1000}
    return {
        "type": "modal",
        "callback_id": "feedback",
        "title": {"type": "plain_text", "text": "What was wrong?"},
        "submit": {"type": "plain_text", "text": "Send"},
        "close": {"type": "plain_text", "text": "Cancel"},
        "private_metadata": json.dumps({"key": key}),
        "blocks": [field("reason", "The answer was", reasons), field("words", "In your words", words, optional=True)],
    }


def report(found: FeedbackReport) -> list[Block]:
    """The share first, then reasons, then by mode and tool, then the questions that went wrong."""
    blocks = [section(f"*{escape(found.text)}*")]
    if not found.judged:
        return blocks
    if found.reasons:
        blocks.append(section("What was wrong: " + ", ".join(f"{name} ({count})" for name, count in found.reasons)))
    blocks += [section(f"*By mode*\n{_lines(found.modes)}"), section(f"*By tool*\n{_lines(found.tools)}")]
    if found.wrong:
        asked = [
            f"• “{escape(shorten(w.question, 150))}”: {w.reason}"
            + (f", “{escape(shorten(w.words, 150))}”" if w.words else "")
            + f" _({', '.join(w.tools) or 'no tool'}; {w.mode})_"
            for w in found.wrong
        ]
        blocks += [section("*Questions that went wrong*"), *(section(line) for line in asked)]
    return fit([*blocks, context("Each thumb counts once for each colleague; thinking again replaces it.")])


def _lines(shares: Iterable[Share]) -> str:
    return "\n".join(f"• {share.name}: {share.good} of {share.judged} good" for share in shares)
