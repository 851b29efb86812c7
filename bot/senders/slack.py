"""Messages to customers who are in the team's own Slack workspace."""

from collections.abc import Callable
from datetime import timedelta

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from bot.blocks.parts import escape
from bot.senders import SendError
from tools.context import Context
from tools.outbox import Parcel

LATER = frozenset({"ratelimited", "rate_limited", "service_unavailable", "request_timeout", "team_added_to_org"})
NOBODY_KNOWS = frozenset({"fatal_error", "internal_error"})  # Slack: some part may have been done all the same


class SlackSender:
    """Writes to a contact's Slack user, text as approved, no mark-up read into it.

    Args:
        client_of: returns the Slack client of a workspace.
    """

    def __init__(self, client_of: Callable[[str], WebClient]) -> None:
        self._client_of = client_of

    def send(self, parcel: Parcel, ctx: Context) -> str:
        client = self._client_of(ctx.workspace_id)
        try:
            channel = client.conversations_open(users=parcel.recipient)["channel"]["id"]
        except SlackApiError as error:
            raise _refused(error, handed_over=False) from error
        except OSError as error:
            raise SendError(f"Slack cannot be reached ({type(error).__name__})") from error
        try:
            metadata = {"event_type": "tend_outreach", "event_payload": {"key": parcel.idempotency_key}}
            answer = client.chat_postMessage(
                channel=channel, text=escape(parcel.body), mrkdwn=False, metadata=metadata, unfurl_links=False,
                unfurl_media=False,
            )  # fmt: skip
        except SlackApiError as error:
            raise _refused(error, handed_over=True) from error
        except OSError as error:
            said = f"the connection to Slack broke while the message was handed over ({type(error).__name__})"
            raise SendError(said, unclear=True) from error
        return f"{channel}:{answer['ts']}"

    def rest(self) -> None:
        """Nothing to do: each call has a connection of its own."""


def _refused(error: SlackApiError, handed_over: bool) -> SendError:
    said = str(error.response.get("error") or "no reason given")
    wait = str((error.response.headers or {}).get("Retry-After", "0"))
    if said in NOBODY_KNOWS and handed_over:
        return SendError(f"Slack failed in the middle ({said})", unclear=True)
    later = said in LATER or said in NOBODY_KNOWS
    seconds = timedelta(seconds=int(wait) if wait.isdigit() else 0)
    return SendError(f"Slack refused the message ({said})", permanent=not later, wait=seconds)
