"""The workspace's calendar: which day it is, and stepping days while their jobs run."""

import logging
import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

_MOST_DAYS = 31
_log = logging.getLogger(__name__)


@dataclass
class Progress:
    """How far the running step is."""

    running: bool = False
    done: int = 0
    days: int = 0
    note: str = ""
    error: str = ""


class Clock:
    """Steps days one by one in the background; one step at a time."""

    def __init__(
        self,
        step_day: Callable[[int], str] | None,
        today: Callable[[], str] | None,
        announce: Callable[[], None],
    ) -> None:
        self._step_day, self._announce = step_day, announce
        self._today = today or (lambda: date.today().isoformat())
        self._lock = threading.Lock()
        self._progress = Progress()

    def shown(self) -> dict[str, Any]:
        """Return the date and the progress for the page."""
        return {"today": self._today(), "can_step": self._step_day is not None, **asdict(self._progress)}

    def step(self, days: int) -> bool:
        """Start stepping; return False when that is impossible or one is under way."""
        with self._lock:
            if self._step_day is None or self._progress.running or not 1 <= days <= _MOST_DAYS:
                return False
            self._progress = Progress(running=True, days=days)
        threading.Thread(target=self._run, args=(self._step_day, days), daemon=True).start()
        return True

    def _run(self, step_day: Callable[[int], str], days: int) -> None:
        try:
            for _ in range(days):
                self._announce()
                self._progress.note = str(step_day(1) or "")
                self._progress.done += 1
        except Exception as failed:
            # The page must not wait forever for a day whose jobs failed.
            _log.exception("a day's jobs failed")
            self._progress.error = f"That day's jobs failed: {failed}"
        finally:
            self._progress.running = False
            self._announce()
