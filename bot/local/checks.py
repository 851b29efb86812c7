"""Checks of JSON values that report each problem with a JSON pointer, the way Slack words it."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

Check = Callable[[Any, str], Iterator[str]]


def problem(text: str, at: str) -> str:
    """Return one message in Slack's form."""
    return f"[ERROR] {text} [json-pointer:{at}]"


def string(most: int | None = None, least: int = 1) -> Check:
    """Check for a string of so many characters."""

    def check(value: Any, at: str) -> Iterator[str]:
        if not isinstance(value, str):
            yield problem("must provide a string", at)
        elif len(value) < least:
            yield problem(f"must be more than {least - 1} characters", at)
        elif most is not None and len(value) > most:
            yield problem(f"must be less than {most + 1} characters", at)

    return check


def boolean(value: Any, at: str) -> Iterator[str]:
    """Check for true or false."""
    if not isinstance(value, bool):
        yield problem("must be a boolean", at)


def number(value: Any, at: str) -> Iterator[str]:
    """Check for a finite number."""
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value:
        yield problem("must be a number", at)


def integer(least: int | None = None, most: int | None = None) -> Check:
    """Check for a whole number in a range."""

    def check(value: Any, at: str) -> Iterator[str]:
        if isinstance(value, bool) or not isinstance(value, int):
            yield problem("must be an integer", at)
        elif (least is not None and value < least) or (most is not None and value > most):
            yield problem(f"must be between {least} and {most}", at)

    return check


def choice(*allowed: str) -> Check:
    """Check for one of some words."""

    def check(value: Any, at: str) -> Iterator[str]:
        if value not in allowed:
            yield problem(f"must be one of {', '.join(allowed)}", at)

    return check


def pattern(expression: str, what: str) -> Check:
    """Check for a string of a form such as a date."""

    def check(value: Any, at: str) -> Iterator[str]:
        if not isinstance(value, str) or not re.fullmatch(expression, value):
            yield problem(f"must be {what}", at)

    return check


def array(item: Check, most: int | None = None, least: int = 1) -> Check:
    """Check for a list of so many checked items."""

    def check(value: Any, at: str) -> Iterator[str]:
        if not isinstance(value, list):
            yield problem("must be an array", at)
            return
        if len(value) < least:
            yield problem(f"no fewer than {least} items allowed", at)
        if most is not None and len(value) > most:
            yield problem(f"no more than {most} items allowed", at)
        for place, each in enumerate(value):
            yield from item(each, f"{at}/{place}")

    return check


def shape(required: Mapping[str, Check], optional: Mapping[str, Check] | None = None) -> Check:
    """Check for an object with these keys and no others."""
    known = dict(optional or {}) | dict(required)

    def check(value: Any, at: str) -> Iterator[str]:
        if not isinstance(value, dict):
            yield problem("must be an object", at)
            return
        for name in required:
            if name not in value:
                yield problem(f"missing required field: {name}", at)
        for name, each in value.items():
            if name in known:
                yield from known[name](each, f"{at}/{name}")
            else:
                yield problem(f"invalid additional property: {name}", at)

    return check


def also(first: Check, *others: Check) -> Check:
    """Check more once the first check found nothing."""

    def check(value: Any, at: str) -> Iterator[str]:
        found = list(first(value, at))
        yield from found
        if not found:
            for other in others:
                yield from other(value, at)

    return check


def any_of(what: str, *names: str) -> Check:
    """Check that at least one of some keys is there."""

    def check(value: Any, at: str) -> Iterator[str]:
        if not any(name in value for name in names):
            yield problem(f"{what} needs one of: {', '.join(names)}", at)

    return check


def by_type(kinds: Mapping[str, Check], what: str) -> Check:
    """Check an object by its ``type``."""

    def check(value: Any, at: str) -> Iterator[str]:
        kind = value.get("type") if isinstance(value, dict) else None
        if not isinstance(value, dict):
            yield problem("must be an object", at)
        elif not isinstance(kind, str) or kind not in kinds:
            yield problem(f"unsupported type of {what}: {kind}", f"{at}/type")
        else:
            yield from kinds[kind](value, at)

    return check


def anything(value: Any, at: str) -> Iterator[str]:
    """Accept whatever stands there."""
    yield from ()
