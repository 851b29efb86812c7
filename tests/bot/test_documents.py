"""Files that an admin sends to Tend are fetched with the token from Slack alone, and read."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from typing import Any

import pytest

from bot.listeners.documents import _fetched
from bot.settings import Settings
from tools.context import Context
from tools.errors import UserError


@contextmanager
def slack_files(status: int = 200, body: bytes = b"# Hello") -> Iterator[tuple[str, list[str]]]:
    """A server that hands out one file, and keeps the tokens that it was shown."""
    tokens: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            tokens.append(self.headers["Authorization"])
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", tokens
    finally:
        server.shutdown()
        server.server_close()


def tend(address: str) -> Any:
    client = SimpleNamespace(token="xoxb-test")
    settings = Settings(_env_file=None, slack_api_url=f"{address}/api/")
    return SimpleNamespace(settings=settings, messenger=SimpleNamespace(client_of=lambda workspace: client))


def test_a_file_is_fetched_with_the_token(ctx: Context) -> None:
    with slack_files() as (address, tokens):
        assert _fetched(tend(address), ctx, {"name": "a.md", "url": f"{address}/a.md"}) == b"# Hello"
    assert tokens == ["Bearer xoxb-test"]


def test_the_token_goes_to_no_other_place(ctx: Context) -> None:
    with slack_files() as (address, _), slack_files() as (elsewhere, tokens):
        with pytest.raises(UserError, match="does not lie in Slack"):
            _fetched(tend(address), ctx, {"name": "a.md", "url": f"{elsewhere}/a.md"})
        with pytest.raises(UserError, match="does not lie in Slack"):
            _fetched(tend(address), ctx, {"name": "a.md", "url": None})
    assert tokens == []


def test_a_failed_download_is_said(ctx: Context) -> None:
    with slack_files(status=403) as (address, _), pytest.raises(UserError, match=r"could not fetch “a\.md”"):
        _fetched(tend(address), ctx, {"name": "a.md", "url": f"{address}/a.md"})
