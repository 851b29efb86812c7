"""A process that is killed in the middle of any step loses no accepted work and does nothing twice."""

import multiprocessing
import shutil
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import select

from bot.demo import TEAM, _free_port
from bot.local.run import Running
from bot.local.server import Channel, LocalWorkspace, Person
from storage.database import Database
from storage.models import Account, Contact, Draft, DraftState, JobPeriod, Work, Workspace, WorkState
from tests.e2e.crashing import POINTS, run
from tests.e2e.test_path import buttons, eventually
from tests.fakes_openai import Reply, call, fake_openai
from tools import digests
from tools.context import SYSTEM, Context

DANA, CHANNEL = "U0001", "C0CUSTOMERS"
# Children are forked from one process that has imported everything, also what Tend imports when it is first needed:
# each starts in a moment, and dies alone.
CHILDREN = multiprocessing.get_context("forkserver")
CHILDREN.set_forkserver_preload(
    ["tests.e2e.crashing", "tests.e2e.delivering", "bot.offline", "langchain.agents", "alembic.command",
     "uvicorn.protocols.http.auto", "uvicorn.protocols.websockets.auto", "uvicorn.loops.auto", "uvicorn.lifespan.on",
     "model2vec.model", "model2vec.persistence", "tokenizers", "ibis.backends.duckdb", "pandas",
     "anyio._backends._asyncio"]
)  # fmt: skip
AFTER_THE_LEASE = 1.3  # seconds: what was running when the process died is taken up again, see `crashing.run`


class Island:
    """Slack and the mailbox in this process, Tend in a child that can be killed."""

    def __init__(self, data: Path) -> None:
        self.port, secret = _free_port(), "s" * 16
        people = [Person(DANA, "dana", "Dana Reyes", "dana.reyes@brightwater.example")]
        self.workspace = LocalWorkspace(
            request_url=f"http://127.0.0.1:{self.port}/slack/events", signing_secret=secret, people=people,
            channels=[Channel(CHANNEL, "customer-success", (DANA, "U0TEND"))], team_id=TEAM,
        )  # fmt: skip
        self.workspace.mailbox.start()
        self.server = Running(self.workspace.app).start()
        self.settings = {
            "data_dir": str(data), "slack_bot_token": "xoxb-local", "slack_signing_secret": secret,
            "slack_mode": "http", "slack_api_url": f"{self.server.url}/api/", "openai_api_key": None,
            "smtp_url": self.workspace.mailbox.url, "email_from": "success@tend.example",
        }  # fmt: skip
        self.database = Database(f"sqlite:///{data / 'tend.db'}")
        self.child: Any = None

    def start(self, point: str = "") -> None:
        options = {"point": point, "port": self.port, "settings": self.settings}
        # A pipe, which the child's death closes. An event has a lock, and who dies with it leaves the others waiting.
        ready, said = CHILDREN.Pipe(duplex=False)
        self.child = CHILDREN.Process(target=run, args=(options, said))
        self.child.start()
        said.close()
        with ready, suppress(EOFError):  # when it died of its point while starting
            assert ready.poll(60), "the child did not start"
            ready.recv()

    def wait_for_death(self) -> None:
        self.child.join(30)
        assert self.child.exitcode == 137

    def stop(self) -> None:
        if self.child is not None and self.child.exitcode is None:
            self.child.kill()
            self.child.join(10)
        self.server.stop()
        self.workspace.close()
        self.database.engine.dispose()


@pytest.fixture
def island(filled: Path, tmp_path: Path) -> Iterator[Island]:
    shutil.copytree(filled / "demo", tmp_path / "data")
    built = Island(tmp_path / "data")
    yield built
    built.stop()


def subscribed(island: Island) -> None:
    with island.database.unbound() as session:
        workspace = session.exec(select(Workspace)).one()
        workspace.slack_team_id = TEAM
        session.add(workspace)
        session.commit()
    ctx: Any = Context("main", SYSTEM, island.database, None, None, "")  # type: ignore[arg-type]
    with ctx.session() as session:
        session.add(digests.DigestSubscription(channel=CHANNEL, hour=0, created_by="test"))
        session.commit()


@pytest.mark.parametrize("point", ["before answering", "after answering", "before the post", "after the post"])
def test_a_question_is_answered_once_though_the_process_died(island: Island, point: str) -> None:
    island.start(point)
    channel = island.workspace.open_dm(DANA)
    island.workspace.say(DANA, channel, "summarise my portfolio")
    island.wait_for_death()
    island.start()
    eventually(lambda: _answers(island, channel), 30)
    # A second answer would come when the lease of the first attempt ends, which ends the work too.
    eventually(lambda: _nothing_to_do(island), 30)
    assert len(_answers(island, channel)) == 1


@pytest.mark.parametrize("point", [p for p in POINTS if "stream" in p or "sentence" in p])
def test_an_answer_that_grows_ends_once_though_the_process_died(island: Island, point: str) -> None:
    with island.database.session("main") as session:
        name = session.exec(select(Account.name).where(Account.churned_on == None)).first()  # noqa: E711
    script = call("explain_health", account=name), Reply("Look at its goals first. Then call.", slowly=0.05)
    with fake_openai(*script, answers_questions=True) as model:
        island.settings |= {"openai_api_key": "key", "openai_base_url": model.url}
        island.start(point)
        ts = island.workspace.say(DANA, CHANNEL, f"<@U0TEND> why is {name} at risk?")
        island.wait_for_death()
        model.asked.clear()  # the script begins anew
        island.start()
        eventually(lambda: _nothing_to_do(island), 30)
        answers = [m for m in island.workspace.messages(CHANNEL, ts) if m.get("bot_id")]
    assert len(answers) == 1
    assert buttons(answers[0], "feedback")
    assert not answers[0].get("streaming")
    assert "Then call." in answers[0]["text"]


@pytest.mark.parametrize("point", ["after composing the digest", "after the post", "before keeping the digest"])
def test_a_digest_is_posted_once_though_the_process_died(island: Island, point: str) -> None:
    subscribed(island)
    island.start(point)
    island.wait_for_death()
    time.sleep(AFTER_THE_LEASE)  # jobs are looked for at the start and then twice a minute
    island.start()
    with island.database.session("main") as session:
        done = lambda: session.exec(  # noqa: E731
            select(JobPeriod.state)
            .where(JobPeriod.job == f"digest:{CHANNEL}")
            .execution_options(populate_existing=True)
        ).first()
        eventually(lambda: session.rollback() or done() == "done", 60)
    assert len(_answers(island, CHANNEL)) == 1


@pytest.mark.parametrize(
    "point", [p for p in POINTS if "approval" in p or "sending" in p or "hand" in p or "was sent" in p]
)
def test_an_approved_message_is_sent_once_or_listed_as_unclear(island: Island, point: str) -> None:
    island.start(point)
    card = _drafted(island)
    if card is not None:
        island.workspace.click(DANA, card["channel"], card["ts"], "approve_draft")
    island.wait_for_death()
    island.start()
    if card is None:  # it died while idle, before there was anything to approve
        card = _drafted(island)
        assert card is not None
        island.workspace.click(DANA, card["channel"], card["ts"], "approve_draft")
    state = eventually(lambda: _state(island), 30)
    time.sleep(AFTER_THE_LEASE)  # then a second mail would come
    eventually(lambda: _nothing_to_do(island), 30)
    mails = len(island.workspace.mailbox.messages)
    taken = point in ("after handing over", "before noting that it was sent")
    if state == DraftState.SENT:
        assert mails == 1
    else:
        assert (state, mails) == (DraftState.UNCLEAR, 1 if taken else 0)
    assert _state(island) == state


def _answers(island: Island, channel: str) -> list[dict[str, Any]]:
    return [m for m in island.workspace.messages(channel) if m.get("bot_id")]


def _nothing_to_do(island: Island) -> bool:
    """All accepted work came to its end."""
    with island.database.unbound() as session:
        states = set(session.exec(select(Work.state)).all())
    assert states
    return not states & {WorkState.READY, WorkState.RUNNING}


def _drafted(island: Island) -> dict[str, Any] | None:
    """Ask for a draft; None when the process dies first."""
    with island.database.session("main") as session:
        name = session.exec(
            select(Account.name)
            .join(Contact)
            .where(Account.churned_on == None, Contact.email != None, Contact.left_on == None)  # noqa: E711
        ).first()
    channel = island.workspace.open_dm(DANA)
    island.workspace.say(DANA, channel, f"draft a check-in for {name}")
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        found = [m for m in _answers(island, channel) if buttons(m, "approve_draft")]
        if found:
            return {**found[-1], "channel": channel}
        if island.child.exitcode is not None:
            return None
        time.sleep(0.05)
    raise AssertionError("no draft came")


def _state(island: Island) -> str | None:
    with island.database.session("main") as session:
        state = session.exec(select(Draft.state)).first()
    return state if state in (DraftState.SENT, DraftState.UNCLEAR) else None
