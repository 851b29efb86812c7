"""The days that a demo world covers, and the random numbers that it is made of."""

from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

HISTORY = 548  # days before today: 18 months
AHEAD = 90  # days after today, so that the demo's clock can step forward
TEXTS = Path(__file__).parent / "texts"


@dataclass(frozen=True)
class Span:
    """The days of a world; day 0 is eighteen months before `today`.

    Args:
        today: the day on which the demo starts.
        seed: worlds with the same day and seed are the same.
    """

    today: date
    seed: int

    @property
    def first(self) -> date:
        """The calendar date of day 0."""
        return self.today - timedelta(days=HISTORY)

    @property
    def days(self) -> int:
        """How many days the world has."""
        return HISTORY + AHEAD + 1

    def rng(self, subject: str) -> np.random.Generator:
        """Return the subject's own random numbers, so that a change to one subject leaves the others."""
        key = int.from_bytes(subject.encode(), "big") % 2**63
        return np.random.default_rng([self.seed, self.today.toordinal(), key])

    def dates(self, index: Any) -> np.ndarray:
        """Turn day numbers into dates; a negative number lies before the history."""
        return np.datetime64(self.first, "D") + np.asarray(index).astype("timedelta64[D]")

    def dates_or_none(self, index: np.ndarray, known: np.ndarray) -> np.ndarray:
        """Turn day numbers into dates where `known`, else into no date."""
        return np.where(known, self.dates(index), np.datetime64("NaT", "D"))

    def weekdays(self) -> np.ndarray:
        """Return the weekday of each day, Monday 0."""
        return (np.arange(self.days) + self.first.weekday()) % 7

    def business(self) -> np.ndarray:
        """Return how busy each day is for a company: quiet at weekends and between the years."""
        factor = np.where(self.weekdays() >= 5, 0.06, 1.0)
        dates = self.dates(np.arange(self.days)).astype(object)
        quiet = np.array([(d.month, d.day) in QUIET for d in dates])
        return np.where(quiet, factor * 0.35, factor)


QUIET = {(1, 1), (5, 1), (12, 24), (12, 25), (12, 26), (12, 31)}


@cache
def texts(name: str) -> dict[str, Any]:
    """Read one file of words and tables."""
    import tomllib

    return tomllib.loads((TEXTS / f"{name}.toml").read_text("utf-8"))
