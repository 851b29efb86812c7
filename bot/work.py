"""The durable queue behind acknowledged events, and the workers that empty it."""

import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from queue import SimpleQueue
from typing import Any

import structlog
from sqlalchemy import and_, or_, update
from sqlmodel import col, select

from storage.database import Database, changed_one, insert_new_rows
from storage.models import Work, WorkState

log = structlog.get_logger()
LEASE = timedelta(seconds=30)  # renewed while the work runs, so this is how soon a crash is noticed
MOST_ATTEMPTS = 3
LARGEST_BATCH, LONGEST_KEY = 200, 120
STORE_SECONDS = 30.0  # how long a put may wait for the disk before it fails
IDLE_SECONDS = 1.0  # how long work put by another process may lie before it is seen


@dataclass(frozen=True)
class Item:
    """One claimed piece of work."""

    id: int
    workspace_id: str
    kind: str
    key: str
    payload: dict[str, Any]
    attempts: int


Handler = Callable[[Item], None]
GaveUp = Callable[[Item, str], None]
_DEFERRED: ContextVar["list[Future[bool]] | None"] = ContextVar("deferred", default=None)


class Intake:
    """Stores work that arrives at the same moment in one transaction: durable for each, one disk write for all."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._arriving: SimpleQueue[tuple[dict[str, Any], Future[bool]] | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._loop, name="intake", daemon=True)
        self._thread.start()

    def add(self, row: dict[str, Any]) -> "Future[bool]":
        """Take one row; the future holds whether it is new, once it is on disk."""
        done: Future[bool] = Future()
        self._arriving.put((row, done))
        return done

    def stop(self) -> None:
        self._arriving.put(None)
        self._thread.join(10)

    def _loop(self) -> None:
        going = True
        while going:
            batch = [self._arriving.get()]
            while not self._arriving.empty() and len(batch) < LARGEST_BATCH:
                batch.append(self._arriving.get())
            going = None not in batch
            self._store([entry for entry in batch if entry is not None])

    def _store(self, batch: list[tuple[dict[str, Any], "Future[bool]"]]) -> None:
        try:
            with self._database.engine.begin() as connection:
                new = insert_new_rows(connection, Work, [row for row, _ in batch], ["key"])
        except Exception as error:  # whoever waits hears it: Slack is told to try again
            for _, done in batch:
                done.set_exception(error)
            return
        for row, done in batch:
            identity = (row["workspace_id"], row["key"])
            done.set_result(identity in new)
            new.discard(identity)  # the same key twice in one batch is new once


class Queue:
    """Claims work by conditional update, so any number of threads and processes may share one database.

    Leases and waits follow the machine's clock, never the one that the local workspace can step.

    Args:
        handlers: what to do for each kind of work.
        gave_up: told about work that failed for good, with an id that the user can quote.
    """

    def __init__(self, database: Database, handlers: dict[str, Handler], gave_up: GaveUp, threads: int = 24) -> None:
        self._database, self._handlers, self._gave_up = database, handlers, gave_up
        self._intake = Intake(database)
        self._renewer = threading.Thread(target=self._renew, name="lease-renewer", daemon=True)
        self._wake, self._stopping = threading.Condition(), threading.Event()
        self._running: set[int] = set()
        self._looked = 0.0
        self._threads = [threading.Thread(target=self._loop, name=f"worker-{n}", daemon=True) for n in range(threads)]

    def put(self, workspace_id: str, kind: str, key: str, payload: dict[str, Any]) -> bool:
        """Store work durably and wake a worker. False when the key was known: a retry does nothing twice.

        Inside `deferred` the caller waits itself, and the answer is always True.
        """
        now = datetime.now(UTC)
        done = self._intake.add(
            {
                "workspace_id": workspace_id,
                "kind": kind,
                "key": key[:LONGEST_KEY],
                "payload": payload,
                "state": WorkState.READY,
                "attempts": 0,
                "run_after": now,
                "created_at": now,
            }
        )
        done.add_done_callback(self._wake_one)
        waiting = _DEFERRED.get()
        if waiting is None:
            return done.result(STORE_SECONDS)
        waiting.append(done)
        return True

    @contextmanager
    def deferred(self) -> "Iterator[list[Future[bool]]]":
        """Collect what `put` stores meanwhile, for a caller that must not block but waits for it afterwards."""
        waiting: list[Future[bool]] = []
        token = _DEFERRED.set(waiting)
        try:
            yield waiting
        finally:
            _DEFERRED.reset(token)

    def _wake_one(self, _: "Future[bool]") -> None:
        with self._wake:
            self._wake.notify()

    def start(self) -> None:
        for thread in (*self._threads, self._renewer):
            thread.start()

    def stop(self, timeout: float = 10.0) -> None:
        """Let running work finish; what is not claimed stays for the next start."""
        self._stopping.set()
        with self._wake:
            self._wake.notify_all()
        self._intake.stop()
        deadline = time.monotonic() + timeout
        for thread in (*self._threads, self._renewer):
            if thread.is_alive():
                thread.join(max(0.0, deadline - time.monotonic()))

    def run_one(self) -> bool:
        """Do one piece of due work. Returns whether there may be more."""
        item = self._claim()
        if item is None:
            return False
        if item.attempts > MOST_ATTEMPTS:  # its worker vanished each time: it may be what takes them along
            self._give_up(item, uuid.uuid4().hex[:8])
            return True
        self._running.add(item.id)
        try:
            self._handlers[item.kind](item)
        except Exception as error:
            self._failed(item, error)
        else:
            self._settle(item, state=WorkState.DONE, finished_at=datetime.now(UTC))
        finally:
            self._running.discard(item.id)
        return True

    def drain(self, timeout: float = 30.0) -> bool:
        """Wait until nothing is due or running. Returns False when the time is up before that."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            if not self._busy():
                return True
            time.sleep(0.02)
        return False

    def _loop(self) -> None:
        while not self._stopping.is_set():
            try:
                more = self.run_one()
            except Exception as error:  # the database is away for a moment: keep the worker alive
                log.error("worker_error", error=type(error).__name__)
                more = False
            if not more:
                self._rest()

    def _rest(self) -> None:
        """Wait until there is work, or it is time to look for that of other processes: one worker looks for all."""
        woken = False
        while not woken and not self._stopping.is_set():
            with self._wake:
                woken = self._wake.wait(IDLE_SECONDS)
                if not woken and time.monotonic() - self._looked >= IDLE_SECONDS:
                    self._looked = time.monotonic()
                    return

    def _renew(self) -> None:
        """Prolong the leases of running work: only a process that died lets one run out."""
        while not self._stopping.wait(LEASE.total_seconds() / 3):
            try:
                self._prolong(list(self._running))
            except Exception as error:  # the next round tries again, well before the lease ends
                log.error("renew_error", error=type(error).__name__)

    def _prolong(self, ids: list[int]) -> None:
        if not ids:
            return
        with self._database.unbound() as session:
            mine = (col(Work.id).in_(ids), col(Work.state) == WorkState.RUNNING)
            session.execute(update(Work).where(*mine).values(lease_until=datetime.now(UTC) + LEASE))
            session.commit()

    def _claim(self) -> Item | None:
        now = datetime.now(UTC)
        due = or_(
            and_(col(Work.state) == WorkState.READY, col(Work.run_after) <= now),
            and_(col(Work.state) == WorkState.RUNNING, col(Work.lease_until) < now),
        )
        with self._database.unbound() as session:
            for work in session.exec(select(Work).where(due).order_by(col(Work.id)).limit(8)).all():
                claim = update(Work).where(col(Work.id) == work.id, due, col(Work.attempts) == work.attempts)
                values = {
                    "state": WorkState.RUNNING,
                    "lease_until": now + LEASE,
                    "attempts": work.attempts + 1,
                }
                if changed_one(session, claim.values(**values)):
                    session.commit()
                    return Item(work.id or 0, work.workspace_id, work.kind, work.key, work.payload, work.attempts + 1)
                session.rollback()
        return None

    def _failed(self, item: Item, error: Exception) -> None:
        error_id = uuid.uuid4().hex[:8]
        # The message of an unforeseen error may quote a customer's words: type and place are enough.
        log.error(
            "work_failed",
            kind=item.kind,
            work=item.id,
            attempt=item.attempts,
            error=type(error).__name__,
            error_id=error_id,
            where=_where(error),
        )
        if item.attempts < MOST_ATTEMPTS:
            wait = timedelta(seconds=2 ** (item.attempts - 1))
            self._settle(item, state=WorkState.READY, run_after=datetime.now(UTC) + wait, error=error_id)
            return
        self._give_up(item, error_id)

    def _give_up(self, item: Item, error_id: str) -> None:
        self._settle(item, state=WorkState.FAILED, finished_at=datetime.now(UTC), error=error_id)
        try:
            self._gave_up(item, error_id)
        except Exception as told:
            log.error("could_not_tell", work=item.id, error=type(told).__name__, error_id=error_id)

    def _settle(self, item: Item, **values: Any) -> None:
        with self._database.unbound() as session:
            mine = (col(Work.id) == item.id, col(Work.attempts) == item.attempts)
            changed_one(session, update(Work).where(*mine).values(**values))
            session.commit()

    def _busy(self) -> bool:
        with self._database.unbound() as session:
            now = datetime.now(UTC)
            waiting = or_(
                col(Work.state) == WorkState.RUNNING,
                and_(col(Work.state) == WorkState.READY, col(Work.run_after) <= now),
            )
            return session.exec(select(Work.id).where(waiting).limit(1)).first() is not None


def _where(error: BaseException) -> str:
    trace = error.__traceback__
    while trace and trace.tb_next:
        trace = trace.tb_next
    return f"{trace.tb_frame.f_code.co_filename.rsplit('/', 1)[-1]}:{trace.tb_lineno}" if trace else ""
