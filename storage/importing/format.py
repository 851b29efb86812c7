"""The words of the import format: what a field and an entity are, derived from the tables."""

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, Boolean, Column, Date, Float, Integer, Numeric
from sqlmodel import SQLModel

from storage.models import UtcDateTime, WorkspaceRow


class Kind(StrEnum):
    """How a field is written."""

    TEXT = "text"
    EMAIL = "email address"
    DATE = "date"
    TIME = "date and time"
    NUMBER = "number"
    WHOLE = "whole number"
    YES_NO = "yes or no"
    LIST = "list, parts separated by ;"
    OBJECT = "JSON object"


@dataclass(frozen=True)
class Field:
    """One column of an import file.

    Args:
        name: the column's name in the file.
        meaning: one phrase for the documentation.
        column: the table's column, when it is called differently.
        allowed: the values a text may have.
        low, high: bounds of a number.
        shorten: a text that is too long is cut, with a note, instead of rejected.
        kind, required, length, default: taken from the table's column.
    """

    name: str
    meaning: str
    column: str = ""
    allowed: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None
    shorten: bool = False
    kind: Kind = Kind.TEXT
    required: bool = False
    length: int | None = None
    default: Any = None


@dataclass(frozen=True)
class Entity:
    """One kind of import file.

    Args:
        name: the file's stem.
        model: its table, or None for usage facts, which live in the usage store.
        meaning: one sentence for the documentation.
        fields: its columns.
        identity: the fields that make a row's external id where the file has none.
        key: the table's column that says which row is meant.
        order: pairs of dates of which the second may not be earlier.
        without: what Tend cannot tell when nobody supplies this entity.
    """

    name: str
    model: type[WorkspaceRow] | None
    meaning: str
    fields: tuple[Field, ...]
    identity: tuple[str, ...] = ()
    key: str = "external_id"
    order: tuple[tuple[str, str], ...] = ()
    without: str = ""

    def field(self, name: str) -> Field | None:
        """Return the field of that name, if there is one."""
        return next((field for field in self.fields if field.name == name), None)

    @property
    def names(self) -> list[str]:
        """The names of the fields."""
        return [field.name for field in self.fields]


EXTERNAL_ID = Field("external_id", "the row's id in your system; when absent it is derived as stated above")
ACCOUNT = Field("account", "the account's external id", column="account_id")


def table_of(model: type[WorkspaceRow]) -> Any:
    """Return the model's SQLAlchemy table."""
    return SQLModel.metadata.tables[str(model.__tablename__)]


def from_table(model: type[WorkspaceRow], field: Field) -> Field:
    """Complete a field with what its table column says: kind, required, length, default.

    Raises:
        KeyError: the table has no such column.
    """
    name = field.column or field.name
    if name == "account_id":
        return replace(field, column=name, required=True, length=120)
    column = table_of(model).c[name]
    default = None if column.default is None else column.default.arg
    default = str(default) if isinstance(default, str) else default  # an enum member is a plain word here
    return replace(
        field,
        column=name,
        kind=Kind.EMAIL if name.endswith("email") else _kind(column),
        required=field.required or (not column.nullable and default is None and name != "external_id"),
        length=getattr(column.type, "length", None),
        default=default,
    )


def _kind(column: Column[Any]) -> Kind:
    if isinstance(column.type, UtcDateTime):
        return Kind.TIME
    if isinstance(column.type, JSON):
        return Kind.OBJECT if column.name == "limits" else Kind.LIST
    numbers = {Integer: Kind.WHOLE, Numeric: Kind.NUMBER, Float: Kind.NUMBER}
    kinds = {Boolean: Kind.YES_NO, Date: Kind.DATE, **numbers}
    return next((kind for type_, kind in kinds.items() if isinstance(column.type, type_)), Kind.TEXT)
