"""Named queries: everything that scoring and the tools read, one function each."""

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from typing import Any, get_args

import polars as pl
from sqlalchemy import ColumnElement, DateTime, func, or_, type_coerce
from sqlmodel import Session, SQLModel, col, select

from storage.models import (
    Account,
    AccountAction,
    Contact,
    FeatureAdoption,
    Goal,
    Interaction,
    Invoice,
    Snapshot,
    StakeholderChange,
    Subscription,
    SurveyResponse,
    Ticket,
    User,
)

# What the features read of each table; the first column says when the row became known.
FACT_COLUMNS: dict[type[SQLModel], tuple[str, ...]] = {
    Account: ("started_on", "id", "external_id", "churned_on", "first_value_on", "renewal_on", "seats_bought",
              "seats_used"),
    Contact: ("joined_on", "account_id", "role", "left_on"),
    FeatureAdoption: ("first_used_on", "account_id", "feature", "core", "last_used_on"),
    Goal: ("stated_on", "account_id", "objective", "baseline", "target", "current", "roi", "measured_on"),
    Interaction: ("at", "account_id", "channel", "direction", "replied"),
    Invoice: ("issued_on", "account_id", "due_on", "paid_on", "failed_on"),
    StakeholderChange: ("changed_on", "account_id", "kind"),
    Subscription: ("start_on", "account_id", "seats"),
    SurveyResponse: ("answered_on", "account_id", "kind", "score"),
    Ticket: ("opened_at", "account_id", "resolved_at", "escalated", "self_service", "sentiment"),
}  # fmt: skip
POLARS_TYPES: dict[type, Any] = {
    int: pl.Int64,
    float: pl.Float64,
    bool: pl.Boolean,
    str: pl.String,
    date: pl.Date,
    datetime: pl.Datetime("us"),
}


def facts_until(session: Session, as_of: date, account_id: int | None = None) -> dict[str, pl.DataFrame]:
    """Read the columns that features need, of rows known on `as_of`, one frame per table name.

    Args:
        account_id: only this account; left out, all of them.
    """
    frames = {}
    for model, names in FACT_COLUMNS.items():
        where = [known_by(model, names[0], as_of)]
        if account_id is not None:
            where.append(getattr(model, "id" if model is Account else "account_id") == account_id)
        frames[str(model.__tablename__)] = read_frame(session, model, names, *where)
    return frames


def known_by(model: type[SQLModel], column: str, as_of: date) -> ColumnElement[bool]:
    """Rows dated up to the end of `as_of`, or not dated at all."""
    field = getattr(model, column)
    is_time = model.model_fields[column].annotation in (datetime, datetime | None)
    end = datetime.combine(as_of + timedelta(days=1), time.min) if is_time else as_of
    return or_(field.is_(None), field < end if is_time else field <= end)


def read_frame(
    session: Session, model: type[SQLModel], names: Sequence[str], *where: ColumnElement[bool]
) -> pl.DataFrame:
    """Read columns of one table into a frame with the right types, also when there is no row."""
    schema = {name: _polars_type(model, name) for name in names}
    # Times are read naive (UTC), as Polars keeps them: making each aware and naive again costs a second.
    columns = [
        type_coerce(getattr(model, name), DateTime) if kind == POLARS_TYPES[datetime] else getattr(model, name)
        for name, kind in schema.items()
    ]
    rows = session.execute(select(*columns).where(*where)).all()
    return pl.DataFrame([tuple(row) for row in rows], schema=schema, orient="row")


def _polars_type(model: type[SQLModel], name: str) -> Any:
    annotation: Any = model.model_fields[name].annotation
    plain = next((part for part in get_args(annotation) if part is not type(None)), annotation)
    return POLARS_TYPES[plain]


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


def snapshots_on(session: Session, day: date, scorecard: str) -> dict[int, Snapshot]:
    """Return the snapshots of one day by account id."""
    found = session.exec(select(Snapshot).where(Snapshot.day == day, Snapshot.scorecard == scorecard))
    return {snapshot.account_id: snapshot for snapshot in found}


def snapshot_day(session: Session, scorecard: str, until: date) -> date | None:
    """Return the newest day up to `until` that has snapshots."""
    newest = select(func.max(Snapshot.day)).where(Snapshot.scorecard == scorecard, col(Snapshot.day) <= until)
    return session.exec(newest).one()


def unscored_accounts(session: Session, day: date, scorecard: str) -> int:
    """Count the customers of a day that have no snapshot of it."""
    scored = select(Snapshot.account_id).where(Snapshot.day == day, Snapshot.scorecard == scorecard)
    wanted = select(func.count(col(Account.id))).where(*customers_on(day), col(Account.id).not_in(scored))
    return session.exec(wanted).one()


def loss_history(session: Session, scorecard: str, until: date, horizon: int) -> pl.DataFrame:
    """Return `account_id`, `band`, `lost` for snapshots whose horizon (days) ended by `until`."""
    rows = session.execute(
        select(col(Snapshot.account_id), col(Snapshot.band), col(Snapshot.day), col(Account.churned_on))
        .join(Account, col(Account.id) == col(Snapshot.account_id))
        .where(
            Snapshot.scorecard == scorecard,
            col(Snapshot.day) <= until - timedelta(days=horizon),
            col(Snapshot.band).is_not(None),
        )
    ).all()
    return pl.DataFrame(
        [(a, band, bool(left and left <= day + timedelta(days=horizon))) for a, band, day, left in rows],
        schema={"account_id": pl.Int64, "band": pl.String, "lost": pl.Boolean},
        orient="row",
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
