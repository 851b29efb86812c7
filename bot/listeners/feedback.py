"""Thumbs under answers, why a thumb went down, "that's wrong" in a thread, and `/tend feedback`."""

import json
import re
from typing import Any

from slack_bolt import App

from bot.blocks.asking import sources
from bot.blocks.feedback import reason_view, report
from bot.blocks.parts import Block, context, escape, section
from bot.listeners.common import person, pressed, put_press, say_only_to, submitting
from bot.runtime import Tend
from bot.work import Item
from storage.models import ConversationTurn
from tools.context import Context
from tools.errors import UserError
from tools.facts import Fact, plural
from tools.feedback import feedback_report, last_turn, record_feedback

WRONG = re.compile(
    r"^\W*(?:(?:no|sorry|hm+|but|i think|i believe)\W+)*"
    r"(?:(?:that|this|it|the|your) ?(?:answer|figure|number)?"
    r"(?:['’]?s| is| was| looks| seems)\s+(?:just |plain |simply |totally )*"
    r"(?:wrong|incorrect|false|not (?:right|correct|true))|(?:that|this|it) isn['’]?t (?:right|correct|true)"
    r"|wrong|incorrect|not (?:right|correct|true))"
    r"(?=\s*(?:$|[,.;:!–—-]|because\b|it\b|they\b|we\b))",
    re.I,
)
NOTED = (
    "Thank you for saying so. I noted “{question}” with my answer and its {facts}, for an admin to look at. "
    "Below is where each figure comes from; if one is wrong in its source, it is put right there and I score anew."
)
NOTED_BARE = "Thank you for saying so. I noted “{question}” with my answer, for an admin to look at."
NEXT = "Say which figure is wrong and what it should be, or ask again in other words; I note that as well."
NOTHING = "I have no answer of mine here to correct. Ask me, and tell me if the answer is wrong."


def register(app: App) -> None:
    app.action("feedback")(on_thumb)
    app.view("feedback")(on_reason)


def on_thumb(ack: Any, body: dict[str, Any], context: Any, client: Any) -> Any:
    """Note the thumb; where it went down, ask why while the press is fresh."""
    put_press(context, body, "feedback")
    value, _ = pressed(body)
    if not value["good"]:
        client.views_open(trigger_id=body["trigger_id"], view=reason_view(value["key"]))
    return ack()


def on_reason(ack: Any, body: dict[str, Any], view: dict[str, Any], context: Any) -> Any:
    """Note why a thumb went down."""
    values = view["state"]["values"]
    reason = (values["reason"]["reason"].get("selected_option") or {}).get("value") or "other"
    tend, ctx, team = submitting(context, body)
    try:
        acting = ctx.acting(tend.actor(ctx, body["user"]["id"], team))
        key = json.loads(view["private_metadata"])["key"]
        record_feedback(acting, key, False, reason, values["words"]["words"].get("value") or "")
    except UserError as error:
        return ack(response_action="errors", errors={"reason": str(error)})
    return ack()


def note_thumb(tend: Tend, item: Item) -> None:
    """Keep a thumb; one that goes down keeps the reason that may have come before it."""
    ctx = person(tend, item)
    if ctx is not None:
        record_feedback(ctx, item.payload["key"], item.payload["good"])


def says_wrong(text: str) -> bool:
    """Whether a message says no more than that the last answer is wrong."""
    return bool(WRONG.match(text)) and "?" not in text


def note_wrong(ctx: Context, channel: str, thread: str, text: str) -> tuple[str, list[Block]]:
    """Keep that somebody called the last answer of a thread wrong. Returns what to say, with its sources."""
    turn = last_turn(ctx, channel, thread)
    if turn is None:
        return NOTHING, [section(NOTHING)]
    record_feedback(ctx, turn.key, False, "said_wrong", text)
    said = _noted(turn)
    facts = [Fact.of(fact) for fact in turn.facts]
    return said, [section(escape(said)), *sources(facts), context_line()]


def context_line() -> Block:
    return context(NEXT)


def _noted(turn: ConversationTurn) -> str:
    words = NOTED if turn.facts else NOTED_BARE
    return words.format(question=turn.question[:200], facts=plural(len(turn.facts), "fact"))


def post_report(tend: Tend, ctx: Context, item: Item, rest: str) -> None:
    """Show an admin what people thought of the answers; only they see it, as it quotes colleagues' questions."""
    if rest and not re.fullmatch(r"[1-9]\d{0,2}", rest):
        raise UserError("I know `/tend feedback [days]`, for example `/tend feedback 30`.")
    found = feedback_report(ctx, int(rest or 30))
    channel = tend.messenger.client_of(ctx.workspace_id).conversations_open(users=item.payload["user"])["channel"]["id"]
    tend.messenger.post_once(ctx, f"feedback:{item.key}", channel, found.text, report(found))
    if item.payload["channel"] != channel:
        say_only_to(tend, ctx, item.payload, "The report is in our messages.")


HANDLERS = {"feedback": note_thumb}
