"""Testimonials as blocks: who may be asked, what an account gave, and the modal that enters one."""

import json
from collections.abc import Sequence

from bot.blocks.parts import Block, actions, button, context, escape, field, fit, option, section, shorten
from storage.models import Testimonial
from tools.facts import day, plural
from tools.testimonials import Candidate, Candidates

SHOWN = 8
ALLOWED = {"quote": "the quote", "name": "their name and company", "logo": "their logo"}
STATES = {
    "collected": ":hourglass: waits for a second person's approval",
    "approved": ":white_check_mark: may be used",
    "withdrawn": ":no_entry_sign: withdrawn",
}


def candidates(found: Candidates) -> list[Block]:
    """Draw who may be asked with the reason and two buttons each; then who not yet, and why."""
    blocks: list[Block] = []
    for one in () if found.limit else found.rows[:SHOWN]:
        blocks += [section(f"*{escape(one.account)}* · {escape(one.contact)}\n{escape('; '.join(one.because))}")]
        ask = button("Draft the request", "draft_testimonial", {"account": one.account_id}, "primary")
        blocks.append(actions(ask, _enter(one.account_id)))
    if found.held:
        lines = "\n".join(_held(one) for one in found.held[:SHOWN])
        blocks.append(section(f"*Not now*\n{shorten(lines, 2800)}"))
    left = max(found.total[0] - SHOWN, 0)
    return fit([*blocks, context(f"{plural(left, 'further account')} may be asked.")] if left else blocks)


def _held(one: Candidate) -> str:
    return f"• {escape(one.account)}: {escape(one.not_now)}"


def _enter(account_id: int) -> Block:
    return button("Enter testimonial", "enter_testimonial", {"account": account_id})


def of_account(name: str, account_id: int, rows: Sequence[Testimonial]) -> list[Block]:
    """Draw what an account gave, each with what is allowed, how it stands, and what can be done with it."""
    blocks = [
        section(f"*Testimonials of {escape(name)}*" + ("" if rows else "\nNone so far.")),
        actions(_enter(account_id)),
    ]
    for row in rows[:SHOWN]:
        said = "\n".join(f"> {escape(line)}" for line in shorten(row.quote, 2500).split("\n"))
        blocks += [section(said), context(STATES[row.state], day(row.given_at.date()), _allowed(row))]
        value = {"testimonial": row.id}
        approve = [button("Approve", "approve_testimonial", value, "primary")] if row.state == "collected" else []
        if row.state != "withdrawn":
            blocks.append(actions(*approve, button("Withdraw", "withdraw_testimonial", value, "danger")))
    return fit(blocks)


def _allowed(row: Testimonial) -> str:
    given = [word for name, word in ALLOWED.items() if getattr(row, f"may_use_{name}")]
    return f"allowed: {', '.join(given)}" if given else "nothing is allowed yet"


def enter_view(account: str, account_id: int, people: Sequence[str]) -> Block:
    """The modal that enters what a customer wrote, with what they allowed."""
    who = {"type": "static_select", "action_id": "contact", "options": [option(one, one[:75]) for one in people[:100]]}
    stars = [option("★" * count, str(count)) for count in range(5, 0, -1)]
    boxes = [option(f"They allow {word}", name) for name, word in ALLOWED.items()]
    return {
        "type": "modal",
        "callback_id": "enter_testimonial",
        "title": {"type": "plain_text", "text": "Enter a testimonial"},
        "submit": {"type": "plain_text", "text": "Save"},
        "close": {"type": "plain_text", "text": "Cancel"},
        "private_metadata": json.dumps({"account": account_id}),
        "blocks": [
            context(f"{escape(account)}: word for word as they wrote it. A second person approves it."),
            field("contact", "Who said it", who),
            field(
                "quote",
                "Quote",
                {"type": "plain_text_input", "action_id": "quote", "multiline": True, "max_length": 2000},
            ),
            field("rating", "Stars", {"type": "static_select", "action_id": "rating", "options": stars}, optional=True),
            field(
                "use",
                "What it is about",
                {"type": "plain_text_input", "action_id": "use", "max_length": 200},
                optional=True,
            ),
            field(
                "allowed", "Permission", {"type": "checkboxes", "action_id": "allowed", "options": boxes}, optional=True
            ),
        ],
    }
