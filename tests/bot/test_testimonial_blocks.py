"""Testimonials in Slack: the list, an account's own, and the modal, each within Slack's rules."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from bot.blocks import result_blocks
from bot.blocks.testimonials import enter_view, of_account
from bot.local.blockkit import SURFACES
from storage.models import Testimonial
from tools.testimonials import Candidate, Candidates

ROWS = tuple(Candidate(n, f"Account <{n}>", "Max Nye", ("the latest NPS answer is 10",)) for n in range(12))
HELD = (Candidate(99, "Held & Co", "", ("goal",), "an escalated ticket is open"),)


def ids(blocks: list[dict[str, Any]]) -> list[str]:
    return [part["action_id"] for block in blocks if block["type"] == "actions" for part in block["elements"]]


def test_candidates_have_the_reason_and_two_buttons_each_and_the_held_ones_why_not() -> None:
    blocks = result_blocks(Candidates("12 accounts may be asked.", rows=ROWS, held=HELD, total=(12, 1)))
    assert not [wrong for block in blocks for wrong in SURFACES["message"](block, "block")]
    assert ids(blocks) == ["draft_testimonial", "enter_testimonial"] * 8
    shown = json.dumps(blocks)
    assert "Held &amp; Co: an escalated ticket is open" in shown
    assert "4 further accounts may be asked." in shown


def test_beyond_the_companys_limit_there_is_nothing_to_press() -> None:
    blocks = result_blocks(Candidates("Nobody now.", rows=ROWS, limit="we asked 10 customers", total=(12, 0)))
    assert ids(blocks) == []


@pytest.mark.parametrize(
    ("state", "buttons"),
    [
        ("collected", ["approve_testimonial", "withdraw_testimonial"]),
        ("approved", ["withdraw_testimonial"]),
        ("withdrawn", []),
    ],
)
def test_a_testimonial_offers_what_can_still_be_done_with_it(state: str, buttons: list[str]) -> None:
    row = Testimonial(
        id=3, account_id=1, contact_id=1, quote="Good & <fast>", state=state, may_use_quote=True,
        given_at=datetime(2026, 5, 4, tzinfo=UTC), entered_by="dana@team.example",
    )  # fmt: skip
    blocks = of_account("Acme", 1, [row])
    assert not [wrong for block in blocks for wrong in SURFACES["message"](block, "block")]
    assert ids(blocks) == ["enter_testimonial", *buttons]
    assert "Good &amp; &lt;fast&gt;" in json.dumps(blocks)
    assert "allowed: the quote" in json.dumps(blocks)


def test_the_modal_asks_for_each_permission_by_itself_and_none_is_ticked() -> None:
    view = enter_view("Acme", 1, ["Max Nye"])
    assert not [wrong for block in view["blocks"] for wrong in SURFACES["modal"](block, "block")]
    allowed = next(block["element"] for block in view["blocks"] if block.get("block_id") == "allowed")
    assert [one["value"] for one in allowed["options"]] == ["quote", "name", "logo"]
    assert "initial_options" not in allowed
