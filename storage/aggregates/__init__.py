"""What each table says of every account as of a day, aggregated by the database: one row per account.

Every statement reads only rows that were known at the end of the day; a date that lies later in such a row
(a ticket resolved afterwards) counts as not yet there.
"""

from collections.abc import Callable
from datetime import date

import polars as pl
from sqlmodel import Session

from storage.aggregates.accounts import account_rows, contacts, feature_rows, goals, stakeholders, subscriptions
from storage.aggregates.activity import (
    interactions,
    invoices,
    mentions,
    open_tickets,
    service_contracts,
    services,
    surveys,
    tickets,
)
from storage.aggregates.parts import NEWEST, Statement, read
from storage.models import Interaction, Invoice, Ticket


def aggregates(session: Session, as_of: date, account_id: int | None = None) -> dict[str, pl.DataFrame]:
    """Return one frame per source, each with `account_id` and what its statement names.

    Args:
        account_id: only this account; left out, all of them.
    """
    frames = {"account": account_rows(session, as_of, account_id), "feature_adoption": feature_rows(session, as_of)}
    for name, build in STATEMENTS.items():
        statement = build(as_of)
        if account_id is not None:
            statement = statement.where(statement.selected_columns.account_id == account_id)
        elif name in LARGE:
            statement = statement.with_hint(LARGE[name], "NOT INDEXED", "sqlite")
        frames[name] = read(session, statement)
    return frames


STATEMENTS: dict[str, Callable[[date], Statement]] = {
    "ticket": tickets,
    "open_ticket": open_tickets,
    "survey_response": surveys,
    "goal": goals,
    "contact": contacts,
    "interaction": interactions,
    "stakeholder_change": stakeholders,
    "invoice": invoices,
    "subscription": subscriptions,
    "service_record": services,
    "service_contract": service_contracts,
    "mention": mentions,
}
# SQLite would walk these by account and look up each row; reading them in their order takes half the time.
LARGE = {"ticket": Ticket, "interaction": Interaction, "invoice": Invoice}

__all__ = ["NEWEST", "aggregates"]
