"""How well the rules answer the written questions: tools, arguments, exact facts end to end, abstention."""

from typing import Any

import pytest

from bot.agent import Agent, Turn
from bot.settings import Settings
from tests.bot.portfolio import context
from tests.bot.test_offline_questions import QUESTIONS, figures
from tools.accounts import find_accounts
from tools.errors import UserError
from tools.facts import Fact
from tools.registry import TOOLS

BY_NAME = {tool.name: tool for tool in TOOLS}
ACTING = ("add_note", "remind_me", "draft_outreach", "draft_proposal")  # asked twice, they do it twice


def wanted_facts(calls: list[dict[str, Any]]) -> list[Fact] | None:
    """The facts of the expected calls; None where one of them refuses."""
    found: list[Fact] = []
    for call in calls:
        try:
            found += BY_NAME[call["name"]].function(context(), **call["args"]).facts
        except UserError:
            return None
    return found


@pytest.mark.timeout(900)
@pytest.mark.parametrize("split", ["tuning", "held_out"])
def test_how_many_answers_hold_exactly_the_facts_that_were_asked_for(split: str) -> None:
    agent = Agent(Settings(_env_file=None, openai_api_key=None))  # type: ignore[call-arg]
    ids = {row.name: row.id for row in find_accounts(context(), limit=100).rows}
    exact = asked = 0
    for question in QUESTIONS:
        calls = question["calls"]
        if question["split"] != split or not calls or any(call["name"] in ACTING for call in calls):
            continue
        facts = wanted_facts(calls)
        if facts is None:
            continue
        asked += 1
        turns = [Turn("", "", tuple(ids[name] for name in question["recent"]))] if question.get("recent") else []
        exact += list(agent.answer(context(), question["question"], turns).facts) == facts
    measured = figures(split)
    print(f"\n{split}: {measured}; exact facts {exact / asked:.3f} of {asked}")
    assert asked > 60
    assert exact / asked > 0.7
