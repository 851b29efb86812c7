"""Thumbs, reasons, "that's wrong", next questions, help and failures, as they are seen in Slack."""

import re
from typing import Any

from sqlmodel import select

from bot.demo import Demo
from storage.models import Feedback
from tests.e2e.conftest import CHANNEL, DANA
from tests.e2e.test_path import answers, ask, buttons, eventually


def kept(demo: Demo) -> list[Feedback]:
    with demo._context().session() as session:
        return list(session.exec(select(Feedback)).all())


def thumb(message: dict[str, Any], side: str) -> str:
    return str(buttons(message, "feedback")[0][f"{side}_button"]["value"])


def test_a_thumb_up_is_kept_and_one_down_asks_why(demo: Demo) -> None:
    message = ask(demo, "summarise my portfolio")
    channel = demo.workspace.open_dm(DANA)
    demo.workspace.click(DANA, channel, message["ts"], "feedback", thumb(message, "positive"))
    assert eventually(lambda: kept(demo))[0].good
    demo.workspace.click(DANA, channel, message["ts"], "feedback", thumb(message, "negative"))
    modal = eventually(lambda: demo.workspace.modal(DANA))
    values = {"reason": {"reason": "wrong_figure"}, "words": {"words": "It is one more"}}
    demo.workspace.submit(DANA, modal["id"], values)
    row = eventually(lambda: [row for row in kept(demo) if row.reason])[0]
    demo.tend.queue.drain()
    assert (row.good, row.reason, row.words) == (False, "wrong_figure", "It is one more")
    assert len(kept(demo)) == 1
    assert row.facts


def test_an_ephemeral_answer_has_no_thumbs(demo: Demo) -> None:
    demo.workspace.command(DANA, CHANNEL, "/tend", "whoami")
    said = eventually(lambda: [m for m in answers(demo, CHANNEL, viewer=DANA) if "You are Dana" in m["text"]])[0]
    assert not buttons(said, "feedback")


def test_saying_that_it_is_wrong_is_noted_with_the_sources(demo: Demo) -> None:
    ask(demo, "summarise my portfolio")
    said = ask(demo, "that's wrong, we have one more account")
    assert "I noted “summarise my portfolio”" in said["text"]
    assert "data_table" in {block["type"] for block in said["blocks"]}
    row = kept(demo)[0]
    assert (row.good, row.reason, row.words) == (False, "said_wrong", "that's wrong, we have one more account")
    assert row.facts


def test_the_sources_of_an_answer_are_shown_to_who_asks(demo: Demo) -> None:
    message = ask(demo, "summarise my portfolio")
    channel = demo.workspace.open_dm(DANA)
    demo.workspace.click(DANA, channel, message["ts"], "sources", buttons(message, "sources")[0]["value"])
    said = eventually(lambda: [m for m in answers(demo, channel, viewer=DANA) if "Where the figures" in m["text"]])[0]
    assert len(said["blocks"][0]["rows"]) > 3


def test_the_report_is_for_admins_and_in_their_own_messages(demo: Demo) -> None:
    ask(demo, "summarise my portfolio")
    ask(demo, "that's wrong")
    demo.workspace.command(DANA, CHANNEL, "/tend", "feedback")
    eventually(lambda: [m for m in answers(demo, CHANNEL, viewer=DANA) if "needs the role" in m["text"]])
    admin = next(id_ for id_, who in demo.workspace.state.people.items() if who.title == "Admin")
    demo.workspace.command(admin, CHANNEL, "/tend", "feedback 7")
    report = eventually(lambda: answers(demo, demo.workspace.open_dm(admin)))[-1]
    assert report["text"] == "0 of 1 judged answer within 7 days got a thumbs up (0%)."
    assert "summarise my portfolio" in str(report["blocks"])
    assert not [m for m in answers(demo, CHANNEL) if "judged" in m["text"]]


def test_a_next_question_is_one_press_away(demo: Demo) -> None:
    message = ask(demo, "summarise my portfolio")
    offered = buttons(message, "ask:0")[0]
    channel = demo.workspace.open_dm(DANA)
    demo.workspace.click(DANA, channel, message["ts"], "ask:0", offered["value"])
    found = eventually(lambda: [m for m in answers(demo, channel) if offered["text"]["text"] in str(m["blocks"])][1:])
    assert buttons(found[0], "feedback")


def test_help_is_by_example_and_by_subject(demo: Demo) -> None:
    for text in ("help", "What can you do?"):
        message = ask(demo, text)
        shown = str(message["blocks"])
        assert "*Portfolio*" in shown
        assert "*Messages and work*" in shown
        assert "Acme" not in re.sub(r"Acme \w+", "", shown)


def test_an_answer_that_fails_says_so_with_an_id(demo: Demo) -> None:
    class Broken:
        mode = "rules"

        def answer(self, *_: Any, **__: Any) -> Any:
            raise RuntimeError("a customer's words")

    demo.tend.agent = Broken()  # type: ignore[assignment]
    channel = demo.workspace.open_dm(DANA)
    demo.workspace.say(DANA, channel, "summarise my portfolio")
    said = eventually(lambda: answers(demo, channel), 30)[0]["text"]
    assert re.search(r"Something went wrong .*\(error `[0-9a-f]{8}`\)", said)
    assert "customer's words" not in said
