"""What Tend sends to Slack: posts that appear once, updates, and words for one person only."""

from collections.abc import Callable, Collection
from typing import Any

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError
from sqlalchemy import update
from sqlmodel import col, select

from bot.blocks.parts import escape, said
from storage.database import changed_one, insert_new
from storage.models import SlackMessage
from tools.context import Context

EVENT_TYPE = "tend_message"
MOST = 4000  # characters of the words that stand beside the blocks
LOOK_BACK = 50  # messages read to find out whether a post before a crash went through

Blocks = list[dict[str, Any]]
Barred = Callable[[Context, str, Collection[int]], str | None]
Finish = Callable[[str, Blocks, dict[str, Any]], str | None]


class Messenger:
    """Posts for all workspaces.

    Args:
        client_of: returns the Slack client of a workspace.
        barred: says why an answer to the actor may not go into a channel, or None where it may.
    """

    def __init__(self, client_of: Callable[[str], WebClient], barred: Barred) -> None:
        self.client_of = client_of
        self.barred = barred

    def place(
        self, ctx: Context, channel: str, thread_ts: str | None = None, accounts: Collection[int] = ()
    ) -> tuple[str, str | None]:
        """Return where an answer to the actor goes: the channel, or their own messages where others may not see it.

        Args:
            accounts: those that the answer speaks of, where it speaks of nothing else.
        """
        reason = self.barred(ctx, channel, accounts)
        if reason is None:
            return channel, thread_ts
        user = ctx.actor.slack_id or ""
        self.tell(ctx, channel, user, reason)  # not in the thread: Slack shows it there only once others wrote in it
        return str(self.client_of(ctx.workspace_id).conversations_open(users=user)["channel"]["id"]), None

    def post_once(
        self,
        ctx: Context,
        key: str,
        channel: str,
        text: str,
        blocks: Blocks,
        thread_ts: str | None = None,
        accounts: Collection[int] = (),
        finish: Finish | None = None,
    ) -> str:
        """Post a message that must appear once, however often this is called. Returns its ts.

        It goes into the actor's own messages instead where not everybody in the channel may see it.

        The key is stored before the post and travels in the message's metadata, so that after a crash
        between the two the message itself tells whether it went out.

        Args:
            accounts: those that it speaks of, where it speaks of nothing else.
            finish: puts text, blocks and metadata into a message that was begun, and returns its ts if there is one.
        """
        channel, thread_ts = self.place(ctx, channel, thread_ts, accounts)
        new = self.enter(ctx, key, channel)
        known = self.known(ctx, key)
        if known is not None and known.ts:
            return known.ts
        client = self.client_of(ctx.workspace_id)
        ts = None if new else find(client, channel, thread_ts, lambda message: _key_of(message) == key)
        metadata = {"event_type": EVENT_TYPE, "event_payload": {"key": key}}
        if ts is None and finish is not None:
            ts = finish(text, blocks, metadata)
        if ts is None:
            answer = client.chat_postMessage(
                channel=channel,
                text=escape(text),
                blocks=blocks or said(text),
                thread_ts=thread_ts,
                metadata=metadata,
                unfurl_links=False,
                unfurl_media=False,
            )
            ts = str(answer["ts"])
        self.keep_ts(ctx, key, ts)
        return ts

    def enter(self, ctx: Context, key: str, channel: str) -> bool:
        """Note that a message is about to be posted. False when that was noted before."""
        row = {"key": key, "channel": channel, "created_at": ctx.now()}
        with ctx.session() as session:
            new = insert_new(session, SlackMessage, row, ["key"])
            session.commit()
        return new

    def known(self, ctx: Context, key: str) -> SlackMessage | None:
        with ctx.session() as session:
            return session.exec(select(SlackMessage).where(SlackMessage.key == key)).first()

    def keep_ts(self, ctx: Context, key: str, ts: str) -> None:
        """Note where a message stands now."""
        with ctx.session() as session:
            changed_one(session, update(SlackMessage).where(col(SlackMessage.key) == key).values(ts=ts))
            session.commit()

    def update(self, ctx: Context, channel: str, ts: str, text: str, blocks: Blocks) -> None:
        """Change a message of ours; one that was deleted in the meantime is let go."""
        try:
            self.client_of(ctx.workspace_id).chat_update(
                channel=channel, ts=ts, text=escape(text[:MOST]), blocks=blocks
            )
        except SlackApiError as error:
            if error.response.get("error") != "message_not_found":
                raise

    def write(self, ctx: Context, channel: str, text: str, thread_ts: str | None = None) -> None:
        """Say something in a person's own messages."""
        self.client_of(ctx.workspace_id).chat_postMessage(
            channel=channel,
            text=escape(text[:MOST]),
            blocks=said(text),
            thread_ts=thread_ts,
            unfurl_links=False,
            unfurl_media=False,
        )

    def tell(
        self,
        ctx: Context,
        channel: str,
        user: str,
        text: str,
        blocks: Blocks | None = None,
        thread_ts: str | None = None,
    ) -> None:
        """Say something that only one person sees."""
        client = self.client_of(ctx.workspace_id)
        client.chat_postEphemeral(
            channel=channel, user=user, text=escape(text[:MOST]), blocks=blocks or said(text), thread_ts=thread_ts
        )


def find(
    client: WebClient, channel: str, thread_ts: str | None, wanted: Callable[[dict[str, Any]], bool]
) -> str | None:
    """Return the ts of a message that went out before a crash, if it did."""
    options: dict[str, Any] = {"channel": channel, "include_all_metadata": True, "limit": LOOK_BACK}
    if thread_ts:
        found = client.conversations_replies(ts=thread_ts, **options)
    else:
        found = client.conversations_history(**options)
    return next((str(message["ts"]) for message in found.get("messages") or [] if wanted(message)), None)


def _key_of(message: dict[str, Any]) -> str | None:
    metadata = message.get("metadata") or {}
    return metadata.get("event_payload", {}).get("key") if metadata.get("event_type") == EVENT_TYPE else None
