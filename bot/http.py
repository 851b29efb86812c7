"""The HTTP side: Slack's requests, OAuth, health."""

import asyncio

import anyio
import anyio.to_thread
import structlog
from fastapi import FastAPI, Request, Response
from slack_bolt import BoltRequest
from slack_bolt.adapter.starlette.handler import to_bolt_request, to_starlette_response

from bot.inbound import add_inbound
from bot.runtime import Tend
from bot.unsubscribe import add_unsubscribe

log = structlog.get_logger()
LARGEST_BODY = 1_000_000  # bytes; Slack's own payloads stay below 300 kB
DISPATCHERS = 24  # requests handled at once, apart from the workers so that questions never delay an answer


def create_http(tend: Tend) -> FastAPI:
    """Build the FastAPI app around a running Tend."""
    api = FastAPI(title="Tend", docs_url=None, redoc_url=None, openapi_url=None)
    limiter = anyio.CapacityLimiter(DISPATCHERS)
    quick = tend.bolt.oauth_flow is None  # with OAuth, Bolt reads the installation first: not on the event loop

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
        if quick and request.headers.get("content-type", "").startswith("application/json"):
            return await _accept_event(tend, bolt_request)
        answer = await anyio.to_thread.run_sync(tend.bolt.dispatch, bolt_request, limiter=limiter)
        return to_starlette_response(answer)

    # A plain route: there is nothing here for FastAPI to parse, and it would do so before Slack is answered.
    api.add_route("/slack/events", slack_events, methods=["POST"])

    @api.get("/healthz")
    def health() -> dict[str, str]:
        """The process answers."""
        return {"status": "ok"}

    add_unsubscribe(api, tend)
    add_inbound(api, tend)
    if tend.bolt.oauth_flow is not None:
        _add_oauth(api, tend)
    return api


async def _accept_event(tend: Tend, request: BoltRequest) -> Response:
    """Events only leave work in the queue: no thread is needed, and Slack is answered once it is on disk."""
    with tend.queue.deferred() as waiting:
        answer = tend.bolt.dispatch(request)
    try:
        await asyncio.gather(*[asyncio.wrap_future(done) for done in waiting])
    except Exception as error:
        log.error("not_stored", error=type(error).__name__)
        return Response(status_code=500)  # Slack sends it again
    return to_starlette_response(answer)


def _add_oauth(api: FastAPI, tend: Tend) -> None:
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
