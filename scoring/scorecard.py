"""Scorecards as teams declare them: strict TOML files with indicators, weights, bands and actions."""

import difflib
import itertools
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from scoring.catalogue import CATALOGUE

SCORECARDS = Path(__file__).parent / "scorecards"
DEFAULT = "matrix"
COLOURS = ("green", "yellow", "orange", "red")


class ScorecardError(ValueError):
    """A scorecard file that cannot be used; the message names file, key and what to write instead."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Band(_Strict):
    """A named range of the score, from its lower bound up to the next band."""

    name: str
    lower: float = Field(alias="from", ge=0, le=100)
    colour: Literal["green", "yellow", "orange", "red"]
    actions: tuple[str, ...] = ()


class Indicator(_Strict):
    """One feature of the catalogue, its share of the factor's weight, and how values become 0-100 points.

    Args:
        industries: it counts only for accounts of these industries; left out, for all.
    """

    feature: str
    share: float = Field(gt=0, le=1)
    points: tuple[tuple[float, float], ...] = Field(min_length=2)
    industries: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _check(self) -> "Indicator":
        if self.feature not in CATALOGUE:
            raise ValueError(_unknown("indicator", self.feature, CATALOGUE))
        values, scores = zip(*self.points, strict=True)
        if any(b <= a for a, b in itertools.pairwise(values)):
            raise ValueError(f"{self.feature}: the values of `points` must rise")
        if sorted(scores) not in (list(scores), list(scores)[::-1]) or not all(0 <= s <= 100 for s in scores):
            raise ValueError(f"{self.feature}: the scores of `points` must run one way, within 0-100")
        return self


class Factor(_Strict):
    name: str
    weight: float = Field(gt=0, le=100)
    indicators: tuple[Indicator, ...] = Field(min_length=1)


class Scorecard(_Strict):
    """A health scorecard as declared in a TOML file."""

    id: str
    title: str
    version: int
    coverage_floor: float = Field(ge=0, le=1)
    bands: tuple[Band, ...] = Field(min_length=1)
    factors: tuple[Factor, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _check(self) -> "Scorecard":
        total = sum(factor.weight for factor in self.factors)
        if abs(total - 100) > 1e-9:
            raise ValueError(f"the weights of the factors sum to {total:g}, not to 100")
        for factor in self.factors:
            if abs(sum(indicator.share for indicator in factor.indicators) - 1) > 1e-9:
                raise ValueError(f"factor '{factor.name}': the shares of its indicators do not sum to 1")
        names = [indicator.feature for indicator in self.indicators]
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise ValueError(f"the indicator '{twice}' stands there twice")
        lowers = [band.lower for band in self.bands]
        if sorted(set(lowers), reverse=True) != lowers or lowers[-1] != 0:
            raise ValueError("bands must be listed from the highest to the one that starts at 0, without overlap")
        return self

    @cached_property
    def indicators(self) -> tuple[Indicator, ...]:
        return tuple(indicator for factor in self.factors for indicator in factor.indicators)

    @cached_property
    def weights(self) -> np.ndarray:
        """Points of 100 per indicator, in the order of `indicators`."""
        return np.array([factor.weight * i.share for factor in self.factors for i in factor.indicators])

    @cached_property
    def features(self) -> tuple[str, ...]:
        """The names of the indicators' features, in their order."""
        return tuple(indicator.feature for indicator in self.indicators)

    def band(self, value: float | None) -> str | None:
        """Name the band of a score; None without a score."""
        return None if value is None else next(band.name for band in self.bands if value >= band.lower)

    def rank(self, band: str | None) -> int:
        """0 for the best band, rising with the risk; -1 without a band."""
        names = [b.name for b in self.bands]
        return names.index(band) if band in names else -1

    def at_risk(self, band: str | None) -> bool:
        """Every band but the green ones asks for attention."""
        return any(b.name == band and b.colour != "green" for b in self.bands)


@dataclass(frozen=True)
class Scorecards:
    """The scorecards that a workspace may use, and which one scores which segment.

    Args:
        cards: by id.
        choice: scorecard ids by segment; every other segment has `default`.
    """

    cards: Mapping[str, Scorecard]
    default: str = DEFAULT
    choice: Mapping[str, str] = field(default_factory=dict)

    def of(self, segment: str | None) -> Scorecard:
        """Return the scorecard of a segment."""
        return self.cards[self.choice.get(segment or "", self.default)]

    @property
    def used(self) -> tuple[Scorecard, ...]:
        """Every scorecard that scores a segment, the default first."""
        return tuple(self.cards[name] for name in dict.fromkeys([self.default, *self.choice.values()]))

    @property
    def band_names(self) -> list[str]:
        """Every band of the scorecards in use, the best colours first."""
        bands = {band.name: COLOURS.index(band.colour) for card in reversed(self.used) for band in card.bands}
        return sorted(bands, key=lambda name: bands[name])

    def chosen(self, choice: Mapping[str, str]) -> "Scorecards":
        """Return the same cards with a workspace's own choice; `*` is the default.

        Raises:
            ScorecardError: a card of the choice is not there.
        """
        for segment, name in choice.items():
            if name not in self.cards:
                raise ScorecardError(f"segment '{segment}': {_unknown('scorecard', name, self.cards)}")
        own = {segment: name for segment, name in choice.items() if segment != "*"}
        return Scorecards(self.cards, choice.get("*", self.default), own)


def load_scorecards(*folders: Path) -> Scorecards:
    """Read every scorecard file of the folders; a later folder's card replaces one of the same id.

    Raises:
        ScorecardError: with file, key, line and the reason.
    """
    cards: dict[str, Scorecard] = {}
    for folder in folders:
        found: dict[str, Path] = {}
        for file in sorted(folder.glob("*.toml")):
            card = load_scorecard(file)
            if card.id in found:
                raise ScorecardError(f"{file.name}: id: '{card.id}' is the id of {found[card.id].name} already")
            found[card.id], cards[card.id] = file, card
    return Scorecards(cards)


def load_scorecard(path: Path) -> Scorecard:
    """Read one scorecard file.

    Raises:
        ScorecardError: with the file, the key, the line and the reason.
    """
    text = path.read_text()
    try:
        return Scorecard.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise ScorecardError(f"{path.name}: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "scorecard"
        reason = first["msg"].removeprefix("Value error, ")
        if first["type"] == "extra_forbidden":
            reason = _unknown("key", str(first["loc"][-1]), _KEYS)
        raise ScorecardError(f"{path.name}, line {_line(text, first)}: {where}: {reason}") from error


_KEYS = sorted({key for model in (Scorecard, Factor, Indicator, Band) for key in model.model_fields} | {"from"})


def _unknown(what: str, name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, list(known), 1, 0.3)
    return f"unknown {what} '{name}'" + (f", did you mean '{near[0]}'?" if near else "")


def _line(text: str, error: Any) -> int:
    """The line that an error is about, found by what stands there: TOML keeps no positions."""
    path = [part for part in error["loc"] if isinstance(part, str)]
    counts = [part for part in error["loc"] if isinstance(part, int)]
    lines = text.splitlines()
    start = 0
    if path and counts:
        heads = [n for n, line in enumerate(lines) if line.strip() == f"[[{path[0]}]]"]
        start = heads[counts[0]] if counts[0] < len(heads) else 0
    found = error["input"]
    needles = [f'"{found["feature"]}"'] if isinstance(found, dict) and "feature" in found else []
    needles += [f"{path[-1]} ="] if path else []
    for needle in needles:
        for n in range(start, len(lines)):
            if needle in lines[n]:
                return n + 1
    return start + 1
