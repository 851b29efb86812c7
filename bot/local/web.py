"""The HTTP side that Slack has: Web API, uploads, response URLs, Socket Mode; loopback only."""

import re
from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import FastAPI, Request, Response, WebSocket
from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool

from .api import WebApi, chat, files
from .errors import SlackError
from .socketmode import Sockets
from .state import State

_LOOPBACK = re.compile(r"(127\.0\.0\.1|localhost|\[::1\])(:\d{1,5})?")
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "frame-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
)
SAFE_HEADERS = {
    "content-security-policy": _POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
}
Next = Callable[[Request], Awaitable[Response]]


def build(state: State, api: WebApi, sockets: Sockets) -> FastAPI:
    """Return the app with Slack's own addresses; the page's are added by ``page.add``."""
    app = FastAPI(title="Local workspace", docs_url=None, redoc_url=None, openapi_url=None)
    app.middleware("http")(_guard)
    _add_api(app, api)
    _add_uploads(app, state)
    _add_response_urls(app, state)
    _add_socket_mode(app, sockets)
    return app


async def _guard(request: Request, proceed: Next) -> Response:
    host = request.headers.get("host", "")
    if not _LOOPBACK.fullmatch(host):
        return JSONResponse({"ok": False, "error": "forbidden_host"}, 403)
    if request.url.path.startswith("/local/") and not _ours(request):
        return JSONResponse({"ok": False, "error": "forbidden_origin"}, 403)
    # Under another server than ``Running`` the address is learnt from the first caller.
    if not getattr(request.app.state, "url", ""):
        request.app.state.url = f"{request.url.scheme}://{host}"
    response = await proceed(request)
    for name, value in SAFE_HEADERS.items():
        response.headers.setdefault(name, value)
    return response


def _ours(request: Request) -> bool:
    """Other pages can neither send X-Local without a preflight, which fails, nor read our answers."""
    if request.headers.get("sec-fetch-site") not in (None, "same-origin", "none"):
        return False
    return request.method == "GET" or request.headers.get("x-local") == "1"


def _add_api(app: FastAPI, api: WebApi) -> None:
    @app.api_route("/api/{method}", methods=["GET", "POST"])
    async def call(method: str, request: Request) -> JSONResponse:
        body, query = await request.body(), request.url.query
        answer = await run_in_threadpool(api.call, method, request.headers, body, query)
        return JSONResponse(answer.body, answer.status, answer.headers)


def _add_uploads(app: FastAPI, state: State) -> None:
    @app.post("/upload/{file_id}/{ticket}")
    async def upload(file_id: str, ticket: str, request: Request) -> Response:
        body = await request.body()
        await run_in_threadpool(files.receive, state, file_id, ticket, body)
        return Response(f"OK - {len(body)}", media_type="text/plain")

    app.add_exception_handler(SlackError, _refused)


async def _refused(request: Request, error: Exception) -> JSONResponse:
    code = error.code if isinstance(error, SlackError) else "internal_error"
    messages = error.messages if isinstance(error, SlackError) else []
    return JSONResponse({"ok": False, "error": code, "messages": messages}, 400)


def _add_response_urls(app: FastAPI, state: State) -> None:
    @app.post("/response/{token}")
    async def respond(token: str, request: Request) -> JSONResponse:
        body = await request.body()
        try:
            await run_in_threadpool(chat.answer_response_url, state, token, body)
        except SlackError as refused:
            gone = refused.code in {"expired_url", "used_url"}
            return JSONResponse({"ok": False, "error": refused.code}, 404 if gone else 400)
        return JSONResponse({"ok": True})


def _add_socket_mode(app: FastAPI, sockets: Sockets) -> None:
    @app.websocket("/link/{ticket}")
    async def link(socket: WebSocket, ticket: str) -> None:
        if _LOOPBACK.fullmatch(socket.headers.get("host", "")):
            await sockets.serve(socket, ticket)


def body_of(request_body: Any) -> dict[str, Any]:
    """Return a JSON object or refuse."""
    if not isinstance(request_body, dict):
        raise SlackError("invalid_json")
    return request_body
