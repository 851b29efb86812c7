"""Questions: a mention in a channel or a direct message is stored, answered by a worker, posted once."""

import re
from dataclasses import dataclass
from typing import Any

import structlog
from slack_bolt import App
from slack_sdk.errors import SlackApiError
from sqlmodel import col, select

from bot.answers import MODEL, Answer, Turn
from bot.blocks import result_blocks
from bot.blocks.asking import choices, sources, suggestions
from bot.blocks.parts import Block, escape, fit, section
from bot.cards import post_draft
from bot.listeners.common import person, pressed, put_press, say_only_to
from bot.listeners.documents import put_files
from bot.runtime import Tend
from bot.work import Item
from storage.database import insert_new
from storage.models import ConversationTurn
from tools.context import Context
from tools.drafts import DraftCard
from tools.errors import UserError
from tools.facts import Fact, day

log = structlog.get_logger()
LONGEST_QUESTION = 4000
MEMORY_TURNS = 8
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
    reply = _refusal(text) or _answered(tend, ctx, item, text)
    channel, thread = payload["channel"], payload.get("thread_ts")
    if reply.blocks:
        tend.messenger.post_once(ctx, f"answer:{item.key}", channel, reply.text, reply.blocks, thread_ts=thread)
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


def _refusal(text: str) -> Reply | None:
    """What needs no thinking: empty, too long, or in a language that Tend does not read."""
    said = re.sub(r":[\w+-]+:", "", text)
    letters = LETTER.findall(said)
    if len(text) > LONGEST_QUESTION:
        words = TOO_LONG.format(length=len(text), most=LONGEST_QUESTION)
        return Reply(words, [section(words)])
    if not letters or re.fullmatch(r"\W*(hi|hello|hey|help|hallo|good morning|what can you do)\W*", said, re.I):
        return Reply(HELLO, suggestions(HELLO, PROMPTS))
    foreign = len(FOREIGN & set(re.findall(r"\w+", said.lower())))
    if len(NOT_LATIN.findall(said)) > len(letters) / 2 or foreign >= 2:
        words = NOT_ENGLISH.format(example=PROMPTS[0])
        return Reply(words, suggestions(words, PROMPTS[:2]))
    return None


def _answered(tend: Tend, ctx: Context, item: Item, text: str) -> Reply:
    payload = item.payload
    _set_status(tend, ctx, payload)
    thread = payload.get("thread_ts") or payload["channel"]
    try:
        answer = tend.agent.answer(ctx, text, remembered(ctx, payload["channel"], thread), f"q:{item.key}")
    except UserError as error:
        return Reply(str(error), [section(escape(str(error)))])
    _remember(ctx, item, thread, text, answer)
    asked = f"_{escape(payload['shown'])}_\n" if payload.get("shown") else ""
    drafts = tuple(result for result in answer.results if isinstance(result, DraftCard))
    return Reply(answer.text or "Here is what I found.", answer_blocks(answer, text, item.key, asked), drafts)


def answer_blocks(answer: Answer, question: str, key: str, asked: str = "") -> list[Block]:
    """The words first, then each result but drafts drawn from its data, then how it came about."""
    if answer.choices:
        return choices(answer.text, answer.choices, question, answer.ambiguous)
    shown = [result for result in answer.results if not isinstance(result, DraftCard)]
    if answer.results and not shown:
        return []  # the drafts speak for themselves
    blocks = [section(asked + escape(answer.text))]
    for result in shown:
        blocks += result_blocks(result)
    if answer.facts:
        blocks.append(_footer(answer, key))
    return fit(blocks)


def _footer(answer: Answer, key: str) -> Block:
    mode = "answered by language model, figures checked" if answer.mode == MODEL else f"answered by {answer.mode}"
    mode = f"As of {day(max(fact.as_of for fact in answer.facts))} · {mode}"
    return {
        "type": "section",
        "text": {"type": "mrkdwn", "text": f"_{escape(mode)}_"},
        "accessory": {
            "type": "button",
            "action_id": "sources",
            "value": f'{{"key":"{key}"}}',
            "text": {"type": "plain_text", "text": "Show sources"},
        },
    }


def show_sources(tend: Tend, item: Item) -> None:
    """Show each figure of an answer with source and date, to the person who asked for it."""
    ctx = person(tend, item)
    if ctx is None:
        return
    with ctx.session() as session:
        turn = session.exec(select(ConversationTurn).where(ConversationTurn.key == item.payload["key"])).first()
    facts = [Fact(**fact) for fact in (turn.facts if turn else [])]
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


# Memory of the thread


def remembered(ctx: Context, channel: str, thread: str) -> list[Turn]:
    """The last turns of a thread, oldest first."""
    with ctx.session() as session:
        turns = session.exec(
            select(ConversationTurn)
            .where(ConversationTurn.channel == channel, ConversationTurn.thread_ts == thread)
            .order_by(col(ConversationTurn.id).desc())
            .limit(MEMORY_TURNS)
        ).all()
    return [Turn(t.question, t.answer, tuple(t.account_ids)) for t in reversed(turns)]


def _remember(ctx: Context, item: Item, thread: str, question: str, answer: Answer) -> None:
    row = {
        "key": item.key,
        "channel": item.payload["channel"],
        "thread_ts": thread,
        "user": ctx.actor.email,
        "question": question,
        "answer": answer.text,
        "mode": answer.mode,
        "at": ctx.now(),
        "account_ids": list(answer.account_ids),
        "tools": list(answer.calls),
        "facts": [fact.to_dict() for fact in answer.facts],
    }
    with ctx.session() as session:
        insert_new(session, ConversationTurn, row, ["key"])
        session.commit()


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
    if payload.get("thread_ts") is None:
        _set_status(tend, ctx, payload, "")


def _is_shared(tend: Tend, ctx: Context, channel: str) -> bool:
    if channel.startswith("D"):
        return False
    info = tend.messenger.client_of(ctx.workspace_id).conversations_info(channel=channel)["channel"]
    return bool(info.get("is_ext_shared") or info.get("is_pending_ext_shared"))


HANDLERS = {"question": answer_question, "sources": show_sources}
