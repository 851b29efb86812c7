"""What makes a forecast, in the account's own numbers."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from scoring.catalogue import CATALOGUE, one_decimal
from scoring.churn.periods import OWN
from scoring.features import NAMES

NOTICEABLE = 0.05  # of the log-odds: less is not worth a line
RENEWAL = "days_to_renewal"
Row = Mapping[str, float | None]


@dataclass(frozen=True)
class ChurnDriver:
    """One matter that moves a forecast.

    Args:
        name: of the feature or of the measure of usage that the inputs behind it are about.
        text: for people, with the account's own numbers.
        effect: on the log-odds of leaving, against the average account; above 0 makes it likelier.
    """

    name: str
    text: str
    effect: float


def subject(column: str) -> str:
    """The matter that an input is about: all inputs of one measure are one matter, and so is the time to renewal."""
    if column in OWN:
        return RENEWAL
    prefix = next((p for p in NAMES if column.startswith(p)), "")
    return NAMES[0] + column.removeprefix(prefix) if prefix else column


def drivers(effects: Mapping[str, float], now: Row, before: Row | None = None) -> list[ChurnDriver]:
    """Gather the inputs' contributions by matter, the strongest first.

    Args:
        effects: contribution of each input; the returned effects sum to their sum.
        now, before: the account's row of features now and 30 days ago.
    """
    together: dict[str, float] = {}
    for column, effect in effects.items():
        together[subject(column)] = together.get(subject(column), 0.0) + effect
    found = [ChurnDriver(name, _text(name, now, before or {}), effect) for name, effect in together.items()]
    return sorted(found, key=lambda driver: -abs(driver.effect))


def _text(name: str, now: Row, before: Row) -> str:
    label, show = _shown(name)
    value, was = now.get(name), before.get(name)
    if value is None:
        return f"{label}: unknown"
    if was is None or show(was) == show(value):
        return f"{label}: {show(value)}"
    return f"{label}: {show(was)} → {show(value)} in 30 days"


def label_of(column: str) -> str:
    """Name an input for people."""
    return _shown(subject(column))[0]


def _shown(name: str) -> tuple[str, Callable[[float], str]]:
    if name in CATALOGUE:
        return CATALOGUE[name].label, CATALOGUE[name].show
    return f"{name.removeprefix(NAMES[0]).replace('_', ' ')} a day", one_decimal
