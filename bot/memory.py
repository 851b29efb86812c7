"""The memory of a thread, kept here because Slack rations its history."""

from typing import Any

from sqlalchemy import update
from sqlmodel import col, select

from bot.answers import Answer, Turn
from storage.database import changed_one, insert_new
from storage.models import ConversationTurn
from tools.context import Context

MEMORY_TURNS = 8


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


def remember(ctx: Context, key: str, channel: str, thread: str, question: str, answer: Answer) -> None:
    """Keep an answered question; the same key again changes nothing."""
    row: dict[str, Any] = {
        "key": key,
        "channel": channel,
        "thread_ts": thread,
        "user": ctx.actor.email,
        "question": question,
        "answer": answer.text,
        "mode": answer.kind,
        "at": ctx.now(),
        "account_ids": list(answer.account_ids),
        "tools": list(answer.calls),
        "facts": [fact.to_dict() for fact in answer.facts],
    }
    with ctx.session() as session:
        insert_new(session, ConversationTurn, row, ["key"])
        session.commit()


def move(ctx: Context, key: str, channel: str) -> None:
    """Let the talk go on in another channel."""
    with ctx.session() as session:
        mine = update(ConversationTurn).where(col(ConversationTurn.key) == key)
        changed_one(session, mine.values(channel=channel, thread_ts=channel))
        session.commit()
