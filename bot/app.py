"""The composition root: builds everything from the settings; tests pass their own parts instead."""

import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import structlog
from cachetools import TTLCache
from slack_bolt import App
from slack_sdk import WebClient
from slack_sdk.http_retry.builtin_handlers import RateLimitErrorRetryHandler
from sqlmodel import col, select

from bot import listeners
from bot.agent import Agent
from bot.delivery import DeliveryWorker, EmailSender, Sender
from bot.jobs import Schedule
from bot.messages import Messenger
from bot.settings import Settings, plain
from bot.work import Item, Queue
from scoring.health import SCORECARDS, Scorecard, load_scorecard
from storage.database import Database
from storage.models import Workspace
from storage.usage import UsageStore
from tools.context import SYSTEM, Actor, Clock, Context, system_clock
from tools.drafts import DraftCard
from tools.people import SlackPerson, actor_of, workspace_for_team

DEFAULT_WORKSPACE = "main"
log = structlog.get_logger()


@dataclass
class Core:
    """What the command line and Slack share: stores, scorecard, agent, time."""

    settings: Settings
    database: Database
    usage: UsageStore
    scorecard: Scorecard
    agent: Agent
    clock: Clock

    def context(self, workspace_id: str = DEFAULT_WORKSPACE, actor: Actor = SYSTEM) -> Context:
        zone = _time_zone(self.database, workspace_id)
        return Context(
            workspace_id=workspace_id,
            actor=actor,
            database=self.database,
            usage=self.usage,
            scorecard=self.scorecard,
            email_from=self.settings.email_from,
            clock=self.clock,
            time_zone=zone,
        )

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
    senders: dict[str, Sender]
    queue: Queue = field(init=False)
    delivery: DeliveryWorker = field(init=False)
    schedule: Schedule = field(init=False)
    _teams: dict[str, str] = field(default_factory=dict)
    _people: Any = field(default_factory=lambda: TTLCache(10_000, ttl=300))
    _lock: Any = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        handlers: dict[str, Any] = {kind: partial(handler, self) for kind, handler in listeners.HANDLERS.items()}
        self.queue = Queue(self.database, handlers, self._gave_up)
        self.delivery = DeliveryWorker(self.contexts, self.senders, self._delivered)
        self.schedule = Schedule(self)

    def start(self, schedule: bool = True) -> None:
        """Start the workers, and the schedule unless jobs are run by hand."""
        self.queue.start()
        self.delivery.start()
        if schedule:
            self.schedule.start()
        # The first question should not wait for the heavy imports.
        threading.Thread(target=_warm_up, name="warm-up", daemon=True).start()

    def stop(self) -> None:
        """Stop gracefully: running work finishes, the rest stays in the database for the next start."""
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
        return actor_of(ctx, self._person(ctx, user_id), team_id)

    def time_zone_of(self, ctx: Context, user_id: str) -> str:
        return self._person(ctx, user_id).time_zone

    def refresh_cards(self, ctx: Context, draft_id: int) -> None:
        """Have every card of a draft updated to how it stands, soon."""
        stamp = ctx.now().timestamp()
        self.queue.put(ctx.workspace_id, "refresh_cards", f"cards:{draft_id}:{stamp}", {"draft": draft_id})

    def _person(self, ctx: Context, user_id: str) -> SlackPerson:
        key = (ctx.workspace_id, user_id)
        if key not in self._people:
            found = self.messenger.client_of(ctx.workspace_id).users_info(user=user_id)["user"]
            self._people[key] = _slack_person(found)
        return self._people[key]

    def _delivered(self, ctx: Context, card: DraftCard) -> None:
        self.refresh_cards(ctx, card.id)

    def _gave_up(self, item: Item, error_id: str) -> None:
        channel, user = item.payload.get("channel"), item.payload.get("user")
        if channel and user:
            text = f"Something went wrong on my side, so this was not done (error `{error_id}`). Please try again."
            self.messenger.tell(
                self.context(item.workspace_id), channel, user, text, thread_ts=item.payload.get("thread_ts")
            )


def build_core(settings: Settings, *, clock: Clock = system_clock) -> Core:
    """Build what needs no Slack: for the command line and tests. Migrates the database."""
    quiet_libraries()
    database = Database(settings.database)
    database.migrate()
    ensure_workspace(database)
    return Core(
        settings=settings,
        database=database,
        usage=UsageStore(settings.usage),
        scorecard=load_scorecard(SCORECARDS / "matrix.toml"),
        agent=Agent(settings),
        clock=clock,
    )


def build(settings: Settings, *, clock: Clock = system_clock, senders: dict[str, Sender] | None = None) -> Tend:
    """Build the whole app around the settings.

    Args:
        clock: the time; the local workspace and tests step it.
        senders: delivery channels instead of the configured ones.
    """
    core = build_core(settings, clock=clock)
    bolt = _bolt(settings, core.database)
    tend = Tend(
        **vars(core),
        bolt=bolt,
        messenger=Messenger(partial(_client_of, settings, bolt, core.database)),
        senders=senders if senders is not None else _senders(settings),
    )

    @bolt.use
    def put_tend(context: Any, next: Any) -> None:
        context["tend"] = tend
        next()

    listeners.register(bolt)
    return tend


def ensure_workspace(database: Database) -> None:
    """Create the first workspace, which imports fill and the first Slack team takes."""
    with database.unbound() as session:
        if session.exec(select(Workspace)).first() is None:
            session.add(Workspace(id=DEFAULT_WORKSPACE, created_at=system_clock()))
            session.commit()


def quiet_libraries() -> None:
    """Log our own events as one line each; libraries only speak up when something is wrong."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.INFO))
    for name in ("slack_bolt", "slack_sdk", "apscheduler", "httpx", "alembic"):
        logging.getLogger(name).setLevel(logging.ERROR)


def slack_client(settings: Settings, token: str | None) -> WebClient:
    """A Slack client that waits when it is told to."""
    client = WebClient(token=token, base_url=settings.slack_api_url, timeout=15)
    client.retry_handlers.append(RateLimitErrorRetryHandler(max_retry_count=3))
    return client


def _bolt(settings: Settings, database: Database) -> App:
    """Bolt in the mode where a listener has run before Slack is answered: it stores the work first."""
    common: dict[str, Any] = {
        "signing_secret": plain(settings.slack_signing_secret) or "unused-in-socket-mode",
        "process_before_response": True,
        "listener_executor": ThreadPoolExecutor(8, "bolt"),
        "raise_error_for_unhandled_request": False,
    }
    if settings.slack_client_id:
        from bot.oauth import oauth_settings

        app = App(client=slack_client(settings, None), oauth_settings=oauth_settings(settings, database), **common)
        app.enable_token_revocation_listeners()
        return app
    token = plain(settings.slack_bot_token)
    return App(client=slack_client(settings, token), token_verification_enabled=False, **common)


def _client_of(settings: Settings, bolt: App, database: Database, workspace_id: str) -> WebClient:
    if not settings.slack_client_id:
        return bolt.client
    from bot.oauth import bot_token

    with database.unbound() as session:
        team = session.get_one(Workspace, workspace_id).slack_team_id
    return slack_client(settings, bot_token(bolt, team or ""))


def _senders(settings: Settings) -> dict[str, Sender]:
    if settings.smtp_url is None:
        return {}
    return {"email": EmailSender(plain(settings.smtp_url), settings.email_from, settings.postal_address)}


def _time_zone(database: Database, workspace_id: str) -> str:
    with database.unbound() as session:
        workspace = session.get(Workspace, workspace_id)
        return workspace.time_zone if workspace else "UTC"


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
