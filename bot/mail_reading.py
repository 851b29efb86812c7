"""Mails that came in, read as reports: replies, bounces (RFC 3464), complaints (RFC 5965), wishes to unsubscribe."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.message import EmailMessage
from email.utils import getaddresses
from typing import Any

from tools.inbound import Report

MESSAGE_ID = re.compile(r"<[^<>\s]{1,180}>")
UNSUBSCRIBE = re.compile(r"^\s*unsubscribe\s+(\S+)\s*$", re.I)
QUOTED = re.compile(r"^(?:>|On .{5,200} wrote:$|Am .{5,200} schrieb .*:$|-{3,} ?Original|From: )")
NOT_THE_ADDRESS = ("5.2.2", "5.7.1", "5.3.4")  # a full mailbox, a policy, a mail too large


@dataclass(frozen=True)
class Reading:
    """What a mail says: a report, or the token of who wants no more; neither for what is of no interest."""

    report: Report | None = None
    token: str = ""


def read_mail(raw: bytes) -> Reading:
    """Read one mail. What was sent by a machine and is no bounce or complaint is nothing to us."""
    mail = message_from_bytes(raw, policy=policy.default)
    assert isinstance(mail, EmailMessage)
    key = next(iter(MESSAGE_ID.findall(_header(mail, "Message-ID"))), "")
    kind = str(mail.get_param("report-type") or "").lower() if mail.get_content_type() == "multipart/report" else ""
    if kind == "delivery-status":
        return Reading(_bounce(mail, key))
    if kind == "feedback-report":
        return Reading(_complaint(mail, key))
    if found := UNSUBSCRIBE.match(_header(mail, "Subject")):
        return Reading(token=found.group(1))
    if not key or _automatic(mail):
        return Reading()
    sender = next((address for _, address in getaddresses([_header(mail, "From")]) if "@" in address), "")
    about = _named(mail)
    return Reading(Report(key, "reply", sender, new_text(mail), about) if sender else None)


def new_text(mail: EmailMessage) -> str:
    """Return what was written, without the mail that it answers."""
    part = mail.get_body(("plain",))
    lines: list[str] = []
    for line in (str(part.get_content()) if part else "").splitlines():
        if QUOTED.match(line.strip()):
            break
        lines.append(line)
    return "\n".join(lines).strip()


def _bounce(mail: EmailMessage, key: str) -> Report | None:
    """The first recipient that failed or is delayed. What arrived after all is nothing to report."""
    blocks = (block for part in _parts(mail, "message/delivery-status") for block in _blocks(part))
    for block in blocks:
        action, status = (str(block.get(name, "")).strip().lower() for name in ("Action", "Status"))
        named = str(block.get("Final-Recipient") or block.get("Original-Recipient") or "")
        address = named.rpartition(";")[2].strip()
        if action in ("failed", "delayed") and address:
            said = str(block.get("Diagnostic-Code", "")).rpartition(";")[2]
            detail = " ".join(f"{status} {said}".split())
            hard = action == "failed" and status.startswith("5.") and status not in NOT_THE_ADDRESS
            return Report(key or f"bounce:{address}:{status}", "bounce", address, detail, _original(mail), hard)
    return None


def _complaint(mail: EmailMessage, key: str) -> Report | None:
    for part in _parts(mail, "message/feedback-report"):
        head = message_from_bytes(_payload(part), policy=policy.default)
        address = str(head.get("Original-Rcpt-To") or _sent_to(mail)).strip(" <>")
        if address:
            detail = str(head.get("Feedback-Type", "abuse"))
            return Report(key or f"complaint:{address}", "complaint", address, detail, _original(mail))
    return None


def _parts(mail: EmailMessage, kind: str) -> Iterator[Any]:
    return (part for part in mail.walk() if part.get_content_type() == kind)


def _named(mail: EmailMessage) -> tuple[str, ...]:
    """What a mail answers, the nearest first."""
    answered = MESSAGE_ID.findall(_header(mail, "In-Reply-To"))
    return tuple(dict.fromkeys([*answered, *reversed(MESSAGE_ID.findall(_header(mail, "References")))]))


def _original(mail: EmailMessage) -> tuple[str, ...]:
    """The Message-ID of the mail that a report encloses."""
    for part in mail.walk():
        if part.get_content_type() in ("message/rfc822", "text/rfc822-headers"):
            found = MESSAGE_ID.findall(_header(message_from_bytes(_payload(part), policy=policy.default), "Message-ID"))
            if found:
                return (found[0],)
    return _named(mail)


def _sent_to(mail: EmailMessage) -> str:
    for part in mail.walk():
        if part.get_content_type() == "message/rfc822":
            inner = message_from_bytes(_payload(part), policy=policy.default)
            return next((address for _, address in getaddresses([_header(inner, "To")])), "")
    return ""


def _payload(part: Any) -> bytes:
    """The bytes of a part, also of one that the parser took for a message of its own."""
    inner = part.get_payload()
    if isinstance(inner, list):
        return b"\r\n".join(each.as_bytes() for each in inner)
    return part.get_payload(decode=True) or b""


def _blocks(part: Any) -> list[Any]:
    inner = part.get_payload()
    return inner if isinstance(inner, list) else [message_from_bytes(_payload(part), policy=policy.default)]


def _automatic(mail: EmailMessage) -> bool:
    """Absence notes, lists and other machines are no replies."""
    said = _header(mail, "Auto-Submitted").lower()
    bulk = _header(mail, "Precedence").lower() in ("bulk", "junk", "list", "auto_reply")
    empty = _header(mail, "Return-Path").strip() == "<>"
    return bool(said and said != "no") or bulk or empty or "X-Autoreply" in mail


def _header(mail: Any, name: str) -> str:
    return str(mail.get(name, ""))
