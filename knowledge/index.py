"""The index of all documents: synced by content hash, searched by words and meaning, answers with citations."""

import hashlib
import re
import threading
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Protocol

import numpy as np

from knowledge import embedding
from knowledge.passages import FORMAT, Passage, split
from knowledge.snapshot import SECTION, Hit, Snapshot, about_of, spoken
from knowledge.sources import Source
from knowledge.store import Record, Store, StoreError, state_of


class EmbedderError(RuntimeError):
    """The embedding model cannot be asked now; searches go on by words alone."""


class Embedder(Protocol):
    """What makes vectors of texts.

    `name` stands for the very model: vectors of different names are never compared. `embed` returns one row of unit
    length per text and raises EmbedderError when it cannot.
    """

    @property
    def name(self) -> str: ...

    def embed(self, texts: list[str]) -> np.ndarray: ...


class Bundled:
    """The static model that comes with Tend."""

    name = "bundled"

    def embed(self, texts: list[str]) -> np.ndarray:
        """Return one row of 256 dimensions per text."""
        return embedding.embed(texts)


@dataclass(frozen=True)
class Synced:
    """How many documents a sync has added, replaced, removed and left as they were."""

    added: int
    replaced: int
    removed: int
    unchanged: int


@dataclass(frozen=True)
class Found:
    """Passages, the best first, and a sentence when they come from less than everything."""

    hits: tuple[Hit, ...]
    notice: str = ""


class Index:
    """Documents in Chroma, searched in memory.

    Args:
        folder: for the store, when there is no server, and for the local copy.
        url: a Chroma server, `http://host:port`.
        name: documents under different names never meet.
    """

    def __init__(
        self, folder: Path, url: str | None = None, embedder: Embedder | None = None, name: str = "tend"
    ) -> None:
        self._embedder = embedder or Bundled()
        self._store = Store(folder, collection_name(name, self._embedder.name), name, url)
        self._state, self._notice = "", ""
        self.snapshot: Snapshot | None = None
        self._loading = threading.Lock()

    def sync(self, sources: Iterable[Source]) -> Synced:
        """Make the index hold exactly these documents; only what has changed is embedded and written.

        Searches go on over the old content until the new one is complete. Two processes may sync at once.

        Raises:
            StoreError: Chroma does not answer; the index is as it was.
            EmbedderError: likewise for the embedding model.
            ValueError: two documents have the same id.
        """
        wanted = _records(sources)
        with self._loading, self._store.exclusive():
            stored, state = self._store.stored()
            if stored != set(wanted) or state != state_of(wanted):  # or: an interrupted sync has not noted the state
                new = [record for record in wanted.values() if record.id not in stored]
                self._store.change(self._with_vectors(new), stored - set(wanted))
                self._store.drop_others()
            self._take_over()
        return _compared(set(wanted), stored)

    def refresh(self) -> bool:
        """Take over what another process has synced; tell whether anything was new.

        When Chroma does not answer, what is in memory or in the local copy stays in use, and `Found.notice` says so.

        Raises:
            StoreError: Chroma does not answer and there is no copy.
        """
        with self._loading:
            before = self.snapshot
            try:
                self._take_over()
            except StoreError as error:
                self._fall_back(error)
            return self.snapshot is not before

    def search(
        self,
        query: str,
        today: date,
        *,
        kinds: Collection[str] = (),
        only: Mapping[str, str] | None = None,
        account: Mapping[str, str] | None = None,
        limit: int = 8,
        per_document: int = 2,
        with_expired: bool = False,
    ) -> Found:
        """Find the passages that answer a query.

        Args:
            kinds: leave out documents of other kinds.
            only: keep documents for this industry, segment, stage or plan; those for everybody stay.
            account: the same attributes; documents written for such an account come earlier.
            per_document: at most so many passages of one document.
            with_expired: find documents whose review is overdue too, marked as such.

        Raises:
            StoreError: nothing has been read yet and Chroma does not answer.
            ValueError: an attribute is none of the four.
        """
        if self.snapshot is None:
            self.refresh()
        snapshot, notice = self.snapshot, self._notice
        assert snapshot is not None  # refresh has raised otherwise
        vector = None
        try:
            vector = self._embedder.embed([query])[0]
        except EmbedderError as error:
            notice = f"{notice} Found by words alone: the embedding model cannot be asked ({error}).".strip()
        allowed = snapshot.allowed(today, kinds, only or {}, with_expired)
        hits = snapshot.search(query, vector, allowed, account or {}, limit, per_document, today)
        return Found(tuple(hits), notice)

    def _take_over(self) -> None:
        state = self._store.state()
        if state != self._state or self.snapshot is None:
            records = self._store.copy()
            if records is None or _state(records) != state:
                records = self._store.load()
            # While another process writes, the state is not yet that of the records: the next refresh reads again.
            self._use(records, state if _state(records) == state else "")
        self._notice = ""

    def _fall_back(self, error: StoreError) -> None:
        if self.snapshot is None:
            copy = self._store.copy()
            if copy is None:
                raise error
            self._use(copy, "")
        self._notice = f"{error}. The answers come from what was read before."

    def _use(self, records: Sequence[Record], state: str) -> None:
        """Swap everything at once: a search that is under way keeps the old snapshot."""
        self.snapshot, self._state = Snapshot(records), state

    def _with_vectors(self, records: list[Record]) -> list[Record]:
        if not records:
            return []
        vectors = self._embedder.embed([spoken(record) for record in records])
        return [replace(record, vector=row) for record, row in zip(records, vectors, strict=True)]


def collection_name(name: str, embedder: str) -> str:
    """Name the collection by embedding model and passage format, so that unlike vectors never mix."""
    readable = re.sub(r"[^a-z0-9]+", "-", embedder.lower()).strip("-")[:40]
    return f"{name}-{readable}-{hashlib.sha256(embedder.encode()).hexdigest()[:8]}-{FORMAT}"


def _records(sources: Iterable[Source]) -> dict[str, Record]:
    records: dict[str, Record] = {}
    documents: set[str] = set()
    for source in sources:
        if source.id in documents:
            raise ValueError(f"two documents have the id '{source.id}' (one at {source.location}): give one another id")
        documents.add(source.id)
        records |= {record.id: record for record in _records_of(source)}
    return records


def _records_of(source: Source) -> Iterator[Record]:
    """Yield the passages, then the names: the title and each example question."""
    key = f"{hashlib.sha256(source.id.encode()).hexdigest()[:16]}-{source.digest[:32]}"
    about = about_of(source)
    passages = split(source.text, source.title) or [Passage((), source.title)]
    for place, passage in enumerate(passages):
        section = SECTION.join(passage.section)
        yield Record(f"{key}-{place}", source.id, "passage", place, section, passage.text, about)
    for place, name in enumerate([source.title, *source.examples]):
        yield Record(f"{key}-name-{place}", source.id, "name", place, "", name, about)


def _state(records: Iterable[Record]) -> str:
    return state_of(record.id for record in records)


def _compared(wanted: set[str], stored: set[str]) -> Synced:
    """Count documents by the two parts that start an id: the document's and the content's."""
    now, before = (dict(id_.split("-")[:2] for id_ in ids) for ids in (wanted, stored))
    both = now.keys() & before.keys()
    same = sum(now[key] == before[key] for key in both)
    return Synced(len(now) - len(both), len(both) - same, len(before) - len(both), same)
