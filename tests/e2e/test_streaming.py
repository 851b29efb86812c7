"""An answer of the language model grows in its thread, sentence by checked sentence, and ends once whatever happens."""

import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import select

from bot.demo import Demo
from bot.settings import Settings
from storage.models import Account
from tests.e2e.conftest import CHANNEL, DANA
from tests.e2e.test_path import answers, buttons, eventually, of_type
from tests.fakes_openai import FakeOpenAI, Reply, call, fake_openai, say


class Slack:
    """A demo whose Slack notes what it was asked to do."""

    def __init__(self, demo: Demo) -> None:
        self.demo, self.seen = demo, list[dict[str, Any]]()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def ask(self, text: str) -> str:
        ts = self.demo.workspace.say(DANA, CHANNEL, f"<@U0TEND> {text}")
        self._asked = ts
        self._thread.start()
        return ts

    def _look(self) -> None:
        """Keep each state in which the answer was seen."""
        while not self._stop.wait(0.01):
            for message in answers(self.demo, CHANNEL, self._asked):
                if not self.seen or self.seen[-1] != message:
                    self.seen.append(message)

    def finished(self) -> dict[str, Any]:
        found = eventually(lambda: [m for m in answers(self.demo, CHANNEL, self._asked) if buttons(m, "feedback")], 30)
        self.demo.tend.queue.drain()
        self._stop.set()
        every = answers(self.demo, CHANNEL, self._asked)
        assert len(every) == 1, [m["text"] for m in every]
        return found[0] and every[0]


@contextmanager
def with_model(filled: Path, folder: Path, *script: Reply) -> Iterator[tuple[Slack, FakeOpenAI]]:
    shutil.copytree(filled, folder / "data")
    with fake_openai(*script, answers_questions=True) as fake:
        settings = Settings(_env_file=None, data_dir=folder / "data", openai_api_key="key", openai_base_url=fake.url)
        demo = Demo(settings, 0)
        demo.start()
        try:
            yield Slack(demo), fake
        finally:
            demo.stop()


@pytest.fixture(scope="module")
def account(filled: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The name of an account."""
    folder = tmp_path_factory.mktemp("name")
    shutil.copytree(filled, folder / "data")
    demo = Demo(Settings(_env_file=None, data_dir=folder / "data", openai_api_key=None), 0)
    with demo._context().session() as session:
        name = session.exec(select(Account.name).where(Account.churned_on == None)).first()  # noqa: E711
    demo.tend.database.engine.dispose()
    demo.workspace.close()
    assert name
    return name


def words(message: dict[str, Any]) -> str:
    return " ".join(block["text"] for block in of_type(message, "markdown")) if message.get("blocks") else ""


def test_steps_and_sentences_appear_before_the_answer_is_whole(filled: Path, tmp_path: Path, account: str) -> None:
    said = f"{account} needs attention. Look at its goals first. Then call its champion."
    script = call("explain_health", account=account), Reply(said, slowly=0.15)
    with with_model(filled, tmp_path, *script) as (slack, _):
        slack.ask(f"why is {account} at risk?")
        message = slack.finished()
    cards = [of_type(state, "task_card") for state in slack.seen]
    assert cards[0][0]["title"] == f"Looking into the health of {account}"
    assert {each[0]["status"] for each in cards if each} == {"in_progress", "complete"}
    grown = [words(state) for state in slack.seen if state.get("streaming")]
    assert f"{account} needs attention." in grown
    assert any(text.endswith("goals first.") for text in grown)
    assert words(message) == said
    assert "answered by language model" in str(message["blocks"])
    assert not message.get("streaming")


def test_a_sentence_that_does_not_pass_is_never_shown(filled: Path, tmp_path: Path, account: str) -> None:
    good, bad, mended = "Look at its goals first.", f"{account} has a health score of 1234. ", "Then call its champion."
    script = call("explain_health", account=account), Reply(f"{good} {bad} {mended}", slowly=0.05), say(mended)
    with with_model(filled, tmp_path, *script) as (slack, fake):
        slack.ask(f"why is {account} at risk?")
        message = slack.finished()
    assert fake.requests == 3
    assert any(words(state) == good for state in slack.seen)
    assert "1234" not in str(slack.seen)
    assert message["text"] == mended


def test_a_link_in_the_words_is_not_streamed(filled: Path, tmp_path: Path, account: str) -> None:
    said = "Look at [its goals](http://elsewhere.example) first. Then call."
    with with_model(filled, tmp_path, call("explain_health", account=account), say(said)) as (slack, _):
        slack.ask(f"why is {account} at risk?")
        message = slack.finished()
    assert not any(words(state) for state in slack.seen)
    assert not of_type(message, "markdown")


@pytest.mark.parametrize("method, error", [
    ("chat.startStream", "internal_error"), ("chat.startStream", "ratelimited"),
    ("chat.appendStream", "message_not_in_streaming_state"), ("chat.stopStream", "message_not_in_streaming_state"),
])  # fmt: skip
def test_a_stream_that_fails_ends_in_one_whole_answer(
    filled: Path, tmp_path: Path, account: str, method: str, error: str
) -> None:
    said = f"{account} needs attention. Look at its goals first. Then call its champion."
    script = call("explain_health", account=account), Reply(said, slowly=0.02)
    with with_model(filled, tmp_path, *script) as (slack, _):
        slack.demo.workspace.fail_next(method, error, **({"retry_after": 30} if error == "ratelimited" else {}))
        started = time.monotonic()
        slack.ask(f"why is {account} at risk?")
        message = slack.finished()
    assert said in str(message["text"]) or said in words(message)
    assert buttons(message, "sources")
    assert time.monotonic() - started < 25


def test_trouble_after_the_stream_began_ends_in_the_rules_answer_in_the_same_message(
    filled: Path, tmp_path: Path, account: str
) -> None:
    script = call("explain_health", account=account), Reply("Look at its goals. Then", slowly=0.05, cut="lost")
    with with_model(filled, tmp_path, *script) as (slack, _):
        slack.ask(f"why is {account} at risk?")
        message = slack.finished()
    assert "language model is not available" in str(message["blocks"])
    assert any(state.get("streaming") for state in slack.seen)


def test_in_direct_messages_the_status_says_which_tool_is_at_work(filled: Path, tmp_path: Path, account: str) -> None:
    script = call("explain_health", account=account), Reply("Look at its goals first.", seconds=1.0)
    with with_model(filled, tmp_path, *script) as (slack, _):
        channel = slack.demo.workspace.open_dm(DANA)
        slack.demo.workspace.say(DANA, channel, f"why is {account} at risk?")
        said = lambda: str(slack.demo.workspace.state.short.status)  # noqa: E731
        eventually(lambda: f"is looking into the health of {account}" in said())
        eventually(lambda: answers(slack.demo, channel))
        slack.demo.tend.queue.drain()
        assert len(answers(slack.demo, channel)) == 1
