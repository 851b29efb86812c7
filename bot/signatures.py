"""The signature on webhooks, out and in: HMAC-SHA256 over the time and the body, so that neither can be exchanged."""

import hashlib
import hmac

TIMESTAMP, SIGNATURE = "Tend-Timestamp", "Tend-Signature"
OLDEST = 300  # seconds that a request may be old, or ahead of our clock


class SignatureError(ValueError):
    """A request is not signed by who has the secret, or it is old; the message says which."""


def signed_headers(secret: bytes, body: bytes, now: float) -> dict[str, str]:
    """Return the headers that prove who sent a body, and when."""
    stamp = str(int(now))
    return {TIMESTAMP: stamp, SIGNATURE: _signature(secret, stamp, body)}


def check_signature(secret: bytes, stamp: str, signature: str, body: bytes, now: float) -> None:
    """Check that a body was signed with the secret, lately.

    Raises:
        SignatureError: it was not.
    """
    if not stamp.isascii() or not stamp.isdigit() or abs(now - int(stamp)) > OLDEST:
        raise SignatureError(f"{TIMESTAMP} must be the time in seconds, at most {OLDEST} seconds off")
    if not hmac.compare_digest(_signature(secret, stamp, body).encode(), signature.encode()):
        raise SignatureError(f"{SIGNATURE} does not fit the body")


def _signature(secret: bytes, stamp: str, body: bytes) -> str:
    return "v1=" + hmac.new(secret, stamp.encode() + b"." + body, hashlib.sha256).hexdigest()
