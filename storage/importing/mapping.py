"""A map file: which of a team's own files and columns mean which of Tend's."""

import tomllib
from pathlib import Path
from typing import Any

import polars as pl
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from storage.importing.entities import ENTITIES, USAGE
from storage.importing.findings import Check, connect, look, nearest
from storage.importing.format import Entity
from storage.importing.read import ROW, Sheet, UnreadableError, read_sheet
from storage.importing.report import Finding


class MapError(ValueError):
    """A map file is wrong; the message says where, and names the nearest thing that would be right."""


class Part(BaseModel):
    """How one entity is made: from one source file, row by row, or by a query over all of them."""

    model_config = ConfigDict(extra="forbid")

    source: str | None = None
    sql: str | None = None
    columns: dict[str, str] = Field(default_factory=dict)
    constants: dict[str, Any] = Field(default_factory=dict)
    derived: dict[str, str] = Field(default_factory=dict)
    values: dict[str, dict[str, Any]] = Field(default_factory=dict)
    units: dict[str, float] = Field(default_factory=dict)
    date_format: str | None = None


class Question(BaseModel):
    """A `[[check]]`: a defect that only the source files show."""

    model_config = ConfigDict(extra="forbid")

    name: str
    sql: str
    sentence: str
    of: str = ""


class Map(BaseModel):
    """A whole map file."""

    model_config = ConfigDict(extra="forbid")

    description: str = ""
    sources: dict[str, str]
    entities: dict[str, Part] = Field(default_factory=dict, alias="entity")
    checks: list[Question] = Field(default_factory=list, alias="check")


def read_map(path: Path) -> Map:
    """Read a map file strictly.

    Raises:
        MapError: it is not TOML, or a key, an entity, a field or a source in it is unknown.
    """
    try:
        found = Map.model_validate(tomllib.loads(path.read_text("utf-8")))
    except tomllib.TOMLDecodeError as error:
        raise MapError(f"{path.name} is not TOML: {error}") from error
    except ValidationError as error:
        raise MapError(f"{path.name}: {_first_error(error)}") from error
    for name, part in found.entities.items():
        _check_part(path.name, name, part, found)
    return found


class Mapped:
    """A team's source files seen through their map.

    Args:
        folder: where the source files are.
        map_: the map.

    Raises:
        MapError: a source file is missing or cannot be read.
    """

    def __init__(self, folder: Path, map_: Map) -> None:
        self.map = map_
        self.sheets = {name: _source(folder / file) for name, file in map_.sources.items()}
        self.views = {name: sheet.frame for name, sheet in self.sheets.items()}
        self.connection = connect(self.views)

    def sheet(self, entity: str) -> Sheet:
        """Return the rows of one entity, under the format's names where the map gives them.

        Raises:
            MapError: a query fails or a column is missing.
        """
        part = self.map.entities[entity]
        sheet = self._queried(entity, part) if part.sql else self._renamed(entity, part)
        sheet.frame = _adjusted(sheet.frame, part)
        return sheet

    def findings(self) -> list[Finding]:
        """Ask the map's own checks of the source files.

        Raises:
            MapError: the query of a check fails.
        """
        import duckdb

        try:
            return look(self.views, [Check(q.name, (), q.sql, q.sentence, q.of) for q in self.map.checks])
        except duckdb.Error as error:
            raise MapError(f"the query of a [[check]] fails: {error}") from error

    def _queried(self, entity: str, part: Part) -> Sheet:
        frame = self._sql(entity, part.sql or "")
        if "row" in frame.columns:
            frame = frame.rename({"row": ROW})
        frame = frame if ROW in frame.columns else frame.with_row_index(ROW, offset=1)
        return Sheet(f"{entity} (query)", frame)

    def _renamed(self, entity: str, part: Part) -> Sheet:
        sheet = self.sheets[part.source or ""]
        for column in part.columns.values():
            if column not in sheet.frame.columns:
                hint = nearest(column, sheet.frame.columns)
                raise MapError(f"[entity.{entity}] {sheet.file} has no column `{column}`: {hint}")
        kept = [pl.col(ROW), *[pl.col(c).alias(name) for name, c in part.columns.items()]]
        frame = sheet.frame.select(kept)
        if part.derived:
            frame = frame.with_columns(self._derived(entity, part))
        return Sheet(sheet.file, frame, sheet.rejects, sheet.notes)

    def _derived(self, entity: str, part: Part) -> list[pl.Series]:
        expressions = ", ".join(f'({sql}) as "{name}"' for name, sql in part.derived.items())
        query = f'select {expressions} from "{part.source}" order by {ROW}'
        return self._sql(entity, query).get_columns()

    def _sql(self, entity: str, query: str) -> pl.DataFrame:
        import duckdb

        try:
            frame: pl.DataFrame = self.connection.sql(query).pl()
        except duckdb.Error as error:
            raise MapError(f"[entity.{entity}] the query fails: {error}") from error
        wide = [name for name, kind in frame.schema.items() if isinstance(kind, pl.Decimal)]
        return frame.with_columns(pl.col(wide).cast(pl.Float64))  # sums of integers come as decimals


def _source(path: Path) -> Sheet:
    if not path.exists():
        near = nearest(path.name, [file.name for file in path.parent.glob("*") if file.is_file()])
        raise MapError(f"the source file {path.name} is not in {path.parent}: {near}")
    try:
        return read_sheet(path)
    except UnreadableError as error:
        raise MapError(str(error)) from error


def _adjusted(frame: pl.DataFrame, part: Part) -> pl.DataFrame:
    frame = frame.with_columns(pl.lit(value).alias(name) for name, value in part.constants.items())
    for name, values in part.values.items():
        frame = frame.with_columns(_replaced(frame[name], values))
    return frame.with_columns(pl.col(n).cast(pl.Float64, strict=False) * by for n, by in part.units.items())


def _replaced(column: pl.Series, values: dict[str, Any]) -> pl.Series:
    """Replace by the map's values; an unknown value stays, so that the format's check names it."""
    text = {key: str(value) for key, value in values.items()}
    return column.cast(pl.String).replace(text)


def _check_part(file: str, name: str, part: Part, map_: Map) -> None:
    entity = ENTITIES.get(name)
    if entity is None:
        raise MapError(f"{file}: [entity.{name}] is no entity; {nearest(name, ENTITIES)}")
    if bool(part.source) == bool(part.sql):
        raise MapError(f"{file}: [entity.{name}] needs either `source` or `sql`")
    if part.source and part.source not in map_.sources:
        hint = nearest(part.source, map_.sources)
        raise MapError(f"{file}: [entity.{name}] has an unknown source `{part.source}`; {hint}")
    for table in (part.columns, part.constants, part.derived, part.values, part.units):
        _check_fields(file, entity, table)
    given = {*part.columns, *part.constants, *part.derived}
    for field in () if part.sql else (*part.values, *part.units):
        if field not in given:
            raise MapError(f"{file}: [entity.{name}] `{field}` has values or units but no column")


def _check_fields(file: str, entity: Entity, table: dict[str, Any]) -> None:
    for field in table:
        if entity is not USAGE and not entity.field(field):  # any name may be a measure of usage
            hint = nearest(field, entity.names)
            raise MapError(f"{file}: [entity.{entity.name}] has no field `{field}`; {hint}")


def _first_error(error: ValidationError) -> str:
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"])
    if first["type"] != "extra_forbidden":
        return f"`{place}`: {first['msg']}"
    kinds: dict[int, type[BaseModel]] = {1: Map, 3: Part if first["loc"][0] == "entity" else Question}
    fields = kinds.get(len(first["loc"]), Map).model_fields
    known = [field.alias or name for name, field in fields.items()]
    return f"`{place}` is no key of a map; {nearest(str(first['loc'][-1]), known)}"
