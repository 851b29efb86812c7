"""Every figure, date and account name in a narrative is traced to a fact, or the narrative does not go out.

Rounding rule: a number may be written as exactly as the fact, or rounded to any fewer places (45.3 as 45, 0.312
as 31%, 148200 as $148k or $148,200); points of a score may also be cut off (59.7 as 59, as bands are). What is
counted must fit: "30 days" in a fact lets nobody write "30 accounts". A sentence that names accounts may use their
figures and the portfolio's only. Numbers of the question itself may be repeated.
"""

import json
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import cache
from pathlib import Path
from typing import Protocol

from knowledge import embedding
from tools.facts import CURRENCY_SIGNS, Fact

SIGNS = {sign: code for code, sign in CURRENCY_SIGNS.items()}
SCALES = {"k": 1e3, "thousand": 1e3, "m": 1e6, "mn": 1e6, "million": 1e6, "bn": 1e9, "billion": 1e9}
SMALL = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
    "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen", "twenty",
)  # fmt: skip
LARGE = ("thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety", "hundred")
TENS = {word: 10 * n for n, word in enumerate(LARGE, 3)}
WORDS = {word: n for n, word in enumerate(SMALL)} | TENS
NOUNS = {
    "account": "account", "customer": "account", "company": "account", "companie": "account", "client": "account",
    "day": "day", "week": "week", "month": "month", "quarter": "quarter", "year": "year", "hour": "hour", "h": "hour",
    "minute": "minute", "point": "point", "pt": "point", "percent": "percent", "ticket": "ticket", "user": "user",
    "contact": "contact", "people": "contact", "seat": "seat", "payment": "payment", "feature": "feature",
    "d": "day", "w": "week", "mo": "month", "y": "year", "yr": "year", "wk": "week", "hr": "hour", "min": "minute",
}  # fmt: skip
MONTH = "Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec"
MONTHS = {name: n for n, name in enumerate(MONTH.split("|"), 1)}
FULL_MONTH = rf"(?:{MONTH})(?:[a-z]*)\.?"
DATE = re.compile(
    rf"\b(?P<y1>\d{{4}})-(?P<m1>\d{{2}})-(?P<d1>\d{{2}})\b"
    rf"|\b(?P<d2>\d{{1,2}})(?:st|nd|rd|th)?(?: of)? (?P<m2>{FULL_MONTH})(?:,? (?P<y2>\d{{4}}))?\b"
    rf"|\b(?P<m3>{FULL_MONTH}) (?P<d3>\d{{1,2}})(?:st|nd|rd|th)?\b(?:,? (?P<y3>\d{{4}})\b)?"
    rf"|\b(?P<m4>{FULL_MONTH}) (?P<y4>\d{{4}})\b"
    rf"|\b(?:in|by|of|until|since|before|after|mid|early|late) (?P<m5>{FULL_MONTH})(?: (?P<y5>\d{{4}}))?\b(?! \d)"
)
NUMBER = re.compile(
    r"(?<![\w.,])(?P<sign>[$€£]|[A-Z]{3} )?\s?(?P<digits>\d[\d,]*(?:\.\d+)?)"
    r"(?:\s?(?P<scale>k|K|m|M|mn|bn|thousand|million|billion)\b)?(?P<percent>\s?%)?(?P<glued>[A-Za-z]+)?"
)
WORD_NUMBER = re.compile(rf"\b(?P<word>{'|'.join(sorted(WORDS, key=len, reverse=True))})\b(?![-'’])", re.I)
COMPARED = re.compile(
    r"\b(?:half of|a third of|a quarter of|two[- ]thirds|three[- ]quarters|twice|double[ds]?|doubling|tripled?|"
    r"halved|dozens?)\b", re.I
)  # fmt: skip
RANK = ("st", "nd", "rd", "th")
CAPITAL = re.compile(r"\b[A-ZÀ-Þ][\w&]*[a-zß-ÿ][\w&]*(?:['’][A-Z]\w+)?")
COMMON = frozenset((
    "I", "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December", *MONTHS, "Sept", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday", "Tend",
    "Slack", "CSMs", "English", "Today", "Tomorrow", "Yesterday",
))  # fmt: skip
NONE = ""  # a bare number


class Names(Protocol):
    """The account names of a workspace."""

    def written_in(self, text: str) -> set[str]:
        """Return the names that a text holds."""


@dataclass(frozen=True)
class Figure:
    """A number with what it counts, the size of its last written place, and how it was written.

    `unit` is a currency, a noun of NOUNS, `percent`, or empty for a bare number. A known figure is `strict` when it
    only stands in a fact's wording ("in 30 days"): it may be repeated with the same unit only.
    """

    value: float
    step: float
    unit: str
    shown: str
    strict: bool = False


def ungrounded(
    text: str, facts: Sequence[Fact], question: str = "", names: Names | None = None, material: str = ""
) -> list[str]:
    """Return the parts of a narrative that no fact holds; an empty list means that it may go out.

    Args:
        text: the narrative.
        facts: everything that the tools returned for this answer.
        question: numbers and names in it may be repeated.
        names: the account names of the workspace: mentioning one needs a fact about it.
        material: other wording whose names may be used and which may be quoted: the tools' own, the asker's name.
    """
    subjects = {fact.subject for fact in facts} - {"portfolio"}
    words = " ".join([question, material, *(f"{fact.subject} {fact.measure} {fact.value}" for fact in facts)])
    problems = [*_strange_links(text, words), *_strange_names(text, words, names)]
    text = re.sub(r"“([^”]*)”", lambda match: "_" if match.group(1) in words else match.group(), text)
    everything = _known_figures(facts, subjects, question)
    for sentence in _sentences(text):
        about = {subject for subject in subjects if subject in sentence}
        near = [fact for fact in facts if fact.subject in about | {"portfolio"}] if about else list(facts)
        known = _known_figures(near, subjects, question) if about else everything
        problems += _figures_without_fact(_without(sentence, subjects), near, known, question)
    return list(dict.fromkeys(problems))


def _sentences(text: str) -> list[str]:
    return [part for part in re.split(r"(?<=[.!?])\s+(?=[A-Z0-9À-Þ])|\n+", text) if part.strip()]


def _without(text: str, names: Iterable[str]) -> str:
    """Leave out account names: their digits are not figures."""
    for name in sorted(names, key=len, reverse=True):
        text = text.replace(name, "_")
    return text


def _figures_without_fact(text: str, facts: Sequence[Fact], known: list[Figure], question: str) -> list[str]:
    dates, rest = find_dates(text)
    known_dates = {fact.as_of for fact in facts} | {day for day in _fact_dates(facts, question) if day.year > 1}
    loose = [day for day in _fact_dates((), question) if day.year == 1]
    problems = [shown for shown, parts in dates if not _same_date(parts, known_dates, loose)]
    problems += [figure.shown for figure in figures(rest) if not any(_matches(figure, fact) for fact in known)]
    wording = question + " ".join(f"{fact.measure} {fact.value}" for fact in facts)
    return problems + [m.group() for m in COMPARED.finditer(rest) if m.group().lower() not in wording.lower()]


# Links

LINK = re.compile(
    r"!?\[[^\]\n]*\]\([^)\n]*\)|<[^<>\n]+>|[a-z][a-z0-9+.-]*://\S+|\b(?:mailto|tel|data|javascript):\S+"
    r"|[\w.+-]+@[\w-]+(?:\.[\w-]+)+|\bwww\.\S+|\b(?:[a-z0-9-]+\.)+[a-z]{2,}\b(?:[/?#]\S*)?|(?<!\w)@[a-z]\w+", re.I
)  # fmt: skip


def _strange_links(text: str, words: str) -> list[str]:
    """Links, addresses and mentions that stand nowhere in what the tools said."""
    return [found.group() for found in LINK.finditer(text) if found.group().rstrip(".,;:!?") not in words]


# Names


def _strange_names(text: str, words: str, names: Names | None) -> list[str]:
    """Account names that no fact is about, and capitalised words that stand nowhere in what the tools said."""
    allowed = words.lower()
    strange = [name for name in sorted(names.written_in(text)) if name.lower() not in allowed] if names else []
    rest = _without(text, strange)
    for sentence in _sentences(rest):
        strange += [word for word in _proper_words(sentence) if word.lower() not in allowed]
    return strange


def _proper_words(sentence: str) -> list[str]:
    """Capitalised words that are not capitalised for starting the sentence only."""
    found = []
    for match in CAPITAL.finditer(sentence):
        word = re.sub(r"['’]s$", "", match.group())
        opening = not sentence[: match.start()].strip(" \"'“«(*_-•")
        name_like = re.match(r"['’]s\b|\s+[A-ZÀ-Þ][a-zß-ÿ]", sentence[match.end() :])
        if word not in COMMON and (not opening or name_like or not _is_english(word)):
            found.append(word)
    return found


def _is_english(word: str) -> bool:
    lower = word.lower()
    return lower in _english() or lower.removesuffix("s") in _english() or lower.removesuffix("ed") in _english()


@cache
def _english() -> frozenset[str]:
    """The whole words that the bundled embedding model knows, and a few of the trade."""
    kept = json.loads((Path(embedding.__file__).parent / "tokenizer.json").read_text())
    return frozenset(kept["model"]["vocab"]) | {"onboarding", "churn", "upsell", "stakeholder", "uptick", "proactively"}


# Figures


def figures(text: str) -> list[Figure]:
    """Every number of a text, in digits or in words: `$148k` is 148000 USD to the next 1000."""
    found = []
    for match in NUMBER.finditer(text):
        glued = (match["glued"] or "").lower()
        digits = match["digits"].rstrip(",").replace(",", "")
        scale = SCALES.get((match["scale"] or "").lower(), 1.0)
        unit = "rank" if glued in RANK else "percent" if match["percent"] else _unit(match["sign"], text[_end(match) :])
        step = scale * 10.0 ** -len(digits.partition(".")[2])
        found.append(Figure(float(digits) * scale, step, unit, match.group().strip()))
    for match in WORD_NUMBER.finditer(text):
        unit = _unit(None, text[match.end() :])
        if unit and match["word"].lower() != "one":
            shown = re.match(r"[\w-]+ ?[\w-]*", text[match.start() :])
            found.append(Figure(float(WORDS[match["word"].lower()]), 1.0, unit, shown.group() if shown else ""))
    return found


def _end(match: re.Match[str]) -> int:
    """Where the words after a number begin: letters glued to it ("30d") are its unit."""
    return match.start("glued") if match["glued"] else match.end()


def _unit(sign: str | None, after: str) -> str:
    """What a number counts: its currency, or the next noun within three words."""
    sign = (sign or "").strip()
    if sign in SIGNS or sign in SIGNS.values():
        return SIGNS.get(sign, sign)
    for word in re.findall(r"^[\w-]+|(?<=[ -])[\w-]+", re.split(r"[.,;:()\n→%]", after)[0][:48])[:3]:
        if word in SIGNS.values():
            return word
        noun = NOUNS.get(word.lower()) or NOUNS.get(word.lower().removesuffix("s"))
        if noun:
            return noun
        if word.lower() in ("of", "to", "in", "and", "a", "per", "from", "with", "over", "for", "by", "at", "out"):
            break
    return NONE


def _known_figures(facts: Sequence[Fact], subjects: set[str], question: str) -> list[Figure]:
    known = [figure for fact in facts for figure in _of_fact(fact)]
    known += [Figure(float(len(subjects)), 1.0, "account", ""), *figures(find_dates(question)[1])]
    return known + [Figure(float(place), 1.0, "rank", "") for place in range(1, len(subjects) + 1)]


def _of_fact(fact: Fact) -> list[Figure]:
    """The figures of a fact: its value in what it counts, and the strict ones of its wording."""
    found = [Figure(f.value, f.step, f.unit, "", strict=True) for f in figures(find_dates(fact.measure)[1])]
    if isinstance(fact.value, str):
        said = figures(find_dates(fact.value)[1])
    elif fact.unit == "share":
        said = [Figure(abs(fact.value) * scale, 0.0, unit, "") for scale, unit in ((1, NONE), (100, "percent"))]
    else:
        said = [Figure(abs(float(fact.value)), 0.0, _unit_of(fact), "")]
    return found + [replace(figure, unit=unit) for figure in said for unit in _units(figure, fact)]


def _unit_of(fact: Fact) -> str:
    known = fact.unit in SIGNS.values()
    return fact.unit if known else NONE if fact.unit == "feature" else NOUNS.get(fact.unit.removesuffix("s"), NONE)


def _units(figure: Figure, fact: Fact) -> list[str]:
    """A bare number counts what the measure names: the 45 of "seats: 12 of 45" are seats, not days."""
    words = re.findall(r"[a-z]+", re.sub(r"\d[\d,.]*\s?\w+", " ", fact.measure.lower()))
    named = [NOUNS[word.removesuffix("s")] for word in words if len(word) > 2 and word.removesuffix("s") in NOUNS]
    return named if named and figure.unit == NONE else [figure.unit]


def _matches(figure: Figure, fact: Figure) -> bool:
    return _same_unit(figure, fact) and _close(figure, fact)


def _same_unit(figure: Figure, fact: Figure) -> bool:
    if figure.unit == fact.unit:
        return True
    if fact.strict or "rank" in (figure.unit, fact.unit) or "percent" in (figure.unit, fact.unit):
        return False
    money = set(SIGNS.values())
    if figure.unit == NONE:
        return True
    return fact.unit == NONE and figure.unit not in money


def _close(figure: Figure, fact: Figure) -> bool:
    """Within half of the last written place; points may be cut off instead."""
    near = abs(figure.value - fact.value) <= figure.step / 2 + 1e-9
    cut = fact.unit == "point" and math.floor(fact.value / figure.step + 1e-9) * figure.step == figure.value
    return near or cut


# Dates

Parts = tuple[int | None, int, int | None]


def find_dates(text: str) -> tuple[list[tuple[str, Parts]], str]:
    """Find dates as (year, month, day), what is not said being None, and return the text without them."""
    found: list[tuple[str, Parts]] = []
    for match in DATE.finditer(text):
        given = {key[0]: value for key, value in match.groupdict().items() if value}
        month = int(given["m"]) if given["m"].isdigit() else MONTHS[given["m"][:3]]
        year, day = int(given["y"]) if "y" in given else None, int(given["d"]) if "d" in given else None
        found.append((match.group().rstrip("."), (year, month, day)))
    return found, DATE.sub(" ", text)


def _fact_dates(facts: Sequence[Fact], question: str) -> list[date]:
    """Every date of the facts' wording and of the question; one without a year gets year 1."""
    texts = [question, *(f"{fact.measure} {fact.value}" for fact in facts)]
    found = []
    for text in texts:
        for _, (year, month, day) in find_dates(text)[0]:
            try:
                found.append(date(year or 1, month, day or 1))
            except ValueError:
                continue
    return found


def _same_date(parts: Parts, known: set[date], loose: Sequence[date]) -> bool:
    year, month, day = parts
    return any(
        month == d.month and day in (None, d.day) and year in (None, d.year) for d in known
    ) or any(year is None and month == d.month and day in (None, d.day) for d in loose)  # fmt: skip
