"""Write docs/import.md from the declared format."""

from collections.abc import Iterator
from importlib.resources import files

from storage.importing.entities import ENTITIES, USAGE
from storage.importing.format import Entity, Field


def import_format_markdown() -> str:
    """Return the text of docs/import.md: how to import, every entity and field, and map files."""
    text = files("storage.importing").joinpath("guide.md").read_text("utf-8")
    return text.replace("{entities}", "\n".join(_entities()))


def _entities() -> Iterator[str]:
    for entity in ENTITIES.values():
        yield from (f"### {entity.name}", "", entity.meaning, "")
        if entity is USAGE:
            yield from ("One row per `account` and `day`; the same day again replaces it.", "")
        elif entity.identity:
            parts = ", ".join(f"`{name}`" for name in entity.identity)
            yield from (f"Without `external_id` a row is known by {parts}.", "")
        elif entity.key != "external_id":
            yield from (f"A row is known by its `{entity.key}`.", "")
        yield from ("| column | kind | | meaning |", "|---|---|---|---|")
        yield from (_row(entity, field) for field in entity.fields)
        yield ""


def _row(entity: Entity, field: Field) -> str:
    need = "**required**" if field.required else ""
    return f"| `{field.name}` | {_kind(field)} | {need} | {field.meaning}{_default(field)} |"


def _kind(field: Field) -> str:
    if field.allowed:
        return ", ".join(f"`{value}`" for value in field.allowed)
    span = {(True, True): f"{field.low} to {field.high}", (True, False): f"from {field.low}"}
    bound = span.get((field.low is not None, field.high is not None))
    if bound and field.high != 1e12:
        return f"{field.kind}, {bound.replace('.0', '')}"
    return f"{field.kind}, up to {field.length}" if field.length else str(field.kind)


def _default(field: Field) -> str:
    shown = {True: "yes", False: "no"}.get(field.default, field.default)
    return "" if field.default is None else f" (default `{shown}`)"
