"""Two workers, a crowd of clicks and a clock that jumps lose no message and send none twice."""

import threading
import time
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from sqlmodel import select

from bot.delivery import DeliveryWorker
from bot.local.mailbox import Mailbox
from bot.senders.email import EmailSender
from storage.database import insert_rows
from storage.models import Approval, Draft, DraftState
from storage.usage import UsageStore
from tests.conftest import Stepped
from tests.tools import portfolio
from tools import approvals, outbox
from tools.context import Context
from tools.drafts import draft_outreach
from tools.errors import StaleError

DRAFTS, CLICKS = 12, 20


@pytest.fixture(params=["sqlite", "postgresql"])
def crowded(request: pytest.FixtureRequest, clock: Stepped) -> Iterator[Context]:
    """The portfolio with a dozen drafts, on both databases."""
    if request.param == "sqlite":
        yield _with_drafts(request.getfixturevalue("ctx"))
        return
    from storage.database import Database

    folder = request.getfixturevalue("tmp_path")
    database = Database(request.getfixturevalue("postgres_url"))
    made = portfolio.context(database, UsageStore(str(folder / "usage")), clock)
    portfolio.fill(made)
    yield _with_drafts(made)
    database.engine.dispose()


def _with_drafts(ctx: Context) -> Context:
    card = draft_outreach(ctx, "Acme Group", "check_in")
    with ctx.session() as session:
        row = session.get_one(Draft, card.id).model_dump(exclude={"id"})
        insert_rows(session, Draft, [dict(row) for _ in range(DRAFTS - 1)])
        session.commit()
    return ctx


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    box = Mailbox()
    box.start()
    yield box
    box.stop()


def waiting(ctx: Context) -> list[tuple[int, str]]:
    with ctx.session() as session:
        return [(draft.id or 0, draft.content_hash) for draft in session.exec(select(Draft).order_by(Draft.id))]


def approve_all(ctx: Context, times: int, wake: Any = lambda: None) -> int:
    """Everybody presses every button at once. Returns how many presses counted."""
    counted: list[int] = []

    def press() -> None:
        for draft, exact in waiting(ctx):
            try:
                approvals.approve(ctx, draft, exact)
                counted.append(draft)
                wake()
            except StaleError:
                continue

    threads = [threading.Thread(target=press) for _ in range(times)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return len(counted)


def eventually(holds: Any, seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def states(ctx: Context) -> Counter[str]:
    with ctx.session() as session:
        return Counter(session.exec(select(Draft.state)).all())


def test_two_workers_and_twenty_double_clicks_at_once_send_each_message_once(
    crowded: Context, mailbox: Mailbox
) -> None:
    workers = [
        DeliveryWorker(lambda: [crowded], {"email": EmailSender(mailbox.url, "s@team.example")}, lambda *_: None)
        for _ in range(2)
    ]
    for worker in workers:
        worker.start()
    counted = approve_all(crowded, CLICKS, workers[0].wake)
    eventually(lambda: states(crowded) == {DraftState.SENT: DRAFTS})
    for worker in workers:
        worker.stop()
    assert counted == DRAFTS
    assert set(Counter(mail.message_id for mail in mailbox.messages).values()) == {1}
    assert len(mailbox.messages) == DRAFTS
    with crowded.session() as session:
        assert len(session.exec(select(Approval)).all()) == DRAFTS


def test_a_clock_that_jumps_while_messages_leave_loses_and_doubles_nothing(
    crowded: Context, mailbox: Mailbox, clock: Stepped
) -> None:
    approve_all(crowded, 1)
    mailbox.slow = 0.02
    worker = DeliveryWorker(lambda: [crowded], {"email": EmailSender(mailbox.url, "s@team.example")}, lambda *_: None)
    worker.start()
    steps = [timedelta(days=3), timedelta(days=-5), timedelta(hours=7), timedelta(days=-1), timedelta(days=6)]
    for step in steps:
        time.sleep(0.05)
        clock.now += step
        outbox.settle_abandoned(crowded)  # as another process would, to which the sender looks long gone
        worker.wake()
    clock.now += timedelta(days=10)
    eventually(lambda: states(crowded) == {DraftState.SENT: DRAFTS})
    worker.stop()
    assert Counter(Counter(mail.message_id for mail in mailbox.messages).values()) == {1: DRAFTS}
