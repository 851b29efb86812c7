"""The composition root: builds everything from the settings; tests pass their own parts instead."""

import logging
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import structlog
from slack_bolt import App
from slack_sdk import WebClient
from slack_sdk.http_retry.builtin_handlers import RateLimitErrorRetryHandler
from sqlmodel import select

from bot import listeners
from bot.agent import Agent
from bot.audience import Audience
from bot.delivery import DeliveryWorker
from bot.embedding import embedder_of
from bot.jobs import Schedule
from bot.messages import Messenger
from bot.runtime import DEFAULT_WORKSPACE, Core, Tend
from bot.senders import Sender
from bot.senders.pace import Pace
from bot.senders.setup import senders_of
from bot.settings import Settings, plain
from bot.work import Queue
from scoring.scorecard import SCORECARDS, load_scorecards
from storage.database import Database
from storage.models import Workspace
from storage.usage import UsageStore
from tools.context import Clock, system_clock
from tools.knowledge_base import KnowledgeBase


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
        scorecards=load_scorecards(SCORECARDS, settings.data_dir / "scorecards"),
        agent=Agent(settings),
        clock=clock,
        knowledge=KnowledgeBase(
            settings.data_dir,
            settings.chroma_url,
            embedder_of(settings),
            settings.documents_dir,
            settings.documents_link or "",
        ),
    )


def build(settings: Settings, *, clock: Clock = system_clock, senders: dict[str, Sender] | None = None) -> Tend:
    """Build the whole app around the settings.

    Args:
        clock: the time; the local workspace and tests step it.
        senders: delivery channels instead of the configured ones.
    """
    core = build_core(settings, clock=clock)
    bolt = _bolt(settings, core.database)
    client_of = partial(_client_of, settings, bolt, core.database)
    handlers: dict[str, Any] = {}
    tend = Tend(
        **vars(core),
        bolt=bolt,
        messenger=Messenger(client_of, lambda *asked: tend.audience.barred(*asked)),
        audience=Audience(settings, client_of, lambda ctx, user: tend.person(ctx, user)),
        queue=Queue(core.database, handlers, lambda item, error_id: listeners.say_that_it_failed(tend, item, error_id)),
        delivery=DeliveryWorker(
            core.contexts,
            senders_of(settings, client_of) if senders is None else senders,
            lambda ctx, done: tend.refresh_cards(ctx, done.id) if done.shown else None,
            Pace(settings.send_rate),
        ),
    )
    handlers.update({kind: partial(handler, tend) for kind, handler in listeners.HANDLERS.items()})
    tend.schedule = Schedule(tend)

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
