"""What particular tools ask for besides filters: groups, measures, roles, states, notes and reminders."""

import re
from typing import Any

from bot.slots.times import day_ahead, days_back
from bot.slots.words import INDUSTRIES, SEGMENTS, STAND_IN, CannotTellError, Lexicon, Request, first_match

Arguments = dict[str, Any]
_PER = r"\b(?:by|per|each|every|which|what|across|over|for each|for every|compare|between|the)\s+(?:our |the |all )?"
GROUPS = {
    _PER + r"(?:csms?|owners?|colleagues?|reps?|managers?)\b": "csm",
    _PER + r"(?:segments?|customer size|size class)\b": "segment",
    _PER + r"(?:plans?|tiers?|products? plans?)\b": "plan",
    _PER + r"(?:industr(?:y|ies)|sectors?|verticals?)\b": "industry",
    _PER + r"(?:stages?|lifecycle stages?)\b": "stage",
    _PER + r"(?:countr(?:y|ies)|regions?)\b": "country",
    _PER + r"(?:bands?|health bands?|colou?rs?)\b": "band",
    _PER + r"(?:renewal )?months?\b|\bmonthly renewals?\b": "renewal_month",
    r"\bwho has (?:the )?(?:most|fewest|least)\b|\bbalance between\b": "csm",
}
MEASURES = {
    r"\brevenue at risk\b|\b(?:money|arr|mrr) at risk\b": "revenue_at_risk",
    r"\bat[- ]risk\b|\bunhealthy\b": "at_risk",
    r"\bchurn\w*\b|\bleave\b|\blikely\b|\bprobabilit\w+\b": "churn_probability",
    r"\bhealth\w*\b|\bscores?\b|\bsick\w*\b": "health",
    r"\barr\b|\bmrr\b|\brevenue\b|\bmoney\b|\bpay\w*\b|\bworth\b|\bvalue\b": "arr",
    r"\bhow many\b|\baccounts\b|\bcustomers\b|\bnumber\b|\bcount\b": "accounts",
}
ROLES = {
    r"\bchampions?\b": "champion",
    r"\bsponsors?\b|\bexecutives?\b|\bdecision[- ]makers?\b": "executive_sponsor",
    r"\badmins?\b|\badministrators?\b": "admin",
    r"\bbilling\b|\bfinance contact\b|\binvoice contact\b": "billing",
    r"\b(?:end )?users\b": "user",
}
STATES = {
    r"\brejected\b|\bcancelled\b|\bturned down\b|\bdeclined\b": "rejected",
    r"\bcould ?n['’]?t\b|\bcould not\b|\bcan(?:no|['’]?)t\b|\bfail\w*\b|\bunclear\b|\bbounced\b|"
    r"\bnot (?:go|gone|went) out\b": "failed",
    r"\bexpired\b|\bran out\b": "expired",
    r"\bsent\b|\bgone out\b|\bwent out\b|\bdelivered\b|\bdid we send\b": "sent",
    r"\bapproved\b|\bon (?:its|their) way\b|\bin the outbox\b": "approved",
}
PRAISE = (
    r"(?:testimonial|quote|case stud(?:y|ies)|reference|refer|referrals?|recommend|recommendation|interview|survey)"
)
REQUEST = (  # ways to ask for a message without saying "write"
    rf"(?:ask\b.{{1,60}}\b(?:for|to|whether|if)\b.{{0,40}}\b{PRAISE}\b|invite\b.{{1,60}}\b{PRAISE}\b|"
    rf"(?:request|get|solicit) (?:an? |the )?{PRAISE} (?:from|at|of)\b|survey (?!result|response|answer|score)\w|"
    r"send\b.{0,60}\bsurvey\b|(?:win|bring)\b.{1,60}\bback\b|"
    r"(?:an? |the )?(?:executive|ceo|management|leadership|testimonial|referral|survey|case study|win-back) "
    r"(?:letter|note|outreach|email|message|request|invitation|word) (?:to|for)\b)"
)
OPEN = re.compile(r"\bopen\b|\bunresolved\b|\bunsolved\b|\bpending\b|\bstill\b|\bcurrent\b")
SOLVED = re.compile(r"\bsolved\b|\bresolved\b|\bclosed?\b|\bfinished\b")
ESCALATED = re.compile(r"\bescalat\w+\b")
UNPAID = re.compile(
    r"\bunpaid\b|\boverdue\b|\bowes?\b|\bnot (?:yet )?paid\b|\bhas not paid\b|\bbehind\b|\blate\b|\boutstanding\b|"
    r"\bfailed\b|\bhaven['’]?t paid\b|\bhasn['’]?t paid\b|\bdebts?\b"
)
NOTE = re.compile(
    r"^\W*(?:please |can you |could you |pls )*(?:(?:add|make|take|leave|write|put|keep|save) (?:down |a |an |the )*"
    r"(?:short |quick |new )?notes?\b|notes?\b(?! (?:of|from|we)\b)(?=.*:)|(?:write|jot) (?:it |that |this )?down\b|"
    r"jot\b|log that\b)",
    re.I,
)
REMIND = re.compile(
    r"^\W*(?:please |can you |could you |pls )*(?:(?:remind|ping|nudge) me\b|"
    r"(?:set|create|add|make) (?:me )?(?:a |an )?(?:new )?(?:reminder|task|to-?do|follow[- ]up)\b|reminder:)",
    re.I,
)
WHEN = re.compile(
    r"\b(?:on |by |until )?(?:next )?(?:monday|tuesday|wednesday|thursday|friday|saturday|sunday)\b|"
    r"\b(?:the )?day after tomorrow\b|\btomorrow\b|\btoday\b|\bnext (?:week|month)\b|"
    r"\bin \w+ (?:days?|weeks?|months?)\b|"
    r"\b(?:on |by )?(?:the )?\d{1,2}(?:st|nd|rd|th)?(?: of)? (?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)\w*\b|"
    r"\b(?:on |by )?\d{4}-\d{2}-\d{2}\b|\b(?:at|by) the end of (?:the|this) week\b",
    re.I,
)


NEXT = re.compile(
    r"(?<=[.;!?])\s+(?:and )?(?=(?:please )?(?:remind me|ping me|note (?:for|on)|add a note|draft|show|write)\b)", re.I
)


def parts(text: str) -> list[str]:
    """Split a message that asks for a note or a reminder only where the next request begins: the rest is its text."""
    return [part.strip(" .;") for part in NEXT.split(text) if part.strip()]


def noting(text: str) -> str | None:
    """Name the tool that keeps what is said, when a message asks for a note or a reminder."""
    return "remind_me" if REMIND.search(text) else "add_note" if NOTE.search(text) else None


def grouping(plain: str) -> Arguments:
    """The groups and the measure of a comparison.

    Raises:
        CannotTellError: it does not say by what.
    """
    by = first_match(GROUPS, plain)
    if by is None:
        several = {value for pattern, value in SEGMENTS.items() if re.search(pattern, plain)}
        by = "segment" if len(several) > 1 else None
    if by is None:
        several = {value for pattern, value in INDUSTRIES.items() if re.search(pattern, plain)}
        by = "industry" if len(several) > 1 else None
    if by is None:
        raise CannotTellError("Compare by what? Say by CSM, segment, plan, industry, stage, country, band or month.")
    measure = first_match(MEASURES, plain)
    return {"by": by} | ({"measure": measure} if measure and measure != "arr" else {})


def looked_back(request: Request, lexicon: Lexicon) -> Arguments:
    """How many days back a tool shall look, where the sentence says so."""
    days = days_back(request.plain, lexicon.today)
    return {} if days is None else {"days": days}


def particular(tool: str, request: Request) -> Arguments:
    """The arguments that only tools about contacts, tickets, payments and drafts know."""
    plain = request.plain
    role = first_match(ROLES, plain) if tool == "list_contacts" else None
    found = {
        "role": role,
        "state": _state(tool, plain),
        "escalated": True if tool == "list_tickets" and ESCALATED.search(plain) else None,
        "unpaid_only": True if tool == "list_payments" and UNPAID.search(plain) else None,
    }
    return {name: value for name, value in found.items() if value is not None}


def _state(tool: str, plain: str) -> str | None:
    if tool == "list_tickets":
        return "solved" if SOLVED.search(plain) else "open" if OPEN.search(plain) else None
    return first_match(STATES, plain) if tool == "list_drafts" else None


def kept_text(tool: str, request: Request, lexicon: Lexicon) -> Arguments:
    """What to write down or to be reminded of, in the person's own words, and for when."""
    text = request.text.strip()
    if tool == "add_note":
        return {"text": _after(NOTE.sub("", text, count=1), request)}
    due = day_ahead(request.plain, lexicon.today)
    said = _after(WHEN.sub("", REMIND.sub("", text, count=1), count=1), request)
    return {"text": said} | ({"due_on": due.isoformat()} if due else {})


def _after(text: str, request: Request) -> str:
    """The words after a colon, or after “to” and “that”; whatever is left otherwise."""
    _, colon, tail = text.partition(":")
    if colon and tail.strip():
        return tail.strip()
    told = re.match(r"^\W*(?:for|to|on|about|at|of)\s+.{1,60}?\s+that\s+(.+)$", text, flags=re.I)
    if told:
        return told.group(1).strip()
    account = next(iter(request.accounts), STAND_IN)
    bare = re.sub(rf"^\W*(?:for|to|on|about|at|of)\s+{re.escape(account)}\b", "", text, flags=re.I)
    found = re.match(r"^\W*(?:to|that|about|for)\s+(.+)$", bare.strip(), flags=re.I)
    said = found.group(1) if found else bare.strip(" :,.-–")
    return re.sub(r"\s{2,}", " ", said).strip(" ,.-–") or text.strip()
