"""Statements that run thousands of times: put together once, then given to the driver as they are.

SQLAlchemy prepares and reads each value by its column's type, which costs several times what the database does.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import Dialect, Engine


class Lean:
    """A connection of the driver's own.

    Args:
        connection: the driver's, which writes as soon as something is changed, and keeps it on `commit`.
    """

    def __init__(self, connection: Any, dialect: Dialect) -> None:
        self._connection, self._dialect = connection, dialect
        self._cursor = connection.cursor()

    def run(self, statement: Any, values: dict[str, Any]) -> Any:
        """Run a statement that its caller keeps. Returns the driver's cursor, valid until the next run.

        Args:
            values: of every bound parameter that has none yet.
        """
        text, fixed, order = _prepared(statement, self._dialect)
        if order is None:
            given: Any = {name: _plain(value) for name, value in (fixed | values).items()}
        else:
            given = [_as_text(values[name] if name in values else fixed[name]) for name in order]
        return self._cursor.execute(text, given)

    def commit(self) -> None:
        """Keep what was changed."""
        self._connection.commit()


@contextmanager
def lean(engine: Engine) -> Iterator[Lean]:
    """Open a connection; what is not committed is undone."""
    connection = engine.raw_connection()
    try:
        yield Lean(connection, engine.dialect)
    finally:
        connection.close()


def moment(value: Any) -> datetime | None:
    """Read a point in time as the driver has it: stored in UTC without saying so."""
    found = datetime.fromisoformat(value) if isinstance(value, str) else value
    return None if found is None else found.replace(tzinfo=UTC)


@lru_cache(maxsize=64)
def _prepared(statement: Any, dialect: Dialect) -> tuple[str, dict[str, Any], tuple[str, ...] | None]:
    """The text for the driver, the values that the statement holds itself, and the order where they have no names."""
    made = statement.compile(dialect=dialect, compile_kwargs={"render_postcompile": True})
    return made.string, dict(made.params), made.positiontup and tuple(made.positiontup)


def _plain(value: Any) -> Any:
    if type(value) is datetime:
        return value.astimezone(UTC).replace(tzinfo=None)
    return json.dumps(value) if type(value) is dict else value


def _as_text(value: Any) -> Any:
    """What SQLAlchemy writes to SQLite, so that times compare with those of its own."""
    if type(value) is datetime:
        return value.astimezone(UTC).replace(tzinfo=None).isoformat(" ", "microseconds")
    return json.dumps(value) if type(value) is dict else value
