"""What the language model may be used for: per question in memory, per day in one table, counted before each call."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import update
from sqlmodel import col

from bot.settings import Settings
from storage.database import changed_one, insert_new
from storage.models import ModelUse
from tools.context import Context

ASSUMED_ANSWER = 800  # tokens that a call is taken to write until it says how many it wrote
CHARACTERS_PER_TOKEN = 4  # of English, for texts that no server counted


class BudgetSpentError(Exception):
    """The language model may not be asked any more; the message says why, to people."""


@dataclass(frozen=True)
class Limit:
    """How many tokens and how much money one scope may use, and what to say when that is used up."""

    scope: str
    tokens: int
    cost: float
    said: str


@dataclass
class Use:
    """Tokens, and cost in millionths."""

    tokens: int = 0
    cost: int = 0


class Meter:
    """Counts what one question uses of the language model.

    Args:
        ctx: who asks, in which workspace.
        channel: where; empty outside Slack.
    """

    def __init__(self, ctx: Context, settings: Settings, channel: str = "") -> None:
        self._ctx, self._settings = ctx, settings
        self._daily = _daily_limits(ctx, settings, channel)
        self.calls, self.used = 0, Use()

    def take(self, prompt: int) -> Use:
        """Set aside what a call with so many tokens may use.

        Raises:
            BudgetSpentError: when the question, the person, the channel or the workspace has not that much left.
        """
        wanted = self._use(prompt, ASSUMED_ANSWER)
        if self.calls >= self._settings.calls_per_question:
            raise BudgetSpentError("the question needed too many calls of the language model")
        if self.used.tokens + wanted.tokens > self._settings.tokens_per_question or (
            self.used.cost + wanted.cost > _millionths(self._settings.cost_per_question)
        ):
            raise BudgetSpentError("the question used up what one may cost")
        self._take_daily(wanted)
        self.calls += 1
        self._count(wanted)
        return wanted

    def settle(self, taken: Use, prompt: int, written: int) -> None:
        """Put what was set aside right, now that the call said what it used."""
        real = self._use(prompt, written)
        rest = Use(real.tokens - taken.tokens, real.cost - taken.cost)
        self._count(rest)
        with self._ctx.session() as session:
            for limit in self._daily:
                session.execute(_added(self._ctx, limit.scope, rest, 0))
            session.commit()

    def _take_daily(self, wanted: Use) -> None:
        with self._ctx.session() as session:
            for limit in self._daily:  # the workspace's row first: who holds it meets nobody at the others
                zero = {"day": self._ctx.today(), "scope": limit.scope, "calls": 0, "tokens": 0, "cost": 0}
                insert_new(session, ModelUse, zero, ["day", "scope"])
                room = (
                    col(ModelUse.tokens) + wanted.tokens <= limit.tokens,
                    col(ModelUse.cost) + wanted.cost <= _millionths(limit.cost),
                )
                if not changed_one(session, _added(self._ctx, limit.scope, wanted, 1).where(*room)):
                    raise BudgetSpentError(limit.said)  # nothing of this call is kept
            session.commit()

    def _count(self, use: Use) -> None:
        self.used = Use(self.used.tokens + use.tokens, self.used.cost + use.cost)

    def _use(self, prompt: int, written: int) -> Use:
        price = prompt * self._settings.openai_price_in + written * self._settings.openai_price_out
        return Use(prompt + written, round(price))  # money per million tokens is millionths per token


def _daily_limits(ctx: Context, settings: Settings, channel: str) -> list[Limit]:
    given = [
        ("workspace", "workspace", "today's budget of the language model is used up"),
        (f"channel:{channel}" if channel else "", "channel", "today's budget of this channel is used up"),
        (f"user:{ctx.actor.email}", "user", "your budget of the language model for today is used up"),
    ]
    return [
        Limit(scope, getattr(settings, f"tokens_per_{kind}"), getattr(settings, f"cost_per_{kind}"), said)
        for scope, kind, said in given
        if scope
    ]


def _added(ctx: Context, scope: str, use: Use, calls: int) -> Any:
    mine = (col(ModelUse.day) == ctx.today(), col(ModelUse.scope) == scope)
    more = {
        "tokens": col(ModelUse.tokens) + use.tokens,
        "cost": col(ModelUse.cost) + use.cost,
        "calls": col(ModelUse.calls) + calls,
    }
    return update(ModelUse).where(*mine).values(**more).execution_options(synchronize_session=False)


def _millionths(money: float) -> int:
    return round(money * 1_000_000)


def estimated_tokens(characters: int) -> int:
    """Tokens of a text of so many characters, roughly."""
    return -(-characters // CHARACTERS_PER_TOKEN)
