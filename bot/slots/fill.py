"""The arguments of each tool from one request."""

import re
from dataclasses import replace
from functools import cache
from typing import Any, get_args, get_type_hints

from rapidfuzz import fuzz

from bot.slots.amounts import RENEWS, bounds, limit, renewal_days
from bot.slots.asked import GROUPS, UNPAID, grouping, kept_text, looked_back, particular
from bot.slots.names import guessed_name
from bot.slots.times import days_back, refuse_old_years
from bot.slots.words import (
    AT_RISK,
    BANDS,
    COUNTS,
    FALLING,
    HELD_BACK,
    INDUSTRIES,
    KNOWLEDGE,
    NEGATION,
    OFFER_TYPES,
    PURPOSES,
    RISING,
    SEGMENTS,
    SORTS,
    STAGES,
    CannotTellError,
    Lexicon,
    Request,
    first_match,
    known_words,
)
from tools.names import fold
from tools.registry import TOOLS

MOST_ACCOUNTS = 5  # of one request
Arguments = dict[str, Any]
WHICH_ACCOUNT = "Which account do you mean? Name it, for example “explain the health of Acme”."
LEAVE_OUT = (
    "I do not know what to leave out. Name a segment, plan, industry, stage, band or CSM, for example "
    "“at-risk accounts without enterprise”."
)
CANNOT_FILTER = (
    "I cannot filter by “{words}”. I can filter by owner, health, band, trend, segment, plan, industry, country, "
    "stage, revenue, start and renewal."
)
FILTERED = ("find_accounts", "compare_groups", "portfolio_summary", "who_leaves", "find_opportunities")
LEFT_OUT = re.compile(
    r"\b(?:(?:that|who|which) (?:are|is) (?:not|no)|aren['’]?t|isn['’]?t|not (?:owned by|from|in|on)|not|without|minus|"
    r"except(?: for)?|excluding|exclude|excl|other than|but (?:not|no)|apart from|besides|non)\b[-. ]*"
    r"(?:the |any |those (?:of|in) |of |in |on )?((?:[\w'’-]+(?:,? (?:and|or|nor) (?:the )?|, )?){1,6})"
)
LEAVING = re.compile(r"\bleav(?:e|ing) (.{2,40}?) (?:out|aside)\b")
NEW = re.compile(
    r"\bnew(?:ly signed)? (?:accounts|customers)\b|"
    r"\b(?:started|signed|joined|became (?:a )?customers?)(?: with)?(?: us)? "
    r"(?:in|since|this|within|last|during|over)\b"
)
ONE_SET_OF_FIGURES = (
    "I have key figures for the whole portfolio, one segment or one CSM, not side by side: try “key figures of "
    "enterprise”. Revenue, health and risk I can compare: try “ARR by segment”."
)
KINDS = ("more seats",)  # titles that are the name of their kind, too
MINE = re.compile(r"\bmy\b|\bmine\b|\bi (?:own|have|look after|manage|worry|should)\b|\b(?:do|should) i\b")
OWNED = re.compile(r"\b(?:owned by|owner is|managed by|looked after by)\s+([^\W\d_]+)")
FILTERING = re.compile(
    r"\b(?:in|from|with|without|using|use|uses|used|located|near|based|tagged|having|whose|per|by|via)"
    r"\s+(?:the |a |an |our |their )?([a-z][\w-]+(?: [a-z][\w-]+)?)"
)


def fill(tool: str, request: Request, lexicon: Lexicon) -> list[tuple[str, Arguments]]:
    """Return the calls that answer a request routed to a tool: several when it names several accounts.

    Raises:
        CannotTellError: when it asks for something that the tool has no argument for.
    """
    refuse_old_years(request.plain)
    if tool == "portfolio_summary":
        return [_summary(request, lexicon)]
    if tool == "compare_accounts":
        return [(tool, {"accounts": list(_accounts(request))})]
    if tool == "compare_groups":
        return [(tool, _groups(request, lexicon))]
    known = next(each for each in TOOLS if each.name == tool)
    takes = known.parameters
    if "question" in takes:
        return [(tool, _question(request))]
    if "text" in takes:
        return [(tool, {"account": _accounts(request)[0]} | kept_text(tool, request, lexicon))]
    extra = particular(tool, request) | (looked_back(request, lexicon) if "days" in takes else {})
    if known.of_one_account or ("account" in takes and request.accounts):
        extra |= _purpose(request) if "purpose" in takes else {}
        extra |= {name: value for name, value in _growth(request, lexicon).items() if name in takes}
        return [(tool, {"account": name} | extra) for name in _accounts(request)]
    if tool == "portfolio_kpis" and first_match(GROUPS, request.plain):
        raise CannotTellError(ONE_SET_OF_FIGURES)
    wanted = _filters(request, lexicon, tool) | _growth(request, lexicon) | extra
    given = {name: value for name, value in wanted.items() if name in takes}
    return [(tool, {name: value for name, value in given.items() if name != "sort" or value in _orders(tool)})]


def _groups(request: Request, lexicon: Lexicon) -> Arguments:
    """A comparison's groups; what names a group or the measure is no filter."""
    found = grouping(request.plain)
    wanted = _filters(request, lexicon, "compare_groups")
    own = {"csm": "owner", "renewal_month": "renewal_within_days"}.get(found["by"], str(found["by"]))
    for name in ("sort", "limit", own):
        wanted.pop(name, None)
    if found.get("measure") in ("at_risk", "revenue_at_risk", "churn_probability"):
        wanted.pop("at_risk", None)
    takes = next(each for each in TOOLS if each.name == "compare_groups").parameters
    return found | {name: value for name, value in wanted.items() if name in takes}


@cache
def _orders(tool: str) -> tuple[str, ...]:
    """The orders in which a tool can list."""
    function = next(known.function for known in TOOLS if known.name == tool)
    return get_args(get_type_hints(function).get("sort"))


def _accounts(request: Request) -> tuple[str, ...]:
    if request.accounts:
        return request.accounts[:MOST_ACCOUNTS]
    name = guessed_name(request.text, request.plain)
    if name or request.implied:
        return (name,) if name else request.implied[:MOST_ACCOUNTS]
    raise CannotTellError(WHICH_ACCOUNT)


def _question(request: Request) -> Arguments:
    """What to look up, in the person's own words."""
    named = request.accounts[0] if request.accounts else None
    return _given(question=request.text, kind=first_match(KNOWLEDGE, request.plain), account=named)


def _growth(request: Request, lexicon: Lexicon) -> Arguments:
    """What only tools about growth, value and time ask for."""
    plain = request.plain
    kind = first_match(OFFER_TYPES, plain)
    named = (title for title in lexicon.offers if title.lower() in plain and title.lower() not in KINDS)
    offer = next(named, None)
    return _given(
        offer=offer,
        type=None if offer else kind,
        held_back=True if HELD_BACK.search(plain) else None,
        discount=_number(r"(\d+(?:\.\d+)?)\s*(?:%|percent)", plain, 0.01),
        months=_months(plain),
        hours=_number(r"(\d+(?:\.\d+)?)\s*(?:h\b|hours?)", plain),
    )


def _number(pattern: str, plain: str, unit: float = 1.0) -> float | None:
    found = re.search(pattern, plain)
    return round(float(found.group(1)) * unit, 6) if found else None


def _months(plain: str) -> int | None:
    """How far ahead: “three years”, “18 months”."""
    found = re.search(r"\b(\d+|" + "|".join(COUNTS) + r")\s*(years?|months?)", plain)
    if found is None:
        return None
    count = int(found.group(1)) if found.group(1).isdigit() else COUNTS[found.group(1)]
    return count * 12 if found.group(2).startswith("year") else count


def _purpose(request: Request) -> Arguments:
    return _given(purpose=first_match(PURPOSES, request.plain))


def _summary(request: Request, lexicon: Lexicon) -> tuple[str, Arguments]:
    """The summary, or the list where filters are asked for that only the list has."""
    wanted = _filters(request, lexicon)
    plain_summary = {name: value for name, value in wanted.items() if name in ("owner", "segment")}
    beyond = set(wanted) - {"owner", "segment", "at_risk", "band", "sort", "limit"}
    return ("find_accounts", wanted) if beyond else ("portfolio_summary", plain_summary)


def _filters(request: Request, lexicon: Lexicon, tool: str = "find_accounts") -> Arguments:
    plain, without = _left_out(request.plain, lexicon)
    request = replace(request, masked=plain)
    at_risk = True if AT_RISK.search(plain) else None
    if NEGATION.search(UNPAID.sub(" ", AT_RISK.sub(" ", plain))):
        raise CannotTellError(LEAVE_OUT)
    stage, country = first_match(STAGES, plain), _country(plain, lexicon)
    if tool in FILTERED:
        _only_known_filters(plain, lexicon)
    plan = _plan(plain, lexicon)
    stage = None if plan and plan.lower() == stage else stage
    rest = plain.replace(plan.lower().replace("_", " "), " ") if plan else plain
    bands = [band for pattern, band in BANDS.items() if re.search(pattern, AT_RISK.sub(" ", plain))]
    renewal = renewal_days(plain, lexicon.today)
    trend = "falling" if FALLING.search(plain) else "rising" if RISING.search(plain) else None
    return _given(
        owner=owner(request, lexicon), at_risk=at_risk if not bands else None, band=bands or None,
        segment=first_match(SEGMENTS, rest), plan=plan, industry=first_match(INDUSTRIES, rest),
        renewal_within_days=renewal, trend=trend, stage=stage, country=country, without=list(without) or None,
        started_within_days=_started(plain, lexicon), sort=_sort(plain, renewal, at_risk), limit=limit(plain),
        **bounds(plain),
    )  # fmt: skip


def _left_out(plain: str, lexicon: Lexicon) -> tuple[str, tuple[str, ...]]:
    """What a sentence leaves out ("not enterprise", "except Dana's"), and the sentence without that."""
    found: list[str] = []

    def take(match: re.Match[str]) -> str:
        words = match.group(1)
        named = [value for table in (SEGMENTS, INDUSTRIES, BANDS, STAGES) for pattern, value in table.items()
                 if re.search(pattern, words)]  # fmt: skip
        named += [plan for plan in lexicon.plans if re.search(rf"\b{re.escape(plan.lower())}\b", words)]
        people = [name for name in lexicon.people for part in fold(name).split() if re.search(rf"\b{part}\b", words)]
        named += people
        found.extend(dict.fromkeys(named))
        return " " if named else match.group()

    plain = LEAVING.sub(r"without \1", plain)
    rest = LEFT_OUT.sub(take, AT_RISK.sub(lambda m: m.group().replace("not", "n0t"), plain)).replace("n0t", "not")
    return rest, tuple(dict.fromkeys(found))


def _country(plain: str, lexicon: Lexicon) -> str | None:
    return next((name for name in lexicon.countries if re.search(rf"\b{re.escape(name.lower())}\b", plain)), None)


def _started(plain: str, lexicon: Lexicon) -> int | None:
    """New customers: since when they are there."""
    if not NEW.search(plain):
        return None
    return days_back(plain, lexicon.today) or 90


def shown_filters(plain: str) -> int:
    """Count what a request says that only filters and orders of a list would say."""
    tables = (BANDS, SEGMENTS, INDUSTRIES, SORTS)
    said = [AT_RISK.search(plain), FALLING.search(plain), RISING.search(plain), RENEWS.search(plain), bounds(plain)]
    return sum(map(bool, said)) + sum(first_match(table, plain) is not None for table in tables)


def _only_known_filters(plain: str, lexicon: Lexicon) -> None:
    """Refuse a filter that no argument can express, rather than answer without it."""
    people = {word for name in (*lexicon.people, *lexicon.countries) for word in fold(name).split()}
    plans = {word for plan in lexicon.plans for word in fold(plan).split()}
    known = known_words() | people | plans
    for match in FILTERING.finditer(OWNED.sub(" ", plain)):
        words = match.group(1).split()
        if fold(words[0]) not in known and not first_match(INDUSTRIES, match.group(1)):
            raise CannotTellError(CANNOT_FILTER.format(words=match.group(1)))


def owner(request: Request, lexicon: Lexicon) -> str | None:
    """The colleague whose accounts are meant; "me" for "my"."""
    plain = request.plain
    if MINE.search(plain):
        return "me"
    words = [re.sub(r"['’]?s$", "", word) for word in re.findall(r"[^\W\d_][\w'’-]+", plain)]
    for name in lexicon.people:
        first, *rest = fold(name).split()
        if fold(name) in fold(plain) or any(_same_person(first, rest, fold(word)) for word in words):
            return name
    owned = OWNED.search(plain)
    stranger = re.search(r"\b(?:accounts|customers) of ([A-Z]\w+)|\b([A-Z]\w+)['’]s (?:accounts|customers|portfolio)",
                         request.text)  # fmt: skip
    if owned:
        return owned.group(1).title()
    return (stranger.group(1) or stranger.group(2)) if stranger and not request.named else None


def _same_person(first: str, rest: list[str], word: str) -> bool:
    """A first or last name, forgiving one slip in a long one."""
    if word in known_words() or len(word) < 3:
        return False
    return word == first or word in rest or (len(word) >= 5 and fuzz.ratio(word, first) >= 88)


def _plan(plain: str, lexicon: Lexicon) -> str | None:
    """A plan of the team, where the sentence speaks of plans or the word can mean nothing else."""
    for plan in sorted(lexicon.plans, key=len, reverse=True):
        spoken = re.escape(plan.lower()).replace("_", "[ _-]")
        if re.search(rf"\b{spoken}[- ](?:plan|tier)|\bon (?:the )?{spoken}\b|\b(?:plan|tier) {spoken}\b", plain):
            return plan
        other = first_match(SEGMENTS, plan.lower()) or plan.lower() in ("business", "professional")
        if not other and re.search(rf"\b{spoken}\b", plain):
            return plan
    return None


def _sort(plain: str, renewal: int | None, at_risk: bool | None) -> str | None:
    found = first_match(SORTS, plain)
    if at_risk and " by " not in plain:
        return None
    return "renewal" if found is None and renewal is not None else found


def _given(**values: Any) -> Arguments:
    return {name: value for name, value in values.items() if value is not None}
