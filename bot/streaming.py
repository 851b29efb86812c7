"""An answer of the language model that grows in its thread: a card per tool step, then each sentence that passed.

The stream's message is found again after a crash by the id of its first card, because Slack takes metadata only at
the end of a stream. Whatever goes wrong on the way, the answer is finished in the same message or posted as usual.
"""

import hashlib
import re
from collections.abc import Callable
from typing import Any

import structlog
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError, SlackClientError

from bot.manners import step_words
from bot.messages import Blocks, Messenger, find
from tools.context import Context

log = structlog.get_logger()
SECONDS = 5.0  # that one call may take: an answer does not wait for its own stream
SENTENCE = re.compile(r"[.!?](?=\s)|\n")
MARKUP = re.compile(r"[<>\[\]]|://|www\.")  # could become a link or a mention, which only the finished message escapes


def passing(check: Callable[[str], bool]) -> Callable[[str], str]:
    """Return a function from all words so far to as many whole sentences of them as pass the check.

    The first sentence that does not pass holds back what follows it.
    """
    passed, read, held = "", 0, False

    def of(text: str) -> str:
        nonlocal passed, read, held
        if len(text) < read:  # the next answer of the same question
            passed, held = "", False
        read = len(text)
        for match in SENTENCE.finditer(text, len(passed)):
            held = held or bool(MARKUP.search(text[: match.end()])) or not check(text[: match.end()])
            passed = passed if held else text[: match.end()]
        return passed

    return of


class Stream:
    """One answer as a stream.

    Args:
        key: of the answer, as in `Messenger.post_once`.
        reader: user and team of who asked.
    """

    def __init__(
        self, messenger: Messenger, ctx: Context, key: str, channel: str, thread_ts: str, reader: tuple[str, str]
    ) -> None:
        self._messenger, self._ctx, self._key = messenger, ctx, key
        self._channel, self._thread = channel, thread_ts
        self._reader = {"recipient_user_id": reader[0], "recipient_team_id": reader[1]}
        self._cards: list[dict[str, str]] = []
        self._shown = ""
        found = messenger.client_of(ctx.workspace_id)
        # Its own client: one that waits when there are too many streams would hold up the answer.
        self._client = WebClient(token=found.token, base_url=found.base_url, timeout=int(SECONDS))
        begun = messenger.known(ctx, f"stream:{key}")
        self._alive = begun is None
        self._ts: str | None = None
        if begun is not None:  # by a process that died: this one only finishes it
            self._ts = begun.ts or find(found, channel, thread_ts, self._has_my_card)

    @property
    def begun(self) -> bool:
        """Whether there is a message to finish."""
        return self._ts is not None

    @property
    def _mark(self) -> str:
        return f"tend-{hashlib.sha256(self._key.encode()).hexdigest()[:16]}"

    def _has_my_card(self, message: dict[str, Any]) -> bool:
        return any(block.get("task_id") == f"{self._mark}-0" for block in message.get("blocks") or [])

    def step(self, tool: str, given: dict[str, Any]) -> None:
        """Show that a tool is being called."""
        number = len(self._cards)
        said = step_words(tool, given)[:150]
        card = {"type": "task_update", "id": f"{self._mark}-{number}", "title": said[:1].upper() + said[1:]}
        done = [self._cards[-1] | {"status": "complete"}] if self._cards else []
        self._cards.append(card)
        self._send([*done, card | {"status": "in_progress"}])

    def words(self, text: str) -> None:
        """Show the sentences that are new."""
        if text.startswith(self._shown) and len(text) > len(self._shown):
            fresh, self._shown = text[len(self._shown) :], text
            done = [self._cards[-1] | {"status": "complete"}] if self._cards else []
            self._send([*done, {"type": "markdown_text", "text": fresh}])

    def _send(self, chunks: Blocks) -> None:
        if not self._alive:
            return
        try:
            if self._ts is None:
                self._messenger.enter(self._ctx, f"stream:{self._key}", self._channel)
                started = self._client.chat_startStream(
                    channel=self._channel, thread_ts=self._thread, chunks=chunks, **self._reader
                )
                self._ts = str(started["ts"])
                self._messenger.keep_ts(self._ctx, f"stream:{self._key}", self._ts)
            else:
                self._client.chat_appendStream(channel=self._channel, ts=self._ts, chunks=chunks)
        except (SlackClientError, OSError) as error:
            self._alive = False
            log.info("stream_failed", error=_reason(error))

    def finish(self, text: str, blocks: Blocks, metadata: dict[str, Any]) -> str | None:
        """Finish the answer in the stream's message. Returns its ts, or None when there is none to finish."""
        if self._ts is None:
            return None
        goes_on = self._alive and bool(self._shown) and text.startswith(self._shown)
        cards = [card | {"status": "complete"} for card in self._cards[-1:]]
        rest = [{"type": "markdown_text", "text": text[len(self._shown) :]}] if text != self._shown else []
        if goes_on and not MARKUP.search(text) and self._stop([*cards, *rest], blocks[1:], metadata):
            return self._ts
        self._stop(cards, [], {})
        client = self._messenger.client_of(self._ctx.workspace_id)
        try:
            client.chat_update(channel=self._channel, ts=self._ts, text=text[:4000], blocks=blocks, metadata=metadata)
        except SlackApiError as error:
            if error.response.get("error") != "message_not_found":
                raise
            return None
        return self._ts

    def _stop(self, chunks: Blocks, blocks: Blocks, metadata: dict[str, Any]) -> bool:
        """End the stream; False when it has ended by itself, as streams do after five minutes."""
        extra: dict[str, Any] = {"metadata": metadata} if metadata else {}
        try:
            self._client.chat_stopStream(
                channel=self._channel, ts=str(self._ts), chunks=chunks, blocks=blocks or None, **extra
            )
        except (SlackClientError, OSError) as error:
            log.info("stream_ended", error=_reason(error))
            return False
        return True


def _reason(error: Exception) -> str:
    return str(error.response.get("error")) if isinstance(error, SlackApiError) else type(error).__name__
