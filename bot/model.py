"""The boundary to the language model: what goes out is masked, limited and counted; what comes back is put right."""

import inspect
import json
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any, get_type_hints

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.messages.ai import add_ai_message_chunks
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.tools import StructuredTool
from langchain_core.utils.function_calling import convert_to_openai_tool
from pydantic import BaseModel, Field, create_model

from bot.answers import ModelTroubleError, Run, Turn
from bot.budget import Meter, estimated_tokens
from bot.offline import clauses, rank, understand
from bot.privacy import Masks
from bot.slots import Lexicon
from bot.telling import as_data, for_model
from tools.errors import UserError
from tools.registry import TOOLS, Tool

OFFERED, MORE_OFFERED = 8, 4  # tools whose schemas are sent, and that are added when it asks for others
MEMORY_SHOWN = 2400  # characters of the thread that it reads, the newest first
TURN_SHOWN = 500  # characters of one question, and of one answer, in it
LONGEST_WAIT = 3.0  # seconds that a server may ask us to wait before the rules answer
CUT_SHORT = ("length", "content_filter")
OTHERS = "other_tools"


@dataclass
class Exchange:
    """What one question shares with the language model.

    Args:
        offered: the names of the tools that it is shown; it may ask for others.
        heard: told all words of the present answer whenever there are more.
    """

    meter: Meter
    seconds: float
    offered: list[str] = field(default_factory=list)
    heard: Callable[[str], None] = lambda text: None
    masks: Masks = field(default_factory=Masks)


class Boundary(BaseChatModel):
    """A chat model through which all words to and from the language model go.

    Args:
        inner: the model behind it.
        exchange: what the question shares with it.
        tools: whether it may call tools.
    """

    inner: Any
    exchange: Any
    tools: bool = False

    @property
    def _llm_type(self) -> str:
        return "tend-boundary"

    def bind_tools(self, tools: Any, **_: Any) -> Any:
        return Boundary(inner=self.inner, exchange=self.exchange, tools=True)

    def _generate(self, messages: list[BaseMessage], *_: Any, **__: Any) -> ChatResult:
        hidden = [_hidden(message, self.exchange.masks) for message in messages]
        shown = [_sent(name) for name in (*self.exchange.offered, OTHERS)] if self.tools else []
        prompt = estimated_tokens(len(json.dumps([[m.content, getattr(m, "tool_calls", "")] for m in hidden] + shown)))
        taken = self.exchange.meter.take(prompt)
        whole = self._asked(self.inner.bind_tools(shown) if shown else self.inner, hidden)
        said = _said(whole, self.exchange.masks)
        usage = whole.usage_metadata or {"input_tokens": prompt, "output_tokens": estimated_tokens(len(str(said)))}
        self.exchange.meter.settle(taken, usage["input_tokens"], usage["output_tokens"])
        return ChatResult(generations=[ChatGeneration(message=said)])

    def _asked(self, model: Any, messages: list[BaseMessage]) -> AIMessageChunk:
        """Ask; once more when the server was busy for a moment."""
        from openai import APIConnectionError, APITimeoutError, InternalServerError, RateLimitError

        deadline = time.monotonic() + self.exchange.seconds
        try:
            return self._whole(model.stream(messages), deadline)
        except APITimeoutError:
            raise
        except (RateLimitError, InternalServerError, APIConnectionError) as error:
            wait = _wait(error)
            if wait > LONGEST_WAIT:
                raise
            time.sleep(wait)
        return self._whole(model.stream(messages), deadline)

    def _whole(self, chunks: Iterator[AIMessageChunk], deadline: float) -> AIMessageChunk:
        """Put an answer together as it comes.

        Raises:
            ModelTroubleError: it takes too long, or ends before its end.
        """
        kept: list[AIMessageChunk] = []
        text = ""
        for chunk in chunks:
            kept.append(chunk)
            if chunk.text:
                text += chunk.text
                self.exchange.heard(self.exchange.masks.show(text))
            if time.monotonic() > deadline:
                raise ModelTroubleError("an answer that takes too long")
        whole = add_ai_message_chunks(*kept)
        reason = whole.response_metadata.get("finish_reason")
        if not reason or reason in CUT_SHORT:
            raise ModelTroubleError("an answer that was cut short")
        return whole


def _said(whole: AIMessageChunk, masks: Masks) -> AIMessage:
    """The answer in our own terms: addresses put back, arguments read strictly.

    Raises:
        ModelTroubleError: arguments that are not JSON.
    """
    try:
        calls = [
            {"name": part["name"] or "", "args": masks.show(json.loads(part["args"] or "{}")), "id": part["id"] or ""}
            for part in whole.tool_call_chunks
        ]
    except ValueError as error:
        raise ModelTroubleError("arguments that are not JSON") from error
    if not all(isinstance(call["args"], dict) for call in calls):
        raise ModelTroubleError("arguments without names")
    return AIMessage(content=masks.show(str(whole.text)), tool_calls=calls)


def _hidden(message: BaseMessage, masks: Masks) -> BaseMessage:
    changed: dict[str, Any] = {"content": masks.hide(message.content)}
    if isinstance(message, AIMessage):
        changed["tool_calls"] = [{**call, "args": masks.hide(call["args"])} for call in message.tool_calls]
    return message.model_copy(update=changed)


def _wait(error: Any) -> float:
    """Seconds that the server asks to wait, as far as it says so in seconds."""
    said = getattr(getattr(error, "response", None), "headers", {}).get("retry-after", "")
    return float(said) if re.fullmatch(r"\d+(\.\d+)?", said) else 0.5


@cache
def chat_model(name: str, key: str, base_url: str | None, seconds: float) -> Any:
    """Return the client of a model; made once, since its certificates take a while to read."""
    from langchain_openai import ChatOpenAI

    return ChatOpenAI(
        model=name, api_key=key, base_url=base_url, timeout=seconds, max_retries=0, stream_usage=True
    )  # fmt: skip


def memory(turns: list[Turn]) -> list[tuple[str, str]]:
    """The thread for the language model, oldest first, trimmed to what it may read."""
    pairs: list[tuple[str, str]] = []
    room = MEMORY_SHOWN
    for turn in reversed(turns):
        question, answer = turn.question[:TURN_SHOWN], turn.answer[:TURN_SHOWN]
        room -= len(question) + len(answer)
        if room < 0:
            break
        pairs = [("user", question), ("assistant", answer), *pairs]
    return pairs


# Which tools it is shown


def nearest(question: str, lexicon: Lexicon, most: int = OFFERED) -> list[str]:
    """The tools whose examples are nearest to each part of a question, the best of each part first."""
    ranked = [
        [name for name, _ in rank(understand(clause, lexicon)) if name] for clause in clauses(question) or [question]
    ]
    return list(dict.fromkeys(name for place in zip(*ranked, strict=True) for name in place))[:most]


def tools_for(run: Run, exchange: Exchange) -> list[StructuredTool]:
    """Every tool as LangChain wants it, and one that shows the model others than it was offered."""

    def other_tools(need: str) -> str:
        fresh = [name for name in nearest(need, run.lexicon, len(TOOLS)) if name not in exchange.offered][:MORE_OFFERED]
        exchange.offered += fresh
        return f"Now you can also call: {', '.join(fresh) or 'nothing else'}."

    others = StructuredTool.from_function(other_tools, name=OTHERS, description=_OTHERS_DESCRIPTION)
    return [*(langchain_tool(tool, run) for tool in TOOLS), others]


def langchain_tool(tool: Tool, run: Run) -> StructuredTool:
    def call(**arguments: Any) -> str:
        try:
            return for_model(run.call(tool, {k: v for k, v in arguments.items() if v is not None}))
        except UserError as error:
            return as_data(str(error))

    description, schema = schema_of(tool)
    return StructuredTool.from_function(call, name=tool.name, description=description, args_schema=schema)


_OTHERS_DESCRIPTION = "Show more tools, when none of the present ones can answer. Say in a few words what is needed."


class _Need(BaseModel):
    need: str = Field(description="What is needed, in a few words")


@cache
def _sent(name: str) -> dict[str, Any]:
    """A tool as it is sent: without what only repeats the schema."""
    if name == OTHERS:
        made = StructuredTool.from_function(str, name=name, description=_OTHERS_DESCRIPTION, args_schema=_Need)
        return _without_titles(convert_to_openai_tool(made))
    tool = next(tool for tool in TOOLS if tool.name == name)
    description, schema = schema_of(tool)
    made = StructuredTool.from_function(str, name=name, description=description, args_schema=schema)
    return _without_titles(convert_to_openai_tool(made))


def _without_titles(schema: Any) -> Any:
    """Leave out titles, defaults of nothing and "or null": an argument that is not required may be left out."""
    if isinstance(schema, list):
        return [_without_titles(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {k: _without_titles(v) for k, v in schema.items() if not (k == "default" and v is None)}
    some = [part for part in kept.get("anyOf", []) if part != {"type": "null"}]
    if len(some) == 1:
        kept = {**{k: v for k, v in kept.items() if k != "anyOf"}, **some[0]}
    return kept


@cache
def schema_of(tool: Tool) -> tuple[str, type[BaseModel]]:
    """The description and argument schema that a model sees, from the function's docstring and signature."""
    function: Callable[..., Any] = tool.function
    head, _, arguments = inspect.getdoc(function).partition("Args:")  # type: ignore[union-attr]
    described = dict(re.findall(r"^\s{4}(\w+): (.+?)(?=^\s{4}\w+: |\Z)", arguments, re.M | re.S))
    hints = get_type_hints(function)
    fields: dict[str, Any] = {}
    for name, parameter in list(inspect.signature(function).parameters.items())[1:]:
        if name not in tool.hidden:
            default = ... if parameter.default is inspect.Parameter.empty else parameter.default
            words = " ".join(described.get(name, "").split())
            fields[name] = (hints[name], Field(default, description=words))
    return " ".join(head.split()), create_model(f"{tool.name}_arguments", **fields)
