"""Incidents of the data: when a source is late or the whole fleet moves, it is the data and not the customers."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import polars as pl
from sqlmodel import Session, col, or_, select

from scoring.catalogue import source_words
from scoring.signals import Rule, Signals, informed
from storage.freshness import largest_gap
from storage.models import DataIncident
from tools.facts import day

Freshness = Mapping[str, date | None]  # source -> day of its newest fact
USAGE_LATE = 3  # days without usage that are still normal: a day's usage arrives during the next night
USUAL_GAPS = 4  # another source is late after so many times its usual longest silence …
LEAST_SILENCE = 14  # … and never before so many days
FLEET = 20  # with fewer accounts that have the data, many at once are no fleet
FLEET_SHARE = 0.25
FLEET_LEAST = 10


@dataclass(frozen=True)
class Suspicion:
    """A reason not to believe the data.

    Args:
        kind: `stale:<source>` or `fleet:<kind of signal>`.
        source: the sources that it is about, by comma.
    """

    kind: str
    source: str
    evidence: dict[str, Any]


def stale_sources(session: Session, as_of: date, freshness: Freshness) -> list[Suspicion]:
    """Find the sources that went silent while others still speak.

    When all are silent the data as a whole end there, which is an old import and no incident.
    """
    ages = {source: (as_of - newest).days for source, newest in freshness.items() if newest is not None}
    late = []
    for source, age in ages.items():
        allowed = _allowed(session, source, age, freshness[source] or as_of)
        if age > allowed:
            evidence = {"newest": str(freshness[source]), "days": age, "usual": allowed}
            late.append(Suspicion(f"stale:{source}", source, evidence))
    return late if len(late) < len(ages) else []


def fleet_moves(
    signals: Signals, features: pl.DataFrame, opening: pl.DataFrame, new: set[str], needs: Mapping[str, set[str]]
) -> list[Suspicion]:
    """Find the kinds that would open for so many accounts in one day that the data must have changed.

    Args:
        opening: `account_id`, `kind` of what would open, or did open, on this day.
        new: kinds that are evaluated for the first time; all that holds opens then, and says nothing of a day.
        needs: the sources of each kind.
    """
    counts = dict(opening.group_by("kind").len().iter_rows())
    known = informed(signals, features)
    found = []
    for rule in signals:
        count = counts.get(rule.kind, 0)
        accounts = max(known[rule.kind], count)
        if rule.kind not in new and _is_fleet(rule, count, accounts):
            evidence = {"would_open": count, "accounts": accounts, "share": round(count / accounts, 4)}
            found.append(Suspicion(f"fleet:{rule.kind}", ",".join(sorted(needs[rule.kind])), evidence))
    return found


def record_incidents(session: Session, as_of: date, suspicions: list[Suspicion]) -> tuple[DataIncident, ...]:
    """Open what is new, close what is over, and return every incident that is open on the day."""
    still = {suspicion.kind: suspicion for suspicion in suspicions}
    there = {incident.kind: incident for incident in _known(session, as_of)}
    for kind, incident in there.items():
        incident.closed_on = None if kind in still else incident.closed_on or as_of
        session.add(incident)
    for kind in still.keys() - there.keys():
        suspicion = still[kind]
        incident = DataIncident(kind=kind, source=suspicion.source, opened_on=as_of, evidence=suspicion.evidence)
        session.add(incident)
        there[kind] = incident
    session.flush()
    return tuple(there[kind] for kind in sorted(still))


def data_incidents(session: Session, as_of: date) -> list[DataIncident]:
    """Return the incidents that are open on a day, the oldest first."""
    on_day = or_(col(DataIncident.closed_on).is_(None), col(DataIncident.closed_on) > as_of)
    query = select(DataIncident).where(col(DataIncident.opened_on) <= as_of, on_day)
    return list(session.exec(query.order_by(col(DataIncident.opened_on), col(DataIncident.kind))))


def incident_words(incident: DataIncident, titles: Mapping[str, str]) -> str:
    """Say what is wrong with the data, and what follows from it.

    Args:
        titles: of the kinds of signals.
    """
    about, _, name = incident.kind.partition(":")
    seen = incident.evidence or {}
    if about == "stale":
        newest = day(date.fromisoformat(seen["newest"]))
        return f"No new {source_words(name)} since {newest}: what needs them waits until they are back."
    return (
        f"“{titles.get(name, name)}” would hold for {seen['would_open']:,} of {seen['accounts']:,} accounts at once: "
        "look at the data first, no signals were opened."
    )


def _allowed(session: Session, source: str, age: int, newest: date) -> int:
    """Days of silence that are normal; the usual gap is only asked for where it decides."""
    if source == "usage":
        return USAGE_LATE
    if age <= LEAST_SILENCE:
        return LEAST_SILENCE
    return max(LEAST_SILENCE, USUAL_GAPS * (largest_gap(session, source, newest) or 0))


def _is_fleet(rule: Rule, count: int, accounts: int) -> bool:
    many = count >= FLEET_LEAST and count > FLEET_SHARE * accounts
    return rule.declared.fleet_check and accounts >= FLEET and many


def _known(session: Session, as_of: date) -> list[DataIncident]:
    """Open incidents, and those closed on this very day, which a second look may open again."""
    known = or_(col(DataIncident.closed_on).is_(None), col(DataIncident.closed_on) == as_of)
    return list(session.exec(select(DataIncident).where(known)))
