"""Signed events from many senders at once: `python -m tests.benchmarks.ack_load URL EVENTS SENDERS`; prints JSON."""

import asyncio
import hashlib
import hmac
import json
import sys
import time
from urllib.parse import urlsplit

SECRET = b"s" * 16


def request(host: str, number: int, stamp: float) -> bytes:
    """One signed app_mention as it travels over the wire."""
    event = {
        "type": "app_mention", "user": "U0001", "channel": "C0CUSTOMERS", "ts": f"{stamp:.6f}",
        "text": "<@U0TEND> which of my accounts are at risk?", "event_ts": f"{stamp:.6f}",
    }  # fmt: skip
    body = json.dumps({
        "token": "t", "team_id": "T0LOCAL", "api_app_id": "A0TEND", "type": "event_callback", "event": event,
        "event_id": f"Ev{stamp:.0f}{number}", "event_time": int(stamp),
        "authorizations": [{"team_id": "T0LOCAL", "user_id": "U0TEND", "is_bot": True}],
    }).encode()  # fmt: skip
    when = str(int(time.time()))
    signature = hmac.new(SECRET, b"v0:" + when.encode() + b":" + body, hashlib.sha256).hexdigest()
    head = (
        f"POST /slack/events HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n"
        f"X-Slack-Request-Timestamp: {when}\r\nX-Slack-Signature: v0={signature}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def sender(host: str, port: int, numbers: list[int], took: list[float]) -> None:
    reader, writer = await asyncio.open_connection(host, port)
    for number in numbers:
        data = request(f"{host}:{port}", number, time.time())
        started = time.perf_counter()
        writer.write(data)
        head = await reader.readuntil(b"\r\n\r\n")
        assert b" 200 " in head.split(b"\r\n", 1)[0], head
        length = next(
            int(row.split(b":")[1]) for row in head.split(b"\r\n") if row.lower().startswith(b"content-length")
        )
        await reader.readexactly(length)
        took.append(time.perf_counter() - started)
    writer.close()


async def load(url: str, events: int, senders: int) -> dict[str, float]:
    place = urlsplit(url)
    took: list[float] = []
    started = time.perf_counter()
    share = [list(range(n, events, senders)) for n in range(senders)]
    await asyncio.gather(*[sender(place.hostname or "", place.port or 0, numbers, took) for numbers in share])
    seconds = time.perf_counter() - started
    took.sort()
    return {
        "per_second": events / seconds, "median_ms": took[len(took) // 2] * 1000,
        "p99_ms": took[int(len(took) * 0.99)] * 1000, "worst_ms": took[-1] * 1000,
    }  # fmt: skip


if __name__ == "__main__":
    print(json.dumps(asyncio.run(load(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))))
