"""Decisions on drafts in Slack: undo, snooze, hand over, write anew, review one after the other."""

import json
from typing import Any

from sqlmodel import col, select

from bot import jobs
from bot.demo import Demo
from storage.models import Draft, DraftState
from tests.e2e.test_path import DANA, answers, buttons, draft_for_first, eventually
from tests.tools.portfolio import OPEN_RULES


def with_time_to_undo(demo: Demo, seconds: int) -> None:
    text = OPEN_RULES.read_text().replace("undo_seconds = 0", f"undo_seconds = {seconds}")
    (demo.settings.data_dir / "governance.toml").write_text(text)


def draft(demo: Demo) -> Draft:
    with demo._context().session() as session:
        return session.exec(select(Draft).order_by(col(Draft.id))).all()[0]


def shown(demo: Demo, channel: str, card: dict[str, Any]) -> dict[str, Any]:
    demo.tend.queue.drain()
    return next(m for m in demo.workspace.messages(channel, card["thread_ts"]) if m["ts"] == card["ts"])


def choose(demo: Demo, channel: str, card: dict[str, Any], label: str) -> None:
    """Choose from the three dots of a card."""
    now = shown(demo, channel, card)
    menu = next(part for block in now["blocks"] for part in block.get("elements", []) if part["type"] == "overflow")
    value = next(each["value"] for each in menu["options"] if each["text"]["text"] == label)
    demo.workspace.select(DANA, channel, card["ts"], "draft_more", value)


def test_an_approval_can_be_taken_back_until_the_message_leaves(demo: Demo) -> None:
    with_time_to_undo(demo, 60)
    channel, card = draft_for_first(demo)
    demo.workspace.click(DANA, channel, card["ts"], "approve_draft")
    approved = eventually(lambda: buttons(shown(demo, channel, card), "undo_approval"))
    demo.workspace.click(DANA, channel, card["ts"], "undo_approval", approved[0]["value"])
    eventually(lambda: buttons(shown(demo, channel, card), "approve_draft"))
    assert draft(demo).state == DraftState.DRAFTED
    assert not demo.workspace.mailbox.messages
    with_time_to_undo(demo, 0)
    demo.workspace.click(DANA, channel, card["ts"], "approve_draft")
    eventually(lambda: demo.workspace.mailbox.messages)
    eventually(lambda: "Sent" in str(shown(demo, channel, card)))
    assert not buttons(shown(demo, channel, card), "undo_approval")
    assert len(demo.workspace.mailbox.messages) == 1


def test_a_draft_rests_comes_back_and_is_written_anew(demo: Demo) -> None:
    channel, card = draft_for_first(demo)
    first = draft(demo)
    choose(demo, channel, card, "Snooze for 3 days")
    assert draft(demo).state == DraftState.SNOOZED
    assert "rests until" in json.dumps(shown(demo, channel, card)["blocks"])
    demo.step_days(3)
    jobs.run_due(demo.tend, demo._context())
    assert draft(demo).state == DraftState.DRAFTED
    choose(demo, channel, card, "Another version…")
    modal = eventually(lambda: demo.workspace.modal(DANA))
    demo.workspace.submit(DANA, modal["id"], {"how": {"how": "refresh"}, "what": {"what": ""}})
    demo.tend.queue.drain()
    again = draft(demo)
    assert {entry["as_of"] for entry in again.facts} > {entry["as_of"] for entry in first.facts} or (
        min(entry["as_of"] for entry in again.facts) > max(entry["as_of"] for entry in first.facts)
    )


def test_a_draft_is_handed_to_a_colleague_who_finds_it_in_their_messages(demo: Demo) -> None:
    channel, card = draft_for_first(demo)
    everybody = demo.workspace.state.people.values()
    person = next(p for p in everybody if p.id != DANA and p.kind == "member" and p.email)
    choose(demo, channel, card, "Hand over…")
    modal = eventually(lambda: demo.workspace.modal(DANA))
    demo.workspace.submit(DANA, modal["id"], {"colleague": {"colleague": person.id}})
    eventually(lambda: [m for m in answers(demo, demo.workspace.open_dm(person.id)) if buttons(m, "approve_draft")])
    assert draft(demo).handed_to == person.email
    assert "handed to" in json.dumps(shown(demo, channel, card)["blocks"])


def test_drafts_are_reviewed_one_after_the_other_each_text_seen(demo: Demo) -> None:
    channel, card = draft_for_first(demo)
    demo.workspace.command(DANA, channel, "/tend", "review")
    modal = eventually(lambda: demo.workspace.modal(DANA))
    assert draft(demo).body.splitlines()[0] in json.dumps(modal["blocks"], ensure_ascii=False)
    refused = demo.workspace.submit(DANA, modal["id"], {"decision": {"decision": "reject"}})
    assert "Please say in a few words why" in str(refused)
    demo.workspace.submit(DANA, modal["id"], {"decision": {"decision": "approve"}})
    eventually(lambda: demo.workspace.mailbox.messages)
    assert demo.workspace.modal(DANA) is None
    eventually(lambda: "Sent" in str(shown(demo, channel, card)))


def test_another_version_is_shorter_and_shows_on_the_card(demo: Demo) -> None:
    channel, card = draft_for_first(demo)
    before = draft(demo)
    choose(demo, channel, card, "Another version…")
    modal = eventually(lambda: demo.workspace.modal(DANA))
    refused = demo.workspace.submit(DANA, modal["id"], {"how": {"how": "mention"}})
    assert "Say what to mention" in str(refused)
    demo.workspace.submit(DANA, modal["id"], {"how": {"how": "shorter"}})
    eventually(lambda: len(draft(demo).body) < len(before.body))
    first = draft(demo).body.splitlines()[0]
    assert first in json.dumps(shown(demo, channel, card)["blocks"], ensure_ascii=False)
    assert not set("¹²³") & set(draft(demo).body)
    assert set("¹²³") & set(json.dumps(shown(demo, channel, card)["blocks"], ensure_ascii=False))
