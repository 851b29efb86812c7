"""How Tend speaks about its tools: help by example, words for each step, questions to go on with."""

import re
import tomllib
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from bot.answers import Answer, Turn
from tools.names import fold
from tools.registry import TOOLS

MANNERS = Path(__file__).parent / "manners.toml"
MOST_NEXT = 2
EXAMPLES = 2  # of each tool in the help
POINTING = re.compile(r"\b(?:it|their|them|they|one)\b")  # needs an account that was named before
STAND_IN = re.compile(r"\bAcme\b")


class Manner(BaseModel):
    """What is said about one tool; `{account}` stands for an account's name.

    `ask` leads to it from another answer; a tool that needs more than an account has none and is not offered.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    step: str
    ask: str = ""
    next: tuple[str, ...]


@cache
def manners() -> dict[str, Manner]:
    """Return the manner of each tool by its name."""
    return {name: Manner(**given) for name, given in tomllib.loads(MANNERS.read_text("utf-8")).items()}


def step_words(tool: str, given: dict[str, Any]) -> str:
    """Say what is being done: "looking into the health of Acme"."""
    return manners()[tool].step.format(account=given.get("account") or "the account")


def next_questions(answer: Answer, question: str, turns: Iterable[Turn] = ()) -> list[str]:
    """Return the questions to offer under an answer: of other tools than it used, and none that was asked before."""
    called = [call["name"] for call in answer.calls]
    asked = {fold(question), *(fold(turn.question) for turn in turns)}
    account = next((fact.subject for fact in answer.facts if fact.subject != "portfolio"), None)
    names = [name for tool in called for name in manners()[tool].next if name not in called]
    offered = [manners()[name].ask for name in dict.fromkeys(names)]
    fitting = [text.format(account=account) for text in offered if account or "{account}" not in text]
    return [text for text in fitting if fold(text) not in asked][:MOST_NEXT]


def help_by_subject(account: str) -> dict[str, list[str]]:
    """Return examples of what can be asked, by subject, with a name of the person's own accounts in them."""
    found: dict[str, list[str]] = {tool.subject: [] for tool in TOOLS}
    for tool in TOOLS:
        whole = [text for text in tool.examples if " " in text and not POINTING.search(text)]
        found[tool.subject] += [STAND_IN.sub(account, text) for text in whole[:EXAMPLES]]
    return found
