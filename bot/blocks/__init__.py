"""Results to Block Kit, pure; every builder stays within Slack's limits by splitting or shortening."""

from collections.abc import Callable
from typing import Any

from bot.blocks.accounts import account_brief, account_list, health_card, portfolio
from bot.blocks.churn import churn_card, leaving_list
from bot.blocks.digest import digest_blocks
from bot.blocks.drafts import draft_blocks
from bot.blocks.expansion import (
    growth_card,
    hours_list,
    opportunity_list,
    pricing,
    trial_report,
    value_card,
    value_report,
)
from bot.blocks.journeys import bottlenecks, journey_card, stage_list
from bot.blocks.knowledge import passages
from bot.blocks.listing import changes, draft_list, listing, usage_card
from bot.blocks.parts import Block, escape, section
from bot.blocks.plays import account_plays, next_best, outcomes, play_list, task_list
from bot.blocks.testimonials import candidates as testimonial_candidates
from tools.account_usage import UsageCard
from tools.accounts import AccountBrief, AccountList
from tools.changes import Changes
from tools.churn import ChurnCard
from tools.digests import DigestCard
from tools.drafts import DraftCard
from tools.expansion import GrowthCard, OpportunityList
from tools.facts import Listing, Result
from tools.hours import Hours
from tools.insights import HealthCard
from tools.journeys import JourneyCard
from tools.knowledge import Passages
from tools.leaving import LeavingList
from tools.play_lists import AccountPlays, PlayList
from tools.play_outcomes import Outcomes
from tools.portfolio import PortfolioSummary
from tools.proposals import Pricing
from tools.recommend import NextBest
from tools.stages import Bottlenecks, StageList
from tools.tasks import TaskList
from tools.testimonials import Candidates
from tools.trials import TrialReport
from tools.value import ValueCard, ValueReport
from tools.waiting import DraftList

_BUILDERS: dict[type[Result], Callable[[Any], list[Block]]] = {
    AccountList: account_list,
    AccountBrief: account_brief,
    HealthCard: health_card,
    ChurnCard: churn_card,
    LeavingList: leaving_list,
    PortfolioSummary: portfolio,
    OpportunityList: opportunity_list,
    GrowthCard: growth_card,
    Pricing: pricing,
    TrialReport: trial_report,
    ValueCard: value_card,
    ValueReport: value_report,
    Hours: hours_list,
    Passages: passages,
    NextBest: next_best,
    JourneyCard: journey_card,
    Bottlenecks: bottlenecks,
    StageList: stage_list,
    AccountPlays: account_plays,
    PlayList: play_list,
    Outcomes: outcomes,
    TaskList: task_list,
    Candidates: testimonial_candidates,
    DraftCard: draft_blocks,
    DigestCard: digest_blocks,
    Changes: changes,
    UsageCard: usage_card,  # before the table that it is
    DraftList: draft_list,
    Listing: listing,
}


def result_blocks(result: Result) -> list[Block]:
    """Draw any result of a tool from its data."""
    for kind, build in _BUILDERS.items():
        if isinstance(result, kind):
            return build(result)
    return [section(escape(result.text))]
