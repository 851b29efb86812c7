"""Work behind an acknowledged event is done once, survives a crash, and is given up in the open."""

import threading
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import update
from sqlmodel import col, select

from bot.work import LEASE, MOST_ATTEMPTS, Item, Queue
from storage.database import Database
from storage.models import Work, WorkState


class Desk:
    """Handlers that note what they did, and what was given up."""

    def __init__(self) -> None:
        self.done: list[Item] = []
        self.told: list[tuple[int, str]] = []
        self.fail: Callable[[Item], bool] = lambda item: False

    def handle(self, item: Item) -> None:
        self.done.append(item)
        if self.fail(item):
            raise RuntimeError("something private about a customer")

    def gave_up(self, item: Item, error_id: str) -> None:
        self.told.append((item.id, error_id))


def queue(database: Database, desk: Desk, threads: int = 2) -> Queue:
    return Queue(database, {"job": desk.handle}, desk.gave_up, threads)


def rows(database: Database) -> list[Work]:
    with database.unbound() as session:
        return list(session.exec(select(Work).order_by(col(Work.id))).all())


def hasten(database: Database, **values: Any) -> None:
    """Let time pass for the work in the table."""
    with database.unbound() as session:
        session.execute(update(Work).values(**values))
        session.commit()


def past() -> datetime:
    return datetime.now(UTC) - timedelta(seconds=1)


def test_work_is_stored_before_anybody_looks_at_it(any_database: Database) -> None:
    desk = Desk()
    assert queue(any_database, desk).put("w1", "job", "k1", {"question": "why?"})
    later = queue(Database(any_database.url), desk)  # another process, after a restart
    assert later.run_one()
    assert not later.run_one()
    assert [(item.workspace_id, item.key, item.payload) for item in desk.done] == [("w1", "k1", {"question": "why?"})]
    assert rows(any_database)[0].state == WorkState.DONE


def test_the_same_key_is_taken_once_per_workspace(any_database: Database) -> None:
    desk = Desk()
    work = queue(any_database, desk)
    assert [work.put("w1", "job", "event-1", {}) for _ in range(3)] == [True, False, False]
    while work.run_one():
        pass
    assert not work.put("w1", "job", "event-1", {})
    assert work.put("w2", "job", "event-1", {})
    assert not [row for row in rows(any_database) if row.state == WorkState.READY and row.workspace_id == "w1"]
    assert len(desk.done) == 1


@pytest.mark.parametrize("ends", [{"state": WorkState.RUNNING, "attempts": 1}], ids=["claimed"])
def test_work_whose_worker_vanished_is_done_after_its_lease(any_database: Database, ends: dict[str, Any]) -> None:
    desk = Desk()
    work = queue(any_database, desk)
    work.put("w1", "job", "k1", {})
    hasten(any_database, **ends, lease_until=datetime.now(UTC) + LEASE)
    assert not work.run_one()
    hasten(any_database, lease_until=past())
    assert work.run_one()
    assert desk.done[0].attempts == 2


def test_a_slow_worker_whose_lease_ran_out_cannot_settle_what_another_has_taken(any_database: Database) -> None:
    desk = Desk()
    work = queue(any_database, desk)

    def overtaken(item: Item) -> bool:
        if len(desk.done) == 1:
            hasten(any_database, lease_until=past())
            desk.fail = lambda item: False
            assert work.run_one()  # another worker takes it and finishes
            return True  # and then the first one fails
        return False

    desk.fail = overtaken
    work.put("w1", "job", "k1", {})
    assert work.run_one()
    assert rows(any_database)[0].state == WorkState.DONE
    assert desk.told == []


def test_work_that_fails_is_tried_again_later_and_then_given_up_once(any_database: Database) -> None:
    desk = Desk()
    desk.fail = lambda item: True
    work = queue(any_database, desk)
    work.put("w1", "job", "k1", {})
    waits = []
    for _ in range(MOST_ATTEMPTS):
        assert work.run_one()
        waits.append(rows(any_database)[0].run_after - datetime.now(UTC))
        assert not work.run_one()  # not due yet, or given up
        hasten(any_database, run_after=past())
    assert not work.run_one()
    assert timedelta(0) < waits[0] < waits[1]
    row = rows(any_database)[0]
    assert (row.state, row.attempts) == (WorkState.FAILED, MOST_ATTEMPTS)
    assert desk.told == [(row.id, row.error)]


def test_work_that_takes_its_worker_along_each_time_is_given_up_too(any_database: Database) -> None:
    desk = Desk()
    work = queue(any_database, desk)
    work.put("w1", "job", "k1", {})
    hasten(any_database, state=WorkState.RUNNING, attempts=MOST_ATTEMPTS, lease_until=past())
    assert work.run_one()
    assert not work.run_one()
    assert desk.done == []
    assert rows(any_database)[0].state == WorkState.FAILED
    assert len(desk.told) == 1


def test_an_error_in_telling_does_not_stop_the_worker(sqlite_database: Database) -> None:
    desk = Desk()
    desk.fail = lambda item: item.key == "bad"

    def cannot_tell(item: Item, error_id: str) -> None:
        raise ConnectionError

    work = Queue(sqlite_database, {"job": desk.handle}, cannot_tell)
    work.put("w1", "job", "bad", {})
    hasten(sqlite_database, attempts=MOST_ATTEMPTS - 1)
    work.put("w1", "job", "good", {})
    assert [work.run_one() for _ in range(3)] == [True, True, False]
    assert [row.state for row in rows(sqlite_database)] == [WorkState.FAILED, WorkState.DONE]


def test_work_of_an_unknown_kind_is_given_up_and_not_lost(sqlite_database: Database) -> None:
    desk = Desk()
    work = queue(sqlite_database, desk)
    work.put("w1", "of an older version", "k1", {})
    for _ in range(MOST_ATTEMPTS):
        work.run_one()
        hasten(sqlite_database, run_after=past())
    assert len(desk.told) == 1


def test_what_a_customer_wrote_does_not_reach_the_table_or_the_log(
    sqlite_database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    desk = Desk()
    desk.fail = lambda item: True
    work = queue(sqlite_database, desk)
    work.put("w1", "job", "k1", {})
    work.run_one()
    assert "private" not in (rows(sqlite_database)[0].error or "")
    assert "private" not in "".join(capsys.readouterr())


def test_many_threads_of_two_processes_do_each_item_exactly_once(any_database: Database) -> None:
    desk, other = Desk(), Desk()
    queues = [queue(any_database, desk, 4), queue(Database(any_database.url), other, 4)]
    for one in queues:
        one.start()
    keys = [f"k{n}" for n in range(60)]
    putters = [threading.Thread(target=lambda: [queues[0].put("w1", "job", key, {}) for key in keys]) for _ in range(2)]
    for putter in putters:
        putter.start()
    for putter in putters:
        putter.join()
    assert queues[0].drain(30)
    for one in queues:
        one.stop()
    assert Counter(item.key for item in desk.done + other.done) == dict.fromkeys(keys, 1)
    assert {row.attempts for row in rows(any_database)} == {1}


def test_stopping_lets_running_work_finish_and_leaves_the_rest(sqlite_database: Database) -> None:
    desk, begun, go_on = Desk(), threading.Event(), threading.Event()

    def slow(item: Item) -> bool:
        begun.set()
        go_on.wait(5)
        return False

    desk.fail = slow
    work = queue(sqlite_database, desk, threads=1)
    for key in ("k1", "k2"):
        work.put("w1", "job", key, {})
    work.start()
    assert begun.wait(5)
    assert not work.drain(0.1)
    threading.Timer(0.1, go_on.set).start()
    work.stop()
    assert [row.state for row in rows(sqlite_database)] == [WorkState.DONE, WorkState.READY]


def test_a_worker_notices_new_work_at_once(sqlite_database: Database) -> None:
    desk = Desk()
    work = queue(sqlite_database, desk)
    work.start()
    time.sleep(0.05)
    began = time.monotonic()
    work.put("w1", "job", "k1", {})
    assert work.drain(5)
    assert time.monotonic() - began < 0.9  # well before the next look by itself
    work.stop()


def test_draining_does_not_wait_for_work_that_is_not_due(sqlite_database: Database) -> None:
    work = queue(sqlite_database, Desk())
    work.put("w1", "job", "k1", {})
    hasten(sqlite_database, run_after=datetime.now(UTC) + timedelta(hours=1))
    assert work.drain(1)
