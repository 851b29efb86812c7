"""The HTTP side: Slack's requests, OAuth, health."""

from typing import TYPE_CHECKING

import anyio
import anyio.to_thread
from fastapi import FastAPI, Request, Response
from slack_bolt.adapter.starlette.handler import to_bolt_request, to_starlette_response

if TYPE_CHECKING:
    from bot.app import Tend

LARGEST_BODY = 1_000_000  # bytes; Slack's own payloads stay below 300 kB
DISPATCHERS = 24  # requests handled at once, apart from the workers so that questions never delay an answer


def create_http(tend: "Tend") -> FastAPI:
    """Build the FastAPI app around a running Tend."""
    api = FastAPI(title="Tend", docs_url=None, redoc_url=None, openapi_url=None)
    limiter = anyio.CapacityLimiter(DISPATCHERS)

    @api.post("/slack/events")
    async def slack_events(request: Request) -> Response:
        """Events, buttons, modals and commands; Bolt checks the signature before anything is read."""
        if int(request.headers.get("content-length") or 0) > LARGEST_BODY:
            return Response(status_code=413)
        body = await request.body()
        if len(body) > LARGEST_BODY:
            return Response(status_code=413)
        try:
            bolt_request = to_bolt_request(request, body)
        except (ValueError, KeyError):  # not JSON, not a form: nothing that Slack would send
            return Response(status_code=400)
        answer = await anyio.to_thread.run_sync(tend.bolt.dispatch, bolt_request, limiter=limiter)
        return to_starlette_response(answer)

    @api.get("/healthz")
    def health() -> dict[str, str]:
        """The process answers."""
        return {"status": "ok"}

    if tend.bolt.oauth_flow is not None:
        _add_oauth(api, tend)
    return api


def _add_oauth(api: FastAPI, tend: "Tend") -> None:
    flow = tend.bolt.oauth_flow
    assert flow is not None

    @api.get(flow.install_path)
    async def install(request: Request) -> Response:
        bolt_request = to_bolt_request(request, b"")
        return to_starlette_response(await anyio.to_thread.run_sync(flow.handle_installation, bolt_request))

    @api.get(flow.redirect_uri_path)
    async def callback(request: Request) -> Response:
        bolt_request = to_bolt_request(request, b"")
        return to_starlette_response(await anyio.to_thread.run_sync(flow.handle_callback, bolt_request))
