"""What people think of answers: recorded with what the answer was made of, and reported to admins."""

from collections import Counter
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import update
from sqlmodel import Session, col, select

from storage.database import changed_one, insert_new
from storage.models import ConversationTurn, Feedback, Role
from tools.context import Context
from tools.errors import UserError
from tools.facts import Result, plural

REASONS = {
    "wrong_figure": "wrong figure",
    "not_asked": "not what I asked",
    "too_long": "too long",
    "missing": "missing",
    "other": "other",
    "said_wrong": "said that it is wrong",
}
LISTED = 10  # questions that went wrong, the newest first
MODES = {
    "model": "language model",
    "reworded": "language model, worded by rules",
    "rules": "rules",
    "fallback": "rules, language model not available",
    "budget": "rules, budget used up",
}


@dataclass(frozen=True)
class Share:
    """How many answers of a kind were judged, and how many of them are good."""

    name: str
    judged: int
    good: int


@dataclass(frozen=True)
class Wrong:
    """A question that went wrong."""

    question: str
    reason: str
    words: str
    mode: str
    tools: tuple[str, ...]


@dataclass(frozen=True)
class FeedbackReport(Result):
    """What people thought of the answers of some days."""

    days: int = 0
    judged: int = 0
    good: int = 0
    reasons: tuple[tuple[str, int], ...] = ()
    modes: tuple[Share, ...] = ()
    tools: tuple[Share, ...] = ()
    wrong: tuple[Wrong, ...] = ()


def record_feedback(ctx: Context, key: str, good: bool, reason: str = "", words: str = "") -> None:
    """Keep what the person thinks of an answer, over what they thought before.

    Args:
        key: of the answered question.
        reason: a key of REASONS, where it is bad.
        words: their own.

    Raises:
        UserError: when the answer is not kept any more.
    """
    with ctx.session() as session:
        turn = session.exec(select(ConversationTurn).where(ConversationTurn.key == key)).first()
        if turn is None:
            raise UserError("I have no record of that answer any more, so I cannot note what you think of it.")
        said = {"good": good, "reason": reason, "words": words[:1000], "at": ctx.now()}
        known = {name: getattr(turn, name) for name in ("question", "answer", "mode", "tools", "facts")}
        row = {"turn": key, "user": ctx.actor.email, **said, **known}
        if not insert_new(session, Feedback, row, ["turn", "user"]):
            changed = update(Feedback).where(col(Feedback.turn) == key, col(Feedback.user) == ctx.actor.email)
            if not good and not reason:  # the thumb alone, which may come after its reason
                changed = changed.where(col(Feedback.good))
            changed_one(session, changed.values(**said))
        session.commit()


def last_turn(ctx: Context, channel: str, thread: str) -> ConversationTurn | None:
    """Return the newest answer of a thread."""
    with ctx.session() as session:
        here = (ConversationTurn.channel == channel, ConversationTurn.thread_ts == thread)
        return session.exec(select(ConversationTurn).where(*here).order_by(col(ConversationTurn.id).desc())).first()


def feedback_report(ctx: Context, days: int = 30) -> FeedbackReport:
    """Sum up what people thought of the answers of the last days, for admins.

    Raises:
        NotAllowedError: for who is no admin.
    """
    ctx.require(Role.ADMIN)
    with ctx.session() as session:
        rows = _since(session, ctx, days)
    good = sum(row.good for row in rows)
    bad = [row for row in rows if not row.good]
    return FeedbackReport(
        _sentence(days, len(rows), good),
        days=days,
        judged=len(rows),
        good=good,
        reasons=tuple(Counter(REASONS.get(row.reason, "no reason given") for row in bad).most_common()),
        modes=_shares([(MODES.get(row.mode, row.mode), row.good) for row in rows]),
        tools=_shares([(name, row.good) for row in rows for name in _names(row.tools) or ["no tool"]]),
        wrong=tuple(_wrong(row) for row in bad[:LISTED]),
    )


def _since(session: Session, ctx: Context, days: int) -> list[Feedback]:
    newest = select(Feedback).where(col(Feedback.at) > ctx.now() - timedelta(days=days))
    return list(session.exec(newest.order_by(col(Feedback.at).desc(), col(Feedback.id).desc())).all())


def _sentence(days: int, judged: int, good: int) -> str:
    if not judged:
        return f"Nobody has judged an answer within {plural(days, 'day')}."
    share = f"{good} of {plural(judged, 'judged answer')}"
    return f"{share} within {plural(days, 'day')} got a thumbs up ({good / judged:.0%})."


def _shares(judged: list[tuple[str, bool]]) -> tuple[Share, ...]:
    every, good = Counter(name for name, _ in judged), Counter(name for name, fine in judged if fine)
    return tuple(Share(name, count, good[name]) for name, count in every.most_common())


def _names(tools: list[dict[str, Any]]) -> list[str]:
    return list(dict.fromkeys(call["name"] for call in tools))


def _wrong(row: Feedback) -> Wrong:
    reason = REASONS.get(row.reason, "no reason given")
    return Wrong(row.question, reason, row.words, MODES.get(row.mode, row.mode), tuple(_names(row.tools)))
