"""Messages by SMS, in the product, or anywhere else: a signed request to a service of the team's own choice."""

import ipaddress
import json
import time
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

import httpx

from bot.senders import SendError
from bot.signatures import signed_headers
from tools.context import Context
from tools.outbox import Parcel

TIMEOUT = 20.0
TEMPORARY = (408, 425, 429)
LONGEST_WAIT = 3600.0  # seconds that a service may make us wait


class WebhookSender:
    """Posts each message as JSON; `Idempotency-Key` is the same for every attempt.

    Args:
        url: https, or http on this machine.
        secret: signs the time and the body, see `bot.signatures`.

    Raises:
        ValueError: the address is not encrypted.
    """

    def __init__(self, url: str, secret: str) -> None:
        if not _encrypted_or_here(url):
            raise ValueError("WEBHOOK_URL must begin with https:// (http:// only on this machine)")
        self._url, self._secret = url, secret.encode()
        self._client = httpx.Client(timeout=TIMEOUT, follow_redirects=False, trust_env=False)

    def send(self, parcel: Parcel, ctx: Context) -> str:
        body = json.dumps(_payload(parcel, ctx), ensure_ascii=False).encode()
        signed = signed_headers(self._secret, body, time.time())
        headers = {"Content-Type": "application/json", "Idempotency-Key": parcel.idempotency_key, **signed}
        try:
            # Only the head of the answer is read: whatever the service says besides is not ours to keep.
            with self._client.stream("POST", self._url, content=body, headers=headers) as answer:
                status, wait = answer.status_code, _wait(answer.headers.get("retry-after", ""))
        except httpx.HTTPError as error:
            # Also when it had the whole body: with the same key it takes the message once, however often it comes.
            raise SendError(f"the webhook did not answer ({type(error).__name__})") from error
        if not 200 <= status < 300:
            permanent = status < 500 and status not in TEMPORARY
            said = "sent us elsewhere, which is not followed" if 300 <= status < 400 else "refused"
            raise SendError(f"the webhook {said} ({status})", permanent=permanent, wait=wait)
        return parcel.idempotency_key

    def rest(self) -> None:
        """Nothing to do: the client keeps few connections, and drops them by itself."""


def _payload(parcel: Parcel, ctx: Context) -> dict[str, object]:
    return {
        "id": parcel.idempotency_key,
        "workspace": ctx.workspace_id,
        "channel": parcel.channel,
        "class": parcel.message_class,
        "to": {"name": parcel.recipient_name, "address": parcel.recipient},
        "from": {"name": parcel.sender_name, "address": parcel.sender},
        "subject": parcel.subject,
        "text": parcel.body,
    }


def _wait(retry_after: str) -> timedelta:
    """Read `Retry-After`: seconds, or a date; nothing for anything else."""
    try:
        seconds = float(retry_after) if retry_after.strip().isdigit() else _until(retry_after)
    except (ValueError, TypeError):
        return timedelta(0)
    return timedelta(seconds=min(max(seconds, 0.0), LONGEST_WAIT))


def _until(date: str) -> float:
    moment = parsedate_to_datetime(date)
    return (moment - datetime.now(moment.tzinfo or UTC)).total_seconds()


def _encrypted_or_here(url: str) -> bool:
    place = urlsplit(url)
    if place.scheme == "https" and place.hostname:
        return True
    try:
        here = place.hostname == "localhost" or ipaddress.ip_address(place.hostname or "").is_loopback
    except ValueError:
        return False
    return place.scheme == "http" and here
