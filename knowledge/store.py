"""The store of record: passages with their vectors in Chroma, in a folder or on a server, and a local copy of them."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from zipfile import BadZipFile

import numpy as np
from filelock import FileLock

BATCH = 1000  # within what a server takes at a time, in number and in bytes
ANSWER_SECONDS = 5.0  # Chroma's own client would wait for ever for a server that hangs: it is asked for a sign first


class StoreError(RuntimeError):
    """Chroma cannot be used now; the message names folder or server and says what to do."""


@dataclass(frozen=True)
class Record:
    """One text with its vector: a passage of a document, or one of the names by which it is asked for.

    Args:
        id: document, digest and place in one, so that equal content has equal ids.
        about: the document's own fields as JSON.
        vector: of unit length; None before it is embedded.
    """

    id: str
    document: str
    role: str  # passage or name
    place: int
    section: str
    text: str
    about: str
    vector: np.ndarray | None = None


class Store:
    """One collection of records.

    Chroma's own client answers a filtered query of 10,000 passages in 50 to 90 ms and does not see in memory what
    another process has written since. So it is opened for each piece of work, under a lock where it is a folder,
    everything is read at once, and the search runs over that in memory (`ranking.py`).
    """

    def __init__(self, folder: Path, collection: str, family: str, url: str | None = None) -> None:
        self.collection = collection
        self.place = url or str(folder)
        self._family, self._url = family, url
        self._folder, self._copy = folder, folder / f"{collection}.npz"
        folder.mkdir(parents=True, exist_ok=True)

    def stored(self) -> tuple[set[str], str]:
        """Return the ids of all that is stored, and the state that was noted.

        Raises:
            StoreError: as all methods that ask Chroma.
        """
        with self._open() as collection:
            return set(collection.get(include=[])["ids"]), str(collection.metadata["state"])

    def state(self) -> str:
        """Return what changes whenever the content does."""
        with self._open() as collection:
            return str(collection.metadata["state"])

    def change(self, new: Sequence[Record], gone: Iterable[str]) -> None:
        """Add records and delete others, new ones first: a reader misses nothing in between."""
        with self._open() as collection:
            for at in range(0, len(new), BATCH):
                _add(collection, new[at : at + BATCH])
            old = sorted(gone)
            for at in range(0, len(old), BATCH):
                collection.delete(ids=old[at : at + BATCH])
            stored = collection.get(include=[])["ids"]
            collection.modify(metadata={**collection.metadata, "state": state_of(stored)})

    def load(self) -> list[Record]:
        """Read everything from Chroma and renew the local copy."""
        with self._open() as collection:
            got = collection.get(include=["metadatas", "documents", "embeddings"])
            rows = zip(got["ids"], got["metadatas"], got["documents"], got["embeddings"], strict=True)
            records = [Record(id_, text=text, vector=_row(v), **meta) for id_, meta, text, v in rows]
            _write_copy(self._copy, records)
        return records

    def copy(self) -> list[Record] | None:
        """Read the local copy, if there is one that can be read; Chroma has everything that it holds."""
        try:
            with np.load(self._copy, allow_pickle=False) as saved:
                rows, vectors = json.loads(saved["rows"].tobytes()), saved["vectors"]
        except (OSError, ValueError, KeyError, EOFError, BadZipFile):
            return None
        return [Record(**{**row, "vector": vector}) for row, vector in zip(rows, vectors, strict=True)]

    def drop_others(self) -> None:
        """Delete this family's collections of other models and formats; nothing asks for them again."""
        with self._client() as client:
            for other in client.list_collections():
                if (other.metadata or {}).get("family") == self._family and other.name != self.collection:
                    client.delete_collection(other.name)
                    (self._folder / f"{other.name}.npz").unlink(missing_ok=True)

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Let one process at a time change the records of this folder."""
        with FileLock(self._folder / "sync.lock"):
            yield

    @contextmanager
    def _open(self) -> Iterator[Any]:
        with self._client() as client:
            # The vectors are always given: without an embedding function Chroma downloads no model.
            yield client.get_or_create_collection(
                self.collection, embedding_function=None, metadata={"family": self._family, "state": state_of([])}
            )

    @contextmanager
    def _client(self) -> Iterator[Any]:
        import httpx
        from chromadb.errors import ChromaError

        with FileLock(self._folder / "chroma.lock"):
            try:
                with closing(self._connect()) as client:
                    yield client
            except Exception as error:
                # Chroma's client raises a bare Exception for an answer that it does not understand.
                if not isinstance(error, ChromaError | httpx.HTTPError | OSError) and type(error) is not Exception:
                    raise
                what = "start the server or correct CHROMA_URL" if self._url else "look after the folder"
                raise StoreError(f"Chroma at {self.place} cannot be used ({error}): {what}") from error

    def _connect(self) -> Any:
        import chromadb
        import httpx
        from chromadb.config import Settings

        quiet = Settings(anonymized_telemetry=False)
        if self._url is None:
            return chromadb.PersistentClient(self._folder / "chroma", quiet)
        httpx.get(f"{self._url.rstrip('/')}/api/v2/heartbeat", timeout=ANSWER_SECONDS).raise_for_status()
        address = urlsplit(self._url)
        secure = address.scheme == "https"
        port = address.port or (443 if secure else 80)
        try:
            return chromadb.HttpClient(address.hostname or "", port, ssl=secure, settings=quiet)
        except ValueError as error:  # so it says when the server goes away between the two
            raise ConnectionError(str(error)) from error


def state_of(ids: Iterable[str]) -> str:
    """Return one digest for a set of ids."""
    return hashlib.sha256("\n".join(sorted(ids)).encode()).hexdigest()


def _add(collection: Any, records: Sequence[Record]) -> None:
    collection.upsert(
        ids=[record.id for record in records],
        embeddings=np.array([record.vector for record in records]),
        documents=[record.text for record in records],
        metadatas=[
            {name: getattr(record, name) for name in ("document", "role", "place", "section", "about")}
            for record in records
        ],
    )


def _row(vector: Any) -> np.ndarray:
    return np.asarray(vector, dtype=np.float32)


def _write_copy(file: Path, records: Sequence[Record]) -> None:
    rows = json.dumps([asdict(replace(record, vector=None)) for record in records]).encode()
    vectors = np.array([record.vector for record in records], dtype=np.float32)
    partly = file.with_suffix(".part")
    with partly.open("wb") as out:
        np.savez(out, rows=np.frombuffer(rows, dtype=np.uint8), vectors=vectors)
    partly.replace(file)  # at once: a reader sees the old copy or the new one
