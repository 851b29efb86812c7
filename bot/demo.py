"""The demo: a made-up portfolio, the local workspace and Tend itself, all on this machine."""

import json
import secrets
import shutil
import socket
import threading
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import structlog
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from sqlmodel import select
from tzlocal import get_localzone_name

from bot import jobs
from bot.app import build, build_core
from bot.http import create_http
from bot.local.run import Running, stop_all
from bot.local.server import Channel, LocalWorkspace, Person
from bot.runtime import DEFAULT_WORKSPACE, Tend
from bot.senders.setup import email_sender
from bot.settings import Settings
from storage.database import Database
from storage.importing import import_frames
from storage.models import Account, Workspace
from tools import digests, knowledge, refresh
from tools.context import Context

log = structlog.get_logger()
RULES = Path(__file__).parent / "local" / "governance.toml"
TEAM, BOT_TOKEN, BOT_USER = "T0LOCAL", "xoxb-local", "U0TEND"
DIGEST_CHANNEL = "C0CUSTOMERS"


@dataclass
class DemoState:
    """What the demo remembers between starts: the day its world was made for, and how far the clock was stepped."""

    file: Path
    built_on: date
    stepped: int = 0

    @classmethod
    def load(cls, folder: Path) -> "DemoState":
        file = folder / "demo.json"
        if file.exists():
            kept = json.loads(file.read_text())
            return cls(file, date.fromisoformat(kept["built_on"]), kept["stepped"])
        return cls(file, datetime.now(UTC).date())

    def save(self) -> None:
        self.file.parent.mkdir(parents=True, exist_ok=True)
        kept = {"built_on": self.built_on.isoformat(), "stepped": self.stepped}
        part = self.file.with_suffix(".part")
        part.write_text(json.dumps(kept))
        part.replace(self.file)

    def now(self) -> datetime:
        """The machine's time, moved ahead by the days that were stepped."""
        return datetime.now(UTC) + timedelta(days=self.stepped)


class World:
    """The made-up portfolio, built when a day of it is first needed."""

    def __init__(self, built_on: date) -> None:
        self._built_on, self._lock = built_on, threading.Lock()
        self._world: Any = None

    def get(self) -> Any:
        from storage.demo import build as build_world

        with self._lock:
            if self._world is None:
                self._world = build_world(self._built_on)
            return self._world


class Demo:
    """Everything that `make demo` runs.

    Args:
        settings: the environment; the demo keeps its own data below `DATA_DIR`.
        port: of the page.
        portfolio: fill an empty database with the made-up accounts.
    """

    def __init__(self, settings: Settings, port: int, portfolio: bool = True) -> None:
        folder = settings.data_dir / "demo"
        self.state = DemoState.load(folder)
        self.world = World(self.state.built_on) if portfolio else None
        secret, bot_port, port = secrets.token_hex(16), _free_port(), port or _free_port()
        local = {
            "data_dir": folder,
            "database_url": None,
            "usage_url": None,
            "slack_bot_token": BOT_TOKEN,
            "slack_signing_secret": secret,
            "slack_client_id": None,
            "slack_mode": "http",
            "slack_api_url": f"http://127.0.0.1:{port}/api/",
            "email_from": "success@tend-demo.example",
            "public_url": f"http://127.0.0.1:{bot_port}",
        }
        self.settings = Settings(**{**settings.model_dump(), **local})
        _keep_rules(folder)
        self._prepare_workspace()
        self._fill()
        people = _people(self._context())
        self.workspace = LocalWorkspace(
            request_url=f"http://127.0.0.1:{bot_port}/slack/events",
            signing_secret=secret,
            bot_token=BOT_TOKEN,
            people=people,
            channels=_channels(people),
            team_id=TEAM,
            team_name="Tend demo",
            slash_commands=[("/tend", "a question, or: health · draft · digest · whoami · help")],
            state_file=folder / "slack.db",
            step_day=self.step_days,
            today=lambda: self._today().isoformat(),
            now=lambda: self.state.now().timestamp(),
        )
        self.workspace.mailbox.start()
        sender = email_sender(self.settings, self.workspace.mailbox.url)
        self.tend: Tend = build(self.settings, clock=self.state.now, senders={"email": sender})
        self._catching_up = threading.Thread(target=self._catch_up, name="catch-up", daemon=True)
        self._servers = [Running(self.workspace.app, port), Running(create_http(self.tend), bot_port)]

    @property
    def url(self) -> str:
        return self._servers[0].url

    def start(self) -> None:
        for server in self._servers:
            server.start()
        self.tend.workspace_of(TEAM)
        ctx = self._context()
        if not digests.subscriptions(ctx):
            # At midnight, so that every day that is stepped to has its digest at once.
            digests.subscribe(ctx, DIGEST_CHANNEL, 0, ctx.time_zone)
        self.tend.start(schedule=False)
        self._catching_up.start()

    def stop(self) -> None:
        self._wait_until_caught_up()
        self.tend.stop()
        stop_all(self._servers)
        self.workspace.close()

    def step_days(self, days: int) -> str:
        """Move the clock, take in the days' facts, run the days' jobs. Returns what happened, for the page."""
        ran: list[str] = []
        self._wait_until_caught_up()
        for _ in range(days):
            self.tend.queue.drain()
            self.state.stepped += 1
            self.state.save()
            self._take_in(self._context(), self._today())
            ran += jobs.run_due(self.tend, self._context(), slow=False)
            self.tend.queue.drain()
        digests_posted = sum(name.startswith("digest:") for name in ran)
        return f"{self._today():%A %d %B}: scored, {digests_posted} digest{'' if digests_posted == 1 else 's'} posted"

    def _today(self) -> date:
        return self._context().today()

    def _context(self) -> Context:
        return self._core_context(DEFAULT_WORKSPACE)

    def _core_context(self, workspace_id: str) -> Context:
        if not hasattr(self, "_core"):
            self._core = build_core(self.settings, clock=self.state.now)
        return self._core.context(workspace_id)

    def _prepare_workspace(self) -> None:
        database = Database(self.settings.database)
        database.migrate()
        with database.unbound() as session:
            found = session.get(Workspace, DEFAULT_WORKSPACE) or Workspace(
                id=DEFAULT_WORKSPACE, created_at=self.state.now()
            )
            found.time_zone, found.name = get_localzone_name() or "UTC", "Tend demo"
            session.add(found)
            session.commit()
        database.engine.dispose()

    def _fill(self) -> None:
        """Import and score the portfolio, or on a later start only the days since."""
        ctx = self._context()
        with ctx.session() as session:
            empty = session.exec(select(Account.id).limit(1)).first() is None
        if self.world is not None and empty:
            _with_progress(lambda report: self._build(ctx, report))
            self.state.save()

    def _catch_up(self) -> None:
        """Take in the days since the last start, beside the running page: it is usable at once."""
        ctx = self._context()
        if self.world is not None:
            newest = ctx.usage.table(ctx.workspace_id)
            known = newest.day.max().to_pyarrow().as_py() if newest is not None else self.state.built_on
            for ahead in range(1, min((ctx.today() - known).days, 90) + 1):
                self._take_in(ctx, known + timedelta(days=ahead))
        if self.tend.schedule:
            self.tend.schedule.start()

    def _wait_until_caught_up(self) -> None:
        if self._catching_up.is_alive():
            self._catching_up.join()

    def _build(self, ctx: Context, report: Any) -> None:
        assert self.world is not None
        report("making up 400 accounts and 18 months of history", 0, 1)
        frames = self.world.get().until(ctx.today())
        report("making up 400 accounts and 18 months of history", 1, 1)
        with ctx.session() as session:
            import_frames(
                session,
                ctx.usage,
                frames,
                now=ctx.now(),
                source="demo portfolio",
                progress=lambda name, done, total: report(f"importing {name}", done, total),
            )
        refresh.refresh(ctx, lambda done, total: report("scoring the history", done, total))
        report("indexing the playbooks", 0, 1)
        knowledge.sync_documents(ctx)
        report("indexing the playbooks", 1, 1)

    def _take_in(self, ctx: Context, day: date) -> None:
        if self.world is not None:
            with ctx.session() as session:
                import_frames(session, ctx.usage, self.world.get().day(day), now=ctx.now(), source="demo portfolio")


def _with_progress(work: Any) -> None:
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        tasks: dict[str, Any] = {}

        def report(name: str, done: int, total: int) -> None:
            if name not in tasks:
                tasks[name] = bar.add_task(name, total=total)
            bar.update(tasks[name], completed=done, total=total)

        work(report)


def _people(ctx: Context) -> list[Person]:
    """The colleagues of the portfolio, and two who may not ask: a guest and a partner's employee."""
    from storage.models import User

    with ctx.session() as session:
        users = session.exec(select(User).order_by(User.id)).all()  # type: ignore[arg-type]
    titles = {"csm": "CSM", "approver": "Manager, customer success", "admin": "Admin"}
    members = [
        Person(
            f"U{number:04}",
            user.name.split()[0].lower(),
            user.name,
            user.email,
            ctx.time_zone,
            title=titles.get(user.role, ""),
        )
        for number, user in enumerate(users, 1)
    ]
    if not members:
        members = [Person("U0001", "dana", "Dana Reyes", "dana.reyes@example.com", ctx.time_zone, title="CSM")]
    return [
        *members,
        Person("UGUEST", "gina", "Gina Guest", "gina@contractor.example", ctx.time_zone, "guest", "Contractor"),
        Person("UEXTERN", "pat", "Pat Partner", "pat@partner.example", ctx.time_zone, "external", "Partner"),
    ]


def _channels(people: list[Person]) -> list[Channel]:
    members = tuple(person.id for person in people if person.kind == "member")
    return [
        Channel(DIGEST_CHANNEL, "customer-success", (*members, BOT_USER), topic="The daily at-risk digest comes here"),
        Channel("C0GENERAL", "general", (*members, "UGUEST", BOT_USER), topic="Everything else"),
        Channel(
            "C0PARTNER", "shared-partner", (*members, "UEXTERN", BOT_USER), shared=True, topic="Shared with a partner"
        ),
    ]


def _keep_rules(folder: Path) -> None:
    """Give the demo rules under which messages leave while one looks on, unless it has its own."""
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "governance.toml").exists():
        shutil.copy(RULES, folder / "governance.toml")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def usable_port(wanted: int) -> int:
    """Return the wanted port, or a free one when something else has it."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", wanted))
        except OSError:
            return _free_port()
    return wanted
