"""The signature by which a receiver knows that a mail comes from the domain it names (DKIM, RFC 6376).

Relaxed canonicalization of headers and body, rsa-sha256.
"""

import base64
import hashlib
import re
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

SIGNED = (
    "From", "To", "Reply-To", "Subject", "Date", "Message-ID", "In-Reply-To", "References", "MIME-Version",
    "Content-Type", "List-Unsubscribe", "List-Unsubscribe-Post",
)  # fmt: skip


class Signer:
    """Signs mails for a domain.

    Args:
        key: an RSA private key in PEM, or the path of a file with one.
        selector: names the public key in the domain's DNS: `<selector>._domainkey.<domain>`.

    Raises:
        ValueError: the key cannot be read, or is not RSA of at least 1024 bits.
    """

    def __init__(self, key: str, selector: str, domain: str) -> None:
        pem = key if "-----BEGIN" in key else Path(key).read_text()
        loaded = serialization.load_pem_private_key(pem.encode(), password=None)
        if not isinstance(loaded, rsa.RSAPrivateKey) or loaded.key_size < 1024:
            raise ValueError("DKIM_KEY must be an RSA private key of at least 1024 bits")
        self._key, self._selector, self._domain = loaded, selector, domain

    def sign(self, mail: bytes, at: datetime) -> bytes:
        """Return the mail with its signature in front."""
        head, _, body = mail.partition(b"\r\n\r\n")
        present = dict(headers(head))
        names = [name for name in SIGNED if name.lower() in present]
        field = (
            f"v=1; a=rsa-sha256; c=relaxed/relaxed; d={self._domain}; s={self._selector}; t={int(at.timestamp())};"
            f"\r\n h={':'.join(names)};\r\n bh={body_hash(body)};\r\n b="
        )
        lines = [f"{name.lower()}:{present[name.lower()]}\r\n" for name in names]
        signed = "".join([*lines, f"dkim-signature:{relaxed(field)}"])
        made = self._key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256())
        text = base64.b64encode(made).decode()
        folded = "\r\n  ".join(text[i : i + 72] for i in range(0, len(text), 72))
        return f"DKIM-Signature: {field}{folded}\r\n".encode() + mail


def headers(head: bytes) -> Iterable[tuple[str, str]]:
    """Yield the headers, names in lower case, values in relaxed form."""
    for entry in re.split(r"\r\n(?![ \t])", head.decode("ascii")):
        name, _, value = entry.partition(":")
        yield name.strip().lower(), relaxed(value)


def relaxed(value: str) -> str:
    """Unfold a header's value and reduce its white space (RFC 6376, 3.4.2)."""
    return re.sub(r"[ \t]+", " ", value.replace("\r\n", "")).strip()


def body_hash(body: bytes) -> str:
    """Return the hash of a body in relaxed form (RFC 6376, 3.4.4)."""
    lines = [re.sub(rb"[ \t]+", b" ", line).rstrip(b" ") for line in body.split(b"\r\n")]
    text = b"\r\n".join(lines).rstrip(b"\r\n")
    return base64.b64encode(hashlib.sha256(text + b"\r\n" if text else b"").digest()).decode()
