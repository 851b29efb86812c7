"""Answers and digests as text tables, for the command line."""

from rich.console import Console
from rich.table import Table

from bot.answers import Answer
from tools.account_rows import AccountRow
from tools.accounts import AccountBrief, AccountList, band_words, points
from tools.digests import DigestCard
from tools.drafts import DraftCard
from tools.facts import day, money
from tools.insights import HealthCard
from tools.portfolio import PortfolioSummary


def show(out: Console, answer: Answer) -> None:
    """Print an answer: the words, then each result."""
    out.print(answer.text, markup=False)
    for choice in answer.choices:
        out.print(f"  - {choice.label}", markup=False)
    for result in answer.results:
        if isinstance(result, AccountList) and result.rows:
            out.print(_accounts(result.rows))
        elif isinstance(result, HealthCard):
            out.print(_indicators(result))
        elif isinstance(result, PortfolioSummary):
            for band in result.bands:
                out.print(f"  {band_words(band.band)}: {band.accounts} ({band.share:.0%})", markup=False)
        elif isinstance(result, AccountBrief):
            for label, shown in result.details:
                out.print(f"  {label}: {shown}", markup=False)
        elif isinstance(result, DraftCard):
            out.print(f"\nTo: {result.recipient}\nSubject: {result.subject}\n\n{result.body}", markup=False)
    if answer.results:
        out.print(f"(answered by {answer.mode})", style="dim", markup=False)


def show_digest(out: Console, card: DigestCard) -> None:
    """Print a digest as it would be posted."""
    out.print(card.text, markup=False)
    if card.rows:
        out.print(_accounts(card.rows[:20]))


def _accounts(rows: tuple[AccountRow, ...]) -> Table:
    table = Table("Account", "Health", "30 days", "ARR", "At risk", "Renews", "Why")
    for row in rows:
        table.add_row(
            row.name,
            "no score" if row.health is None else f"{points(row.health)} {band_words(row.band)}",
            "" if row.change is None else f"{row.change:+.0f}",
            money(row.arr, row.currency),
            "" if row.revenue_at_risk is None else money(row.revenue_at_risk, row.currency),
            day(row.renewal_on) if row.renewal_on else "",
            "\n".join(reason.text for reason in row.reasons),
        )
    return table


def _indicators(card: HealthCard) -> Table:
    table = Table("Indicator", "Now", "Points", "Effect")
    for line in card.indicators:
        table.add_row(line.label, line.shown, f"{line.points:.0f}", f"{line.effect:+.1f}")
    return table
