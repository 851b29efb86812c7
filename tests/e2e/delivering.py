"""Approving and delivering as a child process that dies, as by kill -9, at a named point or whenever it is killed."""

import os
import smtplib
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlmodel import col, select

from bot.delivery import DeliveryWorker
from bot.senders.email import EmailSender
from storage import outgoing
from storage.database import Database
from storage.models import Draft, DraftState, Outbox
from storage.usage import UsageStore
from tests.e2e.crashing import after, before
from tests.tools import portfolio
from tools import approvals, outbox
from tools.context import Context
from tools.errors import StaleError

LEASE = timedelta(seconds=0.3)


def half_way(*_: Any, **__: Any) -> None:
    """Die with half of the mail on the wire."""
    real = smtplib.SMTP.send

    def send(server: smtplib.SMTP, content: Any) -> None:
        if isinstance(content, bytes) and len(content) > 400:
            real(server, content[: len(content) // 2])
            os._exit(137)
        real(server, content)

    smtplib.SMTP.send = send  # type: ignore[method-assign]


POINTS: dict[str, Callable[[], None]] = {
    "in the approval, before it is kept": lambda: after(approvals, "_decide"),
    "after the approval": lambda: after(approvals, "approve"),
    "while it is taken back": lambda: before(approvals, "_note_decision"),
    "in the gate": lambda: before(outbox, "judge"),
    "claimed, not yet kept": lambda: after(outgoing, "take"),
    "after the claim": lambda: after(outbox, "claim_next"),
    "before the connection": lambda: before(EmailSender, "_connect"),
    "after EHLO": lambda: after(smtplib.SMTP, "ehlo"),
    "after MAIL": lambda: after(smtplib.SMTP, "mail"),
    "after RCPT": lambda: after(smtplib.SMTP, "rcpt"),
    "before DATA": lambda: before(smtplib.SMTP, "data"),
    "half of the mail sent": half_way,
    "after the server's 250": lambda: after(smtplib.SMTP, "data"),
    "before it is noted": lambda: before(outbox, "hand_on"),
    "noted, not yet kept": lambda: after(outgoing, "settle"),
    "after it is noted": lambda: after(outbox, "hand_on"),
    "before the connection is closed": lambda: before(EmailSender, "rest"),
}
# Here a message was with a sender: the next process cannot know how far it came.
WITH_A_SENDER = frozenset(POINTS) - {
    "in the approval, before it is kept", "after the approval", "while it is taken back", "in the gate",
    "claimed, not yet kept", "before the connection is closed",
}  # fmt: skip


def context(url: str, usage: str, started: datetime) -> Context:
    """The known portfolio, on a clock that goes on from its day; the same for every process."""

    def now() -> datetime:
        return portfolio.NOW + (datetime.now(UTC) - started)

    return portfolio.context(Database(url), UsageStore(usage), now)


def run(options: dict[str, Any], ready: Any) -> None:
    """Approve what waits and deliver, until all is settled, killed, or dead at its point."""
    outbox.SENDING_LEASE = LEASE
    if options["point"] and options["point"] != "while it is taken back":
        POINTS[options["point"]]()
    ctx = context(options["url"], options["usage"], options["started"])
    worker = DeliveryWorker(lambda: [ctx], {"email": EmailSender(options["smtp"], ctx.email_from)}, lambda *_: None)
    ready.send(True)
    if options["point"] == "while it is taken back":
        _take_back(ctx)
    approving = threading.Thread(target=_approve_all, args=(ctx,), daemon=True)
    approving.start()
    while approving.is_alive() or _on_the_way(ctx):
        worker.run()
        time.sleep(0.02)


def _take_back(ctx: Context) -> None:
    card = _waiting(ctx)[0]
    approvals.approve(ctx, *card)
    POINTS["while it is taken back"]()
    approvals.undo(ctx, card[0])


def _approve_all(ctx: Context) -> None:
    for draft, exact in _waiting(ctx):
        try:
            approvals.approve(ctx, draft, exact)
        except StaleError:
            continue


def _waiting(ctx: Context) -> list[tuple[int, str]]:
    with ctx.session() as session:
        rows = session.exec(select(Draft.id, Draft.content_hash).where(Draft.state == DraftState.DRAFTED)).all()
    return [(draft or 0, exact) for draft, exact in rows]


def _on_the_way(ctx: Context) -> bool:
    moving = col(Draft.state).in_([DraftState.APPROVED, DraftState.SENDING])
    with ctx.session() as session:
        found = select(Outbox.id).join(Draft, col(Draft.id) == col(Outbox.draft_id)).where(moving)
        return session.exec(found).first() is not None
