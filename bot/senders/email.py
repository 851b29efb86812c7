"""Mail over SMTP: encrypted and with a login where the server offers it, many messages on one connection."""

import smtplib
import ssl
import threading
import time
from urllib.parse import quote, unquote, urlsplit

from bot.senders import SendError
from bot.senders.dkim import Signer
from bot.senders.mime import Mail, message_id, refuse_address, write_mail
from tools.context import Context
from tools.outbox import Parcel
from tools.unsubscribing import make_token

TIMEOUT = 20.0  # seconds for each step with the mail server; far below the outbox's lease
IDLE = 20.0  # seconds after which a connection is made anew; servers cut idle ones
MOST_PER_CONNECTION = 100  # messages; servers limit them
SERVICE_CLOSING = 421


class Unsubscribing:
    """Makes the link by which a contact refuses more mails of a kind.

    Args:
        key: signs the link.
        public_url: where Tend is reached; without it the mail program writes a mail instead.
        mailbox: takes those mails.
    """

    def __init__(self, key: bytes, public_url: str | None, mailbox: str) -> None:
        self._key, self._url, self._mailbox = key, public_url and public_url.rstrip("/"), mailbox

    def headers(self, workspace_id: str, parcel: Parcel) -> tuple[tuple[tuple[str, str], ...], str]:
        """Return the headers (RFC 2369, RFC 8058), and the line for people."""
        token = make_token(self._key, workspace_id, parcel.contact_id, parcel.message_class)
        if self._url:
            link = f"{self._url}/unsubscribe/{token}"
            one_click = (("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"),)
            return (("List-Unsubscribe", f"<{link}>"), *one_click), f"No more mails like this: {link}"
        mail = f"<mailto:{self._mailbox}?subject={quote(f'unsubscribe {token}')}>"
        return (("List-Unsubscribe", mail),), "No more mails like this: answer with “unsubscribe”."


class EmailSender:
    """Sends over SMTP; each thread has a connection of its own.

    Args:
        url: `smtp://user:password@host:port` or `smtps://…`.
        email_from: the address that mails come from; replies go to the CSM.
        postal_address: put under the text where it is set.
        unsubscribing: for the classes of messages whose rules ask for it.
    """

    def __init__(
        self,
        url: str,
        email_from: str,
        postal_address: str | None = None,
        unsubscribing: Unsubscribing | None = None,
        signer: Signer | None = None,
    ) -> None:
        self._url, self._from, self._postal = urlsplit(url), email_from, postal_address
        self._unsubscribing, self._signer = unsubscribing, signer
        self._mine = threading.local()

    def send(self, parcel: Parcel, ctx: Context) -> str:
        try:
            refuse_address(parcel.recipient)
            message = self.written(parcel, ctx)
        except ValueError as error:
            raise SendError(f"the mail cannot be written: {error}", permanent=True) from error
        server = self._begin(parcel.recipient, len(message))
        try:
            self._data(server, message)
        except (OSError, smtplib.SMTPException) as error:
            self.rest()
            reason = f"the connection broke while the message was handed over ({type(error).__name__})"
            raise SendError(reason, unclear=True) from error
        except SendError:
            self._reset(server)
            raise
        return message_id(parcel.idempotency_key, self._from)

    def check(self) -> None:
        """Connect and log in without sending, for `doctor`."""
        _close(self._connect())

    def rest(self) -> None:
        """Close this thread's connection."""
        server, self._mine.server = getattr(self._mine, "server", None), None
        if server is not None:
            _close(server)

    def _begin(self, recipient: str, size: int) -> smtplib.SMTP:
        """Say from whom and to whom. Nothing was handed over yet: every trouble here may safely be tried again."""
        server, fresh = self._connection()
        try:
            return self._envelope(server, recipient, size)
        except (OSError, smtplib.SMTPException) as error:
            self.rest()
            if fresh:
                raise SendError(f"the mail server dropped the connection ({type(error).__name__})") from error
        return self._begin(recipient, size)  # the server had closed what we kept open

    def _connection(self) -> tuple[smtplib.SMTP, bool]:
        """Return a connection, and whether it is a new one."""
        server = getattr(self._mine, "server", None)
        if server is not None and self._mine.left > 0 and time.monotonic() - self._mine.used < IDLE:
            self._mine.left, self._mine.used = self._mine.left - 1, time.monotonic()
            return server, False
        self.rest()
        try:
            self._mine.server = server = self._connect()
        except smtplib.SMTPAuthenticationError as error:
            raise SendError("the mail server refuses the login of SMTP_URL") from error
        except (OSError, smtplib.SMTPException) as error:
            raise SendError(f"the mail server cannot be reached ({type(error).__name__})") from error
        self._mine.left, self._mine.used = MOST_PER_CONNECTION - 1, time.monotonic()
        return server, True

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

    def _envelope(self, server: smtplib.SMTP, recipient: str, size: int) -> smtplib.SMTP:
        most = server.esmtp_features.get("size", "")
        if most.isdigit() and 0 < int(most) < size:
            raise SendError(f"the mail has {size:,} bytes, the mail server takes {int(most):,}", permanent=True)
        for step, address in ((server.mail, self._from), (server.rcpt, recipient)):
            code, reply = step(address)
            if code == SERVICE_CLOSING:
                raise smtplib.SMTPServerDisconnected("421")
            if code >= 400:
                self._reset(server)
            _judge(code, reply)
        return server

    def _data(self, server: smtplib.SMTP, message: bytes) -> None:
        """From here on a lost connection leaves it unclear whether the message was taken."""
        try:
            code, reply = server.data(message)
        except smtplib.SMTPDataError as error:
            code, reply = error.smtp_code, error.smtp_error if isinstance(error.smtp_error, bytes) else b""
        _judge(code, reply)

    def _reset(self, server: smtplib.SMTP) -> None:
        try:
            server.rset()
        except (OSError, smtplib.SMTPException):
            self.rest()

    def written(self, parcel: Parcel, ctx: Context) -> bytes:
        """Return the mail as it travels.

        Raises:
            ValueError: something in it cannot be in a mail.
        """
        extra, footer = self._around(parcel, ctx)
        now = ctx.now()
        written = write_mail(
            Mail(
                sender=(parcel.sender_name, self._from),
                recipient=(parcel.recipient_name, parcel.recipient),
                reply_to=(parcel.sender_name, parcel.sender),
                subject=parcel.subject,
                text=parcel.body,
                footer=footer,
                sent_at=now,
                message_id=message_id(parcel.idempotency_key, self._from),
                extra=extra,
            )
        )
        return self._signer.sign(written, now) if self._signer else written

    def _around(self, parcel: Parcel, ctx: Context) -> tuple[tuple[tuple[str, str], ...], tuple[str, ...]]:
        """Headers and footer: the thread, who we are, and how to refuse more."""
        thread = parcel.in_reply_to
        extra = (("In-Reply-To", thread), ("References", thread)) if thread else ()
        footer = tuple((self._postal or "").splitlines())
        if self._unsubscribing is None or not ctx.governance.of_class(parcel.message_class).unsubscribe:
            return extra, footer
        more, line = self._unsubscribing.headers(ctx.workspace_id, parcel)
        return (*extra, *more), (*footer, line)


def _judge(code: int, reply: bytes) -> None:
    if code >= 400:
        said = f"the mail server said {code} {reply.decode(errors='replace')[:200]}"
        raise SendError(said, permanent=code >= 500)


def _close(server: smtplib.SMTP) -> None:
    try:
        server.quit()
    except (OSError, smtplib.SMTPException):
        server.close()
