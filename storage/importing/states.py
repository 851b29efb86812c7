"""Keep how the changing facts of accounts looked, so that a past day can be scored as it was."""

from collections.abc import Sequence
from datetime import date
from typing import Any

from sqlalchemy import ColumnElement, Select, case, exists, literal, select
from sqlmodel import Session

from storage.database import CHUNK, upsert_selected
from storage.importing.format import table_of
from storage.models import Account, AccountState

KEPT = ("seats_bought", "seats_used", "renewal_on", "plan", "mrr", "segment", "limits")
KEY = ("account_id", "known_on")


def remember_new(session: Session, today: date) -> None:
    """Write the first state of every account that has none: nothing older is known, so it holds from the start."""
    account, state = table_of(Account), table_of(AccountState)
    known_on = case((account.c.started_on > today, literal(today)), else_=account.c.started_on)
    stateless = ~exists().where(state.c.account_id == account.c.id)
    _write(session, known_on, stateless)


def remember_changed(session: Session, ids: Sequence[int], today: date) -> None:
    """Write today's state of these accounts, over the one that was written earlier today.

    Args:
        ids: primary keys of the accounts.
    """
    account = table_of(Account)
    for start in range(0, len(ids), CHUNK):
        _write(session, literal(today), account.c.id.in_(ids[start : start + CHUNK]))


def _write(session: Session, known_on: ColumnElement[Any], which: ColumnElement[bool]) -> None:
    upsert_selected(session, AccountState, (*KEY, *KEPT), _states(session, known_on, which), KEY)


def _states(session: Session, known_on: ColumnElement[Any], which: ColumnElement[bool]) -> Select[Any]:
    account = table_of(Account)
    mine = account.c.workspace_id == session.info["workspace_id"]
    return select(account.c.id, known_on, *[account.c[name] for name in KEPT]).where(mine, which)
