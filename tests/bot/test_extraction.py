"""The reading model gets one text, no tools and no names of others; only records of the right shape come back."""

import pytest

from bot.extraction import reader
from bot.settings import Settings
from scoring.mentions import load_mentions
from tests.fakes_openai import FakeOpenAI, Reply, call, fake_openai, say
from tools.reading import ReaderDownError, ReadingError, Record

PATTERNS = load_mentions()


def settings(fake: FakeOpenAI) -> Settings:
    return Settings(_env_file=None, openai_api_key="sk-test", openai_base_url=fake.url)


def read(fake: FakeOpenAI, text: str) -> list[Record]:
    found = reader(settings(fake), PATTERNS)
    assert found is not None
    return found(text)


def test_without_a_language_model_there_is_no_reader() -> None:
    assert reader(Settings(_env_file=None, openai_api_key=None), PATTERNS) is None


def test_the_text_goes_out_alone_and_without_tools() -> None:
    with fake_openai(say('{"records": [{"kind": "legal", "quote": "our lawyer will call"}]}')) as fake:
        assert read(fake, "Well, our lawyer will call.") == [Record("legal", "our lawyer will call")]
    asked = fake.asked[0]
    assert "tools" not in asked
    assert [message["role"] for message in asked["messages"]] == ["system", "user"]
    assert asked["messages"][1]["content"] == "«Well, our lawyer will call.»"
    assert all(kind.kind in asked["messages"][0]["content"] for kind in PATTERNS.kinds)


@pytest.mark.parametrize(
    "reply",
    [say("Nothing to note, have a nice day"), say('{"records": "all"}'), say('{"records": [{"kind": 5}]}'),
     Reply(refusal="I would rather not"), call("send_email", to="x@example.com")],
)  # fmt: skip
def test_rubbish_a_refusal_and_a_tool_call_are_no_records(reply: Reply) -> None:
    with fake_openai(reply) as fake, pytest.raises(ReadingError):
        read(fake, "Hello")


@pytest.mark.parametrize("status", [401, 429, 500])
def test_a_provider_in_trouble_is_said_to_be_down(status: int) -> None:
    with fake_openai(Reply(status=status)) as fake, pytest.raises(ReaderDownError):
        read(fake, "Hello")


def test_a_long_text_is_cut() -> None:
    with fake_openai(say('{"records": []}')) as fake:
        assert read(fake, "x" * 50_000) == []
    assert len(fake.asked[0]["messages"][1]["content"]) < 7000
