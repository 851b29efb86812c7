"""A database, a mail server and a child that delivers: killed again and again, and what must hold afterwards."""

import random
import time
from collections import Counter
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlmodel import col, select

from bot.local.mailbox import Mailbox
from storage.database import insert_rows
from storage.models import Draft, DraftState, Outbox
from tests.e2e.delivering import context, run
from tests.e2e.test_crashes import CHILDREN
from tests.tools import portfolio
from tools.approvals import reject
from tools.drafts import draft_outreach
from tools.outbox_desk import outbox_desk

KEPT = {"id", "request_key"}


class Range:
    """The database and the mailbox in this process, who delivers in a child."""

    def __init__(self, url: str, folder: Path) -> None:
        self.mailbox, self._started = Mailbox(), datetime.now(UTC)
        self.options = {
            "url": url, "usage": str(folder / "usage"), "started": self._started, "smtp": self.mailbox.start(),
        }  # fmt: skip
        self.ctx = context(url, str(folder / "usage"), self._started)
        portfolio.fill(self.ctx)
        pattern = draft_outreach(self.ctx, "Acme Group", "check_in")
        self._pattern = reject(self.ctx, pattern.id, pattern.content_hash, "only to be copied").id
        self.child: Any = None
        self.kills = 0

    def drafts(self, number: int) -> None:
        """Add drafts that wait for their approval."""
        with self.ctx.session() as session:
            row = session.get_one(Draft, self._pattern).model_dump(exclude=KEPT)
            insert_rows(session, Draft, [{**row, "state": DraftState.DRAFTED, "reason": None} for _ in range(number)])
            session.commit()

    def start(self, point: str = "") -> None:
        """Start a child; returns when it is about to work."""
        ready, said = CHILDREN.Pipe(duplex=False)
        self.child = CHILDREN.Process(target=run, args=({**self.options, "point": point}, said))
        self.child.start()
        said.close()
        with ready, suppress(EOFError):
            assert ready.poll(60), "the child did not start"
            ready.recv()

    def kill(self) -> None:
        self.child.kill()
        self.child.join(10)
        self.kills += 1

    def die_at(self, point: str) -> None:
        """Let a child work until it dies of its point."""
        self.start(point)
        self.child.join(30)
        assert self.child.exitcode == 137
        self.kills += 1

    def finish(self) -> None:
        """Let a child do all that is left."""
        self.start()
        self.child.join(60)
        assert self.child.exitcode == 0

    def kill_at_random(self, kills: int, seed: int) -> None:
        """Kill as many children at moments that nobody chose."""
        chance = random.Random(seed)
        for _ in range(kills):
            self.drafts(4)
            self.start()
            time.sleep(chance.uniform(0, 0.12))
            self.kill()
        self.finish()

    def check(self) -> dict[str, int]:
        """Nothing is lost, nothing doubled, and what is unclear is listed. Returns how many came to which end."""
        with self.ctx.session() as session:
            sent = Outbox.idempotency_key, Draft.state
            rows = session.exec(select(*sent).join(Draft, col(Draft.id) == col(Outbox.draft_id))).all()
            left = session.exec(select(Draft.state).where(Draft.state == DraftState.DRAFTED)).all()
        mails = Counter(mail.message_id[1:].partition("@")[0] for mail in self.mailbox.messages)
        ends = Counter(state for _, state in rows)
        assert left == []
        assert set(ends) <= {DraftState.SENT, DraftState.UNCLEAR}
        assert set(mails) <= {key for key, _ in rows}
        assert [key for key, state in rows if state == DraftState.SENT and mails[key] != 1] == []
        assert [key for key, state in rows if state == DraftState.UNCLEAR and mails[key] > 1] == []
        assert ends[DraftState.UNCLEAR] <= self.kills
        assert outbox_desk(self.ctx).counts == ({DraftState.UNCLEAR: n} if (n := ends[DraftState.UNCLEAR]) else {})
        return dict(ends)

    def close(self) -> None:
        if self.child is not None and self.child.exitcode is None:
            self.kill()
        self.mailbox.stop()
        self.ctx.database.engine.dispose()
