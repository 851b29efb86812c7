"""The import format itself: every entity and field that Tend reads, in one declared table."""

from dataclasses import replace

from storage.importing.format import ACCOUNT, EXTERNAL_ID, Entity, Field, Kind, from_table
from storage.importing.services import SERVICES
from storage.models import (
    Account,
    Contact,
    FeatureAdoption,
    Goal,
    Interaction,
    Invoice,
    Role,
    Scope,
    StakeholderChange,
    Subscription,
    SurveyResponse,
    Ticket,
    User,
)
from storage.usage import MEASURES

INDUSTRIES = ("saas", "healthcare", "trades", "professional_services", "ecommerce", "other")
SEGMENTS = ("smb", "mid_market", "enterprise", "consumer")
STATUSES = ("trial", "active", "churned", "paused")
CONTACT_ROLES = ("champion", "executive_sponsor", "admin", "user", "billing")
SEVERITIES = ("low", "normal", "high", "critical")
SURVEYS = ("nps", "csat", "ces", "onboarding", "feature", "quarterly", "review")
CHANNELS = ("email", "call", "meeting", "slack", "sms", "in_app", "community")
CHANGES = ("joined", "left", "role_changed")

CONTACT = Field("contact", "the contact's external id", column="contact_external_id")
CURRENCY = Field("currency", "three letters, for example USD")

TABLES = (
    Entity(
        "users",
        User,
        "Colleagues who use Tend; accounts name them by email.",
        (
            Field("email", "as in Slack: this is how the two are matched"),
            Field("name", "first and last name"),
            Field("role", "what the colleague may do", allowed=tuple(Role)),
            Field("scope", "whose accounts the colleague sees", allowed=tuple(Scope)),
            Field("team", "name of their team"),
            Field("time_zone", "IANA name, for example Europe/Berlin"),
            Field("active", "no for a colleague who has left"),
        ),
        key="email",
        without="nobody is known who could own accounts or approve drafts",
    ),
    Entity(
        "accounts",
        Account,
        "Customer companies, or customers of a consumer business. Everything else refers to them.",
        (
            Field("external_id", "the account's id in your system", required=True),
            Field("name", "the company's name"),
            Field("domain", "web domain"),
            Field("industry", "industry", allowed=INDUSTRIES),
            Field("country", "country"),
            Field("segment", "commercial size class", allowed=SEGMENTS),
            Field("sub_segment", "your own finer class, for example mining_farm"),
            Field("plan", "product plan: trial, starter, professional, business, enterprise or your own"),
            Field("mrr", "monthly recurring revenue in `currency`", low=0),
            CURRENCY,
            Field("owner_email", "email of the CSM who owns the account"),
            Field("stage", "lifecycle stage, if your system keeps one"),
            Field("status", "where the relationship stands", allowed=STATUSES),
            Field("started_on", "first day as a customer or of the trial"),
            Field("first_value_on", "day of the first useful result"),
            Field("trial_ends_on", "last day of the trial"),
            Field("renewal_on", "next renewal"),
            Field("term_months", "length of the contract term, months", low=0, high=240),
            Field("seats_bought", "seats paid for", low=0),
            Field("seats_used", "seats in use", low=0),
            Field("limits", 'plan limits, for example {"conversations": 1000, "api_calls": 50000}'),
            Field("locations", "sites of the customer", low=0),
            Field("parent", "external id of the parent account", column="parent_external_id"),
            Field("tags", "your own labels"),
            Field("churned_on", "day the account was lost"),
            Field("churn_reason", "why it was lost", shorten=True),
        ),
        order=(("started_on", "churned_on"),),
    ),
    Entity(
        "contacts",
        Contact,
        "People at the accounts.",
        (
            EXTERNAL_ID,
            ACCOUNT,
            Field("name", "first and last name"),
            Field("email", "email address"),
            Field("phone", "phone number"),
            Field("role", "part played in the relationship", allowed=CONTACT_ROLES),
            Field("title", "job title", shorten=True),
            Field("time_zone", "IANA name"),
            Field("language", "language code, for example en or de"),
            Field("slack_user", "Slack user id in a shared channel"),
            Field("birthday", "birthday"),
            Field("joined_on", "first day known at the account"),
            Field("left_on", "day the person left the account"),
            Field("opted_out_on", "day the person asked not to be written to"),
            Field("last_reply_on", "day of the last reply"),
        ),
        identity=("account", "email", "name"),
        order=(("joined_on", "left_on"),),
        without="drafts have nobody to write to",
    ),
    Entity(
        "subscriptions",
        Subscription,
        "Periods of a plan; keep the past ones, they are the history.",
        (
            EXTERNAL_ID,
            ACCOUNT,
            Field("plan", "product plan"),
            Field("add_ons", "add-ons booked"),
            Field("seats", "seats paid for", low=0),
            Field("mrr", "monthly recurring revenue in `currency`", low=0),
            CURRENCY,
            Field("billing_months", "months per billing period", low=0, high=240),
            Field("discount", "discount as a share, 0.2 for 20 %", low=0, high=1),
            Field("start_on", "first day"),
            Field("end_on", "last day, empty while it runs"),
            Field("reason", "why it changed", shorten=True),
        ),
        identity=("account", "start_on", "plan"),
        order=(("start_on", "end_on"),),
        without="plan changes, seat growth and discounts have no history",
    ),
    Entity(
        "features",
        FeatureAdoption,
        "First, last and total use of a feature by an account.",
        (
            EXTERNAL_ID,
            ACCOUNT,
            Field("feature", "the feature's name"),
            Field("core", "yes when the feature belongs to the product's core"),
            Field("plan", "lowest plan that holds the feature"),
            Field("first_used_on", "first use"),
            Field("last_used_on", "latest use"),
            Field("use_count", "uses so far", low=0),
        ),
        identity=("account", "feature"),
        without="feature adoption will have no data",
    ),
    Entity(
        "goals",
        Goal,
        "What customers want to reach, and how far they are.",
        (
            EXTERNAL_ID,
            ACCOUNT,
            Field("objective", "the objective in the customer's words", shorten=True),
            Field("unit", "unit of the figures below"),
            Field("baseline", "value at the start"),
            Field("target", "value to reach"),
            Field("current", "value now"),
            Field("roi", "return on investment in percent, for example 250"),
            Field("efficiency_gain", "efficiency gain as a share, 0.3 for 30 %"),
            Field("stated_on", "day the goal was agreed"),
            Field("measured_on", "day `current` was measured"),
        ),
        identity=("account", "objective"),
        without="business outcomes will have no data",
    ),
    Entity(
        "stakeholders",
        StakeholderChange,
        "Contacts who joined, left or changed role.",
        (
            EXTERNAL_ID,
            ACCOUNT,
            Field("contact_name", "the person"),
            Field("role", "role at the account", allowed=CONTACT_ROLES),
            Field("kind", "what happened", allowed=CHANGES),
            Field("changed_on", "the day"),
            Field("note", "anything to add", shorten=True),
        ),
        identity=("account", "contact_name", "kind", "changed_on"),
        without="a champion who leaves will not be noticed",
    ),
    Entity(
        "tickets",
        Ticket,
        "Support requests.",
        (
            EXTERNAL_ID,
            ACCOUNT,
            Field("opened_at", "when it was opened"),
            Field("first_response_at", "when somebody first answered"),
            Field("resolved_at", "when it was resolved, empty while open"),
            Field("severity", "severity", allowed=SEVERITIES),
            Field("escalated", "yes when it was escalated"),
            Field("self_service", "yes when the customer solved it from the help pages"),
            Field("category", "your own category", shorten=True),
            Field("subject", "subject", shorten=True),
            Field("text", "what the customer wrote"),
            Field("sentiment", "-1 (angry) to 1 (delighted), if your system rates it", low=-1, high=1),
            Field("csat", "satisfaction with the answer, as your team scales it", low=0, high=10),
        ),
        identity=("account", "opened_at", "subject"),
        without="support indicators will have no data",
    ),
    Entity(
        "surveys",
        SurveyResponse,
        "Answered surveys.",
        (
            EXTERNAL_ID,
            ACCOUNT,
            CONTACT,
            Field("kind", "kind of survey", allowed=SURVEYS),
            Field("score", "NPS 0-10; CSAT, CES and others 1-5 or as your team scales them", low=0, high=100),
            Field("comment", "what the person wrote"),
            Field("answered_on", "day of the answer"),
        ),
        identity=("account", "kind", "answered_on", "contact"),
        without="satisfaction will have no data",
    ),
    Entity(
        "interactions",
        Interaction,
        "Emails, calls, meetings and messages between the account and the team.",
        (
            EXTERNAL_ID,
            ACCOUNT,
            CONTACT,
            Field("channel", "channel", allowed=CHANNELS),
            Field("direction", "out: from the team; in: from the account", allowed=("out", "in")),
            Field("at", "when"),
            Field("opened", "the message was opened"),
            Field("clicked", "a link in it was clicked"),
            Field("replied", "it was answered"),
            Field("replied_on", "day of the answer; without it an answer counts after a week"),
            Field("minutes", "length of a call or meeting, minutes", low=0, high=1440),
            Field("attendees", "people from the account who attended", low=0),
            Field("sentiment", "-1 to 1, if your system rates it", low=-1, high=1),
            Field("subject", "subject", shorten=True),
            Field("text", "what was written or noted"),
        ),
        identity=("account", "channel", "at", "contact", "subject"),
        without="relationship strength will have little data",
    ),
    Entity(
        "invoices",
        Invoice,
        "Bills and how they were paid.",
        (
            EXTERNAL_ID,
            ACCOUNT,
            Field("amount", "amount in `currency`"),
            CURRENCY,
            Field("issued_on", "day of issue"),
            Field("due_on", "day it is due"),
            Field("paid_on", "day it was paid, empty while open"),
            Field("failed_on", "day a payment failed"),
            Field("discount", "discount as a share", low=0, high=1),
        ),
        identity=("account", "issued_on", "amount"),
        order=(("issued_on", "due_on"),),
        without="payment health will have no data",
    ),
    SERVICES,
)

USAGE = Entity(
    "usage",
    None,
    "Use of the product, one row per account and day. Further numeric columns are measures of your own.",
    (
        replace(ACCOUNT, required=True),
        Field("day", "the day", kind=Kind.DATE, required=True),
        *(Field(name, meaning, kind=Kind.NUMBER, low=0, high=1e12) for name, meaning in MEASURES.items()),
    ),
    identity=("account", "day"),
    without="usage, adoption and churn prediction will have no data",
)


def _completed(entity: Entity) -> Entity:
    assert entity.model is not None
    return replace(entity, fields=tuple(from_table(entity.model, field) for field in entity.fields))


ENTITIES: dict[str, Entity] = {e.name: e for e in (*map(_completed, TABLES), USAGE)}  # in order of import
