"""Named queries: everything that scoring and the tools read, one function each."""

from collections.abc import Callable, Sequence
from datetime import date, datetime, time, timedelta
from typing import Any, get_args

import polars as pl
from sqlalchemy import JSON, ColumnElement, DateTime, Text, case, cast, func, or_, type_coerce
from sqlmodel import Session, SQLModel, col, select

from storage.database import sqlite_rows
from storage.models import (
    Account,
    AccountAction,
    Contact,
    Interaction,
    ScoringRun,
    Snapshot,
    Subscription,
    SurveyResponse,
    Ticket,
    User,
)

POLARS_TYPES: dict[type, Any] = {
    int: pl.Int64,
    float: pl.Float64,
    bool: pl.Boolean,
    str: pl.String,
    date: pl.Date,
    datetime: pl.Datetime("us"),
}
# How SQLite keeps what it has no type for, and how a column of it is read.
STORED: dict[Any, tuple[Any, Callable[[pl.Expr], pl.Expr]]] = {
    pl.Boolean: (pl.Int64, lambda column: column.cast(pl.Boolean)),
    pl.Date: (pl.String, lambda column: column.str.to_date("%Y-%m-%d")),
    pl.Datetime("us"): (pl.String, lambda column: column.str.to_datetime("%Y-%m-%d %H:%M:%S%.f", time_unit="us")),
}


def known_by(model: type[SQLModel], column: str, as_of: date) -> ColumnElement[bool]:
    """Rows dated up to the end of `as_of`, or not dated at all."""
    field = getattr(model, column)
    is_time = model.model_fields[column].annotation in (datetime, datetime | None)
    end = datetime.combine(as_of + timedelta(days=1), time.min) if is_time else as_of
    return or_(field.is_(None), field < end if is_time else field <= end)


def read_frame(
    session: Session,
    model: type[SQLModel],
    names: Sequence[str],
    *where: ColumnElement[bool],
    order_by: Sequence[Any] = (),
) -> pl.DataFrame:
    """Read columns of one table into a frame with the right types, also when there is no row."""
    schema = {name: _polars_type(model, name) for name in names}
    # Times are read naive (UTC), as Polars keeps them: making each aware and naive again costs a second.
    columns = [_plain_column(getattr(model, name), kind) for name, kind in schema.items()]
    statement = select(*columns).where(*where).order_by(*order_by)
    rows = sqlite_rows(session, statement)
    if rows is None:
        return pl.DataFrame([tuple(row) for row in session.execute(statement)], schema=schema, orient="row")
    stored = {name: STORED[kind][0] if kind in STORED else kind for name, kind in schema.items()}
    frame = pl.DataFrame(rows, schema=stored, orient="row")
    return frame.with_columns(STORED[kind][1](pl.col(name)) for name, kind in schema.items() if kind in STORED)


def _plain_column(column: Any, kind: Any) -> Any:
    if kind == POLARS_TYPES[datetime]:
        return type_coerce(column, DateTime)
    return cast(column, Text) if isinstance(column.type, JSON) else column


def _polars_type(model: type[SQLModel], name: str) -> Any:
    annotation: Any = model.model_fields[name].annotation
    plain = next((part for part in get_args(annotation) if part is not type(None)), annotation)
    return POLARS_TYPES.get(plain, pl.String)  # JSON is read as its text


def newest_fact(session: Session) -> date | None:
    """Return the newest date of any imported event; None for an empty workspace."""
    columns = [Ticket.opened_at, Interaction.at, SurveyResponse.answered_on, Subscription.start_on]
    newest = [session.exec(select(func.max(column))).one() for column in columns]
    days = [value.date() if isinstance(value, datetime) else value for value in newest if value]
    return max(days, default=None)


def customers_on(as_of: date) -> tuple[ColumnElement[bool], ...]:
    """The condition of being a customer on a day."""
    return (
        col(Account.started_on) <= as_of,
        or_(col(Account.churned_on).is_(None), col(Account.churned_on) > as_of),
    )


def scored_day(session: Session, until: date) -> date | None:
    """Return the newest day up to `until` that was scored."""
    return session.exec(select(func.max(ScoringRun.day)).where(col(ScoringRun.day) <= until)).one()


def scoring_run(session: Session, scorecard: str, day: date) -> ScoringRun:
    """Return what the scores of one scorecard and day rest on."""
    found = select(ScoringRun).where(ScoringRun.scorecard == scorecard, ScoringRun.day == day)
    return session.exec(found).one()


def unscored_accounts(session: Session, day: date) -> int:
    """Count the customers of a day that have no snapshot of it."""
    scored = select(Snapshot.account_id).where(Snapshot.day == day)
    wanted = select(func.count(col(Account.id))).where(*customers_on(day), col(Account.id).not_in(scored))
    return session.exec(wanted).one()


def losses_by_band(session: Session, scorecard: str, until: date, horizon: int) -> list[tuple[str, int, int]]:
    """Count, per band, accounts scored and those lost within the horizon.

    Days one horizon (days) apart are counted, from the newest whose horizon ended by `until`: so no loss is
    counted twice.
    """
    days = session.exec(
        select(col(ScoringRun.day))
        .where(ScoringRun.scorecard == scorecard, col(ScoringRun.day) <= until - timedelta(days=horizon))
        .order_by(col(ScoringRun.day).desc())
    ).all()
    counts: dict[str, list[int]] = {}
    for day in _apart(days, horizon):
        left = col(Account.churned_on) <= day + timedelta(days=horizon)
        columns: tuple[Any, ...] = (col(Snapshot.band), func.count(), func.sum(case((left, 1), else_=0)))
        rows = session.execute(
            select(*columns)
            .join(Account, col(Account.id) == col(Snapshot.account_id))
            .where(Snapshot.scorecard == scorecard, Snapshot.day == day, col(Snapshot.band).is_not(None))
            .group_by(col(Snapshot.band))
        ).all()
        for band, accounts, lost in rows:
            known = counts.setdefault(band, [0, 0])
            known[0], known[1] = known[0] + accounts, known[1] + lost
    return [(band, accounts, lost) for band, (accounts, lost) in counts.items()]


def _apart(days: Sequence[date], gap: int) -> list[date]:
    """Days of a falling list that lie at least `gap` days apart, the newest first."""
    kept: list[date] = []
    for day in days:
        if not kept or (kept[-1] - day).days >= gap:
            kept.append(day)
    return kept


def override_holds(override: Any, day: date) -> tuple[ColumnElement[bool], ...]:
    """The condition of a health override being in force on a day."""
    return (
        override.starts_on <= day,
        override.expires_on >= day,
        or_(override.ended_on.is_(None), override.ended_on > day),
    )


def user_by_slack_id(session: Session, slack_id: str) -> User | None:
    return session.exec(select(User).where(User.slack_id == slack_id)).first()


def user_by_email(session: Session, email: str) -> User | None:
    return session.exec(select(User).where(func.lower(User.email) == email.lower())).first()


def snoozed_accounts(session: Session, on: date) -> dict[int, AccountAction]:
    """Return accounts that a colleague put to sleep at least until `on`, by id."""
    found = session.exec(select(AccountAction).where(AccountAction.action == "snooze", col(AccountAction.until) >= on))
    return {action.account_id: action for action in found}


def acknowledged_accounts(session: Session, since: datetime) -> dict[int, AccountAction]:
    """Return accounts that a colleague took on since a time, by id, the newest action each."""
    found = session.exec(
        select(AccountAction)
        .where(AccountAction.action == "acknowledge", col(AccountAction.at) >= since)
        .order_by(col(AccountAction.at))
    )
    return {action.account_id: action for action in found}


def best_contact(session: Session, account_id: int, roles: Sequence[str]) -> Contact | None:
    """Return the contact to write to: present, not opted out, with an address, by order of roles."""
    found = session.exec(
        select(Contact).where(
            Contact.account_id == account_id,
            col(Contact.email).is_not(None),
            col(Contact.left_on).is_(None),
            col(Contact.opted_out_on).is_(None),
        )
    ).all()
    order = {role: place for place, role in enumerate(roles)}
    return min(found, key=lambda c: (order.get(c.role, len(order)), c.id or 0), default=None)
