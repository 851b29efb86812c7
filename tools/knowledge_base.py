"""What a workspace can look up: Tend's own plays, case studies and articles, and the team's documents, indexed."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from knowledge.documents import BUNDLED, Library, library
from knowledge.index import Embedder, Index, Synced
from knowledge.kinds import Article, CaseStudy, Play
from knowledge.reading import Problem, read_folder
from knowledge.sources import Source
from knowledge.store import StoreError

log = structlog.get_logger()
DOCUMENTS = "documents"  # the folder of the team's own, one for each workspace in it
OWN = "knowledge"  # the team's own plays, case studies and articles


@dataclass(frozen=True)
class Indexed:
    """What a sync did, and which files could not be used."""

    synced: Synced
    problems: tuple[Problem, ...]
    errors: tuple[str, ...]


@dataclass
class KnowledgeBase:
    """The indexes of all workspaces, each made when it is first asked for.

    Args:
        folder: the data folder: indexes lie in `index`, the team's documents in `documents/WORKSPACE`, its own plays,
            case studies and articles in `knowledge`.
        url: a Chroma server; None for a folder.
        embedder: makes the embedding model when it is first needed; None for the bundled one.
        shared: a further folder or Git checkout of documents, for all workspaces.
        link: where that folder can be read by people.
    """

    folder: Path
    url: str | None = None
    embedder: Callable[[], Embedder] | None = None
    shared: Path | None = None
    link: str = ""
    _indexes: dict[str, Index] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def library(self) -> Library:
        """Return plays, case studies, articles and templates: the bundled ones and the team's own."""
        own = self.folder / OWN
        return library((*BUNDLED, own)) if own.is_dir() else library(BUNDLED)

    def index(self, workspace_id: str) -> Index:
        """Return a workspace's index, filled."""
        with self._lock:
            if workspace_id not in self._indexes:
                self._indexes[workspace_id] = self._made(workspace_id)
            return self._indexes[workspace_id]

    def sync(self, workspace_id: str) -> Indexed:
        """Bring the index to what the documents are now; unchanged ones cost nothing."""
        index = self.index(workspace_id)
        sources, problems, errors = self.sources(workspace_id)
        return Indexed(index.sync(sources), problems, errors)

    def documents_of(self, workspace_id: str) -> Path:
        """Return the folder of a workspace's own documents."""
        return self.folder / DOCUMENTS / workspace_id

    def _made(self, workspace_id: str) -> Index:
        embedder = self.embedder() if self.embedder else None
        index = Index(self.folder / "index" / workspace_id, self.url, embedder, f"tend-{workspace_id}")
        sources, problems, errors = self.sources(workspace_id)
        for trouble in (*problems, *errors):
            log.warning("document_left_out", reason=str(trouble))
        try:
            index.sync(sources)
        except StoreError as error:  # what was indexed before can still be searched
            log.error("documents_not_indexed", reason=str(error))
        return index

    def sources(self, workspace_id: str) -> tuple[list[Source], tuple[Problem, ...], tuple[str, ...]]:
        found = self.library()
        own: list[Play | CaseStudy | Article] = [
            *found.plays.values(),
            *found.cases.values(),
            *found.articles.values(),
        ]
        sources = [_source(document, found) for document in own]
        problems: list[Problem] = []
        for folder, link in self._folders(workspace_id):
            read = read_folder(folder, link)
            sources += read.sources
            problems += read.problems
        return sources, tuple(problems), tuple(found.errors)

    def _folders(self, workspace_id: str) -> Iterator[tuple[Path, str]]:
        own = self.documents_of(workspace_id)
        if own.is_dir():
            yield own, ""
        if self.shared is not None:
            yield self.shared, self.link


def _source(document: Play | CaseStudy | Article, found: Library) -> Source:
    kind, place = document.kind, found.files[document.id]
    return Source(
        id=f"{kind}/{document.id}",
        kind=kind,
        title=document.title,
        text=document.body,
        location=f"{place.parent.name}/{place.name}",
        review_by=document.review_by,
        industries=document.industries,
        segments=document.segments,
        stages=document.stages,
        plans=document.plans,
        examples=document.examples,
    )
