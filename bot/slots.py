"""Fill a tool's arguments from a sentence: names, bands, plans, segments, money, periods, people, ordinals."""

import re
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

from rapidfuzz import fuzz, process, utils

SURE_NAME = 90  # of 100: similarity at which a few words of a sentence are taken for an account's name
MONEY = r"(?:[$€£]\s?)?(\d[\d,.]*)\s?(k|m|thousand|million)?\b"
MORE = r"(?:over|above|more than|at least|greater than|bigger than|larger than|from|>=?|exceeding)"
LESS = r"(?:under|below|less than|at most|smaller than|up to|fewer than|<=?|lower than)"
SEGMENTS = {
    r"\bsmbs?\b|small business(?:es)?": "smb",
    r"mid[- _]?market": "mid_market",
    r"enterprises?\b(?! plan)": "enterprise",
    r"\bconsumers?\b": "consumer",
}
INDUSTRIES = {
    r"\bsaas\b|software": "saas",
    r"health ?care|dental|clinics?|medical": "healthcare",
    r"\btrades\b|hvac|plumb\w+|electric(?:al|ians?)": "trades",
    r"professional services|consult\w+ firms?": "professional_services",
    r"e-?commerce|online shops?|retail": "ecommerce",
}
BANDS = {
    r"critical|orange": "critical",
    r"churning|\bred\b": "churning",
    r"(?<!un)healthy|\bgreen\b": "healthy",
    r"\byellow\b": "at_risk",
}
AT_RISK = re.compile(
    r"at[- ]risk|\brisky\b|worr(?:y|ied|ying)|attention|likely to (?:leave|churn|cancel)|in danger|in trouble|"
    r"unhealthy|could (?:leave|lose|churn)|might (?:leave|churn)|about to (?:leave|churn)|"
    r"(?:will|who|going to) (?:leaves?|churns?|cancels?)|endangered|struggling|\bbad shape\b"
)
FALLING = re.compile(r"fall(?:ing|en)|dropp(?:ing|ed)|drops?\b|declin\w+|worsen\w*|got worse|went down|decreas\w+")
RISING = re.compile(r"ris(?:ing|en)|improv\w+|got better|gets better|recover\w+|went up|increas\w+")
SORTS = {
    r"by (?:arr|revenue|size|value|mrr)|biggest|largest|highest[- ](?:paying|arr|revenue)|top \d* ?(?:accounts|customers)"
    r"(?! by)": "arr",
    r"lowest (?:health|score)|worst|by health|least healthy|by score": "health",
    r"by renewal|soonest|next renewals?|renew": "renewal",
    r"(?:dropped|fell|declined|improved) (?:the )?most|biggest (?:drop|fall)": "trend",
    r"alphabetical|by name": "name",
}
PURPOSES = {
    r"renew|contract": "renewal",
    r"apolog|escalat|ticket|support|sorry": "support",
    r"payment|invoice|billing|overdue|unpaid": "billing",
    r"congrat|celebrat|thank|milestone|well done|success story": "celebration",
    r"onboard|welcome|get started|set[- ]?up": "onboarding",
    r"adopt|training|unused|more features|feature": "adoption",
    r"at[- ]risk|\brisk\b|save\b|retention|win .* back|rescue": "risk",
    r"check[- ]?in|touch base|how (?:they|it) (?:are|is)|usage": "check_in",
}
ORDINALS = {
    "first": 0, "1st": 0, "top": 0, "second": 1, "2nd": 1, "third": 2, "3rd": 2, "fourth": 3, "4th": 3,
    "fifth": 4, "5th": 4, "sixth": 5, "seventh": 6, "eighth": 7, "ninth": 8, "tenth": 9, "last": -1,
}  # fmt: skip
ORDINAL = re.compile(rf"\b(?:the |number |no\.? ?|#)?({'|'.join(ORDINALS)}|(?<=#)\d+)(?: one| account)?\b(?! \d)")
PRONOUN = re.compile(
    r"\b(?:it|its|they|their|them|theirs|(?:that|this|the same|the) (?:account|customer|one|company))\b"
)
NEGATION = re.compile(r"\b(?:not|except|excluding|without|other than|no longer|but no)\b")
STOP = set(
    [
        "a",
        "an",
        "the",
        "of",
        "to",
        "for",
        "and",
        "or",
        "in",
        "on",
        "at",
        "is",
        "are",
        "was",
        "with",
        "about",
        "from",
        "by",
        "my",
        "me",
        "our",
        "we",
        "us",
        "i",
        "it",
        "its",
        "they",
        "their",
        "them",
        "account",
        "accounts",
        "customer",
        "customers",
        "show",
        "list",
        "find",
        "draft",
        "write",
        "email",
        "explain",
        "why",
        "what",
        "which",
        "who",
        "when",
        "how",
        "health",
        "score",
        "risk",
        "this",
        "that",
        "week",
        "month",
        "today",
        "renewal",
        "plan",
        "arr",
        "one",
        "please",
        "can",
        "could",
        "you",
        "tell",
        "brief",
        "give",
    ]
)


class CannotTellError(Exception):
    """The sentence asks for something that the arguments cannot express; the text says what."""


@dataclass(frozen=True)
class Lexicon:
    """The names that a sentence may use.

    Args:
        accounts: current accounts, id to name.
        people: colleagues' names.
        plans: the plans in use.
        recent: accounts that the thread spoke of last, in the order shown.
        today: the day that "next month" counts from.
    """

    accounts: dict[int, str]
    people: tuple[str, ...] = ()
    plans: tuple[str, ...] = ()
    recent: tuple[int, ...] = ()
    today: date = date.min
    _folded: dict[int, str] = field(default_factory=dict, compare=False)

    def folded(self) -> dict[int, str]:
        """Names in lower case without punctuation, computed once."""
        if not self._folded:
            self._folded.update({key: utils.default_process(name) for key, name in self.accounts.items()})
        return self._folded


@dataclass(frozen=True)
class Mention:
    """An account named in a sentence: the words used, and the full name when it is certain."""

    words: str
    name: str


def find_account(text: str, lexicon: Lexicon) -> Mention | None:
    """Find the account that a sentence names, or points to by pronoun or ordinal.

    Raises:
        CannotTellError: when "it" could be several accounts of the answer before.
    """
    return _named(text, lexicon) or _pointed(text, lexicon)


def _named(text: str, lexicon: Lexicon) -> Mention | None:
    words = re.findall(r"[\w&'’.-]+", text)
    folded = [utils.default_process(re.sub(r"['’]s$", "", word)) for word in words]
    names = lexicon.folded()
    exact = {name: key for key, name in names.items()}
    best: tuple[float, int, str, str] | None = None
    for size in range(min(5, len(words)), 0, -1):
        for start in range(len(words) - size + 1):
            part = folded[start : start + size]
            phrase = " ".join(part)
            if part[0] in STOP or part[-1] in STOP or len(phrase) < 3:
                continue
            if phrase in exact:
                return Mention(phrase, lexicon.accounts[exact[phrase]])
            best = _better(best, phrase, words[start : start + size], lexicon)
    if best is None:
        return None
    return Mention(best[2], best[3])


def _better(best: Any, phrase: str, words: list[str], lexicon: Lexicon) -> Any:
    """Keep the phrase most like a name: the beginning of one, or one with a spelling mistake."""
    names = lexicon.folded()
    starting = [key for key, name in names.items() if name.startswith(phrase + " ")]
    if starting:
        name = lexicon.accounts[starting[0]] if len(starting) == 1 else phrase
        found = (95.0, len(phrase), phrase, name)
    else:
        match = process.extractOne(phrase, names, scorer=fuzz.ratio, score_cutoff=SURE_NAME - 6)
        if match is None or (match[1] < SURE_NAME and len(phrase) < 8):
            return best
        found = (match[1], len(phrase), phrase, lexicon.accounts[match[2]])
    return found if best is None or found[:2] > best[:2] else best


def _pointed(text: str, lexicon: Lexicon) -> Mention | None:
    lower = text.lower()
    recent = [lexicon.accounts[key] for key in lexicon.recent if key in lexicon.accounts]
    if not recent:
        return None
    ordinal = ORDINAL.search(lower)
    if ordinal and not re.search(r"\btop \d", lower):
        word = ordinal.group(1)
        place = ORDINALS[word] if word in ORDINALS else int(word) - 1
        if place >= len(recent):
            raise CannotTellError(f"The last list had {len(recent)} accounts; there is no “{ordinal.group().strip()}”.")
        return Mention(ordinal.group(), recent[place])
    if PRONOUN.search(lower) or lower.strip(" ?!.") in ("why", "how come", "explain", "draft"):
        return Mention("", recent[0])
    return None


def guessed_name(text: str) -> str | None:
    """Take what looks like a name where no account fits, so that the tool can say that it knows none."""
    quoted = re.search(r"[“\"']([^”\"']{2,80})[”\"']", text)
    if quoted:
        return quoted.group(1)
    words = re.findall(r"(?<!^)(?<![.?!] )\b[A-Z][\w&-]+(?: [A-Z][\w&-]+)*", text)
    if words:
        return max(words, key=len)
    tail = re.search(r"\b(?:about|for|to|of|at|with|on|is|does)\s+([\w&-]+(?: [\w&-]+)?)\s*\??$", text)
    return tail.group(1) if tail and tail.group(1).split()[0].lower() not in STOP else None


def fill(tool: str, text: str, lexicon: Lexicon) -> dict[str, Any]:
    """Return the arguments of a tool that a sentence gives.

    Raises:
        CannotTellError: when it asks for something that the tool has no argument for.
    """
    return _FILLERS[tool](text, lexicon)


def _account_only(text: str, lexicon: Lexicon) -> dict[str, Any]:
    mention = find_account(text, lexicon)
    name = mention.name if mention else guessed_name(text)
    if not name:
        raise CannotTellError("Which account do you mean? Name it, for example “explain the health of Acme”.")
    return {"account": name}


def _draft(text: str, lexicon: Lexicon) -> dict[str, Any]:
    arguments = _account_only(text, lexicon)
    purpose = first_match(PURPOSES, _without(text, arguments["account"]))
    return arguments | ({"purpose": purpose} if purpose else {})


def _summary(text: str, lexicon: Lexicon) -> dict[str, Any]:
    lower = text.lower()
    return _given(owner=owner(text, lexicon), segment=first_match(SEGMENTS, lower))


def _filters(text: str, lexicon: Lexicon) -> dict[str, Any]:
    lower = text.lower()
    if NEGATION.search(lower):
        raise CannotTellError(
            "I cannot leave accounts out yet. Say what you want to see instead, for example "
            "“at-risk accounts in mid-market”."
        )
    plan = _plan(lower, lexicon)
    bands = [band for pattern, band in BANDS.items() if re.search(pattern, lower)]
    rest = lower.replace(plan, " ") if plan else lower
    renewal = renewal_days(lower, lexicon.today)
    trend = "falling" if FALLING.search(lower) else "rising" if RISING.search(lower) else None
    at_risk = True if AT_RISK.search(lower) and not bands else None
    return _given(
        owner=owner(text, lexicon), at_risk=at_risk, band=bands or None,
        segment=first_match(SEGMENTS, rest), plan=plan, industry=first_match(INDUSTRIES, rest),
        renewal_within_days=renewal, trend=trend, sort=_sort(lower, renewal), limit=_limit(lower),
        **bounds(lower),
    )  # fmt: skip


_FILLERS = {
    "find_accounts": _filters,
    "account_brief": _account_only,
    "explain_health": _account_only,
    "portfolio_summary": _summary,
    "draft_outreach": _draft,
}


def owner(text: str, lexicon: Lexicon) -> str | None:
    """The colleague whose accounts are meant; "me" for "my"."""
    lower = text.lower()
    if re.search(r"\bmy\b|\bmine\b|\bi (?:own|have|look after|manage|worry)\b|\bdo i\b", lower):
        return "me"
    for name in lexicon.people:
        first = name.split()[0].lower()
        if name.lower() in lower or re.search(rf"\b{re.escape(first)}(?:['’]s\b|\b)", lower):
            return name
    return None


def renewal_days(lower: str, today: date) -> int | None:
    """How many days ahead a renewal is asked for; None when the sentence is not about renewals."""
    if not re.search(r"renew|contract(?:s)? (?:end|expir|run)|expir|come[s]? up|up for", lower):
        return None
    period = re.search(
        r"(?:next|within|in|coming|following)?\s*(?:the )?(?:next |coming )?(\d+|a|two|three|six)\s*"
        r"(day|week|month|quarter|year)s?",
        lower,
    )
    units = {"day": 1, "week": 7, "month": 30, "quarter": 91, "year": 365}
    words = {"a": 1, "two": 2, "three": 3, "six": 6}
    if period:
        count = words.get(period.group(1)) or int(period.group(1))
        return min(count * units[period.group(2)], 3650)
    if "this week" in lower:
        return 6 - today.weekday()
    if "next week" in lower:
        return 13 - today.weekday()
    if "this month" in lower:
        return (_month_end(today, 0) - today).days
    if "next month" in lower:
        return (_month_end(today, 1) - today).days
    if "quarter" in lower:
        return (_month_end(today, (3 - today.month % 3) % 3) - today).days
    if "this year" in lower:
        return (date(today.year, 12, 31) - today).days
    return 90


def _month_end(day: date, ahead: int) -> date:
    month = day.month - 1 + ahead + 1
    return date(day.year + month // 12, month % 12 + 1, 1) - timedelta(days=1)


def bounds(lower: str) -> dict[str, Any]:
    """Limits of money and of the health score; a bare number up to 100 is a score."""
    found: dict[str, Any] = {}
    for words, money_name, health_name in ((MORE, "min_arr", "min_health"), (LESS, "max_arr", "max_health")):
        for match in re.finditer(rf"{words}\s+{MONEY}", lower):
            amount = _amount(match.group(1), match.group(2))
            tail = lower[match.end() : match.end() + 14]
            if re.match(r"\s*(?:days?|weeks?|months?|seats?|users?|%)", tail):
                continue
            is_money = re.search(r"[$€£]", match.group()) or match.group(2) or re.search(r"arr|mrr|revenue", lower)
            if is_money and not re.search(r"health|score", lower[max(0, match.start() - 20) : match.start()]):
                monthly = "mrr" in lower or re.match(r"\s*(?:a|per) month", tail)
                found[money_name] = amount * (12 if monthly else 1)
            elif amount <= 100:
                found[health_name] = amount
            else:
                found[money_name] = amount
    return found


def _amount(digits: str, scale: str | None) -> float:
    factor = {"k": 1e3, "thousand": 1e3, "m": 1e6, "million": 1e6}.get(scale or "", 1.0)
    return float(digits.replace(",", "").rstrip(".") or 0) * factor


def _plan(lower: str, lexicon: Lexicon) -> str | None:
    """A plan of the team, where the sentence speaks of plans or the word can mean nothing else."""
    for plan in sorted(lexicon.plans, key=len, reverse=True):
        spoken = re.escape(plan.lower()).replace("_", "[ _-]")
        if re.search(rf"\b{spoken}(?:[- ]plan|[- ]tier)|\bon (?:the )?{spoken}\b|\b(?:plan|tier) {spoken}\b", lower):
            return plan
        if plan.lower() not in ("enterprise", "business") and re.search(rf"\b{spoken}\b", lower):
            return plan
    return None


def _sort(lower: str, renewal: int | None) -> str | None:
    if AT_RISK.search(lower) and "by " not in lower:
        return None
    found = first_match(SORTS, lower)
    return "renewal" if found is None and renewal is not None else found


def _limit(lower: str) -> int | None:
    match = re.search(
        r"\b(?:top|first|show|list|the|any|worst|biggest|largest) (\d{1,3})\b|\b(\d{1,3}) "
        r"(?:accounts|customers|biggest|largest|worst)",
        lower,
    )
    return int(match.group(1) or match.group(2)) if match else None


def first_match(table: dict[str, str], text: str) -> str | None:
    """Return the value of the first pattern that occurs."""
    return next((value for pattern, value in table.items() if re.search(pattern, text.lower())), None)


def _without(text: str, name: str) -> str:
    return re.sub(re.escape(name), " ", text, flags=re.I)


def _given(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}
