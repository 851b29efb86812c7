"""One question's answer, and what its tool calls leave behind; the same for the language model and the rules."""

import hashlib
import json
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Protocol

from bot.asked import check
from bot.slots import Lexicon
from tools.context import Context
from tools.errors import Choice, UserError
from tools.facts import Fact, Result
from tools.names import fold
from tools.registry import TOOLS, Tool

RULES, MODEL = "rules", "model"
NO_MODEL = "rules, the language model is not available"
REWORDED = "language model, worded by rules"  # it chose the tools; its words did not hold
KINDS = {RULES: "rules", MODEL: "model", REWORDED: "reworded", NO_MODEL: "fallback"}


class ModelTroubleError(Exception):
    """The language model failed or returned rubbish; the offline model takes over."""


@dataclass(frozen=True)
class Turn:
    """An earlier question of the thread with its answer, and the accounts shown in it."""

    question: str
    answer: str
    account_ids: tuple[int, ...] = ()


@dataclass(frozen=True)
class Answer:
    """What goes out: words, the results to draw, and how they came about."""

    text: str
    mode: str
    results: tuple[Result, ...] = ()
    calls: tuple[dict[str, Any], ...] = ()
    choices: tuple[Choice, ...] = ()
    ambiguous: str = ""

    @property
    def facts(self) -> tuple[Fact, ...]:
        return tuple(fact for result in self.results for fact in result.facts)

    @property
    def of_accounts_alone(self) -> bool:
        """Whether it speaks of the accounts shown and of nothing else: no totals, no names to choose from."""
        of_one = {tool.name for tool in TOOLS if tool.of_one_account}
        return bool(self.results) and not self.choices and {call["name"] for call in self.calls} <= of_one

    @property
    def account_ids(self) -> tuple[int, ...]:
        return tuple(dict.fromkeys(a for result in self.results for a in result.account_ids))

    @property
    def kind(self) -> str:
        """The mode as one word: how the answer is kept and counted."""
        return KINDS.get(self.mode, "budget")


class Watch(Protocol):
    """Who is told how an answer comes about."""

    def step(self, tool: str, given: dict[str, Any]) -> None:
        """A tool is about to be called."""

    def words(self, text: str) -> None:
        """All words so far that passed the check."""


class Unwatched:
    """Nobody looks."""

    def step(self, tool: str, given: dict[str, Any]) -> None:
        """Say nothing."""

    def words(self, text: str) -> None:
        """Say nothing."""


@dataclass
class Run:
    """What one question's tool calls leave behind.

    Args:
        request_key: makes the drafts of a repeated run the same drafts.
        most_calls: of tools.
    """

    ctx: Context
    request_key: str
    question: str
    lexicon: Lexicon
    watch: Watch = field(default_factory=Unwatched)
    most_calls: int = 12
    results: list[Result] = field(default_factory=list)
    calls: list[dict[str, Any]] = field(default_factory=list)
    stuck: UserError | None = None
    wrote: bool = False
    _known: dict[str, Result] = field(default_factory=dict)
    _drafts: Counter[str] = field(default_factory=Counter)

    def call(self, tool: Tool, given: dict[str, Any]) -> Result:
        """Run a tool; the same call again returns the same result and shows it once.

        Raises:
            NotAskedError: a draft that the person did not ask for.
            UserError: what the tool says to the person; kept as `stuck` until a later call works.
            ModelTroubleError: the question calls more tools than one may.
        """
        exact = json.dumps([tool.name, given], sort_keys=True, default=str)
        self.calls.append({"name": tool.name, "args": given})
        check(tool, given, self.question, self.lexicon, self.listed)
        if exact not in self._known:
            if len(self._known) >= self.most_calls:
                raise ModelTroubleError("too many tool calls")
            self.watch.step(tool.name, given)
            try:
                self._known[exact] = self._result(tool, given)
            except UserError as error:
                self.stuck = error
                raise
            self.results.append(self._known[exact])
        self.stuck = None
        return self._known[exact]

    def _result(self, tool: Tool, given: dict[str, Any]) -> Result:
        """A draft is named by its account and place, not by what it is about: when a run is repeated, by the rules
        or after a crash, in other words, it finds the draft that is there."""
        if not self.request_key or not tool.drafts:
            return tool.function(self.ctx, **given)
        about = f"{tool.name}:{fold(str(given.get('account', '')))}"
        place = hashlib.sha256(f"{about}:{self._drafts[about]}".encode()).hexdigest()[:12]
        result = tool.function(self.ctx, **given, request_key=f"{self.request_key}:{place}")
        self._drafts[about] += 1
        self.wrote = True
        return result

    @property
    def listed(self) -> set[int]:
        """The accounts that lists have shown."""
        lists = [result for result in self.results if len(result.account_ids) > 1]
        return {account for result in lists for account in result.account_ids}

    @property
    def facts(self) -> list[Fact]:
        return [fact for result in self.results for fact in result.facts]

    @property
    def wording(self) -> str:
        """The tools' own words."""
        return "\n".join(result.text for result in self.results)
