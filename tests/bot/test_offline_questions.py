"""How many real questions the offline model understands: floors for tools, arguments and abstention."""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from bot.agent import build_lexicon
from bot.answers import Turn
from bot.offline import plan_calls
from tests.bot.portfolio import context
from tools.accounts import find_accounts
from tools.names import fold

QUESTIONS = [json.loads(line) for line in (Path(__file__).parent / "questions.jsonl").read_text().splitlines()]


@dataclass(frozen=True)
class Tried:
    """A question, what was expected, and what came."""

    question: dict[str, Any]
    wanted: list[dict[str, Any]]
    got: list[dict[str, Any]]

    @property
    def right_tools(self) -> bool:
        return [call["name"] for call in self.wanted] == [call["name"] for call in self.got]

    @property
    def right(self) -> bool:
        return [_comparable(call) for call in self.wanted] == [_comparable(call) for call in self.got]


@dataclass(frozen=True)
class Figures:
    """Shares of the questions of one split."""

    tools: float
    arguments: float
    abstained_rightly: float
    abstained_wherever_due: float


def _comparable(call: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    return call["name"], {name: fold(v) if name == "account" else v for name, v in call["args"].items()}


@cache
def tried(split: str) -> list[Tried]:
    ids = {row.name: row.id for row in find_accounts(context(), limit=100).rows}
    found = []
    for question in (q for q in QUESTIONS if q["split"] == split):
        recent = [ids[name] for name in question.get("recent", ())]
        lexicon = build_lexicon(context(), [Turn("", "", tuple(recent))])
        message = plan_calls(question["question"], lexicon)
        found.append(Tried(question, question["calls"], [*message.tool_calls]))
    return found


def figures(split: str) -> Figures:
    every = tried(split)
    asked = [t for t in every if t.wanted]
    silent = [t for t in every if not t.got]
    due = [t for t in every if not t.wanted]
    both = sum(not t.wanted for t in silent)
    return Figures(
        sum(t.right_tools for t in asked) / len(asked),
        sum(t.right for t in asked) / len(asked),
        both / max(len(silent), 1),
        both / len(due),
    )


@pytest.mark.parametrize("split, floor", [
    ("tuning", Figures(0.96, 0.96, 0.95, 0.95)),
    ("held_out", Figures(0.78, 0.76, 0.7, 0.85)),
])  # fmt: skip
def test_questions_reach_the_right_tool_with_the_right_arguments(split: str, floor: Figures) -> None:
    measured = figures(split)
    print(f"\n{split}: {measured}")
    for name, least in vars(floor).items():
        assert getattr(measured, name) >= least, name


def test_every_third_question_is_held_out_and_a_tenth_cannot_be_answered() -> None:
    assert all((place % 3 == 2) == (q["split"] == "held_out") for place, q in enumerate(QUESTIONS))
    assert len(QUESTIONS) >= 300
    assert sum(not q["calls"] for q in QUESTIONS) >= 0.1 * len(QUESTIONS)


def test_the_question_of_the_readme_is_one_list_and_nothing_asked_back() -> None:
    message = plan_calls("Which of my accounts are at risk this week, and why?", build_lexicon(context(), []))
    assert [(call["name"], call["args"]) for call in message.tool_calls] == [
        ("find_accounts", {"owner": "me", "at_risk": True})
    ]
    assert not message.content
