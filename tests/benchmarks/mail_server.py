"""An SMTP server in a process of its own: `python -m tests.benchmarks.mail_server`; prints its port, then counts."""

import threading
from typing import Any

from aiosmtpd.controller import Controller

from bot.local.mailbox import free_port

EVERY = 500


class Counting:
    """Takes every mail, keeps none, and prints how many came after each five hundred."""

    def __init__(self) -> None:
        self.count = 0

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        self.count += 1
        if self.count % EVERY == 0:
            print(self.count, flush=True)
        return "250 OK"


if __name__ == "__main__":
    port = free_port()
    Controller(Counting(), hostname="127.0.0.1", port=port).start()
    print(port, flush=True)
    threading.Event().wait()
