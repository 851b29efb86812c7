"""Results that are tables, and what goes with some of them: a chart of use, what changed."""

from bot.blocks.accounts import line
from bot.blocks.parts import Block, actions, button, context, escape, section, shorten, table
from tools.account_rows import AccountRow
from tools.account_usage import UsageCard
from tools.changes import Changes
from tools.facts import Listing, day
from tools.waiting import DraftList

PAGE = 10
NAMED = 3


def listing(found: Listing) -> list[Block]:
    """Draw a table; nothing where it has no row, since the words above say so."""
    if not found.rows:
        return []
    more = f"{len(found.rows)} of {found.total:,} shown" if found.total > len(found.rows) else ""
    notes = " · ".join(part for part in (more, found.note) if part)
    blocks = [table(found.caption, list(found.head), [list(row) for row in found.rows], PAGE)]
    return [*blocks, context(escape(notes))] if notes else blocks


def draft_list(found: DraftList) -> list[Block]:
    """Draw drafts; those that wait can be decided one after the other."""
    blocks = listing(found)
    if found.state != "waiting" or not found.rows:
        return blocks
    return [*blocks, actions(button("Review mine one by one", "review_drafts", {}, "primary"))]


def usage_card(card: UsageCard) -> list[Block]:
    """Draw an account's use: a line over the weeks, then the table."""
    if len(card.weeks) < 3:
        return listing(card)
    data = [{"label": f"{end.day} {end:%b}", "value": value} for end, value in card.weeks]
    chart: Block = {
        "type": "data_visualization",
        "title": shorten(f"{card.account}: {card.measure} a day", 50),
        "chart": {
            "type": "line",
            "series": [{"name": shorten(card.measure.capitalize(), 20), "data": data}],
            "axis_config": {"categories": [point["label"] for point in data]},
        },
    }
    return [chart, *listing(card)]


def changes(found: Changes) -> list[Block]:
    """Draw what changed: those newly at risk with a button each, then the other movements in a line each."""
    blocks: list[Block] = []
    for row in found.fresh[:NAMED]:
        draft = button("Draft outreach", "draft_outreach", {"account": row.id})
        blocks += [section(line(row)), actions(draft, button("Why", "why", {"account": row.id}))]
    told = (
        ("Newly at risk, too", _moves(found.fresh[NAMED:]), found.counts.get("fresh", 0) - NAMED),
        ("Recovered", _moves(found.recovered), found.counts.get("recovered", 0)),
        ("Fell", _moves(found.fell), found.counts.get("fell", 0)),
        ("Rose", _moves(found.rose), found.counts.get("rose", 0)),
        ("Left", list(found.left), found.counts.get("left", 0)),
        ("New", list(found.joined), found.counts.get("joined", 0)),
        ("Signals that opened", [f"{title} ({count})" for title, count in found.signals], len(found.signals)),
    )
    lines = [f"*{label}:* {_named(names, count)}" for label, names, count in told if names]
    blocks += [section("\n".join(lines))] if lines else []
    return [*blocks, context(f"compared with {day(found.since)}")] if blocks else []


def _moves(rows: tuple[AccountRow, ...]) -> list[str]:
    return [f"{row.name} {row.health or 0:.0f} ({row.change or 0:+.0f})" for row in rows]


def _named(names: list[str], count: int) -> str:
    more = f" and {count - len(names)} more" if count > len(names) else ""
    return escape("; ".join(names)) + more
