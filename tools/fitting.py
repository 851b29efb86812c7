"""Weights that the accounts who left suggest, compared with the hand-set ones; adopted on a person's word only."""

from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl

from scoring.catalogue import CATALOGUE
from scoring.fit import Fit, Sample, fit, fitted_card
from scoring.health import FEWEST_LOSSES, score
from scoring.honesty import HORIZON, labelled
from scoring.scorecard import Scorecard
from scoring.writing import as_toml
from tools.context import Context
from tools.facts import FactSheet, Result, day
from tools.honesty import interval
from tools.refresh import Progress, no_progress
from tools.replay import churned_accounts, features_of, history_of, replay_days

YEARS = 720  # days back, where there are facts: only one day in sixty is scored, so more of them cost little
SOURCE = "fit on past days, account"


@dataclass(frozen=True)
class FitResult(Result):
    """Fitted weights beside the hand-set ones.

    Args:
        card: the scorecard with the fitted weights; None with too few losses.
        weights: indicator, hand-set and fitted weight in points of 100.
    """

    card: Scorecard | None = None
    weights: tuple[tuple[str, float, float], ...] = ()
    found: Fit | None = None
    as_of: date = date.min


def fit_scorecard(ctx: Context, card: Scorecard, progress: Progress = no_progress) -> FitResult:
    """Fit a scorecard's weights to the accounts that left, and compare both on later days.

    Nothing is adopted: see `adopt`.
    """
    days = replay_days(ctx, HORIZON, YEARS)
    found = fit(card, _sample(ctx, card, days, progress))
    if not found.weights:
        return FitResult(text=_too_few(card, found), found=found, as_of=days[-1])
    labels = [CATALOGUE[name].label for name in card.features]
    sheet = FactSheet(days[-1])
    weights = tuple(zip(labels, card.weights.tolist(), found.weights, strict=True))
    for label, hand, fitted in weights:
        sheet.add(card.title, f"hand-set weight of {label}", hand, "points", SOURCE)
        sheet.add(card.title, f"fitted weight of {label}", fitted, "points", SOURCE)
    for name, auc in (("hand-set", found.hand_auc), ("fitted", found.fitted_auc)):
        sheet.add(card.title, f"AUC of the {name} weights on later days", getattr(auc, "value", None), "score", SOURCE)
    return FitResult(
        text=_verdict(card, found),
        facts=tuple(sheet),
        card=fitted_card(card, found.weights),
        weights=weights,
        found=found,
        as_of=days[-1],
    )


def adopt(result: FitResult, folder: Path) -> Path:
    """Write the fitted scorecard as a file of the team's own, in one step. Returns the file.

    Args:
        folder: of the team's scorecards; every file of it is loaded at the next start.
    """
    assert result.card is not None
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{result.card.id}.toml"
    part = file.with_suffix(".part")
    part.write_text(as_toml(result.card, f"Weights fitted on data until {result.as_of}.\n{result.text}"))
    part.replace(file)
    return file


def _sample(ctx: Context, card: Scorecard, days: list[date], progress: Progress) -> Sample:
    """Score the days a horizon apart; accounts without a score teach nothing."""
    scored = []
    for when, features in zip(days, features_of(ctx, days, progress), strict=True):
        health = score(card, features)
        rows = history_of(health, when).with_columns(pl.Series("points", health.points))
        scored.append(rows.filter(pl.col("band").is_not_null()))
    rows = labelled(pl.concat(scored), churned_accounts(ctx), days[-1])
    points = rows["points"].to_numpy().reshape(rows.height, len(card.indicators))
    lost = rows["lost"].to_numpy()
    return Sample(rows["account_id"].to_numpy(), rows["day"].to_numpy().astype("datetime64[D]"), points, lost)


def _too_few(card: Scorecard, found: Fit) -> str:
    return (
        f"Too few losses to fit the weights of {card.id}: {found.trained_lost} within {HORIZON} days of a score. "
        f"At least {FEWEST_LOSSES} are needed to fit them, and as many on later days to compare."
    )


def _verdict(card: Scorecard, found: Fit) -> str:
    assert found.held_out_from is not None
    assert found.hand_auc is not None
    assert found.fitted_auc is not None
    better = found.fitted_auc.value - found.hand_auc.value
    if found.fitted_auc.low > found.hand_auc.high:
        said = "The fitted weights tell losses apart better than the hand-set ones."
    elif np.isclose(better, 0, atol=0.005):
        said = "The fitted weights are as good as the hand-set ones."
    else:
        said = f"The fitted weights look {'better' if better > 0 else 'worse'}, but the intervals overlap: no proof."
    return (
        f"{card.title} on {found.held_out_lost} losses since {day(found.held_out_from)}, which the fit has not seen: "
        f"AUC {interval(found.hand_auc)} with the hand-set weights, {interval(found.fitted_auc)} with weights fitted "
        f"to {found.trained_lost} losses before. {said}"
    )
