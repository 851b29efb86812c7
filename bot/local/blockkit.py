"""Slack's blocks: their keys, their limits, and the surfaces they may stand on."""

from collections.abc import Iterator
from typing import Any

from .checks import (
    Check,
    also,
    any_of,
    anything,
    array,
    boolean,
    by_type,
    choice,
    integer,
    number,
    problem,
    shape,
    string,
)
from .elements import (
    ACCESSORY,
    ACTION_ELEMENT,
    BUTTON,
    CONTEXT_ACTION,
    CONTEXT_ELEMENT,
    IMAGE,
    IMAGE_SOURCE,
    INPUT_ELEMENT,
    TYPE,
    kind,
    plain,
    text,
)

_ID: dict[str, Check] = {"block_id": string(255)}


def _block(required: dict[str, Check], optional: dict[str, Check] | None = None) -> Check:
    return kind(required, _ID | (optional or {}))


def _bounded(value: Any, at: str) -> Iterator[str]:
    if value == float("inf") or value == float("-inf"):
        yield problem("must be a finite number", at)


_RICH = by_type(
    {
        name: kind({"elements": array(anything, None, 0)}, more)
        for name, more in {
            "rich_text_section": {},
            "rich_text_list": {
                "style": choice("bullet", "ordered"),
                "indent": integer(0),
                "offset": integer(0),
                "border": integer(0),
            },
            "rich_text_quote": {"border": integer(0)},
            "rich_text_preformatted": {"border": integer(0), "language": string()},
        }.items()
    },
    "rich text element",
)
RICH_TEXT = _block({"elements": array(_RICH, None, 0)})

# -- tables

_PLAIN_CELLS: dict[str, Check] = {
    "raw_text": kind({"text": string(None, 0)}),
    "raw_number": kind({"value": also(number, _bounded)}, {"text": string()}),
}
_CELL = by_type(_PLAIN_CELLS | {"rich_text": RICH_TEXT}, "cell")
_HEAD_CELL = by_type(_PLAIN_CELLS, "header cell")


def _same_width(rows: Any, at: str) -> Iterator[str]:
    for place, row in enumerate(rows):
        if len(row) != len(rows[0]):
            yield problem("every row must have the same number of cells", f"{at}/{place}")


def _head(rows: Any, at: str) -> Iterator[str]:
    for place, cell in enumerate(rows[0]):
        yield from _HEAD_CELL(cell, f"{at}/0/{place}")


_TABLE = _block(
    {"rows": array(array(_CELL, 20), 100)},
    {"column_settings": array(shape({}, {"align": choice("left", "center", "right"), "is_wrapped": boolean}), 20)},
)
_DATA_TABLE = _block(
    {
        "caption": string(),
        "rows": also(array(array(_CELL, 20), 101, 2), _same_width, _head),
    },
    {"page_size": integer(1, 100), "row_header_column_index": integer(0, 19)},
)

# -- charts

_POINT = shape({"label": string(20), "value": also(number, _bounded)})
_SERIES = shape({"name": string(20), "data": array(_POINT, 20)})
_AXES = shape({"categories": array(string(20), 20)}, {"x_label": string(50), "y_label": string(50)})


def _positive(chart: Any, at: str) -> Iterator[str]:
    for place, segment in enumerate(chart["segments"]):
        if segment["value"] <= 0:
            yield problem("must be positive", f"{at}/segments/{place}/value")


def _fitting(chart: Any, at: str) -> Iterator[str]:
    names = [series["name"] for series in chart["series"]]
    if len(set(names)) < len(names):
        yield problem("series names must be unique", f"{at}/series")
    wanted = sorted(chart["axis_config"]["categories"])
    for place, series in enumerate(chart["series"]):
        if sorted(point["label"] for point in series["data"]) != wanted:
            yield problem("labels must match axis_config.categories", f"{at}/series/{place}/data")


_PLOT = also(kind({"series": array(_SERIES, 6), "axis_config": _AXES}), _fitting)
_CHART = by_type(
    {
        "pie": also(kind({"segments": array(_POINT, 6)}), _positive),
        "bar": _PLOT,
        "line": _PLOT,
        "area": _PLOT,
    },
    "chart",
)

# -- tasks, cards, containers

_TASK = _block(
    {"task_id": string(), "title": string()},
    {
        "status": choice("pending", "in_progress", "complete", "error"),
        "details": RICH_TEXT,
        "output": RICH_TEXT,
        "sources": array(shape({**TYPE, "url": string(), "text": string()})),
    },
)
_CARD = also(
    _block(
        {},
        {
            "hero_image": IMAGE,
            "icon": IMAGE,
            "title": text(150),
            "subtitle": text(150),
            "body": text(200),
            "actions": array(BUTTON, 5),
        },
    ),
    any_of("a card", "hero_image", "title", "actions", "body"),
)
_FILE = _block({"external_id": string(), "source": choice("remote")})
_VIDEO = _block(
    {
        "alt_text": string(),
        "title": plain(200),
        "thumbnail_url": string(),
        "video_url": string(),
    },
    {
        "title_url": string(),
        "description": plain(200),
        "provider_icon_url": string(),
        "provider_name": string(),
        "author_name": string(50),
    },
)

_COMMON: dict[str, Check] = {
    "section": also(
        _block(
            {},
            {
                "text": text(3000),
                "fields": array(text(2000), 10),
                "accessory": ACCESSORY,
                "expand": boolean,
            },
        ),
        any_of("a section", "text", "fields"),
    ),
    "divider": _block({}),
    "header": _block({"text": plain(150)}),
    "context": _block({"elements": array(CONTEXT_ELEMENT, 10)}),
    "actions": _block({"elements": array(ACTION_ELEMENT, 25)}),
    "image": also(
        _block({"alt_text": string(2000)}, IMAGE_SOURCE | {"title": plain(2000)}),
        any_of("an image", "image_url", "slack_file"),
    ),
    "input": _block(
        {"label": plain(2000), "element": INPUT_ELEMENT},
        {"hint": plain(2000), "optional": boolean, "dispatch_action": boolean},
    ),
    "rich_text": RICH_TEXT,
    "video": _VIDEO,
}
_MESSAGE_ONLY: dict[str, Check] = {
    "markdown": _block({"text": string(12000)}),
    "table": _TABLE,
    "data_table": _DATA_TABLE,
    "data_visualization": _block({"title": string(50), "chart": _CHART}),
    "context_actions": _block({"elements": array(CONTEXT_ACTION, 5)}),
    "task_card": _TASK,
    "plan": _block({"title": string()}, {"tasks": array(_TASK, 50)}),
    "file": _FILE,
}
_SHELF: dict[str, Check] = {"card": _CARD, "carousel": _block({"elements": array(_CARD, 10)})}
_ALERT: dict[str, Check] = {
    "alert": _block({"text": text(3000)}, {"level": choice("default", "info", "warning", "error", "success")})
}
_CONTAINER = also(
    _block(
        {"child_blocks": array(by_type(_COMMON | _MESSAGE_ONLY, "block"), 10)},
        {
            "title": plain(150),
            "rich_text_title": RICH_TEXT,
            "subtitle": text(150),
            "width": choice("narrow", "standard", "wide", "full"),
            "icon": IMAGE,
            "is_collapsible": boolean,
            "default_collapsed": boolean,
            "has_header_divider": boolean,
        },
    ),
    any_of("a container", "title", "rich_text_title"),
)

SURFACES: dict[str, Check] = {
    "message": by_type(_COMMON | _MESSAGE_ONLY | _SHELF | {"container": _CONTAINER}, "block"),
    "modal": by_type(_COMMON | _ALERT, "block"),
    "home": by_type(_COMMON | _SHELF | _ALERT, "block"),
}
