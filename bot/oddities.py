"""Requests that look like others and have no true answer: long-gone years, two bands at once, measures nobody keeps."""

import re

from bot.slots.words import STAND_IN, known_words

LONG_AGO = re.compile(
    r"\b(?:in|before|since|after|until|by|from|of|during|year|on|january|february|march|april|may|june|july|august|"
    r"september|october|november|december|\d{1,2}[,.]?)\s+(?:the year )?(?P<year>1[0-8]\d\d|19[0-7]\d)\b"
    r"(?!\s*(?:[$€£%]|usd|eur|dollars?|euros?|accounts?|customers?|users?|seats?|points?))"
    r"|\b(?P<iso>1[0-8]\d\d|19[0-7]\d)-\d\d-\d\d\b",
    re.I,
)
BANDS = {
    "good": re.compile(r"\b(?:healthy|green|thriving)\b", re.I),
    "bad": re.compile(r"\b(?:critical|red|unhealthy|at[- ]risk)\b", re.I),
}
BOTH_MEANT = re.compile(
    r"\b(?:and|or|versus|vs|than|compare\w*|not|were|was|used to|became|turned|fell|dropped|share|many)\b|/|,",
    re.I,
)
MEASURE = re.compile(
    rf"\bwhat (?:is|are|was) (?:the |their )?(?P<measure>[a-z][a-z -]+?) (?:of|for|at) {STAND_IN}\b", re.I
)

ID = re.compile(
    r"\b(?:account|customer) (?:with the )?(?:id |number |no\.? |#)?"
    r"(?P<id>(?=[\w-]*\d)(?:\d{4,}|[\w-]*[A-Za-z-][\w-]*))",
    re.I,
)


def oddity(clause: str) -> str | None:
    """Say kindly why a request has no true answer; None when it is none of these."""
    if found := LONG_AGO.search(clause):
        year = found["year"] or found["iso"]
        return f"I have no data of {year}; no account is that old. Try “which accounts renew in the next 60 days?”."
    said = [match.group() for kind in BANDS.values() if (match := kind.search(clause))]
    if len(said) == 2 and not BOTH_MEANT.search(clause):
        return (
            f"An account cannot be “{said[0]}” and “{said[1]}” at once: it is in one band only. "
            "Try “which accounts are at risk?” or “healthy accounts”."
        )
    return None


def account_id(clause: str) -> str | None:
    """Return the id by which a request names an account: "the account W2-77310"."""
    found = ID.search(clause)
    return found["id"] if found else None


def unknown_measure(plain: str) -> bool:
    """Whether a request asks for a measure of an account in words of which no tool's example has a single one."""
    found = MEASURE.search(plain)
    return found is not None and not set(re.findall(r"[a-z]{2,}", found["measure"])) & known_words()
