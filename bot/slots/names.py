"""Which accounts a sentence names, or points to by pronoun or place in the list before."""

import re
from dataclasses import dataclass

from bot.slots.words import ORDINALS, STAND_IN, STOP, CannotTellError, Lexicon, Request, known_words
from tools.names import LONGEST_NAME, NameIndex, fold

ALIKE, ALIKE_SHORT = 86.0, 90.0  # of 100: similarity of a phrase and of a single word taken for a name
SHORTEST_GUESS = 5  # letters: anything shorter is a name only when it is spelt exactly
TOKEN = re.compile(r"[\w&][\w&'’.+]*")
ORDINAL = re.compile(
    rf"(?:\b(?:the |number |no\.? ?)?({'|'.join(ORDINALS)})\b|#(\d+)|\bnumber (\d+))"
    r"(?! (?:\d|week|month|quarter|year|call|time|few|meeting|two|three|four|five|ten|customers|accounts))"
)
PRONOUN = re.compile(
    r"\b(?:it|its|they|their|them|theirs|(?:that|this|the same|the) (?:account|customer|one|company))\b|"
    r"(?<!is )(?<!are )(?<!was )(?<!were )\bthere\b(?= over| since| in| last|\?|$)"
)
BARE = re.compile(r"^\W*(?:and )?(?:but )?(?:why|how come|explain|draft|why so|reasons?|details?|more|summary)\W*$")


@dataclass(frozen=True)
class Mention:
    """An account named in a sentence: the words used, where, and what the tool should look for."""

    words: str
    start: int
    end: int
    name: str
    likeness: float


def mentions(text: str, lexicon: Lexicon) -> list[Mention]:
    """Return the accounts that a sentence names, in order; misspelt and shortened names count."""
    first_names = {fold(name).split()[0] for name in lexicon.people if fold(name)}
    found = [m for phrase in _phrases(text) if (m := _mention(*phrase, lexicon.accounts, first_names, text))]
    chosen: list[Mention] = []
    for mention in sorted(found, key=lambda m: -m.likeness * len(m.words)):
        if all(mention.end <= other.start or mention.start >= other.end for other in chosen):
            chosen.append(mention)
    return sorted(chosen, key=lambda m: m.start)


def _phrases(text: str) -> list[tuple[list[str], int, int]]:
    """Every run of up to six words, folded, with its place; a possessive at its end is left off."""
    words = [(fold(m.group()), m.start(), m.end(), m.group()) for m in TOKEN.finditer(text)]
    found = []
    for first in range(len(words)):
        for size in range(1, min(LONGEST_NAME, len(words) - first) + 1):
            part = words[first : first + size]
            last = part[-1]
            start, end = part[0][1], last[2]
            folded = [word[0] for word in part if word[0]]
            if not part[0][0] or not last[0] or any(mark in text[start:end] for mark in ",;?!"):
                continue
            found.append((folded, start, end))
            owned = re.search(r"['’]s$", last[3])
            if owned or (folded[-1].endswith("s") and len(folded[-1]) > 3):
                short = [*folded[:-1], folded[-1][:-1]]
                found.append((short, start, end - (2 if owned else 1)))
    return found


def _mention(
    words: list[str], start: int, end: int, index: NameIndex, first_names: set[str], text: str
) -> Mention | None:
    phrase = " ".join(words)
    spoken = text[start:end]
    if ids := index.named(phrase):
        certain = len(words) > 1 or phrase not in known_words() or spoken[:1].isupper()
        return Mention(spoken, start, end, _name(index, ids, spoken), 100.0) if certain else None
    if words[0] in STOP or all(word in known_words() or word in first_names for word in words):
        return None
    if ids := index.starting(phrase):
        return Mention(spoken, start, end, _name(index, ids, spoken), 95.0) if len(phrase) > 2 else None
    if len(phrase) < SHORTEST_GUESS:
        return None
    like = index.like(phrase, ALIKE if len(words) > 1 else ALIKE_SHORT)
    if like is None or all(word in known_words() for word in like[0].split()):
        return None
    if words[-1] in STOP and like[0].split()[-1] != words[-1]:
        return None
    return Mention(spoken, start, end, _name(index, index.ids_of(like[0]), like[0]), like[1] * 0.95)


def _name(index: NameIndex, ids: list[int], spoken: str) -> str:
    """The full name when it is certain; otherwise the words, so that the tool asks back."""
    return index.names[ids[0]] if len(ids) == 1 else spoken


@dataclass(frozen=True)
class Pointer:
    """The account that "it" or "the second one" means, and the words that mean it."""

    words: str
    name: str


def pointed(plain: str, lexicon: Lexicon) -> Pointer | None:
    """Return the account that a sentence means by "it", "the second one" or "why?".

    Raises:
        CannotTellError: when the list before was shorter than that.
    """
    if not lexicon.recent:
        return None
    ordinal = ORDINAL.search(plain)
    if ordinal:
        word = ordinal.group(1)
        place = ORDINALS[word] if word else int(ordinal.group(2) or ordinal.group(3)) - 1
        shown = lexicon.recent if len(lexicon.recent) > 1 else lexicon.listed or lexicon.recent
        if place >= len(shown):
            raise CannotTellError(
                f"The last answer spoke of {len(shown)} accounts; there is no “{ordinal.group().strip()}”."
            )
        return Pointer(ordinal.group(), shown[place])
    pronoun = PRONOUN.search(plain)
    if pronoun or BARE.search(plain):
        return Pointer(pronoun.group() if pronoun else "", lexicon.recent[0])
    return None


def aimed(request: Request) -> str:
    """The request with the stand-in also where it only points to an account: so its examples read."""
    if request.named or not request.accounts:
        return request.masked
    stand_in = STAND_IN.lower()
    for pattern in (ORDINAL, PRONOUN):
        if match := pattern.search(request.masked):
            end = re.match(r" (?:one|account|customer)\b", request.masked[match.end() :])
            after = request.masked[match.end() + (end.end() if end else 0) :]
            own = "'s" if match.group() in ("its", "their", "theirs") else ""
            return request.masked[: match.start()] + stand_in + own + after
    return request.masked


def guessed_name(text: str, plain: str) -> str | None:
    """Take what looks like a name where no account fits, so that the tool can say that it knows none."""
    quoted = re.search(r"[“\"]([^”\"]{2,80})[”\"]", text)
    if quoted:
        return quoted.group(1)
    identifier = re.search(r"\b[A-Za-z]{1,6}-?\d{2,}\b|\b[\w-]+(?:\.[\w-]+)*\.[a-z]{2,}\b", text)
    if identifier:
        return identifier.group()
    words = [w for w in re.findall(r"(?<!^)\b[A-Z][\w&-]+(?: [A-Z][\w&-]+)*", text) if w.lower() not in known_words()]
    if words:
        return max(words, key=len)
    tail = re.search(r"\b(?:about|for|to|of|at|with|on|is|does)\s+([\w&-]+(?: [\w&-]+)?)\s*\??$", plain)
    return tail.group(1) if tail and not set(tail.group(1).split()) & known_words() else None
