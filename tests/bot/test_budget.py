"""The language model is used within its limits, counted right by many at once; beyond them the rules answer."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from sqlmodel import select

from bot.agent import Agent
from bot.answers import MODEL, Answer
from bot.budget import ASSUMED_ANSWER, BudgetSpentError, Meter
from bot.settings import Settings
from storage.database import Database
from storage.models import ModelUse
from tests.bot.portfolio import DANA, context
from tests.bot.test_agent import WHY
from tests.fakes_openai import FakeOpenAI, call, fake_openai, say
from tools.context import Context
from tools.insights import explain_health

SCRIPT = (call("explain_health", account="Globex"), say("Globex is critical."))


def settings(**given: Any) -> Settings:
    return Settings(_env_file=None, openai_api_key="key", **given)


@pytest.fixture
def counted(any_database: Database) -> Context:
    """Somebody who asks, over a database of their own: only the counting is looked at."""
    return replace(context(), database=any_database)


def used(ctx: Context) -> dict[str, tuple[int, int, int]]:
    with ctx.session() as session:
        return {row.scope: (row.calls, row.tokens, row.cost) for row in session.exec(select(ModelUse)).all()}


def test_a_call_is_counted_for_the_workspace_the_channel_and_the_person(counted: Context) -> None:
    meter = Meter(counted, settings(openai_price_in=2.0, openai_price_out=10.0), "C1")
    meter.settle(meter.take(100), 120, 30)
    wanted = (1, 150, 120 * 2 + 30 * 10)
    assert used(counted) == {"workspace": wanted, "channel:C1": wanted, f"user:{DANA.email}": wanted}


def test_each_day_begins_anew(counted: Context) -> None:
    today, tomorrow = counted.now(), counted.now().replace(day=counted.now().day + 1)
    strict = settings(tokens_per_user=1000)
    Meter(counted, strict).take(100)
    with pytest.raises(BudgetSpentError, match="your budget"):
        Meter(counted, strict).take(1)
    Meter(replace(counted, clock=lambda: tomorrow), strict).take(100)
    assert today < tomorrow


@pytest.mark.parametrize("limit, said", [
    ({"tokens_per_workspace": 1000}, "today's budget of the language model is used up"),
    ({"cost_per_workspace": 0.001}, "today's budget of the language model is used up"),
    ({"tokens_per_channel": 1000}, "today's budget of this channel"),
    ({"cost_per_channel": 0.001}, "today's budget of this channel"),
    ({"tokens_per_user": 1000}, "your budget of the language model for today"),
    ({"cost_per_user": 0.001}, "your budget of the language model for today"),
    ({"tokens_per_question": 1000}, "what one may cost"),
    ({"cost_per_question": 0.001}, "what one may cost"),
    ({"calls_per_question": 0}, "too many calls"),
])  # fmt: skip
def test_beyond_any_limit_nothing_is_taken(counted: Context, limit: dict[str, float], said: str) -> None:
    before = used(counted)
    with pytest.raises(BudgetSpentError, match=said):
        Meter(counted, settings(**limit), "C1").take(1000)
    assert used(counted) == before


def test_many_at_once_never_take_more_than_there_is(counted: Context) -> None:
    each, room = 100 + ASSUMED_ANSWER, 7
    strict = settings(tokens_per_workspace=each * room)

    def take(number: int) -> bool:
        person = replace(counted, actor=replace(DANA, email=f"csm{number}@team.example"))
        try:
            Meter(person, strict, f"C{number % 3}").take(100)
        except BudgetSpentError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        taken = list(pool.map(take, range(40)))
    assert sum(taken) == room
    assert used(counted)["workspace"][:2] == (room, each * room)


def ask(fake: FakeOpenAI, **limits: Any) -> Answer:
    agent = Agent(settings(openai_base_url=fake.url, **limits), 5)
    return agent.answer(context(replace(DANA, email=f"{sorted(limits)}@team.example")), WHY, [], channel="C1")


@pytest.mark.parametrize("limit, said", [
    ({"cost_per_user": 0.0}, "your budget of the language model for today is used up"),
    ({"tokens_per_workspace": 0}, "today's budget of the language model is used up"),
    ({"calls_per_question": 1}, "the question needed too many calls of the language model"),
])  # fmt: skip
def test_over_the_limit_the_rules_answer_and_say_why(limit: dict[str, Any], said: str) -> None:
    with fake_openai(*SCRIPT) as fake:
        answer = ask(fake, **limit)
    assert (answer.mode, answer.kind) == (f"rules, {said}", "budget")
    assert answer.text == explain_health(context(), "Globex").text
    assert fake.requests == limit.get("calls_per_question", 0)


def test_what_the_server_counted_is_what_is_kept() -> None:
    with fake_openai(*SCRIPT) as fake:
        answer = ask(fake, tokens_per_user=50_000)
    calls, tokens, _ = used(context())["user:['tokens_per_user']@team.example"]
    assert (answer.mode, calls, tokens) == (MODEL, 2, fake.tokens)
