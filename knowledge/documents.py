"""The library: every play, case study, article and message template, and how messages are filled."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, TypeVar

import polars as pl
import yaml
from jinja2 import StrictUndefined, TemplateError, TemplateSyntaxError
from jinja2.sandbox import SandboxedEnvironment

from knowledge.front_matter import LOADER, DocumentError, Known, checked, nearest, read_document
from knowledge.kinds import Article, CaseStudy, Play, Strict, Template

__all__ = ["DocumentError", "Template", "library", "observations", "prompt", "read_folder", "render", "templates"]

ROOM = Path(__file__).parent
BUNDLED = tuple(ROOM / name for name in ("plays", "cases", "articles", "templates"))


class Observation(Strict):
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


@dataclass(frozen=True)
class Library:
    """Every document that can be used, by id; `files` says where each stands, `errors` what is wrong with the rest."""

    plays: dict[str, Play] = field(default_factory=dict)
    cases: dict[str, CaseStudy] = field(default_factory=dict)
    articles: dict[str, Article] = field(default_factory=dict)
    templates: dict[str, Template] = field(default_factory=dict)
    files: dict[str, Path] = field(default_factory=dict)
    errors: tuple[str, ...] = ()


def library(folders: Iterable[Path] = BUNDLED) -> Library:
    """Read folders of documents, again only when a file has changed.

    A file with a mistake, a second document with the same id, and a play that names a template which is not there
    are left out and told in `errors`.
    """
    return _library(tuple(stamped for folder in folders for stamped in _stamped(folder)))


def read_folder(folder: Path) -> tuple[list[Known], list[str]]:
    """Read every document of a folder; a file with a mistake does not keep the others from being read."""
    found = [_read(*stamped) for stamped in _stamped(folder)]
    return [each for each in found if not isinstance(each, str)], [each for each in found if isinstance(each, str)]


def templates() -> dict[str, Template]:
    """Every bundled message template, by id."""
    return library(BUNDLED[-1:]).templates


@cache
def observations() -> dict[str, Observation]:
    """Read the observations that templates may use, by name."""
    file = ROOM / "templates" / "observations.yaml"
    entries = yaml.load(file.read_text("utf-8"), LOADER)
    return {name: checked(Observation, entry, f"{file.name}: {name}") for name, entry in entries.items()}


@cache
def prompt(name: str) -> str:
    """Read one of the prompts for the language model."""
    return (ROOM / "prompts" / f"{name}.md").read_text().strip()


def true_observations(template: Template, facts: dict[str, Any]) -> list[str]:
    """Name the observations of a template that hold for an account, the preferred ones first."""
    row = pl.DataFrame([facts], infer_schema_length=None)
    holding = []
    for name in template.observations:
        if row.select(pl.sql_expr(observations()[name].when).alias("holds"))["holds"][0]:
            holding.append(name)
    return holding[: template.most]


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


Stamped = tuple[Path, int, int]
K = TypeVar("K", Play, CaseStudy, Article, Template)


def _stamped(folder: Path) -> Iterator[Stamped]:
    """The folder's documents with what changes when they are written: time and size."""
    if not folder.is_dir():
        raise DocumentError(f"{folder}: there is no such folder of documents")
    for file in sorted(folder.rglob("*.md")):
        state = file.stat()
        yield file, state.st_mtime_ns, state.st_size


@lru_cache(maxsize=4096)
def _read(file: Path, _written: int, _size: int) -> Known | str:
    """A document, or what is wrong with it."""
    try:
        return read_document(file)
    except DocumentError as error:
        return str(error)


@lru_cache(maxsize=16)
def _library(stamped: tuple[Stamped, ...]) -> Library:
    documents, files, errors = _by_id(stamped)
    for broken in (_broken_templates, _broken_plays):  # in this order: a play needs its templates
        for name, problem in list(broken(documents)):
            errors.append(f"{files.pop(name).name}: {problem}")
            del documents[name]
    return Library(
        plays=_of(Play, documents),
        cases=_of(CaseStudy, documents),
        articles=_of(Article, documents),
        templates=_of(Template, documents),
        files=files,
        errors=tuple(errors),
    )


def _by_id(stamped: tuple[Stamped, ...]) -> tuple[dict[str, Known], dict[str, Path], list[str]]:
    """Every document by its id, where it stands, and what is wrong with the others."""
    documents: dict[str, Known] = {}
    files: dict[str, Path] = {}
    errors: list[str] = []
    for stamp in stamped:
        found = _read(*stamp)
        if isinstance(found, str):
            errors.append(found)
        elif found.id in documents:
            errors.append(f"{stamp[0]}: id: '{found.id}' is the id of {files[found.id]} already: give one another id")
        else:
            documents[found.id], files[found.id] = found, stamp[0]
    return documents, files, errors


def _broken_templates(documents: dict[str, Known]) -> Iterator[tuple[str, str]]:
    for template in _of(Template, documents).values():
        if problem := _wrong_words(template):
            yield template.id, problem


def _broken_plays(documents: dict[str, Known]) -> Iterator[tuple[str, str]]:
    there = _of(Template, documents)
    for play in _of(Play, documents).values():
        if problem := _wrong_template(play, there):
            yield play.id, problem


def _of(kind: type[K], documents: dict[str, Known]) -> dict[str, K]:
    return {name: found for name, found in documents.items() if isinstance(found, kind)}


def _wrong_words(template: Template) -> str | None:
    """The first observation that there is not, or a text that cannot be filled."""
    for name in template.observations:
        if name not in observations():
            return f"observations: there is no observation '{name}'{nearest(name, observations())}"
    try:
        _JINJA.parse(template.subject)
        _JINJA.parse(template.body)
    except TemplateSyntaxError as error:
        return f"the text cannot be filled: {error.message} (line {error.lineno} below the front matter)"
    return None


def _wrong_template(play: Play, there: dict[str, Template]) -> str | None:
    """The first step that names a message which is not there, or one for another channel."""
    for step in play.steps:
        for name in step.templates:
            if name not in there:
                return f"steps.{step.id}: there is no template '{name}'{nearest(name, there)}"
            if there[name].channel != step.channel:
                return f"steps.{step.id}: '{name}' is for {there[name].channel}, and the step for {step.channel}"
    return None
