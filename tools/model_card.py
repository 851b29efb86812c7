"""The churn model in use: what it learned from, how it did on the past, what came true of what it said."""

from datetime import timedelta
from typing import Any

import polars as pl
from sqlmodel import col, select

from scoring.churn.backtest import JUDGED
from scoring.churn.words import label_of
from storage.models import ModelVersion, Prediction
from storage.queries import read_frame
from tools.context import Context
from tools.facts import FactSheet, Result, day
from tools.forecasts import champion, read_model
from tools.refresh import features_on
from tools.replay import churned_accounts, newest_day
from tools.training import SOURCE

MONTHS_TOLD = 3
FLAGGED = 0.1  # share of the accounts, the riskiest, that count as flagged
NOTICEABLE_DRIFT = 0.5  # standard deviations


def model_card(ctx: Context) -> Result:
    """Say which churn model forecasts, what it was trained on, how it did on the past, and what came true since."""
    with ctx.session() as session:
        version = champion(session)
        newest = session.exec(select(ModelVersion).order_by(col(ModelVersion.number).desc())).first()
    if version is None:
        why = newest.note if newest else "none was trained yet (`python -m bot train`, or wait for the weekly job)"
        return Result(f"No churn model forecasts: {why}. The loss rates of the health bands stand in.")
    sheet = FactSheet(version.data_until)
    told = next(r for r in version.metrics["records"] if (r["forecaster"], r["first"], r["last"]) == ("model", *JUDGED))
    subject = f"churn model {version.number}"
    sheet.add(subject, "AUC", told["auc"]["value"], "score", SOURCE)
    lines = [
        f"*Churn model {version.number}*, trained {day(version.trained_at.date())} on {version.metrics['accounts']:,} "
        f"accounts with {version.metrics['lost']:,} losses, {day(version.data_from)} – {day(version.data_until)}, "
        f"{version.metrics['columns']} inputs.",
        *_compared(version.metrics),
        *_came_true(ctx, sheet),
        _moved(ctx, version),
    ]
    return Result("\n".join(lines), tuple(sheet))


def _compared(metrics: dict[str, Any]) -> list[str]:
    """The back-test by forecaster, and the promises of the source documents beside it."""
    lines = [f"Loss within {JUDGED[1]} days, judged on later days than each model knew:"]
    for record in metrics["records"]:
        if (record["first"], record["last"]) == JUDGED and record["auc"]:
            auc = record["auc"]
            lines.append(
                f"• {record['forecaster']}: AUC {auc['value']:.2f} ({auc['low']:.2f}–{auc['high']:.2f}), "
                f"lift {record['lift_at_10']:.1f} in the riskiest tenth"
            )
            if record["forecaster"] == "model" and record["accuracy"] is not None:
                lines.append(
                    f"• its accuracy {record['accuracy']:.1%} says little: “nobody leaves” has "
                    f"{record['majority_rate']:.1%} (promised by the source documents: 87–92%)"
                )
    for warning in metrics["warnings"]:
        if warning["forecaster"] == "model" and warning["recall"]:
            lines.append(
                f"• alerts to {warning['budget']:.0%} of accounts: {warning['recall']['value']:.0%} of losses named "
                f"30–90 days ahead (by chance {warning['by_chance']:.0%}; promised by the source documents: 85%)"
            )
    return lines


def _came_true(ctx: Context, sheet: FactSheet) -> list[str]:
    """Hold stored forecasts that are old enough against what happened, month by month."""
    newest = newest_day(ctx)
    old = (
        col(Prediction.day) <= newest - timedelta(days=JUDGED[1]),
        col(Prediction.day) > newest - timedelta(days=JUDGED[1] + 31 * MONTHS_TOLD),
    )
    with ctx.session() as session:
        told = read_frame(session, Prediction, ("account_id", "day", "within_60"), *old)
    if told.is_empty():
        return ["Its own forecasts are not old enough yet to be held against what happened."]
    firsts = told.filter(pl.col("day") == pl.col("day").min().over(pl.col("day").dt.truncate("1mo")))
    parts = firsts.sort("day").partition_by("day")
    lost = churned_accounts(ctx)
    return [_month_record(part, lost, sheet) for part in parts[-MONTHS_TOLD:]]


def _month_record(told: pl.DataFrame, churned: pl.DataFrame, sheet: FactSheet) -> str:
    """What became of the riskiest tenth of one day, and how many losses the day's chances added up to."""
    on: Any = told["day"][0]
    flagged = told.sort("within_60", descending=True).head(max(1, round(FLAGGED * told.height)))["account_id"]
    gone = churned.filter(pl.col("churned_on").is_between(on, on + timedelta(days=JUDGED[1])))["account_id"]
    left = int(flagged.is_in(gone.implode()).sum() or 0)
    all_left = int(told["account_id"].is_in(gone.implode()).sum() or 0)
    expected = float(told["within_60"].sum())
    subject = f"record of {on:%B %Y}"
    for name, value in (("flagged", flagged.len()), ("left", left), ("missed", all_left - left)):
        sheet.add(subject, name, value, "accounts", "prediction")
    sheet.add(subject, "losses expected", round(expected), "accounts", "prediction")
    return (
        f"Of the {flagged.len()} accounts it flagged on {day(on)}, {left} left within {JUDGED[1]} days; it missed "
        f"{all_left - left}. It expected about {expected:.0f} losses, {all_left} came."
    )


def _moved(ctx: Context, version: ModelVersion) -> str:
    """Which inputs lie elsewhere than when the model learned."""
    newest = newest_day(ctx)
    with ctx.session() as session:
        table = features_on(session, ctx.usage.table(ctx.workspace_id), newest, measures=True)
    drift = read_model(version).drift(table)
    moved = sorted((name for name in drift if abs(drift[name]) >= NOTICEABLE_DRIFT), key=lambda n: -abs(drift[n]))
    if not moved:
        return f"None of its {len(drift)} inputs has moved noticeably since it learned."
    named = "; ".join(f"{label_of(name)} {'up' if drift[name] > 0 else 'down'}" for name in moved[:3])
    return (
        f"{len(moved)} of its {len(drift)} inputs lie elsewhere than when it learned ({named}): read its figures with "
        "care until it is trained anew."
    )
