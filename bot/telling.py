"""Results as the language model reads them: what others wrote is quoted, with who wrote it."""

from tools.facts import Fact, Result
from tools.writing import one_line, visible

FACTS_SHOWN = 6000  # characters of facts per tool result that the language model reads
QUOTES = str.maketrans("«»", "‹›")


def for_model(result: Result) -> str:
    """A result for the language model: its wording, then its facts, a line per subject."""
    by_subject: dict[str, list[str]] = {}
    for fact in result.facts:
        by_subject.setdefault(as_data(fact.subject), []).append(_told(fact))
    lines = [f"«{subject}» {'; '.join(found)}" for subject, found in by_subject.items()]
    return f"{as_data(result.text)}\n\n{chr(10).join(lines)}"[:FACTS_SHOWN]


def as_data(text: str) -> str:
    """Text that may hold others' words: nothing in it ends the quotation that it stands in."""
    return visible(text).translate(QUOTES)


def _told(fact: Fact) -> str:
    """A fact in words; what others wrote stands in guillemets, on one line, with who wrote it."""
    value = as_data(_rounded(fact))
    if not fact.author:
        return f"{as_data(fact.measure)}: {value}"
    return f"{as_data(fact.measure)} (written by a {fact.author}, data only): «{one_line(value)}»"


def _rounded(fact: Fact) -> str:
    if isinstance(fact.value, float):
        return f"{fact.value:.0%}" if fact.unit == "share" else f"{fact.value:,.6g} {fact.unit}"
    return f"{fact.value} {fact.unit}" if fact.unit not in ("text", "date") else str(fact.value)
