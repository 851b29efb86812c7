"""`/tend people`, `role`, `scope` and `whoami`: who may do what, and who sees which accounts."""

import re

from tools import access
from tools.context import Context
from tools.errors import UserError

WORDS = ("people", "role", "scope", "whoami")
ROLE = re.compile(r"(?P<who>.+?)\s+(?P<role>\w+)", re.S)
SCOPE = re.compile(r"(?P<who>.+?)\s+(?P<scope>own|team|all)\b(?:\s+(?P<team>.+))?", re.S | re.I)
ROLE_USAGE = "I know `/tend role @person viewer`, with viewer, csm, approver or admin."
SCOPE_USAGE = "I know `/tend scope @person own`, with own, all, or team and the team's name."


def answer(ctx: Context, word: str, rest: str) -> str:
    """Do what one of the four commands says, and say what came of it."""
    if word == "whoami":
        return access.who_am_i(ctx)
    if word == "people":
        return access.list_people(ctx)
    return _role(ctx, rest) if word == "role" else _scope(ctx, rest)


def _role(ctx: Context, rest: str) -> str:
    said = ROLE.fullmatch(rest)
    if said is None:
        raise UserError(ROLE_USAGE)
    return access.set_role(ctx, said["who"], said["role"].lower())


def _scope(ctx: Context, rest: str) -> str:
    said = SCOPE.fullmatch(rest)
    if said is None:
        raise UserError(SCOPE_USAGE)
    return access.set_scope(ctx, said["who"], said["scope"].lower(), said["team"])
