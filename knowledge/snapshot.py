"""All records of the index in memory, never changed: filters, scores and the passages with their citations."""

import json
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date
from typing import Any

import numpy as np

from knowledge.ranking import Ranking, said
from knowledge.sources import FACETS, Source
from knowledge.store import Record

SECTION = " › "
EVERYBODY = "*"
# Of a score from 0 to 1, for each attribute that a document shares with the account: it decides between passages
# that answer about equally well, and lifts none that does not answer.
BOOST = 0.04


@dataclass(frozen=True)
class Hit:
    """A passage that was found, and where it stands.

    Args:
        place: the passage's number within the document.
        text: as it was written; whoever shows it has to neutralise links and mentions.
        score: 0 to 1, comparable within one search only.
        similarity: the cosine of question and passage or name, comparable between searches.
    """

    document: str
    kind: str
    title: str
    section: str
    place: int
    text: str
    location: str
    review_by: date | None
    expired: bool
    score: float
    similarity: float

    @property
    def citation(self) -> str:
        """Title, section, location and review date in one line."""
        where = f"{self.title}{SECTION}{self.section}" if self.section else self.title
        review = f", {'expired' if self.expired else 'to review by'} {self.review_by}" if self.review_by else ""
        return f"{where} ({self.location}{review})"


class Snapshot:
    """What can be found at one moment."""

    def __init__(self, records: Sequence[Record]) -> None:
        ordered = sorted(records, key=lambda record: (record.about, record.place))
        names = [record for record in ordered if record.role == "name"]
        passages = [record for record in ordered if record.role == "passage"]
        # While another process writes, the names of a document may not be there yet: it is left out until they are.
        abouts = sorted({record.about for record in names} & {record.about for record in passages})
        self._numbers = {about: number for number, about in enumerate(abouts)}
        self._passages = [record for record in passages if record.about in self._numbers]
        self.sources = [source_of(about) for about in abouts]
        self.ranking = self._ranked([record for record in names if record.about in self._numbers])
        self._passages = [replace(record, vector=None) for record in self._passages]  # the ranking has them all

        self._kinds = np.array([source.kind for source in self.sources], dtype=str)
        reviews = [(source.review_by or date.max).toordinal() for source in self.sources]
        self._reviewed_until = np.array(reviews, dtype=np.int64)
        self._audience: dict[tuple[str, str], np.ndarray] = {}
        for number, source in enumerate(self.sources):
            for key in _audience(source):
                self._audience.setdefault(key, np.zeros(len(self.sources), dtype=bool))[number] = True

    def __len__(self) -> int:
        return len(self._passages)

    def allowed(self, today: date, kinds: Collection[str], only: Mapping[str, str], with_expired: bool) -> np.ndarray:
        """Tell for each document whether it may be found."""
        _check(only)
        allowed = self._reviewed_until >= (0 if with_expired else today.toordinal())
        if kinds:
            allowed &= np.isin(self._kinds, list(kinds))
        for name, value in only.items():
            allowed &= self._for(name, value) | self._for(name, EVERYBODY)
        return allowed

    def search(
        self,
        query: str,
        vector: np.ndarray | None,
        allowed: np.ndarray,
        account: Mapping[str, str],
        limit: int,
        per_document: int,
        today: date,
    ) -> list[Hit]:
        """Return the best passages of the documents that may be found."""
        _check(account)
        if not allowed.any():
            return []
        signals = self.ranking.signals(query, vector, allowed)
        owners = self.ranking.owners
        answers = allowed[owners] & (signals.score > 0)
        scores = np.where(answers, signals.score + self._boosts(account)[owners], -1)
        chosen = self._chosen(scores, limit, per_document)
        similarity = np.maximum(signals.similarity, signals.name_similarity)
        return [self._hit(at, float(scores[at]), float(similarity[at]), today) for at in chosen]

    def _ranked(self, names: Sequence[Record]) -> Ranking:
        owners, name_owners = self._owners(self._passages), self._owners(names)
        sections: list[dict[str, None]] = [{} for _ in self.sources]
        for owner, record in zip(owners, self._passages, strict=True):
            sections[owner][record.section] = None
        return Ranking(
            owners,
            [spoken(record) for record in self._passages],
            _matrix(self._passages),
            name_owners,
            _matrix(names),
            [" ".join([s.title, *parts, *s.examples]) for s, parts in zip(self.sources, sections, strict=True)],
        )

    def _owners(self, records: Sequence[Record]) -> np.ndarray:
        return np.array([self._numbers[record.about] for record in records], dtype=np.intp)

    def _boosts(self, account: Mapping[str, str]) -> np.ndarray:
        boosts = np.zeros(len(self.sources), dtype=np.float32)
        for name, value in account.items():
            boosts += BOOST * self._for(name, value)
        return boosts

    def _for(self, name: str, value: str) -> np.ndarray:
        return self._audience.get((name, value), np.zeros(len(self.sources), dtype=bool))

    def _chosen(self, scores: np.ndarray, limit: int, per_document: int) -> list[int]:
        """Walk down the scores and leave out what a document has too many of."""
        chosen: list[int] = []
        taken: Counter[int] = Counter()
        for at in np.argsort(-scores, kind="stable"):
            if scores[at] < 0 or len(chosen) == limit:
                break
            owner = int(self.ranking.owners[at])
            taken[owner] += 1
            if taken[owner] <= per_document:
                chosen.append(int(at))
        return chosen

    def _hit(self, at: int, score: float, similarity: float, today: date) -> Hit:
        record, source = self._passages[at], self.sources[self.ranking.owners[at]]
        return Hit(
            source.id, source.kind, source.title, record.section, record.place, record.text, source.location,
            source.review_by, source.expired(today), min(score, 1.0), similarity,
        )  # fmt: skip


def spoken(record: Record) -> str:
    """Return the text of a record as it is compared with questions: a passage under its title and section."""
    if record.role == "name":
        return record.text
    return f"{json.loads(record.about)['title']} {record.section} {said(record.text)}"


def about_of(source: Source) -> str:
    """Return all of a document but its text, as JSON."""
    return json.dumps({**asdict(source), "text": ""}, default=str, sort_keys=True)


def source_of(about: str) -> Source:
    """Return the document, without its text, from what `about_of` wrote."""
    values = json.loads(about)
    found: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in values.items()}
    review_by = found.pop("review_by")
    return Source(**found, review_by=review_by and date.fromisoformat(review_by))


def _audience(source: Source) -> list[tuple[str, str]]:
    return [(name, value) for name in FACETS for value in source.facet(name) or (EVERYBODY,)]


def _matrix(records: Sequence[Record]) -> np.ndarray:
    return np.array([record.vector for record in records], dtype=np.float32)


def _check(attributes: Mapping[str, str]) -> None:
    if unknown := set(attributes) - set(FACETS):
        raise ValueError(f"'{min(unknown)}' is no attribute to search by: use {', '.join(FACETS)}")
