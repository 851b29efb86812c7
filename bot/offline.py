"""The chat model without a language model: it routes by example questions and fills slots from the sentence."""

import re
import uuid
from functools import cache
from typing import Any

import numpy as np
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage
from langchain_core.outputs import ChatGeneration, ChatResult

from bot.slots import CannotTellError, Lexicon, fill, find_account
from knowledge.embedding import embed
from tools.registry import TOOLS

SURE = 0.46  # similarity to the nearest example above which a request is understood
STAND_IN = "Acme"  # the account's name in the examples
# What people also say to a bot and Tend cannot do: the nearest of these means "not understood".
ELSEWHERE = (
    "what is the weather tomorrow", "tell me a joke", "who won the match", "book a meeting room",
    "translate this into French", "write me a poem", "what time is it", "how do I cook rice",
    "what is the capital of Spain", "set a timer for ten minutes", "delete all accounts", "play some music",
    "change my password", "what is the meaning of life", "order a pizza", "remind me to call my mother",
    "what is our office address", "how many holidays do I have left", "share price of the company",
    "write python code", "send the email now", "forecast next year's budget", "who is the president",
)  # fmt: skip
SPLIT = re.compile(
    r"(?<=[?;!])\s+|(?<=\.)\s+(?=[A-Z])|,?\s+(?:and then|then|and also|and)\s+"
    r"(?=(?:draft|write|show|list|explain|tell|brief|summari[sz]e|compose|prepare|give)\b)"
)


class OfflineChatModel(BaseChatModel):
    """A LangChain chat model that calls tools by rules; its words are the tools' own.

    Args:
        lexicon: the names that a question may use, and the accounts that the thread spoke of last.
    """

    lexicon: Any

    @property
    def _llm_type(self) -> str:
        return "tend-offline"

    def bind_tools(self, tools: Any, **_: Any) -> Any:
        return self

    def _generate(self, messages: list[BaseMessage], *_: Any, **__: Any) -> ChatResult:
        last = messages[-1]
        if isinstance(last, HumanMessage):
            answer = plan_calls(str(last.content), self.lexicon)
        else:
            answer = AIMessage(content="\n".join(_tool_words(messages)))
        return ChatResult(generations=[ChatGeneration(message=answer)])


def plan_calls(question: str, lexicon: Lexicon) -> AIMessage:
    """Turn a question into tool calls, or into words that say what is missing."""
    calls, said = [], []
    for clause in clauses(question):
        tool = route(clause, lexicon)
        if tool is None:
            said.append(not_understood(clause, lexicon))
            continue
        try:
            calls.append({"name": tool, "args": fill(tool, clause, lexicon), "id": uuid.uuid4().hex[:12]})
        except CannotTellError as gap:
            said.append(str(gap))
    return AIMessage(content="" if calls else "\n".join(said), tool_calls=calls)


def clauses(question: str) -> list[str]:
    """Split a message into single requests."""
    return [part.strip() for part in SPLIT.split(question) if part and part.strip(" .!?")][:5]


def route(clause: str, lexicon: Lexicon) -> str | None:
    """Name the tool that a request asks for; None when unsure."""
    ranked = rank(clause, lexicon)
    name, score = ranked[0]
    return name if name and score >= SURE else None


def rank(clause: str, lexicon: Lexicon) -> list[tuple[str | None, float]]:
    """Rank the tools (None: something else) by similarity of their examples to a request, best first."""
    names, matrix = _examples()
    similarity = matrix @ embed([_masked(clause, lexicon)])[0]
    best: dict[str | None, float] = {}
    for name, score in zip(names, similarity.tolist(), strict=True):
        best[name] = max(best.get(name, -1.0), score)
    return sorted(best.items(), key=lambda entry: -entry[1])


def not_understood(clause: str, lexicon: Lexicon) -> str:
    """Say so, with the two nearest things that can be asked."""
    nearest = [name for name, _ in rank(clause, lexicon) if name][:2]
    examples = " or ".join(f"“{tool.examples[0]}”" for name in nearest for tool in TOOLS if tool.name == name)
    return f"I can't answer that. I can look up, explain and draft for your accounts; try {examples}."


def _masked(clause: str, lexicon: Lexicon) -> str:
    """Put the stand-in of the examples in place of the account's name, so that names do not steer."""
    try:
        mention = find_account(clause, lexicon)
    except CannotTellError:
        mention = None
    if mention is None or not mention.words:
        return clause
    spoken = r"[\W_]+".join(re.escape(word) for word in mention.words.split())
    return re.sub(spoken, STAND_IN, clause, count=1, flags=re.I)


def _tool_words(messages: list[BaseMessage]) -> list[str]:
    """The wording of the tool results since the question."""
    words: list[str] = []
    for message in reversed(messages):
        if isinstance(message, HumanMessage):
            break
        if isinstance(message, ToolMessage):
            words.insert(0, str(message.content).split("\n\n", 1)[0])
    return words


@cache
def _examples() -> tuple[list[str | None], np.ndarray]:
    labelled: list[tuple[str | None, str]] = [(tool.name, text) for tool in TOOLS for text in tool.examples]
    labelled += [(None, text) for text in ELSEWHERE]
    return [name for name, _ in labelled], embed([text for _, text in labelled])
