"""A real SMTP server on loopback that keeps what it receives, and can fail on request."""

import asyncio
import secrets
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any, Literal

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from .store import Store

Fault = Literal["temporary", "permanent", "drop_after_data"]


@dataclass(frozen=True)
class Mail:
    """One delivered mail."""

    id: str
    at: float
    envelope_from: str
    envelope_to: tuple[str, ...]
    subject: str
    from_: str
    to: str
    text: str
    html: str
    headers: dict[str, str]
    message_id: str
    read: bool = field(default=False, compare=False)


class Mailbox:
    """Receives mail over SMTP; ``fail_next`` and ``slow`` let tests see what the sender does then."""

    def __init__(
        self,
        store: Store | None = None,
        now: Callable[[], float] = time.time,
        announce: Callable[[], None] = lambda: None,
    ) -> None:
        self._store = store or Store()
        self._now, self._announce = now, announce
        self._controller: Controller | None = None
        self._faults: list[Fault] = []
        self._lock = threading.Lock()
        self._port = 0
        self.slow = 0.0

    @property
    def messages(self) -> list[Mail]:
        """Return all mails, oldest first."""
        return [_loaded(body) for body in self._store.all("mail")]

    @property
    def url(self) -> str:
        """Return where to deliver to, also while connections are refused."""
        return f"smtp://127.0.0.1:{self._port}"

    def start(self, port: int = 0) -> str:
        """Accept connections (port 0 takes a free one) and return the address."""
        self._port = port or self._port or free_port()
        self._controller = Controller(self, hostname="127.0.0.1", port=self._port, ready_timeout=5.0)
        self._controller.start()
        return self.url

    def stop(self) -> None:
        """Stop accepting connections; the mails stay."""
        if self._controller:
            self._controller.stop()
            self._controller = None

    def refuse(self) -> None:
        """Refuse connections until ``start`` is called again, on the same port."""
        self.stop()

    def fail_next(self, fault: Fault, times: int = 1) -> None:
        """Answer the next mails with 451, 554, or keep them and cut the connection without an answer."""
        with self._lock:
            self._faults += [fault] * times

    def _next_fault(self) -> Fault | None:
        with self._lock:
            return self._faults.pop(0) if self._faults else None

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        """Take one mail (aiosmtpd calls this by name)."""
        if self.slow:
            await asyncio.sleep(self.slow)
        fault = self._next_fault()
        if fault == "temporary":
            return "451 4.3.0 Try again later"
        if fault == "permanent":
            return "554 5.1.1 No such mailbox"
        self._keep(envelope)
        if fault == "drop_after_data" and isinstance(server.transport, asyncio.Transport):
            server.transport.abort()
        return "250 2.0.0 Delivered"

    def _keep(self, envelope: Envelope) -> None:
        content = envelope.content
        raw = content if isinstance(content, bytes) else str(content or "").encode()
        parsed = message_from_bytes(raw, policy=policy.default)
        mail = Mail(
            id=secrets.token_hex(8),
            at=self._now(),
            envelope_from=envelope.mail_from or "",
            envelope_to=tuple(envelope.rcpt_tos),
            subject=_header(parsed, "Subject"),
            from_=_header(parsed, "From"),
            to=_header(parsed, "To"),
            text=_part(parsed, "plain"),
            html=_part(parsed, "html"),
            headers={name: str(value) for name, value in parsed.items()},
            message_id=_header(parsed, "Message-ID"),
        )
        self._store.put("mail", mail.id, asdict(mail))
        self._announce()

    def find(self, mail_id: str) -> Mail | None:
        """Return one mail."""
        body = self._store.get("mail", mail_id)
        return _loaded(body) if body else None

    def mark_read(self, mail_id: str) -> None:
        """Remember that somebody opened a mail."""
        body = self._store.get("mail", mail_id)
        if body and not body["read"]:
            self._store.put("mail", mail_id, body | {"read": True})
            self._announce()


def _loaded(body: dict[str, Any]) -> Mail:
    return Mail(**body | {"envelope_to": tuple(body["envelope_to"])})


def _header(parsed: EmailMessage, name: str) -> str:
    return str(parsed.get(name, ""))


def _part(parsed: EmailMessage, kind: str) -> str:
    part = parsed.get_body((kind,))
    return str(part.get_content()) if part else ""


def free_port() -> int:
    """Return a port that is free right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
