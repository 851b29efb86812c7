"""Keep how the changing facts of accounts looked, so that a past day can be scored as it was."""

from collections.abc import Sequence
from datetime import date
from typing import Any

from sqlalchemy import ColumnElement, Select, case, exists, literal, select, update
from sqlmodel import Session

from storage.database import CHUNK, upsert_selected
from storage.importing.format import table_of
from storage.models import STATED, Account, AccountState, FeatureAdoption

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


def remember_listed(session: Session, today: date) -> None:
    """Note since when each new row of a feature is there: the first ones of an account from its start, later ones
    from their first use, at the latest today."""
    feature, account = table_of(FeatureAdoption), table_of(Account)
    mine = (feature.c.workspace_id == session.info["workspace_id"], feature.c.listed_on.is_(None))
    older = feature.alias()
    had_some = exists().where(older.c.account_id == feature.c.account_id, older.c.listed_on.is_not(None))
    used = case((feature.c.first_used_on < today, feature.c.first_used_on), else_=literal(today))
    start = select(account.c.started_on).where(account.c.id == feature.c.account_id).scalar_subquery()
    session.connection().execute(update(feature).where(*mine, had_some).values(listed_on=used))
    session.connection().execute(update(feature).where(*mine).values(listed_on=start))


def note_observed(session: Session, day: date) -> None:
    """Note that the accounts which are new were seen as of this day of the data."""
    account = table_of(Account)
    mine = (account.c.workspace_id == session.info["workspace_id"], account.c.observed_on.is_(None))
    session.connection().execute(update(account).where(*mine).values(observed_on=day))


def _write(session: Session, known_on: ColumnElement[Any], which: ColumnElement[bool]) -> None:
    upsert_selected(session, AccountState, (*KEY, *STATED), _states(session, known_on, which), KEY)


def _states(session: Session, known_on: ColumnElement[Any], which: ColumnElement[bool]) -> Select[Any]:
    account = table_of(Account)
    mine = account.c.workspace_id == session.info["workspace_id"]
    return select(account.c.id, known_on, *[account.c[name] for name in STATED]).where(mine, which)
