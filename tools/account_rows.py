"""One account as lists, briefs and digests show it: its score, what counts instead, and why."""

from dataclasses import dataclass
from datetime import date

from sqlmodel import Session

from scoring.health import Drivers, drivers, read_raw
from scoring.reasons import Reason, reasons, strengths
from scoring.scorecard import Scorecard
from storage import queries
from storage.models import Account, HealthOverride, Snapshot

TREND_DAYS = 30
COMPARABLE = 0.1  # scores whose coverage differs by more rest on different data; their change means nothing


@dataclass(frozen=True)
class Override:
    """A colleague's judgement that stands in place of the computed score until it expires."""

    by: str
    note: str
    expires_on: date
    value: float | None
    computed: float | None
    computed_band: str | None


@dataclass(frozen=True)
class AccountRow:
    """One account as lists show it. Amounts a year in `currency`; health 0-100 or None without enough data.

    `health` and `band` are what counts: an override where there is one. Reasons explain the computed score.
    """

    id: int
    external_id: str
    name: str
    owner_email: str | None
    segment: str | None
    plan: str | None
    industry: str
    currency: str
    arr: float | None
    renewal_on: date | None
    health: float | None
    band: str | None
    coverage: float
    change: float | None
    loss_probability: float | None
    reasons: tuple[Reason, ...] = ()
    strengths: tuple[Reason, ...] = ()
    scorecard: str = ""
    override: Override | None = None

    @property
    def revenue_at_risk(self) -> float | None:
        """Revenue a year times the probability of losing it, where both are known."""
        if self.arr is None or self.loss_probability is None:
            return None
        return self.arr * self.loss_probability


class Runs:
    """The scoring runs that a request needs, each read once."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._known: dict[tuple[str, date], tuple[Scorecard, list[float]]] = {}

    def drivers(self, snapshot: Snapshot | None) -> Drivers | None:
        """What made a stored score, against the portfolio of its day."""
        if snapshot is None or snapshot.raw is None:
            return None
        card, means = self.of(snapshot)
        return drivers(card, means, read_raw(snapshot.raw))

    def of(self, snapshot: Snapshot) -> tuple[Scorecard, list[float]]:
        """The scorecard as it was on a snapshot's day, and the portfolio's mean points."""
        key = (snapshot.scorecard, snapshot.day)
        if key not in self._known:
            run = queries.scoring_run(self._session, *key)
            self._known[key] = (Scorecard.model_validate(run.card), run.means)
        return self._known[key]


def account_row(
    runs: Runs,
    account: Account,
    now: Snapshot | None,
    before: Snapshot | None,
    override: HealthOverride | None,
    loss: float | None,
) -> AccountRow:
    made, earlier = runs.drivers(now), runs.drivers(before)
    value, was = (now.value if now else None), (before.value if before else None)
    band = now.band if now else None
    return AccountRow(
        id=account.id or 0,
        external_id=account.external_id,
        name=account.name,
        owner_email=account.owner_email,
        segment=account.segment,
        plan=account.plan,
        industry=account.industry,
        currency=account.currency,
        arr=None if account.mrr is None else account.mrr * 12,
        renewal_on=account.renewal_on,
        health=override.value if override and override.value is not None else value,
        band=override.band if override else band,
        coverage=now.coverage if now else 0.0,
        change=None if value is None or was is None else round(value - was, 1),
        loss_probability=loss,
        reasons=tuple(reasons(made, earlier)),
        strengths=tuple(strengths(made)),
        scorecard=now.scorecard if now else "",
        override=_override(override, value, band),
    )


def _override(made: HealthOverride | None, value: float | None, band: str | None) -> Override | None:
    return Override(made.by, made.note, made.expires_on, made.value, value, band) if made else None
