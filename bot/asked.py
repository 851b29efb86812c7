"""Drafts are made for the person who asks, in their own words: nothing that a text says can ask for one."""

import re
from collections.abc import Collection
from typing import Any

from bot.slots import Lexicon, mentions
from tools.errors import UserError
from tools.names import NameIndex, fold
from tools.registry import Tool

NOT_ASKED = "I draft only when I am asked to, for example with “draft outreach to Acme”."
OTHER_ACCOUNT = "I draft only for the account that the question is about; name the one that is meant."
THINGS = r"(?:e-?mail|message|note|letter|proposal|offer|quote|reminder|apology|invitation|draft)s?"
WRITES = r"(?<!they )(?<!customer )\b(?i:write|e-?mail|message|mail)"
ASKS = re.compile(
    r"(?i:\b(?:draft|compose|outreach|reach out|congratulate|apologi[sz]e|propose)\b)"
    rf"|{WRITES}\s+(?:(?i:to|an?|the|them|him|her|it|me|one)\b|[A-Z])"
    rf"|(?i:\b(?:need|want|give|make|prepare|create|suggest|send|put together|get)\b[^.?!]{{0,40}}\b{THINGS}\b)"
    r"|(?i:^\W*(?:please )?(?:write|thank|e-?mail|message)\b)"
)


class NotAskedError(UserError):
    """A draft was about to be made that the person did not ask for."""


def check(tool: Tool, given: dict[str, Any], question: str, lexicon: Lexicon, listed: Collection[int]) -> None:
    """Refuse a draft that the question does not ask for, or for an account that it does not mean.

    Args:
        listed: the accounts that lists of this answer have shown, which a question without a name may mean.

    Raises:
        NotAskedError: with what to say instead, for whoever called the tool.
    """
    if not tool.drafts:
        return
    if not asks_for_draft(question):
        raise NotAskedError(NOT_ASKED)
    account = str(given.get("account") or "")
    if not means(account, question, lexicon, listed):
        raise NotAskedError(OTHER_ACCOUNT)


def asks_for_draft(question: str) -> bool:
    """Whether a question asks for a message to be written."""
    from bot.offline import WRITE, WRITE_FOR, clauses
    from bot.slots.words import put_right

    asked = [put_right(clause) for clause in clauses(question)]
    return bool(ASKS.search(question)) or any(WRITE.search(one) or WRITE_FOR.search(one) for one in asked)


def means(account: str, question: str, lexicon: Lexicon, listed: Collection[int]) -> bool:
    """Whether a question is about an account: it names it, or names none and the account was shown before."""
    if account.strip() and account.lower() in question.lower():
        return True
    index = lexicon.accounts
    wanted = _ids(index, account)
    named = {i for mention in mentions(question, lexicon) for i in _ids(index, mention.name)}
    shown = {i for name in (*lexicon.recent, *lexicon.listed) for i in _ids(index, name)} | set(listed)
    return bool(wanted & (named or shown))


def _ids(index: NameIndex, name: str) -> set[int]:
    return set(index.ids_of(fold(name)))
