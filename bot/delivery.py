"""The outbox worker and the senders: each approved message goes out exactly once, or a person hears why."""

import smtplib
import ssl
import threading
from collections.abc import Callable
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, formataddr
from typing import Protocol
from urllib.parse import unquote, urlsplit

import structlog

from tools import outbox
from tools.context import Context
from tools.drafts import DraftCard
from tools.outbox import Parcel

log = structlog.get_logger()
TIMEOUT = 20.0  # seconds for each step with the mail server; far below the outbox's lease
IDLE_SECONDS = 1.0


class SendError(Exception):
    """A message did not go out, or nobody knows.

    Args:
        reason: for people.
        permanent: trying again would not help.
        unclear: the provider may have taken it; a person decides.
    """

    def __init__(self, reason: str, *, permanent: bool = False, unclear: bool = False) -> None:
        super().__init__(reason)
        self.permanent, self.unclear = permanent, unclear


class Sender(Protocol):
    """One delivery channel."""

    def send(self, parcel: Parcel, ctx: Context) -> None:
        """Hand over one message, or raise SendError."""


class EmailSender:
    """Sends over SMTP, with STARTTLS and a login where the server offers and the address holds them.

    Args:
        url: `smtp://user:password@host:port` or `smtps://…`.
        email_from: the address that mails come from; replies go to the CSM.
        postal_address: put under the text where it is set.
    """

    def __init__(self, url: str, email_from: str, postal_address: str | None = None) -> None:
        self._url, self._from, self._postal = urlsplit(url), email_from, postal_address

    def send(self, parcel: Parcel, ctx: Context) -> None:
        try:
            message = self._message(parcel, ctx)
        except ValueError as error:  # a name or address that no mail can carry
            raise SendError(f"the mail cannot be written ({error})", permanent=True) from error
        try:
            server = self._connect()
        except smtplib.SMTPAuthenticationError as error:
            raise SendError("the mail server refuses the login of SMTP_URL") from error
        except (OSError, smtplib.SMTPException) as error:
            raise SendError(f"the mail server cannot be reached ({type(error).__name__})") from error
        try:
            self._envelope(server, parcel.recipient)
            self._data(server, message)
        finally:
            _close(server)

    def check(self) -> None:
        """Connect and log in without sending, for `doctor`."""
        _close(self._connect())

    def _connect(self) -> smtplib.SMTP:
        host = self._url.hostname or "localhost"
        if self._url.scheme == "smtps":
            context = ssl.create_default_context()
            server: smtplib.SMTP = smtplib.SMTP_SSL(host, self._url.port or 465, timeout=TIMEOUT, context=context)
        else:
            server = smtplib.SMTP(host, self._url.port or 587, timeout=TIMEOUT)
        server.ehlo_or_helo_if_needed()
        if self._url.scheme == "smtp" and server.has_extn("starttls"):
            server.starttls(context=ssl.create_default_context())
            server.ehlo()
        if self._url.username:
            server.login(unquote(self._url.username), unquote(self._url.password or ""))
        return server

    def _envelope(self, server: smtplib.SMTP, recipient: str) -> None:
        """Nothing was handed over yet: every trouble here may safely be tried again."""
        try:
            for code, reply in (server.mail(self._from), server.rcpt(recipient)):
                _judge(code, reply)
        except UnicodeError as error:
            raise SendError(f"the address {recipient} has letters that mail cannot carry", permanent=True) from error
        except (OSError, smtplib.SMTPException) as error:
            raise SendError(f"the mail server dropped the connection ({type(error).__name__})") from error

    def _data(self, server: smtplib.SMTP, message: EmailMessage) -> None:
        """From here on a lost connection leaves it unclear whether the message was taken."""
        try:
            code, reply = server.data(message.as_bytes(policy=SMTP))  # lines end as servers ask: CR LF
        except smtplib.SMTPDataError as error:
            code, reply = error.smtp_code, error.smtp_error if isinstance(error.smtp_error, bytes) else b""
        except (OSError, smtplib.SMTPException) as error:
            reason = f"the connection broke while the message was handed over ({type(error).__name__})"
            raise SendError(reason, unclear=True) from error
        _judge(code, reply)

    def _message(self, parcel: Parcel, ctx: Context) -> EmailMessage:
        message = EmailMessage()
        message["From"] = formataddr((parcel.sender_name, self._from))
        message["To"] = formataddr((parcel.recipient_name, parcel.recipient))
        message["Reply-To"] = formataddr((parcel.sender_name, parcel.sender))
        message["Subject"] = parcel.subject
        message["Date"] = format_datetime(ctx.now())
        # The same for every attempt, so that a doubled mail could be recognised as one.
        message["Message-ID"] = f"<{parcel.idempotency_key}@{self._from.rpartition('@')[2] or 'localhost'}>"
        footer = f"\n\n-- \n{self._postal}\n" if self._postal else "\n"
        message.set_content(parcel.body + footer)
        return message


def _judge(code: int, reply: bytes) -> None:
    if code >= 400:
        said = f"the mail server said {code} {reply.decode(errors='replace')[:200]}"
        raise SendError(said, permanent=code >= 500)


def _close(server: smtplib.SMTP) -> None:
    try:
        server.quit()
    except (OSError, smtplib.SMTPException):
        server.close()


def deliver_next(ctx: Context, senders: dict[str, Sender], changed: Callable[[DraftCard], None]) -> bool:
    """Deliver one due message. Returns whether there may be more.

    Args:
        changed: told about every message whose state changed, to update its cards.
    """
    for card in outbox.settle_abandoned(ctx):
        changed(card)
    parcel = outbox.claim_next(ctx)
    if parcel is None:
        return False
    try:
        _send(senders, parcel, ctx)
    except SendError as error:
        changed(_record_failure(ctx, parcel.draft_id, error))
    else:
        changed(outbox.mark_sent(ctx, parcel.draft_id))
    return True


def _send(senders: dict[str, Sender], parcel: Parcel, ctx: Context) -> None:
    sender = senders.get(parcel.channel)
    if sender is None:
        raise SendError(f"nothing is set up to send by {parcel.channel} (SMTP_URL)")
    try:
        sender.send(parcel, ctx)
    except SendError:
        raise
    except Exception as error:  # unforeseen, so nobody knows how far it came
        raise SendError(f"sending broke off ({type(error).__name__})", unclear=True) from error


def _record_failure(ctx: Context, draft_id: int, error: SendError) -> DraftCard:
    log.warning("not_sent", draft=draft_id, permanent=error.permanent, unclear=error.unclear)
    if error.unclear:
        return outbox.mark_unclear(ctx, draft_id, str(error))
    if error.permanent:
        return outbox.mark_failed(ctx, draft_id, str(error))
    return outbox.mark_waiting(ctx, draft_id, str(error))


class DeliveryWorker:
    """Empties the outboxes of all workspaces, one message at a time.

    Args:
        contexts: returns a context per workspace.
        senders: by channel.
        changed: see `deliver_next`.
    """

    def __init__(
        self,
        contexts: Callable[[], list[Context]],
        senders: dict[str, Sender],
        changed: Callable[[Context, DraftCard], None],
    ) -> None:
        self._contexts, self._senders, self._changed = contexts, senders, changed
        self._stopping, self._wake = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._loop, name="delivery", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def wake(self) -> None:
        self._wake.set()

    def stop(self) -> None:
        self._stopping.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(TIMEOUT)

    def run(self) -> None:
        """Deliver everything that is due now."""
        for ctx in self._contexts():
            while deliver_next(ctx, self._senders, lambda card, ctx=ctx: self._changed(ctx, card)):  # type: ignore[misc]
                if self._stopping.is_set():
                    return

    def _loop(self) -> None:
        while not self._stopping.is_set():
            try:
                self.run()
            except Exception as error:  # the database is away for a moment: keep the worker alive
                log.error("delivery_error", error=type(error).__name__)
            self._wake.wait(IDLE_SECONDS)
            self._wake.clear()
