"""Whom a person means: accounts and colleagues by name, forgiving typing mistakes, asking back when unsure."""

from datetime import date
from typing import Any

from rapidfuzz import fuzz, process, utils
from sqlalchemy import func
from sqlmodel import Session, select

from storage import queries
from storage.models import Account, User
from tools.context import Context
from tools.errors import AmbiguousError, Choice, UnknownAccountError, UserError

SURE_MATCH, POSSIBLE_MATCH = 92, 72  # of 100: similarity of names that counts as this one, as maybe
SURE_COLLEAGUE = 85


def resolve_account(session: Session, text: str, as_of: date) -> Account:
    """Find the account that a person means by name, domain or external id; typing mistakes are forgiven.

    Raises:
        AmbiguousError: when several current accounts fit equally; carries them as choices.
        UnknownAccountError: when none fits; carries the nearest names.
    """
    wanted = text.strip().strip("“”\"'")
    exact = session.exec(
        select(Account).where(
            (func.lower(Account.name) == wanted.lower())
            | (Account.external_id == wanted)
            | (func.lower(Account.domain) == wanted.lower())
        )
    ).first()
    if exact is not None:
        return exact
    names = account_names(session, as_of)
    ranked = _ranked(wanted, names)
    best = [account_id for account_id, score in ranked if score >= SURE_MATCH and score >= ranked[0][1] - 3]
    if len(best) == 1:
        return session.exec(select(Account).where(Account.id == best[0])).one()
    if best:
        choices = [Choice(names[account_id], names[account_id]) for account_id in best[:5]]
        raise AmbiguousError(f"Several accounts fit “{wanted[:80]}”. Which one do you mean?", choices)
    near = [Choice(names[a], names[a]) for a, score in ranked[:3] if score >= POSSIBLE_MATCH]
    raise UnknownAccountError(wanted, near)


def account_names(session: Session, as_of: date) -> dict[int, str]:
    """Return the names of the accounts that were customers on a day, by id."""
    rows = session.exec(select(Account.id, Account.name).where(*queries.customers_on(as_of))).all()
    return {account_id: name for account_id, name in rows if account_id is not None}


def _ranked(wanted: str, names: dict[int, str]) -> list[tuple[int, float]]:
    found = process.extract(wanted, names, scorer=name_similarity, processor=utils.default_process, limit=6)
    return [(account_id, score) for _, score, account_id in found]


def name_similarity(one: str, other: str, **_: Any) -> float:
    """Compare two names, 0-100: spelling mistakes cost little, and a name's first words may stand for it."""
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
    names = {place: user.name for place, user in enumerate(users)}
    ranked = _ranked(text, names)
    best = [place for place, score in ranked if score >= SURE_COLLEAGUE and score >= ranked[0][1] - 3]
    if len(best) == 1:
        return users[best[0]]
    if best:
        raise AmbiguousError(
            f"Several colleagues fit “{text[:80]}”. Whom do you mean?",
            [Choice(users[place].name, users[place].name) for place in best[:5]],
        )
    raise UserError(f"I know no colleague called “{text[:80]}”. Names come from the users file of your import.")
