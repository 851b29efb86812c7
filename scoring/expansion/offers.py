"""What can be offered: plans with prices and limits, offers, campaigns, approaches, policy; read strictly."""

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Literal

import polars as pl
from pydantic import BaseModel, ConfigDict, Field, model_validator

from scoring.catalogue import CATALOGUE, TEXTS
from scoring.declared import DeclaredError, line_of, read_declared
from scoring.predicates import Columns, PredicateError, did_you_mean, predicate

OFFERS = Path(__file__).with_name("offers.toml")
EVIDENCE = Path(__file__).with_name("evidence.toml")
OfferType = Literal["seats", "plan_upgrade", "add_on", "cross_sell", "annual_prepay", "multi_location", "premium_trial"]
# What predicates may ask besides the catalogue and its texts.
MORE_NUMBERS = ("health", "churn_probability")
MORE_FLAGS = ("red_band", "high_churn_risk")
ABOUT = (*CATALOGUE, *MORE_NUMBERS)
COLUMNS: Columns = {
    **dict.fromkeys(ABOUT, pl.Float64()),
    **dict.fromkeys(TEXTS, pl.String()),
    **dict.fromkeys(MORE_FLAGS, pl.Boolean()),
}
LABELS = {"health": "health", "churn_probability": "probability to leave"}


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class Plan(_Strict):
    """A plan with its list price a month, and its limits; without a price it is sold by quotation."""

    name: str
    price: float | None = Field(default=None, ge=0)
    per_seat: bool = False
    limits: dict[str, int] = {}

    @model_validator(mode="after")
    def _limits_above_zero(self) -> "Plan":
        for name, limit in self.limits.items():
            if limit <= 0:
                raise ValueError(f"plan {self.name}: the limit of {name} is {limit}: leave it out if there is none")
        return self


class Offer(_Strict):
    """One thing that can be offered.

    Args:
        plans: accounts on these may get it.
        to: the plan that it leads to.
        price: list price a month in the file's currency; `prices` in others.
        discount: share of the price that it gives up.
        when: an SQL predicate that makes it possible at all.
        points: what that alone is worth for the score.
        evidence: features shown with it.
        pitch: what it gives the customer, in a few words.
        share_per_location, reach: revenue of one more location against today's, and the share of them to expect.
        trial_days, success_share, feature: of a trial: its length, the share of days with use from which a proposal
            follows, and whether `advanced` or `core` features count.
    """

    id: str = Field(pattern=r"^[a-z][a-z0-9_]{1,39}$")
    title: str
    type: OfferType
    plans: tuple[str, ...] = Field(min_length=1)
    sub_segments: tuple[str, ...] = ()
    to: str | None = None
    price: float | None = Field(default=None, ge=0)
    prices: dict[str, float] = {}
    discount: float = Field(default=0.0, ge=0, lt=1)
    when: str
    points: float = Field(default=0.0, ge=0, le=100)
    evidence: tuple[str, ...] = Field(min_length=1)
    pitch: str
    share_per_location: float = Field(default=0.0, ge=0)
    reach: float = Field(default=0.0, ge=0, le=1)
    trial_days: int | None = Field(default=None, ge=1, le=90)
    success_share: float = Field(default=0.5, gt=0, le=1)
    feature: Literal["advanced", "core"] = "advanced"

    @model_validator(mode="after")
    def _complete(self) -> "Offer":
        if (self.type == "plan_upgrade") != (self.to is not None):
            raise ValueError(f"offer {self.id}: `to` belongs to a plan upgrade, and each needs one")
        if self.type in ("add_on", "cross_sell") and self.price is None and not self.prices:
            raise ValueError(f"offer {self.id}: it has no price")
        if (self.type == "premium_trial") != (self.trial_days is not None):
            raise ValueError(f"offer {self.id}: `trial_days` belongs to a trial, and each needs it")
        return self


class Campaign(_Strict):
    """What a score from `lower` upwards asks for; `probability` that such a proposal is accepted,
    until known; `hours` of a CSM that it takes."""

    lower: float = Field(alias="from", ge=0, le=100)
    name: str
    steps: str
    probability: float = Field(gt=0, lt=1)
    hours: float = Field(gt=0)


class Limit(_Strict):
    """The highest discount that a role may give."""

    role: Literal["csm", "approver", "admin"]
    discount: float = Field(ge=0, lt=1)


class Policy(_Strict):
    """Limits of what is given, and what is assumed; see the file."""

    margin: float = Field(gt=0, le=1)
    prior: float = Field(gt=0)
    cooldown_days: int = Field(ge=0)
    limits: tuple[Limit, ...] = Field(min_length=1)
    plan_limits: dict[str, float] = {}
    market: dict[str, float] = {}


class Discount(_Strict):
    """A reason to give more or less."""

    when: str
    share: float = Field(gt=-1, lt=1)
    says: str


class OfferBook(_Strict):
    """A team's offers."""

    currency: str = Field(pattern=r"^[A-Z]{3}$")
    rates: dict[str, float] = {}
    plans: tuple[Plan, ...] = Field(min_length=1)
    offers: tuple[Offer, ...] = Field(min_length=1)
    campaigns: tuple[Campaign, ...] = Field(min_length=1)
    approaches: dict[str, str] = {}
    policy: Policy
    discounts: tuple[Discount, ...] = ()

    @model_validator(mode="after")
    def _coherent(self) -> "OfferBook":
        names = [plan.name for plan in self.plans]
        ids = [offer.id for offer in self.offers]
        if twice := next((name for each in (names, ids) for name in each if each.count(name) > 1), None):
            raise ValueError(f"'{twice}' is declared twice")
        for offer in self.offers:
            for plan in (*offer.plans, *([offer.to] if offer.to else [])):
                if plan not in names:
                    raise ValueError(f"offer {offer.id}: unknown plan '{plan}'{did_you_mean(plan, names)}")
        if any(a.lower <= b.lower for a, b in pairwise(self.campaigns)):
            raise ValueError("`from` of the campaigns must fall from one to the next")
        if bad := next((currency for currency, rate in self.rates.items() if rate <= 0), None):
            raise ValueError(f"the rate of {bad} must be above 0")
        return self

    def offer(self, offer_id: str) -> Offer | None:
        """Return an offer by id."""
        return next((offer for offer in self.offers if offer.id == offer_id), None)

    def campaign(self, score: float) -> Campaign | None:
        """Return what a score asks for; None below the lowest."""
        return next((campaign for campaign in self.campaigns if score >= campaign.lower), None)

    def approach(self, segment: str | None) -> str:
        """Say how an offer is put to a segment."""
        return self.approaches.get(segment or "", "consultative")


class Point(_Strict):
    """A sign with what it is worth for which types of offers."""

    when: str
    points: float = Field(ge=-100, le=100)
    says: str
    types: tuple[OfferType, ...] = ()
    evidence: tuple[str, ...] = Field(min_length=1)


class Blocker(_Strict):
    """A reason to hold back, whatever the score."""

    when: str
    says: str


class Evidence(_Strict):
    """What speaks for an offer, and what forbids one."""

    points: tuple[Point, ...] = Field(min_length=1)
    blockers: tuple[Blocker, ...] = Field(min_length=1)


@dataclass(frozen=True)
class Rules:
    """Offers and evidence with every predicate checked."""

    book: OfferBook
    evidence: Evidence

    @cached_property
    def possible(self) -> tuple[pl.Expr, ...]:
        """The predicate of each offer."""
        return tuple(predicate(offer.when, COLUMNS)[0] for offer in self.book.offers)

    @cached_property
    def signs(self) -> tuple[pl.Expr, ...]:
        """The predicate of each point."""
        return tuple(predicate(point.when, COLUMNS)[0] for point in self.evidence.points)

    @cached_property
    def blocked(self) -> tuple[pl.Expr, ...]:
        """The predicate of each blocker."""
        return tuple(predicate(blocker.when, COLUMNS)[0] for blocker in self.evidence.blockers)

    @cached_property
    def reductions(self) -> tuple[pl.Expr, ...]:
        """The predicate of each reason for a discount."""
        return tuple(predicate(discount.when, COLUMNS)[0] for discount in self.book.discounts)


def load_rules(offers: Path = OFFERS, evidence: Path = EVIDENCE) -> Rules:
    """Read the offers and the evidence.

    Args:
        offers: the team's own file, or the sample.

    Raises:
        DeclaredError: with file, line, key and what to write instead.
    """
    rules = Rules(read_declared(offers, OfferBook), read_declared(evidence, Evidence))
    _check(offers, "offers", rules.book.offers)
    _check(offers, "discounts", rules.book.discounts)
    _check(evidence, "points", rules.evidence.points)
    _check(evidence, "blockers", rules.evidence.blockers)
    return rules


def _check(path: Path, table: str, entries: tuple[Offer | Point | Blocker | Discount, ...]) -> None:
    for place, entry in enumerate(entries):
        try:
            predicate(entry.when, COLUMNS)
            for name in getattr(entry, "evidence", ()):
                if name not in ABOUT:
                    raise PredicateError(f"unknown feature '{name}'{did_you_mean(name, ABOUT)}")
        except PredicateError as error:
            line = line_of(path.read_text(), (table, place, "when"))
            raise DeclaredError(f"{path.name}, line {line}: {table}.{place}: {error}") from error
