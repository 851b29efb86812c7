"""Socket Mode: the app connects to us, receives envelopes over a WebSocket and acknowledges them."""

import asyncio
import json
import secrets
import threading
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import dataclass
from typing import Any

from fastapi import WebSocket, WebSocketDisconnect


@dataclass(eq=False)
class Connection:
    """One connected Socket Mode client and the event loop it lives on."""

    socket: WebSocket
    loop: asyncio.AbstractEventLoop

    def send(self, message: dict[str, Any], timeout: float) -> None:
        """Send from any thread."""
        sending = asyncio.run_coroutine_threadsafe(self.socket.send_text(json.dumps(message)), self.loop)
        sending.result(timeout)


class Sockets:
    """All Socket Mode connections; envelopes go round them in turn, as Slack's do."""

    def __init__(self, app_id: str) -> None:
        self._app_id = app_id
        self._lock = threading.Lock()
        self._tickets: set[str] = set()
        self._connections: list[Connection] = []
        self._acks: dict[str, Future[dict[str, Any]]] = {}

    def new_ticket(self) -> str:
        """Return a ticket that admits one connection."""
        ticket = secrets.token_hex(12)
        with self._lock:
            self._tickets.add(ticket)
        return ticket

    @property
    def connected(self) -> bool:
        """Say whether a client is there to receive envelopes."""
        return bool(self._connections)

    async def serve(self, socket: WebSocket, ticket: str) -> None:
        """Serve one connection until it ends."""
        with self._lock:
            admitted = ticket in self._tickets
            self._tickets.discard(ticket)
        if not admitted:
            await socket.close(code=1008)
            return
        await socket.accept()
        connection = Connection(socket, asyncio.get_running_loop())
        await self._greet(connection)
        try:
            await self._listen(socket)
        finally:
            self._drop(connection)

    async def _greet(self, connection: Connection) -> None:
        with self._lock:
            self._connections.append(connection)
            count = len(self._connections)
        hello = {"type": "hello", "num_connections": count, "connection_info": {"app_id": self._app_id}}
        await connection.socket.send_text(json.dumps(hello))

    async def _listen(self, socket: WebSocket) -> None:
        while True:
            try:
                answer = json.loads(await socket.receive_text())
            except WebSocketDisconnect:
                return
            except ValueError:
                continue
            waiting = self._acks.pop(str(answer.get("envelope_id")), None)
            if waiting and not waiting.done():
                waiting.set_result(answer.get("payload") or {})

    def _drop(self, connection: Connection) -> None:
        with self._lock:
            if connection in self._connections:
                self._connections.remove(connection)

    def send(self, kind: str, payload: dict[str, Any], retry: dict[str, Any], timeout: float) -> dict[str, Any]:
        """Send one envelope and return the acknowledgement's payload; raise TimeoutError without one."""
        envelope_id = secrets.token_hex(16)
        waiting: Future[dict[str, Any]] = Future()
        with self._lock:
            if not self._connections:
                raise TimeoutError("no Socket Mode client is connected")
            connection = self._connections.pop(0)
            self._connections.append(connection)
            self._acks[envelope_id] = waiting
        envelope = {"type": kind, "envelope_id": envelope_id, "payload": payload, **retry}
        try:
            connection.send(envelope | {"accepts_response_payload": kind != "events_api"}, timeout)
            return waiting.result(timeout)
        except (FutureTimeout, RuntimeError):
            raise TimeoutError("the app did not acknowledge the envelope") from None
        finally:
            self._acks.pop(envelope_id, None)

    def disconnect(self, reason: str = "refresh_requested") -> None:
        """Ask every client to reconnect, as Slack does from time to time."""
        with self._lock:
            connections = list(self._connections)
            self._connections.clear()
        for connection in connections:
            connection.send({"type": "disconnect", "reason": reason, "debug_info": {}}, 3.0)
