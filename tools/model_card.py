"""The churn model in use: what it learned from, how it did on the past, what came true of what it said."""

from datetime import timedelta
from typing import Any

import polars as pl
from sqlmodel import col, select

from scoring.churn.backtest import JUDGED
from storage.models import ModelVersion, Prediction
from storage.queries import read_frame
from tools.context import Context
from tools.facts import FactSheet, Result, day
from tools.forecasts import champion
from tools.replay import churned_accounts, newest_day
from tools.training import SOURCE


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
    """Hold stored forecasts that are old enough against what happened."""
    newest = newest_day(ctx)
    with ctx.session() as session:
        old = read_frame(
            session,
            Prediction,
            ("account_id", "day", "within_60"),
            col(Prediction.day) <= newest - timedelta(days=JUDGED[1]),
        )
    if old.is_empty():
        return ["Its own forecasts are not old enough yet to be held against what happened."]
    first = old.filter(pl.col("day") == old["day"].max()).sort("within_60", descending=True)
    flagged = first.head(max(1, round(0.1 * first.height)))["account_id"]
    on: Any = first["day"][0]
    lost = churned_accounts(ctx).filter(pl.col("churned_on").is_between(on, on + timedelta(days=JUDGED[1])))
    left = lost.filter(pl.col("account_id").is_in(flagged.implode())).height
    missed = lost.filter(pl.col("account_id").is_in(first["account_id"].implode())).height - left
    sheet.add("record", "flagged", flagged.len(), "accounts", "prediction")
    sheet.add("record", "left", left, "accounts", "prediction")
    sheet.add("record", "missed", missed, "accounts", "prediction")
    return [
        f"Of the {flagged.len()} accounts it flagged on {day(on)}, {left} left within {JUDGED[1]} days; "
        f"it missed {missed}."
    ]
