"""Every table, by subject; import the classes from here."""

from storage.models.accounts import (
    Account,
    AccountState,
    Contact,
    FeatureAdoption,
    Goal,
    StakeholderChange,
    Subscription,
)
from storage.models.activity import Interaction, Invoice, ServiceRecord, SurveyResponse, Ticket
from storage.models.base import ImportedRow, UtcDateTime, WorkspaceRow
from storage.models.operations import (
    Audit,
    ConversationTurn,
    Digest,
    DigestSubscription,
    ImportRun,
    JobPeriod,
    SlackMessage,
    Work,
    WorkState,
)
from storage.models.outreach import Approval, Draft, DraftState, Outbox
from storage.models.people import Role, SlackInstallation, User, Workspace
from storage.models.results import AccountAction, HealthOverride, ScoringRun, Signal, Snapshot

__all__ = [
    "Account",
    "AccountAction",
    "AccountState",
    "Approval",
    "Audit",
    "Contact",
    "ConversationTurn",
    "Digest",
    "DigestSubscription",
    "Draft",
    "DraftState",
    "FeatureAdoption",
    "Goal",
    "HealthOverride",
    "ImportRun",
    "ImportedRow",
    "Interaction",
    "Invoice",
    "JobPeriod",
    "Outbox",
    "Role",
    "ScoringRun",
    "ServiceRecord",
    "Signal",
    "SlackInstallation",
    "SlackMessage",
    "Snapshot",
    "StakeholderChange",
    "Subscription",
    "SurveyResponse",
    "Ticket",
    "User",
    "UtcDateTime",
    "Work",
    "WorkState",
    "Workspace",
    "WorkspaceRow",
]
