"""Read a TOML file strictly: what is wrong is named with file, line, key and the nearest key that exists."""

import re
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from scoring.predicates import did_you_mean

Content = TypeVar("Content", bound=BaseModel)


class DeclaredError(ValueError):
    """A declared file that cannot be used; the message names file, line and key."""


def read_declared(path: Path, kind: type[Content]) -> Content:
    """Read a file into a strict model.

    Raises:
        DeclaredError: with file, line, key, the reason and the nearest known key.
    """
    text = path.read_text()
    try:
        return kind.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise DeclaredError(f"{path.name}: {error}") from error
    except ValidationError as error:
        # A key that is spelled wrong is missing too, which says less.
        first = min(error.errors(), key=lambda each: each["type"] != "extra_forbidden")
        where = ".".join(str(part) for part in first["loc"]) or "file"
        raise DeclaredError(
            f"{path.name}, line {line_of(text, first['loc'])}: {where}: {_reason(first, kind)}"
        ) from error


def line_of(text: str, place: Iterable[str | int]) -> int:
    """Return the line of a key, counted from 1; of its table's header when the key is not there."""
    parts = list(place)
    lines = text.splitlines()
    start = 0
    if len(parts) > 1 and isinstance(parts[1], int):
        heads = [n for n, line in enumerate(lines) if re.match(rf"\s*\[\[\s*{re.escape(str(parts[0]))}\s*\]\]", line)]
        start = heads[parts[1]] if parts[1] < len(heads) else 0
    names = [part for part in parts if isinstance(part, str)]
    key = re.compile(rf"(?:\s*|.*[{{,]\s*){re.escape(names[-1])}\s*=") if names else re.compile("$^")
    return 1 + next((n for n in range(start, len(lines)) if key.match(lines[n])), start)


def _reason(error: Any, kind: type[BaseModel]) -> str:
    if error["type"] != "extra_forbidden":
        return str(error["msg"]).removeprefix("Value error, ")
    return f"unknown key{did_you_mean(str(error['loc'][-1]), _keys(kind))}"


def _keys(kind: type[BaseModel]) -> set[str]:
    """Every key of a model and of the models inside it."""
    found: set[str] = set()
    for name, field in kind.model_fields.items():
        found.add(field.alias or name)
        inner = [field.annotation, *getattr(field.annotation, "__args__", ())]
        found |= {
            key for part in inner if isinstance(part, type) and issubclass(part, BaseModel) for key in _keys(part)
        }
    return found
