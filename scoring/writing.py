"""A scorecard as the text of a TOML file, so that a person can read, change and keep it."""

import json
from typing import Any

from scoring.scorecard import Factor, Scorecard


def as_toml(card: Scorecard, comment: str = "") -> str:
    """Write a scorecard such that reading the text gives the same card.

    Args:
        comment: lines to put at the top.
    """
    head = [f"# {line}" for line in comment.splitlines()]
    keys = [f"{name} = {_value(getattr(card, name))}" for name in ("id", "title", "version", "coverage_floor")]
    bands = [_table("bands", band.model_dump(by_alias=True)) for band in card.bands]
    return "\n\n".join(["\n".join([*head, *keys]), *bands, *map(_factor, card.factors)]) + "\n"


def _factor(factor: Factor) -> str:
    lines = []
    for indicator in factor.indicators:
        given = indicator.model_dump(exclude_defaults=True)
        lines.append("  { " + ", ".join(f"{key} = {_value(value)}" for key, value in given.items()) + " },")
    head = _table("factors", {"name": factor.name, "weight": factor.weight})
    return "\n".join([head, "indicators = [", *lines, "]"])


def _table(name: str, values: dict[str, Any]) -> str:
    return "\n".join([f"[[{name}]]", *[f"{key} = {_value(value)}" for key, value in values.items()]])


def _value(value: Any) -> str:
    """Strings, numbers and lists of them are written alike in JSON and TOML."""
    return json.dumps(value, ensure_ascii=False)
