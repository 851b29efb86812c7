"""Serving an ASGI app from a thread, on loopback only."""

import socket
import threading
import time
from collections.abc import Iterable
from typing import Any

import uvicorn


class Running:
    """Serves an ASGI app on 127.0.0.1 while the context lasts; port 0 takes a free one."""

    def __init__(self, app: Any, port: int = 0) -> None:
        self._socket = _listening(port)
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        # No signal handlers: uvicorn installs them only on the main thread's ``run``.
        config = uvicorn.Config(
            app,
            access_log=False,
            log_level="warning",
            lifespan="on",
            timeout_graceful_shutdown=1,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._serve, name=f"serve-{self.url}", daemon=True)
        if hasattr(app, "state"):
            app.state.url = self.url  # an app that hands out links to itself reads this

    def _serve(self) -> None:
        self._server.run(sockets=[self._socket])

    def start(self) -> "Running":
        """Serve until ``stop``; return once connections are accepted."""
        self._thread.start()
        deadline = time.monotonic() + 10
        while not self._server.started:
            if not self._thread.is_alive() or time.monotonic() > deadline:
                raise RuntimeError(f"the server at {self.url} did not start")
            time.sleep(0.01)
        return self

    def begin_to_stop(self) -> None:
        """Take no more connections, without waiting for the end: that takes a fifth of a second for each server."""
        self._server.should_exit = True

    def stop(self) -> None:
        """Stop serving and close the socket."""
        self.begin_to_stop()
        if self._thread.is_alive():
            self._thread.join(5)
        self._socket.close()

    def __enter__(self) -> "Running":
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()


def stop_all(servers: Iterable[Running]) -> None:
    """Stop servers at the same time."""
    servers = list(servers)
    for server in servers:
        server.begin_to_stop()
    for server in servers:
        server.stop()


def _listening(port: int) -> socket.socket:
    found = socket.socket()
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    found.bind(("127.0.0.1", port))
    found.listen(128)
    return found
