"""One question to one answer: a LangChain agent over TOOLS, checked before it goes out."""

import hashlib
import inspect
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Any, get_type_hints
from weakref import WeakKeyDictionary

import structlog
from pydantic import BaseModel, Field, create_model
from sqlmodel import Session, col, select

from bot.asked import check
from bot.grounding import ungrounded
from bot.settings import Settings, plain
from bot.slots import Lexicon
from bot.telling import as_data, for_model
from knowledge.documents import prompt
from storage.models import Account, User
from tools.account_query import scored_day
from tools.context import Context
from tools.errors import AmbiguousError, Choice, UnknownAccountError, UserError
from tools.facts import Fact, Result
from tools.names import NameIndex, name_index
from tools.registry import TOOLS, Tool

log = structlog.get_logger()
MOST_MODEL_CALLS = 6
SECONDS = 40.0
TURNS_SHOWN = 6
RULES, MODEL = "rules", "model"
NO_MODEL = "rules, the language model is not available"
_known_words: "WeakKeyDictionary[NameIndex, tuple[tuple[str, ...], tuple[str, ...]]]" = WeakKeyDictionary()
REWORDED = "language model, worded by rules"  # it chose the tools; its words did not hold


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


@dataclass
class Run:
    """What one question's tool calls leave behind."""

    ctx: Context
    request_key: str
    question: str
    lexicon: Lexicon
    results: list[Result] = field(default_factory=list)
    calls: list[dict[str, Any]] = field(default_factory=list)
    stuck: UserError | None = None
    _known: dict[str, Result] = field(default_factory=dict)

    def call(self, tool: Tool, given: dict[str, Any]) -> Result:
        """Run a tool; the same call again returns the same result and shows it once.

        Raises:
            NotAskedError: a draft that the person did not ask for.
            UserError: what the tool says to the person; kept as `stuck` until a later call works.
        """
        exact = json.dumps([tool.name, given], sort_keys=True, default=str)
        self.calls.append({"name": tool.name, "args": given})
        check(tool, given, self.question, self.lexicon, self.listed)
        if exact not in self._known:
            # Named by its content: when the rules take over from the model, they find the draft that it made.
            key = f"{self.request_key}:{hashlib.sha256(exact.encode()).hexdigest()[:12]}"
            hidden = {"request_key": key} if self.request_key and "request_key" in tool.hidden else {}
            try:
                self._known[exact] = tool.function(self.ctx, **given, **hidden)
            except UserError as error:
                self.stuck = error
                raise
            self.results.append(self._known[exact])
        self.stuck = None
        return self._known[exact]

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


class ModelTroubleError(Exception):
    """The language model failed or returned rubbish; the offline model takes over."""


class Agent:
    """Answers questions with the language model of the settings, or without one.

    Args:
        settings: key, base URL and name of the model; no key means offline.
        seconds: how long one call of the language model may take.
    """

    def __init__(self, settings: Settings, seconds: float = SECONDS) -> None:
        self._settings = settings
        self._seconds = seconds

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
        from langsmith import tracing_context

        lexicon = build_lexicon(ctx, turns)
        with tracing_context(enabled=False):  # whatever the environment says: customer data stays here
            if self.mode == MODEL:
                try:
                    return self._by_model(Run(ctx, request_key, question, lexicon), turns)
                except Exception as error:
                    log.warning("model_failed", error=type(error).__name__)
            return self._by_rules(Run(ctx, request_key, question, lexicon))

    def _by_rules(self, run: Run) -> Answer:
        from bot.offline import OfflineChatModel

        words = self._invoke(OfflineChatModel(lexicon=run.lexicon), run, [("user", run.question)], None)
        return _answer(run, words, RULES if self.mode == RULES else NO_MODEL)

    def _by_model(self, run: Run, turns: list[Turn]) -> Answer:
        from bot.offline import plan_calls

        model, system = self._model(), _system(run.ctx)
        history = [pair for t in turns[-TURNS_SHOWN:] for pair in (("user", t.question), ("assistant", t.answer))]
        words = self._invoke(model, run, [*history, ("user", run.question)], system)
        if run.results:
            words, mode = _grounded(model, run, words, system)
            return _answer(run, words, mode)
        unfounded = _problems(run, words) or plan_calls(run.question, run.lexicon).tool_calls
        if unfounded and run.stuck is None:
            raise ModelTroubleError("words about accounts without any tool result")
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
        state: Any = agent.invoke({"messages": messages}, {"max_concurrency": 1})  # results in the order asked for
        last = state["messages"][-1]
        if getattr(last, "invalid_tool_calls", None):
            raise ModelTroubleError("arguments that are not JSON")
        words = _words(last)
        if not words and not run.results and run.stuck is None:
            raise ModelTroubleError("an empty answer")
        return words

    def _model(self) -> Any:
        settings = self._settings
        key = plain(settings.openai_api_key)
        return _chat_model(settings.openai_model, key, settings.openai_base_url, self._seconds)


@cache
def _chat_model(name: str, key: str, base_url: str | None, seconds: float) -> Any:
    from langchain_openai import ChatOpenAI

    return ChatOpenAI(model=name, api_key=key, base_url=base_url, timeout=seconds, max_retries=1)


def _system(ctx: Context) -> str:
    return prompt("system").format(today=ctx.today().isoformat(), name=ctx.actor.name, role=ctx.actor.role)


def _words(message: Any) -> str:
    return str(message.text).strip()


def build_lexicon(ctx: Context, turns: list[Turn]) -> Lexicon:
    """Collect the names that a question may use, and what the thread spoke of last."""
    with ctx.session() as session:
        try:
            index = name_index(session, scored_day(ctx, session))
        except UserError:
            index = NameIndex({})
        people = session.exec(select(User.name).where(User.active)).all()
        plans, countries = _in_use(session, index)
    recent, listed = (_shown(turns, index, least) for least in (1, 2))
    return Lexicon(index, tuple(people), plans, recent, ctx.today(), listed, _offers(ctx), countries)


def _offers(ctx: Context) -> tuple[str, ...]:
    """The titles of what can be offered, the longest first; none while the file cannot be read."""
    try:
        return tuple(sorted((offer.title for offer in ctx.offers.book.offers), key=len, reverse=True))
    except UserError:
        return ()


def _shown(turns: list[Turn], index: NameIndex, least: int) -> tuple[str, ...]:
    """The accounts of the last turn that showed at least so many."""
    ids = next((turn.account_ids for turn in reversed(turns) if len(turn.account_ids) >= least), ())
    return tuple(index.names[i] for i in ids if i in index.names)


def _in_use(session: Session, index: NameIndex) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The plans and the countries in use, read again when the accounts changed."""
    if index not in _known_words:
        columns = [col(column) for column in (Account.plan, Account.country)]
        rows = [session.exec(select(column).where(column.is_not(None)).distinct()).all() for column in columns]
        found = [tuple(word for word in words if word) for words in rows]
        _known_words[index] = (found[0], found[1])
    return _known_words[index]


def _answer(run: Run, words: str, mode: str) -> Answer:
    results = tuple(run.results)
    if run.stuck is not None and not results:
        choices = run.stuck.choices if isinstance(run.stuck, AmbiguousError | UnknownAccountError) else []
        name = next((str(c["args"].get("account") or c["args"].get("owner") or "") for c in run.calls[::-1]), "")
        return Answer(str(run.stuck), mode, (), tuple(run.calls), tuple(choices), name)
    extra = f"\n{run.stuck}" if run.stuck is not None and str(run.stuck) not in words else ""
    return Answer(words + extra, mode, results, tuple(run.calls))


def _grounded(model: Any, run: Run, words: str, system: str) -> tuple[str, str]:
    """Check the narrative; ask once for a correction; otherwise use the tools' own wording."""
    problems = _problems(run, words)
    if words and problems:
        log.info("not_grounded", parts=len(problems))
        words = _corrected(model, run, words, problems, system)
        problems = _problems(run, words)
    return (words, MODEL) if words and not problems else (run.wording, REWORDED)


def _problems(run: Run, words: str) -> list[str]:
    material = f"{run.wording} {run.ctx.actor.name} {run.stuck or ''}"
    return ungrounded(words, run.facts, run.question, run.lexicon.accounts, material)


def _corrected(model: Any, run: Run, words: str, problems: list[str], system: str) -> str:
    """Ask once for the narrative without what no tool result holds; empty when that fails."""
    shown = "\n".join(for_model(result) for result in run.results)
    messages = [
        ("system", system),
        ("user", f"{run.question}\n\nTool results:\n{shown}"),
        ("assistant", words),
        ("user", prompt("correct").format(problems=", ".join(problems[:10]))),
    ]
    try:
        return _words(model.invoke(messages))
    except Exception as error:
        log.warning("correction_failed", error=type(error).__name__)
        return ""


# Tools for LangChain


def _langchain_tool(tool: Tool, run: Run) -> Any:
    from langchain_core.tools import StructuredTool

    def call(**arguments: Any) -> str:
        try:
            return for_model(run.call(tool, {k: v for k, v in arguments.items() if v is not None}))
        except UserError as error:
            return as_data(str(error))

    description, schema = _schema(tool)
    return StructuredTool.from_function(call, name=tool.name, description=description, args_schema=schema)


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
