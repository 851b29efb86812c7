"""Key figures of a portfolio, each with its exact formula: pure.

Money is compared within one currency only. A figure without anything to measure is None, never zero.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True)
class Retention:
    """Revenue a month of the accounts that were there at the start: then, and at the end.

    Args:
        start, end: revenue by account; who is missing at the end has left.
    """

    start: Mapping[int, float]
    end: Mapping[int, float]

    @property
    def gross(self) -> float | None:
        """Gross revenue retention: Σ min(end, start) / Σ start. Growth does not count, losses and shrinking do."""
        kept = sum(min(amount, self.end.get(account, 0.0)) for account, amount in self.start.items())
        return self._share(kept)

    @property
    def net(self) -> float | None:
        """Net revenue retention: Σ end / Σ start over the accounts of the start. New accounts do not count."""
        return self._share(sum(self.end.get(account, 0.0) for account in self.start))

    @property
    def expansion(self) -> float:
        """Expansion revenue a month: Σ max(end − start, 0) over the accounts of the start."""
        return sum(max(self.end.get(account, 0.0) - amount, 0.0) for account, amount in self.start.items())

    def _share(self, amount: float) -> float | None:
        total = sum(self.start.values())
        return amount / total if total else None


def share(part: int, of: int) -> float | None:
    """Return part / of; logo churn is lost accounts / accounts at the start, conversion is paying / ended trials."""
    return part / of if of else None


def nps(scores: Sequence[float]) -> float | None:
    """Net promoter score, −100 to 100: 100 × (answers of 9 and 10 − answers of 0 to 6) / answers (Reichheld 2003)."""
    if not scores:
        return None
    return 100 * (sum(score >= 9 for score in scores) - sum(score <= 6 for score in scores)) / len(scores)


def mean(values: Sequence[float]) -> float | None:
    """Arithmetic mean; CSAT and CES are the means of their answers, 1 to 5."""
    return sum(values) / len(values) if values else None


def middle(values: Sequence[float]) -> float | None:
    """Median; times (to value, to the first response) are told by it, since a few long ones would move a mean."""
    return median(values) if values else None
