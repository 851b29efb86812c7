"""Scores of passages for a question: words (BM25) and meaning (vectors), each over the text and over the names.

The names of a document are its title, its headings and the example questions it answers; they tell what it is
about more surely than any one passage does. The four signals weigh the same. On handbook pages with their authors'
own link texts and descriptions as questions (tests/benchmarks/test_retrieval.py) other weights differ less than
one half of the questions differs from the other, so none is fitted.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

_NOT_SAID = re.compile(r"\]\([^)\s]*\)|https?://[^\s)>]+|<[^<>]{1,300}>")  # addresses and tags are no words


@dataclass(frozen=True)
class Signals:
    """One value from 0 to 1 per passage and signal; `similarity` is a cosine, words are relative to the best match."""

    words: np.ndarray
    name_words: np.ndarray
    similarity: np.ndarray
    name_similarity: np.ndarray

    @property
    def score(self) -> np.ndarray:
        """The mean of the four."""
        return (self.words + self.name_words + self.similarity + self.name_similarity) / 4


class Words:
    """BM25 (Robertson and others 1994; k1 1.5, b 0.75) over English word stems."""

    def __init__(self, texts: Sequence[str]) -> None:
        from bm25s import BM25  # takes a moment to import

        self._count = len(texts)
        self._index = BM25(method="lucene", k1=1.5, b=0.75)
        tokens = _tokens(texts)
        self._empty = not any(tokens)
        if not self._empty:
            self._index.index(tokens, show_progress=False)

    def scores(self, query: str) -> np.ndarray:
        """Return one BM25 score per text, 0 where no word of the query occurs."""
        known = [] if self._empty else [word for word in _tokens([query])[0] if word in self._index.vocab_dict]
        if not known:
            return np.zeros(self._count, dtype=np.float32)
        return np.asarray(self._index.get_scores(known), dtype=np.float32)


class Ranking:
    """Scores passages of documents.

    Args:
        owners: for each passage its document's number, ascending.
        texts: of each passage, with its title and section.
        vectors: passages × dimensions, rows of unit length.
        name_owners: for each name its document's number, ascending; each document has one at least.
        name_vectors: names × dimensions.
        outlines: of each document its title, headings and example questions.
    """

    def __init__(
        self,
        owners: np.ndarray,
        texts: Sequence[str],
        vectors: np.ndarray,
        name_owners: np.ndarray,
        name_vectors: np.ndarray,
        outlines: Sequence[str],
    ) -> None:
        self.owners = owners
        self._words = Words(texts)
        self._outline_words = Words(outlines)
        self._vectors = vectors
        self._name_vectors = name_vectors
        self._first_names = np.searchsorted(name_owners, np.arange(len(outlines)))

    def signals(self, query: str, vector: np.ndarray | None, allowed: np.ndarray) -> Signals:
        """Score every passage for a query.

        Args:
            vector: the query's, of unit length; without it words alone count.
            allowed: for each document whether it may be found; the best match is sought among these.
        """
        own = allowed[self.owners]
        words = _relative(self._words.scores(query) * own)
        outline = _relative(self._outline_words.scores(query) * allowed)
        similarity, names = np.zeros_like(words), np.zeros_like(outline)
        if vector is not None:
            similarity = _cosines(self._vectors, vector)
            names = np.maximum.reduceat(_cosines(self._name_vectors, vector), self._first_names)
        return Signals(words, outline[self.owners], similarity, names[self.owners])


def said(text: str) -> str:
    """Return Markdown without addresses and tags, as it is compared with questions."""
    return _NOT_SAID.sub(" ", text)


def _cosines(rows: np.ndarray, vector: np.ndarray) -> np.ndarray:
    """Not by BLAS: on a busy machine its threads wait for each other, ten times as long as the sums take."""
    return np.maximum(np.einsum("ij,j->i", rows, vector), 0)


def _relative(scores: np.ndarray) -> np.ndarray:
    best = scores.max(initial=0)
    return scores / best if best > 0 else scores


def _tokens(texts: Sequence[str]) -> list[list[str]]:
    import Stemmer
    from bm25s import tokenize

    stemmer = Stemmer.Stemmer("english")  # one per call: it is not safe to share between threads
    found: Any = tokenize(list(texts), stopwords="en", stemmer=stemmer, return_ids=False, show_progress=False)
    return [[word for word in words if word] for words in found]
