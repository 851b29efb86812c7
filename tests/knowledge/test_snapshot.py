"""What the index holds in memory: complete documents, and sources that survive being stored."""

from datetime import date

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from knowledge.snapshot import Snapshot, about_of, source_of
from knowledge.sources import Source
from knowledge.store import Record

TODAY = date(2030, 6, 15)
VECTOR = np.array([1, 0], dtype=np.float32)
TEXTS = st.lists(st.text(), max_size=3).map(tuple)
SOURCES = st.builds(
    Source, st.text(), st.text(), st.text(), st.just(""), st.text(), st.none() | st.dates(), TEXTS, TEXTS, TEXTS,
    TEXTS, TEXTS, st.text(),
)  # fmt: skip


def record(document: str, role: str) -> Record:
    about = about_of(Source(document, "play", document, "", f"{document}.md"))
    return Record(f"{document}-{role}", document, role, 0, "", f"text of {document}", about, VECTOR)


@given(SOURCES)
def test_a_source_comes_back_as_it_was_stored(source: Source) -> None:
    assert source_of(about_of(source)) == source


def test_a_document_that_is_not_yet_written_whole_is_left_out() -> None:
    snapshot = Snapshot([record("a", "passage"), record("b", "passage"), record("b", "name"), record("c", "name")])
    allowed = snapshot.allowed(TODAY, (), {}, False)
    hits = snapshot.search("text", VECTOR, allowed, {}, 8, 2, TODAY)
    assert [hit.document for hit in hits] == ["b"]


def test_nothing_is_held_of_nothing() -> None:
    snapshot = Snapshot([])
    assert len(snapshot) == 0
    assert snapshot.search("text", VECTOR, snapshot.allowed(TODAY, (), {}, False), {}, 8, 2, TODAY) == []
