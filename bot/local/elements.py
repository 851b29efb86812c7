"""Slack's composition objects and interactive elements: their keys and limits."""

from collections.abc import Mapping
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
    pattern,
    shape,
    string,
)

TYPE: dict[str, Check] = {"type": string()}


def kind(required: Mapping[str, Check], optional: Mapping[str, Check] | None = None) -> Check:
    """Check for an object that also carries its type."""
    return shape({**TYPE, **required}, optional)


def plain(most: int) -> Check:
    """Check for a plain_text object."""
    return shape({"type": choice("plain_text"), "text": string(most)}, {"emoji": boolean})


def text(most: int, least: int = 1) -> Check:
    """Check for a plain_text or mrkdwn object."""
    return by_type(
        {
            "plain_text": kind({"text": string(most, least)}, {"emoji": boolean}),
            "mrkdwn": kind({"text": string(most, least)}, {"verbatim": boolean}),
        },
        "text object",
    )


CONFIRM = shape(
    {"title": plain(100), "text": text(300), "confirm": plain(30), "deny": plain(30)},
    {"style": choice("primary", "danger")},
)
_OPTION = shape({"text": text(75), "value": string(150)}, {"description": text(75)})
_MENU_OPTION = shape({"text": plain(75), "value": string(150)}, {"description": plain(75), "url": string(3000)})
_GROUP = shape({"label": plain(75), "options": array(_OPTION, 100)})
_DISPATCH = shape({"trigger_actions_on": array(choice("on_enter_pressed", "on_character_entered"), 2)})
_SLACK_FILE = also(shape({}, {"id": string(), "url": string()}), any_of("slack_file", "id", "url"))
_DATE = pattern(r"\d{4}-\d\d-\d\d", "a date such as 2026-11-21")
_TIME = pattern(r"\d\d:\d\d", "a time such as 09:30")

_ACTION: dict[str, Check] = {"action_id": string(255)}
_FOCUS: dict[str, Check] = {"focus_on_load": boolean}
_HINT: dict[str, Check] = {"placeholder": plain(150)}
_ASK: dict[str, Check] = {"confirm": CONFIRM}
_MANY: dict[str, Check] = {"max_selected_items": integer(1)}
_PICK = _ACTION | _HINT | _ASK | _FOCUS
_TYPED = _ACTION | _HINT | _FOCUS | {"dispatch_action_config": _DISPATCH}
_OPTIONS: dict[str, Check] = {"options": array(_OPTION, 100), "option_groups": array(_GROUP, 100)}
_FILTER = shape(
    {},
    {
        "include": array(choice("im", "mpim", "private", "public"), 4),
        "exclude_bot_users": boolean,
        "exclude_external_shared_channels": boolean,
    },
)
_RESPONSE: dict[str, Check] = {"response_url_enabled": boolean}
_CURRENT: dict[str, Check] = {"default_to_current_conversation": boolean, "filter": _FILTER}


def _select(**more: Check) -> Check:
    return kind({}, _PICK | more)


def _options_select(**more: Check) -> Check:
    return also(_select(**_OPTIONS, **more), any_of("a select", "options", "option_groups"))


IMAGE_SOURCE: dict[str, Check] = {"image_url": string(3000), "slack_file": _SLACK_FILE}
IMAGE = also(kind({"alt_text": string(2000)}, IMAGE_SOURCE), any_of("an image", "image_url", "slack_file"))
BUTTON = kind(
    {"text": plain(75)},
    _ACTION
    | _ASK
    | {
        "url": string(3000),
        "value": string(2000),
        "style": choice("primary", "danger"),
        "accessibility_label": string(75),
        "agent_prompt": string(4000),
        "agent_prompt_display": string(),
        "visible_to_user_ids": array(string()),
    },
)
_FEEDBACK = shape({"text": plain(75), "value": string(2000)}, {"accessibility_label": string(75)})
_SELECTS: dict[str, Check] = {
    "static_select": _options_select(initial_option=_OPTION),
    "multi_static_select": _options_select(initial_options=array(_OPTION, 100), **_MANY),
    "users_select": _select(initial_user=string()),
    "multi_users_select": _select(initial_users=array(string()), **_MANY),
    "conversations_select": _select(initial_conversation=string(), **_RESPONSE, **_CURRENT),
    "multi_conversations_select": _select(initial_conversations=array(string()), **_MANY, **_CURRENT),
    "channels_select": _select(initial_channel=string(), **_RESPONSE),
    "multi_channels_select": _select(initial_channels=array(string()), **_MANY),
}
_PICKERS: dict[str, Check] = {
    "datepicker": _select(initial_date=_DATE),
    "timepicker": _select(initial_time=_TIME, timezone=string()),
    "datetimepicker": kind({}, _ACTION | _ASK | _FOCUS | {"initial_date_time": integer()}),
    "radio_buttons": kind({"options": array(_OPTION, 10)}, _ACTION | _ASK | _FOCUS | {"initial_option": _OPTION}),
    "checkboxes": kind(
        {"options": array(_OPTION, 10)},
        _ACTION | _ASK | _FOCUS | {"initial_options": array(_OPTION, 10)},
    ),
}
_INPUTS: dict[str, Check] = {
    "plain_text_input": kind(
        {},
        _TYPED
        | {
            "initial_value": string(3000, 0),
            "multiline": boolean,
            "min_length": integer(0, 3000),
            "max_length": integer(1, 3000),
        },
    ),
    "number_input": kind(
        {"is_decimal_allowed": boolean},
        _TYPED | {"initial_value": string(), "min_value": string(), "max_value": string()},
    ),
    "email_text_input": kind({}, _TYPED | {"initial_value": string(None, 0)}),
    "url_text_input": kind({}, _TYPED | {"initial_value": string(None, 0)}),
    "rich_text_input": kind({}, _TYPED | {"initial_value": anything, "min_lines": integer(1), "max_lines": integer(1)}),
}
_MENU: dict[str, Check] = {
    "overflow": kind({"options": array(_MENU_OPTION, 5)}, _ACTION | _ASK),
    "button": BUTTON,
}

ACCESSORY = by_type({"image": IMAGE, **_MENU, **_SELECTS, **_PICKERS}, "accessory")
ACTION_ELEMENT = by_type(_MENU | _SELECTS | _PICKERS, "element")
INPUT_ELEMENT = by_type(_SELECTS | _PICKERS | _INPUTS, "element")
CONTEXT_ELEMENT = by_type(
    {
        "image": IMAGE,
        "mrkdwn": kind({"text": string(2000)}, {"verbatim": boolean}),
        "plain_text": kind({"text": string(2000)}, {"emoji": boolean}),
    },
    "element",
)
CONTEXT_ACTION = by_type(
    {
        "feedback_buttons": kind({"positive_button": _FEEDBACK, "negative_button": _FEEDBACK}, _ACTION),
        "icon_button": kind(
            {"icon": choice("trash"), "text": plain(75)},
            _ACTION
            | _ASK
            | {
                "accessibility_label": string(75),
                "value": string(2000),
                "visible_to_user_ids": array(string()),
            },
        ),
    },
    "element",
)
INPUT_TYPES = frozenset(_SELECTS) | frozenset(_PICKERS) | frozenset(_INPUTS)


def is_interactive(element: Any) -> bool:
    """Say whether an element sends actions or holds a value."""
    return isinstance(element, dict) and element.get("type") not in {None, "image", "mrkdwn", "plain_text"}
