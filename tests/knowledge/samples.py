"""A few documents, and what tests of the index do with them."""

from datetime import date
from pathlib import Path
from typing import Any

from knowledge.index import Found, Index
from knowledge.sources import Source

TODAY = date(2030, 6, 15)
RENEWAL = Source(
    "renewal", "play", "Save a renewal", "# Steps\n\nCall the executive sponsor about the contract.", "plays/renewal.md"
)
PAYMENT = Source(
    "payment", "play", "Payment failed", "# Steps\n\nAsk billing for a new card.", "plays/payment.md",
    examples=("the card was declined, what now?",),
)  # fmt: skip
STORY = Source("story", "case_study", "How Acme grew", "They rolled the product out to every team.", "cases/acme.md")
ALL = [RENEWAL, PAYMENT, STORY]


def index_of(folder: Path, *sources: Source, **options: Any) -> Index:
    index = Index(folder, **options)
    index.sync(sources)
    return index


def documents(found: Found) -> list[str]:
    return [hit.document for hit in found.hits]


def versions(number: int) -> list[Source]:
    return [
        Source(f"d{n}", "play", f"Play {n}", f"Version {number} of the renewal steps.", f"{n}.md") for n in range(12)
    ]
