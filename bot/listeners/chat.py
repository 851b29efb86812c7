"""Questions: a mention in a channel or a direct message is stored, answered by a worker, posted once."""

import re
from dataclasses import dataclass
from typing import Any

import structlog
from slack_bolt import App
from slack_sdk.errors import SlackApiError
from sqlmodel import col, select

from bot.answers import MODEL, Watch
from bot.blocks.answers import answer_blocks
from bot.blocks.asking import sources, suggestions
from bot.blocks.parts import Block, escape, fit, section
from bot.cards import post_draft
from bot.listeners.common import person, pressed, put_press, say_only_to
from bot.listeners.documents import put_files
from bot.listeners.feedback import note_wrong, says_wrong
from bot.manners import help_by_subject, next_questions, step_words
from bot.memory import move, remember, remembered
from bot.runtime import Tend
from bot.streaming import Stream
from bot.work import Item
from storage.models import Account, ConversationTurn
from tools.context import Context
from tools.drafts import DraftCard
from tools.errors import UserError
from tools.facts import Fact

log = structlog.get_logger()
LONGEST_QUESTION = 4000
PROMPTS = (
    "Which of my accounts are at risk this week, and why?",
    "Summarise my portfolio",
    "Which accounts renew in the next 60 days?",
    "Whose health dropped the most?",
)
STATUS = "is looking at your accounts…"
HELLO = "Ask me about your accounts, for example:"
TOO_LONG = "That is {length:,} characters; I read questions of up to {most:,}. Please ask in a sentence or two."
NOT_ENGLISH = "I understand English only so far. Please ask in English, for example “{example}”."
SHARED = (
    "This channel is shared with another organisation, so I keep account data out of it. Ask me in a direct message."
)
HELP = re.compile(r"\W*(?:help(?: me)?|what can you do(?: for me)?|what can i ask(?: you)?|how do you work)\W*", re.I)
HELP_HEAD = "What you can ask, for example:"
NOT_LATIN = re.compile(r"[^\W\d_a-zA-ZÀ-ɏ]")
LETTER = re.compile(r"[^\W\d_]")
FOREIGN = {
    "welche", "meine", "kunden", "konten", "warum", "zeige", "gefährdet", "quels", "sont", "mes", "clients",
    "pourquoi", "montre", "comptes", "cuáles", "cuales", "mis", "clientes", "cuentas", "muéstrame", "por", "qué",
    "quali", "miei", "clienti", "perché", "quais", "meus", "contas", "welke", "klanten", "mijn", "wat", "est",
}  # fmt: skip


def register(app: App) -> None:
    app.event("app_mention")(on_mention)
    app.event("message")(on_message)
    app.event("app_context_changed")(on_context_changed)
    app.action(re.compile(r"^(choose|ask):\d+$"))(on_question_button)
    app.action("sources")(on_sources)


def on_mention(event: dict[str, Any], body: dict[str, Any], context: Any) -> None:
    """Somebody mentioned Tend in a channel (Slack sends a `message` event for it as well)."""
    _put(event, body, context)


def on_message(event: dict[str, Any], body: dict[str, Any], context: Any) -> None:
    """Somebody wrote to Tend directly; edits, joins, other bots and channel talk are not for us."""
    if event.get("channel_type") != "im" or event.get("bot_id"):
        return
    if event.get("subtype") == "file_share" and event.get("files"):
        put_files(context["tend"], event, body, body.get("team_id") or context["team_id"])
    elif not event.get("subtype"):
        _put(event, body, context)


def on_context_changed() -> None:
    """The person looks at another channel: nothing to do, but Slack wants an answer."""


def on_question_button(ack: Any, body: dict[str, Any], context: Any) -> Any:
    """A suggested question, or one meaning of an ambiguous name, was pressed."""
    value, _ = pressed(body)
    question = value["q"]
    if "is" in value:
        spoken = re.compile(re.escape(value["name"]), re.I)
        known = bool(value["name"]) and spoken.search(question)
        question = spoken.sub(lambda _: value["is"], question, count=1) if known else f"{question} ({value['is']})"
    where = {} if not _is_direct(body) else {"thread_ts": (body.get("message") or {}).get("thread_ts")}
    put_press(context, body, "question", {"text": question, "shown": question, **where})
    return ack()


def _is_direct(body: dict[str, Any]) -> bool:
    """Direct messages go on as they are: a press there opens no thread of its own."""
    return str((body.get("channel") or {}).get("id", "")).startswith("D")


def on_sources(ack: Any, body: dict[str, Any], context: Any) -> Any:
    put_press(context, body, "sources")
    return ack()


def _put(event: dict[str, Any], body: dict[str, Any], context: Any) -> None:
    tend: Tend = context["tend"]
    team = body.get("team_id") or context["team_id"]
    direct = event.get("channel_type") == "im" or event["channel"].startswith("D")
    payload = {
        "team": team,
        "user": event.get("user", ""),
        "channel": event["channel"],
        "ts": event["ts"],
        "thread_ts": event.get("thread_ts") or (None if direct else event["ts"]),
        "text": event.get("text") or "",
    }
    tend.queue.put(tend.workspace_of(team), "question", body.get("event_id") or event["ts"], payload)


# Answering


def answer_question(tend: Tend, item: Item) -> None:
    """Answer one stored question; running it again posts nothing twice."""
    ctx = person(tend, item)
    if ctx is None:
        return
    payload = item.payload
    text = plain_question(payload["text"])
    if _is_shared(tend, ctx, payload["channel"]):
        say_only_to(tend, ctx, payload, SHARED)
        return
    reply = _refusal(ctx, text) or _said(tend, ctx, item, text)
    channel, thread = payload["channel"], payload.get("thread_ts")
    stream = reply.watch if isinstance(reply.watch, Stream) and reply.watch.begun else None
    blocks = reply.blocks or ([section(escape(reply.text))] if stream else [])
    if blocks:
        channel, thread = tend.messenger.place(ctx, channel, thread, reply.accounts)
        if channel != payload["channel"]:
            blocks = fit([section(f"_{escape(text)}_"), *blocks])
            _moved(tend, ctx, item, channel)
        finish = stream.finish if stream else None
        key = f"answer:{item.key}"
        tend.messenger.post_once(ctx, key, channel, reply.text, blocks, thread, reply.accounts, finish)
    for card in reply.drafts:
        post_draft(tend, ctx, card, channel, thread)
    _clear_status(tend, ctx, payload)


def plain_question(text: str) -> str:
    """The question without mentions and Slack's mark-up."""
    text = re.sub(r"<@[A-Z0-9]+(\|[^>]*)?>", " ", text)
    text = re.sub(r"<(?:https?|mailto|tel):[^|>]*\|([^>]*)>", r"\1", text)
    text = re.sub(r"<(?:mailto:)?([^>]*)>", r"\1", text)
    text = text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
    return " ".join(text.split())


@dataclass(frozen=True)
class Reply:
    """What goes back: a message, and drafts as messages of their own, because each is updated by itself."""

    text: str
    blocks: list[Block]
    drafts: tuple[DraftCard, ...] = ()
    watch: Watch | None = None
    accounts: tuple[int, ...] = ()  # those that it speaks of, where it speaks of nothing else


def _refusal(ctx: Context, text: str) -> Reply | None:
    """What needs no thinking: empty, a call for help, too long, or in a language that Tend does not read."""
    said = re.sub(r":[\w+-]+:", "", text)
    letters = LETTER.findall(said)
    if len(text) > LONGEST_QUESTION:
        words = TOO_LONG.format(length=len(text), most=LONGEST_QUESTION)
        return Reply(words, [section(words)])
    if HELP.fullmatch(said):
        return Reply(HELP_HEAD, help_blocks(ctx))
    if not letters or re.fullmatch(r"\W*(hi|hello|hey|hallo|good morning)\W*", said, re.I):
        return Reply(HELLO, suggestions(HELLO, PROMPTS))
    foreign = len(FOREIGN & set(re.findall(r"\w+", said.lower())))
    if len(NOT_LATIN.findall(said)) > len(letters) / 2 or foreign >= 2:
        words = NOT_ENGLISH.format(example=PROMPTS[0])
        return Reply(words, suggestions(words, PROMPTS[:2]))
    return None


def help_blocks(ctx: Context) -> list[Block]:
    """Help by example, about an account that the person owns."""
    with ctx.session() as session:
        mine = select(Account.name).where(Account.owner_email == ctx.actor.email, col(Account.churned_on).is_(None))
        name = session.exec(mine.order_by(col(Account.id)).limit(1)).first() or "Acme"
    subjects = help_by_subject(name).items()
    lists = [section(f"*{title}*\n" + "\n".join(f"• {escape(text)}" for text in asked)) for title, asked in subjects]
    return [section(HELP_HEAD), *lists, *suggestions("Or press one:", PROMPTS)]


def _said(tend: Tend, ctx: Context, item: Item, text: str) -> Reply:
    try:
        return _answered(tend, ctx, item, text)
    except UserError as error:
        return Reply(str(error), [section(escape(str(error)))])


def _answered(tend: Tend, ctx: Context, item: Item, text: str) -> Reply:
    payload = item.payload
    thread = payload.get("thread_ts") or payload["channel"]
    if says_wrong(text):
        return Reply(*note_wrong(ctx, payload["channel"], thread, text))
    if tend.agent.mode == MODEL:  # the rules are done before anybody could read it
        _set_status(tend, ctx, payload)
    turns = remembered(ctx, payload["channel"], thread)
    watch = _watch(tend, ctx, item)
    answer = tend.agent.answer(ctx, text, turns, f"q:{item.key}", payload["channel"], watch)
    remember(ctx, item.key, payload["channel"], thread, text, answer)
    asked = f"_{escape(payload['shown'])}_\n" if payload.get("shown") else ""
    blocks = answer_blocks(answer, text, item.key, asked, next_questions(answer, text, turns))
    drafts = tuple(result for result in answer.results if isinstance(result, DraftCard))
    accounts = answer.account_ids if answer.of_accounts_alone else ()
    return Reply(answer.text or "Here is what I found.", blocks, drafts, watch, accounts)


class Status:
    """Says below the composer which tool is at work: for where there is no thread that an answer could grow in."""

    def __init__(self, tend: Tend, ctx: Context, payload: dict[str, Any]) -> None:
        self._tend, self._ctx, self._payload = tend, ctx, payload

    def step(self, tool: str, given: dict[str, Any]) -> None:
        """Say what is being done."""
        _set_status(self._tend, self._ctx, self._payload, f"is {step_words(tool, given)}…"[:100])

    def words(self, text: str) -> None:
        """Words come with the answer."""


def _watch(tend: Tend, ctx: Context, item: Item) -> Stream | Status | None:
    """Who shows how the answer comes about; the rules are done before anybody could look."""
    payload = item.payload
    if tend.agent.mode != MODEL:
        return None
    private = tend.messenger.barred(ctx, payload["channel"], ()) is not None  # the answer may have to go elsewhere
    if private or not payload.get("thread_ts") or payload.get("shown"):
        return Status(tend, ctx, payload)
    reader = (payload["user"], payload["team"])
    return Stream(tend.messenger, ctx, f"answer:{item.key}", payload["channel"], payload["thread_ts"], reader)


def show_sources(tend: Tend, item: Item) -> None:
    """Show each figure of an answer with source and date, to the person who asked for it."""
    ctx = person(tend, item)
    if ctx is None:
        return
    with ctx.session() as session:
        turn = session.exec(select(ConversationTurn).where(ConversationTurn.key == item.payload["key"])).first()
    facts = [Fact.of(fact) for fact in (turn.facts if turn else [])]
    payload = item.payload
    blocks = sources(facts) or [section("There are no stored sources for this answer.")]
    tend.messenger.tell(
        ctx,
        payload["channel"],
        payload["user"],
        "Where the figures come from",
        blocks,
        thread_ts=payload.get("thread_ts"),
    )


def _moved(tend: Tend, ctx: Context, item: Item, channel: str) -> None:
    """The answer went into the person's own messages: the talk goes on there, and nothing is awaited where it began."""
    move(ctx, item.key, channel)
    _set_status(tend, ctx, item.payload, "")


# Slack


def _set_status(tend: Tend, ctx: Context, payload: dict[str, Any], status: str = STATUS) -> None:
    """Show that Tend works on it; where Slack does not support that, the answer comes without."""
    try:
        tend.messenger.client_of(ctx.workspace_id).assistant_threads_setStatus(
            channel_id=payload["channel"], thread_ts=payload.get("thread_ts") or payload["ts"], status=status
        )
    except SlackApiError as error:
        log.info("no_status", error=error.response.get("error"))


def _clear_status(tend: Tend, ctx: Context, payload: dict[str, Any]) -> None:
    """Slack clears the status with the answer, except in a direct message that has no thread."""
    if tend.agent.mode == MODEL and payload.get("thread_ts") is None:
        _set_status(tend, ctx, payload, "")


def _is_shared(tend: Tend, ctx: Context, channel: str) -> bool:
    return not channel.startswith("D") and tend.is_shared(ctx, channel)


HANDLERS = {"question": answer_question, "sources": show_sources}
