"""Forecasts as blocks: the decision first, the account's own numbers, one next action."""

from bot.blocks.accounts import health
from bot.blocks.parts import Block, actions, button, context, escape, section, table
from tools.churn import BASELINE, BEFORE, TOLD, ChurnCard, percent, value_words
from tools.facts import day, money
from tools.forecasts import FORECAST_DAYS
from tools.leaving import LeavingList, keeping_value

DOTS = {"high": ":red_circle:", "medium": ":large_orange_circle:", "low": ":large_yellow_circle:"}
QUIET = ":large_green_circle:"
STRONG = 0.4  # of the log-odds: two arrows


def churn_card(card: ChurnCard) -> list[Block]:
    """Draw a forecast; without a model, say so."""
    assert card.row is not None
    if card.no_model or card.segment is None:
        return [section(escape(card.text)), _actions(card)]
    told = card.told
    was = f" (was {percent(card.before)} {BEFORE} days ago)" if card.before is not None else ""
    dot = DOTS.get(card.segment.name, QUIET)
    head = f"{dot} *{escape(card.row.name)}*: *{percent(told)}* likely to leave within {TOLD} days{was}"
    others = " · ".join(f"{percent(c)} in {d}" for d, c in zip(FORECAST_DAYS, card.within, strict=True) if d != TOLD)
    act = f"*{card.segment.name.capitalize()} risk: {card.segment.respond}*"
    does = f": {escape(', '.join(card.segment.responses))}" if card.segment.responses else ""
    blocks = [section(f"{head}\n{others} · {health(card.row)}"), section(f"{act}{does}")]
    lines = "\n".join(f"{_arrow(driver.effect)} {escape(driver.text)}" for driver in card.drivers)
    blocks += [section(f"*Why*\n{lines}")] if lines else []
    told_already = {driver.text for driver in card.drivers}
    risen = [driver for driver in card.rise if driver.text not in told_already][:3]
    moved = "\n".join(f"{_arrow(driver.effect)} {escape(driver.text)}" for driver in risen)
    blocks += [section(f"*What else moved it in {BEFORE} days*\n{moved}")] if moved else []
    if card.what_if is not None:
        text = f"*What if* its use were as {BASELINE} days ago: {percent(told)} → *{percent(card.what_if)}* "
        blocks.append(section(text + "_(the model's view, not a promise)_"))
    return [*blocks, _actions(card), context(*_small(card))]


def _arrow(effect: float) -> str:
    """Towards leaving or away from it, doubled when strong."""
    return ("▲" if effect > 0 else "▽") * (2 if abs(effect) >= STRONG else 1)


def _small(card: ChurnCard) -> list[str]:
    assert card.row is not None
    window = (
        f"If it leaves within a year, most likely {day(card.window[0])} – {day(card.window[1])}" if card.window else ""
    )
    rest = f"{money(card.remaining, card.row.currency)} to expect in 12 months" if card.remaining is not None else ""
    known = f"{card.known:.0%} of the model's inputs known · churn model {card.version}"
    return [window, rest, value_words(card), known]


def _actions(card: ChurnCard) -> Block:
    assert card.row is not None
    return actions(
        button("Draft outreach", "draft_outreach", {"account": card.row.id}, "primary"),
        button("Why this health", "why", {"account": card.row.id}),
    )


def leaving_list(found: LeavingList) -> list[Block]:
    """Draw who is likely to leave: how many to expect, the riskiest, where trying pays."""
    if not found.rows:
        return [section("*No account with a forecast meets this.*"), context("Try fewer filters.")]
    counts = " · ".join(f"{DOTS.get(name, QUIET)} {count:,} {name}" for name, count in found.segments if count)
    first = found.rows[0]
    why = "; ".join(reason.text for reason in first.reasons) or "no single reason stands out"
    lines = [
        [
            row.name,
            (row.loss_probability or 0.0, percent(row.loss_probability or 0.0)),
            "–" if row.arr is None else (row.arr, money(row.arr, row.currency)),
            "–" if (worth := keeping_value(row)) is None else (worth, money(worth, row.currency)),
            day(row.renewal_on) if row.renewal_on else "–",
        ]
        for row in found.rows
    ]
    source = "churn model" if found.by_model else "no churn model yet: the observed loss rate of each health band"
    return [
        context(counts),
        table("Likely to leave", ["Account", f"{TOLD} days", "ARR", "Worth trying", "Renews"], lines),
        section(f"*{escape(first.name)}* · {health(first)}\n{escape(why)}"),
        actions(
            button(f"Draft outreach to {first.name}"[:75], "draft_outreach", {"account": first.id}, "primary"),
            button("Why", "why", {"account": first.id}),
        ),
        context(f"{source} · worth trying = probability × ARR × chance of saving − cost"),
    ]
