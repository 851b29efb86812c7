"""What the commands about scorecards print for people."""

from pathlib import Path

from rich.console import Console
from rich.table import Table

from scoring.honesty import HORIZON, Honesty
from tools.accounts import band_words, points
from tools.facts import money
from tools.fitting import FitResult
from tools.honesty import HonestyReport, interval
from tools.scorecards import EVERYBODY, ScorecardList
from tools.simulation import SimulationResult

MOST_MOVES = 10


def show_honesty(out: Console, report: HonestyReport) -> None:
    """Print every record side by side, then the bands of each."""
    out.print(report.text, markup=False)
    out.print(records_table(report.records, report.in_use))
    for record in report.records:
        out.print(_bands(record))
    out.print(f"{report.days} days replayed until {report.as_of}; * in use", style="dim", markup=False)


def show_simulation(out: Console, result: SimulationResult) -> None:
    """Print how many accounts move where, the largest of them, and both records."""
    out.print(result.text, markup=False)
    for before, after, number in result.counts:
        out.print(f"  {band_words(before)} → {band_words(after)}: {number}", markup=False)
    if result.moves:
        out.print(_moves(result))
    assert result.before
    assert result.after
    out.print(records_table((result.before, result.after), (), (f"{result.current} (now)", result.candidate)))


def show_fit(out: Console, result: FitResult, file: Path | None) -> None:
    """Print the weights side by side, and how to go on."""
    out.print(result.text, markup=False)
    if result.card is None:
        return
    table = Table("Indicator", "Hand-set", "Fitted", title="Weights in points of 100")
    for label, hand, fitted in result.weights:
        table.add_row(label, f"{hand:.1f}", f"{fitted:.1f}")
    out.print(table)
    if file is None:
        out.print("Nothing was changed. Run it with --adopt to keep these weights as a scorecard.", markup=False)
        return
    choose = f"python -m bot scorecards --use {result.card.id}"
    said = f"Written to {file}. To use it: {choose} [--segment SEGMENT]; restart a running Tend."
    out.print(said, markup=False, soft_wrap=True)  # a command must stay in one piece


def show_scorecards(out: Console, found: ScorecardList, done: str | None) -> None:
    """Print what was chosen, and the list."""
    if done:
        out.print(done, markup=False)
    out.print(found.text, markup=False)
    table = Table("Id", "Title", "Version", "Indicators", "Factors", "Scores")
    for line in found.lines:
        factors = ", ".join(f"{name} {weight:g}" for name, weight in line.factors)
        scores = ", ".join("all others" if segment == EVERYBODY else segment for segment in line.segments)
        table.add_row(line.id, line.title, str(line.version), str(line.indicators), factors, scores)
    out.print(table)


def records_table(records: tuple[Honesty, ...], in_use: tuple[str, ...], names: tuple[str, ...] | None = None) -> Table:
    """Show records as lines; a dash where too few losses leave no figure."""
    table = Table("Scorecard", "AUC", "Green 30 / 60 / 90 days before", "Alarm: recall", "precision", "Lead, days")
    for place, record in enumerate(records):
        name = names[place] if names else record.scorecard + (" *" if record.scorecard in in_use else "")
        before = " / ".join(f"{told.green} of {told.left}" for told in record.before)
        recall, precision = (record.alarm.recall, record.alarm.precision) if record.alarm else (None, None)
        lead = "–" if record.lead_days is None else f"{record.lead_days:.0f}"
        table.add_row(name, interval(record.auc), before, _percent(recall), _percent(precision), lead)
    return table


def _bands(record: Honesty) -> Table:
    title = f"{record.title}: bands and what followed within {HORIZON} days"
    table = Table("Band", "Accounts", "Lost", "Share lost", "Stated → observed", "Or worse: precision", "recall")
    table.title = title
    stated = {line.band: f"{line.stated:.1%} → {line.observed:.1%}" for line in record.calibration}
    for band in record.bands:
        counts = (f"{band.accounts:,}", f"{band.lost:,}", _percent(band.share))
        shares = (stated.get(band.band, "–"), _percent(band.precision), _percent(band.recall))
        table.add_row(band_words(band.band), *counts, *shares)
    return table


def _moves(result: SimulationResult) -> Table:
    table = Table("Account", "Now", "With it", "ARR", title=f"The largest of {len(result.moves):,} by revenue")
    for move in result.moves[:MOST_MOVES]:
        now, then = (
            "no score" if value is None else f"{points(value)} {band_words(band)}"
            for value, band in ((move.value_before, move.before), (move.value_after, move.after))
        )
        table.add_row(move.name, now, then, money(move.arr, move.currency))
    return table


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{share:.0%}"
