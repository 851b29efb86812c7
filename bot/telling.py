"""Results as the language model reads them: what others wrote is quoted, with who wrote it."""

from collections.abc import Iterable

from tools.facts import Fact, Result
from tools.writing import one_line, visible

WORDING_SHOWN, FACTS_SHOWN = 6000, 2400  # characters of one tool result that the language model reads
QUOTES = str.maketrans("«»", "‹›")


def for_model(result: Result) -> str:
    """A result for the language model: its wording, then its facts, a line per subject, as many as fit."""
    by_subject: dict[str, list[str]] = {}
    for fact in result.facts:
        by_subject.setdefault(as_data(fact.subject), []).append(_told(fact))
    lines = (f"«{subject}» {'; '.join(found)}" for subject, found in by_subject.items())
    return _fitting(as_data(result.text)[:WORDING_SHOWN], lines, len(by_subject))


def _fitting(head: str, lines: Iterable[str], count: int) -> str:
    kept, room = [f"{head}\n"], FACTS_SHOWN
    for line in lines:
        room -= len(line) + 1
        if room < 0:
            part = line[: max(room + len(line), 0)].rpartition(";")[0]
            kept += [part] if part else []
            left = count - len(kept) + 1
            return "\n".join([*kept, f"({left} more are in the table below your text.)"] if left else kept)
        kept.append(line)
    return "\n".join(kept)


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
