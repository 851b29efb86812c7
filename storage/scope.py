"""Which accounts a session may see, and how the rows of every table reach their account."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlalchemy import Select, Table, func, select
from sqlalchemy.orm import with_loader_criteria
from sqlmodel import SQLModel

from storage.models import Account, ConversationTurn, Scope, User, WorkspaceRow
from storage.models.base import path_to_account


@dataclass(frozen=True)
class View:
    """Whose accounts a person sees: their own, those of everybody in their team, or all."""

    scope: Scope
    email: str
    team: str | None = None

    @property
    def key(self) -> tuple[str, str]:
        """What tells two views apart: the views of two people of one team are the same."""
        if self.scope == Scope.ALL:
            return (Scope.ALL, "")
        return (Scope.TEAM, self.team) if self.scope == Scope.TEAM and self.team else (Scope.OWN, self.email.lower())


EVERYTHING = View(Scope.ALL, "")


def visible_accounts(workspace_id: str, view: View) -> Select[Any]:
    """Select the ids of the accounts in a view.

    Of tables, not of classes: the session's filters must not be applied to its own filter.
    """
    account, user = _table(Account), _table(User)
    owner = func.lower(account.c.owner_email)
    found = select(account.c.id).where(account.c.workspace_id == workspace_id)
    kind, name = view.key
    if kind == Scope.ALL:
        return found
    if kind == Scope.OWN:
        return found.where(owner == name)
    mates = select(func.lower(user.c.email)).where(user.c.workspace_id == workspace_id, user.c.team == name)
    return found.where(owner.in_(mates))


@lru_cache(maxsize=256)  # building it takes five milliseconds
def hiding(workspace_id: str, view: View) -> tuple[Any, ...]:
    """Return the options that hide every row outside of a view from a statement; none where all may be seen."""
    if view.scope == Scope.ALL:
        return ()
    visible, email = visible_accounts(workspace_id, view), view.email
    # What was asked and answered belongs to who asked: others may have seen more.
    asked = with_loader_criteria(ConversationTurn, lambda cls: cls.user == email, include_aliases=True)
    return (*(_within(model, visible) for model in tables_of_accounts()), asked)


def tables_of_accounts() -> Iterator[type[WorkspaceRow]]:
    """Yield every table whose rows belong to an account: by `account_id`, or by the row that they are part of."""
    for model in _models(WorkspaceRow):
        if path_to_account(_table(model)) is not None:
            yield model


def _models(base: type[Any]) -> Iterator[type[Any]]:
    for model in base.__subclasses__():
        if "__tablename__" in vars(model):
            yield model
        yield from _models(model)


def _within(model: type[WorkspaceRow], visible: Select[Any]) -> Any:
    within = _selection(_table(model), visible)
    return with_loader_criteria(model, lambda cls: cls.reaches_account.in_(within), include_aliases=True)


def _selection(table: Table, visible: Select[Any]) -> Select[Any]:
    """What the column by which a table reaches its account must lie in."""
    found = path_to_account(table)
    if found is None or found[1] is None:
        return visible
    parent = found[1]
    column, _ = path_to_account(parent) or ("id", None)
    return select(parent.c.id).where(parent.c[column].in_(_selection(parent, visible)))


def _table(model: type[SQLModel]) -> Table:
    return SQLModel.metadata.tables[str(model.__tablename__)]
