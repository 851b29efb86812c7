"""One question to one answer: a LangChain agent over TOOLS, checked before it goes out."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any
from weakref import WeakKeyDictionary

import structlog
from sqlmodel import Session, col, select

from bot.answers import MODEL, NO_MODEL, REWORDED, RULES, Answer, ModelTroubleError, Run, Turn, Unwatched, Watch
from bot.budget import BudgetSpentError, Meter
from bot.grounding import ungrounded
from bot.settings import Settings, plain
from bot.slots import Lexicon
from bot.streaming import passing
from bot.telling import for_model
from knowledge.documents import prompt
from storage.models import Account, User
from tools.account_query import scored_day
from tools.context import Context
from tools.errors import AmbiguousError, UnknownAccountError, UserError
from tools.names import NameIndex, name_index
from tools.registry import TOOLS

log = structlog.get_logger()
SECONDS = 40.0
MOST_STEPS = 40  # of the agent's graph: well above what the limits on calls allow
REST_LEFT = "You asked {count} things at once; these are the first {most}. Please ask the rest again: “{first}” …"
BY_NAME = {tool.name: tool for tool in TOOLS}
_known_words: "WeakKeyDictionary[NameIndex, tuple[tuple[str, ...], tuple[str, ...]]]" = WeakKeyDictionary()


class Agent:
    """Answers questions with the language model of the settings, or without one.

    Args:
        settings: key, base URL, name, prices and limits of the model; no key means offline.
        seconds: how long one call of the language model may take.
    """

    def __init__(self, settings: Settings, seconds: float = SECONDS) -> None:
        self._settings = settings
        self._seconds = seconds

    @property
    def mode(self) -> str:
        return MODEL if self._settings.openai_api_key else RULES

    def answer(
        self,
        ctx: Context,
        question: str,
        turns: list[Turn],
        request_key: str = "",
        channel: str = "",
        watch: Watch | None = None,
    ) -> Answer:
        """Answer one question; of a message with too many, the first ones.

        Args:
            ctx: who asks, where, when.
            question: the text without the mention of the bot.
            turns: the thread so far, oldest first.
            request_key: makes drafts of a repeated run the same draft.
            channel: whose daily budget the language model's use counts to.
            watch: told how the answer comes about.
        """
        from langsmith import tracing_context

        lexicon = build_lexicon(ctx, turns)
        question, left = first_questions(question, self.mode == MODEL)
        with tracing_context(enabled=False):  # whatever the environment says: customer data stays here
            answer = self._answer(
                ctx, question, turns, request_key, lexicon, Meter(ctx, self._settings, channel), watch
            )
        return replace(answer, text=f"{answer.text}\n{left}") if left else answer

    def _answer(
        self, ctx: Context, question: str, turns: list[Turn], request_key: str, lexicon: Lexicon, meter: Meter,
        watch: Watch | None,
    ) -> Answer:  # fmt: skip
        if self.mode == RULES:
            return self._by_rules(Run(ctx, request_key, question, lexicon), RULES)
        run = Run(ctx, request_key, question, lexicon, watch or Unwatched(), self._settings.tools_per_question)
        try:
            return self._by_model(run, turns, meter)
        except BudgetSpentError as spent:
            mode = f"{RULES}, {spent}"
        except Exception as error:
            log.warning("model_failed", error=type(error).__name__)
            mode = NO_MODEL
        if run.wrote:  # the draft is there: what the rules would make of the question may be another one
            return _answer(run, run.wording, mode)
        return self._by_rules(Run(ctx, request_key, question, lexicon), mode)

    def _by_rules(self, run: Run, mode: str) -> Answer:
        """The tools' own words, then what is said about parts that no tool answers."""
        from bot.offline import plan_calls

        plan, words = plan_calls(run.question, run.lexicon), list[str]()
        for call in plan.tool_calls:
            try:
                words.append(run.call(BY_NAME[call["name"]], call["args"]).text)
            except UserError as error:
                words.append(str(error))
        return _answer(run, "\n".join(dict.fromkeys([*words, *filter(None, [plan.content])])), mode)

    def _by_model(self, run: Run, turns: list[Turn], meter: Meter) -> Answer:
        from bot.model import Boundary, Exchange, chat_model, memory, nearest, tools_for
        from bot.offline import plan_calls

        settings, system = self._settings, _system(run.ctx)
        check = passing(lambda text: not _problems(run, text))
        heard: Callable[[str], None] = lambda text: run.watch.words(check(text)) if run.results else None  # noqa: E731
        exchange = Exchange(meter, self._seconds, nearest(run.question, run.lexicon), heard)
        inner = chat_model(
            settings.openai_model, plain(settings.openai_api_key), settings.openai_base_url, self._seconds
        )
        model = Boundary(inner=inner, exchange=exchange)
        words = _invoke(model, tools_for(run, exchange), [*memory(turns), ("user", run.question)], system)
        if not words and not run.results and run.stuck is None:
            raise ModelTroubleError("an empty answer")
        if run.results:
            exchange.heard = lambda text: None  # a correction replaces what was shown, it does not go on
            words, mode = _grounded(model, run, words, system)
            return _answer(run, words, mode)
        unfounded = _problems(run, words) or plan_calls(run.question, run.lexicon).tool_calls
        if unfounded and run.stuck is None:
            raise ModelTroubleError("words about accounts without any tool result")
        return _answer(run, words, MODEL)


def first_questions(text: str, of_model: bool) -> tuple[str, str]:
    """Return as many questions of a message as are answered at once, and words about the rest, if any.

    For a language model only what has a question mark counts: it reads background, too.
    """
    from bot.offline import MOST_CLAUSES, clauses

    parts = clauses(text)
    counted = [part for part in parts if "?" in part] if of_model else parts
    if len(counted) <= MOST_CLAUSES:
        return text, ""
    end = 0
    for part in counted[:MOST_CLAUSES]:
        end = text.index(part, end) + len(part)
    first = counted[MOST_CLAUSES][:100]
    said = REST_LEFT.format(count=len(counted), most=MOST_CLAUSES, first=first)
    return text[:end].strip(), said


def _invoke(model: Any, tools: list[Any], messages: list[tuple[str, str]], system: str) -> str:
    from langchain.agents import create_agent
    from langsmith import tracing_context

    agent: Any = create_agent(model, tools, system_prompt=system)
    with tracing_context(enabled=False):  # whatever the environment says: customer data stays here
        # One tool after the other: results in the order asked for.
        state: Any = agent.invoke({"messages": messages}, {"max_concurrency": 1, "recursion_limit": MOST_STEPS})
    return _words(state["messages"][-1])


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
    from langsmith import tracing_context

    shown = "\n".join(for_model(result) for result in run.results)
    messages = [
        ("system", system),
        ("user", f"{run.question}\n\nTool results:\n{shown}"),
        ("assistant", words),
        ("user", prompt("correct").format(problems=", ".join(problems[:10]))),
    ]
    try:
        with tracing_context(enabled=False):
            return _words(model.invoke(messages))
    except Exception as error:
        log.warning("correction_failed", error=type(error).__name__)
        return ""
