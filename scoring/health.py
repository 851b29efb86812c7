"""Health scores of all accounts at once, each with coverage, and what made or moved it."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np
import polars as pl

from scoring.scorecard import Indicator, Scorecard

FEWEST_LOSSES = 10  # below this the history says too little about how often accounts of a band leave
PRIOR_ACCOUNTS = 20  # how many accounts at the overall rate each band's own count is blended with
DECIMALS = 6  # of stored indicator values: they are rounded before they are scored, so a replay is exact

Raw = Sequence[float | None]
Drivers = dict[str, dict[str, float]]


@dataclass(frozen=True)
class Health:
    """Scores of many accounts; row i of every array belongs to `account_ids[i]`.

    Args:
        values: 0-100, nan where coverage is below the scorecard's floor.
        coverage: share of the weight that applies to the account and had data, 0-1.
        raw: accounts x indicators, the features' own values.
        points: accounts x indicators, 0-100, nan where missing.
    """

    scorecard: Scorecard
    account_ids: np.ndarray
    values: np.ndarray
    coverage: np.ndarray
    raw: np.ndarray
    points: np.ndarray

    @cached_property
    def means(self) -> list[float]:
        """Mean points of each indicator over the accounts that have it: what drivers are measured against."""
        present = ~np.isnan(self.points)
        sums = np.where(present, self.points, 0.0).sum(axis=0)
        return [round(float(mean), 4) for mean in sums / np.maximum(present.sum(axis=0), 1)]

    @cached_property
    def bands(self) -> pl.Series:
        """The band of each score; null without one."""
        names = [band.name for band in reversed(self.scorecard.bands)]
        lowers = np.array([band.lower for band in reversed(self.scorecard.bands)])
        places = np.searchsorted(lowers, np.nan_to_num(self.values), side="right") - 1
        found = pl.Series(names).gather(places)
        return pl.select(pl.when(~pl.Series(np.isnan(self.values))).then(found)).to_series()

    def raw_json(self) -> pl.Series:
        """Each account's indicator values as a JSON list, in the scorecard's order."""
        columns = [pl.Series(f"{k}", self.raw[:, k], nan_to_null=True) for k in range(self.raw.shape[1])]
        shown = [pl.col(column.name).cast(pl.String).fill_null("null") for column in columns]
        listed = pl.concat_str([pl.lit("["), pl.concat_str(shown, separator=","), pl.lit("]")])
        return pl.DataFrame(columns).select(listed).to_series()


def score(scorecard: Scorecard, features: pl.DataFrame) -> Health:
    """Score every account of a feature table.

    Missing indicators are left out and the rest re-weighted in proportion; they never count as zero.

    Args:
        features: one row per account with `account_id`, `industry` and columns of the catalogue (null = missing).
    """
    raw = np.column_stack([_column(features, i) for i in scorecard.indicators])
    applies = np.column_stack([_applies(features, i) for i in scorecard.indicators])
    raw = np.where(applies, np.round(raw, DECIMALS), np.nan)
    points = _points(scorecard, raw)
    present = ~np.isnan(raw)
    weights = np.where(present, scorecard.weights, 0.0)
    total = weights.sum(axis=1)
    values = (np.where(present, points, 0.0) * weights).sum(axis=1) / np.maximum(total, 1e-12)
    coverage = total / np.maximum(np.where(applies, scorecard.weights, 0.0).sum(axis=1), 1e-12)
    values[coverage < max(scorecard.coverage_floor, 1e-9)] = np.nan
    return Health(scorecard, features["account_id"].to_numpy(), np.round(values, 1), coverage, raw, points)


def drivers(scorecard: Scorecard, means: Sequence[float], raw: Raw) -> Drivers:
    """Return each present indicator's value, points, and effect on the score against the mean.

    Args:
        means: the portfolio's mean points per indicator on that day.
        raw: the account's indicator values, in the scorecard's order; None = missing.
    """
    points, effective = _one(scorecard, raw)
    return {
        feature: {
            "value": value,
            "points": round(float(points[k]), 2),
            "effect": round(float((points[k] - means[k]) * effective[k]), 2),
        }
        for k, (feature, value) in enumerate(zip(scorecard.features, raw, strict=True))
        if value is not None
    }


def contributions(scorecard: Scorecard, raw: Raw) -> dict[str, float]:
    """Return what each present indicator adds to the score; they sum to it."""
    points, effective = _one(scorecard, raw)
    return {f: float(points[k] * effective[k]) for k, f in enumerate(scorecard.features) if raw[k] is not None}


def value_of(scorecard: Scorecard, raw: Raw) -> float | None:
    """Score one account again from stored indicator values: what `score` gave on the day."""
    parts = contributions(scorecard, raw)
    return round(sum(parts.values()), 1) if parts else None


def waterfall(before: tuple[Scorecard, Raw, float], now: tuple[Scorecard, Raw, float]) -> dict[str, float]:
    """Split the change between two stored scores into one delta per indicator.

    Args:
        before, now: scorecard, indicator values and the stored score (one decimal).

    Returns:
        Deltas in points, one decimal each, that sum exactly to `now - before`; indicators that did not move
        are left out. An indicator that has data on one side only moves by all that it adds there.
    """
    old, new = contributions(*before[:2]), contributions(*now[:2])
    exact = {name: 10 * (new.get(name, 0.0) - old.get(name, 0.0)) for name in {**old, **new}}
    change = round(10 * now[2]) - round(10 * before[2])
    tenths = _rounded(exact, change)
    return {name: value / 10 for name, value in tenths.items() if value}


def _rounded(exact: dict[str, float], total: int) -> dict[str, int]:
    """Round to whole numbers that sum to `total`: the largest remainders go up."""
    floors = {name: math.floor(value) for name, value in exact.items()}
    spare = total - sum(floors.values())
    order = sorted(exact, key=lambda name: (floors[name] - exact[name], name))
    for turn in range(abs(spare)):
        floors[order[turn % len(order)] if spare > 0 else order[-1 - turn % len(order)]] += 1 if spare > 0 else -1
    return floors


def read_raw(text: str | None) -> list[float | None]:
    """Read stored indicator values."""
    return json.loads(text) if text else []


def loss_rates(counts: Sequence[tuple[str, int, int]]) -> dict[str, float]:
    """Estimate how often accounts of each band were lost within the horizon that followed.

    Args:
        counts: band, accounts scored, and how many of them were lost within the horizon; no loss twice.

    Returns:
        Rate per band, blended with the overall rate by `PRIOR_ACCOUNTS`; empty while fewer than
        `FEWEST_LOSSES` accounts were lost.
    """
    accounts, lost = sum(n for _, n, _ in counts), sum(k for _, _, k in counts)
    if lost < FEWEST_LOSSES:
        return {}
    overall = lost / accounts
    return {band: (k + overall * PRIOR_ACCOUNTS) / (n + PRIOR_ACCOUNTS) for band, n, k in counts}


def _points(scorecard: Scorecard, raw: np.ndarray) -> np.ndarray:
    points = np.column_stack([np.interp(raw[:, k], *_curve(i.points)) for k, i in enumerate(scorecard.indicators)])
    points[np.isnan(raw)] = np.nan
    return points


def _one(scorecard: Scorecard, raw: Raw) -> tuple[np.ndarray, np.ndarray]:
    """Points and effective weights of one account; missing indicators have weight 0."""
    values = np.array([[np.nan if value is None else value for value in raw]], dtype=float)
    weights = np.where(np.isnan(values[0]), 0.0, scorecard.weights)
    return np.nan_to_num(_points(scorecard, values)[0]), weights / max(weights.sum(), 1e-12)


def _column(features: pl.DataFrame, indicator: Indicator) -> np.ndarray:
    name = indicator.feature
    return features[name].cast(pl.Float64).to_numpy() if name in features.columns else np.full(features.height, np.nan)


def _applies(features: pl.DataFrame, indicator: Indicator) -> np.ndarray:
    if not indicator.industries or "industry" not in features.columns:
        return np.full(features.height, not indicator.industries)
    return features["industry"].is_in(indicator.industries).fill_null(False).to_numpy()


@cache
def _curve(points: tuple[tuple[float, float], ...]) -> tuple[np.ndarray, np.ndarray]:
    """Values and scores as arrays, made once: an answer asks for them thousands of times."""
    values, scores = np.array(points, dtype=float).T
    return np.ascontiguousarray(values), np.ascontiguousarray(scores)
