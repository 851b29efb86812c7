"""The commands about the churn model: back-test, train, versions."""

import re
from typing import Annotated, Any

import typer
from rich.table import Table

from bot.console import Json, core, friendly, out, print_json, progress_bars


def register(cli: typer.Typer) -> None:
    """Add the commands to the command line."""
    for command in (backtest, train, models):
        cli.command()(command)


def parse_horizons(text: str) -> list[tuple[int, int]]:
    """Read `30,31-60,90`: within 30 days, from day 31 to 60, within 90.

    Raises:
        UserError: for anything else, or more than 720 days.
    """
    from tools.errors import UserError

    found = []
    for part in text.split(","):
        read = re.fullmatch(r"\s*(?:(\d+)\s*-\s*)?(\d+)\s*", part)
        first, last = (max(int(read.group(1) or 1) - 1, 0), int(read.group(2))) if read else (0, 0)
        if not first < last <= 720:
            raise UserError(f"I cannot read the horizon “{part.strip()}”: write days like 30,31-60,90, at most 720.")
        found.append((first, last))
    return found


def backtest(
    horizon: Annotated[str, typer.Option(help="Days ahead: 30 is within 30 days, 31-60 a window.")] = "30,31-60,60,90",
    as_json: Json = False,
) -> None:
    """Say how well losses would have been foretold: rolling origins on your own past, beside simpler forecasters."""
    from tools.training import backtest_report

    with friendly(), progress_bars() as progress:
        report = backtest_report(core().context(), parse_horizons(horizon), progress)
    if as_json:
        print_json({"text": report.text, "no_signal": report.no_signal, "facts": [f.to_dict() for f in report.facts]})
        return
    out.print(report.text, markup=False)
    if report.result is not None:
        _show(report.result)


def train(as_json: Json = False) -> None:
    """Train the models of churn and growth anew; each forecasts if it beats chance and what it replaces."""
    from tools.growth_model import train_growth
    from tools.training import learning_history
    from tools.training import train as trained

    with friendly(), progress_bars() as progress:
        ctx = core().context()
        history = learning_history(ctx, progress)
        done = trained(ctx, progress, history)
        grown = train_growth(ctx, history)
    if as_json:
        growth = {"text": grown.text, "version": grown.version, "adopted": grown.adopted}
        print_json({"text": done.text, "version": done.version, "adopted": done.adopted, "growth": growth})
    else:
        out.print(f"{done.text}\n{grown.text}", markup=False)


def models(
    use: Annotated[int | None, typer.Option(help="Let this version forecast again.")] = None, as_json: Json = False
) -> None:
    """List the churn models with what they were trained on; `--use` goes back to one."""
    from tools.forecasts import model_versions, use_version

    with friendly():
        ctx = core().context()
        done = use_version(ctx, use) if use is not None else None
        found = model_versions(ctx)
    if as_json:
        keep = {"number", "state", "trained_at", "data_from", "data_until", "code_version", "note"}
        print_json({"done": done, "models": [version.model_dump(include=keep) for version in found]})
        return
    if done:
        out.print(done, markup=False)
    if not found:
        out.print("There is no churn model yet: python -m bot train", markup=False)
        return
    table = Table("Model", "State", "Trained", "Learned from", "Losses", "Why not in use")
    for v in found:
        extent = f"{v.data_from} – {v.data_until}"
        table.add_row(str(v.number), v.state, f"{v.trained_at:%Y-%m-%d}", extent, str(v.metrics["lost"]), v.note or "")
    out.print(table)


def _show(result: Any) -> None:
    table = Table(
        "Forecaster", "Days", "Losses", "AUC", "Av. precision", "Lift 10%", "Brier skill", "Slope", "Cal. error"
    )
    for r in result.records:
        table.add_row(
            r.forecaster, f"{r.first + 1}–{r.last}", str(r.losses), _estimate(r.auc), _estimate(r.average_precision),
            *(_number(v) for v in (r.lift_at_10, r.brier_skill, r.calibration_slope, r.calibration_error)),
        )  # fmt: skip
    out.print(table)
    alerts = Table(
        "Alerts to", "Forecaster", "Recall 30–90 days ahead", "By chance", "Precision", "Lead, days", "Revenue"
    )
    for w in result.warnings:
        alerts.add_row(
            f"{w.budget:.0%}", w.forecaster, _estimate(w.recall), *(_number(v) for v in (w.by_chance, w.precision)),
            _number(w.lead_days, 0), _number(w.revenue_recall),
        )  # fmt: skip
    out.print(alerts)
    judged = result.record("model")
    if judged.accuracy is not None:
        out.print(
            f"Accuracy {judged.accuracy:.1%}; saying “nobody leaves” has {judged.majority_rate:.1%}. Promised by the "
            "source documents: accuracy 87–92%, 85% of losses known 30 days ahead.",
            markup=False,
        )


def _estimate(found: Any) -> str:
    return "–" if found is None else f"{found.value:.2f} ({found.low:.2f}–{found.high:.2f})"


def _number(value: float | None, decimals: int = 2) -> str:
    return "–" if value is None else f"{value:.{decimals}f}"
