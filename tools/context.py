"""What every use case is given: the workspace, who asks, the stores, and the time."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from functools import lru_cache
from pathlib import Path
from zoneinfo import ZoneInfo

from sqlmodel import Session

from knowledge.documents import Library, library
from scoring.declared import DeclaredError
from scoring.expansion.offers import OFFERS, Rules, load_rules
from scoring.journeys import JOURNEYS, Journeys, load_journeys
from scoring.scorecard import Scorecards
from storage.database import Database
from storage.models import Role, Scope, User
from storage.scope import View
from storage.usage import UsageStore
from tools.errors import NotAllowedError, UserError
from tools.governance import GOVERNANCE, Governance, load_governance
from tools.knowledge_base import KnowledgeBase

Clock = Callable[[], datetime]
RANKS = {role: rank for rank, role in enumerate(Role)}


def system_clock() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class Actor:
    """Who asks. `email` is their identity everywhere; jobs act as `tend`."""

    email: str
    name: str
    role: Role = Role.CSM
    slack_id: str | None = None
    scope: Scope = Scope.ALL
    team: str | None = None

    @classmethod
    def of(cls, user: User) -> "Actor":
        return cls(user.email, user.name, Role(user.role), user.slack_id, Scope(user.scope), user.team)

    @property
    def view(self) -> View:
        """Whose accounts they see."""
        return View(self.scope, self.email, self.team)


SYSTEM = Actor(email="tend", name="Tend", role=Role.ADMIN)


@lru_cache(maxsize=64)
def _offers(file: Path, changed: int) -> Rules:
    """The offers of a file; `changed` makes it be read again."""
    return load_rules(file)


@lru_cache(maxsize=64)
def _journeys(folder: Path, changed: tuple[tuple[str, int], ...]) -> Journeys:
    """The journeys of a folder; `changed` makes them be read again."""
    return load_journeys(folder)


@dataclass(frozen=True)
class Context:
    """The surroundings of one call. Time is a parameter: nothing below reads a clock of its own."""

    workspace_id: str
    actor: Actor
    database: Database
    usage: UsageStore
    scorecards: Scorecards
    email_from: str
    clock: Clock = system_clock
    time_zone: str = "UTC"
    offers_file: Path = OFFERS
    knowledge: KnowledgeBase | None = None
    journeys_folder: Path = JOURNEYS
    automatic: frozenset[str] = frozenset()  # plays, or steps as `play/step`, whose messages need no approval
    governance_file: Path = GOVERNANCE
    duties: Mapping[str, str] = field(default_factory=dict)  # who does the steps of a duty, by email
    channels: frozenset[str] = frozenset({"email"})  # on which messages can be sent
    hears_replies: bool = False  # whether replies come back to Tend, so that silence means something

    @property
    def offers(self) -> Rules:
        """The workspace's offers.

        Raises:
            UserError: the file cannot be used; the message says where and why.
        """
        try:
            return _offers(self.offers_file, self.offers_file.stat().st_mtime_ns)
        except (DeclaredError, OSError) as error:
            raise UserError(f"The offers cannot be read: {error}") from error

    @property
    def governance(self) -> Governance:
        """The team's rules for messages.

        Raises:
            UserError: the file cannot be used; the message says where and why.
        """
        return load_governance(self.governance_file)

    def library(self) -> Library:
        """Return plays, case studies, articles and templates: the bundled ones and the team's own."""
        return self.knowledge.library() if self.knowledge else library()

    @property
    def journeys(self) -> Journeys:
        """The workspace's journeys.

        Raises:
            UserError: a file cannot be used; the message says where and why.
        """
        try:
            files = sorted(self.journeys_folder.glob("*.toml"))
            return _journeys(self.journeys_folder, tuple((file.name, file.stat().st_mtime_ns) for file in files))
        except (DeclaredError, OSError) as error:
            raise UserError(f"The journeys cannot be read: {error}") from error

    def session(self) -> Session:
        """Open a session that sees of this workspace what the actor may see, and nothing else."""
        return self.database.session(self.workspace_id, self.actor.view)

    def now(self) -> datetime:
        return self.clock()

    def today(self) -> date:
        """Today in the workspace's time zone."""
        return self.clock().astimezone(ZoneInfo(self.time_zone)).date()

    def acting(self, actor: Actor) -> "Context":
        return replace(self, actor=actor)

    def require(self, role: Role) -> None:
        """Refuse an actor whose role does not reach this far.

        Raises:
            NotAllowedError: with the role that is needed.
        """
        if RANKS[self.actor.role] < RANKS[role]:
            raise NotAllowedError(
                f"This needs the role “{role}”; yours is “{self.actor.role}”. An admin of Tend can change it."
            )
