"""The parser of every document: front matter and body, refused with file, key, line and the nearest known key."""

import difflib
from collections.abc import Hashable, Iterable
from pathlib import Path
from typing import Any, TypeVar, get_args

import yaml
from pydantic import BaseModel, ValidationError

from knowledge.kinds import KINDS, Article, CaseStudy, Play, Template

LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the one written in C where it was built: ten times faster
FIRST_LINE = 2  # of the front matter, after the line ---
# Words of our own for what people get wrong most often.
SAID = {
    "extra_forbidden": "unknown key",
    "string_pattern_mismatch": "'{input}' is not of the right form ({pattern})",
}

Known = Play | CaseStudy | Article | Template
Place = tuple[int | str, ...]
M = TypeVar("M", bound=BaseModel)


class DocumentError(ValueError):
    """A document that cannot be used; the message names file, key and what to write instead."""


def read_document(file: Path) -> Known:
    """Read one document.

    Raises:
        DocumentError: naming the file, the key, its line, and the nearest known key for an unknown one.
    """
    head, body = _split(file)
    node, values = _parsed(head, file.name)
    kind = KINDS.get(str(values.get("kind")))
    if kind is None:
        near = nearest(str(values.get("kind")), KINDS)
        raise DocumentError(f"{file.name}: kind: write one of {', '.join(KINDS)}, line {_line(node, ('kind',))}{near}")
    return checked(kind, {**values, "body": body}, file.name, node)


def checked(kind: type[M], values: Any, where: str, node: Any = None) -> M:
    """Check values against a model, telling of an unknown key before what may only be missing because of it."""
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        first = min(error.errors(), key=lambda found: found["type"] != "extra_forbidden")
        path = first["loc"]
        ours = SAID.get(first["type"])
        said = ours.format(**first, **first.get("ctx", {})) if ours else first["msg"].removeprefix("Value error, ")
        line = f", line {_line(node, path)}" if node is not None else ""
        near = nearest(str(path[-1]), _keys(kind, path)) if first["type"] == "extra_forbidden" else ""
        key = ".".join(str(part) for part in path)
        raise DocumentError(f"{where}: {key}{': ' * bool(key)}{said}{line}{near}") from error


def _split(file: Path) -> tuple[str, str]:
    try:
        parts = file.read_text("utf-8-sig").split("---\n", 2)
    except UnicodeDecodeError as error:
        raise DocumentError(f"{file.name}: this is not UTF-8 text: save it as UTF-8") from error
    if len(parts) != 3 or parts[0]:
        raise DocumentError(f"{file.name}: no front matter: start with a line ---, keys, and a line ---")
    return parts[1], parts[2].strip()


def _parsed(head: str, name: str) -> tuple[Any, dict[str, Any]]:
    """The front matter as nodes, which know their lines, and as values."""
    loader = LOADER(head)
    try:
        node = loader.get_single_node()
        if not isinstance(node, yaml.MappingNode):
            raise DocumentError(f"{name}: the front matter holds no keys")
        _no_key_twice(node, name)
        values: dict[str, Any] = loader.construct_document(node)
    except yaml.YAMLError as error:
        raise DocumentError(f"{name}: this is no YAML: {_problem(error)}") from error
    except ValueError as error:  # such as a day that no calendar has
        raise error if isinstance(error, DocumentError) else DocumentError(f"{name}: {error}") from error
    finally:
        loader.dispose()
    if "body" in values:
        raise DocumentError(
            f"{name}: body: unknown key, line {_line(node, ('body',))}: write it below the front matter"
        )
    return node, values


def _problem(error: yaml.YAMLError) -> str:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark:
        return f"{error.problem}, line {error.problem_mark.line + FIRST_LINE}"
    return str(error).splitlines()[0]


def _no_key_twice(node: yaml.Node, name: str) -> None:
    """YAML would let the last one win in silence."""
    seen: set[Hashable] = set()
    for entry in node.value if isinstance(node, yaml.MappingNode | yaml.SequenceNode) else ():
        key, value = entry if isinstance(entry, tuple) else (None, entry)
        if key is not None and key.value in seen:
            raise DocumentError(f"{name}: {key.value}: written twice, line {key.start_mark.line + FIRST_LINE}")
        seen.add(key.value if key is not None else None)
        _no_key_twice(value, name)


def _line(node: Any, path: Place) -> int:
    """The line of a key, or of the nearest thing around it when the key is not there."""
    line = node.start_mark.line
    for part in path:
        if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
            line = node.start_mark.line
            continue
        pairs = node.value if isinstance(node, yaml.MappingNode) else ()
        found = next(((key, value) for key, value in pairs if key.value == part), None)
        if found is None:
            break
        line, node = found[0].start_mark.line, found[1]
    return line + FIRST_LINE


def _keys(kind: type[BaseModel], path: Place) -> Iterable[str]:
    """The keys that may stand where the path ends."""
    for part in path[:-1]:
        field = kind.model_fields.get(str(part))
        inner = _model(field.annotation) if field else kind
        if inner is None:
            return ()
        kind = inner
    return kind.model_fields


def _model(annotation: Any) -> type[BaseModel] | None:
    """The model inside a type such as tuple[Step, ...] or Quote | None."""
    if isinstance(annotation, type):
        return annotation if issubclass(annotation, BaseModel) else None
    return next(filter(None, map(_model, get_args(annotation))), None)


def nearest(word: str, known: Iterable[str]) -> str:
    """Name the most similar known word, if one is similar at all."""
    near = difflib.get_close_matches(word, [key for key in known if key != "body"], 1)
    return f" (did you mean '{near[0]}'?)" if near and near[0] != word else ""
