"""Train the churn model on the workspace's own history, and say how it did against who really left."""

import importlib.metadata
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date
from typing import Any

import polars as pl
from sqlmodel import func, select

from scoring.churn.backtest import HORIZONS, JUDGED, Backtest, backtest
from scoring.churn.evaluation import HorizonRecord, horizon_record, paired_difference
from scoring.churn.model import ChurnModel
from scoring.churn.periods import account_periods, outcomes_known_until
from scoring.churn.training import TooLittleDataError, fit_churn
from scoring.churn.trees import PARAMETERS
from storage.models import ModelVersion
from tools.context import Context
from tools.errors import UserError
from tools.facts import FactSheet, Result, day
from tools.forecasts import CHALLENGER, CHAMPION, CHURN, RETIRED, champion, read_model, store_forecasts
from tools.honesty import interval
from tools.refresh import features_on, score_all
from tools.replay import churned_accounts, features_of, history_of, newest_day, replay_days

STEP, SPAN = 15, 720  # days between two days that are learned from, and how far back they go
SOURCE = "back-test, account"
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class BacktestReport(Result):
    """How well losses would have been foretold; `no_signal` says why forecasts are not to be used, if they are not."""

    result: Backtest | None = None
    no_signal: str | None = None
    as_of: date = date.min


@dataclass(frozen=True)
class Training(Result):
    """What a training run did."""

    version: int | None = None
    adopted: bool = False
    report: BacktestReport | None = None


@dataclass(frozen=True, eq=False)
class History:
    """What there is to learn from.

    Args:
        rows: feature tables of past days with `day` and `health`, one below the other.
        churned: `account_id, churned_on`.
        until: the last day of which is known who left.
    """

    rows: pl.DataFrame
    churned: pl.DataFrame
    until: date


def no_progress(name: str, done: int, total: int) -> None:
    """Report nothing."""


def learning_history(ctx: Context, progress: Progress = no_progress) -> History:
    """Describe every account on past days as it was known then, by the function that describes it today.

    Raises:
        UserError: before anything was imported.
    """
    days = replay_days(ctx, STEP, SPAN)
    parts = []
    told = features_of(ctx, days, lambda n, total: progress("reading the past", n, total), measures=True)
    for each, table in zip(days, told, strict=True):
        if table.is_empty():
            continue
        scored = pl.concat([history_of(health, each) for health in score_all(ctx.scorecards, table)])
        health = scored.select("account_id", pl.col("value").alias("health"))
        joined = table.join(health, on="account_id", how="left", maintain_order="left")
        parts.append(joined.with_columns(pl.lit(each).alias("day")))
    churned = churned_accounts(ctx)
    rows = (
        pl.concat(parts, how="diagonal_relaxed")
        if parts
        else pl.DataFrame(schema={"account_id": pl.Int64, "day": pl.Date})
    )
    return History(rows, churned, outcomes_known_until(churned, newest_day(ctx)))


def backtest_report(
    ctx: Context,
    horizons: Sequence[tuple[int, int]] = HORIZONS,
    progress: Progress = no_progress,
    history: History | None = None,
) -> BacktestReport:
    """Say how well the model would have foretold losses, beside simpler forecasters. Takes a minute.

    Args:
        horizons: windows of days after a forecast.
        history: what `learning_history` returned, where it is there already.
    """
    known = history or learning_history(ctx, progress)
    try:
        result = backtest(
            known.rows, known.churned, known.until, horizons, lambda n, total: progress("back-testing", n, total)
        )
    except TooLittleDataError as error:
        return _nothing(str(error), known.until)
    result = replace(result, records=(*result.records, *_previous(ctx, known, horizons)))
    why = result.no_signal
    sheet = FactSheet(known.until)
    _add_facts(sheet, result)
    text = _no_signal_words(why) if why else " ".join(_sentences(result))
    return BacktestReport(text=text, facts=tuple(sheet), result=result, no_signal=why, as_of=known.until)


def _previous(ctx: Context, history: History, horizons: Sequence[tuple[int, int]]) -> tuple[HorizonRecord, ...]:
    """The record of the model in use on the days since it was trained; empty without one, or without such days."""
    with ctx.session() as session:
        version = champion(session)
    later = history.rows.filter(pl.col("day") > version.data_until) if version else history.rows.clear()
    if version is None or later.is_empty():
        return ()
    try:
        model = read_model(version)
    except UserError:  # it says so wherever it would forecast
        return ()
    rows = _judged(later, {}, history)
    days = sorted({day for window in horizons for day in window})
    stay = dict(zip(days, model.survival(later, days).T, strict=True))
    return tuple(
        horizon_record(rows.with_columns(pl.Series("previous", 1 - stay[b] / stay[a])), "previous", a, b, True)
        for a, b in horizons
    )


def train(ctx: Context, progress: Progress = no_progress, history: History | None = None) -> Training:
    """Train a model and let it forecast if it is better than chance and not worse than the one that does.

    Every version is kept. Forecasts of the newest day are written at once.

    Args:
        history: what `learning_history` returned, where it is there already.
    """
    history = history or learning_history(ctx, progress)
    report = backtest_report(ctx, progress=progress, history=history)
    if report.result is None:
        return Training(text=report.text, facts=report.facts, report=report)
    model = fit_churn(history.rows, history.churned, history.until)
    worse = None if report.no_signal else _worse_than_champion(ctx, history)
    refused = report.no_signal or worse
    number = _keep(ctx, model, history, report.result, refused)
    if not refused:
        _forecast_now(ctx)
    said = f"Churn model {number} was trained on {_extent(history)}."
    ending = f"It does not forecast: {refused}." if refused else f"It forecasts from now on. {report.text}"
    return Training(text=f"{said} {ending}", facts=report.facts, version=number, adopted=not refused, report=report)


def _worse_than_champion(ctx: Context, history: History) -> str | None:
    """Compare with the model in use on the days that it was not trained on."""
    with ctx.session() as session:
        version = champion(session)
        if version is None:
            return None
        old, since = read_model(version), version.data_until
    later = history.rows.filter(pl.col("day") > since)
    new = _trained_until(history, since)
    if new is None or later.is_empty():
        return None
    rows = _judged(later, {"new": new, "old": old}, history)
    difference = paired_difference(rows, "new", "old", *JUDGED)
    if difference is None or difference.high >= 0:
        return None
    return f"on the days since {day(since)} it was worse than model {version.number} (AUC {interval(difference)})"


def _trained_until(history: History, until: date) -> ChurnModel | None:
    try:
        return fit_churn(history.rows, history.churned, until)
    except TooLittleDataError:
        return None


def _judged(rows: pl.DataFrame, models: dict[str, ChurnModel], history: History) -> pl.DataFrame:
    gone = history.churned.filter(pl.col("churned_on") <= history.until)
    told = rows.select("account_id", "day", (pl.col("arr") / 12).alias("mrr")).join(
        gone.group_by("account_id").agg(pl.col("churned_on").min()), on="account_id", how="left", maintain_order="left"
    )
    return told.with_columns(
        (pl.col("churned_on") - pl.col("day")).dt.total_days().alias("left_after"),
        (pl.lit(history.until) - pl.col("day")).dt.total_days().alias("observed"),
        *(pl.Series(name, 1 - model.survival(rows, [JUDGED[1]])[:, 0]) for name, model in models.items()),
    )


def _keep(ctx: Context, model: ChurnModel, history: History, result: Backtest, refused: str | None) -> int:
    with ctx.session() as session:
        newest = session.exec(select(func.max(ModelVersion.number)).where(ModelVersion.kind == CHURN)).one()
        number = (newest or 0) + 1
        if not refused and (before := champion(session)):
            before.state = RETIRED
            session.add(before)
        session.add(
            ModelVersion(
                kind=CHURN,
                number=number,
                state=CHALLENGER if refused else CHAMPION,
                trained_at=ctx.now(),
                data_from=history.rows["day"].min(),  # type: ignore[arg-type]
                data_until=history.until,
                code_version=code_version(),
                parameters=PARAMETERS,
                metrics=_metrics(result, history, model),
                note=refused[:400] if refused else None,
                model=model.to_text(),
            )
        )
        session.commit()
    return number


def _forecast_now(ctx: Context) -> None:
    newest = newest_day(ctx)
    usage = ctx.usage.table(ctx.workspace_id)
    with ctx.session() as session:
        store_forecasts(session, features_on(session, usage, newest, measures=True), newest)
        session.commit()


def _metrics(result: Backtest, history: History, model: ChurnModel) -> dict[str, Any]:
    periods = account_periods(history.rows.select("account_id", "day"), history.churned, history.until, ())
    return {
        "accounts": history.rows["account_id"].n_unique(),
        "lost": len(set(periods.accounts[periods.lost].tolist())),
        "columns": len(model.columns),
        "records": [asdict(record) for record in result.records],
        "warnings": [asdict(warning) for warning in result.warnings],
    }


def _sentences(result: Backtest) -> list[str]:
    judged = result.record("model")
    said = [
        f"Over {len(result.cutoffs)} rolling origins it ranked a loss within {JUDGED[1]} days above a stay with AUC "
        f"{interval(judged.auc)} (0.50 is a coin)."
    ]
    for warning in result.warnings:
        if warning.forecaster == "model" and warning.recall is not None and warning.precision is not None:
            said.append(
                f"Alerts to {warning.budget:.0%} of the accounts would have named {warning.recall.value:.0%} of the "
                f"losses 30–90 days ahead; {warning.precision:.0%} of the alerts came true within 90 days."
            )
    return said


def _no_signal_words(why: str) -> str:
    return (
        f"No signal in your data yet: {why}. Warning signals and the health bands' own loss rates stand in. What would "
        "help: dated usage from before the losses, the day on which each lost account left, and renewal dates."
    )


def _nothing(why: str, until: date) -> BacktestReport:
    return BacktestReport(text=_no_signal_words(why), no_signal=why, as_of=until)


def _add_facts(sheet: FactSheet, result: Backtest) -> None:
    for record in result.records:
        subject = f"{record.forecaster}, days {record.first}–{record.last}"
        sheet.add(subject, "losses", record.losses, "accounts", SOURCE)
        sheet.add(subject, "base rate", record.base_rate, "share", SOURCE)
        for name in ("value", "low", "high"):
            sheet.add(subject, f"AUC, {name}", getattr(record.auc, name, None), "score", SOURCE)
            sheet.add(
                subject, f"average precision, {name}", getattr(record.average_precision, name, None), "score", SOURCE
            )
        for name in (
            "lift_at_10",
            "brier_skill",
            "calibration_slope",
            "calibration_error",
            "accuracy",
            "majority_rate",
        ):
            sheet.add(subject, name.replace("_", " "), getattr(record, name), "score", SOURCE)
    for warning in result.warnings:
        subject = f"{warning.forecaster}, alerts to {warning.budget:.0%}"
        sheet.add(subject, "recall 30–90 days ahead", getattr(warning.recall, "value", None), "share", SOURCE)
        sheet.add(subject, "recall by chance", warning.by_chance, "share", SOURCE)
        sheet.add(subject, "precision", warning.precision, "share", SOURCE)
        sheet.add(subject, "median lead time", warning.lead_days, "days", SOURCE)
        sheet.add(subject, "revenue-weighted recall", warning.revenue_recall, "share", SOURCE)


def _extent(history: History) -> str:
    first: Any = history.rows["day"].min()
    return f"{history.rows['account_id'].n_unique():,} accounts from {day(first)} to {day(history.until)}"


def code_version() -> str:
    """Return what a stored model was made with."""
    return f"scikit-learn {importlib.metadata.version('scikit-learn')}"
