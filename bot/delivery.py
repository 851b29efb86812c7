"""The outbox worker: each approved message goes out exactly once, or a person hears why."""

import threading
from collections.abc import Callable, Mapping

import structlog

from bot.senders import Sender, SendError
from bot.senders.pace import Pace
from tools import outbox
from tools.context import Context
from tools.outbox import Outcome, Parcel

log = structlog.get_logger()
IDLE_SECONDS, STOP_SECONDS = 1.0, 20.0
LANES = 2  # threads: while one talks to the mail server, another writes to the database
SETTINGS_OF = {"email": "SMTP_URL", "slack": "CUSTOMER_SLACK"}
Changed = Callable[[Outcome], None]


def deliver_next(ctx: Context, senders: Mapping[str, Sender], changed: Changed) -> bool:
    """Deliver one due message. Returns whether there may be more.

    Args:
        changed: told about every message whose state changed, to update its cards.
    """
    for done in outbox.settle_abandoned(ctx):
        changed(done)
    parcel = outbox.claim_next(ctx)
    if parcel is None:
        return False
    try:
        provider_id = hand_over(senders, parcel, ctx)
    except SendError as error:
        changed(record_failure(ctx, parcel.draft_id, error))
    else:
        changed(outbox.mark_sent(ctx, parcel.draft_id, parcel.attempt, provider_id))
    return True


def hand_over(senders: Mapping[str, Sender], parcel: Parcel, ctx: Context) -> str | None:
    """Give a message to its channel's sender. Returns what the provider calls it.

    Raises:
        SendError: whatever went wrong.
    """
    sender = senders.get(parcel.channel)
    if sender is None:
        needed = SETTINGS_OF.get(parcel.channel, "WEBHOOK_URL")
        raise SendError(f"nothing is set up to send by {parcel.channel} ({needed})")
    try:
        return sender.send(parcel, ctx)
    except SendError:
        raise
    except Exception as error:  # unforeseen, so nobody knows how far it came
        raise SendError(f"sending broke off ({type(error).__name__})", unclear=True) from error


def record_failure(ctx: Context, draft_id: int, error: SendError) -> Outcome:
    """Record that a message did not go out, or that nobody knows."""
    log.warning("not_sent", draft=draft_id, permanent=error.permanent, unclear=error.unclear)
    if error.unclear:
        return outbox.mark_unclear(ctx, draft_id, str(error))
    if error.permanent:
        return outbox.mark_failed(ctx, draft_id, str(error))
    return outbox.mark_waiting(ctx, draft_id, str(error), error.wait)


class DeliveryWorker:
    """Empties the outboxes of all workspaces.

    Args:
        contexts: returns a context per workspace.
        senders: by channel.
        changed: see `deliver_next`.
        pace: how many messages a second may leave on each channel.
    """

    def __init__(
        self,
        contexts: Callable[[], list[Context]],
        senders: Mapping[str, Sender],
        changed: Callable[[Context, Outcome], None],
        pace: Pace | None = None,
    ) -> None:
        self._contexts, self._senders, self._changed = contexts, senders, changed
        self._pace = pace or Pace({})
        self._stopping, self._wakes = threading.Event(), [threading.Event() for _ in range(LANES)]
        self._turn = threading.Lock()
        self._threads = [
            threading.Thread(target=self._loop, args=(wake,), name=f"delivery-{n}", daemon=True)
            for n, wake in enumerate(self._wakes)
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def wake(self) -> None:
        for wake in self._wakes:
            wake.set()

    def stop(self) -> None:
        """Finish the messages that are with a sender now; the others stay in the database."""
        self._stopping.set()
        self.wake()
        for thread in self._threads:
            if thread.is_alive():
                thread.join(STOP_SECONDS)

    def run(self) -> None:
        """Deliver everything that is due now."""
        try:
            for ctx in self._contexts():
                self._empty(ctx)
        finally:
            for sender in set(self._senders.values()):
                sender.rest()

    def _empty(self, ctx: Context) -> None:
        for done in outbox.settle_abandoned(ctx):
            self._changed(ctx, done)
        while not self._stopping.is_set():
            parcel = self._claim(ctx)
            if parcel is None and not self._pace.held():
                return
            while parcel is not None:
                parcel = self._deliver(ctx, parcel)
            self._stopping.wait(self._pace.wait())

    def _claim(self, ctx: Context) -> Parcel | None:
        # One lane at a time: SQLite has one writer, and who finds it busy sleeps for longer than the other writes.
        with self._turn:
            return self._counted(outbox.claim_next(ctx, self._pace.held()))

    def _deliver(self, ctx: Context, parcel: Parcel) -> Parcel | None:
        """Deliver a message. Returns the next one, which was taken in the same step."""
        try:
            provider_id = hand_over(self._senders, parcel, ctx)
        except SendError as error:
            with self._turn:
                done = record_failure(ctx, parcel.draft_id, error)
            self._changed(ctx, done)
            return None
        with self._turn:
            done, following = self._hand_on(ctx, parcel, provider_id)
        self._changed(ctx, done)
        return following

    def _hand_on(self, ctx: Context, parcel: Parcel, provider_id: str | None) -> tuple[Outcome, Parcel | None]:
        if not self._stopping.is_set():
            try:
                done, following = outbox.hand_on(ctx, parcel, provider_id, self._pace.held())
                return done, self._counted(following)
            except Exception as error:  # of the next message: this one was sent, and that must be kept
                log.error("next_not_claimed", error=type(error).__name__)
        return outbox.mark_sent(ctx, parcel.draft_id, parcel.attempt, provider_id), None

    def _counted(self, parcel: Parcel | None) -> Parcel | None:
        if parcel is not None:
            self._pace.count(parcel.channel)
        return parcel

    def _loop(self, wake: threading.Event) -> None:
        while not self._stopping.is_set():
            try:
                self.run()
            except Exception as error:  # the database is away for a moment: keep the worker alive
                log.error("delivery_error", error=type(error).__name__)
            wake.wait(IDLE_SECONDS)
            wake.clear()
