"""TOOLS: what the agent may call. It can read and draft; nothing here sends or approves."""

from collections.abc import Callable
from dataclasses import dataclass
from inspect import signature

from tools.accounts import account_brief, find_accounts
from tools.churn import churn_risk
from tools.drafts import draft_outreach
from tools.facts import Result
from tools.insights import explain_health
from tools.leaving import who_leaves
from tools.portfolio import portfolio_summary


@dataclass(frozen=True)
class Tool:
    """A function that the agent may call, with questions that it answers.

    The function's signature and docstring are what a language model reads; the examples route questions when
    there is none. Parameters in `hidden` are for surfaces, not for the agent.
    """

    function: Callable[..., Result]
    examples: tuple[str, ...]
    hidden: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return self.function.__name__

    @property
    def parameters(self) -> tuple[str, ...]:
        """What the agent may pass: the function's parameters after the context, without the hidden ones."""
        names = list(signature(self.function).parameters)[1:]
        return tuple(name for name in names if name not in self.hidden)


TOOLS: tuple[Tool, ...] = (
    Tool(
        find_accounts,
        (
            "Which of my accounts are at risk this week, and why?",
            "show me the at-risk accounts",
            "list enterprise accounts renewing in the next 60 days",
            "which accounts renew next month?",
            "top 5 accounts by revenue",
            "biggest customers by ARR",
            "critical accounts in healthcare",
            "accounts with falling health",
            "whose health dropped the most?",
            "accounts of Dana below 50",
            "customers paying more than 100k",
            "smb accounts on the starter plan",
            "which accounts should I worry about?",
            "who got better this month?",
            "lowest health scores",
            "healthy mid-market customers",
            "what needs my attention today?",
            "find accounts on the professional plan",
            "list all customers",
        ),
        hidden=("offset",),
    ),
    Tool(
        account_brief,
        (
            "tell me about Acme",
            "brief me on Acme before my call",
            "who owns Acme?",
            "when does Acme renew?",
            "how much does Acme pay?",
            "what plan is Acme on?",
            "what is going on at Acme?",
            "give me an overview of Acme",
            "how many seats does Acme use?",
            "Acme",
            "how is Acme doing?",
            "what is the ARR of Acme?",
        ),
    ),
    Tool(
        explain_health,
        (
            "explain the health of Acme",
            "why is Acme at risk?",
            "why is their score so low?",
            "why did the health of Acme drop?",
            "what pulls down Acme's score?",
            "health score of Acme",
            "break down the score of Acme",
            "why?",
            "what changed at Acme?",
            "why is it critical?",
        ),
    ),
    Tool(
        churn_risk,
        (
            "will Acme churn?",
            "will Acme leave us?",
            "how likely is Acme to leave?",
            "how likely is it that Acme churns?",
            "churn probability of Acme",
            "what is the churn risk of Acme?",
            "chance of losing Acme",
            "when will Acme leave?",
            "why did the churn risk of Acme rise?",
            "are we going to lose Acme?",
        ),
    ),
    Tool(
        who_leaves,
        (
            "who leaves in the next 60 days?",
            "who is likely to leave?",
            "which accounts will churn?",
            "which customers are we going to lose?",
            "how many accounts will we lose?",
            "how many customers will leave this quarter?",
            "list accounts by churn probability",
            "highest churn risk",
            "how much revenue will we lose to churn?",
            "where does trying to save accounts pay most?",
            "which accounts are worth saving?",
            "who is about to cancel?",
        ),
    ),
    Tool(
        portfolio_summary,
        (
            "summarise my portfolio",
            "portfolio summary",
            "how is the portfolio doing?",
            "how many accounts are healthy?",
            "how many customers do we have?",
            "what is our average health?",
            "distribution of health scores",
            "how many accounts do I own?",
            "overview of enterprise accounts by band",
            "what share of accounts is at risk?",
            "how many accounts are critical?",
            "total ARR",
        ),
    ),
    Tool(
        draft_outreach,
        (
            "draft outreach to Acme",
            "write an email to Acme",
            "draft a check-in for Acme",
            "write a renewal email to Acme",
            "draft one for the second",
            "prepare a message for their champion",
            "reach out to Acme about adoption",
            "draft an apology to Acme about the escalated ticket",
            "compose a message to Acme",
            "write to them",
            "draft a payment reminder for Acme",
            "congratulate Acme on reaching their goal",
        ),
        hidden=("request_key",),
    ),
)
