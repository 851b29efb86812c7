"""The daily digest as blocks: the decision first, five accounts, the rest behind a button."""

from typing import Any

from bot.blocks.accounts import line
from bot.blocks.parts import Block, actions, button, context, escape, fit, header, section
from tools.account_rows import AccountRow
from tools.accounts import points
from tools.digests import SHOWN, DigestCard
from tools.facts import day, money_by_currency, plural

FURTHER = 6  # names in one line


def digest_blocks(card: DigestCard) -> list[Block]:
    """The digest as it is posted: the decision first, five accounts, details in the thread."""
    title = f"At risk · {card.day:%A} {day(card.day)}"
    if not card.rows:
        return [section(f":large_green_circle: *{title}*: no account is at risk today."), *_incidents(card)]
    if card.quiet:
        return [
            section(f":zzz: *{title}*: nothing changed since the last digest. {card.text}"),
            *_incidents(card),
            actions(button("Show them anyway", "digest_all", {"day": card.day.isoformat()})),
        ]
    blocks = [header(title), section(_digest_head(card)), *_incidents(card)]
    for row in card.rows[:SHOWN]:
        blocks += [section(line(row, _mark(card, row))), _digest_actions(row)]
    blocks += _further(card)
    if card.recovered:
        blocks.append(section("*Off the list:* " + "; ".join(_recovered(r) for r in card.recovered[:6])))
    blocks += _digest_more(card)
    return fit(blocks)


def _incidents(card: DigestCard) -> list[Block]:
    """What is wrong with the data, before anybody acts on it."""
    return [context(f":warning: {escape(said)}") for said in card.incidents[:3]]


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


def _further(card: DigestCard) -> list[Block]:
    """What changed further down the ranking must not be missed: names and scores in one line each."""
    lines = []
    for label, ids in (("New", card.fresh), ("Worse", card.worse)):
        names = [f"{escape(row.name)} ({_health_points(row)})" for row in card.rows[SHOWN:] if row.id in ids]
        more = f" and {len(names) - FURTHER} more" if len(names) > FURTHER else ""
        lines += [section(f"*{label} further down:* {'; '.join(names[:FURTHER])}{more}")] if names else []
    return lines


def _health_points(row: AccountRow) -> str:
    return "no score" if row.health is None else points(row.health)


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
