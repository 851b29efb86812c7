"""Which sentence of a draft rests on which of its facts, for reviewers; nothing of it stands in the message."""

import re
from typing import TYPE_CHECKING

from knowledge.documents import observations
from scoring.catalogue import CATALOGUE
from tools.facts import Fact, shown

if TYPE_CHECKING:
    from tools.drafts import DraftCard

SENTENCE = re.compile(r"(?<=[.!?])\s+(?=[A-Z0-9À-Þ“])|\n+")
NUMBER = re.compile(r"(?<![\w.,])-?\d[\d,]*(?:\.\d+)?")
ONE = re.compile(r"\b(?:one|almost at once)\b", re.I)  # as messages say 1 and 0
HOURS_A_DAY = 24


def claims(card: "DraftCard") -> list[tuple[str, tuple[int, ...]]]:
    """Return each sentence of a draft with the numbers of the facts that it states, counted from 1."""
    return [(sentence, stated(sentence, card.facts)) for sentence in sentences(card.body)]


def sentences(text: str) -> list[str]:
    """Split a message into its sentences; a line end ends one, too."""
    return [part.strip() for part in SENTENCE.split(text) if part.strip()]


def stated(sentence: str, facts: tuple[Fact, ...]) -> tuple[int, ...]:
    """Name the facts that a sentence states: their words stand in it, or their figure beside words about them."""
    return tuple(place for place, fact in enumerate(facts, 1) if _states(sentence, fact))


def _states(sentence: str, fact: Fact) -> bool:
    value = shown(fact)
    if not NUMBER.search(value) or re.search(r"[A-Za-z]{3} \d{4}", value):  # a text, a name or a date
        return value.lower() in sentence.lower()
    said = {abs(float(found.replace(",", ""))) for found in NUMBER.findall(sentence)}
    said |= {1.0, 0.0} if ONE.search(sentence) else set()
    return bool(said & _figures(value)) and _about(sentence, fact)


def _figures(value: str) -> set[float]:
    """The ways in which messages say a figure: 72 h are 3 days."""
    found = {abs(float(text.replace(",", ""))) for text in NUMBER.findall(value)}
    return found | {float(round(figure / HOURS_A_DAY)) for figure in found if value.endswith(" h")}


def _about(sentence: str, fact: Fact) -> bool:
    """Whether a sentence shares a word with what may be said of the fact's measure."""
    return bool(_stems(sentence) & _words_about(fact.measure))


def _words_about(measure: str) -> set[str]:
    columns = {name for name, feature in CATALOGUE.items() if feature.label == measure}
    texts = [one.text for one in observations().values() if one.fact in columns]
    return _stems(re.sub(r"\{\{.*?\}\}|\{%.*?%\}", " ", " ".join([measure, *texts]), flags=re.S))


def _stems(text: str) -> set[str]:
    return {word[:6] for word in re.findall(r"[a-zà-ÿ]{4,}", text.lower())} - {"your", "have", "that", "with", "from"}
