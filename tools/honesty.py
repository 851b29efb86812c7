"""How far the scores could be trusted: every past day scored again, scorecard by scorecard."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import polars as pl

from scoring.health import FEWEST_LOSSES
from scoring.honesty import HORIZON, Before, Estimate, Honesty, honesty
from scoring.scorecard import Scorecard
from tools.accounts import band_words
from tools.context import Context
from tools.facts import FactSheet, Result, day
from tools.refresh import Progress, no_progress
from tools.replay import churned_accounts, replay, replay_days

TOLD = 60  # days before the loss that the first sentence speaks of
SOURCE = "replay of past days, account"


@dataclass(frozen=True)
class HonestyReport(Result):
    """The record of every scorecard, those in use first."""

    records: tuple[Honesty, ...] = ()
    in_use: tuple[str, ...] = ()
    as_of: date = date.min
    days: int = 0


def honesty_report(ctx: Context, progress: Progress = no_progress) -> HonestyReport:
    """Say how far each scorecard could be trusted over the last year, side by side.

    Every past day is scored again with every scorecard on what was known then, so scorecards that were never in
    use have a record too. Takes seconds.
    """
    cards = [*ctx.scorecards.used, *(c for c in ctx.scorecards.cards.values() if c not in ctx.scorecards.used)]
    days = replay_days(ctx)
    records = records_of(ctx, cards, replay(ctx, cards, days, progress), days[-1])
    sheet = FactSheet(days[-1])
    for record in records:
        add_record_facts(sheet, record)
    return HonestyReport(
        text=" ".join([*sentences(records[0]), *_without_figures(records)]),
        facts=tuple(sheet),
        records=records,
        in_use=tuple(card.id for card in ctx.scorecards.used),
        as_of=days[-1],
        days=len(days),
    )


def sentences(record: Honesty) -> list[str]:
    """Say what matters of a record: the decision first; nothing that too few losses leave without meaning."""
    told = next(before for before in record.before if before.days == TOLD)
    said = [_before_words(told, record.scorecard)]
    if record.too_few:
        return [*said, too_few(record)]
    if record.alarm and record.alarm.recall is not None and record.alarm.precision is not None:
        said.append(
            f"Any band below green as an alarm had {record.alarm.recall:.0%} of the losses of the next {HORIZON} days; "
            f"{record.alarm.precision:.0%} of its alarms came true."
        )
    if record.lead_days is not None:
        said.append(
            f"{record.warned:,} of {record.left:,} that left were below green at the end, "
            f"half of them for {record.lead_days:.0f} days or more."
        )
    if record.auc is not None:
        said.append(f"AUC {interval(record.auc)}.")
    return said


def too_few(record: Honesty) -> str:
    """Say why there are no figures."""
    return (
        f"Too few losses to judge {record.scorecard}: {record.lost} within {HORIZON} days of a score, "
        f"and below {FEWEST_LOSSES} the figures mean nothing."
    )


def interval(estimate: Estimate | None) -> str:
    """Show an estimate with its interval: 0.81 (0.76–0.86)."""
    return "–" if estimate is None else f"{estimate.value:.2f} ({estimate.low:.2f}–{estimate.high:.2f})"


def _before_words(told: Before, scorecard: str) -> str:
    if not told.left:
        return f"No account has left since {day(told.since)}."
    unscored = f"; {told.unscored} had no score then" if told.unscored else ""
    left = f"the {told.left:,} accounts" if told.left > 1 else "the one account"
    green = f"{told.green} {'was' if told.green == 1 else 'were'} green {TOLD} days before ({scorecard})"
    return f"Of {left} that left since {day(told.since)}, {green}{unscored}."


def _without_figures(records: Sequence[Honesty]) -> list[str]:
    return [too_few(record) for record in records[1:] if record.too_few and not records[0].too_few]


def records_of(
    ctx: Context, cards: Sequence[Scorecard], histories: Sequence[pl.DataFrame], until: date
) -> tuple[Honesty, ...]:
    """Return the record of each scorecard from its history; one without any row has none."""
    churned = churned_accounts(ctx)
    both = zip(cards, histories, strict=True)
    return tuple(honesty(card, history, churned, until) for card, history in both if not history.is_empty())


def add_record_facts(sheet: FactSheet, record: Honesty, when: str = "") -> None:
    """Add the figures of a record; those that mean nothing are no facts."""
    subject = f"{record.title}{when}"
    for told in record.before:
        sheet.add(subject, f"accounts that left since {day(told.since)}", told.left, "accounts", SOURCE)
        sheet.add(subject, f"of them green {told.days} days before", told.green, "accounts", SOURCE)
        sheet.add(subject, f"of them without a score {told.days} days before", told.unscored, "accounts", SOURCE)
    sheet.add(subject, f"accounts lost within {HORIZON} days of a score", record.lost, "accounts", SOURCE)
    sheet.add(subject, "accounts that left with a score", record.left, "accounts", SOURCE)
    sheet.add(subject, "of them below green at the end", record.warned, "accounts", SOURCE)
    sheet.add(subject, "median lead time", record.lead_days, "days", SOURCE)
    for name in ("value", "low", "high"):
        measure = "AUC" if name == "value" else f"AUC, {name} end of its interval"
        sheet.add(subject, measure, getattr(record.auc, name, None), "score", SOURCE)
    for band in record.bands:
        words = band_words(band.band)
        sheet.add(subject, f"{words}: lost within {HORIZON} days", band.share, "share", SOURCE)
        sheet.add(subject, f"{words} or worse: precision", band.precision, "share", SOURCE)
        sheet.add(subject, f"{words} or worse: recall", band.recall, "share", SOURCE)
    for line in record.calibration:
        sheet.add(subject, f"{band_words(line.band)}: stated loss rate", line.stated, "share", SOURCE)
        sheet.add(subject, f"{band_words(line.band)}: observed loss rate", line.observed, "share", SOURCE)
