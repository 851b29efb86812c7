"""The page behind the unsubscribe link of a mail, and the one click of mail programs (RFC 8058)."""

from html import escape

import anyio.to_thread
from fastapi import FastAPI, Request, Response

from bot.keys import signing_key
from bot.runtime import Core
from tools.context import Context
from tools.errors import UserError
from tools.unsubscribing import Subscription, proof, read_token, resubscribe, subscription, unsubscribe

PATH = "/unsubscribe/{token}"
LARGEST_FORM = 4_000
PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex"><title>Your messages</title><style>
body{{font:16px/1.5 system-ui,sans-serif;color:#1d1c1d;background:#f6f6f4;margin:0}}
main{{max-width:30rem;margin:12vh auto;background:#fff;padding:2rem;border-radius:12px;box-shadow:0 1px 4px #0002}}
h1{{font-size:1.25rem;margin:0 0 1rem}}button{{font:inherit;padding:.6rem 1rem;border-radius:8px;border:1px solid #ccc;
background:#fff;cursor:pointer;margin:.3rem .5rem .3rem 0}}
button.main{{background:#1d5b4f;border-color:#1d5b4f;color:#fff}}
p.small{{color:#666;font-size:.875rem}}</style></head><body><main>{content}</main></body></html>"""


def add_unsubscribe(api: FastAPI, core: Core) -> None:
    """Add the page and the one-click address to the HTTP app."""
    key = signing_key(core.settings)

    def subject(token: str) -> tuple[Context, int, str]:
        workspace_id, contact_id, message_class = read_token(key, token)
        return core.context(workspace_id), contact_id, message_class

    def show(token: str) -> Response:
        """Only show: mail scanners follow links, and must not unsubscribe anybody."""
        try:
            return _page(subscription(*subject(token)))
        except UserError as error:
            return _said(str(error), 404)

    def change(token: str, form: bytes) -> Response:
        try:
            ctx, contact_id, message_class = subject(token)
            if b"back=1" in form:
                return _page(resubscribe(ctx, contact_id, message_class))
            return _page(unsubscribe(ctx, contact_id, message_class, everything=b"all=1" in form))
        except UserError as error:
            return _said(str(error), 404)

    async def page(request: Request) -> Response:
        token = str(request.path_params["token"])
        if request.method != "POST":
            return await anyio.to_thread.run_sync(show, token)
        if int(request.headers.get("content-length") or 0) > LARGEST_FORM:
            return Response(status_code=413)
        return await anyio.to_thread.run_sync(change, token, await request.body())

    api.add_route(PATH, page, methods=["GET", "POST"])


def _page(found: Subscription) -> Response:
    if found.refused:
        content = (
            "<h1>Done.</h1>"
            f"<p>{escape(proof(found))}</p><form method='post'><button name='back' value='1'>"
            "That was a mistake: take it back</button></form>"
        )
    else:
        kind = {"marketing": "offers, invitations and news", "testimonial": "requests for a testimonial"}
        content = (
            f"<h1>Stop these messages to {escape(found.email)}?</h1>"
            f"<p>This is about {kind.get(found.message_class, 'messages')}. What concerns your own use, contract or a "
            "ticket still reaches you, unless you stop everything.</p><form method='post'>"
            "<button class='main' name='List-Unsubscribe' value='One-Click'>Stop these</button>"
            "<button name='all' value='1'>Stop everything</button></form>"
        )
    return _html(content)


def _said(text: str, status: int) -> Response:
    return _html(f"<h1>That did not work.</h1><p>{escape(text)}</p>", status)


def _html(content: str, status: int = 200) -> Response:
    headers = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer", "X-Robots-Tag": "noindex"}
    return Response(PAGE.format(content=content), status, headers, media_type="text/html")
