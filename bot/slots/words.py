"""The words of the trade as people type them, and what a sentence is read with."""

import re
from dataclasses import dataclass
from datetime import date
from functools import cache

from rapidfuzz import fuzz, process

from tools.names import NameIndex
from tools.purposes import purposes
from tools.registry import TOOLS


def _each(words: str) -> frozenset[str]:
    return frozenset(words.split())


STAND_IN = "Acme"  # stands for an account's name in the examples of the tools
SEGMENTS = {
    r"\bsmbs?\b|\bsmall (?:business(?:es)?|customers|accounts)\b": "smb",
    r"\bmid[- _]?(?:market|size)\b": "mid_market",
    r"\benterprises?\b": "enterprise",
    r"\bconsumers?\b": "consumer",
}
INDUSTRIES = {
    r"\bsaas\b|\bsoftware\b": "saas",
    r"\bhealth ?care\b|\bdental\b|\bclinics?\b|\bmedical\b": "healthcare",
    r"\btrades?\b|\bhvac\b|\bplumb\w+|\belectric(?:al|ians?)\b": "trades",
    r"\bprofessional services\b|\bconsult(?:ing|ancies|ants?)\b": "professional_services",
    r"\be-?commerce\b|\bonline shops?\b|\bretail(?:ers?)?\b": "ecommerce",
}
BANDS = {
    r"\bcritical\b|\borange\b": "critical",
    r"(?<!of )\bchurning\b|\bred\b": "churning",
    r"\bhealthy\b|\bgreen\b": "healthy",
    r"\byellow\b": "at_risk",
}
STAGES = {
    rf"\b(?:in|into|stage|of) (?:the |their )?(?:stage )?(?:of )?{name}\b|\b{name} stage\b|"
    rf"\b{name} (?:accounts|customers)\b": name
    for name in ("trial", "onboarding", "adoption", "expansion", "retention", "advocacy", "reactivation")
}
AT_RISK = re.compile(
    r"\bat[- ]risk\b|\brisky\b|\bworr(?:y|ied|ying|ies)\b|\battention\b|\bin (?:danger|trouble)\b|\bunhealthy\b|"
    r"\b(?:likely|about|going) to (?:leave|churn|cancel)\b|\b(?:could|might|may|will) (?:leave|churn|cancel|lose)\b|"
    r"\bwho (?:leaves|churns|cancels)\b|\bendangered\b|\bstruggling\b|\bon fire\b|\bbad shape\b|"
    r"\bnot (?:so |very )?healthy\b"
)
FALLING = re.compile(r"\bfall(?:ing|en)?\b|\bfell\b|\bdropp(?:ing|ed)\b|\bdrops?\b|\bdeclin\w+|\bworsen\w*|"
                     r"\b(?:got|gotten|getting) worse\b|\b(?:went|going) down\b|\bdecreas\w+|\bslipp\w+")  # fmt: skip
RISING = re.compile(r"\bris(?:ing|en|e)\b|\brose\b|\bimprov\w+|\b(?:got|gotten|gets|getting) better\b|\brecover\w+|"
                    r"\b(?:went|going) up\b|\bincreas\w+")  # fmt: skip
SORTS = {
    r"\bby renewal|\bsoonest\b|\bnext renewals?\b": "renewal",
    r"\b(?:dropped|fell|declined|improved|rose|slipped) (?:the )?most\b|\bbiggest (?:drops?|falls?)\b": "trend",
    r"\blowest (?:health|scores?)\b|\bworst\b|\bby (?:health|score)\b|\bleast healthy\b": "health",
    r"\bby (?:arr|revenue|size|value|mrr)\b|\bbiggest\b|\blargest\b|\bhighest[- ](?:paying|arr|revenue)\b|"
    r"\btop \d+ (?:accounts|customers)\b(?! by)": "arr",
    r"\bworth (?:saving|trying|keeping)\b|\bpays? most\b": "expected_value",
    r"\balphabetic\w*|\bby name\b|\ba to z\b": "name",
}
PURPOSES: dict[str, str] = {rule.words: purpose for purpose, rule in purposes().items()}
OFFER_TYPES = {
    r"cross[- ]?sell\w*": "cross_sell",
    r"\b(?:more|additional|extra) seats\b|\bseats\b": "seats",
    r"\badd[- ]?ons?\b": "add_on",
    r"\bpre-?pay\w*\b": "annual_prepay",
    r"\blocations?\b|\bsites?\b": "multi_location",
    r"\btrials?\b": "premium_trial",
    r"\bup-?sell\w*|\bupgrad\w+|\b(?:bigger|larger|higher) plans?\b": "plan_upgrade",
}
KNOWLEDGE = {
    r"\bcase stud(?:y|ies)\b|\b(?:customer|success) stor(?:y|ies)\b": "case_study",
    r"\bplays?\b|\bplay-?books?\b": "play",
    r"\barticles?\b|\bguides?\b": "article",
    r"\b(?:our|own|uploaded) (?:documents?|files?|handbook)\b": "document",
}
HELD_BACK = re.compile(r"\b(?:hold|holding|held|holds) back\b|\bshould not (?:offer|propose|sell)\b")
ORDINALS = {
    "first": 0, "1st": 0, "top": 0, "second": 1, "2nd": 1, "third": 2, "3rd": 2, "fourth": 3, "4th": 3,
    "fifth": 4, "5th": 4, "sixth": 5, "6th": 5, "seventh": 6, "eighth": 7, "ninth": 8, "tenth": 9, "last": -1,
}  # fmt: skip
NUMBERS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
COUNTS = {word: n for n, word in enumerate(NUMBERS, 1)}
MONTHS = ("january", "february", "march", "april", "may", "june", "july", "august", "september", "october",
          "november", "december")  # fmt: skip
SHORT_FORMS = {
    "acct": "account", "accts": "accounts", "acc": "account", "accs": "accounts", "cust": "customer",
    "custs": "customers", "client": "customer", "clients": "customers", "companies": "customers", "pls": "please",
    "plz": "please", "mo": "month", "qtr": "quarter", "yr": "year", "wk": "week", "wks": "weeks", "rev": "revenue",
    "avg": "average", "hlth": "health", "whos": "who is", "whats": "what is", "hows": "how is", "whys": "why is",
    "what's": "what is", "who's": "who is", "how's": "how is", "why's": "why is", "u": "you", "msg": "message",
    "ent": "enterprise", "mm": "mid-market", "midmarket": "mid-market", "w/": "with", "re": "about", "info": "overview",
    "mail": "email", "mails": "emails", "summarize": "summarise", "prob": "probability", "book": "portfolio",
}  # fmt: skip
STOP = _each(
    "a an the of to for and or in on at is are was were be been with about from by my me our we us i it its they their "
    "them this that these those there one ones all any every each some no not so too also just only now then than as "
    "if when which who whom whose what where why how do does did can could would should will shall may might must has "
    "have had please you your account accounts customer customers show list find get give tell draft write email "
    "compose prepare message explain brief health score scores risk week weeks month months day days today quarter "
    "year years renewal renewals renew renews renewing plan arr need needs needed want let"
)
MORE_KNOWN = _each(
    "call calls close meeting note mail outreach champion reminder payment apology ticket tickets escalated adoption "
    "thank thanks welcome check catch reach going doing changed change details detail summary overview info owner "
    "owned owns date pays paying price seats know knows before after between under over above below next last first "
    "second third fourth fifth top worst best lowest highest biggest largest smallest compare quick quickly minutes "
    "lately recently everything everyone anything something anyone hello portfolio business average total share "
    "percentage distribution healthy critical churning red yellow green orange bad good shape worry attention leave "
    "churn cancel trouble danger improve improved dropped drop dropping falling rising reason reasons driver drivers "
    "low high pull pulling pulls dragging down break segment industry enterprise smb consumer trades saas software "
    "healthcare ecommerce retail services professional starter trial basic premium free group groups team teams data "
    "forecast weather stock news world create delete remove approve send cancel update pivot table excel open closed "
    "invoice invoices nps csat survey phone number manager people contact contacts revenue customers' accounts' "
    "again more less most least many much money pay paid goal hitting reaching congratulate sorry order other others "
    "end start beginning band bands left everybody few businesses small mid january february march april may june "
    "july august september october november december mrr nrr grr ltv roi"
)
NEGATION = re.compile(
    r"\b(?:not|except|excluding|exclude|without|other than|no longer|but no|isn['’]?t|aren['’]?t|non)\b"
)


class CannotTellError(Exception):
    """The sentence asks for something that the arguments cannot express; the text says what."""


@dataclass(frozen=True)
class Lexicon:
    """The names that a sentence may use.

    Args:
        accounts: the names of current accounts.
        people: colleagues' names.
        plans: the plans in use.
        recent: names of the accounts that the thread spoke of last, in the order shown.
        today: the day that "next month" counts from.
        listed: the same of its last list of several, which "the third" still means after a look at one of them.
        offers: the titles of what can be offered.
        countries: where the accounts are.
    """

    accounts: NameIndex
    people: tuple[str, ...] = ()
    plans: tuple[str, ...] = ()
    recent: tuple[str, ...] = ()
    today: date = date.min
    listed: tuple[str, ...] = ()
    offers: tuple[str, ...] = ()
    countries: tuple[str, ...] = ()


@dataclass(frozen=True)
class Request:
    """One request of a message.

    Args:
        text: as typed.
        masked: with the stand-in for account names, spelling and short forms put right, in lower case.
        accounts: the account names in it (as the tool should get them), also those only pointed to.
        named: whether they were named rather than pointed to.
        implied: the accounts that an incomplete request goes on about.
    """

    text: str
    masked: str
    accounts: tuple[str, ...] = ()
    named: bool = False
    implied: tuple[str, ...] = ()

    @property
    def plain(self) -> str:
        """The request without its account names."""
        return self.masked.replace(STAND_IN.lower(), " ")


@cache
def known_words() -> frozenset[str]:
    """Words of the trade and of small talk: alone they are no account's misspelt name."""
    examples = " ".join(text for tool in TOOLS for text in tool.examples).lower()
    short = {word for pair in SHORT_FORMS.items() for word in pair}
    found = set(re.findall(r"[a-z]{2,}", examples)) | STOP | MORE_KNOWN | short | set(COUNTS) | set(ORDINALS)
    return frozenset(found - {STAND_IN.lower()})


@cache
def _spellable() -> list[str]:
    return sorted(word for word in known_words() if len(word) >= 5)


def put_right(text: str) -> str:
    """Spell out short forms and correct misspelt words of the trade; the result is in lower case."""
    return re.sub(r"[a-z][a-z'’/]*", lambda match: _right(match.group()), text.lower())


@cache
def _right(word: str) -> str:
    if word in SHORT_FORMS:
        return SHORT_FORMS[word]
    if len(word) < 5 or word in known_words() or word.rstrip("s") in known_words() or "'" in word:
        return word
    match = process.extractOne(word, _spellable(), scorer=fuzz.ratio, score_cutoff=84)
    return match[0] if match and match[0][0] == word[0] else word


def first_match(table: dict[str, str], text: str) -> str | None:
    """Return the value of the first pattern that occurs."""
    return next((value for pattern, value in table.items() if re.search(pattern, text)), None)
