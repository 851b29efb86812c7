"""`/tend honesty` and `/tend simulate`: how far the scores could be trusted, and what other weights would change."""

import re
import shlex
from typing import Any

from bot.blocks.honesty import honesty_report as report_blocks
from bot.blocks.honesty import simulation as simulation_blocks
from bot.blocks.parts import Block, fit
from bot.listeners.common import say_only_to
from bot.runtime import Tend
from bot.work import Item
from storage.models import Role
from tools.context import Context
from tools.errors import UserError
from tools.honesty import honesty_report
from tools.scorecards import card_of_id, reweighted
from tools.simulation import simulate

REPLAYING = "I am replaying a year of scores; this takes a moment."
USAGE = (
    'I know `/tend simulate <scorecard> ["factor"=weight …]`, for example '
    '`/tend simulate matrix "product adoption"=35 "business outcomes"=15`.'
)


def honesty(tend: Tend, ctx: Context, item: Item) -> None:
    """Post how far each scorecard could be trusted, to the person who asked."""
    say_only_to(tend, ctx, item.payload, REPLAYING)
    report = honesty_report(ctx)
    _post(tend, ctx, item, report.text, report_blocks(report))


def simulation(tend: Tend, ctx: Context, item: Item, rest: str) -> None:
    """Post what a scorecard with other weights would change, to the admin who asked."""
    ctx.require(Role.ADMIN)
    name, weights = parse_weights(rest)
    card = card_of_id(ctx, name)
    candidate = reweighted(card, weights)
    say_only_to(tend, ctx, item.payload, REPLAYING)
    # Other weights are compared with the card itself; a card as it is, with the one that scores now.
    result = simulate(ctx, candidate, card if weights else ctx.scorecards.of(None))
    _post(tend, ctx, item, result.text, simulation_blocks(result))


def parse_weights(text: str) -> tuple[str, dict[str, float]]:
    """Read `matrix "product adoption"=35 …` to the scorecard's id and its weights.

    Raises:
        UserError: when it does not read so; with an example.
    """
    try:
        words = shlex.split(re.sub("[“”„«»]", '"', text))  # Slack's clients write typographic quotes
    except ValueError as error:
        raise UserError(f"A quotation mark is missing its partner. {USAGE}") from error
    if not words or "=" in words[0]:
        raise UserError(USAGE)
    pairs = [word.rpartition("=") for word in words[1:]]
    if wrong := next((word for word, pair in zip(words[1:], pairs, strict=True) if not _is_weight(pair)), None):
        raise UserError(f"I cannot read “{wrong[:80]}”. {USAGE}")
    return words[0], {name.strip(): float(weight) for name, _, weight in pairs}


def _is_weight(pair: tuple[str, str, str]) -> bool:
    return bool(pair[0].strip()) and re.fullmatch(r"\d+(\.\d+)?", pair[2].strip()) is not None


def _post(tend: Tend, ctx: Context, item: Item, text: str, blocks: list[Block]) -> None:
    """In the person's own messages: a channel may have readers who must not see it."""
    client: Any = tend.messenger.client_of(ctx.workspace_id)
    channel = client.conversations_open(users=item.payload["user"])["channel"]["id"]
    tend.messenger.post_once(ctx, f"replayed:{item.key}", channel, text, fit(blocks))
    if item.payload["channel"] != channel:
        say_only_to(tend, ctx, item.payload, "The result is in our messages.")
