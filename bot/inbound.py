"""Reports of replies, bounces and complaints, and the signed webhook that they may come by."""

import json
import time
from typing import Any

import anyio.to_thread
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bot.runtime import DEFAULT_WORKSPACE, Tend
from bot.settings import plain
from bot.signatures import SIGNATURE, TIMESTAMP, SignatureError, check_signature
from tools.context import Context
from tools.errors import UserError
from tools.inbound import Heard, Kind, Report, record_inbound

PATH = "/webhooks/inbound"
LARGEST_BODY = 100_000


class Told(BaseModel):
    """The body of a webhook: a report, and of which workspace."""

    model_config = ConfigDict(extra="forbid")

    key: str = Field(min_length=1, max_length=200)
    kind: Kind
    address: str = Field(min_length=1, max_length=254)
    detail: str = Field("", max_length=20_000)
    hard: bool = False
    message: str | None = Field(None, max_length=200, description="Message-ID or idempotency key")
    channel: str = Field("email", max_length=20)
    workspace: str = Field(DEFAULT_WORKSPACE, max_length=40)

    def report(self) -> Report:
        about = (self.message,) if self.message else ()
        return Report(self.key, self.kind, self.address, self.detail, about, self.hard, self.channel)


def take_in(tend: Tend, ctx: Context, report: Report) -> Heard:
    """Record a report and leave telling the owner to a worker. Telling it again does nothing twice."""
    heard = record_inbound(ctx, report)
    if heard.text and heard.owner:
        payload = {"owner": heard.owner, "text": heard.text}
        tend.queue.put(ctx.workspace_id, "inbound_news", f"inbound:{heard.id}", payload)
    if heard.new and heard.draft_id:
        tend.refresh_cards(ctx, heard.draft_id)
    return heard


def add_inbound(api: FastAPI, tend: Tend) -> None:
    """Add the webhook to the HTTP app, where there is a secret to check it with."""
    secret = plain(tend.settings.webhook_secret).encode()
    if not secret:
        return

    async def inbound(request: Request) -> Response:
        if int(request.headers.get("content-length") or 0) > LARGEST_BODY:
            return Response(status_code=413)
        body = await request.body()
        if len(body) > LARGEST_BODY:
            return Response(status_code=413)
        head = request.headers
        try:
            check_signature(secret, head.get(TIMESTAMP, ""), head.get(SIGNATURE, ""), body, time.time())
        except SignatureError as error:
            return JSONResponse({"error": str(error)}, 401)
        return await anyio.to_thread.run_sync(_answer, tend, body)

    api.add_route(PATH, inbound, methods=["POST"])


def _answer(tend: Tend, body: bytes) -> Response:
    try:
        told = Told.model_validate(json.loads(body))
        if told.workspace not in {ctx.workspace_id for ctx in tend.contexts()}:
            raise UserError(f"There is no workspace “{told.workspace}”.")
        heard = take_in(tend, tend.context(told.workspace), told.report())
    except ValidationError as error:
        first: Any = error.errors()[0]
        return JSONResponse({"error": f"{'.'.join(map(str, first['loc']))}: {first['msg']}"}, 422)
    except ValueError:
        return JSONResponse({"error": "the body is no JSON"}, 400)
    except UserError as error:
        return JSONResponse({"error": str(error)}, 422)
    return JSONResponse({"id": heard.id, "new": heard.new})
