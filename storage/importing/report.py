"""What one import did: counts, refused rows, refused files, notes and findings."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

KEPT = 10_000  # rejects kept with their reason; beyond it they are only counted
SHOWN = 20  # rejects printed in a terminal


@dataclass
class Counts:
    """How many rows of one entity were added, changed, found unchanged and rejected."""

    added: int = 0
    changed: int = 0
    unchanged: int = 0
    rejected: int = 0


@dataclass(frozen=True)
class Reject:
    """One row that was refused: where it stands (CSV: line of the file, header included) and why."""

    file: str
    row: int
    field: str
    reason: str
    value: str | None = None


@dataclass(frozen=True)
class Finding:
    """Something about the data that a person should know, although the rows were taken."""

    name: str
    count: int
    share: float | None
    sentence: str
    examples: list[str] = field(default_factory=list)


@dataclass
class ImportReport:
    """The result of one import; the same whether it wrote or was a dry run."""

    source: str
    at: datetime
    dry_run: bool = False
    counts: dict[str, Counts] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)
    rejects_beyond: int = 0
    notes: list[str] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    def add_rejects(self, rejects: list[Reject]) -> None:
        """Keep the rejects while there is room, and count the rest."""
        room = KEPT - len(self.rejects)
        self.rejects += rejects[:room]
        self.rejects_beyond += max(0, len(rejects) - room)

    def finding(self, name: str) -> Finding | None:
        """Return the finding of that name, if it was made."""
        return next((finding for finding in self.findings if finding.name == name), None)

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain values that fit into JSON."""
        return {**asdict(self), "at": self.at.isoformat()}

    def lines(self) -> Iterator[str]:
        """Yield the report line by line for a terminal."""
        yield f"{'Checked' if self.dry_run else 'Imported'} {self.source}"
        for entity, n in self.counts.items():
            yield (
                f"  {entity:<13} {n.added:>9,} added {n.changed:>9,} changed "
                f"{n.unchanged:>9,} unchanged {n.rejected:>7,} rejected"
            )
        yield from _block("Refused files", self.refused)
        yield from _block("Notes", self.notes)
        yield from _block("Findings", [finding.sentence for finding in self.findings])
        yield from _block("Rejected rows", self._reject_lines())

    def _reject_lines(self) -> list[str]:
        shown = [f"{r.file}, row {r.row}: {r.reason}" for r in self.rejects[:SHOWN]]
        rest = len(self.rejects) + self.rejects_beyond - len(shown)
        return [*shown, f"… and {rest:,} more"] if rest else shown


def _block(title: str, items: list[str]) -> Iterator[str]:
    if items:
        yield f"{title}:"
        yield from (f"  - {item}" for item in items)
