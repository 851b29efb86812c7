"""The browser page and its own JSON API under /local, with live updates by server-sent events."""

import asyncio
import base64
import json
import re
from collections.abc import AsyncIterator, Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.responses import FileResponse, JSONResponse, StreamingResponse
from fastapi.staticfiles import StaticFiles
from starlette.concurrency import run_in_threadpool

from .api import chat, files
from .errors import SlackError
from .people import dm_id
from .web import body_of
from .workspace import Workspace

_STATIC = Path(__file__).parent / "static"
_MAIL_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox allow-popups"
_INLINE_TYPES = re.compile(r"image/(png|jpeg|gif|webp)")
_BEAT_SECONDS = 15.0
Body = dict[str, Any]
Verb = Callable[[Workspace, Body], Any]


def add(app: FastAPI, workspace: Workspace) -> None:
    """Add the page, its readings and its verbs to the app."""
    _add_readings(app, workspace)
    _add_mail(app, workspace)
    _add_verbs(app, workspace)
    _add_events(app, workspace)
    _add_files(app, workspace)

    @app.get("/")
    def index() -> FileResponse:
        return FileResponse(_STATIC / "index.html", headers={"cache-control": "no-cache"})

    app.mount("/static", StaticFiles(directory=_STATIC), name="static")


# -- readings


def _add_readings(app: FastAPI, workspace: Workspace) -> None:
    @app.get("/local/state")
    def state(user: str = "") -> Body:
        return overview(workspace, user)

    @app.get("/local/messages")
    def messages(channel: str, user: str) -> Body:
        return conversation(workspace, channel, user)

    @app.get("/local/home")
    def home(user: str) -> Body:
        return {"view": workspace.home(user)}

    @app.get("/local/modal")
    def modal(user: str) -> Body:
        return {"view": workspace.modal(user), "depth": len(workspace.state.short.modals.get(user, []))}


def overview(workspace: Workspace, user: str) -> Body:
    """Return all that the frame of the page shows."""
    state, identity = workspace.state, workspace.state.identity
    people = [asdict(person) for person in state.people.values()]
    me = user if user in state.people else next(iter(state.people), "")
    channels = [asdict(channel) for channel in state.channels.values() if me in channel.members]
    latest = {each["id"]: _latest(workspace, each["id"]) for each in channels}
    return {
        "team": {"id": identity.team_id, "name": identity.team_name},
        "bot": {"id": identity.bot_user_id, "name": identity.bot_name},
        "me": me,
        "people": people,
        "channels": channels,
        "dm": dm_id(me) if me else "",
        "latest": latest | ({dm_id(me): _latest(workspace, dm_id(me))} if me else {}),
        "commands": [{"name": name, "hint": hint} for name, hint in workspace.slash_commands],
        "clock": workspace.clock.shown(),
        "unread_mail": sum(not mail.read for mail in workspace.mailbox.messages),
    }


def _latest(workspace: Workspace, channel: str) -> str:
    return max((each["ts"] for each in workspace.state.history(channel)), key=float, default="")


def conversation(workspace: Workspace, channel: str, user: str) -> Body:
    """Return a conversation's messages, status lines and suggested prompts."""
    state = workspace.state
    if not state.is_member(user, channel):
        raise SlackError("not_in_channel")
    status = [
        {"thread_ts": thread, **shown}
        for (place, thread), shown in list(state.short.status.items())
        if place == channel
    ]
    return {
        "messages": workspace.messages(channel, viewer=user),
        "status": status,
        "prompts": state.store.get("prompts", channel),
    }


# -- mail


def _add_mail(app: FastAPI, workspace: Workspace) -> None:
    @app.get("/local/mail")
    def mails() -> Body:
        return {"mails": [asdict(mail) for mail in reversed(workspace.mailbox.messages)]}

    @app.get("/local/mail/{mail_id}/html")
    def html(mail_id: str) -> Response:
        mail = workspace.mailbox.find(mail_id)
        headers = {"content-security-policy": _MAIL_POLICY}
        return Response(mail.html if mail else "", 200 if mail else 404, headers, "text/html; charset=utf-8")


# -- verbs


def _add_verbs(app: FastAPI, workspace: Workspace) -> None:
    @app.post("/local/{verb:path}")
    async def act(verb: str, request: Request) -> JSONResponse:
        if verb not in _VERBS:
            return JSONResponse({"ok": False, "error": "not_found"}, 404)
        try:
            body = body_of(json.loads(await request.body() or b"{}"))
            result = await run_in_threadpool(_VERBS[verb], workspace, body)
        except (ValueError, KeyError, TypeError):
            raise SlackError("invalid_arguments") from None
        return JSONResponse({"ok": True, "result": result})


def _say(workspace: Workspace, body: Body) -> str:
    text = encoded(workspace, str(body["text"]))
    return workspace.say(body["user"], body["channel"], text, body.get("thread_ts"))


def _act(workspace: Workspace, body: Body) -> int:
    if body.get("view"):
        return workspace.act_in_view(
            body["user"], body["view"], body["action_id"], body.get("value"), body.get("values") or {}
        )
    return workspace.act(body["user"], body["channel"], body["ts"], body["action_id"], body.get("value"))


def _react(workspace: Workspace, body: Body) -> None:
    arguments = {"channel": body["channel"], "timestamp": body["ts"], "name": body["name"]}
    try:
        chat.react(workspace.state, arguments, body["user"])
    except SlackError as refused:
        if refused.code != "already_reacted":
            raise
        chat.unreact(workspace.state, arguments, body["user"])


def _dismiss(workspace: Workspace, body: Body) -> None:
    if (body["channel"], body["ts"]) in workspace.state.short.ephemerals:
        workspace.state.remove_any(body["channel"], body["ts"])


_VERBS: dict[str, Verb] = {
    "say": _say,
    "act": _act,
    "react": _react,
    "dismiss": _dismiss,
    "submit": lambda workspace, body: workspace.submit(body["user"], body["view"], body["values"]),
    "close": lambda workspace, body: workspace.close_modal(body["user"], bool(body.get("everything"))),
    "command": lambda workspace, body: workspace.command(
        body["user"], body["channel"], body["command"], body.get("text", "")
    ),
    "open_home": lambda workspace, body: workspace.open_home(body["user"]),
    "open_dm": lambda workspace, body: workspace.open_dm(body["user"]),
    "read_mail": lambda workspace, body: workspace.mailbox.mark_read(body["id"]),
    "clock/step": lambda workspace, body: workspace.clock.step(int(body.get("days", 1))),
}


def encoded(workspace: Workspace, text: str) -> str:
    """Turn what a person typed into Slack's text: escaped, with @names and #channels as links."""
    state = workspace.state
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    names = {f"@{state.identity.bot_name}": f"<@{state.identity.bot_user_id}>"}
    for person in state.people.values():
        names |= {f"@{person.real_name}": f"<@{person.id}>", f"@{person.name}": f"<@{person.id}>"}
    names |= {f"#{channel.name}": f"<#{channel.id}>" for channel in state.channels.values()}
    # Longest first, so that @Ann Lee is not read as @Ann.
    known = "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True))
    folded = {name.casefold(): link for name, link in names.items()}
    return re.sub(rf"(?<![\w.])({known})(?!\w)", lambda hit: folded[hit[1].casefold()], text, flags=re.I)


# -- live updates


def _add_events(app: FastAPI, workspace: Workspace) -> None:
    @app.get("/local/events")
    async def events() -> StreamingResponse:
        headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
        return StreamingResponse(_changes(workspace), media_type="text/event-stream", headers=headers)


async def _changes(workspace: Workspace) -> AsyncIterator[str]:
    loop, waiting = asyncio.get_running_loop(), asyncio.Queue[Body]()

    def enqueue(change: Body) -> None:
        if not loop.is_closed():
            loop.call_soon_threadsafe(waiting.put_nowait, change)

    forget = workspace.state.listen(enqueue)
    try:
        yield "retry: 1000\n\n"
        while True:
            try:
                change = await asyncio.wait_for(waiting.get(), _BEAT_SECONDS)
                yield f"data: {json.dumps(change)}\n\n"
            except TimeoutError:
                yield ": still here\n\n"
    finally:
        forget()


# -- files


def _add_files(app: FastAPI, workspace: Workspace) -> None:
    @app.get("/files/{file_id}/{name}")
    def file(file_id: str, name: str) -> Response:
        stored = workspace.state.store.get("file", file_id)
        if stored is None or "content" not in stored:
            return JSONResponse({"ok": False, "error": "file_not_found"}, 404)
        kind = files.media_type(stored["name"])
        inline = bool(_INLINE_TYPES.fullmatch(kind))
        # Anything but a picture is downloaded: an uploaded page must not run in our origin.
        headers = {} if inline else {"content-disposition": "attachment"}
        media = kind if inline else "application/octet-stream"
        return Response(base64.b64decode(stored["content"]), headers=headers, media_type=media)
