"""No email address and no phone number reaches the language model, and none is lost on the way back."""

import json
import re
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.agent import Agent
from bot.answers import MODEL, Turn
from bot.extraction import reader
from bot.privacy import EMAIL, Masks
from bot.settings import Settings
from scoring.mentions import load_mentions
from tests.bot.portfolio import context, frames
from tests.fakes_openai import FakeOpenAI, call, fake_openai, say

PHONES = ("+49 30 901820", "(415) 555-0132", "030/901820", "0041 44 668 18 00", "415-555-0132", "06301234567")


def agent(fake: FakeOpenAI) -> Agent:
    return Agent(Settings(_env_file=None, openai_api_key="key", openai_base_url=fake.url), 5)


def addresses() -> set[str]:
    portfolio = frames()
    found = [*portfolio["contacts"]["email"], *portfolio["users"]["email"], *portfolio["accounts"]["owner_email"]]
    return set(found) | set(PHONES)


def test_no_address_of_the_portfolio_the_thread_or_the_question_reaches_the_server() -> None:
    asked_by = "Are wanda@elsewhere.example, champion@p010.example, " + ", ".join(PHONES) + " known at Globex?"
    turns = [Turn("who is champion@p010.example?", "champion@p010.example or +49 30 901820", (11,))]
    script = (
        call("account_brief", account="Globex"),
        call("draft_outreach", account="Globex", purpose="check-in"),
        call("list_tasks", owner="«email 2»"),
        say("Globex has a new figure: 12345."),
        say("Ask «email 1» or «phone 1»."),
    )
    with fake_openai(*script) as fake:
        answer = agent(fake).answer(context(), asked_by, turns)
        sent = json.dumps(fake.asked, ensure_ascii=False)
    assert fake.requests == 5
    assert not {address for address in addresses() | {"wanda@elsewhere.example"} if address in sent}
    assert not EMAIL.search(sent)
    assert "«email 1»" in sent
    assert answer.mode == MODEL
    assert answer.text.startswith("Ask champion@p010.example or +49 30 901820.")


def test_a_placeholder_in_an_argument_is_the_address_itself_for_the_tool() -> None:
    with fake_openai(call("find_accounts", owner="«email 1»"), say("These are theirs.")) as fake:
        answer = agent(fake).answer(context(), "accounts of priya.raman@team.example", [])
    assert answer.calls[0]["args"]["owner"] == "priya.raman@team.example"
    assert answer.mode == MODEL


def test_a_customers_text_is_read_without_its_addresses_and_quoted_with_them() -> None:
    words = "Please cancel our contract, or call +49 30 901820 and write to jo@customer.example."
    said = {"records": [{"kind": "cancellation", "quote": "call «phone 1» and write to «email 1»"}]}
    with fake_openai(say(json.dumps(said))) as fake:
        settings = Settings(_env_file=None, openai_api_key="key", openai_base_url=fake.url)
        read: Any = reader(settings, load_mentions())
        records = read(words)
        sent = json.dumps(fake.asked, ensure_ascii=False)
    assert "901820" not in sent
    assert "jo@customer" not in sent
    assert records[0].quote == "call +49 30 901820 and write to jo@customer.example"


@pytest.mark.parametrize("text", [
    "renews on 2026-11-21 10:30", "before 01/12/2026 14 accounts", "$148,200 ARR", "+35%", "12 of 45 seats",
    "30 to 60 days", "up 1,234,567 in 90 days", "1.2 billion",
])  # fmt: skip
def test_figures_and_dates_are_no_phone_numbers(text: str) -> None:
    assert Masks().hide(text) == text


@given(st.lists(st.sampled_from([*PHONES, "a@b.example", "c.d+e@f-g.example", "and", "30 days", "«email 9»"])))
def test_what_was_hidden_comes_back_as_it_was(parts: list[str]) -> None:
    masks = Masks()
    text = ", ".join(parts)
    hidden = masks.hide(text)
    assert masks.show(hidden) == text
    assert masks.hide(text) == hidden
    assert not any(phone in hidden for phone in PHONES)
    assert not re.search(r"@\w", hidden)


def test_the_portfolio_has_addresses_to_leak() -> None:
    assert isinstance(frames()["contacts"], pl.DataFrame)
    assert len(addresses()) > 60
