"""Slack's limits on whole messages and views, on top of those of single blocks."""

import json
import secrets
from collections import Counter
from collections.abc import Iterator
from typing import Any

from .blockkit import SURFACES
from .checks import array, boolean, choice, problem, shape, string
from .elements import is_interactive, plain
from .errors import SlackError

Block = dict[str, Any]

POST_TEXT = 40_000
UPDATE_TEXT = 4_000
MARKDOWN_TEXT = 12_000
BLOCKS = {"message": 50, "modal": 100, "home": 100}
MESSAGE_CHARACTERS = 13_200
VIEW_BYTES = 250_000
_AT_MOST = {"data_table": 1, "table": 1, "data_visualization": 2}
_VIEW_COMMON = {
    "type": choice("modal", "home"),
    "blocks": array(lambda value, at: iter(()), None, 0),
}
_VIEW_KEYS = {
    "private_metadata": string(3000, 0),
    "callback_id": string(255),
    "external_id": string(255),
}
_VIEW_SHAPES = {
    "home": shape(_VIEW_COMMON, _VIEW_KEYS),
    "modal": shape(
        _VIEW_COMMON | {"title": plain(24)},
        _VIEW_KEYS
        | {
            "submit": plain(24),
            "close": plain(24),
            "clear_on_close": boolean,
            "notify_on_close": boolean,
            "submit_disabled": boolean,
        },
    ),
}


def message_blocks(blocks: Any) -> list[Block]:
    """Return a message's blocks with ids filled in; raise what Slack would."""
    checked = _blocks(blocks, "message", "/blocks")
    if _characters(checked) > MESSAGE_CHARACTERS:
        raise SlackError("msg_blocks_too_long")
    return checked


def view(value: Any, surface: str) -> dict[str, Any]:
    """Return a modal or Home view with ids filled in; raise what Slack would."""
    problems = list(_VIEW_SHAPES[surface](value, "/view"))
    if not problems and value["type"] != surface:
        problems = [problem(f"must be a {surface} view", "/view/type")]
    if not problems and surface == "modal" and not value.get("submit") and _has_input(value["blocks"]):
        problems = [problem("missing required field: submit", "/view")]
    if problems:
        raise SlackError("invalid_arguments", problems)
    if len(json.dumps(value)) > VIEW_BYTES:
        raise SlackError("view_too_large")
    return value | {"blocks": _blocks(value["blocks"], surface, "/view/blocks")}


def _has_input(blocks: Any) -> bool:
    return any(isinstance(block, dict) and block.get("type") == "input" for block in blocks)


def _blocks(blocks: Any, surface: str, at: str) -> list[Block]:
    problems = list(_problems(blocks, surface, at))
    if problems:
        code = "invalid_blocks" if surface == "message" else "invalid_arguments"
        raise SlackError(code, problems)
    return [_with_ids(block) for block in blocks]


def _problems(blocks: Any, surface: str, at: str) -> Iterator[str]:
    found = list(array(SURFACES[surface], BLOCKS[surface], 0)(blocks, at))
    yield from found
    if found:
        return
    yield from _repeated_ids(blocks, at)
    counts = Counter(block["type"] for block in blocks)
    for kind, most in _AT_MOST.items():
        if counts[kind] > most:
            yield problem(f"only {most} {kind} allowed", at)
    yield from _markdown_total(blocks, at)


def _repeated_ids(blocks: list[Block], at: str) -> Iterator[str]:
    ids = Counter(block["block_id"] for block in blocks if "block_id" in block)
    for block_id, count in ids.items():
        if count > 1:
            yield problem(f"`block_id` {block_id} already exists", at)
    for place, block in enumerate(blocks):
        actions = Counter(each.get("action_id") for each in elements_of(block) if each.get("action_id"))
        if any(count > 1 for count in actions.values()):
            yield problem("`action_id` must be unique in a block", f"{at}/{place}")


def _markdown_total(blocks: list[Block], at: str) -> Iterator[str]:
    if sum(len(block["text"]) for block in blocks if block["type"] == "markdown") > MARKDOWN_TEXT:
        yield problem(f"markdown blocks must have less than {MARKDOWN_TEXT + 1} characters in all", at)


def elements_of(block: Block) -> list[dict[str, Any]]:
    """Return a block's interactive elements, those of cards and containers included."""
    inner = [each for name in ("child_blocks",) for each in block.get(name, [])]
    if block.get("type") == "carousel":
        inner = block["elements"]
    direct = [block.get("accessory"), block.get("element"), *block.get("elements", [])]
    direct += block.get("actions", []) if block.get("type") == "card" else []
    nested = [found for each in inner for found in elements_of(each)]
    own = [] if block.get("type") in {"carousel", "rich_text"} else direct
    return [each for each in own if is_interactive(each)] + nested


def _with_ids(block: Block) -> Block:
    filled = json.loads(json.dumps(block))
    filled.setdefault("block_id", secrets.token_urlsafe(4))
    for element in elements_of(filled):
        element.setdefault("action_id", secrets.token_urlsafe(4))
    return filled


def _characters(value: Any) -> int:
    if isinstance(value, dict):
        return sum(_characters(each) for name, each in value.items() if name not in _IDS)
    if isinstance(value, list):
        return sum(_characters(each) for each in value)
    return len(value) if isinstance(value, str) else 0


# What the reader does not see does not count: ids, types, and what a button carries.
_IDS = frozenset({"type", "block_id", "action_id", "value", "style", "url", "image_url", "align"})
