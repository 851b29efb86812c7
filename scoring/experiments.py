"""What a treatment changed against those who received nothing, or what one variant changed against another: pure.

Shares are compared with Newcombe's hybrid score interval (Statistics in Medicine 17, 1998, method 10, from Wilson's
intervals), means with Welch's interval. Nothing is claimed from small groups.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

CONFIDENCE = 0.95
Z = 1.959963984540054  # the normal quantile of a two-sided 95 %
FEWEST = 30  # in each group
FEWEST_EVENTS = 5  # reached it, and did not, over both groups: below it a share says next to nothing
Verdict = Literal["not enough data yet", "no clear difference", "better", "worse"]


@dataclass(frozen=True)
class Share:
    """How many of a group reached something."""

    reached: int
    of: int

    def __post_init__(self) -> None:
        if not 0 <= self.reached <= self.of:
            raise ValueError(f"{self.reached} of {self.of} is no share")

    @property
    def value(self) -> float:
        """The share, 0 to 1; not a number for an empty group."""
        return self.reached / self.of if self.of else math.nan

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's 95 % score interval (Journal of the American Statistical Association 22, 1927)."""
        if not self.of:
            return 0.0, 1.0
        spread = Z**2 / self.of
        middle = (self.value + spread / 2) / (1 + spread)
        half = Z / (1 + spread) * math.sqrt(self.value * (1 - self.value) / self.of + spread / (4 * self.of))
        # At the ends the interval touches them exactly; the formula's rounding may miss by a hair.
        low = 0.0 if self.reached == 0 else max(0.0, middle - half)
        return low, 1.0 if self.reached == self.of else min(1.0, middle + half)


@dataclass(frozen=True)
class Mean:
    """The mean of a measure in a group, its sample variance and how many there were."""

    value: float
    variance: float
    of: int

    @classmethod
    def from_values(cls, values: Sequence[float]) -> "Mean":
        """Summarise the values of a group."""
        n = len(values)
        if n < 2:
            return cls(math.nan if not n else float(values[0]), math.nan, n)
        mean = math.fsum(values) / n
        return cls(mean, math.fsum((value - mean) ** 2 for value in values) / (n - 1), n)


@dataclass(frozen=True)
class Effect:
    """A difference between two groups with its 95 % interval, in the unit of the measure (shares: 0 to 1).

    `verdict` speaks of the first group; without enough data it says so, whatever the interval.
    """

    difference: float
    low: float
    high: float
    verdict: Verdict

    @property
    def known(self) -> bool:
        """Whether there was enough data to say anything."""
        return self.verdict != "not enough data yet"


def share_effect(treated: Share, control: Share) -> Effect:
    """Compare two shares."""
    if not treated.of or not control.of:
        return Effect(math.nan, -1.0, 1.0, "not enough data yet")
    difference = treated.value - control.value
    (low_t, high_t), (low_c, high_c) = treated.interval, control.interval
    low = difference - math.hypot(treated.value - low_t, high_c - control.value)
    high = difference + math.hypot(high_t - treated.value, control.value - low_c)
    reached = treated.reached + control.reached
    missed = treated.of + control.of - reached
    enough = min(treated.of, control.of) >= FEWEST and min(reached, missed) >= FEWEST_EVENTS
    return Effect(difference, low, high, _verdict(low, high, enough))


def mean_effect(treated: Mean, control: Mean) -> Effect:
    """Compare two means whose variances may differ (Welch, Biometrika 34, 1947)."""
    if min(treated.of, control.of) < 2:
        return Effect(treated.value - control.value, -math.inf, math.inf, "not enough data yet")
    from scipy.special import stdtrit  # loads slowly

    one, other = treated.variance / treated.of, control.variance / control.of
    difference = treated.value - control.value
    half = 0.0
    if one + other > 0:
        freedom = (one + other) ** 2 / (one**2 / (treated.of - 1) + other**2 / (control.of - 1))
        half = float(stdtrit(freedom, (1 + CONFIDENCE) / 2)) * math.sqrt(one + other)
    enough = min(treated.of, control.of) >= FEWEST
    return Effect(
        difference, difference - half, difference + half, _verdict(difference - half, difference + half, enough)
    )


def effects(groups: Mapping[str, Share] | Mapping[str, Mean], control: str) -> dict[str, Effect]:
    """Compare every variant with one control, by name; each interval holds by itself, not all of them at once.

    Raises:
        KeyError: there is no group with the control's name.
    """
    base = groups[control]
    return {name: _effect(group, base) for name, group in groups.items() if name != control}


def stop_for_harm(effect: Effect, tolerated: float = 0.0) -> bool:
    """Tell whether a treatment has to stop: with enough data, its whole interval lies below what is tolerated.

    Args:
        tolerated: the loss that would still be accepted, as a positive number in the unit of the measure.
    """
    return effect.known and effect.high < -tolerated


def _effect(group: Share | Mean, base: Share | Mean) -> Effect:
    if isinstance(group, Share) and isinstance(base, Share):
        return share_effect(group, base)
    if isinstance(group, Mean) and isinstance(base, Mean):
        return mean_effect(group, base)
    raise TypeError("shares are compared with shares, and means with means")


def _verdict(low: float, high: float, enough: bool) -> Verdict:
    if not enough:
        return "not enough data yet"
    if low > 0:
        return "better"
    return "worse" if high < 0 else "no clear difference"
