"""How likely an account is to grow within a quarter, learned from those that did: more seats, a larger plan."""

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import polars as pl

from scoring.churn.blend import fit_blend
from scoring.churn.model import ChurnModel
from scoring.churn.periods import inputs_of, useful_columns
from scoring.churn.training import TooLittleDataError
from scoring.honesty import Estimate, bootstrap, weighted_auc

HORIZON = 90  # days
FEWEST_GROWN = 30  # accounts that grew with features from before
LATE = 0.25  # share of the days, the newest, that calibrate
HELD_OUT = 180  # days of origins that a judgement rests on


@dataclass(frozen=True)
class Judged:
    """How well growth was foretold on days that the model had not seen.

    Args:
        model, rule: AUC of the model and of the rules' score; None with too few that grew.
        stated, observed: mean chance stated, and share that grew.
        rows, grown: forecasts judged, and how many of their accounts grew.
    """

    model: Estimate | None
    rule: Estimate | None
    stated: float
    observed: float
    rows: int
    grown: int


def labelled(history: pl.DataFrame, events: pl.DataFrame, until: date, horizon: int = HORIZON) -> pl.DataFrame:
    """Add `grew` to rows whose next `horizon` days are known: whether the account grew in them.

    Args:
        history: feature tables of several days with `day` and `account_id`.
        events: `account_id, on`: when accounts grew; one may grow again.
        until: the last day of which growth is known.
    """
    known = history.filter(pl.col("day") <= until - timedelta(days=horizon)).sort("day")
    ahead = events.filter(pl.col("on") <= until).select("account_id", "on").unique().sort("on")
    joined = known.join_asof(
        ahead.with_columns((pl.col("on") - pl.duration(days=1)).alias("_before")),
        left_on="day",
        right_on="_before",
        by="account_id",
        strategy="forward",
        check_sortedness=False,
    )
    near = (pl.col("on") - pl.col("day")).dt.total_days() <= horizon
    return joined.with_columns(near.fill_null(False).alias("grew")).drop("on", "_before", strict=False)


def fit_propensity(history: pl.DataFrame, events: pl.DataFrame, until: date) -> ChurnModel:
    """Fit on what was known until a day; `chances` reads the result.

    Raises:
        TooLittleDataError: with the counts.
    """
    rows = labelled(history, events, until)
    grown = rows.filter("grew")["account_id"].n_unique()
    columns = useful_columns(rows.drop("grew"))
    if grown < FEWEST_GROWN or grown == rows.height or not columns:
        raise TooLittleDataError(
            f"{grown} of {rows['account_id'].n_unique()} accounts grew in the history that can be learned from; it "
            f"takes {FEWEST_GROWN}"
        )
    grew, days = rows["grew"].to_numpy(), rows["day"].to_numpy()
    distinct = np.unique(days)
    first = distinct[min(int(len(distinct) * (1 - LATE)), len(distinct) - 1)]
    early = days + np.timedelta64(HORIZON, "D") <= first
    blend = fit_blend(inputs_of(rows, columns, 1), grew, np.ones(len(grew)), early, days >= first)
    return ChurnModel(columns, blend)


def chances(model: ChurnModel, table: pl.DataFrame) -> np.ndarray:
    """Return each account's chance to grow within `HORIZON` days: the model knows this one period only."""
    return model.hazards(table, 1)[:, 0]


def judge(history: pl.DataFrame, events: pl.DataFrame, until: date, rule: pl.Series | None = None) -> Judged:
    """Fit on the past and hold the forecasts of the newest origins against what happened.

    Args:
        rule: the rules' score of each row of the history, to compare with.

    Raises:
        TooLittleDataError: the past before the newest origins is too short.
    """
    cutoff = until - timedelta(days=HORIZON + HELD_OUT)
    model = fit_propensity(history, events, cutoff)
    scored = history if rule is None else history.with_columns(rule.alias("_rule"))
    later = labelled(scored.filter(pl.col("day") > cutoff), events, until)
    if later.is_empty():
        raise TooLittleDataError("no day of the history has outcomes after it")
    told = chances(model, later)
    rows = later.with_columns(pl.Series("_model", told))
    return Judged(
        _auc(rows, "_model"),
        _auc(rows, "_rule") if rule is not None else None,
        float(told.mean()),
        float(later["grew"].to_numpy().mean()),
        later.height,
        int(later["grew"].sum()),
    )


def _auc(rows: pl.DataFrame, column: str) -> Estimate | None:
    told = rows.drop_nulls(column)
    grew, score = told["grew"].to_numpy(), told[column].to_numpy()
    if grew.sum() < 2 or grew.all():
        return None
    return bootstrap(weighted_auc(-score, grew), told["account_id"].to_numpy())
