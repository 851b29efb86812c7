"""Open and close signals in bulk: each account and kind once, and none from data that cannot be believed."""

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

import polars as pl
from sqlmodel import Session, col, or_, select

from scoring.signals import FOUND, Rule, Signals, evaluate, lasting
from storage.bulk import change_rows, remove_rows
from storage.database import insert_frame, insert_rows
from storage.models import Bookmark, DataIncident, Signal, SignalWait
from storage.queries import read_frame
from tools.context import Context
from tools.incidents import Freshness, Suspicion, fleet_moves, record_incidents, stale_sources

NEWEST = "signals"  # the bookmark of the newest day that was evaluated
WHO = ["account_id", "kind"]


@dataclass(frozen=True, eq=False)
class SignalChanges:
    """What one day changed.

    Args:
        opened: `account_id`, `kind`, `evidence` (JSON text), `severity`.
        closed: `account_id`, `kind`.
        incidents: the incidents of the data that are open on the day.
    """

    opened: pl.DataFrame
    closed: pl.DataFrame
    incidents: tuple[DataIncident, ...] = ()


def update_signals(
    ctx: Context,
    session: Session,
    as_of: date,
    features: pl.DataFrame,
    declared: Signals,
    *,
    source_of: Mapping[str, str],
    freshness: Freshness,
) -> SignalChanges:
    """Bring the stored signals and data incidents to a day. The caller commits.

    The same day again changes nothing unless the features did; a day before the newest one is left as it was.

    Args:
        features: the feature table of the day, one row per current account.
        source_of: the source of each feature, under the names of `freshness`.
        freshness: the day of the newest fact of each source up to `as_of`.
    """
    newest = _bookmark(session, NEWEST)
    if newest is not None and newest > as_of:
        return SignalChanges(_nothing(), _nothing().select(WHO))
    day = _Day(session, as_of, declared)
    needs = {rule.kind: _sources(rule, source_of) for rule in declared}
    stale = stale_sources(session, as_of, freshness)
    held = {kind for kind, sources in needs.items() if sources & {each.source for each in stale}}
    ready = day.waited(evaluate(declared, features).filter(~pl.col("kind").is_in(held)), held)
    fresh = ready.join(day.open, on=WHO, how="anti")
    moves = fleet_moves(declared, features, pl.concat([fresh.select(WHO), day.opened_today]), day.new_kinds, needs)
    fresh = fresh.filter(~pl.col("kind").is_in(_fleet_kinds(moves)))
    over = day.over(features, held)
    day.write(fresh, over)
    severity = pl.col("kind").replace_strict({r.kind: r.declared.severity for r in declared}, return_dtype=pl.Int64)
    incidents = record_incidents(session, as_of, [*stale, *moves])
    return SignalChanges(fresh.with_columns(severity.alias("severity")), over.select(WHO), incidents)


class _Day:
    """One day's stored signals: what is open, what closed or opened today, what waits."""

    def __init__(self, session: Session, as_of: date, declared: Signals) -> None:
        self.session, self.as_of, self.declared = session, as_of, declared
        known = or_(col(Signal.closed_on).is_(None), col(Signal.closed_on) == as_of)
        stored = read_frame(session, Signal, ("id", *WHO, "opened_on", "closed_on"), known)
        self.open = stored.filter(pl.col("closed_on").is_null())
        self.closed_today = stored.filter(pl.col("closed_on").is_not_null())
        self.opened_today = self.open.filter(pl.col("opened_on") == as_of).select(WHO)
        first = dict(
            session.exec(select(col(Bookmark.name), col(Bookmark.day)).where(col(Bookmark.name).like("signal:%"))).all()
        )
        self.unknown = [rule for rule in declared if _name(rule) not in first]
        self.new_kinds = {rule.kind for rule in declared if first.get(_name(rule), as_of) == as_of}

    def waited(self, found: pl.DataFrame, held: set[str]) -> pl.DataFrame:
        """Keep what has held for as long as its kind asks; a kind seen for the first time has no past to wait for."""
        days = {r.kind: r.declared.for_days for r in self.declared if r.declared.for_days}
        if not days:
            return found
        since = read_frame(self.session, SignalWait, ("id", *WHO, "since"))
        waiting = found.filter(pl.col("kind").is_in(list(days))).join(since, on=WHO, how="left")
        ended = since.filter(~pl.col("kind").is_in(held)).join(found, on=WHO, how="anti")
        begun = waiting.filter(pl.col("id").is_null()).select(*WHO, pl.lit(self.as_of).alias("since"))
        remove_rows(self.session, SignalWait, ended["id"].to_list())
        insert_rows(self.session, SignalWait, begun.iter_rows(named=True), unless=WHO)
        held_for = (pl.lit(self.as_of) - pl.col("since")).dt.total_days().fill_null(0)
        long = held_for >= pl.col("kind").replace_strict(days, default=0, return_dtype=pl.Int64)
        ready = waiting.filter(long | pl.col("kind").is_in(self.new_kinds)).select(*FOUND)
        return pl.concat([found.filter(~pl.col("kind").is_in(list(days))), ready])

    def over(self, features: pl.DataFrame, held: set[str]) -> pl.DataFrame:
        """Open signals that end: their condition did, or the account is gone. Late data end nothing."""
        there = pl.col("account_id").is_in(features["account_id"].cast(pl.Int64).implode())
        kept = there & pl.col("kind").is_in(held)
        return self.open.join(lasting(self.declared, features), on=WHO, how="anti").filter(~kept)

    def write(self, fresh: pl.DataFrame, over: pl.DataFrame) -> None:
        again = self.closed_today.join(fresh, on=WHO, how="semi")
        new = fresh.join(again, on=WHO, how="anti")
        change_rows(self.session, Signal, over["id"].to_list(), {"closed_on": self.as_of})
        change_rows(self.session, Signal, again["id"].to_list(), {"closed_on": None})
        insert_frame(self.session, Signal, self._rows(new), unless=(*WHO, "opened_on"))
        _keep_bookmark(self.session, NEWEST, self.as_of)
        insert_rows(self.session, Bookmark, [{"name": _name(r), "day": self.as_of} for r in self.unknown], ("name",))

    def _rows(self, new: pl.DataFrame) -> pl.DataFrame:
        severity = {rule.kind: rule.declared.severity for rule in self.declared}
        return new.sort(WHO).select(  # in the order of the indexes, which are then only appended to
            *WHO,
            pl.col("kind").replace_strict(severity, return_dtype=pl.Int64).alias("severity"),
            pl.lit(self.as_of).alias("opened_on"),
            "evidence",
        )


def _sources(rule: Rule, source_of: Mapping[str, str]) -> set[str]:
    return {source_of[name] for name in rule.features if name in source_of} | set(rule.declared.also_needs)


def _fleet_kinds(moves: list[Suspicion]) -> list[str]:
    return [move.kind.partition(":")[2] for move in moves]


def _name(rule: Rule) -> str:
    """The bookmark of a kind's first day; another condition under the same kind begins anew."""
    return f"signal:{rule.kind}:{zlib.crc32(rule.declared.when.encode()):08x}"


def _bookmark(session: Session, name: str) -> date | None:
    return session.exec(select(col(Bookmark.day)).where(Bookmark.name == name)).first()


def _keep_bookmark(session: Session, name: str, day: date) -> None:
    insert_rows(session, Bookmark, [{"name": name, "day": day}], unless=("name",))
    mark = session.exec(select(Bookmark).where(Bookmark.name == name)).one()
    mark.day = day
    session.add(mark)
    session.flush()


def _nothing() -> pl.DataFrame:
    return pl.DataFrame(schema={**FOUND, "severity": pl.Int64})
