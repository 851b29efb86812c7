"""What a person entered: values of input elements in the form of Slack's view and message state."""

import re
from typing import Any

from .errors import SlackError
from .limits import Block, elements_of

_TEXT = {"plain_text_input", "number_input", "email_text_input", "url_text_input"}
_ONE_OPTION = {"static_select", "radio_buttons", "overflow"}
_MANY_OPTIONS = {"multi_static_select", "checkboxes"}
_FIELDS = {
    "users_select": ("selected_user", "initial_user"),
    "multi_users_select": ("selected_users", "initial_users"),
    "conversations_select": ("selected_conversation", "initial_conversation"),
    "multi_conversations_select": ("selected_conversations", "initial_conversations"),
    "channels_select": ("selected_channel", "initial_channel"),
    "multi_channels_select": ("selected_channels", "initial_channels"),
    "datepicker": ("selected_date", "initial_date"),
    "timepicker": ("selected_time", "initial_time"),
    "datetimepicker": ("selected_date_time", "initial_date_time"),
    "rich_text_input": ("rich_text_value", "initial_value"),
} | dict.fromkeys(_TEXT, ("value", "initial_value"))
_EMPTY: tuple[Any, ...] = (None, "", [])

Element = dict[str, Any]
Values = dict[str, dict[str, Any]]


def options_of(element: Element) -> list[dict[str, Any]]:
    """Return all options of a select, groups flattened."""
    groups = element.get("option_groups") or []
    return [*element.get("options", []), *(option for group in groups for option in group["options"])]


def _option(element: Element, value: Any) -> dict[str, Any] | None:
    if value in _EMPTY:
        return None
    wanted = value.get("value") if isinstance(value, dict) else value
    for option in options_of(element):
        if option.get("value") == wanted:
            return option
    raise SlackError("option_not_found", [f"[ERROR] no option with value {wanted}"])


def entered(element: Element, value: Any) -> dict[str, Any]:
    """Return an element's state for an entered value; option values become whole options."""
    kind = element["type"]
    if isinstance(value, dict) and value.get("type") == kind:
        return value
    if kind in _ONE_OPTION:
        return {"type": kind, "selected_option": _option(element, value)}
    if kind in _MANY_OPTIONS:
        return {"type": kind, "selected_options": [_option(element, each) for each in value or []]}
    name = _FIELDS[kind][0]
    return {"type": kind, name: value if value not in ("",) else None}


def untouched(element: Element) -> dict[str, Any] | None:
    """Return an element's state before anybody touched it; None for what holds no value."""
    kind = element["type"]
    if kind in _ONE_OPTION - {"overflow"}:
        return {"type": kind, "selected_option": element.get("initial_option")}
    if kind in _MANY_OPTIONS:
        return {"type": kind, "selected_options": element.get("initial_options", [])}
    if kind in _FIELDS:
        name, initial = _FIELDS[kind]
        return {"type": kind, name: element.get(initial, [] if kind.startswith("multi_") else None)}
    return None


def all_values(blocks: list[Block], picked: Values) -> Values:
    """Return the state of every input element of some blocks."""
    values: Values = {}
    for block in blocks:
        for element in elements_of(block):
            state = picked.get(block["block_id"], {}).get(element["action_id"]) or untouched(element)
            if state:
                values.setdefault(block["block_id"], {})[element["action_id"]] = state
    return values


def content(state: dict[str, Any]) -> Any:
    """Return what an element's state holds, without its type."""
    return next((value for name, value in state.items() if name != "type"), None)


def problems(blocks: list[Block], values: Values) -> dict[str, str]:
    """Return what Slack's client itself refuses to submit, by block id."""
    found = {}
    for block in blocks:
        if block["type"] == "input":
            element = block["element"]
            value = content(values[block["block_id"]][element["action_id"]])
            trouble = _trouble(block, element, value)
            if trouble:
                found[block["block_id"]] = trouble
    return found


def _trouble(block: Block, element: Element, value: Any) -> str | None:
    if value in _EMPTY:
        return None if block.get("optional") else "Please complete this required field."
    kind = element["type"]
    if kind == "email_text_input" and not re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s]+", str(value)):
        return "Please enter a valid email address."
    if kind == "url_text_input" and not re.match(r"https?://\S+$", str(value)):
        return "Please enter a valid URL."
    if kind == "number_input":
        return _number_trouble(element, str(value))
    return _length_trouble(element, str(value)) if kind == "plain_text_input" else None


def _length_trouble(element: Element, text: str) -> str | None:
    least, most = element.get("min_length", 0), element.get("max_length", 3000)
    if len(text) < least:
        return f"Please enter at least {least} characters."
    return f"Please enter at most {most} characters." if len(text) > most else None


def _number_trouble(element: Element, text: str) -> str | None:
    try:
        value = float(text)
    except ValueError:
        return "Please enter a number."
    if not element["is_decimal_allowed"] and not value.is_integer():
        return "Please enter a whole number."
    if value < float(element.get("min_value", "-inf")):
        return f"Please enter {element['min_value']} or more."
    return f"Please enter {element['max_value']} or less." if value > float(element.get("max_value", "inf")) else None
