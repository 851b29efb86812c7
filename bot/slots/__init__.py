"""Fill a tool's arguments from a sentence: names, bands, plans, segments, money, periods, people, ordinals."""

from bot.slots.fill import fill, shown_filters
from bot.slots.names import Mention, guessed_name, mentions, pointed
from bot.slots.words import CannotTellError, Lexicon, Request

__all__ = [
    "CannotTellError",
    "Lexicon",
    "Mention",
    "Request",
    "fill",
    "guessed_name",
    "mentions",
    "pointed",
    "shown_filters",
]
