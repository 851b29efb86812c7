"""Check plays against what there is: features, attributes and signals that their conditions name."""

from collections.abc import Iterator

import polars as pl

from knowledge.attributes import ATTRIBUTES
from knowledge.documents import Library
from scoring.catalogue import CATALOGUE
from scoring.predicates import Columns, PredicateError, did_you_mean, predicate
from tools.refresh import declared_signals

TYPES = {"text": pl.String(), "number": pl.Float64()}
COLUMNS: Columns = {
    **dict.fromkeys(CATALOGUE, pl.Float64()),
    **{name: TYPES[kind] for name, (kind, _) in ATTRIBUTES.items()},
}


def play_errors(found: Library) -> list[str]:
    """Name every condition that cannot be asked, with file, key and the nearest name that there is."""
    kinds = {rule.kind for rule in declared_signals()}
    return [
        f"{found.files[play.id].name}: {error}"
        for play in found.plays.values()
        for error in (*_predicates(play.predicates), *_signals(play.trigger.signals, kinds))
    ]


def _predicates(predicates: dict[str, str]) -> Iterator[str]:
    for key, text in predicates.items():
        try:
            predicate(text, COLUMNS)
        except PredicateError as error:
            yield f"{key}: {error}"


def _signals(names: tuple[str, ...], kinds: set[str]) -> Iterator[str]:
    for name in names:
        if name not in kinds:
            yield f"trigger: unknown signal '{name}'{did_you_mean(name, kinds)}"
