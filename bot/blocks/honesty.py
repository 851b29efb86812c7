"""How honest the scorecards were, and what another one would change, as blocks."""

from collections.abc import Sequence

from bot.blocks.parts import Block, context, escape, section, table
from scoring.honesty import HORIZON, Honesty
from tools.accounts import band_words, points
from tools.facts import day, money
from tools.honesty import HonestyReport, interval, sentences, too_few
from tools.simulation import Move, SimulationResult

LARGEST = 10  # accounts of a simulation that are listed
MOST_KINDS = 6  # ways of moving that are counted; the rest is one number
HEAD = ["Scorecard", "AUC", "Green 30 days before", "60 days", "90 days", "Recall", "Precision", "Lead"]
Cell = str | tuple[float, str]


def honesty_report(report: HonestyReport) -> list[Block]:
    """The decision first, then every scorecard side by side, then what is too few."""
    decision, *rest = sentences(report.records[0])
    in_use = [f"{record.title} *" if record.scorecard in report.in_use else record.title for record in report.records]
    silent = [too_few(record) for record in report.records[1:] if record.too_few]
    return [
        section(f"*{escape(decision)}*" + (f"\n{escape(' '.join(rest))}" if rest else "")),
        _records(f"How far each scorecard could be trusted until {day(report.as_of)}", in_use, report.records),
        *([section(escape(" ".join(silent)))] if silent else []),
        _legend(f"{report.days} past days scored again with what was known then. * in use."),
    ]


def simulation(result: SimulationResult) -> list[Block]:
    """How many accounts move, the largest of them, and the records of both scorecards."""
    assert result.before
    assert result.after
    blocks = [section(f"*{escape(result.text)}*" + (f"\n{_kinds(result)}" if result.moves else ""))]
    if result.moves:
        caption = f"The {min(LARGEST, len(result.moves))} largest of {len(result.moves):,} that change"
        rows = [_move(move) for move in result.moves[:LARGEST]]
        blocks.append(table(caption, ["Account", "Now", "With it", "ARR"], rows))
    # Slack takes one table a message, so the two records are lines.
    both = ((f"{result.current} (now)", result.before), (result.candidate, result.after))
    blocks.append(section("\n".join(_line(name, record) for name, record in both)))
    return [*blocks, _legend("Nothing was changed.")]


def _kinds(result: SimulationResult) -> str:
    kinds = [f"{number} {band_words(was)} → {band_words(is_)}" for was, is_, number in result.counts[:MOST_KINDS]]
    rest = sum(number for *_, number in result.counts[MOST_KINDS:])
    return " · ".join([*kinds, *([f"{rest} otherwise"] if rest else [])])


def _move(move: Move) -> list[Cell]:
    arr: Cell = "–" if move.arr is None else (move.arr, money(move.arr, move.currency))
    return [move.name, _health(move.value_before, move.before), _health(move.value_after, move.after), arr]


def _health(value: float | None, band: str | None) -> Cell:
    return "no score" if value is None else (value, f"{points(value)} {band_words(band)}")


def _records(caption: str, names: Sequence[str], records: Sequence[Honesty]) -> Block:
    return table(caption, HEAD, [_record(name, record) for name, record in zip(names, records, strict=True)])


def _record(name: str, record: Honesty) -> list[Cell]:
    before: list[Cell] = [f"{told.green} of {told.left}" for told in record.before]
    alarm = record.alarm
    return [
        name,
        "–" if record.auc is None else (record.auc.value, interval(record.auc)),
        *before,
        _percent(alarm.recall if alarm else None),
        _percent(alarm.precision if alarm else None),
        "–" if record.lead_days is None else (record.lead_days, f"{record.lead_days:.0f} days"),
    ]


def _line(name: str, record: Honesty) -> str:
    shown = [cell if isinstance(cell, str) else cell[1] for cell in _record(name, record)]
    figures = " · ".join(f"{head} {cell}" for head, cell in zip(HEAD[1:], shown[1:], strict=True))
    return f"*{escape(name)}*: {figures}"


def _percent(share: float | None) -> Cell:
    return "–" if share is None else (share, f"{share:.0%}")


def _legend(first: str) -> Block:
    return context(
        first,
        f"AUC: chance that an account lost within {HORIZON} days scored below one that stayed, with its 95% interval. "
        "Recall and precision: any band below green taken as an alarm. "
        "Lead: median days below green before leaving. “–”: too few losses to say.",
    )
