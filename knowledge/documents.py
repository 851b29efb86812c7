"""Documents with front matter, parsed strictly: an unknown key is refused with file and nearest key."""

import difflib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

import polars as pl
import yaml
from jinja2 import StrictUndefined, TemplateError
from jinja2.sandbox import SandboxedEnvironment
from pydantic import BaseModel, ConfigDict, Field, ValidationError

ROOM = Path(__file__).parent


class DocumentError(ValueError):
    """A document that cannot be used; the message names file, key and what to write instead."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Template(_Strict):
    """A message to a contact.

    Args:
        id: also the purpose that a draft is asked for by.
        ask: what the message asks for, in a few words, for the reviewer.
        roles: contacts to write to, the first that is there.
        observations: which observations it may use, in order of preference.
        examples: requests that it answers, in people's words.
    """

    kind: Literal["template"]
    id: str
    title: str
    ask: str
    roles: tuple[str, ...] = Field(min_length=1)
    observations: tuple[str, ...] = Field(min_length=2)
    subject: str
    examples: tuple[str, ...] = ()
    body: str


class Observation(_Strict):
    """One thing that can be said to a customer about their own use, and when it is true.

    Args:
        when: an SQL predicate over the account's facts.
        text: one or two sentences, a Jinja template over the same facts.
        fact: which fact backs it.
    """

    when: str
    text: str
    fact: str


@dataclass(frozen=True)
class Message:
    """A rendered template."""

    subject: str
    body: str
    used: tuple[str, ...]


@cache
def templates() -> dict[str, Template]:
    """Read every message template, by id."""
    found = [_template(file) for file in sorted((ROOM / "templates").glob("*.md"))]
    return {template.id: template for template in found}


@cache
def observations() -> dict[str, Observation]:
    """Read the observations that templates may use, by name."""
    file = ROOM / "templates" / "observations.yaml"
    entries = yaml.safe_load(file.read_text())
    return {name: _checked(Observation, entry, f"{file.name}: {name}") for name, entry in entries.items()}


@cache
def prompt(name: str) -> str:
    """Read one of the prompts for the language model."""
    return (ROOM / "prompts" / f"{name}.md").read_text().strip()


def true_observations(template: Template, facts: dict[str, Any], most: int = 3) -> list[str]:
    """Name the observations of a template that hold for an account, the preferred ones first."""
    row = pl.DataFrame([facts], infer_schema_length=None)
    holding = []
    for name in template.observations:
        if row.select(pl.sql_expr(observations()[name].when).alias("holds"))["holds"][0]:
            holding.append(name)
    return holding[:most]


def render(template: Template, facts: dict[str, Any], used: list[str]) -> Message:
    """Fill a template with facts.

    Raises:
        DocumentError: for a missing variable, naming template and variable.
    """
    try:
        sentences = [_fill(observations()[name].text, facts) for name in used]
        values = {**facts, "observations": "\n\n".join(sentences)}
        return Message(_fill(template.subject, values), _fill(template.body, values), tuple(used))
    except TemplateError as error:
        raise DocumentError(f"template {template.id}: {error}") from error


_JINJA = SandboxedEnvironment(undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)


def _fill(text: str, values: dict[str, Any]) -> str:
    return _JINJA.from_string(text).render(values).strip()


def _template(file: Path) -> Template:
    head, body = _split(file)
    return _checked(Template, {**head, "body": body}, file.name)


def _split(file: Path) -> tuple[dict[str, Any], str]:
    parts = file.read_text().split("---\n", 2)
    if len(parts) != 3 or parts[0]:
        raise DocumentError(f"{file.name}: no front matter: start with a line ---, keys, and a line ---")
    try:
        head = yaml.safe_load(parts[1])
    except yaml.YAMLError as error:
        raise DocumentError(f"{file.name}: {error}") from error
    if not isinstance(head, dict):
        raise DocumentError(f"{file.name}: the front matter holds no keys")
    return head, parts[2].strip()


def _checked(kind: Any, values: Any, where: str) -> Any:
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        near = difflib.get_close_matches(key, kind.model_fields, 1)
        hint = f" (did you mean '{near[0]}'?)" if near and near[0] != key else ""
        raise DocumentError(f"{where}: {key}: {first['msg']}{hint}") from error
