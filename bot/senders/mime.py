"""An approved text as a mail: plain and HTML with the same words, headers that nothing can be smuggled into.

Written by hand because the standard library's message objects take longer for a mail than the mail server does.
"""

import binascii
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from email.header import Header
from email.utils import format_datetime
from html import escape

LONGEST_TEXT = 100_000  # bytes of text in a mail
LONGEST_LINE = 900  # characters; a mail server may break or refuse lines of more than 998
LINK = re.compile(r"https?://[^\s<>\"]+[^\s<>\".,;:!?)\]'’”]")
ADDRESS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.)+[A-Za-z0-9-]{2,63}")
BREAKS = re.compile(r"[\r\n\0\x0b\x0c\x1c-\x1e\x85\u2028\u2029]")  # some reader takes each for the end of a line
PLAIN_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~ -]+")
# Nobody reads what is sent there, or it is a complaint by itself.
ROLES = {
    "abuse", "bounce", "bounces", "daemon", "devnull", "donotreply", "hostmaster", "mailerdaemon", "nobody", "noreply",
    "null", "postmaster", "root", "spam", "unsubscribe",
}  # fmt: skip


@dataclass(frozen=True)
class Mail:
    """What a mail says and to whom.

    Args:
        footer: lines under the text.
        extra: more headers, by name.
    """

    sender: tuple[str, str]
    recipient: tuple[str, str]
    reply_to: tuple[str, str]
    subject: str
    text: str
    footer: tuple[str, ...]
    sent_at: datetime
    message_id: str
    extra: tuple[tuple[str, str], ...] = ()


def refuse_address(address: str) -> None:
    """Refuse an address that no mail can be sent to, or that nobody reads.

    Raises:
        ValueError: says which and why.
    """
    if not address or len(address) > 254 or not ADDRESS.fullmatch(address) or ".." in address:
        raise ValueError(f"“{address}” is no mail address" if address else "there is no mail address")
    local = re.sub(r"[^a-z]", "", address.partition("@")[0].partition("+")[0].lower())
    if local in ROLES:
        raise ValueError(f"nobody reads mail at {address}")


def write_mail(mail: Mail) -> bytes:
    """Return the mail as it travels, lines ended by CR LF.

    Raises:
        ValueError: a header holds a line break, an address is none, or the text is too long.
    """
    text = "\n".join((_lines(mail.text).rstrip("\n"), *(("", "-- ", *mail.footer) if mail.footer else ()), ""))
    if (size := len(text.encode())) > LONGEST_TEXT:
        raise ValueError(f"the text has {size:,} bytes, more than {LONGEST_TEXT:,}")
    # Not in the text by chance: it holds the text's own fingerprint.
    boundary = f"=_{hashlib.sha256(f'{mail.message_id}{text}'.encode()).hexdigest()[:40]}"
    head = [
        ("From", _mailbox(mail.sender)), ("To", _mailbox(mail.recipient)), ("Reply-To", _mailbox(mail.reply_to)),
        ("Subject", _unstructured("Subject", mail.subject)), ("Date", format_datetime(mail.sent_at)),
        ("Message-ID", mail.message_id), *mail.extra, ("MIME-Version", "1.0"),
        ("Content-Type", f'multipart/alternative; boundary="{boundary}"'),
    ]  # fmt: skip
    rows = [_header(name, value) for name, value in head]
    for kind, content in (("plain", text), ("html", html_of(text))):
        rows += ["", f"--{boundary}", *_part(kind, content)]
    return "\r\n".join([*rows, f"--{boundary}--", ""]).encode("ascii")


def html_of(text: str) -> str:
    """Return a text as HTML that says the same: paragraphs, line breaks, and its own links."""
    parts = [part.strip("\n") for part in re.split(r"\n{2,}", text) if part.strip("\n")]
    body = "\n".join(f"<p>{_linked(part)}</p>" for part in parts)
    return f'<!doctype html>\n<html><head><meta charset="utf-8"></head><body>\n{body}\n</body></html>\n'


def _linked(text: str) -> str:
    said, at = [], 0
    for found in LINK.finditer(text):
        link = escape(found.group())
        said += [escape(text[at : found.start()]), f'<a href="{link}">{link}</a>']
        at = found.end()
    return "<br>\n".join("".join([*said, escape(text[at:])]).split("\n"))


def _part(kind: str, content: str) -> Sequence[str]:
    """One of the two versions, in an encoding in which every byte and line may travel."""
    plain = content.isascii() and all(len(line) <= LONGEST_LINE for line in content.split("\n")) and "\0" not in content
    encoded = content if plain else binascii.b2a_qp(content.encode(), istext=True).decode("ascii")
    return (
        f'Content-Type: text/{kind}; charset="utf-8"',
        f"Content-Transfer-Encoding: {'7bit' if plain else 'quoted-printable'}",
        "",
        *encoded.rstrip("\n").split("\n"),
    )


def _lines(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _header(name: str, value: str) -> str:
    """One header; the only line breaks in it are those of our own folding."""
    _single_line(f"header {name}", re.sub(r"\r\n(?=[ \t]+\S)", "", value))
    if not value.isascii():
        raise ValueError(f"the header {name} has letters that mail cannot carry")
    return f"{name}: {value}"


def _unstructured(name: str, value: str) -> str:
    _single_line(name.lower(), value)
    if value.isascii() and len(value) < 70:
        return value
    return Header(value, "utf-8", header_name=name).encode(linesep="\r\n")


def _mailbox(mailbox: tuple[str, str]) -> str:
    name, address = mailbox
    _single_line("name", name + address)
    if not name:
        return address
    if name.isascii() and len(name) < 60:
        shown = name if PLAIN_NAME.fullmatch(name) else '"' + re.sub(r'(["\\])', r"\\\1", name) + '"'
    else:
        shown = Header(name, "utf-8", header_name="Reply-To").encode(linesep="\r\n")
    return f"{shown} <{address}>"


def _single_line(name: str, value: str) -> None:
    if BREAKS.search(value):
        raise ValueError(f"the {name} holds a line break")


def message_id(key: str, address: str) -> str:
    """Return what a message is called, the same for every attempt, so that a doubled mail is known as one."""
    return f"<{key}@{address.rpartition('@')[2] or 'localhost'}>"
