"""Money, scores, counts and periods in a sentence."""

import re
from datetime import date, timedelta
from typing import Any

from bot.slots.words import COUNTS, MONTHS, CannotTellError

MONEY = r"(?:[$€£]\s?|usd |eur )?(\d[\d,.]*)\s?(k|m|thousand|million)?\b"
MORE = r"(?:over|above|more than|at least|greater than|bigger than|larger than|from|>=?|exceeding|north of|higher than)"
LESS = r"(?:under|below|less than|at most|smaller than|up to|fewer than|<=?|lower than|beneath)"
BETWEEN = re.compile(rf"(?:between|from)?\s*{MONEY}\s*(?:and|to|-|–)\s*{MONEY}")
NOT_THESE = re.compile(r"\s*(?:days?|weeks?|months?|quarters?|years?|seats?|users?|%|percent|tickets?)")
SCALES = {"k": 1e3, "thousand": 1e3, "m": 1e6, "million": 1e6}
UNITS = {"day": 1, "week": 7, "month": 30, "quarter": 91, "year": 365}
LONGEST_AHEAD = 3650  # days
COUNT = rf"(\d{{1,3}}|{'|'.join(COUNTS)})"
THINGS = r"(?:accounts|customers)"
LIMIT = re.compile(
    rf"\b(?:top|first|show(?: me)?|list|any|worst|biggest|largest) {COUNT}\b(?! (?:day|week|month|quarter|year))|"
    rf"\b{COUNT} (?:{THINGS}|biggest|largest|worst|top|most|lowest|highest|smallest)\b"
)
RENEWS = re.compile(r"renew|contracts? (?:end|expir|run)|expir|comes? up|coming up|up for|runs? out")


def bounds(plain: str) -> dict[str, Any]:
    """Limits of yearly revenue and of the health score; a bare number up to 100 is a score."""
    found: dict[str, Any] = {}
    for match in BETWEEN.finditer(plain):
        if not NOT_THESE.match(plain[match.end() :]):
            scale = match.group(2) or match.group(4)
            low, high = _amount(match.group(1), scale), _amount(match.group(3), match.group(4))
            found |= _bound("min", low, match, plain) | _bound("max", high, match, plain)
    rest = BETWEEN.sub(lambda m: " " * len(m.group()), plain) if found else plain
    for words, side in ((MORE, "min"), (LESS, "max")):
        for match in re.finditer(rf"{words}\s+{MONEY}", rest):
            if not NOT_THESE.match(rest[match.end() :]):
                found |= _bound(side, _amount(match.group(1), match.group(2)), match, rest)
    return found


def _bound(side: str, amount: float, match: re.Match[str], plain: str) -> dict[str, Any]:
    """A limit of money or of the score, by its sign, its size and the words around it."""
    before, after = plain[max(0, match.start() - 24) : match.start()], plain[match.end() : match.end() + 16]
    marked = re.search(r"[$€£]|usd|eur|\d\s?[km]\b|thousand|million", match.group())
    is_score = re.search(r"health|score", before + after) and not marked
    is_money = marked or amount > 100 or re.search(r"\b(?:arr|mrr|revenue|pay\w*)\b", before + after)
    if is_score or not is_money:
        return {f"{side}_health": amount}
    monthly = re.search(r"\bmrr\b", before + after) or re.match(r"\s*(?:a|per|/|each) ?month", after)
    return {f"{side}_arr": amount * (12 if monthly else 1)}


def _amount(digits: str, scale: str | None) -> float:
    number = digits.rstrip(".,")
    if not re.fullmatch(r"\d+(?:\.\d+)?|\d{1,3}(?:,\d{3})+(?:\.\d+)?", number):
        raise CannotTellError(f"I cannot read the amount “{digits}”. Write it like 50000, 50,000 or 50k.")
    return float(number.replace(",", "")) * SCALES.get(scale or "", 1.0)


def limit(plain: str) -> int | None:
    """How many accounts are asked for."""
    match = LIMIT.search(plain)
    word = match and (match.group(1) or match.group(2))
    return None if not word else COUNTS.get(word) or int(word)


def renewal_days(plain: str, today: date) -> int | None:
    """How many days ahead a renewal is asked for; None when the sentence is not about renewals."""
    if not RENEWS.search(plain):
        return None
    period = re.search(
        r"(?:(?:next|within|in|coming|following|under)\s+(?:the )?(?:next |coming )?)"
        rf"(\d+|an?|{'|'.join(COUNTS)})?\s*(days|weeks|months|quarters|years|day|week|month|quarter|year)\b", plain
    )  # fmt: skip
    if period and (period.group(1) or period.group(2).endswith("s")):
        word = period.group(1) or "three"
        count = 1 if word in ("a", "an") else COUNTS.get(word) or int(word)
        return min(count * UNITS[period.group(2).rstrip("s")], LONGEST_AHEAD)
    end = _end(plain, today)
    return 90 if end is None else (end - today).days


def _end(plain: str, today: date) -> date | None:
    """The last day of the period that a sentence names."""
    week = today + timedelta(days=6 - today.weekday())
    quarter = (3 - today.month % 3) % 3
    named = {
        r"\b(?:this|the) week\b": week,
        r"\bnext week\b": week + timedelta(days=7),
        r"\bthis month\b|\bend of (?:the )?month\b": month_end(today, 0),
        r"\bnext month\b": month_end(today, 1),
        r"\bnext quarter\b": month_end(today, quarter + 3),
        r"\bquarter\b": month_end(today, quarter),
        r"\bnext year\b": date(today.year + 1, 12, 31),
        r"\b(?:this|end of(?: the)?) year\b|\byear end\b": date(today.year, 12, 31),
        r"\btoday\b": today,
        r"\btomorrow\b": today + timedelta(days=1),
    }
    found = next((day for pattern, day in named.items() if re.search(pattern, plain)), None)
    return found or _named_month(plain, today) or _named_quarter(plain, today)


def _named_month(plain: str, today: date) -> date | None:
    spoken = "|".join(f"{name[:3]}(?:{name[3:]})?" if name != "may" else "may" for name in MONTHS)
    match = re.search(rf"\b(?:in|by|until|before|during|through|of) (?:the )?(?:end of )?({spoken})\b", plain)
    if match is None:
        return None
    month = next(n for n, name in enumerate(MONTHS, 1) if name.startswith(match.group(1)[:3]))
    ahead = (month - today.month) % 12
    return month_end(today, ahead - 1 if re.match("before|until", match.group()) and ahead else ahead)


def _named_quarter(plain: str, today: date) -> date | None:
    match = re.search(r"\bq([1-4])\b", plain)
    return month_end(today, (int(match.group(1)) * 3 - today.month) % 12) if match else None


def month_end(day: date, ahead: int) -> date:
    """The last day of the month that is some months ahead."""
    month = day.month + ahead
    return date(day.year + month // 12, month % 12 + 1, 1) - timedelta(days=1)
