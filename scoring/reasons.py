"""Why a score is what it is, in the account's own numbers."""

from dataclasses import dataclass
from typing import Any

from scoring.catalogue import CATALOGUE
from scoring.health import Drivers

NOTICEABLE = 3.0  # points of 100: a smaller move of an indicator is not worth a "before → now"


@dataclass(frozen=True)
class Reason:
    """One indicator that pulls the score up or down.

    Args:
        feature: the catalogue's name.
        text: for people, e.g. `days in use a week 4.8 → 2.1`.
        effect: points of the score against the portfolio's mean; negative pulls down.
        value, before: the account's own numbers; before is None when it did not move noticeably.
    """

    feature: str
    text: str
    effect: float
    value: float
    before: float | None = None


def reasons(now: Drivers | None, before: Drivers | None, most: int = 3) -> list[Reason]:
    """Return what pulls the score down most, worst first.

    Args:
        now: drivers of the current snapshot.
        before: drivers of an earlier snapshot to show movement against, if there is one.
        most: how many at the most.
    """
    pulling = [name for name, driver in (now or {}).items() if driver["effect"] <= -0.5]
    ranked = sorted(pulling, key=lambda name: (now or {})[name]["effect"])
    return [_reason(name, now or {}, before or {}) for name in ranked[:most]]


def strengths(now: Drivers | None, most: int = 2) -> list[Reason]:
    """Return what holds the score up most, best first."""
    lifting = [name for name, driver in (now or {}).items() if driver["effect"] >= 0.5]
    ranked = sorted(lifting, key=lambda name: -(now or {})[name]["effect"])
    return [_reason(name, now or {}, {}) for name in ranked[:most]]


def _reason(name: str, now: Drivers, before: Drivers) -> Reason:
    feature, driver = CATALOGUE[name], now[name]
    earlier: Any = before.get(name)
    moved = earlier is not None and abs(earlier["points"] - driver["points"]) >= NOTICEABLE
    shown, was = feature.show(driver["value"]), feature.show(earlier["value"]) if moved else None
    if was is None or was == shown:
        return Reason(name, f"{feature.label}: {shown}", driver["effect"], driver["value"])
    return Reason(name, f"{feature.label}: {was} → {shown}", driver["effect"], driver["value"], earlier["value"])
