"""Accounts, health and the portfolio as blocks."""

import json
from collections.abc import Iterable
from datetime import timedelta

from bot.blocks.parts import Block, actions, button, context, escape, field, mrkdwn, option, section, shorten, table
from scoring.catalogue import source_words
from scoring.risk import load_risk
from scoring.scorecard import Scorecard
from tools.account_rows import AccountRow, Override
from tools.accounts import AccountBrief, AccountList, band_words, points
from tools.facts import day, money, money_by_currency
from tools.insights import Change, HealthCard
from tools.portfolio import PortfolioSummary

TABLE_ROWS = 10
MOST_STEPS = 4  # of a waterfall; the rest is one line
CHART_SPAN = timedelta(days=91)
DOTS = {
    "healthy": ":large_green_circle:",
    "at_risk": ":large_yellow_circle:",
    "critical": ":large_orange_circle:",
    "churning": ":red_circle:",
    "champion": ":large_green_circle:",
    "medium_risk": ":large_yellow_circle:",
    "high_risk": ":red_circle:",
    "low": ":large_green_circle:",
    "medium": ":large_yellow_circle:",
    "high": ":large_orange_circle:",
    None: ":white_circle:",
}


def health(row: AccountRow) -> str:
    """`:dot: 45 critical ▼12`, or that there is not enough data."""
    dot, set_by = DOTS.get(row.band, DOTS[None]), f" _(set by {escape(row.override.by)})_" if row.override else ""
    if row.health is None:
        return f"{dot} not enough data"
    if row.override and row.override.value is None:
        return f"{dot} {band_words(row.band)}{set_by}"
    return f"{dot} *{points(row.health)}* {band_words(row.band)}{set_by or moved(row.change)}"


def moved(change: float | None) -> str:
    if change is None or abs(change) < 1:
        return ""
    return f" {'▲' if change > 0 else '▼'}{abs(change):.0f}"


def line(row: AccountRow, mark: str = "") -> str:
    """One account in two lines: the name with figures, then why."""
    figures = [health(row), f"{money(row.arr, row.currency)} ARR" if row.arr else ""]
    if row.revenue_at_risk:
        figures.append(f"{money(row.revenue_at_risk, row.currency)} at risk")
    if row.loss_probability is not None and row.loss_probability >= load_risk().alarming:
        figures.append(f"*{row.loss_probability:.0%} likely to leave*")
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
        {"type": "section", "fields": [mrkdwn(shorten(part, 2000)) for part in fields[:10]]},
    ]
    blocks += [section(f"*Pulls down:* {escape(why)}")] if why else []
    blocks += [section(f"*Holds up:* {escape(good)}")] if good else []
    return [*blocks, account_actions(row.id)]


def health_card(card: HealthCard) -> list[Block]:
    """The score, what drives it in the account's own numbers, what moved it, how sure it is."""
    assert card.row is not None
    row = card.row
    trends = " · ".join(f"{change:+.1f} in {days} days" for days, change in card.trends)
    blocks = [section(f"*{escape(row.name)}* · {health(row)}" + (f"\n{trends}" if trends else ""))]
    blocks += [section(_overridden(row.override))] if row.override else []
    drivers_ = "\n".join(f"• {escape(reason.text)} ({reason.effect:+.1f})" for reason in row.reasons)
    blocks += [section(f"*Pulls it down*\n{drivers_}")] if drivers_ else []
    good = "; ".join(f"{escape(reason.text)} ({reason.effect:+.1f})" for reason in row.strengths)
    blocks += [section(f"*Holds it up:* {good}")] if good else []
    raised = "\n".join(
        f"• {escape(title)} since {day(since)}{f' ({escape(shown)})' if shown else ''}"
        for title, since, shown in card.signals
    )
    blocks += [section(f"*Open signals*\n{raised}")] if raised else []
    moved_by = card.month_change or card.last_change
    blocks += [section(_waterfall(moved_by))] if moved_by and moved_by.steps else []
    chart = _history_chart(card)
    blocks += [chart] if chart else []
    return [*blocks, _health_actions(row), context(*_certainty(card))]


def _overridden(made: Override) -> str:
    computed = "no score" if made.computed is None else f"{points(made.computed)} {band_words(made.computed_band)}"
    return f":pencil2: Set by {escape(made.by)} until {day(made.expires_on)}: {escape(made.note)}\nComputed: {computed}"


def _waterfall(change: Change) -> str:
    """How the score came from the earlier one; the shown parts and the rest sum to the change."""
    shown, rest = change.steps[:MOST_STEPS], change.steps[MOST_STEPS:]
    lines = [f"• {step.points:+.1f}  {escape(step.label)}: {step.before} → {step.now}" for step in shown]
    if rest:
        lines.append(f"• {sum(round(10 * step.points) for step in rest) / 10:+.1f}  {len(rest)} smaller ones")
    head = f"*What moved it since {day(change.since)}: {change.now - change.before:+.1f}*"
    return "\n".join([head, *lines])


def _health_actions(row: AccountRow) -> Block:
    end = button("End override", "end_override", {"account": row.id})
    return actions(
        button("Draft outreach", "draft_outreach", {"account": row.id}, "primary"),
        button("All indicators", "indicators", {"account": row.id}),
        end if row.override else button("Override", "override_health", {"account": row.id}),
    )


def _certainty(card: HealthCard) -> list[str]:
    assert card.row is not None
    old = ", ".join(f"{source_words(source)} until {day(newest)}" for source, newest in card.stale)
    return [
        " · ".join(f"{value:.0f} {label}" for label, value in card.baselines),
        f"Coverage {card.row.coverage:.0%}",
        f"Missing: {', '.join(card.missing)}" if card.missing else "",
        f"Old data: {old}" if old else "",
        f"Scorecard “{card.scorecard}” v{card.version}",
    ]


def indicators(card: HealthCard) -> list[Block]:
    """Every indicator of a score as a table."""
    assert card.row is not None
    rows: list[list[str | tuple[float, str]]] = [
        [i.label, i.shown, (i.points, f"{i.points:.0f}"), (i.weight, f"{i.weight:.1f}"), (i.effect, f"{i.effect:+.1f}")]
        for i in card.indicators
    ]
    head = ["Indicator", "Now", "Points of 100", "Weight", "Effect against portfolio"]
    return [table(f"What makes up the score of {card.row.name}", head, rows, 20)]


def override_view(row: AccountRow, card: Scorecard, where: dict[str, str | None]) -> Block:
    """The modal that puts a CSM's judgement in place of the score."""
    bands = [option(band_words(band.name).capitalize(), band.name) for band in card.bands]
    periods = [option(f"{days} days", str(days)) for days in (30, 60, 90)]
    return {
        "type": "modal",
        "callback_id": "override_health",
        "title": {"type": "plain_text", "text": "Override the health"},
        "submit": {"type": "plain_text", "text": "Set"},
        "close": {"type": "plain_text", "text": "Cancel"},
        "private_metadata": json.dumps({"account": row.id, **where}),
        "blocks": [
            section(f"*{escape(row.name)}*: computed {health(row)}. Your judgement counts until it ends by itself."),
            field("band", "Band", {"type": "static_select", "action_id": "band", "options": bands}),
            field(
                "value",
                "Score, if you want to set one (0-100)",
                {"type": "number_input", "action_id": "value", "is_decimal_allowed": False},
                optional=True,
            ),
            field("note", "Why?", {"type": "plain_text_input", "action_id": "note", "multiline": True}),
            field(
                "days",
                "For how long?",
                {"type": "static_select", "action_id": "days", "options": periods, "initial_option": periods[0]},
            ),
        ],
    }


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
