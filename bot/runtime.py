"""The running app as listeners and jobs see it: its parts, who is asking, which workspace."""

import gc
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from cachetools import TTLCache
from slack_bolt import App
from sqlmodel import col, select

from bot.agent import Agent
from bot.audience import Audience
from bot.delivery import DeliveryWorker
from bot.messages import Messenger
from bot.senders.setup import channels_of
from bot.settings import Settings
from bot.work import Queue
from scoring.expansion.offers import OFFERS
from scoring.journeys import JOURNEYS
from scoring.scorecard import Scorecards
from storage.database import Database
from storage.models import Workspace
from storage.usage import UsageStore
from tools.context import SYSTEM, Actor, Clock, Context
from tools.governance import GOVERNANCE
from tools.knowledge_base import KnowledgeBase
from tools.people import SlackPerson, actor_of, workspace_for_team

DEFAULT_WORKSPACE = "main"


class Schedule(Protocol):
    """What wakes the regular jobs."""

    stopping: threading.Event

    def start(self) -> None: ...

    def stop(self) -> None: ...


@dataclass
class Core:
    """What the command line and Slack share: stores, scorecards, agent, time."""

    settings: Settings
    database: Database
    usage: UsageStore
    scorecards: Scorecards
    agent: Agent
    clock: Clock
    knowledge: KnowledgeBase

    def context(self, workspace_id: str = DEFAULT_WORKSPACE, actor: Actor = SYSTEM) -> Context:
        zone, choice = _workspace(self.database, workspace_id)
        return Context(
            workspace_id=workspace_id,
            actor=actor,
            database=self.database,
            usage=self.usage,
            scorecards=self.scorecards.chosen(choice),
            email_from=self.settings.email_from,
            clock=self.clock,
            time_zone=zone,
            offers_file=self._offers_file(workspace_id),
            knowledge=self.knowledge,
            journeys_folder=self._journeys_folder(),
            governance_file=self._governance_file(),
            automatic=self.settings.automatic_plays,
            duties=self.settings.duties,
            channels=channels_of(self.settings),
            hears_replies=bool(self.settings.imap_url or self.settings.webhook_secret),
        )

    def _journeys_folder(self) -> Path:
        """The installation's own journeys, or those that come along."""
        own = self.settings.data_dir / "journeys"
        return own if own.is_dir() else JOURNEYS

    def _governance_file(self) -> Path:
        """The installation's own rules for messages, or those that come along."""
        own = self.settings.data_dir / "governance.toml"
        return own if own.is_file() else GOVERNANCE

    def _offers_file(self, workspace_id: str) -> Path:
        """The workspace's own offers, those of the whole installation, or the sample."""
        folder = self.settings.data_dir
        own = (folder / "offers" / f"{workspace_id}.toml", folder / "offers.toml")
        return next((file for file in own if file.is_file()), OFFERS)

    def contexts(self) -> list[Context]:
        """One context per workspace, acting as Tend itself."""
        with self.database.unbound() as session:
            ids = session.exec(select(Workspace.id).order_by(col(Workspace.id))).all()
        return [self.context(workspace_id) for workspace_id in ids]


@dataclass
class Tend(Core):
    """The running app."""

    bolt: App
    messenger: Messenger
    audience: Audience
    queue: Queue
    delivery: DeliveryWorker
    schedule: Schedule | None = None
    _teams: dict[str, str] = field(default_factory=dict)
    _people: Any = field(default_factory=lambda: TTLCache(10_000, ttl=300))
    # For a minute at most: somebody may share the channel meanwhile.
    _shared: Any = field(default_factory=lambda: TTLCache(10_000, ttl=60))
    _lock: Any = field(default_factory=threading.Lock)

    def start(self, schedule: bool = True) -> None:
        """Start the workers, and the schedule unless jobs are run by hand."""
        self.queue.start()
        self.delivery.start()
        if schedule and self.schedule:
            self.schedule.start()
        # The first question should not wait for the heavy imports.
        threading.Thread(target=_warm_up, name="warm-up", daemon=True).start()

    def stop(self) -> None:
        """Stop gracefully: running work finishes, the rest stays in the database for the next start."""
        if self.schedule:
            self.schedule.stop()
        self.queue.stop()
        self.delivery.stop()
        self.database.engine.dispose()

    def workspace_of(self, team_id: str) -> str:
        """Return the workspace of a Slack team; a team met for the first time is entered."""
        if team_id not in self._teams:
            with self._lock:
                self._teams[team_id] = workspace_for_team(self.context(), team_id, "")
        return self._teams[team_id]

    def actor(self, ctx: Context, user_id: str, team_id: str) -> Actor:
        """Return the colleague behind a Slack user id, refusing those who may not ask."""
        found = actor_of(ctx, self.person(ctx, user_id), team_id, self.audience.newcomer)
        self.audience.require_asker(ctx, user_id)
        return found

    def is_shared(self, ctx: Context, channel: str) -> bool:
        """Whether people of another organisation read a channel too."""
        known: bool | None = self._shared.get((ctx.workspace_id, channel))
        if known is None:
            info = self.messenger.client_of(ctx.workspace_id).conversations_info(channel=channel)["channel"]
            known = bool(info.get("is_ext_shared") or info.get("is_pending_ext_shared"))
            self._shared[ctx.workspace_id, channel] = known
        return known

    def time_zone_of(self, ctx: Context, user_id: str) -> str:
        return self.person(ctx, user_id).time_zone

    def refresh_cards(self, ctx: Context, draft_id: int) -> None:
        """Have every card of a draft updated to how it stands, soon."""
        stamp = ctx.now().timestamp()
        self.queue.put(ctx.workspace_id, "refresh_cards", f"cards:{draft_id}:{stamp}", {"draft": draft_id})

    def person(self, ctx: Context, user_id: str) -> SlackPerson:
        """Return what Slack says of a user, remembered for five minutes."""
        key = (ctx.workspace_id, user_id)
        if key not in self._people:
            found = self.messenger.client_of(ctx.workspace_id).users_info(user=user_id)["user"]
            self._people[key] = _slack_person(found)
        return self._people[key]


def _workspace(database: Database, workspace_id: str) -> tuple[str, dict[str, str]]:
    """The workspace's time zone, and its scorecard per segment."""
    with database.unbound() as session:
        workspace = session.get(Workspace, workspace_id)
        return (workspace.time_zone, workspace.scorecards or {}) if workspace else ("UTC", {})


def _slack_person(user: dict[str, Any]) -> SlackPerson:
    profile = user.get("profile") or {}
    return SlackPerson(
        id=user["id"],
        team_id=user.get("team_id") or "",
        email=profile.get("email"),
        name=user.get("real_name") or profile.get("real_name") or user.get("name") or user["id"],
        time_zone=user.get("tz") or "UTC",
        guest=bool(user.get("is_restricted") or user.get("is_ultra_restricted")),
        bot=bool(user.get("is_bot")),
        deleted=bool(user.get("deleted")),
    )


def _warm_up() -> None:
    import langchain.agents

    import bot.offline
    from knowledge.embedding import embed

    embed([bot.offline.STAND_IN, langchain.agents.__name__])
    # What is loaded now stays for good. Left to the collector, walking it stops every thread for a fifth of a second.
    gc.collect()
    gc.freeze()
