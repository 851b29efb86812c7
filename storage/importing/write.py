"""Compare accepted rows with what is stored, and write the differences in bulk."""

import json
from collections.abc import Callable, Iterable
from datetime import date
from typing import Any

import polars as pl
from sqlalchemy import JSON, bindparam, select, update
from sqlmodel import Session

from storage.database import CHUNK, insert_rows
from storage.importing.cast import TYPES
from storage.importing.format import Entity, Kind, table_of
from storage.importing.report import Counts
from storage.importing.states import remember_changed, remember_listed, remember_new
from storage.models import STATED, Account, FeatureAdoption
from storage.models.base import Money
from storage.usage import KEYS, UsageStore

FEW = 2000  # up to so many rows are looked up by id instead of reading the whole table
BATCH = 20_000  # rows between two reports of progress
CENTS = 2
STORED = "_stored"


def store(
    session: Session, entity: Entity, rows: pl.DataFrame, today: date, dry_run: bool, done: Callable[[int], None]
) -> Counts:
    """Insert the rows that are new, update those that differ, and count; commits once.

    Args:
        rows: accepted rows under the format's names.
        today: the day on which they became known.
        done: told how many rows are written so far.
    """
    model = entity.model
    assert model is not None
    rows = _as_columns(session, entity, rows)
    stored = _stored(session, entity, rows)
    joined = rows.join(stored, on=entity.key, how="left", suffix=STORED)
    new = joined.filter(pl.col("id").is_null()).select(rows.columns)
    differing = joined.filter(pl.col("id").is_not_null() & _differs(entity, rows.columns))
    changed = differing.select("id", *rows.columns)
    if not dry_run:
        _insert(session, entity, new, done)
        _update(session, entity, changed)
        if entity.model is Account:
            _remember(session, entity, differing, today)
        if entity.model is FeatureAdoption:
            remember_listed(session, today)
        session.commit()
        done(rows.height)
    return Counts(new.height, changed.height, rows.height - new.height - changed.height)


def store_usage(usage: UsageStore, workspace_id: str, rows: pl.DataFrame, dry_run: bool) -> Counts:
    """Write account-days, or on a dry run count what writing them would do."""
    if dry_run:
        return _usage_difference(usage, workspace_id, rows)
    if not rows.height:
        return Counts()
    written = usage.write(workspace_id, rows)
    return Counts(written.added, written.changed, written.unchanged)


def accounts_by_id(session: Session) -> pl.DataFrame:
    """Return the stored accounts: `id`, `external_id` and what the findings compare with."""
    table = table_of(Account)
    names = ["id", "external_id", "name", "owner_email", "status", "started_on", "churned_on"]
    schema = {name: pl.Date if name.endswith("_on") else pl.String for name in names} | {"id": pl.Int64}
    mine = table.c.workspace_id == session.info["workspace_id"]
    found = session.connection().execute(select(*[table.c[name] for name in names]).where(mine))
    return pl.DataFrame([tuple(row) for row in found], schema=schema, orient="row")


def _as_columns(session: Session, entity: Entity, rows: pl.DataFrame) -> pl.DataFrame:
    """Rename fields to table columns, refer to accounts by primary key, and round money as stored."""
    fields = [field for field in entity.fields if field.name in rows.columns]
    columns = rows.select(
        pl.col("external_id").alias("external_id")
        if field.name == "external_id"
        else pl.col(field.name).alias(field.column)
        for field in fields
    )
    if "external_id" in rows.columns and "external_id" not in columns.columns:
        columns = columns.with_columns(rows["external_id"])
    money = [c.name for c in table_of(entity.model).c if c.type is Money and c.name in columns.columns]  # type: ignore[arg-type]
    columns = columns.with_columns(pl.col(name).round(CENTS) for name in money)
    return _with_account_id(session, columns) if "account_id" in columns.columns else columns


def _with_account_id(session: Session, columns: pl.DataFrame) -> pl.DataFrame:
    """Swap the account's external id for its primary key; none yet for an account of a dry run."""
    ids = accounts_by_id(session).select(account_id="external_id", _key="id")
    return columns.join(ids, on="account_id", how="left").drop("account_id").rename({"_key": "account_id"})


def _stored(session: Session, entity: Entity, rows: pl.DataFrame) -> pl.DataFrame:
    table = table_of(entity.model)  # type: ignore[arg-type]
    columns = [table.c.id, *[table.c[name] for name in rows.columns]]
    wanted = select(*columns).where(table.c.workspace_id == session.info["workspace_id"])
    found: list[Any] = []
    for condition in _conditions(table.c[entity.key], rows[entity.key]):
        found += session.connection().execute(wanted.where(condition)).all()
    schema: Any = {"id": pl.Int64, **rows.schema}
    plain = [_plain(row, columns) for row in found]
    return pl.DataFrame(plain, schema=schema, orient="row")


def _conditions(column: Any, keys: pl.Series) -> Iterable[Any]:
    if len(keys) > FEW:
        return [column.is_not(None)]
    chunks = [keys[start : start + 500].to_list() for start in range(0, len(keys), 500)]
    return [column.in_(chunk) for chunk in chunks]


def _plain(row: Any, columns: list[Any]) -> tuple[Any, ...]:
    """Write stored JSON the way `cast` does, so that the two compare."""
    if not any(isinstance(column.type, JSON) for column in columns):
        return tuple(row)
    return tuple(
        _canonical(value) if isinstance(column.type, JSON) else value
        for value, column in zip(row, columns, strict=True)
    )


def _canonical(value: Any) -> str | None:
    if value is None:
        return None
    return json.dumps(value, sort_keys=isinstance(value, dict), ensure_ascii=isinstance(value, dict))


def _differs(entity: Entity, columns: list[str]) -> pl.Expr:
    compared = [name for name in columns if name != entity.key]
    return pl.any_horizontal(pl.lit(False), *[pl.col(n).ne_missing(pl.col(f"{n}{STORED}")) for n in compared])


def _insert(session: Session, entity: Entity, rows: pl.DataFrame, done: Callable[[int], None]) -> None:
    assert entity.model is not None
    rows = _with_defaults(entity, rows)
    for start in range(0, rows.height, BATCH):
        insert_rows(session, entity.model, _records(entity, rows[start : start + BATCH]))
        done(min(rows.height, start + BATCH))


def _with_defaults(entity: Entity, rows: pl.DataFrame) -> pl.DataFrame:
    absent = [f for f in entity.fields if f.default is not None and f.column not in rows.columns]
    return rows.with_columns(
        pl.lit(field.default, dtype=TYPES.get(field.kind, pl.String)).alias(field.column) for field in absent
    )


def _update(session: Session, entity: Entity, rows: pl.DataFrame) -> None:
    table = table_of(entity.model)  # type: ignore[arg-type]
    values: dict[str, Any] = {name: bindparam(f"v_{name}") for name in rows.columns if name != "id"}
    statement = update(table).where(table.c.id == bindparam("row_id")).values(values)
    renamed = {name: "row_id" if name == "id" else f"v_{name}" for name in rows.columns}
    records = [{renamed[k]: v for k, v in record.items()} for record in _records(entity, rows)]
    for start in range(0, len(records), CHUNK):
        session.connection().execute(statement, records[start : start + CHUNK])


def _remember(session: Session, entity: Entity, differing: pl.DataFrame, today: date) -> None:
    kept = [name for name in STATED if f"{name}{STORED}" in differing.columns]
    remember_new(session, today)
    remember_changed(session, differing.filter(_differs(entity, kept))["id"].to_list(), today)


def _records(entity: Entity, rows: pl.DataFrame) -> list[dict[str, Any]]:
    records = rows.to_dicts()
    for name in (f.column for f in entity.fields if f.kind in (Kind.LIST, Kind.OBJECT)):
        for record in records if name in rows.columns else ():
            record[name] = None if record[name] is None else json.loads(record[name])
    return records


def _usage_difference(usage: UsageStore, workspace_id: str, rows: pl.DataFrame) -> Counts:
    table = usage.table(workspace_id)
    if table is None:
        return Counts(added=rows.height)
    measures = [name for name in rows.columns if name in table.columns and name not in KEYS]
    stored = table.select(*KEYS, *measures).to_polars().with_columns(pl.col("day").cast(pl.Date))
    both = rows.join(stored, on=list(KEYS), suffix=STORED)
    differs = [pl.col(name).ne_missing(pl.col(f"{name}{STORED}")) for name in measures]
    changed = both.filter(pl.any_horizontal(pl.lit(False), *differs)).height
    return Counts(rows.height - both.height, changed, both.height - changed)
