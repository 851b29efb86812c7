"""TOOLS: what the agent may call. It can read, draft and take notes; nothing here sends or approves."""

import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from inspect import signature
from pathlib import Path

from tools.account_usage import account_usage
from tools.accounts import account_brief, find_accounts
from tools.changes import what_changed
from tools.churn import churn_risk
from tools.drafts import draft_outreach
from tools.expansion import account_opportunities, find_opportunities
from tools.facts import Result
from tools.groups import compare_accounts, compare_groups
from tools.hours import best_hours
from tools.insights import explain_health
from tools.journeys import journey_of
from tools.knowledge import search_knowledge
from tools.kpis import portfolio_kpis
from tools.leaving import who_leaves
from tools.model_card import model_card
from tools.notes import add_note, remind_me
from tools.play_lists import account_plays, list_plays
from tools.play_outcomes import play_outcomes
from tools.portfolio import portfolio_summary
from tools.proposals import draft_proposal, price_advice
from tools.recommend import recommend
from tools.records import list_contacts, list_payments, list_tickets
from tools.stages import bottlenecks
from tools.tasks import list_tasks
from tools.testimonial_records import find_testimonials
from tools.testimonials import testimonial_candidates
from tools.timeline import account_timeline
from tools.trials import list_trials
from tools.value import account_value, value_by_segment
from tools.waiting import list_digests, list_drafts

EXAMPLES = Path(__file__).parent / "examples.toml"


@cache
def _declared() -> dict[str, dict[str, tuple[str, ...]]]:
    read = tomllib.loads(EXAMPLES.read_text("utf-8"))
    return {name: {key: tuple(words) for key, words in entry.items()} for name, entry in read.items()}


@dataclass(frozen=True)
class Tool:
    """A function that the agent may call.

    The function's signature and docstring are what a language model reads. Parameters in `hidden` are for surfaces,
    not for the agent.
    """

    function: Callable[..., Result]
    subject: str
    hidden: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return self.function.__name__

    @property
    def examples(self) -> tuple[str, ...]:
        """Questions that it answers; they route requests when there is no language model."""
        return _declared()[self.name]["examples"]

    @property
    def topics(self) -> tuple[str, ...]:
        """Words that speak for this tool before others."""
        return _declared()[self.name].get("topics", ())

    @property
    def drafts(self) -> bool:
        """Whether it writes a draft, which the same request must not do twice."""
        return "request_key" in self.hidden

    @property
    def of_one_account(self) -> bool:
        """Whether it cannot answer without an account."""
        account = signature(self.function).parameters.get("account")
        return account is not None and account.default is account.empty

    @property
    def parameters(self) -> tuple[str, ...]:
        """What the agent may pass: the function's parameters after the context, without the hidden ones."""
        names = list(signature(self.function).parameters)[1:]
        return tuple(name for name in names if name not in self.hidden)


TOOLS: tuple[Tool, ...] = (
    Tool(find_accounts, "Portfolio", ("offset",)),
    Tool(portfolio_summary, "Portfolio"),
    Tool(compare_groups, "Portfolio"),
    Tool(what_changed, "Portfolio"),
    Tool(portfolio_kpis, "Portfolio"),
    Tool(best_hours, "Portfolio"),
    Tool(account_brief, "One account"),
    Tool(account_timeline, "One account"),
    Tool(list_contacts, "One account"),
    Tool(account_usage, "One account"),
    Tool(compare_accounts, "One account"),
    Tool(list_tickets, "One account"),
    Tool(list_payments, "One account"),
    Tool(explain_health, "Health and churn"),
    Tool(churn_risk, "Health and churn"),
    Tool(who_leaves, "Health and churn"),
    Tool(model_card, "Health and churn"),
    Tool(find_opportunities, "Growth and value"),
    Tool(account_opportunities, "Growth and value"),
    Tool(price_advice, "Growth and value"),
    Tool(account_value, "Growth and value"),
    Tool(value_by_segment, "Growth and value"),
    Tool(list_trials, "Growth and value"),
    Tool(recommend, "Plays and knowledge"),
    Tool(search_knowledge, "Plays and knowledge"),
    Tool(account_plays, "Plays and knowledge"),
    Tool(list_plays, "Plays and knowledge", ("words",)),
    Tool(play_outcomes, "Plays and knowledge", ("play",)),
    Tool(journey_of, "Plays and knowledge"),
    Tool(bottlenecks, "Plays and knowledge"),
    Tool(draft_outreach, "Messages and work", ("request_key",)),
    Tool(draft_proposal, "Messages and work", ("request_key",)),
    Tool(testimonial_candidates, "Messages and work"),
    Tool(find_testimonials, "Messages and work"),
    Tool(list_drafts, "Messages and work"),
    Tool(list_tasks, "Messages and work"),
    Tool(add_note, "Messages and work"),
    Tool(remind_me, "Messages and work"),
    Tool(list_digests, "Messages and work"),
)


def coverage_table() -> str:
    """Return what can be asked as a Markdown table, for the README."""
    lines = ["| about | tool | for example |", "|---|---|---|"]
    for tool in TOOLS:
        asked = " · ".join(f"*{text}*" for text in tool.examples[:2])
        lines.append(f"| {tool.subject} | `{tool.name}` | {asked} |")
    return "\n".join(lines)
