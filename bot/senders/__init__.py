"""The ways out to customers: one small class per channel, which hands over a message or says what went wrong."""

from datetime import timedelta
from typing import Protocol

from tools.context import Context
from tools.outbox import Parcel


class SendError(Exception):
    """A message did not go out, or nobody knows.

    Args:
        reason: for people.
        permanent: trying again would not help.
        unclear: the provider may have taken it; a person decides.
        wait: how long the provider asks to wait.
    """

    def __init__(
        self, reason: str, *, permanent: bool = False, unclear: bool = False, wait: timedelta = timedelta(0)
    ) -> None:
        super().__init__(reason)
        self.permanent, self.unclear, self.wait = permanent, unclear, wait


class Sender(Protocol):
    """One delivery channel."""

    def send(self, parcel: Parcel, ctx: Context) -> str | None:
        """Hand over one message, or raise SendError. Returns what the provider calls it, where it says so."""

    def rest(self) -> None:
        """Let go of connections: nothing more is due for now."""
