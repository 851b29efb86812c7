"""Every figure, date and account name in a narrative is traced to a fact, or the narrative does not go out.

Rounding rule: a number may be written as exactly as the fact, or rounded to any fewer places (45.3 as 45, 0.312
as 31%, 148200 as $148k or $148,200). Numbers of the question itself may be repeated.
"""

import re
from collections.abc import Iterable, Sequence
from datetime import date

from tools.facts import Fact

NUMBER = re.compile(
    r"(?<![\w.])[-+−]?(?:[$€£]\s?)?(\d[\d,]*(?:\.\d+)?)\s?(%|k\b|K\b|m\b|M\b|thousand\b|million\b|percent\b)?"
)
DATE = re.compile(r"\b(\d{4})-(\d{2})-(\d{2})\b|\b(\d{1,2})(?:st|nd|rd|th)? (%s)[a-z]*\.?,?(?: (\d{4}))?\b|"
                  r"\b(%s)[a-z]*\.? (\d{1,2})(?:st|nd|rd|th)?(?:, (\d{4}))?\b"
                  % (("Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec",) * 2))  # fmt: skip
MONTHS = {
    m: n + 1 for n, m in enumerate(["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"])
}
SCALES = {"k": 1e3, "K": 1e3, "thousand": 1e3, "m": 1e6, "M": 1e6, "million": 1e6, "%": 0.01, "percent": 0.01}
WORDS = {w: n for n, w in enumerate(
    ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen", "twenty"])}  # fmt: skip
COUNTED = re.compile(
    r"\b(%s)\b (?=account|customer|ticket|contact|user|day|week|month|feature|seat|payment|people)"
    % "|".join(list(WORDS)[2:]),
    re.I,
)


def ungrounded(text: str, facts: Sequence[Fact], question: str = "", names: Iterable[str] = ()) -> list[str]:
    """Return the parts of a narrative that no fact holds; an empty list means that it may go out.

    Args:
        text: the narrative.
        facts: everything that the tools returned for this answer.
        question: numbers and names in it may be repeated.
        names: all account names of the workspace: mentioning one needs a fact about it.
    """
    dates, rest = _dates(text)
    known_dates = {fact.as_of for fact in facts} | set(_fact_dates(facts)) | set(_dates(question)[0].values())
    problems = [shown for shown, found in dates.items() if not _same_date(found, known_dates)]
    known = _known_numbers(facts) | {value for value, *_ in _numbers(question)}
    problems += [shown for value, step, shown in _numbers(rest) if not _close(value, step, known)]
    subjects = {fact.subject.lower() for fact in facts}
    allowed = subjects | {str(fact.value).lower() for fact in facts}
    for name in names:
        if name in text and name.lower() not in allowed and name.lower() not in question.lower():
            problems.append(name)
    return problems


def _numbers(text: str) -> list[tuple[float, float, str]]:
    """Every number with the size of its last written place: `$148k` is 148000 to the next 1000."""
    found = []
    for match in NUMBER.finditer(text):
        digits, suffix = match.group(1).replace(",", ""), match.group(2) or ""
        scale = SCALES.get(suffix, 1.0)
        places = len(digits.partition(".")[2])
        found.append((float(digits) * scale, scale * 10**-places, match.group().strip()))
    for match in COUNTED.finditer(text):
        found.append((float(WORDS[match.group(1).lower()]), 1.0, match.group(1)))
    return found


def _known_numbers(facts: Sequence[Fact]) -> set[float]:
    known: set[float] = set()
    for fact in facts:
        if isinstance(fact.value, int | float):
            known |= {abs(float(fact.value)), abs(float(fact.value)) * 12, abs(float(fact.value)) / 12}
        known |= {value for value, *_ in _numbers(f"{fact.value} {fact.measure}")}
    return known


def _close(value: float, step: float, known: set[float]) -> bool:
    """Within half of the last written place; a percentage may also be a fact in percent."""
    tolerance = step / 2 + 1e-9
    shares = step < 1
    return any(abs(value - k) <= tolerance or (shares and abs(value * 100 - k) <= tolerance * 100) for k in known)


def _dates(text: str) -> tuple[dict[str, date], str]:
    """Find dates, and return the text without them; a date without a year gets year 1."""
    found: dict[str, date] = {}
    for match in DATE.finditer(text):
        y, m, d, d2, month2, y2, month3, d3, y3 = match.groups()
        try:
            if y:
                parsed = date(int(y), int(m), int(d))
            else:
                month = MONTHS[(month2 or month3)[:3]]
                parsed = date(int(y2 or y3 or 1), month, int(d2 or d3))
        except ValueError:
            continue
        found[match.group()] = parsed
    return found, DATE.sub(" ", text)


def _fact_dates(facts: Sequence[Fact]) -> list[date]:
    return [d for fact in facts for d in _dates(f"{fact.value} {fact.measure}")[0].values()]


def _same_date(found: date, known: set[date]) -> bool:
    if found.year == 1:
        return any((found.month, found.day) == (d.month, d.day) for d in known)
    return found in known
