"""The churn model on data that nobody here made, against untuned figures; its speed against the bare estimator."""

import os
import resource
import time
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import brier_score_loss, roc_auc_score
from sklearn.model_selection import StratifiedKFold
from sklearn.preprocessing import OrdinalEncoder

from bot.app import build_core
from bot.runtime import Core
from bot.settings import Settings
from scoring.churn.backtest import FOLD_DAYS
from scoring.churn.blend import fit_blend
from scoring.churn.model import sigmoid
from scoring.churn.periods import account_periods, inputs_of, useful_columns
from scoring.churn.training import LATEST, fit_churn
from scoring.churn.trees import PARAMETERS, grow
from tools.imports import import_files
from tools.training import BacktestReport, History, backtest_report, learning_history

REPO = Path(__file__).parents[2]
DATA = Path(os.environ.get("TEND_SHARED", REPO.parent / "shared")) / "data"
# Untuned gradient boosting: (cross-validated AUC, Brier score); file, label, its value for a loss, columns left out.
SNAPSHOTS = {
    "telco_ibm": ("telco.csv", "Churn", "Yes", ("customerID",), 0.846, 0.135),
    "iranian_churn": ("customer_churn.csv", "Churn", 1, (), 0.986, 0.031),
    "bank_churn_10k": ("bank_churn.csv", "churn", 1, ("rownumber", "customerid", "surname"), 0.868, 0.101),
    "mlc_churn_5000": ("mlc_churn.csv", "churn", "yes", (), 0.920, 0.040),
}
ACCOUNTS, MONTHS, COLUMNS = 100_000, 18, 100


def imported(name: str, folder: Path) -> Core:
    if not (DATA / name).is_dir():
        pytest.skip(f"the data set {name} is not on this machine (TEND_SHARED names the folder that holds it)")
    core = build_core(Settings(_env_file=None, data_dir=folder))
    import_files(core.context(), DATA / name, REPO / f"storage/sources/maps/{name}.toml")
    return core


def shown(report: BacktestReport) -> None:
    assert report.result is not None
    for r in report.result.records:
        if r.auc:
            auc = f"AUC {r.auc.value:.3f} ({r.auc.low:.3f}-{r.auc.high:.3f})"
            rest = f", Brier skill {r.brier_skill:.4f}, slope {r.calibration_slope:.2f}" if r.calibration_slope else ""
            lift = f"base rate {r.base_rate:.4f}, lift {r.lift_at_10:.2f}"
            print(f"{r.first + 1}-{r.last} days, {r.forecaster}: {auc}, {lift}{rest}")
    for w in report.result.warnings:
        if w.recall and w.precision:
            print(
                f"alerts to {w.budget:.0%}, {w.forecaster}: recall {w.recall.value:.3f} "
                f"({w.recall.low:.3f}-{w.recall.high:.3f}), by chance {w.by_chance:.3f}, precision {w.precision:.3f}, "
                f"lead {w.lead_days} days, of revenue {w.revenue_recall:.3f}"
            )


@pytest.fixture(scope="module")
def crm(tmp_path_factory: pytest.TempPathFactory) -> tuple[History, BacktestReport]:
    """The dated world, with the record of our model on it."""
    ctx = imported("fightchurn_crm5", tmp_path_factory.mktemp("crm5")).context()
    history = learning_history(ctx)
    return history, backtest_report(ctx, history=history)


@pytest.mark.timeout(900)
def test_dated_losses_are_foretold_at_least_as_well_as_by_untuned_boosting(crm: tuple[History, BacktestReport]) -> None:
    _, report = crm
    print("\nfightchurn_crm5 (an oracle reaches about .85)")
    shown(report)
    assert report.result is not None
    assert report.no_signal is None
    near, next_ = (report.result.record("model", window).auc for window in ((0, 30), (30, 60)))
    assert near is not None
    assert next_ is not None
    assert near.value >= 0.784
    assert next_.value >= 0.776
    found = {w.budget: w.recall.value for w in report.result.warnings if w.forecaster == "model" and w.recall}
    assert found[0.1] >= 0.37
    assert found[0.2] >= 0.55


@pytest.mark.timeout(900)
def test_one_model_of_hazards_is_as_good_as_a_model_for_each_horizon(crm: tuple[History, BacktestReport]) -> None:
    history, report = crm
    assert report.result is not None
    ours = report.result.rows
    for window in ((0, 30), (30, 60)):
        parts = [_direct(history, cutoff, window) for cutoff in report.result.cutoffs]
        both = ours.join(pl.concat(parts), on=("account_id", "day"), maintain_order="left")
        both = both.rename({f"model:{window[0]}-{window[1]}": "hazards"})
        kept = both.filter(pl.col("left_after").fill_null(10**6) > window[0], pl.col("observed") >= window[1])
        lost = (kept["left_after"].fill_null(10**6) <= window[1]).to_numpy()
        one, direct = (roc_auc_score(lost, kept[name].to_numpy()) for name in ("hazards", "direct"))
        print(f"\n{window[0] + 1}-{window[1]} days: hazards AUC {one:.3f}, a model for this horizon alone {direct:.3f}")
        assert one >= direct - 0.01


def _direct(history: History, cutoff: date, window: tuple[int, int]) -> pl.DataFrame:
    """Forecasts of a classifier that was trained for one window, with the same trees and the same past."""
    gone = history.churned.group_by("account_id").agg(pl.col("churned_on").min())
    rows = history.rows.join(gone, on="account_id", how="left", maintain_order="left")
    after = (pl.col("churned_on") - pl.col("day")).dt.total_days().fill_null(10**6)
    first, last = window
    columns = useful_columns(history.rows.filter(pl.col("day") <= cutoff))
    past = rows.filter(pl.col("day") <= cutoff - timedelta(days=last), after > first)
    judged = rows.filter(pl.col("day") > cutoff, pl.col("day") <= cutoff + timedelta(days=FOLD_DAYS))
    lost = past.select(after <= last).to_series().to_numpy()
    forest = grow(inputs_of(past, columns, 1), lost, np.ones(len(lost)))
    told = forest.log_odds(inputs_of(judged, columns, 1))
    return judged.select("account_id", "day").with_columns(pl.Series("direct", told))


@pytest.mark.timeout(900)
def test_labels_that_are_noise_give_no_forecast(tmp_path: Path) -> None:
    report = backtest_report(imported("ravenstack", tmp_path).context())
    print(f"\nravenstack: {report.text}")
    if report.result:
        shown(report)
    assert report.no_signal


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", SNAPSHOTS)
def test_the_estimator_is_as_good_as_untuned_boosting_on_snapshots(name: str) -> None:
    file, label, lost, left_out, auc, brier = SNAPSHOTS[name]
    if not (DATA / name).is_dir():
        pytest.skip(f"the data set {name} is not on this machine")
    rows = pl.read_csv(DATA / name / file, infer_schema_length=None).unique(maintain_order=True)
    texts = [c for c, kind in rows.schema.items() if kind == pl.String and c not in (label, *left_out)]
    numbers = [c for c, kind in rows.schema.items() if kind.is_numeric() and c not in (label, *left_out)]
    coded = OrdinalEncoder().fit_transform(rows.select(texts).to_numpy()) if texts else np.empty((rows.height, 0))
    inputs = np.column_stack([rows.select(numbers).to_numpy(), coded])
    truth = (rows[label] == lost).to_numpy()
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    chance = np.empty(len(truth))
    for learned, judged in folds.split(inputs, truth):
        late = np.random.default_rng(0).random(len(learned)) < LATEST
        blend = fit_blend(inputs[learned], truth[learned], np.ones(len(learned)), ~late, late)
        chance[judged] = sigmoid(blend.log_odds(inputs[judged]))
    ours = roc_auc_score(truth, chance), brier_score_loss(truth, chance)
    print(f"\n{name}: AUC {ours[0]:.3f} (untuned {auc}), Brier {ours[1]:.3f} (untuned {brier})")
    assert ours[0] >= auc - 0.002  # equal, within what the folds decide
    assert ours[1] <= brier + 0.001


@pytest.fixture(scope="module")
def fleet() -> tuple[pl.DataFrame, pl.DataFrame, date]:
    """Account-months of a large made-up fleet: half of the columns speak of leaving."""
    rng, until = np.random.default_rng(5), date(2026, 6, 30)
    level = rng.normal(size=ACCOUNTS)
    parts = []
    gone = np.full(ACCOUNTS, np.inf)
    for month in range(MONTHS):
        level = 0.9 * level + 0.4 * rng.normal(size=ACCOUNTS)
        values = rng.normal(size=(ACCOUNTS, COLUMNS)).astype(np.float32)
        values[:, : COLUMNS // 2] += level[:, None]
        values[rng.random(values.shape) < 0.1] = np.nan
        day = until - timedelta(days=30 * (MONTHS - month))
        here = np.flatnonzero(gone > month)
        frame = pl.DataFrame(values[here], schema=[f"c{k}" for k in range(COLUMNS)]).with_columns(
            pl.Series("account_id", here), pl.lit(day).alias("day")
        )
        parts.append(frame)
        leaves = (rng.random(ACCOUNTS) < 0.02 * np.exp(-level)) & (gone > month)
        gone[leaves] = month + 0.5
    lost = np.flatnonzero(np.isfinite(gone))
    days = [until - timedelta(days=int(30 * (MONTHS - gone[k]))) for k in lost]
    return pl.concat(parts), pl.DataFrame({"account_id": lost, "churned_on": days}), until


@pytest.mark.timeout(900)
def test_a_large_fleet_is_learned_from_in_two_minutes(fleet: tuple[pl.DataFrame, pl.DataFrame, date]) -> None:
    history, churned, until = fleet
    started = time.perf_counter()
    model = fit_churn(history, churned, until)
    ours = time.perf_counter() - started
    periods = account_periods(history, churned, until, useful_columns(history))
    bare: Any = HistGradientBoostingClassifier(**PARAMETERS)
    inputs = np.where(np.isnan(periods.inputs).all(axis=0), 0.0, periods.inputs)
    started = time.perf_counter()
    bare.fit(inputs, periods.lost)
    alone = time.perf_counter() - started
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(
        f"\n{history.height:,} account-months, {len(periods.lost):,} periods learned from: {ours:.0f} s, bare fit "
        f"{alone:.0f} s, {ours / alone:.2f} times; {memory:.1f} GB at most, the made-up data included"
    )
    assert ours <= 120
    assert memory <= 4
    table = history.filter(pl.col("day") == history["day"].max())
    started = time.perf_counter()
    within = 1 - model.survival(table, (30, 60, 90))[:, 1]
    model.explain(table[np.argsort(-within)[:5000]], 60)
    seconds = time.perf_counter() - started
    print(f"{table.height:,} accounts forecast, the riskiest 5,000 explained: {seconds:.1f} s")
    assert seconds <= 5
