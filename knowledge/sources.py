"""What the index needs to know of a document, whoever wrote it: Tend's own plays and articles, or the team's files."""

import hashlib
import json
from dataclasses import asdict, dataclass
from datetime import date

FACETS = {"industry": "industries", "segment": "segments", "stage": "stages", "plan": "plans"}


@dataclass(frozen=True)
class Source:
    """A document to be found again.

    Args:
        id: stays the same when the text changes.
        text: Markdown.
        location: file or link, for the citation.
        review_by: the day after which it counts as expired.
        industries, segments, stages, plans: whom it is for; empty means everybody.
        examples: questions that it answers, in people's words.
        extra: anything else whose change must reach the index.
    """

    id: str
    kind: str
    title: str
    text: str
    location: str
    review_by: date | None = None
    industries: tuple[str, ...] = ()
    segments: tuple[str, ...] = ()
    stages: tuple[str, ...] = ()
    plans: tuple[str, ...] = ()
    examples: tuple[str, ...] = ()
    extra: str = ""

    @property
    def digest(self) -> str:
        """SHA-256 over everything there is to know of it."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True, default=str).encode()).hexdigest()

    def facet(self, name: str) -> tuple[str, ...]:
        """Return whom it is for, by an account's attribute: industry, segment, stage or plan."""
        values: tuple[str, ...] = getattr(self, FACETS[name])
        return values

    def expired(self, today: date) -> bool:
        """Tell whether its review is overdue."""
        return self.review_by is not None and self.review_by < today
