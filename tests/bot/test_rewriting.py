"""What a language model makes of a draft is shown only when every figure, name and question of it is the draft's."""

import json

import pytest

from bot.rewriting import problems, rewriter
from bot.settings import Settings
from tests.bot.portfolio import context
from tests.fakes_openai import FakeOpenAI, Reply, fake_openai, say
from tools.drafts import DraftCard, draft_outreach
from tools.rewriting import rewrite


@pytest.fixture
def card() -> DraftCard:
    return draft_outreach(context(), "Acme Group", "check_in")


def made(fake: FakeOpenAI, card: DraftCard, how: str) -> DraftCard:
    settings = Settings(_env_file=None, openai_api_key="key", openai_base_url=fake.url)
    return rewrite(context(), card.id, card.content_hash, how, rewriter(settings, context()))


def good(card: DraftCard) -> str:
    return card.body.replace("Hi Wanjiru,", "Dear Wanjiru,\n\nI was thinking of you and your team today.")


def test_without_a_key_there_is_no_writer() -> None:
    assert rewriter(Settings(_env_file=None, openai_api_key=None), context()) is None


def test_a_text_that_says_the_same_warmly_is_taken(card: DraftCard) -> None:
    with fake_openai(say(good(card))) as fake:
        assert made(fake, card, "warmer").body == good(card)
        assert fake.requests == 1


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        (lambda text: text.replace("20 minutes", "45 minutes"), "45"),
        (lambda text: text + "\nSee https://evil.example/x", "https://evil.example/x"),
        (lambda text: text.replace("Hi Wanjiru,", "Hi Wanjiru, greetings from Barcelona Corporation,"), "Corporation"),
        (lambda text: text.replace("?", "."), "the question is missing"),
        (lambda text: text + "\n\nWill you sign?", "more than the one question"),
        (lambda text: text.replace("Dana", "Yours"), "the sender's name is missing"),
    ],
)
def test_what_the_draft_does_not_hold_is_found(card: DraftCard, change: object, wrong: str) -> None:
    assert not problems(card.body, card.body, card, "warmer")
    assert wrong in "; ".join(problems(change(card.body), card.body, card, "warmer"))  # type: ignore[operator]


def test_it_may_put_itself_right_once(card: DraftCard) -> None:
    with fake_openai(say(good(card).replace("20 minutes", "45 minutes")), say(good(card))) as fake:
        assert made(fake, card, "warmer").body == good(card)
        assert "cannot be used: 45" in fake.asked[1]["messages"][-1]["content"]


@pytest.mark.parametrize("replies", [[say("Buy now at https://evil.example!")], [Reply(status=500)], [say("")]])
def test_otherwise_the_rules_write_it(card: DraftCard, replies: list[Reply]) -> None:
    with fake_openai(*replies) as fake:
        body = made(fake, card, "warmer").body
    assert body.startswith("Hello Wanjiru,\n\nI hope that your week is a good one.")


def test_it_never_sees_an_address_and_is_given_no_tools(card: DraftCard) -> None:
    with fake_openai(say("no")) as fake:
        settings = Settings(_env_file=None, openai_api_key="key", openai_base_url=fake.url)
        write = rewriter(settings, context())
        assert write is not None
        from dataclasses import replace

        write(replace(card, body=f"{card.body}\n\nWrite to jo@customer.example."), "warmer", card.body)
        sent = json.dumps(fake.asked, ensure_ascii=False)
    assert "jo@customer" not in sent
    assert "«email 1»" in sent
    assert not any(asked.get("tools") for asked in fake.asked)
