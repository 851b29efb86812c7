"""How many messages a second may leave on each channel."""

import threading
import time
from collections.abc import Callable, Mapping


class Pace:
    """Spaces messages out evenly, channel by channel; for one process.

    Args:
        per_second: the most messages a second, by channel; channels that are not named do not wait.
    """

    def __init__(self, per_second: Mapping[str, float], clock: Callable[[], float] = time.monotonic) -> None:
        self._gap = {channel: 1 / rate for channel, rate in per_second.items()}
        self._free_at: dict[str, float] = {}
        self._clock, self._lock = clock, threading.Lock()

    def held(self) -> frozenset[str]:
        """Return the channels that have to rest for the moment."""
        now = self._clock()
        with self._lock:
            return frozenset(channel for channel, free in self._free_at.items() if free > now)

    def count(self, channel: str) -> None:
        """Count a message that is about to leave."""
        if (gap := self._gap.get(channel)) is not None:
            with self._lock:
                self._free_at[channel] = self._clock() + gap

    def wait(self) -> float:
        """Return the seconds until the first of the resting channels is free; 0 when none rests."""
        now = self._clock()
        with self._lock:
            return min((free - now for free in self._free_at.values() if free > now), default=0.0)
