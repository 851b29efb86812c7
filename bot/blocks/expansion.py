"""Growth as blocks: opportunities and pipeline, one account's card, trials, value, the next hours."""

from bot.blocks.accounts import health
from bot.blocks.parts import Block, actions, button, context, escape, section, table
from tools.expansion import GrowthCard, OpportunityList, OpportunityRow
from tools.facts import day, money, money_by_currency, plural
from tools.hours import Hours
from tools.proposals import Pricing
from tools.trials import TrialNews, TrialReport
from tools.value import ValueCard, ValueReport

SHOWN = 3  # opportunities of one account
EVIDENCE = 4
BY_RULE = "probability by rule: what such proposals usually bring"
BY_MODEL = "probability by the growth model"


def opportunity_list(found: OpportunityList) -> list[Block]:
    """Draw the pipeline, the best opportunities and what is held back."""
    if not found.rows:
        return [section(escape(found.text)), *_held(found)]
    if found.rows[0].held_back:
        return _held_back(found)
    rows = [
        [
            row.account,
            row.title,
            (row.score, f"{row.score:.0f}"),
            (row.probability, f"{row.probability:.0%}"),
            _unpriced(row) if row.expected is None else (row.expected, money(row.expected, row.currency)),
            row.timing,
        ]
        for row in found.rows
    ]
    caption = f"{plural(found.total, 'opportunity')} at {plural(found.accounts, 'account')}"
    first = found.rows[0]
    blocks = [
        table(caption, ["Account", "Offer", "Score", "Chance", "A month", "When"], rows),
        section(f"*{escape(first.account)}: {escape(first.title)}*\n{escape('; '.join(first.evidence[:EVIDENCE]))}"),
    ]
    blocks.append(actions(_draft(first), _why(first.account_id)))
    missing = f"{found.unpriced} without a price in the account's currency" if found.unpriced else ""
    return [*blocks, *_held(found), context(BY_MODEL if found.by_model else BY_RULE, missing)]


def _held_back(found: OpportunityList) -> list[Block]:
    """One line for each account: why nothing is proposed, and what could be once that is settled."""
    best = {row.account_id: row for row in reversed(found.rows)}
    rows: list[list[str | tuple[float, str]]] = [
        [row.account, row.held_back or "", row.title] for row in found.rows if best[row.account_id] is row
    ]
    return [table(f"{plural(found.accounts, 'account')} held back", ["Account", "Because", "Later perhaps"], rows)]


def _unpriced(row: OpportunityRow) -> str:
    return "by quotation" if row.type == "plan_upgrade" else f"no {row.currency} price"


def _held(found: OpportunityList) -> list[Block]:
    said = " · ".join(f"{n}: {escape(reason)}" for reason, n in found.held[:5])
    return [context(f":no_entry_sign: held back: {said}")] if said else []


def growth_card(card: GrowthCard) -> list[Block]:
    """Draw one account's opportunities, or why to hold back."""
    assert card.row is not None
    head = section(f"*{escape(card.row.name)}* · {health(card.row)} · {money(card.row.arr, card.row.currency)} ARR")
    if card.held_back:
        would = ", ".join(row.title for row in card.rows[:SHOWN])
        stop = section(f":no_entry_sign: *Nothing to propose now:* {escape(card.held_back)}")
        return [head, stop, context(f"later perhaps: {escape(would)}"), actions(_health(card.row.id))]
    if not card.rows:
        return [head, section("Nothing stands out that it should be offered now."), actions(_health(card.row.id))]
    blocks = [head, *(section(_lines(row)) for row in card.rows[:SHOWN])]
    best = card.rows[0]
    settle = (
        [
            button("They accepted", "settle_offer", _settle(best, True)),
            button("They refused", "settle_offer", _settle(best, False)),
        ]
        if best.state == "proposed"
        else [_draft(best)]
    )
    how = f"{best.approach} · {best.campaign}: {best.steps}"
    return [
        *blocks,
        actions(*settle, _health(card.row.id)),
        context(escape(how), BY_MODEL if card.by_model else BY_RULE),
    ]


def _lines(row: OpportunityRow) -> str:
    amount = _unpriced(row)
    if row.expected is not None and row.uplift is not None:
        span = f"{money(row.low, row.currency)}–{money(row.high, row.currency)}"
        won, expected = money(row.uplift, row.currency), money(row.expected, row.currency)
        amount = f"{won} a month if accepted, *{expected}* expected ({span})"
    proposed = " · _proposed_" if row.state == "proposed" else ""
    return (
        f"*{escape(row.title)}* · score *{row.score:.0f}* · {row.probability:.0%} · {row.timing}{proposed}\n{amount}\n"
        f"{escape('; '.join(row.evidence[:EVIDENCE]))}"
    )


def _settle(row: OpportunityRow, accepted: bool) -> dict[str, object]:
    return {"account": row.account_id, "offer": row.offer, "accepted": accepted}


def _draft(row: OpportunityRow) -> Block:
    return button("Draft the offer", "draft_offer", {"account": row.account_id, "offer": row.offer}, "primary")


def _health(account_id: int) -> Block:
    return button("Why this health", "why", {"account": account_id})


def _why(account_id: int) -> Block:
    return button("All for this account", "grow", {"account": account_id})


def pricing(card: Pricing) -> list[Block]:
    """Draw advice on a price: the suggestion, the reasons, the margin."""
    assert card.advice is not None
    advice = card.advice
    price = money(advice.price, card.currency) if advice.price is not None else "no list price"
    head = f"*{escape(card.offer)} for {escape(card.account)}: {price} a month*"
    less = f"{advice.discount:.0%} discount, may be given by: {advice.approver}" if advice.discount else "no discount"
    margin = f"margin {advice.margin:.0%}" + (f" instead of {advice.margin_before:.0%}" if advice.discount else "")
    blocks = [section(f"{head}\n{less} · {margin}")]
    why = "\n".join(f"{'▽' if share > 0 else '▲'} {escape(words)} ({share:+.0%})" for words, share in advice.reasons)
    blocks += [section(why)] if why else []
    market = ""
    if advice.market and advice.listed:
        market = f"comparable products cost {money(advice.market)} where we list {money(advice.listed)}"
    return [*blocks, context("always needs approval, never by traits of a person", market)]


def trial_report(found: TrialReport) -> list[Block]:
    """Draw the running trials and what became of the others."""
    blocks = [section(escape(found.text))]
    for row in found.running[:10]:
        used = f"used on {row.used_share:.0%} of its days" if row.used_share is not None else "not measured yet"
        text = f"*{escape(row.account)}* · {escape(row.title)} · until {day(row.ends_on)} · {used}"
        blocks.append(section(text, button("Bought", "settle_trial", {"trial": row.id, "converted": True})))
    return blocks


def trial_news(news: TrialNews) -> list[Block]:
    """Draw one piece of news about a trial, with what to do."""
    blocks = [section(f":hourglass: {escape(news.text)}")]
    if news.kind in ("propose", "remind"):
        blocks.append(
            actions(
                button("Draft the offer", "draft_offer", {"account": news.trial.account_id, "offer": None}, "primary"),
                button("Bought", "settle_trial", {"trial": news.trial.id, "converted": True}),
                button("End it", "settle_trial", {"trial": news.trial.id, "converted": False}),
            )
        )
    return blocks


def value_card(card: ValueCard) -> list[Block]:
    """Draw what one account is to pay."""
    assert card.row is not None
    row = card.row
    span = f"{money(card.low, row.currency)} – {money(card.high, row.currency)}"
    text = f"*{escape(row.name)}: {money(card.expected, row.currency)}* within {card.months} months\n80% between {span}"
    stay = f"expected to stay {card.stay:.0f} of {card.months} months" if card.stay is not None else ""
    how = (
        "survival by the churn model × revenue path"
        if card.method == "contract"
        else "pace and amounts of its purchases"
    )
    return [section(text), context(stay, f"{money(row.arr, row.currency)} ARR today", how)]


def value_report(found: ValueReport) -> list[Block]:
    """Draw lifetime value by segment."""
    rows: list[list[str | tuple[float, str]]] = [
        [
            each.segment.replace("_", " "),
            (each.accounts, f"{each.accounts:,}"),
            (each.expected, money(each.expected, each.currency)),
            (each.each, money(each.each, each.currency)),
        ]
        for each in found.segments
    ]
    unknown = f"{plural(found.unknown, 'account')} without revenue on record" if found.unknown else ""
    caption = f"Value within {found.months} months"
    return [
        table(caption, ["Segment", "Accounts", "Together", "Each"], rows),
        context("discounted by 10% a year", unknown),
    ]


def hours_list(found: Hours) -> list[Block]:
    """Draw what to do with the next hours."""
    if not found.efforts:
        return [section(escape(found.text))]
    rows: list[list[str | tuple[float, str]]] = [
        [
            effort.account,
            effort.what,
            (effort.hours, f"{effort.hours:g} h"),
            (effort.worth, money(effort.worth, effort.currency)),
            (effort.rate, money(effort.rate, effort.currency)),
        ]
        for effort in found.efforts
    ]
    first = found.efforts[0]
    act = (
        button("Draft outreach", "draft_outreach", {"account": first.account_id}, "primary")
        if first.kind == "keep"
        else button("Draft the offer", "draft_offer", {"account": first.account_id, "offer": None}, "primary")
    )
    total: dict[str, float] = {}
    for effort in found.efforts:
        total[effort.currency] = total.get(effort.currency, 0.0) + effort.worth
    caption = f"{found.hours:g} hours, worth {money_by_currency(total)} a year"
    return [
        table(caption, ["Account", "What", "Takes", "Worth", "An hour"], rows),
        actions(act),
        context("worth = probability × a year's revenue, after cost; hours per attempt are assumptions of the files"),
    ]
