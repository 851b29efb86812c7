"""The mailbox that replies and bounces come back to, read over IMAP where the last reading ended."""

import imaplib
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any
from urllib.parse import unquote, urlsplit

import structlog
from sqlmodel import col, select

from bot.inbound import take_in
from bot.keys import signing_key
from bot.mail_reading import read_mail
from bot.runtime import DEFAULT_WORKSPACE, Tend
from bot.settings import plain
from storage.models import JobPeriod, WorkState
from tools.context import Context
from tools.errors import UserError
from tools.unsubscribing import read_token, unsubscribe

log = structlog.get_logger()
NAME, EVERY_MINUTES = "mailbox", 5
TIMEOUT, MOST_MAILS = 30.0, 500  # seconds for each step; mails in one reading, the rest comes with the next


def five_minutes(ctx: Context) -> str | None:
    """Return the five minutes that it is now. The mailbox is that of the first workspace."""
    now = ctx.now()
    stamp = f"{now:%Y-%m-%dT%H:}{now.minute // EVERY_MINUTES * EVERY_MINUTES:02}"
    return stamp if ctx.workspace_id == DEFAULT_WORKSPACE else None


def read_mailbox(tend: Tend, ctx: Context) -> dict[str, Any]:
    """Take in the mails that are new since the last reading. Reading one again does nothing twice."""
    validity, last = _bookmark(ctx)
    counts: dict[str, Any] = {"read": 0, "taken": 0}
    with _open(plain(tend.settings.imap_url)) as (box, current):
        if current != validity:  # the server numbers its mails anew
            validity, last = current, 0
        for uid, raw in _new_mails(box, last):
            counts["taken"] += _take(tend, ctx, raw)
            counts["read"] += 1
            last = uid
    return counts | {"validity": validity, "uid": last}


def _take(tend: Tend, ctx: Context, raw: bytes) -> bool:
    """Take in one mail; one that cannot be read is passed over, so that it does not hold up the others for ever."""
    try:
        found = read_mail(raw)
        if found.token:
            _, contact, message_class = read_token(signing_key(tend.settings), found.token)
            unsubscribe(ctx, contact, message_class)
            return True
        return found.report is not None and take_in(tend, ctx, found.report).new
    except (UserError, ValueError, LookupError) as error:
        log.warning("mail_not_read", error=type(error).__name__)
        return False


def _bookmark(ctx: Context) -> tuple[int, int]:
    """Where the last reading ended: the numbering of the server, and the number of the mail."""
    done = (JobPeriod.job == NAME, JobPeriod.state == WorkState.DONE)
    with ctx.session() as session:
        kept = session.exec(select(JobPeriod.result).where(*done).order_by(col(JobPeriod.period).desc())).first()
    return (int(kept["validity"]), int(kept["uid"])) if kept and "uid" in kept else (0, 0)


@contextmanager
def _open(url: str) -> Iterator[tuple[imaplib.IMAP4, int]]:
    """Open the folder for reading only; what people see as unread stays unread."""
    place = urlsplit(url)
    host, context = place.hostname or "localhost", ssl.create_default_context()
    if place.scheme == "imaps":
        box: imaplib.IMAP4 = imaplib.IMAP4_SSL(host, place.port or 993, ssl_context=context, timeout=TIMEOUT)
    else:
        box = imaplib.IMAP4(host, place.port or 143, timeout=TIMEOUT)
        if "STARTTLS" in box.capabilities:
            box.starttls(ssl_context=context)
    try:
        box.login(unquote(place.username or ""), unquote(place.password or ""))
        box.select(f'"{unquote(place.path.strip("/")) or "INBOX"}"', readonly=True)
        validity = box.response("UIDVALIDITY")[1]
        yield box, int(validity[0]) if validity and validity[0] else 0
    finally:
        with suppress(imaplib.IMAP4.error, OSError):
            box.logout()


def _new_mails(box: imaplib.IMAP4, last: int) -> Iterator[tuple[int, bytes]]:
    _, found = box.uid("SEARCH", f"UID {last + 1}:*")
    numbers = sorted(int(number) for number in (found[0] or b"").split() if int(number) > last)
    for number in numbers[:MOST_MAILS]:  # `n:*` names the newest mail even when it is older than n
        _, parts = box.uid("FETCH", str(number), "(BODY.PEEK[])")
        raw = next((part[1] for part in parts if isinstance(part, tuple)), None)
        if raw is not None:
            yield number, raw
