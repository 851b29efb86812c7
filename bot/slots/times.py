"""Days in a sentence: how far back “since Monday” is, and the day that “on Friday” means."""

import re
from datetime import date, timedelta

from bot.slots.words import COUNTS, MONTHS, CannotTellError

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
UNITS = {"day": 1, "week": 7, "fortnight": 14, "month": 30, "quarter": 91, "year": 365}
COUNT = rf"(\d{{1,4}}|an?|{'|'.join(COUNTS)}|couple of|few)"
SPAN = re.compile(rf"\b(?:last|past|previous)\s+(?:{COUNT}\s+)?({'|'.join(UNITS)})s?\b")
AGO = re.compile(rf"\b(?:since |from )?{COUNT}\s+({'|'.join(UNITS)})s?\s+ago\b")
AHEAD = re.compile(rf"\bin\s+{COUNT}\s+({'|'.join(UNITS)})s?\b")
MONTH = "|".join(f"{name[:3]}(?:{name[3:]})?" if name != "may" else "may" for name in MONTHS)
DATED = re.compile(
    rf"\b(\d{{4}})-(\d{{2}})-(\d{{2}})\b|\b(\d{{1,2}})(?:st|nd|rd|th)?(?: of)? ({MONTH})\b(?: (\d{{4}}))?|"
    rf"\b({MONTH}) (\d{{1,2}})(?:st|nd|rd|th)?\b(?:,? (\d{{4}}))?"
)
SINCE_MONTH = re.compile(rf"\bsince (?:the (?:start|beginning|end) of )?({MONTH})\b(?: (\d{{4}}))?")
OLD = re.compile(r"\b(?:in|since|from|until|before|after|of|year|dated)\s+(?:the year )?(\d{4})\b")


def days_back(plain: str, today: date) -> int | None:
    """How many days back a sentence looks; None when it does not say.

    Raises:
        CannotTellError: it names a day that there is not, or one that has not come yet.
    """
    if match := AGO.search(plain) or SPAN.search(plain):
        return _count(match.group(1)) * UNITS[match.group(2)]
    start = _start(plain, today)
    if start is None:
        return None
    if start > today:
        raise CannotTellError(f"{start:%-d %B %Y} has not come yet; say a day in the past.")
    return max((today - start).days, 1)


def day_ahead(plain: str, today: date) -> date | None:
    """The day to come that a sentence names; None when it names none."""
    if re.search(r"\bday after tomorrow\b", plain):
        return today + timedelta(days=2)
    if re.search(r"\btomorrow\b", plain):
        return today + timedelta(days=1)
    if re.search(r"\b(?:today|this afternoon|tonight|later)\b", plain):
        return today
    if match := AHEAD.search(plain):
        return today + timedelta(days=_count(match.group(1)) * UNITS[match.group(2)])
    if match := DATED.search(plain):
        found = _dated(match, today)
        return found if found >= today or match.group(1) or match.group(6) or match.group(9) else _next_year(found)
    return _weekday_ahead(plain, today) or _period_ahead(plain, today)


def refuse_old_years(plain: str) -> None:
    """Refuse a year for which there can be no data, rather than answer without it."""
    for match in OLD.finditer(plain):
        if not 2000 <= int(match.group(1)) <= 2100:
            raise CannotTellError(f"I have nothing about the year {match.group(1)}. Ask about one from 2000 on.")


def _count(word: str | None) -> int:
    if word in (None, "a", "an"):
        return 1
    return {"couple of": 2, "few": 3}.get(str(word)) or COUNTS.get(str(word)) or int(str(word))


def _start(plain: str, today: date) -> date | None:
    """The first day of the period that a sentence names."""
    monday, first = today - timedelta(days=today.weekday()), today.replace(day=1)
    named = {
        r"\bsince yesterday\b|\byesterday\b": today - timedelta(days=1),
        r"\btoday\b": today - timedelta(days=1),
        r"\bthis week\b": monday,
        r"\bthis month\b": first,
        r"\bthis quarter\b": date(today.year, today.month - (today.month - 1) % 3, 1),
        r"\bthis year\b|\byear to date\b|\bytd\b": date(today.year, 1, 1),
    }
    found = next((day for pattern, day in named.items() if re.search(pattern, plain)), None)
    if found is not None:
        return found
    if match := DATED.search(plain):
        day = _dated(match, today)
        return day if day <= today or match.group(6) or match.group(9) or match.group(1) else _last_year(day)
    if match := SINCE_MONTH.search(plain):
        start = date(int(match.group(2) or today.year), _month(match.group(1)), 1)
        return start if start <= today or match.group(2) else _last_year(start)
    if match := re.search(rf"\bsince (?:last )?({'|'.join(WEEKDAYS)})\b|\bon ({'|'.join(WEEKDAYS)})\b", plain):
        back = (today.weekday() - WEEKDAYS.index(match.group(1) or match.group(2))) % 7 or 7
        return today - timedelta(days=back)
    return None


def _dated(match: re.Match[str], today: date) -> date:
    groups = match.groups()
    try:
        if groups[0]:
            return date(int(groups[0]), int(groups[1]), int(groups[2]))
        day, month, year = (groups[3], groups[4], groups[5]) if groups[3] else (groups[7], groups[6], groups[8])
        return date(int(year or today.year), _month(month), int(day))
    except ValueError as error:
        raise CannotTellError(f"“{match.group()}” is no day of the calendar.") from error


def _month(word: str) -> int:
    return next(n for n, name in enumerate(MONTHS, 1) if name.startswith(word[:3]))


def _next_year(day: date) -> date:
    return day.replace(year=day.year + 1, day=min(day.day, 28))


def _last_year(day: date) -> date:
    return day.replace(year=day.year - 1, day=min(day.day, 28))


def _weekday_ahead(plain: str, today: date) -> date | None:
    match = re.search(rf"\b(next )?({'|'.join(WEEKDAYS)})\b", plain)
    if match is None:
        return None
    return today + timedelta(days=(WEEKDAYS.index(match.group(2)) - today.weekday()) % 7 or 7)


def _period_ahead(plain: str, today: date) -> date | None:
    monday = today + timedelta(days=7 - today.weekday())
    first = (today.replace(day=28) + timedelta(days=4)).replace(day=1)
    if re.search(r"\bnext week\b", plain):
        return monday
    if re.search(r"\bnext month\b", plain):
        return first
    return monday - timedelta(days=3) if re.search(r"\bend of (?:the|this) week\b", plain) else None
