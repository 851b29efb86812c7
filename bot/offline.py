"""Questions to tool calls without a language model: by example questions, and slots filled from the sentence."""

import re
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np

from bot.oddities import account_id, oddity, unknown_measure
from bot.slots import CannotTellError, Lexicon, Request, fill, guessed_name, mentions, pointed, shown_filters
from bot.slots.asked import GROUPS, REQUEST, noting, parts
from bot.slots.fill import NEW
from bot.slots.names import aimed
from bot.slots.words import STAND_IN, first_match, known_words, put_right
from knowledge.embedding import embed
from tools.registry import TOOLS

SURE = 0.42  # likeness to the nearest examples above which a request is understood
MOST_CLAUSES = 5  # that one call answers
KEEPING = ("add_note", "remind_me")
WRITING = ("draft_outreach", "draft_proposal")
OF_ONE_ACCOUNT = tuple(tool.name for tool in TOOLS if tool.of_one_account)
SURE_OF_STRANGER = 0.65  # the same, when what the request is about is only guessed
HINT = 0.1  # added where the build of a sentence speaks for a tool
TOPIC = 0.15  # added where a request speaks of what only this tool knows about
OUT_OF_PLACE = 0.15  # taken off a tool about one account when none is meant, and the other way round
# What people also say to a bot and Tend cannot do: the nearest of these means "not understood".
ELSEWHERE = (
    "what is the weather tomorrow", "tell me a joke", "who won the match", "book a meeting room",
    "translate this into French", "write me a poem", "what time is it", "how do I cook rice",
    "what is the capital of Spain", "set a timer for ten minutes", "delete all accounts", "play some music",
    "change my password", "what is the meaning of life", "order a pizza", "remind me to call my mother",
    "what is our office address", "how many holidays do I have left", "share price of the company",
    "write python code", "send the email now", "forecast next year's budget", "who is the president",
    "thank you", "good job", "lol", "haha nice", "ok cool",
    "how do I use this software", "how does the integration work",
    "what did they say in the last meeting", "latest news", "who is the CEO of Acme", "update the record of Acme",
    "what is our MRR growth", "what is our growth rate", "how fast do we grow",
)  # fmt: skip
# Orders that only a person may carry out, and matters that no tool knows about: refused, rather than answered with
# something near. Whatever a tool's own examples speak of is not refused.
ORDERS = (
    "delete", "remove", "approve", "send", "mark", "change", "set", "add", "update", "cancel", "assign", "create",
    "book", "schedule", "reset", "translate", "forecast", "predict", "ignore", "forget", "edit", "rename", "merge",
    "export", "upload", "import", "refund", "invite", "close", "snooze", "offer", "call", "remind", "unsubscribe",
    r"give \w+ an? \d*", "retrain", "train", r"make \w+ the owner", "reassign", "archive", "pause", "publish",
)  # fmt: skip
MATTERS = (
    "nps", "csat", "ces", "surveys?", "invoices?", "tickets?", "phone", "telephone", "birthday", "address", "ceo",
    "cfo", "cto", "founder", "stock", "competitors?", "forecast", "logged", "logins?", "log in", "churn rate",
    "retention rate", "discounts?", "transcripts?", "recordings?", "mobile app", "api", "features?", "news", "weather",
    "headcount", "employees", "password", "prompt", "said", "last (?:call|meeting|email)", "next (?:call|meeting)",
    "campaigns?", "leads?", "pipeline", "quota", "commissions?", "seats", "contacts?", "plays?", "opportunit(?:y|ies)",
    "growth", "countr(?:y|ies)", "poem", "upsell", "webinars?", "roadmap", "bugs?", "sla", "integrations?",
    "deals?", "vacation", "holidays?",
)  # fmt: skip
POLITE = (
    r"^\W*(?:(?:please|ok|okay|now|and|then|hey|hi|can you|could you|would you|just|go ahead and|let us|let's|to) )*"
)
SUMMING = re.compile(
    r"\b(?:how many|number of|count|share|percent(?:age)?|proportion|average|mean|total|sum|summar\w+|overview|overall|"
    r"distribution|breakdown|portfolio|how are we|by band)\b"
)
REASON = re.compile(r"\b(?:why|how come|explain|reasons?)\b|^\W*what (?:is )?(?:pull|drag|chang|driv|happen)")
WRITE = re.compile(
    POLITE + r"(?:(?:i need|i want|help me|you|an?|my|the) )*"
    r"(?:draft|write|compose|email|message|reach out|congratulate|thank|(?:prepare|make|put together) (?:an?|the) "
    r"(?:\w+ ){0,2}(?:email|message|note|draft|offer|proposal|quote)|"
    r"(?:\w+ ){0,2}(?:reminder|note|email|message) (?:for|to)|outreach)\b"
)
WRITE_FOR = re.compile(POLITE + r"(?:(?:i need|i want|help me|you) )*" + REQUEST)
BESIDE = re.compile(
    r"\b(?:compare|versus|vs|side by side|than|difference|differ|between|or|healthier|bigger|larger|better|worse)\b"
)
OFFER = re.compile(r"\b(?:propos(?:al|als|e|ing)|offers?|quotes?|quotation|upgrade)\b")
GREETING = re.compile(
    r"^\W*(?:hi|hey|hello|(?:good )?(?:morning|afternoon|evening)|thanks|thank you|cheers|please|ok|okay)"
    r"(?: (?:tend|team|there|all|again))?\W*$", re.I
)  # fmt: skip
AND_WHY = re.compile(r"(?<=\w),?\s+and\s+why\s*\?*\s*$", re.I)
SPLIT = re.compile(
    r"(?<=[?;!])\s+|(?<=\.)\s+(?=[A-Z])|,?\s+(?:and then|then|and also|and|also|plus)\s+"
    r"(?=(?:draft|write|show|list|explain|tell|brief|summari[sz]e|compose|prepare|give|email|who|when|why|how|what)\b)"
)


@dataclass(frozen=True)
class Plan:
    """The tool calls that a question asks for, and what is said about the parts that ask for none."""

    tool_calls: list[dict[str, Any]]
    content: str = ""


def plan_calls(question: str, lexicon: Lexicon) -> Plan:
    """Turn a question into tool calls, or into words that say what is missing.

    What a part of the question cannot be answered with is said along with the calls for the rest.
    """
    calls, said = [], []
    asked = parts(question) if noting(question) else clauses(question)
    for clause in asked[:MOST_CLAUSES]:
        try:
            request = understand(clause, lexicon)
            if request.accounts:  # the next part of the message may go on about them
                lexicon = replace(lexicon, recent=request.accounts)
            calls += _calls(request, lexicon)
        except CannotTellError as gap:
            said.append(str(gap))
    return Plan([{"name": name, "args": args} for name, args in calls], "\n".join(said))


def _calls(request: Request, lexicon: Lexicon) -> list[tuple[str, dict[str, Any]]]:
    tool = route(request)
    if tool is None:
        raise CannotTellError(not_understood(request))
    return fill(tool, request, lexicon)


def clauses(question: str) -> list[str]:
    """Split a message into single requests."""
    question = AND_WHY.sub("?", question)  # lists say why by themselves
    parts = [part.strip() for part in SPLIT.split(question) if part and part.strip(" .!?,;")]
    return [part for part in parts if len(parts) == 1 or not GREETING.match(part)]


def understand(clause: str, lexicon: Lexicon) -> Request:
    """Read a request: whom it names or points to, and its words put right."""
    if odd := oddity(clause):
        raise CannotTellError(odd)
    found = mentions(clause, lexicon)
    if not found and (named := account_id(clause)):  # the tool knows whether there is one
        plain = put_right(clause.replace(named, STAND_IN))
        return Request(clause, plain, (named,), True)
    masked = clause
    for mention in reversed(found):
        masked = masked[: mention.start] + STAND_IN + masked[mention.end :]
    plain = put_right(masked)
    implied = lexicon.recent if len(lexicon.recent) == 1 else ()
    if found:
        return Request(clause, plain, tuple(dict.fromkeys(mention.name for mention in found)), True, implied)
    pointer = pointed(plain, lexicon)
    return Request(clause, plain, (pointer.name,) if pointer else (), False, implied)


def route(request: Request) -> str | None:
    """Name the tool that a request asks for; None when it asks for something else, or when unsure."""
    plain = request.masked
    if kept := noting(request.text):
        return kept
    if len(request.accounts) > 1 and BESIDE.search(plain):
        return "compare_accounts"
    if WRITE_FOR.search(plain) and (_about_someone(request) or guessed_name(request.text, plain)):
        return "draft_outreach"
    if _refused().search(plain) or unknown_measure(plain):
        return None
    if WRITE.search(plain) and _about_someone(request):
        return "draft_proposal" if OFFER.search(plain) else "draft_outreach"
    name, score = rank(request)[0]
    if _speaks_of_what_it_cannot(name, plain):
        return None
    return name if name and score >= SURE else _of_a_stranger(request)


@cache
def _refused() -> re.Pattern[str]:
    """The orders that no tool's examples give."""
    examples = [text.lower() for tool in TOOLS if tool.name not in (*WRITING, *KEEPING) for text in tool.examples]
    orders = [word for word in ORDERS if not any(re.match(rf"{word}\b", text) for text in examples)]
    return re.compile(rf"{POLITE}(?:{'|'.join(orders)})\b")


def _speaks_of_what_it_cannot(name: str | None, plain: str) -> bool:
    """Whether a request speaks of a matter that the examples of the tool for it never mention."""
    examples = " ".join(text.lower() for tool in TOOLS if tool.name == name for text in tool.examples)
    return any(re.search(rf"\b{word}\b", plain) and not re.search(rf"\b{word}\b", examples) for word in MATTERS)


def _of_a_stranger(request: Request) -> str | None:
    """The tool for a request about what may be an account's name, though no account has it."""
    guess = None if request.accounts else guessed_name(request.text, request.plain)
    if guess is None:
        return None
    masked = re.sub(re.escape(put_right(guess)), STAND_IN.lower(), request.masked)
    if set(re.findall(r"[a-z]{2,}", masked)) - known_words() - {STAND_IN.lower()}:
        return None
    name, score = rank(replace(request, masked=masked, accounts=(guess,)))[0]
    return name if name in OF_ONE_ACCOUNT and score >= SURE_OF_STRANGER else None


def _about_someone(request: Request) -> bool:
    return bool(request.accounts or request.implied)


def rank(request: Request) -> list[tuple[str | None, float]]:
    """Rank the tools (None: something else) by similarity of their examples to a request, best first."""
    groups, matrix = _examples()
    similarity = matrix @ embed([aimed(request)])[0]
    best = {name: _likeness(similarity[places]) for name, places in groups.items()}
    fitting = {name: score + _fit(name, request) for name, score in best.items()}
    return sorted(fitting.items(), key=lambda entry: -entry[1])


def _likeness(similarities: np.ndarray) -> float:
    """The nearest example counts half, the mean of the nearest three half: one odd example decides nothing alone.

    Chosen by leaving out each example in turn and asking for it.
    """
    nearest = np.sort(similarities)[::-1][:3]
    return float((nearest[0] + nearest.mean()) / 2)


def _fit(tool: str | None, request: Request) -> float:
    """What the build of a request adds to the similarity of its words, or takes off."""
    if tool is None:
        return 0.0
    plain, one = request.masked, tool in OF_ONE_ACCOUNT
    fit = -OUT_OF_PLACE if one != _about_someone(request) and (one or request.named) else 0.0
    if tool == "portfolio_summary":
        fit += HINT if SUMMING.search(plain) and not request.named else -HINT
    fit += TOPIC * min(len(_topics()[tool].findall(plain)), 2) if tool in _topics() else 0.0
    if tool == "compare_accounts":
        fit -= OUT_OF_PLACE if len(request.accounts) < 2 else 0.0
    elif tool == "compare_groups":
        fit += HINT if first_match(GROUPS, plain) else -HINT
    elif tool == "find_accounts":
        fit += -HINT if SUMMING.search(plain) else HINT * min(shown_filters(plain), 2)
        fit += HINT if NEW.search(plain) else 0.0
    elif tool == "explain_health":
        fit += HINT if REASON.search(plain) else 0.0
    return fit


@cache
def _topics() -> dict[str, re.Pattern[str]]:
    """The words that speak for one tool, by its name."""
    return {tool.name: re.compile(rf"\b(?:{'|'.join(map(re.escape, tool.topics))})\b") for tool in TOOLS if tool.topics}


def not_understood(request: Request) -> str:
    """Say so, with the two nearest things that can be asked."""
    nearest = [name for name, _ in rank(request) if name][:2]
    examples = " or ".join(f"“{tool.examples[0]}”" for name in nearest for tool in TOOLS if tool.name == name)
    return f"I can't answer that. I can look up, explain and draft for your accounts; try {examples}."


@cache
def _examples() -> tuple[dict[str | None, np.ndarray], np.ndarray]:
    """The places of each tool's examples, and the vectors of all of them."""
    labelled: list[tuple[str | None, str]] = [(tool.name, text) for tool in TOOLS for text in tool.examples]
    labelled += [(None, text) for text in ELSEWHERE]
    places: dict[str | None, list[int]] = {}
    for place, (name, _) in enumerate(labelled):
        places.setdefault(name, []).append(place)
    return {name: np.array(mine) for name, mine in places.items()}, embed([put_right(text) for _, text in labelled])
