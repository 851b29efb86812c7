"""The whole path over real HTTP and SMTP: ask, digest, draft, approve, deliver."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import pytest
from sqlmodel import col, select

from bot import jobs
from bot.demo import Demo
from bot.local.server import SlackError
from storage.models import Account, Audit, Draft, DraftState, Work
from tests.e2e.conftest import CHANNEL, DANA, EXTERN, GUEST

QUESTION = "Which of my accounts are at risk this week, and why?"


def eventually(found: Callable[[], Any], seconds: float = 15) -> Any:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        value = found()
        if value:
            return value
        time.sleep(0.05)
    raise AssertionError("it did not happen in time")


def answers(demo: Demo, channel: str, thread: str | None = None, viewer: str | None = None) -> list[dict[str, Any]]:
    return [m for m in demo.workspace.messages(channel, thread, viewer) if m.get("bot_id")]


def ask(demo: Demo, text: str, user: str = DANA) -> dict[str, Any]:
    """Ask in the person's own messages and return the newest answer."""
    channel = demo.workspace.open_dm(user)
    before = len(answers(demo, channel))
    demo.workspace.say(user, channel, text)
    return eventually(lambda: answers(demo, channel)[before:])[-1]


def buttons(message: dict[str, Any], action: str) -> list[dict[str, Any]]:
    found = []
    for block in message.get("blocks", []):
        parts = [*block.get("elements", []), block.get("accessory") or {}]
        found += [part for part in parts if part.get("action_id") == action]
    return found


def of_type(message: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    return [block for block in message["blocks"] if block["type"] == kind]


def draft_for_first(demo: Demo) -> tuple[str, dict[str, Any]]:
    """Press "Draft outreach" on the first account of the digest; return the channel and the card."""
    digest = eventually(lambda: answers(demo, CHANNEL))[0]
    demo.workspace.click(DANA, CHANNEL, digest["ts"], "draft_outreach", buttons(digest, "draft_outreach")[0]["value"])
    card = eventually(lambda: [m for m in answers(demo, CHANNEL, digest["ts"]) if buttons(m, "approve_draft")])[0]
    return CHANNEL, card


def press_at_once(demo: Demo, channel: str, card: dict[str, Any], times: int) -> None:
    """Press "Approve" many times at the same moment; presses after the card was updated find no button."""
    value = buttons(card, "approve_draft")[0]["value"]

    def press(_: int) -> None:
        with suppress(SlackError):
            demo.workspace.click(DANA, channel, card["ts"], "approve_draft", value)

    with ThreadPoolExecutor(times) as pool:
        list(pool.map(press, range(times)))


def test_a_question_gets_a_table_with_true_numbers_and_reasons(demo: Demo) -> None:
    message = ask(demo, QUESTION)
    rows = of_type(message, "data_table")[0]["rows"]
    with demo._context().session() as session:
        mine = session.exec(select(Account).where(Account.owner_email == "dana.reyes@brightwater.example")).all()
    arr = {account.name: (account.mrr or 0) * 12 for account in mine}
    assert len(rows) > 3
    for name, _, _, shown_arr, *_ in rows[1:]:
        assert shown_arr["value"] == pytest.approx(arr[name["text"]], abs=0.01)
    assert "%" in message["blocks"][2]["text"]["text"] or "days" in message["blocks"][2]["text"]["text"]


def test_the_digest_is_posted_once_per_day_however_often_jobs_run(demo: Demo) -> None:
    eventually(lambda: answers(demo, CHANNEL))
    for _ in range(3):
        jobs.run_due(demo.tend, demo._context())
    assert len(answers(demo, CHANNEL)) == 1
    demo.step_days(1)
    jobs.run_due(demo.tend, demo._context())
    assert len(answers(demo, CHANNEL)) == 2


def test_a_draft_is_edited_approved_and_delivered_exactly_once(demo: Demo) -> None:
    channel, card = draft_for_first(demo)
    demo.workspace.click(DANA, channel, card["ts"], "edit_draft")
    modal = eventually(lambda: demo.workspace.modal(DANA))
    text = "Hi, one line of my own about your escalated ticket.\n\nDana"
    demo.workspace.submit(DANA, modal["id"], {"subject": {"subject": "In my own words"}, "body": {"body": text}})
    changed = eventually(lambda: demo.workspace.modal(DANA))
    assert "What changed" in str(changed["blocks"])
    demo.workspace.submit(DANA, changed["id"], {})
    edited = eventually(lambda: [m for m in answers(demo, channel, card["thread_ts"]) if "In my own words" in str(m)])[
        0
    ]
    press_at_once(demo, channel, edited, 8)
    mail = eventually(lambda: demo.workspace.mailbox.messages)[0]
    sent = eventually(lambda: [m for m in answers(demo, channel, card["thread_ts"]) if "Sent" in str(m["blocks"])])[0]
    demo.tend.queue.drain()
    assert len(demo.workspace.mailbox.messages) == 1
    assert (mail.subject, mail.text.replace("\r\n", "\n").strip()) == ("In my own words", text)
    assert not buttons(sent, "approve_draft")
    with demo._context().session() as session:
        actions = session.exec(select(Audit.action).order_by(col(Audit.id))).all()
    assert actions == ["draft.edit", "draft.approved", "draft.sending", "draft.sent"]


def test_an_old_card_cannot_approve_a_text_that_was_edited(demo: Demo) -> None:
    channel, card = draft_for_first(demo)
    old = buttons(card, "approve_draft")[0]["value"]
    demo.workspace.click(DANA, channel, card["ts"], "edit_draft")
    modal = eventually(lambda: demo.workspace.modal(DANA))
    demo.workspace.fail_next("chat.update", "internal_error", times=20)  # so the old card stays pressable
    demo.workspace.submit(DANA, modal["id"], {"subject": {"subject": "New"}, "body": {"body": "New text"}})
    demo.workspace.submit(DANA, eventually(lambda: demo.workspace.modal(DANA))["id"], {})
    demo.workspace.click(DANA, channel, card["ts"], "approve_draft", old)
    told = eventually(lambda: [m for m in answers(demo, channel, viewer=DANA) if "edited since" in str(m)])
    assert told
    assert not demo.workspace.mailbox.messages


def test_a_rejected_draft_needs_a_reason_and_is_not_sent(demo: Demo) -> None:
    channel, card = draft_for_first(demo)
    demo.workspace.click(DANA, channel, card["ts"], "reject_draft")
    modal = eventually(lambda: demo.workspace.modal(DANA))
    demo.workspace.submit(DANA, modal["id"], {"reason": {"reason": "They called me this morning"}})
    eventually(lambda: [m for m in answers(demo, channel, card["thread_ts"]) if "They called me" in str(m["blocks"])])
    assert not demo.workspace.mailbox.messages


def test_guests_and_people_of_other_organisations_get_no_data(demo: Demo) -> None:
    ts = demo.workspace.say(GUEST, "C0GENERAL", f"<@U0TEND> {QUESTION}")
    said = eventually(lambda: answers(demo, "C0GENERAL", viewer=GUEST))
    assert "guests can't see account data" in said[0]["text"]
    demo.workspace.say(EXTERN, "C0PARTNER", f"<@U0TEND> {QUESTION}")
    said = eventually(lambda: answers(demo, "C0PARTNER", viewer=EXTERN))
    assert "members of this workspace" in said[0]["text"]
    assert not answers(demo, "C0GENERAL", ts)


def test_a_shared_channel_gets_no_account_data_even_for_a_member(demo: Demo) -> None:
    demo.workspace.say(DANA, "C0PARTNER", f"<@U0TEND> {QUESTION}")
    said = eventually(lambda: answers(demo, "C0PARTNER", viewer=DANA))
    assert "shared with another organisation" in said[0]["text"]
    assert not of_type(said[0], "data_table") if said[0].get("blocks") else True


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "Ask me about your accounts"),
        (":tada: :rocket:", "Ask me about your accounts"),
        ("why " * 5000, "I read questions of up to 4,000"),
        ("Welche meiner Kunden sind gefährdet?", "English only"),
        ("どの顧客が解約しそうですか", "English only"),
        ("what is the weather in Rome?", "I can't answer that"),
        ("tell me about Zyxwvut Industries", "I know no account called"),
    ],
)
def test_odd_questions_get_a_kind_answer(demo: Demo, text: str, said: str) -> None:
    assert said in str(ask(demo, text or "<@U0TEND>"))


def test_an_ambiguous_name_is_asked_back_and_a_press_answers_it(demo: Demo) -> None:
    message = ask(demo, "tell me about Acme")
    choice = of_type(message, "actions")[0]["elements"][0]
    channel = demo.workspace.open_dm(DANA)
    demo.workspace.click(DANA, channel, message["ts"], choice["action_id"], choice["value"])
    name = choice["text"]["text"]
    eventually(lambda: [m for m in demo.workspace.messages(channel) if m.get("bot_id") and f"{name}: " in m["text"]])


def test_a_retried_event_is_answered_once(demo: Demo) -> None:
    channel = demo.workspace.open_dm(DANA)
    event = {"type": "message", "channel_type": "im", "channel": channel, "user": DANA, "ts": "1795000000.000100",
             "text": "summarise my portfolio"}  # fmt: skip
    for retry in (None, 1, 2):
        assert demo.workspace.deliver_event(event, event_id="Ev0SAME", retry_num=retry) == 200
    eventually(lambda: answers(demo, channel))
    demo.tend.queue.drain()
    assert len(answers(demo, channel)) == 1


@pytest.mark.parametrize("signature", ["bad", "stale", "none"])
def test_unsigned_or_replayed_requests_are_refused(
    demo: Demo, signature: Any, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    event = {
        "type": "message",
        "channel_type": "im",
        "channel": "D0001",
        "user": DANA,
        "ts": "1.0",
        "text": "a customer's words",
    }
    assert demo.workspace.deliver_event(event, signature=signature) == 401
    with demo.tend.database.unbound() as session:
        assert session.exec(select(Work).where(Work.kind == "question")).first() is None
    assert "a customer's words" not in "".join(capfd.readouterr()) + caplog.text


def test_a_dead_mail_server_leaves_the_draft_approved_and_it_goes_out_later(demo: Demo) -> None:
    channel, card = draft_for_first(demo)
    port = int(demo.workspace.mailbox.url.rsplit(":", 1)[1])
    demo.workspace.mailbox.refuse()
    demo.workspace.click(DANA, channel, card["ts"], "approve_draft")
    shown = eventually(lambda: [m for m in answers(demo, channel, card["thread_ts"]) if "cannot be reached" in str(m)])
    assert "Approved" in str(shown[0]["blocks"])
    demo.workspace.mailbox.start(port)
    demo.state.stepped += 1  # past the waiting time
    demo.tend.delivery.wake()
    eventually(lambda: demo.workspace.mailbox.messages)
    demo.tend.queue.drain()
    assert len(demo.workspace.mailbox.messages) == 1


def test_a_rate_limited_slack_is_waited_for(demo: Demo) -> None:
    demo.workspace.fail_next("chat.postMessage", "ratelimited", retry_after=1)
    assert "accounts" in ask(demo, "summarise my portfolio")["text"]


def test_follow_ups_know_what_the_thread_was_about(demo: Demo) -> None:
    listed = ask(demo, QUESTION)
    names = [row[0]["text"] for row in of_type(listed, "data_table")[0]["rows"][1:]]
    card = ask(demo, "draft one for the second")
    assert names[1] in str(card["blocks"])
    assert buttons(card, "approve_draft")
    assert names[2] in ask(demo, "why is the third at risk?")["text"]


def test_drafts_for_different_accounts_read_differently(demo: Demo) -> None:
    digest = eventually(lambda: answers(demo, CHANNEL))[0]
    for press in buttons(digest, "draft_outreach")[:4]:
        demo.workspace.click(DANA, CHANNEL, digest["ts"], "draft_outreach", press["value"])
    with_drafts = lambda: demo._context().session().exec(select(Draft)).all()  # noqa: E731
    drafts = eventually(lambda: len(with_drafts()) >= 3 and with_drafts())
    bodies = {draft.body for draft in drafts}
    assert len(bodies) == len(drafts)
    assert all(draft.state == DraftState.DRAFTED and len(draft.facts) >= 2 for draft in drafts)


def test_a_long_list_goes_on_behind_a_button(demo: Demo) -> None:
    message = ask(demo, "list all customers")
    press = buttons(message, "more")[0]
    channel = demo.workspace.open_dm(DANA)
    demo.workspace.click(DANA, channel, message["ts"], "more", press["value"])
    page = eventually(lambda: [m for m in answers(demo, channel) if m["text"].startswith("11–20 of")])[0]
    first = {row[0]["text"] for row in of_type(message, "data_table")[0]["rows"][1:]}
    second = {row[0]["text"] for row in of_type(page, "data_table")[0]["rows"][1:]}
    assert len(first) == len(second) == 10
    assert not first & second


def test_home_shows_the_persons_own_accounts(demo: Demo) -> None:
    demo.workspace.open_home(DANA)
    view = eventually(lambda: demo.workspace.home(DANA))
    assert "Good to see you, Dana" in str(view)
    assert "At risk" in str(view)


def test_the_slash_command_helps_and_starts_a_digest(demo: Demo) -> None:
    said = demo.workspace.command(DANA, "C0GENERAL", "/tend", "help")
    assert "What you can type" in str(said) or eventually(
        lambda: [m for m in answers(demo, "C0GENERAL", viewer=DANA) if "What you can type" in str(m)]
    )
    demo.workspace.command(DANA, "C0GENERAL", "/tend", "digest here 7")
    eventually(lambda: [m for m in answers(demo, "C0GENERAL", viewer=DANA) if "every day at 7:00" in str(m)])
