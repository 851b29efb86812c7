"""Retrieval on customer-success pages that nobody here wrote, with their authors' own words as queries; its speed."""

import json
import os
import re
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from knowledge.index import Bundled, EmbedderError, Index
from knowledge.passages import split
from knowledge.ranking import Signals
from knowledge.snapshot import Snapshot
from knowledge.sources import Source
from tools.knowledge_base import KnowledgeBase

REPO = Path(__file__).parents[2]
DATA = Path(os.environ.get("TEND_SHARED", REPO.parent / "shared")) / "data"
GITLAB = DATA / "gitlab_handbook"
# nDCG@10 of plain BM25 over whole pages, from the data set's description
PLAIN = {"anchor_queries": 0.567, "description_queries": 0.665}
TODAY = date(2026, 1, 1)
PASSAGES = 10_000
Query = tuple[str, frozenset[str]]


def handbook(name: str) -> Path:
    if not (DATA / name).is_dir():
        pytest.skip(f"the data set {name} is not on this machine (TEND_SHARED names the folder that holds it)")
    return DATA / name


def page(file: Path, folder: Path) -> Source:
    """A page with its title, but without its description, which is asked for."""
    text = file.read_text()
    found = re.match(r"\A---\r?\n(.*?)^---\s*$", text, re.S | re.M)
    head = yaml.safe_load(found.group(1)) if found else {}
    body = text[found.end() :] if found else text
    if description := str((head or {}).get("description") or "").strip():
        body = body.replace(description, "")
    place = str(file.relative_to(folder))
    return Source(place, "page", str((head or {}).get("title") or file.stem), body, place)


def queries(name: str) -> list[Query]:
    rows = [json.loads(line) for line in (GITLAB / f"{name}.jsonl").read_text().splitlines()]
    return [(row["query"], frozenset(row["relevant"])) for row in rows]


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pages")


@pytest.fixture(scope="module")
def pages(shelf: Path) -> Index:
    handbook("gitlab_handbook")
    folder = GITLAB / "pages"
    files = [file for file in sorted(folder.rglob("*.md")) if file.relative_to(folder).parts[0].startswith("customer-")]
    index = Index(shelf)
    index.sync(page(file, folder) for file in files)
    assert index.snapshot
    print(f"\n{len(files)} customer-success pages, {len(index.snapshot)} passages")
    return index


def ndcg(found: list[str], relevant: frozenset[str]) -> float:
    gains = sum(1 / np.log2(place + 2) for place, document in enumerate(found[:10]) if document in relevant)
    return float(gains / sum(1 / np.log2(place + 2) for place in range(min(10, len(relevant)))))


def recall(found: list[str], relevant: frozenset[str]) -> float:
    return len(relevant & set(found[:5])) / len(relevant)


def measured(asked: list[Query], find: Callable[[str], list[str]]) -> tuple[float, float]:
    results = [(find(text), relevant) for text, relevant in asked]
    return float(np.mean([ndcg(*result) for result in results])), float(np.mean([recall(*r) for r in results]))


def searching(index: Index) -> Callable[[str], list[str]]:
    return lambda text: [hit.document for hit in index.search(text, TODAY, limit=10, per_document=1).hits]


class Absent:
    """The bundled model's name without the model: what is found without it is found by words."""

    name = Bundled.name

    def embed(self, texts: list[str]) -> np.ndarray:
        raise EmbedderError("it is away")


def ranked(snapshot: Snapshot, score: Callable[[Signals], np.ndarray]) -> Callable[[str], list[str]]:
    """Search by another combination of the signals than the product's."""
    allowed = np.ones(len(snapshot.sources), dtype=bool)

    def find(text: str) -> list[str]:
        signals = snapshot.ranking.signals(text, Bundled().embed([text])[0], allowed)
        order = snapshot.ranking.owners[np.argsort(-score(signals), kind="stable")]
        return [snapshot.sources[owner].id for owner in list(dict.fromkeys(order.tolist()))[:10]]

    return find


def by_meaning(signals: Signals) -> np.ndarray:
    return signals.similarity + signals.name_similarity


def weighted(weight: float) -> Callable[[Signals], np.ndarray]:
    return lambda signals: signals.words + signals.name_words + weight * by_meaning(signals)


def written() -> list[Query]:
    """What colleagues might ask of Tend's own plays, case studies and articles, without knowing their words."""
    rows = [json.loads(line) for line in (Path(__file__).parent / "play_questions.jsonl").read_text().splitlines()]
    return [(row["question"], frozenset(row["relevant"])) for row in rows]


@pytest.mark.parametrize("shown", ["with example questions", "without them"])
def test_questions_about_plays_find_them_better_by_words_and_meaning_together(tmp_path: Path, shown: str) -> None:
    base = KnowledgeBase(tmp_path)
    sources, _, _ = base.sources("w")
    if shown == "without them":
        sources = [replace(source, examples=()) for source in sources]
    index = Index(tmp_path / "index")
    index.sync(replace(source, id=source.id.partition("/")[2]) for source in sources)
    assert index.snapshot
    asked = written()
    assert len(asked) >= 120
    results = {
        "BM25 alone": measured(asked, searching(Index(tmp_path / "index", embedder=Absent()))),
        "vectors alone": measured(asked, ranked(index.snapshot, by_meaning)),
        "hybrid": measured(asked, searching(index)),
    }
    print(f"\n{len(asked)} questions about {len(sources)} documents of our own, {shown}: nDCG@10 and recall@5")
    for label, (gain, found) in results.items():
        print(f"  {label:13} {gain:.3f}  {found:.3f}")
    assert results["hybrid"] > max(results["BM25 alone"], results["vectors alone"])


def test_no_question_is_copied_from_a_document(tmp_path: Path) -> None:
    sources, _, _ = KnowledgeBase(tmp_path).sources("w")
    said = {run for source in sources for text in (source.title, source.text, *source.examples) for run in runs(text)}
    assert not [(question, copied) for question, _ in written() if (copied := said & runs(question))]


def runs(text: str, words: int = 7) -> set[str]:
    """Every seven words in a row."""
    plain = re.findall(r"[a-z0-9]+", text.lower())
    return {" ".join(plain[start : start + words]) for start in range(len(plain) - words + 1)}


@pytest.mark.parametrize("name", PLAIN)
def test_words_and_meaning_together_find_more_than_either(pages: Index, shelf: Path, name: str) -> None:
    asked = queries(name)
    assert pages.snapshot
    hybrid = measured(asked, searching(pages))
    vectors = measured(asked, ranked(pages.snapshot, by_meaning))
    words = measured(asked, searching(Index(shelf, embedder=Absent())))
    print(f"\n{name} ({len(asked)}), nDCG@10 and recall@5; plain BM25 over whole pages: {PLAIN[name]}")
    for label, (gain, found) in {"BM25 alone": words, "vectors alone": vectors, "hybrid": hybrid}.items():
        print(f"  {label:13} {gain:.3f}  {found:.3f}")
    assert hybrid[0] > max(words[0], vectors[0], PLAIN[name])
    assert hybrid[1] >= max(words[1], vectors[1])


def test_equal_weights_do_as_well_on_one_half_as_weights_chosen_on_the_other(pages: Index) -> None:
    """The weight of meaning against words, chosen on the even queries of both files, measured on the odd ones."""
    assert pages.snapshot
    halves = [[query for name in PLAIN for query in queries(name)[start::2]] for start in (0, 1)]
    gains: dict[float, tuple[float, ...]] = {}
    for weight in (0.25, 0.5, 1.0, 1.5, 2.0, 3.0):
        gains[weight] = tuple(measured(half, ranked(pages.snapshot, weighted(weight)))[0] for half in halves)
        print(f"\nweight {weight}: nDCG@10 {gains[weight][0]:.3f} (even queries) {gains[weight][1]:.3f} (odd)", end="")
    chosen = max(gains, key=lambda weight: gains[weight][0])
    print(f"\nchosen on the even ones: {chosen}")
    assert gains[1.0][1] > gains[chosen][1] - 0.01


@pytest.mark.timeout(600)
def test_ten_thousand_passages_are_searched_within_30_ms(tmp_path: Path) -> None:
    sources: list[Source] = []
    folders: list[tuple[Path, Any]] = [(handbook(f"{name}_handbook"), name) for name in ("gitlab", "sourcegraph")]
    for folder, name in folders:
        kinds = {"industries": ("saas",), "segments": ("enterprise",)} if name == "gitlab" else {}
        sources += [
            Source(str(file), name, file.stem, file.read_text(), str(file), **kinds)  # type: ignore[arg-type]
            for file in sorted(folder.rglob("*.md"))
        ]
    index = Index(tmp_path)
    index.sync(sources[:1])  # what has to be imported and opened once
    sources = enough(sources)
    started = time.perf_counter()
    index.sync(sources)
    built = time.perf_counter() - started
    started = time.perf_counter()
    index.sync(sources)
    again = time.perf_counter() - started
    started = time.perf_counter()
    opened = Index(tmp_path)
    opened.refresh()
    print(f"\nbuilt in {built:.1f} s, unchanged in {again:.2f} s, opened in {time.perf_counter() - started:.1f} s")
    assert opened.snapshot
    assert len(opened.snapshot) >= PASSAGES
    account = {"industry": "saas", "segment": "enterprise", "stage": "adoption", "plan": "business"}
    seconds = []
    for text, _ in queries("anchor_queries") + queries("description_queries"):
        started = time.perf_counter()
        hits = opened.search(text, TODAY, only={"industry": "saas"}, account=account).hits
        seconds.append(time.perf_counter() - started)
        assert hits
    median, high = np.quantile(seconds, [0.5, 0.95]) * 1000
    print(f"{len(opened.snapshot)} passages, {len(seconds)} queries: median {median:.1f} ms, 95 % {high:.1f} ms")
    assert high < 30


def enough(sources: list[Source]) -> list[Source]:
    """The first documents that come to 10,000 passages."""
    passages = np.cumsum([len(split(source.text, source.title)) for source in sources])
    return sources[: int(np.searchsorted(passages, PASSAGES)) + 1]
