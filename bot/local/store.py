"""Documents by kind and key, in memory and, when there is a file, on disk before a write returns."""

import copy
import json
import sqlite3
import threading
from pathlib import Path
from typing import Any

_SCHEMA = """
CREATE TABLE IF NOT EXISTS document (
    kind TEXT NOT NULL, key TEXT NOT NULL, place INTEGER NOT NULL, body TEXT NOT NULL,
    PRIMARY KEY (kind, key)
)
"""


class Store:
    """A small write-through document store; reading returns copies, in the order of first writing."""

    def __init__(self, path: Path | None = None) -> None:
        self._lock = threading.RLock()
        self._kinds: dict[str, dict[str, Any]] = {}
        self._place = 0
        self._file = self._open(path) if path else None
        if self._file:
            self._load(self._file)

    @staticmethod
    def _open(path: Path) -> sqlite3.Connection:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        file.execute("PRAGMA journal_mode=WAL")
        file.execute("PRAGMA synchronous=NORMAL")
        file.execute(_SCHEMA)
        return file

    def _load(self, file: sqlite3.Connection) -> None:
        rows = file.execute("SELECT kind, key, place, body FROM document ORDER BY place")
        for kind, key, place, body in rows:
            self._kinds.setdefault(kind, {})[key] = json.loads(body)
            self._place = place

    def put(self, kind: str, key: str, body: Any) -> None:
        """Write one document."""
        text = json.dumps(body)
        with self._lock:
            self._kinds.setdefault(kind, {})[key] = json.loads(text)
            if self._file:
                self._write(self._file, kind, key, text)

    def _write(self, file: sqlite3.Connection, kind: str, key: str, text: str) -> None:
        self._place += 1
        file.execute(
            "INSERT INTO document VALUES (?, ?, ?, ?) ON CONFLICT (kind, key) DO UPDATE SET body = excluded.body",
            (kind, key, self._place, text),
        )

    def get(self, kind: str, key: str) -> Any:
        """Return a copy of one document, or None."""
        with self._lock:
            return copy.deepcopy(self._kinds.get(kind, {}).get(key))

    def drop(self, kind: str, key: str) -> None:
        """Forget one document."""
        with self._lock:
            self._kinds.get(kind, {}).pop(key, None)
            if self._file:
                self._file.execute("DELETE FROM document WHERE kind = ? AND key = ?", (kind, key))

    def all(self, kind: str) -> list[Any]:
        """Return copies of all documents of a kind, oldest first."""
        with self._lock:
            return copy.deepcopy(list(self._kinds.get(kind, {}).values()))

    def close(self) -> None:
        """Close the file, if any."""
        with self._lock:
            if self._file:
                self._file.close()
                self._file = None
