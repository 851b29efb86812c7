"""Why a message is written: the purposes that can be asked for, the message of each, and when one has to wait."""

from collections.abc import Mapping
from datetime import date, datetime
from functools import cache
from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, model_validator
from sqlmodel import Session, col, select

from knowledge.documents import Template, templates, true_observations
from scoring.declared import read_declared
from storage.models import Account, Opportunity, OpportunityState
from tools.errors import UserError
from tools.facts import day
from tools.governance import Governance
from tools.testimonial_rules import PRAISE, testimonial_obstacle

Purpose = Literal[
    "check_in", "risk", "renewal", "adoption", "support", "billing", "celebration", "onboarding", "expansion",
    "executive", "win_back", "survey", "testimonial", "case_study", "referral",
]  # fmt: skip
FILE = Path(__file__).parent / "purposes.toml"
FEWEST_OBSERVATIONS = 2  # a message that says less about the account is generic, and is not drafted


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Rule(_Strict):
    """What a purpose is.

    Args:
        templates: the messages for it, the preferred first.
        words: a pattern of the words by which people ask for it.
        lost: whether it is for accounts that have left.
    """

    templates: tuple[str, ...] = Field(min_length=1)
    words: str
    lost: bool = False


class Purposes(_Strict):
    """The whole file; every purpose is in it."""

    purposes: dict[Purpose, Rule]

    @model_validator(mode="after")
    def _all_are_there(self) -> "Purposes":
        if missing := set(get_args(Purpose)) - set(self.purposes):
            raise ValueError(f"purposes: {min(missing)} is missing")
        return self


@cache
def purposes() -> Mapping[Purpose, Rule]:
    """Read the purposes, in the order in which their words are looked for."""
    return read_declared(FILE, Purposes).purposes


def template_for(purpose: Purpose, facts: dict[str, Any]) -> Template:
    """Choose the purpose's first message about which enough is known; the first of all where none is."""
    found = [templates()[name] for name in purposes()[purpose].templates]
    return next((one for one in found if len(true_observations(one, facts)) >= FEWEST_OBSERVATIONS), found[0])


def refuse_unfit(
    session: Session, rules: Governance, account: Account, purpose: Purpose, now: datetime, as_of: date
) -> None:
    """Refuse a purpose that an account is not in the position for.

    Raises:
        UserError: why not, and what to do instead.
    """
    lost = has_left(account, as_of)
    wanted = purposes()[purpose].lost
    if wanted and not lost:
        raise UserError(f"{account.name} is a customer: there is nothing to win back. Ask for a check-in or a renewal.")
    if lost and not wanted and account.churned_on:
        raise UserError(
            f"{account.name} left on {day(account.churned_on)}. I can only draft to win it back: “win {account.name} "
            "back”."
        )
    if purpose in PRAISE and (why := testimonial_obstacle(session, account, now, rules)):
        raise UserError(f"I do not ask {account.name} for a {purpose.replace('_', ' ')} now: {why}.")
    if purpose == "expansion" and (held := _held_back(session, account)):
        raise UserError(f"I hold back anything about growth with {account.name}: {held}. Settle that first.")


def has_left(account: Account, as_of: date) -> bool:
    """Tell whether an account was lost by a day."""
    return account.churned_on is not None and account.churned_on <= as_of


def _held_back(session: Session, account: Account) -> str | None:
    """What forbids any talk of growing, as found with the account's opportunities."""
    found = select(Opportunity.blocker).where(
        Opportunity.account_id == account.id,
        Opportunity.state == OpportunityState.OPEN,
        col(Opportunity.blocker).is_not(None),
    )
    return session.exec(found).first()


def suggest_purpose(facts: dict[str, Any]) -> Purpose:
    """Choose the purpose that the account's situation asks for, the most urgent first."""
    at_least, at_most = _at_least(facts), _at_most(facts)
    rules: tuple[tuple[Purpose, bool], ...] = (
        ("support", facts["escalated_subject"] is not None),
        ("billing", at_least("failed_payments_90d", 1) or at_least("days_overdue", 5)),
        ("risk", facts["left_name"] is not None or at_least("days_since_use", 14)),
        ("check_in", at_most("usage_change_28d", -0.15)),
        ("onboarding", at_most("tenure_days", 90)),
        ("renewal", at_least("days_to_renewal", 0) and at_most("days_to_renewal", 90)),
        ("adoption", at_most("core_feature_share", 0.6)),
        ("celebration", at_least("goal_attainment", 1)),
    )
    return next((purpose for purpose, holds in rules if holds), "check_in")


def _at_least(facts: dict[str, Any]) -> Any:
    return lambda name, least: facts[name] is not None and facts[name] >= least


def _at_most(facts: dict[str, Any]) -> Any:
    return lambda name, most: facts[name] is not None and facts[name] <= most
