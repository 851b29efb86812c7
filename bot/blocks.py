"""Results to Block Kit, pure. Every builder stays within Slack's limits by splitting or shortening."""

import json
import re
from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Any

from storage.models import DraftState
from tools.account_rows import AccountRow
from tools.accounts import AccountBrief, AccountList, band_words, points
from tools.digests import SHOWN, DigestCard
from tools.drafts import DraftCard
from tools.errors import Choice
from tools.facts import Fact, Result, day, money, money_by_currency, plural
from tools.insights import HealthCard, PortfolioSummary

Block = dict[str, Any]
SECTION, HEADER, BUTTON, VALUE, CAPTION, CONTEXTS = 3000, 150, 75, 2000, 150, 10
MESSAGE_BLOCKS, MESSAGE_CHARACTERS = 50, 12_500
TABLE_ROWS = 10
CHART_SPAN = timedelta(days=91)
DOTS = {
    "healthy": ":large_green_circle:",
    "at_risk": ":large_yellow_circle:",
    "critical": ":large_orange_circle:",
    "churning": ":red_circle:",
    None: ":white_circle:",
}
MENTION = re.compile(r"<(?=[!@#]|https?:|mailto:)")


def escape(text: str) -> str:
    """Neutralise mark-up in text that we did not write: no mention, no link, no channel alarm."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def shorten(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"


# Small parts


def section(text: str, accessory: Block | None = None) -> Block:
    block: Block = {"type": "section", "text": {"type": "mrkdwn", "text": shorten(text, SECTION)}}
    return block | ({"accessory": accessory} if accessory else {})


def header(text: str) -> Block:
    return {"type": "header", "text": {"type": "plain_text", "text": shorten(text, HEADER)}}


def context(*texts: str) -> Block:
    parts = [{"type": "mrkdwn", "text": shorten(text, SECTION)} for text in texts if text]
    return {"type": "context", "elements": parts[:CONTEXTS]}


def button(label: str, action: str, value: Any, style: str | None = None, confirm: Block | None = None) -> Block:
    packed = value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))
    block: Block = {
        "type": "button",
        "text": {"type": "plain_text", "text": shorten(label, BUTTON)},
        "action_id": action,
        "value": packed[:VALUE],
    }
    return block | ({"style": style} if style else {}) | ({"confirm": confirm} if confirm else {})


def actions(*buttons: Block) -> Block:
    return {"type": "actions", "elements": list(buttons)}


def divider() -> Block:
    return {"type": "divider"}


def table(caption: str, head: list[str], rows: Iterable[list[str | tuple[float, str]]], page: int = 10) -> Block:
    """A native table; a cell is a text, or a number with the way it is shown."""
    cells = [[_cell(cell) for cell in row] for row in rows]
    return {
        "type": "data_table",
        "caption": shorten(caption, CAPTION),
        "page_size": page,
        "rows": [[{"type": "raw_text", "text": name} for name in head], *cells],
    }


def _cell(cell: str | tuple[float, str]) -> Block:
    if isinstance(cell, tuple):
        return {"type": "raw_number", "value": round(cell[0], 2), "text": cell[1]}
    return {"type": "raw_text", "text": shorten(cell, 200) or "–"}


def fit(blocks: list[Block]) -> list[Block]:
    """Cut a message to Slack's size, with a last line that says that something was cut."""
    kept: list[Block] = []
    size = 0
    for block in blocks:
        size += _characters(block)
        if (len(kept) == MESSAGE_BLOCKS - 1 and len(blocks) > MESSAGE_BLOCKS) or size > MESSAGE_CHARACTERS:
            return [
                *kept[: MESSAGE_BLOCKS - 1],
                context("There is more than fits here; narrow the question to see it."),
            ]
        kept.append(block)
    return kept


def _characters(part: Any) -> int:
    if isinstance(part, dict):
        return sum(len(v) if k == "text" and isinstance(v, str) else _characters(v) for k, v in part.items())
    return sum(_characters(v) for v in part) if isinstance(part, list) else 0


# Words


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


# Results


def result_blocks(result: Result) -> list[Block]:
    """Draw any result of a tool from its data."""
    for kind, build in _BUILDERS.items():
        if isinstance(result, kind):
            return build(result)
    return [section(escape(result.text))]


def account_list(found: AccountList) -> list[Block]:
    if not found.rows:
        return [section(f"No accounts match: {escape(found.title)}."), context("Try fewer filters.")]
    shown = found.rows[:TABLE_ROWS]
    caption = f"{plural(found.total, 'account')}: {found.title}"
    blocks = [
        table(
            caption,
            ["Account", "Health", "30 days", "ARR", "At risk", "Renews"],
            [_table_row(row) for row in shown],
        )
    ]
    blocks += [section(line(row), _row_menu(row)) for row in shown[:3] if row.reasons]
    if found.total > len(shown):
        blocks.append(
            context(
                f"{len(shown)} of {found.total} shown. Ask for a segment, plan, owner or renewal "
                "window to narrow it, or sort by ARR, health or renewal."
            )
        )
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


# Digests


def digest_blocks(card: DigestCard) -> list[Block]:
    """The digest as it is posted: the decision first, five accounts, details in the thread."""
    title = f"At risk · {card.day:%A} {day(card.day)}"
    if not card.rows:
        return [section(f":large_green_circle: *{title}*: no account is at risk today.")]
    if card.quiet:
        return [
            section(f":zzz: *{title}*: nothing changed since the last digest. {card.text}"),
            actions(button("Show them anyway", "digest_all", {"day": card.day.isoformat()})),
        ]
    blocks = [header(title), section(_digest_head(card))]
    for row in card.rows[:SHOWN]:
        blocks += [section(line(row, _mark(card, row))), _digest_actions(row)]
    if card.recovered:
        blocks.append(section("*Off the list:* " + "; ".join(_recovered(r) for r in card.recovered[:6])))
    blocks += _digest_more(card)
    return fit(blocks)


def _digest_head(card: DigestCard) -> str:
    parts = [f"*{plural(card.total, 'account')}* at risk, {money_by_currency(card.arr_at_risk)} ARR"]
    if card.expected_loss:
        parts.append(f"about {money_by_currency(card.expected_loss)} of it likely lost within 60 days")
    changes = [
        f"*{len(card.fresh)} new*" if card.fresh else "",
        f"*{len(card.worse)} worse*" if card.worse else "",
        f"*{len(card.recovered)} off the list*" if card.recovered else "",
    ]
    since = ", ".join(change for change in changes if change)
    return ", ".join(parts) + "." + (f"\nSince the last digest: {since}." if since else "")


def _mark(card: DigestCard, row: AccountRow) -> str:
    mark = (
        " · :new: new"
        if row.id in card.fresh
        else " · :chart_with_downwards_trend: worse"
        if row.id in card.worse
        else ""
    )
    return mark + (f" · taken by {escape(card.taken[row.id].split('@')[0])}" if row.id in card.taken else "")


def _digest_actions(row: AccountRow) -> Block:
    value = {"account": row.id}
    return actions(
        button("Draft outreach", "draft_outreach", value, "primary"),
        button("Why", "why", value),
        button("I'm on it", "acknowledge", value),
        button("Snooze 7 days", "snooze", {**value, "days": 7}),
    )


def _recovered(account: Any) -> str:
    if account.left:
        return f"{escape(account.name)} (left)"
    return f"{escape(account.name)}" + (f" ({account.health:.0f})" if account.health is not None else "")


def _digest_more(card: DigestCard) -> list[Block]:
    rest = card.total - SHOWN
    blocks = []
    if rest > 0:
        label = f"Show the other {rest}" if rest > 1 else "Show the other one"
        blocks.append(actions(button(label, "digest_all", {"day": card.day.isoformat()})))
    age = "" if card.as_of == card.day else f"Data as of {day(card.as_of)}, the newest there is"
    asleep = f"{plural(card.snoozed, 'account')} snoozed" if card.snoozed else ""
    order = "Ranked by revenue at risk: probability of loss within 60 days × ARR"
    return [*blocks, context(*[part for part in (order, age, asleep) if part])]


# Drafts


def draft_blocks(card: DraftCard) -> list[Block]:
    """A draft for review: who and why, the exact text, the facts it uses, then the decision."""
    head = (
        f":envelope: *Draft to {escape(card.contact)}* ({escape(card.contact_role)}, {escape(card.account)})\n"
        f"From {escape(card.sender_name)} to {escape(card.recipient)} · asks for {escape(card.ask or 'a reply')}"
    )
    blocks = [section(head), section(f"*{escape(card.subject)}*")]
    blocks += [section(_quote(part)) for part in _pieces(card.body, 2500)]
    facts = "; ".join(f"{fact.measure} {fact.value}" for fact in card.facts)
    blocks.append(context(f"Facts used: {escape(facts)}"))
    blocks += _decision(card)
    return fit(blocks)


def _decision(card: DraftCard) -> list[Block]:
    if card.state not in (DraftState.DRAFTED, DraftState.SNOOZED):
        return [context(STATES[card.state] + (f" · {escape(card.note)}" if card.note else ""))]
    value = {"draft": card.id, "hash": card.content_hash}
    return [
        actions(
            button("Approve and send", "approve_draft", value, "primary"),
            button("Edit", "edit_draft", value),
            button("Reject", "reject_draft", value, "danger"),
        ),
        context(f"Nothing is sent before you approve. Expires {day(card.expires_at.date())}."),
    ]


STATES = {
    DraftState.REJECTED: ":no_entry_sign: Rejected",
    DraftState.EXPIRED: ":hourglass: Expired; ask for a new one",
    DraftState.APPROVED: ":hourglass_flowing_sand: Approved, on its way",
    DraftState.CANCELLED: ":warning: Approved, but not sent",
    DraftState.SENDING: ":hourglass_flowing_sand: Sending",
    DraftState.SENT: ":white_check_mark: Sent",
    DraftState.FAILED: ":x: Could not be delivered",
    DraftState.UNCLEAR: ":warning: Unclear whether it went out: check with the recipient before sending again",
}


def _quote(text: str) -> str:
    return "\n".join(f"> {escape(row)}" if row else ">" for row in text.split("\n"))


def _pieces(text: str, most: int) -> list[str]:
    """Split long text at line ends, so that each piece fits a block."""
    pieces = [""]
    for row in text.split("\n"):
        for part in [row[i : i + most] for i in range(0, len(row), most)] or [""]:
            if len(pieces[-1]) + len(part) + 1 > most:
                pieces.append(part)
            else:
                pieces[-1] = f"{pieces[-1]}\n{part}" if pieces[-1] else part
    return pieces


def edit_view(card: DraftCard) -> Block:
    """The modal that edits a draft."""
    return _modal(
        "edit_draft",
        "Edit the draft",
        "Save",
        card,
        [
            context(f"To {escape(card.contact)}, {escape(card.recipient)}"),
            _input("subject", "Subject", card.subject, 200, False),
            _input("body", "Text", card.body, 3000, True),
        ],
    )


def reject_view(card: DraftCard) -> Block:
    """The modal that asks why a draft is rejected."""
    return _modal(
        "reject_draft",
        "Reject the draft",
        "Reject",
        card,
        [
            section(f"“{escape(card.subject)}” to {escape(card.contact)} will not be sent."),
            _input("reason", "Why? It teaches the next draft.", "", 1000, True),
        ],
    )


def _modal(callback: str, title: str, submit: str, card: DraftCard, blocks: list[Block]) -> Block:
    return {
        "type": "modal",
        "callback_id": callback,
        "title": {"type": "plain_text", "text": title},
        "submit": {"type": "plain_text", "text": submit},
        "close": {"type": "plain_text", "text": "Cancel"},
        "private_metadata": json.dumps({"draft": card.id, "hash": card.content_hash}),
        "blocks": blocks,
    }


def _input(name: str, label: str, value: str, most: int, multiline: bool) -> Block:
    element: Block = {
        "type": "plain_text_input",
        "action_id": name,
        "multiline": multiline,
        "max_length": most,
    }
    if value:
        element["initial_value"] = value[:most]
    return {
        "type": "input",
        "block_id": name,
        "label": {"type": "plain_text", "text": label},
        "element": element,
    }


# Questions and help


def choices(question: str, options: Iterable[Choice], original: str, name: str) -> list[Block]:
    """Ask back with a button for each possible meaning."""
    picks = [
        button(option.label, f"choose:{place}", {"q": original[:1500], "name": name, "is": option.value})
        for place, option in enumerate(options)
    ]
    return [section(escape(question)), *([actions(*picks[:5])] if picks else [])]


def suggestions(text: str, prompts: Iterable[str]) -> list[Block]:
    """Say something, and offer questions to press."""
    picks = [button(prompt, f"ask:{place}", {"q": prompt}) for place, prompt in enumerate(prompts)]
    return [section(text), *([actions(*picks[:5])] if picks else [])]


def sources(facts: Iterable[Fact]) -> list[Block]:
    rows: list[list[str | tuple[float, str]]] = [
        [fact.subject, fact.measure, f"{fact.value} {fact.unit}", day(fact.as_of), fact.source]
        for fact in list(facts)[:100]
    ]
    return [table("Where the figures come from", ["About", "What", "Value", "As of", "Source"], rows)] if rows else []


_BUILDERS: dict[type[Result], Callable[[Any], list[Block]]] = {
    AccountList: account_list,
    AccountBrief: account_brief,
    HealthCard: health_card,
    PortfolioSummary: portfolio,
    DraftCard: draft_blocks,
    DigestCard: digest_blocks,
}
