"""Documents that an admin drops into their messages with Tend: fetched, read, indexed."""

from typing import Any
from urllib.parse import urlsplit

import structlog

from bot.listeners.common import person, say_only_to
from bot.runtime import Tend
from bot.work import Item
from knowledge.reading import MOST_BYTES
from storage.models import Role
from tools.context import Context
from tools.errors import UserError
from tools.knowledge import add_document

log = structlog.get_logger()
SLACK_FILES = ("files.slack.com", "slack-files.com")
SECONDS = 60.0
MOST_FILES = 10


def put_files(tend: Tend, event: dict[str, Any], body: dict[str, Any], team: str) -> None:
    """Queue the files of a direct message."""
    files = [
        {
            "name": str(file.get("name") or "document"),
            "url": file.get("url_private_download") or file.get("url_private"),
        }
        for file in event.get("files", [])[:MOST_FILES]
    ]
    payload = {
        "team": team, "user": event.get("user", ""), "channel": event["channel"], "ts": event["ts"],
        "thread_ts": event.get("thread_ts"), "files": files,
    }  # fmt: skip
    tend.queue.put(tend.workspace_of(team), "documents", body.get("event_id") or event["ts"], payload)


def take_in(tend: Tend, item: Item) -> None:
    """Add each file to the library, and say for each what came of it."""
    ctx = person(tend, item)
    if ctx is None:
        return
    ctx.require(Role.ADMIN)
    said = [_take_in_one(tend, ctx, file) for file in item.payload["files"]]
    say_only_to(tend, ctx, item.payload, "\n".join(said) or "There was no file in this message.")


def _take_in_one(tend: Tend, ctx: Context, file: dict[str, Any]) -> str:
    try:
        return add_document(ctx, file["name"], _fetched(tend, ctx, file))
    except UserError as error:
        return str(error)


def _fetched(tend: Tend, ctx: Context, file: dict[str, Any]) -> bytes:
    """Download a file from Slack; the token goes nowhere else."""
    import httpx

    own = urlsplit(tend.settings.slack_api_url).netloc
    place = urlsplit(file["url"] or "")
    if place.netloc not in (own, *SLACK_FILES):
        raise UserError(f"“{file['name']}” does not lie in Slack, so I do not fetch it. Upload the file itself.")
    token = tend.messenger.client_of(ctx.workspace_id).token
    found = b""
    try:
        with httpx.stream(
            "GET", file["url"], headers={"Authorization": f"Bearer {token}"}, timeout=SECONDS
        ) as response:
            response.raise_for_status()
            for part in response.iter_bytes():
                found += part
                if len(found) > MOST_BYTES:
                    break
    except httpx.HTTPError as error:
        log.warning("file_not_fetched", error=type(error).__name__)
        raise UserError(f"I could not fetch “{file['name']}” from Slack. Please try again.") from error
    return found


HANDLERS = {"documents": take_in}
