"""Whom a person means: accounts and colleagues by name, forgiving typing mistakes, asking back when unsure."""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable
from datetime import date
from threading import Lock
from weakref import WeakKeyDictionary

from cachetools import LRUCache
from rapidfuzz import fuzz, process
from sqlalchemy import func
from sqlmodel import Session, col, select

from storage import queries
from storage.models import Account, ImportRun, User
from tools.context import Context
from tools.errors import AmbiguousError, Choice, UnknownAccountError, UserError

SURE_MATCH, POSSIBLE_MATCH = 92, 72  # of 100: similarity of names that counts as this one, as maybe
SURE_COLLEAGUE = 85
LONGEST_NAME = 6  # words of a sentence that are looked at together
INDEXES_KEPT = 50  # views of workspaces per database whose names stay in memory
_indexes: "WeakKeyDictionary[object, LRUCache[object, tuple[object, NameIndex]]]" = WeakKeyDictionary()
_lock = Lock()


def fold(text: str) -> str:
    """Reduce a name to what people agree on: lower case, no accents, no punctuation, no "and"."""
    if not text.isascii():
        text = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
    words = re.sub(r"[\W_]+", " ", re.sub(r"['’`]", "", text.lower())).split()
    return " ".join(word for word in words if word != "and")


class NameIndex:
    """The names of all current accounts, looked up without reading them all.

    Args:
        names: account id to name.
    """

    def __init__(self, names: dict[int, str]) -> None:
        self.names = names
        self._full: dict[str, list[int]] = defaultdict(list)
        self._heads: dict[str, list[int]] = defaultdict(list)
        for account_id, name in names.items():
            self._add(account_id, fold(name))
        self._buckets: dict[tuple[str, int], list[str]] = defaultdict(list)
        for phrase in self._full.keys() | self._heads.keys():
            self._buckets[phrase[:1], len(phrase)].append(phrase)

    def _add(self, account_id: int, folded: str) -> None:
        self._full[folded].append(account_id)
        words = folded.split()
        for size in range(1, len(words)):
            self._heads[" ".join(words[:size])].append(account_id)

    def named(self, phrase: str) -> list[int]:
        """Accounts whose folded name is exactly this."""
        return self._full.get(phrase, [])

    def starting(self, phrase: str) -> list[int]:
        """Accounts whose folded name begins with these words."""
        return self._heads.get(phrase, [])

    def like(self, phrase: str, least: float) -> tuple[str, float] | None:
        """Return the name, or beginning of names, most like a folded phrase, with its similarity (0-100).

        Only what has about the same length and the same first letter is compared.
        """
        near = (self._buckets.get((phrase[:1], len(phrase) + d), ()) for d in (0, -1, 1, -2, 2))
        found = [process.extractOne(phrase, words, scorer=fuzz.ratio, score_cutoff=least) for words in near if words]
        best = max((match for match in found if match), key=lambda match: match[1], default=None)
        return None if best is None else (best[0], best[1])

    def ids_of(self, phrase: str) -> list[int]:
        return self.named(phrase) or self.starting(phrase)

    def written_in(self, text: str) -> set[str]:
        """Return the account names that a text holds, spelt as they are spelt."""
        words = re.findall(r"[^\s]+", text)
        folded = [fold(re.sub(r"['’]s\b", "", word)) for word in words]
        found = set()
        for start in range(len(words)):
            for size in range(1, LONGEST_NAME + 1):
                phrase = " ".join(part for part in folded[start : start + size] if part)
                found |= {self.names[i] for i in self._full.get(phrase, ()) if self.names[i] in text}
        return found

    def ranked(self, wanted: str) -> list[tuple[int, float]]:
        """Return the ids most like a name with their similarity, best first."""
        phrase = fold(wanted)
        folded = {ids[0]: name for name, ids in self._full.items()}
        near: set[int] = set()
        for scorer in (fuzz.ratio, fuzz.token_set_ratio):
            near |= {key for *_, key in process.extract(phrase, folded, scorer=scorer, limit=8, score_cutoff=60)}
        near |= set(self.starting(phrase)[:8])
        scored = [(i, name_similarity(phrase, fold(self.names[i]))) for i in near]
        return sorted(scored, key=lambda entry: (-entry[1], self.names[entry[0]]))[:6]


def name_index(session: Session, as_of: date) -> NameIndex:
    """Return the index of the customers' names on a day; kept until an account comes, goes or is renamed."""
    customers = queries.customers_on(as_of)
    newest = select(func.count(), func.max(Account.id), func.sum(Account.id)).where(*customers)
    revision = (as_of, *session.exec(newest).one(), _renamed(session))
    whose = (session.info["workspace_id"], session.info["view"].key)
    with _lock:
        kept = _indexes.setdefault(session.get_bind(), LRUCache(INDEXES_KEPT))
        known = kept.get(whose)
    if known is not None and known[0] == revision:
        return known[1]
    index = NameIndex(account_names(session, as_of))
    with _lock:
        kept[whose] = (revision, index)
    return index


def _renamed(session: Session) -> object:
    """Changes whenever an import ran: that is how accounts get their names."""
    return session.exec(select(func.max(ImportRun.id))).one()


def resolve_account(session: Session, text: str, as_of: date) -> Account:
    """Find the account that a person means by name, domain or external id; typing mistakes are forgiven.

    Raises:
        AmbiguousError: when several current accounts fit equally; carries them as choices.
        UnknownAccountError: when none fits; carries the nearest names.
    """
    wanted = text.strip().strip("“”\"'")
    exact = _exact(session, wanted, as_of)
    if len(exact) == 1:
        return exact[0]
    if exact:
        raise AmbiguousError(_which(wanted), [_by_id(account) for account in exact[:5]])
    index = name_index(session, as_of)
    ranked = index.ranked(wanted)
    best = [account_id for account_id, score in ranked if score >= SURE_MATCH and score >= ranked[0][1] - 3]
    if len(best) == 1:
        return session.exec(select(Account).where(Account.id == best[0])).one()
    if best:
        raise AmbiguousError(_which(wanted), [Choice(index.names[i], index.names[i]) for i in best[:5]])
    near = [Choice(index.names[a], index.names[a]) for a, score in ranked[:3] if score >= POSSIBLE_MATCH]
    raise UnknownAccountError(wanted, near)


def _exact(session: Session, wanted: str, as_of: date) -> list[Account]:
    """Accounts with exactly this name, id or domain; current customers go before those who left."""
    fits = (
        func.lower(Account.name) == wanted.lower(),
        col(Account.external_id) == wanted,
        func.lower(Account.domain) == wanted.lower(),
    )
    # One query each: together they would be a walk through all accounts instead of three look-ups.
    found = {account.id: account for one in fits for account in session.exec(select(Account).where(one))}.values()
    current = [a for a in found if a.started_on <= as_of and (a.churned_on is None or a.churned_on > as_of)]
    return current or list(found)


def _which(wanted: str) -> str:
    return f"Several accounts fit “{wanted[:80]}”. Which one do you mean?"


def _by_id(account: Account) -> Choice:
    """Accounts of the same name are told apart by their id."""
    return Choice(f"{account.name} ({account.external_id})", account.external_id)


def account_names(session: Session, as_of: date) -> dict[int, str]:
    """Return the names of the accounts that were customers on a day, by id."""
    rows = session.execute(select(col(Account.id), col(Account.name)).where(*queries.customers_on(as_of))).all()
    return dict(tuple(row) for row in rows)


def name_similarity(one: str, other: str) -> float:
    """Compare two folded names, 0-100: spelling mistakes cost little, and a name's first words may stand for it."""
    if not one or not other:
        return 0.0
    if other.startswith(one + " ") or one == other:
        return 100.0 if one == other else 95.0
    return max(fuzz.ratio(one, other), fuzz.token_set_ratio(one, other) * 0.93)


def find_colleague(ctx: Context, session: Session, text: str) -> User:
    if text.lower() in ("me", "my", "mine", "i"):
        found = queries.user_by_email(session, ctx.actor.email)
        return found or User(email=ctx.actor.email, name=ctx.actor.name)
    users = session.exec(select(User).where(User.active)).all()
    by_email = next((user for user in users if user.email.lower() == text.lower()), None)
    if by_email:
        return by_email
    ranked = _ranked_people(fold(text), users)
    best = [user for user, score in ranked if score >= SURE_COLLEAGUE and score >= ranked[0][1] - 3]
    if len(best) == 1:
        return best[0]
    if best:
        choices = [Choice(user.name, user.name) for user in best[:5]]
        raise AmbiguousError(f"Several colleagues fit “{text[:80]}”. Whom do you mean?", choices)
    raise UserError(f"I know no colleague called “{text[:80]}”. Names come from the users file of your import.")


def _ranked_people(wanted: str, users: Iterable[User]) -> list[tuple[User, float]]:
    scored = [(user, name_similarity(wanted, fold(user.name))) for user in users]
    return sorted(scored, key=lambda entry: -entry[1])
