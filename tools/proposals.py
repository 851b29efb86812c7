"""Draft an offer to an account within policy, and note what became of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import polars as pl
from sqlalchemy import update
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, col, select

from knowledge.documents import templates
from scoring.catalogue import CATALOGUE
from scoring.expansion.offers import Offer
from scoring.expansion.opportunities import prepared, uplift
from scoring.expansion.pricing import PriceAdvice, advise, approver_of, highest, margin_after
from storage.database import changed_one
from storage.models import Account, Audit, Opportunity, OpportunityState, Role
from tools.account_query import subject_of
from tools.context import Context
from tools.drafts import DraftCard, compose, draft_card, earlier_draft, message_facts
from tools.errors import StaleError, UserError
from tools.expansion import offer_of
from tools.facts import Fact, FactSheet, Result, money

TEMPLATE = "offer"
SOURCE = "offers"


@dataclass(frozen=True)
class Pricing(Result):
    """What to ask for an offer, with reasons and what it does to the margin."""

    account: str = ""
    offer: str = ""
    currency: str = ""
    advice: PriceAdvice | None = None
    as_of: date = date.min


def draft_proposal(
    ctx: Context, account: str, offer: str | None = None, discount: float | None = None, request_key: str | None = None
) -> DraftCard:
    """Draft an upgrade or another offer to an account, with its own numbers, for a person to approve.

    Args:
        account: the account's name, domain or external id.
        offer: the id or title of an offer; left out, the one with the best expected revenue.
        discount: share of the price to give, 0.1 for 10 %; left out, what the policy suggests.
        request_key: makes a repeated request return the first draft.
    """
    ctx.require(Role.CSM)
    with ctx.session() as session:
        known = earlier_draft(session, request_key)
        if known:
            return draft_card(session, known)
        found, _, as_of = subject_of(ctx, session, account)
        chosen, opportunity = _chosen(ctx, session, found, offer)
        facts = message_facts(ctx, session, found, as_of)
        advice = _advice(ctx, found, chosen, facts, opportunity)
        given = advice.discount if discount is None else _within_policy(ctx, chosen, found, discount)
        words = {"offer_title": chosen.title, "pitch": chosen.pitch, "price_words": _price_words(found, advice, given)}
        draft = compose(ctx, session, found, {**facts, **words}, templates()[TEMPLATE], as_of)
        draft.request_key, draft.offer = request_key, chosen.id
        policy = ctx.offers.book.policy
        draft.approver_role = approver_of(policy, given)
        draft.four_eyes = given > _own_limit(ctx) + 1e-9
        draft.facts = [*draft.facts, *(fact.to_dict() for fact in _price_facts(found, chosen, advice, given, as_of))]
        session.add(draft)
        try:
            session.commit()
        except IntegrityError:  # the same request, answered at the same moment
            session.rollback()
            draft = earlier_draft(session, request_key) or draft
        return draft_card(session, draft)


def price_advice(ctx: Context, account: str, offer: str | None = None) -> Pricing:
    """Advise on the price of an offer for one account: discount within policy, reasons, margin, market.

    Args:
        account: the account's name, domain or external id.
        offer: the id or title of an offer; left out, the one with the best expected revenue.
    """
    with ctx.session() as session:
        found, _, as_of = subject_of(ctx, session, account)
        chosen, opportunity = _chosen(ctx, session, found, offer, held_back_too=True)
        advice = _advice(ctx, found, chosen, message_facts(ctx, session, found, as_of), opportunity)
    text = _advice_words(found, chosen, advice)
    facts = _price_facts(found, chosen, advice, advice.discount, as_of)
    return Pricing(text, facts, (found.id or 0,), found.name, chosen.title, found.currency, advice, as_of)


def settle(ctx: Context, account_id: int, offer: str, accepted: bool) -> str:
    """Note what the customer said to a proposal. Returns what was noted.

    Raises:
        StaleError: nothing is waiting for an answer.
    """
    ctx.require(Role.CSM)
    state = OpportunityState.ACCEPTED if accepted else OpportunityState.REFUSED
    with ctx.session() as session:
        mine = (col(Opportunity.account_id) == account_id, col(Opportunity.offer) == offer)
        still = col(Opportunity.state) == OpportunityState.PROPOSED
        values = {"state": state, "decided_on": ctx.today(), "decided_by": ctx.actor.email}
        if not changed_one(session, update(Opportunity).where(*mine, still).values(**values)):
            raise StaleError("Nothing is waiting for an answer here: it was noted already, or never proposed.")
        session.add(
            Audit(
                at=ctx.now(), actor=ctx.actor.email, action=f"opportunity.{state}", subject=f"account:{account_id}",
                before={"state": "proposed"}, after={"state": str(state), "offer": offer},
            )
        )  # fmt: skip
        session.commit()
        name = session.get_one(Account, account_id).name
    known = ctx.offers.book.offer(offer)
    return f"Noted: {name} {'accepted' if accepted else 'refused'} {known.title if known else offer}."


def _chosen(
    ctx: Context, session: Session, account: Account, words: str | None, held_back_too: bool = False
) -> tuple[Offer, Opportunity | None]:
    """The offer asked for, or the best; refused where something forbids any proposal."""
    running = select(Opportunity).where(
        col(Opportunity.account_id) == account.id,
        col(Opportunity.state).in_((OpportunityState.OPEN, OpportunityState.PROPOSED)),
    )
    found = sorted(session.exec(running).all(), key=lambda o: -(o.probability * (o.uplift or 0.0)))
    held = next((o.blocker for o in found if o.blocker), None)
    if held and not held_back_too:
        raise UserError(f"I hold back an offer to {account.name}: {held}. Settle that first, then ask me again.")
    if words is None:
        if not found:
            raise UserError(f"I see nothing that {account.name} should be offered now. Name an offer if you differ.")
        best = found[0]
        offer = ctx.offers.book.offer(best.offer)
        if offer is None:
            raise UserError("The offers have changed since the last scoring; ask again tomorrow or name an offer.")
        return offer, best
    offer = offer_of(ctx.offers.book, words)
    if account.plan not in offer.plans:
        raise UserError(
            f"{offer.title} is for accounts on {', '.join(offer.plans)}; "
            f"{account.name} is on {account.plan or 'no plan'}."
        )
    return offer, next((o for o in found if o.offer == offer.id), None)


def _advice(
    ctx: Context, account: Account, offer: Offer, facts: Mapping[str, Any], opportunity: Opportunity | None
) -> PriceAdvice:
    numbers = {name: facts[name] for name in CATALOGUE if facts.get(name) is not None}
    row = pl.DataFrame([{**numbers, "account_id": account.id, "plan": account.plan, "mrr": account.mrr,
                         "currency": account.currency, "sub_segment": account.sub_segment}])  # fmt: skip
    added = opportunity.uplift if opportunity else _uplift_of(ctx, offer, row)
    return advise(ctx.offers, offer, row, added)


def _uplift_of(ctx: Context, offer: Offer, row: pl.DataFrame) -> float | None:
    found = prepared(row).select(uplift(ctx.offers.book, offer).alias("uplift"))["uplift"][0]
    return None if found is None else float(found)


def _within_policy(ctx: Context, offer: Offer, account: Account, discount: float) -> float:
    most = highest(ctx.offers.book.policy, offer, account.plan)
    if not 0 <= discount <= most + 1e-9:
        raise UserError(
            f"A discount of {discount:.0%} on {offer.title} is above the policy: at most {most:.0%} may be given."
        )
    return discount


def _own_limit(ctx: Context) -> float:
    """What the person who asks may give alone."""
    limits = {limit.role: limit.discount for limit in ctx.offers.book.policy.limits}
    return limits.get("csm", 0.0)


def _price_words(account: Account, advice: PriceAdvice, given: float) -> str:
    if advice.list_price is None:
        return "I will send you the price with the details, as it depends on your volume."
    price = money(advice.list_price * (1 - given), account.currency)
    less = f", {given:.0%} below the list price" if given else ""
    return f"It would be {price} a month on top of what you pay today{less}."


def _advice_words(account: Account, offer: Offer, advice: PriceAdvice) -> str:
    price = money(advice.price, account.currency) if advice.price is not None else "no list price"
    said = f"{offer.title} for {account.name}: {price} a month"
    given = f", a discount of {advice.discount:.0%} (may be given by: {advice.approver})."
    said += given if advice.discount else ", no discount."
    why = "; ".join(f"{words} ({share:+.0%})" for words, share in advice.reasons)
    bounded = ""
    if advice.wanted > advice.discount:
        bounded = f" The reasons add up to {advice.wanted:.0%}; the policy allows {advice.discount:.0%}."
    margin = f" Margin {advice.margin:.0%}" + (f" instead of {advice.margin_before:.0%}." if advice.discount else ".")
    market = ""
    if advice.market and advice.listed:
        market = f" Comparable products cost {money(advice.market)} a month where we list {money(advice.listed)}."
    return said + (f" Why: {why}." if why else "") + bounded + margin + market


def _price_facts(account: Account, offer: Offer, advice: PriceAdvice, given: float, as_of: date) -> tuple[Fact, ...]:
    sheet = FactSheet(as_of)
    sheet.add(account.name, "offer", offer.title, "text", SOURCE)
    sheet.add(account.name, "list price a month", advice.list_price, account.currency, SOURCE)
    if advice.list_price is not None:
        sheet.add(account.name, "price a month", round(advice.list_price * (1 - given), 2), account.currency, SOURCE)
    sheet.add(account.name, "discount", given, "share", SOURCE)
    sheet.add(account.name, "margin", round(margin_after(advice.margin_before, given), 4), "share", SOURCE)
    sheet.add(account.name, "market price", advice.market, "USD", SOURCE)
    sheet.add(account.name, "our list price", advice.listed, "USD", SOURCE)
    for words, share in advice.reasons:
        sheet.add(account.name, words, f"{share:+.0%}", "text", SOURCE)
    return tuple(sheet)
