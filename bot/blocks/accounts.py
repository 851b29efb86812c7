"""Accounts, health and the portfolio as blocks."""

from collections.abc import Iterable
from datetime import timedelta

from bot.blocks.parts import Block, actions, button, context, escape, section, shorten, table
from tools.account_rows import AccountRow
from tools.accounts import AccountBrief, AccountList, band_words, points
from tools.facts import day, money, money_by_currency
from tools.insights import HealthCard
from tools.portfolio import PortfolioSummary

TABLE_ROWS = 10
CHART_SPAN = timedelta(days=91)
DOTS = {
    "healthy": ":large_green_circle:",
    "at_risk": ":large_yellow_circle:",
    "critical": ":large_orange_circle:",
    "churning": ":red_circle:",
    None: ":white_circle:",
}


def health(row: AccountRow) -> str:
    """`:dot: 45 critical ▼12`, or that there is not enough data."""
    if row.health is None:
        return f"{DOTS[None]} not enough data"
    return f"{DOTS.get(row.band, DOTS[None])} *{points(row.health)}* {band_words(row.band)}{moved(row.change)}"


def moved(change: float | None) -> str:
    if change is None or abs(change) < 1:
        return ""
    return f" {'▲' if change > 0 else '▼'}{abs(change):.0f}"


def line(row: AccountRow, mark: str = "") -> str:
    """One account in two lines: the name with figures, then why."""
    figures = [health(row), f"{money(row.arr, row.currency)} ARR" if row.arr else ""]
    if row.revenue_at_risk:
        figures.append(f"{money(row.revenue_at_risk, row.currency)} at risk")
    figures.append(f"renews {day(row.renewal_on)}" if row.renewal_on else "")
    why = "; ".join(reason.text for reason in row.reasons) or "no single reason stands out"
    head = " · ".join(part for part in figures if part)
    return f"*{escape(row.name)}*{mark}\n{head}\n{escape(why)}"


def account_list(found: AccountList) -> list[Block]:
    if not found.rows:
        return [section(f"No {escape(found.title)}."), context("Try fewer filters.")]
    shown = found.rows[:TABLE_ROWS]
    caption = f"{found.total:,} {found.title}"
    blocks = [
        table(
            caption,
            ["Account", "Health", "30 days", "ARR", "At risk", "Renews"],
            [_table_row(row) for row in shown],
        )
    ]
    blocks += [section(line(row), _row_menu(row)) for row in shown[:3] if row.reasons]
    after = found.total - found.offset - len(shown)
    if after > 0:
        page = {"filters": found.filters, "offset": found.offset + len(shown)}
        blocks.append(actions(button(f"Show more ({after} left)", "more", page)))
    return blocks


def _table_row(row: AccountRow) -> list[str | tuple[float, str]]:
    return [
        row.name,
        "no score" if row.health is None else (row.health, f"{points(row.health)} {band_words(row.band)}"),
        "–" if row.change is None else (row.change, f"{row.change:+.0f}"),
        "–" if row.arr is None else (row.arr, money(row.arr, row.currency)),
        "–" if row.revenue_at_risk is None else (row.revenue_at_risk, money(row.revenue_at_risk, row.currency)),
        day(row.renewal_on) if row.renewal_on else "–",
    ]


def _row_menu(row: AccountRow) -> Block:
    return button("Draft outreach", "draft_outreach", {"account": row.id})


def account_actions(account_id: int, extra: Iterable[Block] = ()) -> Block:
    return actions(
        button("Draft outreach", "draft_outreach", {"account": account_id}, "primary"),
        button("Why", "why", {"account": account_id}),
        *extra,
    )


def account_brief(brief: AccountBrief) -> list[Block]:
    assert brief.row is not None
    row = brief.row
    fields = [f"*{label.capitalize()}*\n{escape(shown)}" for label, shown in brief.details]
    fields.insert(0, f"*ARR*\n{money(row.arr, row.currency)}")
    good = "; ".join(reason.text for reason in row.strengths)
    why = "; ".join(reason.text for reason in row.reasons)
    blocks = [
        section(f"*{escape(row.name)}* · {health(row)}"),
        {"type": "section", "fields": [{"type": "mrkdwn", "text": shorten(f, 2000)} for f in fields[:10]]},
    ]
    blocks += [section(f"*Pulls down:* {escape(why)}")] if why else []
    blocks += [section(f"*Holds up:* {escape(good)}")] if good else []
    return [*blocks, account_actions(row.id)]


def health_card(card: HealthCard) -> list[Block]:
    assert card.row is not None
    row = card.row
    trends = " · ".join(f"{change:+.1f} in {days} days" for days, change in card.trends)
    blocks = [section(f"*{escape(row.name)}* · {health(row)}" + (f"\n{trends}" if trends else ""))]
    if card.indicators:
        rows: list[list[str | tuple[float, str]]] = [
            [i.label, i.shown, (i.points, f"{i.points:.0f}"), (i.effect, f"{i.effect:+.1f}")] for i in card.indicators
        ]
        blocks.append(
            table(
                f"What makes up the score of {row.name}",
                ["Indicator", "Now", "Points of 100", "Effect against portfolio"],
                rows,
                8,
            )
        )
    chart = _history_chart(card)
    blocks += [chart] if chart else []
    missing = f"Missing: {', '.join(card.missing)}" if card.missing else ""
    return [
        *blocks,
        account_actions(row.id),
        context(f"Coverage {row.coverage:.0%}", missing),
    ]


def _history_chart(card: HealthCard) -> Block | None:
    points = [(d, value) for d, value in card.history if d >= card.as_of - CHART_SPAN][-20:]
    if len(points) < 3 or card.row is None:
        return None
    labels = [f"{d.day} {d:%b}" for d, _ in points]
    data = [{"label": label, "value": value} for label, (_, value) in zip(labels, points, strict=True)]
    return {
        "type": "data_visualization",
        "title": shorten(f"Health of {card.row.name}", 50),
        "chart": {
            "type": "line",
            "series": [{"name": "Health", "data": data}],
            "axis_config": {"categories": labels},
        },
    }


def portfolio(summary: PortfolioSummary) -> list[Block]:
    if not summary.total:
        return [section("There are no accounts here yet.")]
    rows: list[list[str | tuple[float, str]]] = [
        [
            band_words(band.band),
            (band.accounts, f"{band.accounts:,}"),
            (band.share, f"{band.share:.0%}"),
            "–" if band.average is None else (band.average, f"{band.average:.0f}"),
            (sum(band.arr.values()), money_by_currency(band.arr)),
        ]
        for band in summary.bands
    ]
    return [
        table(f"Health bands: {summary.title}", ["Band", "Accounts", "Share", "Average health", "ARR"], rows),
    ]
