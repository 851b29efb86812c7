"""The team's own documents out of a folder or a Git checkout; a file that cannot be used is named with its reason."""

import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any
from urllib.parse import quote

import yaml

from knowledge.converting import CONVERTERS, UnreadableError, to_markdown
from knowledge.sources import FACETS, Source

KIND = "document"
MOST_BYTES = 50_000_000
_LISTS = (*FACETS.values(), "examples")
_FRONT_MATTER = re.compile(r"\A---[ \t]*\r?\n(.{0,100000}?)^---[ \t]*\r?(?:\n|\Z)", re.S | re.M)
_FIRST_HEADING = re.compile(r"^#[ \t]+(\S.*)$", re.M)
_BRACKETED_ADDRESS = re.compile(r"\[([^\]]*)\]\([^)]*\)")


@dataclass(frozen=True)
class Problem:
    """A file that was left out, and why."""

    location: str
    reason: str

    def __str__(self) -> str:
        return f"{self.location} {self.reason}"


@dataclass(frozen=True)
class Read:
    """What a folder holds."""

    sources: tuple[Source, ...]
    problems: tuple[Problem, ...]


def read_folder(folder: Path, link: str = "", most_bytes: int = MOST_BYTES) -> Read:
    """Read Markdown, text, HTML, DOCX and PDF files, in the order of their names.

    Hidden files and folders (`.git` among them) and files of other types are not looked at. Markdown may start with
    front matter: of it `title`, `review_by`, `industries`, `segments`, `stages`, `plans` and `examples` are used.

    Args:
        link: where the folder can be read by others, such as `https://example.com/handbook/`; citations point there.
        most_bytes: larger files are not opened.

    Raises:
        NotADirectoryError: there is no such folder.
    """
    if not folder.is_dir():
        raise NotADirectoryError(f"{folder} is no folder: name the folder or Git checkout that holds the documents")
    sources: list[Source] = []
    problems: list[Problem] = []
    for file in _files(folder, problems):
        place = file.relative_to(folder).as_posix()
        try:
            sources.append(_source(folder, file, place, link, most_bytes))
        except (UnreadableError, OSError) as error:
            reason = str(error) if isinstance(error, UnreadableError) else f"cannot be read: {error.strerror}"
            problems.append(Problem(_shown(place), reason))
    return Read(tuple(sources), tuple(problems))


def _files(folder: Path, problems: list[Problem]) -> Iterator[Path]:
    """Yield what looks like a document, and links to folders that lead outside, for which a problem is due."""

    def closed(error: OSError) -> None:
        place = Path(error.filename).relative_to(folder).as_posix()
        problems.append(Problem(_shown(place), f"cannot be opened: {error.strerror}"))

    for parent, folders, files in os.walk(folder, onerror=closed):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        linked = (Path(parent, name) for name in folders if Path(parent, name).is_symlink())
        yield from (path for path in linked if not _inside(folder, path))
        for name in sorted(files):
            if not name.startswith(".") and Path(name).suffix.lower() in CONVERTERS:
                yield Path(parent, name)


def _source(folder: Path, file: Path, place: str, link: str, most_bytes: int) -> Source:
    if place != _shown(place):
        raise UnreadableError("has a name that is not UTF-8 or holds control characters: rename it")
    if not _inside(folder, file):
        raise UnreadableError("is a link that leads outside the folder: put the file itself there")
    content = _content(file, most_bytes)
    text = to_markdown(file.suffix.lower(), content)
    head, body = _head(text) if file.suffix.lower() in (".md", ".markdown") else ({}, text)
    if not body.strip():
        raise UnreadableError("holds no text after its front matter")
    title = str(head.get("title") or _first_heading(body) or _words(file))
    lists: dict[str, Any] = {name: _texts(head, name) for name in _LISTS}
    location = f"{link.rstrip('/')}/{quote(place)}" if link else place
    return Source(place, KIND, title, body, location, _review_by(head), **lists)


def _content(file: Path, most_bytes: int) -> bytes:
    status = file.stat()
    if not stat.S_ISREG(status.st_mode):
        raise UnreadableError("is no ordinary file")
    if status.st_size > most_bytes:
        raise UnreadableError(f"has {status.st_size:,} bytes, {most_bytes:,} are the limit: divide it or leave it out")
    return file.read_bytes()


def _inside(folder: Path, path: Path) -> bool:
    return Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder))  # never fails on a loop of links


def _head(text: str) -> tuple[dict[str, Any], str]:
    found = _FRONT_MATTER.match(text)
    if not found:
        return {}, text
    try:
        head = yaml.safe_load(found.group(1))
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        reason = " ".join(str(error).split())
        raise UnreadableError(f"has front matter that is no YAML: {reason}") from error
    return (head if isinstance(head, dict) else {}), text[found.end() :]


def _review_by(head: dict[str, Any]) -> date | None:
    value = head.get("review_by")
    if value is None or type(value) is date:
        return value
    raise UnreadableError(f"has review_by: {value!r}, which is no date: write it as 2030-12-31")


def _texts(head: dict[str, Any], name: str) -> tuple[str, ...]:
    value = head.get(name) or ()
    if not isinstance(value, list | tuple):
        value = (value,)
    return tuple(str(part) for part in value if part)


def _first_heading(text: str) -> str:
    found = _FIRST_HEADING.search(text)
    return _BRACKETED_ADDRESS.sub(r"\1", found.group(1)).strip("# \t*_") if found else ""


def _words(file: Path) -> str:
    """A file that stands for its folder has the folder's name."""
    stem = file.parent.name if file.stem.strip("_").lower() in ("index", "readme") else file.stem
    return re.sub(r"[-_]+", " ", stem).strip() or file.name


def _shown(place: str) -> str:
    """Return a name as it can be shown and stored: what is not UTF-8 or not printable as an escape."""
    text = place.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return "".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in text)
