"""The parts that messages are made of, each within Slack's limits."""

import json
from collections.abc import Iterable, Sequence
from typing import Any

from tools.writing import visible

Block = dict[str, Any]
SECTION, HEADER, BUTTON, VALUE, CAPTION, CONTEXTS = 3000, 150, 75, 2000, 150, 10
MESSAGE_BLOCKS, MESSAGE_CHARACTERS = 50, 12_500


def escape(text: str) -> str:
    """Neutralise mark-up in text that we did not write: no mention, no link, no channel alarm, nothing unseen."""
    return visible(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def shorten(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"


def mrkdwn(text: str) -> Block:
    """Text with our own mark-up; Slack makes no links of what merely looks like an address or a channel."""
    return {"type": "mrkdwn", "text": shorten(text, SECTION), "verbatim": True}


def section(text: str, accessory: Block | None = None) -> Block:
    block: Block = {"type": "section", "text": mrkdwn(text)}
    return block | ({"accessory": accessory} if accessory else {})


def said(text: str) -> list[Block]:
    """Plain words as blocks, neutralised, a section for as many lines as fit."""
    parts: list[str] = []
    for line in escape(text).split("\n"):
        if parts and len(parts[-1]) + len(line) < SECTION:
            parts[-1] += f"\n{line}"
        else:
            parts.append(line)
    return [section(part) for part in parts if part.strip()]


def header(text: str) -> Block:
    return {"type": "header", "text": {"type": "plain_text", "text": shorten(visible(text), HEADER)}}


def context(*texts: str) -> Block:
    parts = [mrkdwn(text) for text in texts if text]
    return {"type": "context", "elements": parts[:CONTEXTS]}


def button(label: str, action: str, value: Any, style: str | None = None, confirm: Block | None = None) -> Block:
    packed = value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))
    block: Block = {
        "type": "button",
        "text": {"type": "plain_text", "text": shorten(visible(label), BUTTON)},
        "action_id": action,
        "value": packed[:VALUE],
    }
    return block | ({"style": style} if style else {}) | ({"confirm": confirm} if confirm else {})


def actions(*buttons: Block) -> Block:
    return {"type": "actions", "elements": list(buttons)}


def field(name: str, label: str, element: Block, optional: bool = False) -> Block:
    """One input of a modal; its value comes back under `name`."""
    plain = {"type": "plain_text", "text": label}
    return {"type": "input", "block_id": name, "label": plain, "element": element, "optional": optional}


def option(label: str, value: str) -> Block:
    return {"text": {"type": "plain_text", "text": shorten(visible(label), BUTTON)}, "value": value}


def divider() -> Block:
    return {"type": "divider"}


def table(caption: str, head: list[str], rows: Iterable[list[str | tuple[float, str]]], page: int = 10) -> Block:
    """A native table; a cell is a text, or a number with the way it is shown."""
    cells = [[_cell(cell) for cell in row] for row in rows]
    return {
        "type": "data_table",
        "caption": shorten(caption, CAPTION),
        "page_size": page,
        "rows": [[{"type": "raw_text", "text": name} for name in head], *cells],
    }


def _cell(cell: str | tuple[float, str]) -> Block:
    if isinstance(cell, tuple):
        return {"type": "raw_number", "value": round(cell[0], 2), "text": cell[1]}
    return {"type": "raw_text", "text": shorten(visible(cell), 200) or "–"}


def fit(blocks: list[Block], ending: Sequence[Block] = ()) -> list[Block]:
    """Cut a message to Slack's size, with a line that says that something was cut; the ending stays."""
    kept: list[Block] = []
    room, most = MESSAGE_CHARACTERS - _characters(list(ending)), MESSAGE_BLOCKS - len(ending)
    for block in blocks:
        room -= _characters(block)
        if (len(kept) == most - 1 and len(blocks) > most) or room < 0:
            said = context("There is more than fits here; narrow the question to see it.")
            return [*kept[: most - 1], said, *ending]
        kept.append(block)
    return [*kept, *ending]


def _characters(part: Any) -> int:
    if isinstance(part, dict):
        return sum(len(v) if k == "text" and isinstance(v, str) else _characters(v) for k, v in part.items())
    return sum(_characters(v) for v in part) if isinstance(part, list) else 0
