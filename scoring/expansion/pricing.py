"""Advice on price: what speaks for more or less, bounded by policy, with what it does to the margin."""

from dataclasses import dataclass

import polars as pl

from scoring.expansion.offers import Offer, Policy, Rules
from scoring.expansion.opportunities import prepared

RANKS = ("csm", "approver", "admin")


@dataclass(frozen=True)
class PriceAdvice:
    """A suggested discount on an offer.

    Args:
        discount: share of the list price, within the policy.
        wanted: what the reasons add up to before the policy.
        reasons: what speaks for more or less, with its share.
        approver: the lowest role that may give it.
        list_price, price: a month, in the offer's currency; None where there is no list price.
        margin, margin_before: share of the price that is left after cost, with and without the discount.
        market: what comparable products cost a month, where the policy knows, and `listed` what ours does.
    """

    discount: float
    wanted: float
    reasons: tuple[tuple[str, float], ...]
    approver: str
    list_price: float | None
    price: float | None
    margin: float
    margin_before: float
    market: float | None = None
    listed: float | None = None


def advise(rules: Rules, offer: Offer, account: pl.DataFrame, list_price: float | None) -> PriceAdvice:
    """Suggest a price for one account; never by traits of a person, only by the account's own record.

    Args:
        account: its row, as for `opportunities`.
        list_price: of the offer for this account, a month.
    """
    policy = rules.book.policy
    row = prepared(account)
    held = row.select(expr.fill_null(False).alias(str(k)) for k, expr in enumerate(rules.reductions)).row(0)
    reasons = [(d.says, d.share) for d, holds in zip(rules.book.discounts, held, strict=True) if holds]
    if offer.discount:
        reasons = [(offer.title.lower(), offer.discount)]  # part of the offer itself, and nothing on top
    wanted = max(sum(share for _, share in reasons), 0.0)
    plan = offer.to or row["plan"][0] or ""
    discount = min(wanted, highest(policy, offer, row["plan"][0]))
    return PriceAdvice(
        discount=discount,
        wanted=wanted,
        reasons=tuple(reasons),
        approver=approver_of(policy, discount),
        list_price=list_price,
        price=None if list_price is None else round(list_price * (1 - discount), 2),
        margin=margin_after(policy.margin, discount),
        margin_before=policy.margin,
        market=policy.market.get(plan),
        listed=next((each.price for each in rules.book.plans if each.name == plan), None),
    )


def highest(policy: Policy, offer: Offer, plan: str | None) -> float:
    """The most that anybody may give on an offer to a plan."""
    by_role = max(limit.discount for limit in policy.limits)
    return min(by_role, policy.plan_limits.get(offer.to or plan or "", by_role))


def approver_of(policy: Policy, discount: float) -> str:
    """The lowest role that may give a discount; the highest when none may."""
    by_role: dict[str, float] = {limit.role: limit.discount for limit in policy.limits}
    able = (role for role in RANKS if by_role.get(role, -1.0) >= discount - 1e-9)
    return next(able, RANKS[-1])


def margin_after(margin: float, discount: float) -> float:
    """Share of the reduced price that is left after a cost that stays the same."""
    return 1 - (1 - margin) / (1 - discount)
