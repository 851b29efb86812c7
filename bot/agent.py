"""One question to one answer: a LangChain agent over TOOLS, checked before it goes out."""

import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Any, get_type_hints

import structlog
from pydantic import BaseModel, Field, create_model
from sqlmodel import col, select

from bot.grounding import ungrounded
from bot.settings import Settings, plain
from bot.slots import Lexicon
from knowledge.documents import prompt
from storage.models import Account, User
from tools.account_rows import scored_day
from tools.context import Context
from tools.errors import AmbiguousError, Choice, UnknownAccountError, UserError
from tools.facts import Fact, Result
from tools.names import account_names
from tools.registry import TOOLS, Tool

log = structlog.get_logger()
MOST_MODEL_CALLS = 6
SECONDS = 40.0
FACTS_SHOWN = 6000  # characters of facts per tool result that the language model reads
RULES, MODEL = "rules", "model"


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
    def account_ids(self) -> tuple[int, ...]:
        return tuple(dict.fromkeys(a for result in self.results for a in result.account_ids))


@dataclass
class Run:
    """What one question's tool calls leave behind."""

    ctx: Context
    request_key: str
    results: list[Result] = field(default_factory=list)
    calls: list[dict[str, Any]] = field(default_factory=list)
    stuck: UserError | None = None


class ModelTroubleError(Exception):
    """The language model failed or returned rubbish; the offline model takes over."""


class Agent:
    """Answers questions with the language model of the settings, or without one.

    Args:
        settings: key, base URL and name of the model; no key means offline.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    @property
    def mode(self) -> str:
        return MODEL if self._settings.openai_api_key else RULES

    def answer(self, ctx: Context, question: str, turns: list[Turn], request_key: str = "") -> Answer:
        """Answer one question.

        Args:
            ctx: who asks, where, when.
            question: the text without the mention of the bot.
            turns: the thread so far, oldest first.
            request_key: makes drafts of a repeated run the same draft.
        """
        lexicon = build_lexicon(ctx, turns)
        if self.mode == MODEL:
            try:
                return self._by_model(Run(ctx, request_key), question, turns, lexicon)
            except Exception as error:
                log.warning("model_failed", error=type(error).__name__)
        return self._by_rules(Run(ctx, request_key), question, lexicon)

    def _by_rules(self, run: Run, question: str, lexicon: Lexicon) -> Answer:
        from bot.offline import OfflineChatModel

        words = self._invoke(OfflineChatModel(lexicon=lexicon), run, [("user", question)], None)
        mode = "rules" if self.mode == RULES else "rules, the language model is not available"
        return _answer(run, words, mode)

    def _by_model(self, run: Run, question: str, turns: list[Turn], lexicon: Lexicon) -> Answer:
        model = self._model()
        history = [pair for turn in turns[-6:] for pair in (("user", turn.question), ("assistant", turn.answer))]
        system = prompt("system").format(
            today=run.ctx.today().isoformat(), name=run.ctx.actor.name, role=run.ctx.actor.role
        )
        words = self._invoke(model, run, [*history, ("user", question)], system)
        if run.stuck is None:
            words = _grounded(model, run, question, words, lexicon)
        return _answer(run, words, MODEL)

    def _invoke(self, model: Any, run: Run, messages: list[tuple[str, str]], system: str | None) -> str:
        from langchain.agents import create_agent
        from langchain.agents.middleware import ModelCallLimitMiddleware

        agent: Any = create_agent(
            model,
            [_langchain_tool(tool, run) for tool in TOOLS],
            system_prompt=system,
            middleware=[ModelCallLimitMiddleware(run_limit=MOST_MODEL_CALLS, exit_behavior="error")],
        )
        state: Any = agent.invoke({"messages": messages})
        last = state["messages"][-1]
        if getattr(last, "invalid_tool_calls", None):
            raise ModelTroubleError("arguments that are not JSON")
        words = last.text if isinstance(last.text, str) else last.text()
        if not words.strip() and not run.results and run.stuck is None:
            raise ModelTroubleError("an empty answer")
        return words.strip()

    def _model(self) -> Any:
        return _chat_model(
            self._settings.openai_model, plain(self._settings.openai_api_key), self._settings.openai_base_url
        )


@cache
def _chat_model(name: str, key: str, base_url: str | None) -> Any:
    from langchain_openai import ChatOpenAI

    return ChatOpenAI(model=name, api_key=key, base_url=base_url, timeout=SECONDS, max_retries=1)


def build_lexicon(ctx: Context, turns: list[Turn]) -> Lexicon:
    """Collect the names that a question may use, and what the thread spoke of last."""
    with ctx.session() as session:
        try:
            names = account_names(session, scored_day(ctx, session))
        except UserError:
            names = {}
        people = session.exec(select(User.name).where(User.active)).all()
        plans = session.exec(select(Account.plan).where(col(Account.plan).is_not(None)).distinct()).all()
    recent = next((turn.account_ids for turn in reversed(turns) if turn.account_ids), ())
    return Lexicon(names, tuple(people), tuple(p for p in plans if p), recent, ctx.today())


def _answer(run: Run, words: str, mode: str) -> Answer:
    results = tuple(run.results)
    if run.stuck is not None and not results:
        choices = run.stuck.choices if isinstance(run.stuck, AmbiguousError | UnknownAccountError) else []
        name = next((str(c["args"].get("account") or c["args"].get("owner") or "") for c in run.calls[::-1]), "")
        return Answer(str(run.stuck), mode, (), tuple(run.calls), tuple(choices), name)
    extra = f"\n{run.stuck}" if run.stuck is not None and str(run.stuck) not in words else ""
    return Answer(words + extra, mode, results, tuple(run.calls))


def _grounded(model: Any, run: Run, question: str, words: str, lexicon: Lexicon) -> str:
    """Check the narrative; ask once for a correction; otherwise use the tools' own wording."""
    facts = [fact for result in run.results for fact in result.facts]
    names = list(lexicon.accounts.values())
    problems = ungrounded(words, facts, question, names)
    if not problems and words:
        return words
    if words and run.results:
        request = prompt("correct").format(problems=", ".join(problems[:10]))
        shown = "\n".join(_for_model(result) for result in run.results)
        again = model.invoke(
            [
                ("system", prompt("system")),
                ("user", f"{question}\n\nTool results:\n{shown}"),
                ("assistant", words),
                ("user", request),
            ]
        )
        corrected = again.text if isinstance(again.text, str) else again.text()
        if corrected.strip() and not ungrounded(corrected, facts, question, names):
            return corrected.strip()
    if not run.results:
        raise ModelTroubleError("figures without any tool result")
    return "\n".join(result.text for result in run.results)


# Tools for LangChain


def _langchain_tool(tool: Tool, run: Run) -> Any:
    from langchain_core.tools import StructuredTool

    def call(**arguments: Any) -> str:
        given = {name: value for name, value in arguments.items() if value is not None}
        run.calls.append({"name": tool.name, "args": given})
        hidden = {"request_key": f"{run.request_key}:{len(run.calls)}"} if run.request_key else {}
        try:
            result = tool.function(run.ctx, **given, **{k: v for k, v in hidden.items() if k in tool.hidden})
        except UserError as error:
            run.stuck = error
            return str(error)
        run.stuck = None
        run.results.append(result)
        return _for_model(result)

    description, schema = _schema(tool)
    return StructuredTool.from_function(call, name=tool.name, description=description, args_schema=schema)


def _for_model(result: Result) -> str:
    """A result for the language model: its wording, then its facts, a line per subject."""
    by_subject: dict[str, list[str]] = {}
    for fact in result.facts:
        by_subject.setdefault(fact.subject, []).append(f"{fact.measure}: {_rounded(fact)}")
    lines = [f"«{subject}» {'; '.join(found)}" for subject, found in by_subject.items()]
    return f"{result.text}\n\n{chr(10).join(lines)}"[:FACTS_SHOWN]


def _rounded(fact: Fact) -> str:
    if isinstance(fact.value, float):
        return f"{fact.value:.0%}" if fact.unit == "share" else f"{fact.value:,.6g} {fact.unit}"
    return f"{fact.value} {fact.unit}" if fact.unit not in ("text", "date") else str(fact.value)


@cache
def _schema(tool: Tool) -> tuple[str, type[BaseModel]]:
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
