"""What the demo's accounts reach: goals with target and current value, measured once a month."""

from typing import Any

import numpy as np
import polars as pl

from storage.demo.latent import ADOPTION, Latent
from storage.demo.log import SINCE, Log, log_of
from storage.demo.portfolio import Portfolio
from storage.demo.span import Span, texts

LAG = 1 / 30  # results follow adoption with a delay of about 30 days
WITHOUT_GOALS = 0.08


def attainment(span: Span, who: Portfolio, latent: Latent) -> np.ndarray:
    """Return the share of the way to the goals by day and account; 1 is reached, more is exceeded."""
    pull = 1.34 * latent.state[..., ADOPTION] * (0.25 + 0.75 * latent.leaving)
    reached = np.zeros_like(pull)
    reached[0] = np.where(who.start < -60, pull[0], 0.45 * pull[0])
    for day in range(1, span.days):
        fresh = day <= who.start
        reached[day] = np.where(fresh, 0.45 * pull[day], reached[day - 1] + LAG * (pull[day] - reached[day - 1]))
    return reached


def goal_log(span: Span, who: Portfolio, latent: Latent) -> Log:
    """Write down each goal when stated, and again at each monthly measurement."""
    rng = span.rng("goals")
    reached = attainment(span, who, latent)
    rows: list[dict[str, Any]] = []
    for account in np.nonzero(rng.random(who.size) >= WITHOUT_GOALS)[0]:
        for number, kind in enumerate(rng.permutation(6)[: 1 + int(rng.random() < 0.45)]):
            rows += _goal(span, who, latent, rng, reached[:, account], int(account), number, int(kind))
    return log_of(rows, GOAL)


def _goal(
    span: Span,
    who: Portfolio,
    latent: Latent,
    rng: np.random.Generator,
    reached: np.ndarray,
    account: int,
    number: int,
    kind: int,
) -> list[dict[str, Any]]:
    template = texts("talk")["goals"]["list"][kind]
    baseline = round(float(rng.uniform(*template["baseline"])), 1)
    stated = int(who.start[account]) + int(rng.integers(5, 30))
    first = max(stated, 0)
    end = int(min(latent.end[account], span.days))
    if first >= end:
        return []
    row = {
        "external_id": f"G{who.ids[account][1:]}-{number + 1}",
        "account": who.ids[account],
        "objective": template["objective"],
        "unit": template["unit"],
        "baseline": baseline,
        "target": round(baseline * template["better"], 1),
        "stated_on": span.dates(stated).astype(object),
        SINCE: first,
    }
    worth = float(rng.uniform(260, 400))
    days = [day for day in range(stated + 35, end, 30) if day >= 0]
    if stated < -35:
        days.insert(0, 0)
    measured = [_measured(span, row, reached, worth, day) for day in days]
    # Each measurement is a row of its own, so that the way to the goal can be read for any day.
    return [row] + [
        {**row, **values, "external_id": f"{row['external_id']}-{number}"} for number, values in enumerate(measured, 1)
    ]


def _measured(span: Span, row: dict[str, Any], reached: np.ndarray, worth: float, day: int) -> dict[str, Any]:
    share = float(reached[day])
    return {
        "current": round(row["baseline"] + share * (row["target"] - row["baseline"]), 1),
        "roi": round(worth * share**1.5, 0),
        "efficiency_gain": round(0.28 * share, 3),
        "measured_on": span.dates(day).astype(object),
        SINCE: day,
    }


GOAL = {
    **dict.fromkeys(("external_id", "account", "objective", "unit"), pl.String),
    **dict.fromkeys(("baseline", "target", "current", "roi", "efficiency_gain"), pl.Float64),
    **dict.fromkeys(("stated_on", "measured_on"), pl.Date),
}
