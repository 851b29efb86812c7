"""Health scores from a declared scorecard, with coverage and drivers, for all accounts at once."""

import difflib
import itertools
import tomllib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import polars as pl
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from scoring.catalogue import CATALOGUE

SCORECARDS = Path(__file__).parent / "scorecards"
FEWEST_LOSSES = 10  # below this the history says too little about how often accounts of a band leave
PRIOR_ACCOUNTS = 20  # how many accounts at the overall rate each band's own count is blended with


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
    """One feature of the catalogue, its share of the factor's weight, and how values become 0-100 points."""

    feature: str
    share: float = Field(gt=0, le=1)
    points: tuple[tuple[float, float], ...] = Field(min_length=2)

    @model_validator(mode="after")
    def _check(self) -> "Indicator":
        if self.feature not in CATALOGUE:
            near = difflib.get_close_matches(self.feature, CATALOGUE, 1, 0.3)
            raise ValueError(f"unknown indicator '{self.feature}', did you mean '{near[0] if near else '?'}'?")
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


def load_scorecard(path: Path) -> Scorecard:
    """Read one scorecard file.

    Raises:
        ScorecardError: with the file, the key and the reason.
    """
    try:
        return Scorecard.model_validate(tomllib.loads(path.read_text()))
    except tomllib.TOMLDecodeError as error:
        raise ScorecardError(f"{path.name}: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ScorecardError(f"{path.name}: {where}: {first['msg'].removeprefix('Value error, ')}") from error


@dataclass(frozen=True)
class Health:
    """Scores of many accounts; row i of every array belongs to `account_ids[i]`.

    Args:
        values: 0-100, nan where coverage is below the scorecard's floor.
        coverage: share of the scorecard's weight that had data, 0-1.
        raw: accounts x indicators, the features' own values.
        points: accounts x indicators, 0-100, nan where missing.
        effective: accounts x indicators, weights after missing ones were left out; rows sum to 1.
    """

    scorecard: Scorecard
    account_ids: np.ndarray
    values: np.ndarray
    coverage: np.ndarray
    raw: np.ndarray
    points: np.ndarray
    effective: np.ndarray

    def drivers(self, row: int) -> dict[str, dict[str, float]]:
        """Return each present indicator's value, points, and effect on the score against the mean."""
        means = self._means
        return {
            indicator.feature: {
                "value": round(float(self.raw[row, k]), 4),
                "points": round(float(self.points[row, k]), 2),
                "effect": round(float((self.points[row, k] - means[k]) * self.effective[row, k]), 2),
            }
            for k, indicator in enumerate(self.scorecard.indicators)
            if not np.isnan(self.points[row, k])
        }

    @cached_property
    def _means(self) -> np.ndarray:
        present = ~np.isnan(self.points)
        return np.nansum(self.points, axis=0) / np.maximum(present.sum(axis=0), 1)


def score(scorecard: Scorecard, features: pl.DataFrame) -> Health:
    """Score every account of a feature table.

    Missing indicators are left out and the rest re-weighted in proportion; they never count as zero.

    Args:
        features: one row per account with `account_id` and columns of the catalogue (null = missing).
    """
    raw = np.column_stack([_column(features, i.feature) for i in scorecard.indicators])
    points = np.column_stack([np.interp(raw[:, k], *_curve(i)) for k, i in enumerate(scorecard.indicators)])
    present = ~np.isnan(raw)
    points[~present] = np.nan
    weights = np.where(present, scorecard.weights, 0.0)
    total = weights.sum(axis=1)
    effective = weights / np.maximum(total, 1e-12)[:, None]
    values = np.nansum(points * effective, axis=1)
    coverage = total / 100
    values[coverage < max(scorecard.coverage_floor, 1e-9)] = np.nan
    ids = features["account_id"].to_numpy()
    return Health(scorecard, ids, np.round(values, 1), coverage, raw, points, effective)


def loss_rates(history: pl.DataFrame) -> dict[str, float]:
    """Estimate how often accounts of each band were lost within the horizon that followed.

    Args:
        history: `account_id`, `band`, `lost` (bool), one row per snapshot whose horizon has fully passed.

    Returns:
        Rate per band, blended with the overall rate by `PRIOR_ACCOUNTS`; empty while fewer than
        `FEWEST_LOSSES` different accounts were lost.
    """
    if history.filter("lost")["account_id"].n_unique() < FEWEST_LOSSES:
        return {}
    overall = float(history["lost"].mean())  # type: ignore[arg-type]
    counts = history.group_by("band").agg(pl.len().alias("n"), pl.col("lost").sum().alias("k"))
    return {band: (k + overall * PRIOR_ACCOUNTS) / (n + PRIOR_ACCOUNTS) for band, n, k in counts.iter_rows()}


def _column(features: pl.DataFrame, name: str) -> np.ndarray:
    return features[name].cast(pl.Float64).to_numpy() if name in features.columns else np.full(features.height, np.nan)


def _curve(indicator: Indicator) -> tuple[Any, Any]:
    return tuple(zip(*indicator.points, strict=True))  # type: ignore[return-value]
