"""Markdown cut into passages along its headings; tables, lists and code stay whole where the size allows."""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

FORMAT = 1  # raise it when text is cut or Source is stored differently: everything is then made anew
MOST = 1200  # characters: long enough for a whole table or list, short enough to be quoted and to mean one thing

_HEADING = re.compile(r" {0,3}#{1,6}(?=[ \t]|$)")
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
_ITEM = re.compile(r"\s*([-*+]|\d{1,9}[.)])\s")
_UNDERLINE = re.compile(r" {0,3}(=+|-{2,})\s*$")
_RULE = re.compile(r" {0,3}([-*_])(\s*\1){2,}\s*$")
_SENTENCE_END = re.compile(r"(?<=[.!?。])\s+")
_TABLE_HEAD = re.compile(r"[\s|:-]+$")


@dataclass(frozen=True)
class Passage:
    """A piece of a document under its headings, the outermost first."""

    section: tuple[str, ...]
    text: str


@dataclass(frozen=True)
class _Block:
    kind: str  # heading, code, table, list or text
    lines: tuple[str, ...]

    @property
    def text(self) -> str:
        return "\n".join(self.lines)


def split(text: str, title: str = "", most: int = MOST) -> list[Passage]:
    """Cut Markdown into passages of at most `most` characters; a heading that repeats the title is left out.

    A table longer than that is divided between rows, with its head repeated; a list between items.
    """
    passages: list[Passage] = []
    path: dict[int, str] = {}
    waiting: list[_Block] = []
    for block in [*_blocks(text), _Block("heading", ("# ",))]:
        if block.kind != "heading":
            waiting.append(block)
            continue
        section = tuple(name for name in path.values() if name and name.casefold() != title.casefold())
        passages += [Passage(section, piece) for piece in _packed(waiting, most)]
        waiting = []
        level, name = _heading(block)
        path = {**{outer: path[outer] for outer in path if outer < level}, level: name}
    return passages


def _heading(block: _Block) -> tuple[int, str]:
    if len(block.lines) == 2:  # underlined
        return (1 if "=" in block.lines[1] else 2), block.lines[0].strip()
    bare = block.text.strip()
    name = bare.lstrip("#")
    return len(bare) - len(name), name.strip("# \t")


def _packed(blocks: Iterable[_Block], most: int) -> Iterator[str]:
    """Yield the blocks' text, neighbours together as far as they fit."""
    piece = ""
    for part in (part for block in blocks for part in _parts(block, most)):
        if piece and len(piece) + 2 + len(part) > most:
            yield piece
            piece = ""
        piece = f"{piece}\n\n{part}" if piece else part
    if piece:
        yield piece


def _parts(block: _Block, most: int) -> list[str]:
    """Divide one block only when it is too long, at its own seams."""
    if len(block.text) <= most:
        return [block.text]
    if block.kind == "table":
        head = block.lines[:2] if any(_TABLE_HEAD.match(line) for line in block.lines[1:2]) else ()
        return _joined(block.lines[len(head) :], "\n", most, "\n".join(head))
    if block.kind == "code":
        return _code_parts(block, most)
    if block.kind == "list":
        return _joined(_items(block.lines), "\n", most)
    return _joined(_SENTENCE_END.split(block.text), " ", most)


def _code_parts(block: _Block, most: int) -> list[str]:
    fence = _mark(block.lines[0])
    inside = block.lines[1 : -1 if block.lines[-1].strip().startswith(fence) else None]
    return [f"{part}\n{fence}" for part in _joined(inside, "\n", most - len(fence) - 1, block.lines[0])]


def _items(lines: Iterable[str]) -> list[str]:
    items: list[str] = []
    for line in lines:
        if _ITEM.match(line) or not items:
            items.append(line)
        else:
            items[-1] += f"\n{line}"
    return items


def _joined(units: Iterable[str], glue: str, most: int, head: str = "") -> list[str]:
    """Join units into parts of at most `most` characters, each under the head; a unit too long is cut at a space."""
    head = head[: most // 2]
    room = most - len(head) - 1 if head else most
    parts = [""]
    for unit in (short for long in units for short in _short(long, room)):
        if parts[-1] and len(parts[-1]) + len(glue) + len(unit) > room:
            parts.append("")
        parts[-1] = f"{parts[-1]}{glue}{unit}" if parts[-1] else unit
    return [f"{head}\n{part}" if head else part for part in parts if part.strip()]


def _short(unit: str, room: int) -> Iterator[str]:
    at = 0
    while len(unit) - at > room:
        cut = max(unit.rfind(" ", at + room // 2, at + room), unit.rfind("\n", at + room // 2, at + room))
        cut = cut if cut > 0 else at + room
        yield unit[at:cut].strip()
        at = cut
    yield unit[at:].strip() if at else unit


def _blocks(text: str) -> Iterator[_Block]:
    """Yield headings, code, tables, lists and paragraphs in order, without the empty lines between them."""
    lines = text.splitlines()
    at = 0
    while at < len(lines):
        kind, end = _extent(lines, at)
        if kind:
            yield _Block(kind, tuple(line.rstrip() for line in lines[at:end]))
        at = end


def _extent(lines: list[str], at: int) -> tuple[str, int]:
    """Tell what starts at a line, and the line after its end; an empty kind is left out."""
    kind = _kind(lines[at])
    if kind == "text" and _unframed_table(lines[at : at + 2]):
        return "table", _run(lines, at, lambda line: "|" in line)
    if kind == "code":
        return kind, _end_of_code(lines, at)
    if kind == "table":
        return kind, _run(lines, at, lambda line: _kind(line) == "table")
    if kind == "list":
        return kind, _end_of_list(lines, at)
    if kind == "text":
        end = _run(lines, at, lambda line: _kind(line) == "text" and not _UNDERLINE.match(line))
        underlined = end == at + 1 and end < len(lines) and _UNDERLINE.match(lines[end])
        return ("heading", end + 1) if underlined else (kind, end)
    return kind, at + 1


def _kind(line: str) -> str:
    bare = line.lstrip()
    if not bare or _RULE.match(line):
        return ""
    if _FENCE.match(line):
        return "code"
    if _HEADING.match(line):
        return "heading"
    if bare.startswith("|"):
        return "table"
    return "list" if _ITEM.match(line) else "text"


def _unframed_table(lines: list[str]) -> bool:
    """Tables may do without a line at each end of a row."""
    return len(lines) == 2 and all("|" in line for line in lines) and bool(_TABLE_HEAD.match(lines[1]))


def _run(lines: list[str], at: int, belongs: Callable[[str], bool]) -> int:
    return next((end for end in range(at + 1, len(lines)) if not belongs(lines[end])), len(lines))


def _end_of_code(lines: list[str], at: int) -> int:
    fence = _mark(lines[at])
    ends = (end + 1 for end in range(at + 1, len(lines)) if lines[end].strip().startswith(fence) and _mark(lines[end]))
    return next(ends, len(lines))


def _end_of_list(lines: list[str], at: int) -> int:
    """A list goes on over empty lines when an item or an indented line follows."""
    end = at + 1
    while end < len(lines):
        after_gap = not lines[end - 1].strip()
        indented = lines[end].startswith(("  ", "\t"))
        if not (indented or _kind(lines[end]) in ("list", *(() if after_gap else ("text",))) or not lines[end].strip()):
            break
        end += 1
    while not lines[end - 1].strip():
        end -= 1
    return end


def _mark(line: str) -> str:
    found = _FENCE.match(line)
    return found.group(1) if found else ""
