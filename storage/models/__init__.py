"""Every table, by subject; import the classes from here."""

from storage.models.accounts import (
    Account,
    Contact,
    FeatureAdoption,
    Goal,
    StakeholderChange,
    Subscription,
)
from storage.models.activity import Interaction, Invoice, SurveyResponse, Ticket
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
from storage.models.results import AccountAction, Bookmark, DataIncident, Mention, Signal, SignalWait, Snapshot

__all__ = [
    "Account",
    "AccountAction",
    "Approval",
    "Audit",
    "Bookmark",
    "Contact",
    "ConversationTurn",
    "DataIncident",
    "Digest",
    "DigestSubscription",
    "Draft",
    "DraftState",
    "FeatureAdoption",
    "Goal",
    "ImportRun",
    "ImportedRow",
    "Interaction",
    "Invoice",
    "JobPeriod",
    "Mention",
    "Outbox",
    "Role",
    "Signal",
    "SignalWait",
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
