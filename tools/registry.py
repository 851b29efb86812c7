"""TOOLS: what the agent may call. It can read and draft; nothing here sends or approves."""

from collections.abc import Callable
from dataclasses import dataclass
from inspect import signature

from tools.accounts import account_brief, find_accounts
from tools.churn import churn_risk
from tools.drafts import draft_outreach
from tools.expansion import account_opportunities, find_opportunities
from tools.facts import Result
from tools.hours import best_hours
from tools.insights import explain_health
from tools.journeys import journey_of
from tools.knowledge import search_knowledge
from tools.leaving import who_leaves
from tools.play_lists import account_plays, list_plays, play_outcomes
from tools.portfolio import portfolio_summary
from tools.proposals import draft_proposal, price_advice
from tools.recommend import recommend
from tools.stages import bottlenecks
from tools.tasks import list_tasks
from tools.trials import list_trials
from tools.value import account_value, value_by_segment


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
            "what does Acme pay us?",
            "pull up Acme",
            "what should I know about Acme before my call?",
            "tell me about Acme",
            "brief me on Acme before my call",
            "who owns Acme?",
            "when does Acme renew?",
            "how much does Acme pay?",
            "how much does Acme pay us each month?",
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
            "rank accounts by how likely they churn",
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
    Tool(
        find_opportunities,
        (
            "which customers have room to grow?",
            "who would buy more?",
            "which accounts have upside?",
            "who must not be offered anything now?",
            "where can we expand?",
            "show me the expansion pipeline",
            "which accounts could upgrade?",
            "upsell opportunities",
            "cross-sell opportunities in healthcare",
            "who is ready for a bigger plan?",
            "who needs more seats?",
            "growth opportunities of my accounts",
            "what is the expansion pipeline worth?",
            "expansion opportunities of Dana",
            "where do we hold back and why?",
            "which offers are held back?",
            "which accounts should get the single sign-on add-on?",
        ),
    ),
    Tool(
        account_opportunities,
        (
            "is there potential at Acme?",
            "what is the upside at Acme?",
            "could Acme buy more?",
            "which offer fits Acme?",
            "what can we sell to Acme?",
            "how could Acme grow?",
            "expansion opportunities at Acme",
            "is Acme ready for an upgrade?",
            "what should we offer Acme?",
            "upsell for Acme",
            "why do we hold back at Acme?",
            "does Acme need more seats?",
        ),
    ),
    Tool(
        draft_proposal,
        (
            "draft an upgrade proposal for Acme",
            "write a proposal to Acme",
            "draft an offer for Acme",
            "prepare an offer of more seats for Acme",
            "propose the business plan to Acme",
            "draft a proposal with 10% discount for Acme",
        ),
        hidden=("request_key",),
    ),
    Tool(
        price_advice,
        (
            "how far may I go down with the price for Acme?",
            "suggest a price for Acme",
            "what is the best price for Acme?",
            "what price should we offer Acme?",
            "which discount can I give Acme?",
            "price advice for Acme",
            "how much should the professional plan cost Acme?",
            "can we give Acme a discount?",
        ),
    ),
    Tool(
        account_value,
        (
            "what is Acme worth to us in the long term?",
            "future revenue of Acme",
            "how much will we earn with Acme in total?",
            "lifetime value of Acme",
            "what is Acme worth over the next three years?",
            "how much will Acme still pay us?",
            "LTV of Acme",
            "customer lifetime value of Acme",
        ),
    ),
    Tool(
        value_by_segment,
        (
            "average lifetime value of a customer",
            "long-term value by segment",
            "lifetime value by segment",
            "which segment is worth the most?",
            "LTV of our segments",
            "what are our customers worth over three years?",
        ),
    ),
    Tool(
        best_hours,
        (
            "plan my day",
            "what is the best use of my time?",
            "I have two hours, what matters most?",
            "where do my hours count?",
            "which accounts deserve my next hours?",
            "where should I spend my time?",
            "how do I best use the next 4 hours?",
            "what pays most for an hour of work?",
            "how should I plan my week?",
            "what should I do first?",
        ),
    ),
    Tool(
        list_trials,
        (
            "list the premium trials",
            "which trials end soon?",
            "do our feature trials become purchases?",
            "which trials of premium features are running?",
            "show the feature trials",
            "how do trials convert?",
            "conversion of the premium trials",
        ),
    ),
    Tool(
        search_knowledge,
        (
            "what do our playbooks say about a champion who left?",
            "find a case study for a dental clinic",
            "how do I prepare a quarterly business review?",
            "search the knowledge base for pricing objections",
            "which case study fits Acme?",
            "what is the best practice for onboarding?",
            "how should I handle a customer who wants to cancel?",
            "what should I say when a payment failed?",
            "show me the play for low adoption",
            "do we have an article about renewals?",
            "what do our documents say about security?",
            "how do I ask for a testimonial?",
            "tips for a renewal conversation",
            "what do I answer to somebody who finds us too expensive?",
            "how do I talk to a customer about a price increase?",
            "what does the handbook say about escalations?",
            "find a customer story in e-commerce",
        ),
    ),
    Tool(
        recommend,
        (
            "what should I do about Acme?",
            "which play fits Acme?",
            "next best action for Acme",
            "how do I save Acme?",
            "what do you recommend for Acme?",
            "recommend a play for Acme",
            "which play should I start for Acme?",
            "what would you do with Acme?",
            "what is the next step with Acme?",
            "how can I help Acme?",
        ),
    ),
    Tool(
        account_plays,
        (
            "which plays are running at Acme?",
            "what is running for Acme?",
            "why is no play running at Acme?",
            "plays of Acme",
            "which plays did Acme have?",
            "what are we doing for Acme right now?",
        ),
    ),
    Tool(
        list_plays,
        (
            "show me all plays",
            "browse the plays",
            "which plays do we have?",
            "list the plays with how often they ran",
            "play library",
        ),
        hidden=("words",),
    ),
    Tool(
        play_outcomes,
        (
            "which plays work?",
            "how well do our plays work?",
            "effect of the plays against the hold-out",
            "results of our experiments",
            "experiments report",
            "do the plays make a difference?",
        ),
        hidden=("play",),
    ),
    Tool(
        list_tasks,
        (
            "what are my tasks?",
            "show my tasks",
            "which tasks are due?",
            "my to-do list",
            "open tasks of Dana",
            "what do I have to do today?",
        ),
    ),
    Tool(
        journey_of,
        (
            "where is Acme on its journey?",
            "which stage is Acme in?",
            "how far is the onboarding of Acme?",
            "what blocks Acme on its journey?",
            "journey of Acme",
            "has Acme reached its milestones?",
            "is the onboarding of Acme late?",
        ),
    ),
    Tool(
        bottlenecks,
        (
            "where do accounts stall?",
            "bottlenecks of the journey",
            "which stage takes the longest?",
            "how many accounts are in each stage?",
            "conversion from stage to stage",
            "where do we lose time in onboarding?",
        ),
    ),
)
