"""Signals open once, close and open again; broken data become an incident instead of hundreds of signals."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from sqlmodel import Session, col, select

from scoring.signals import SIGNALS, Signals, load_signals
from storage.database import Database, insert_rows
from storage.freshness import largest_gap
from storage.models import Account, Bookmark, Signal, SignalWait, Ticket
from storage.usage import UsageStore
from tests.scoring.feature_columns import COLUMNS, table
from tests.tools.portfolio import TODAY, at, context
from tools.context import Context
from tools.incidents import data_incidents
from tools.signals import SignalChanges, update_signals

DECLARED = load_signals(SIGNALS, COLUMNS)
SOURCE_OF = dict.fromkeys(COLUMNS, "account") | {
    "usage_change_28d": "usage", "usage_change_7d": "usage", "days_since_use": "usage", "active_users": "usage",
    "nps": "survey_response", "failed_payments_14d": "invoice", "open_escalations": "ticket", "health": "snapshot",
    "health_change_1d": "snapshot", "health_change_7d": "snapshot",
}  # fmt: skip
FRESH = {"usage": TODAY, "ticket": TODAY}


def day(n: int) -> date:
    return TODAY + timedelta(days=n)


@pytest.fixture
def session(any_database: Database, tmp_path: Path) -> Iterator[Session]:
    with any_database.session("main") as session:
        rows = [{"external_id": f"a{n}", "name": f"Account {n}", "started_on": day(-400)} for n in range(1, 41)]
        defaults = {"industry": "saas", "currency": "USD", "status": "active"}
        insert_rows(session, Account, [row | defaults for row in rows])
        session.commit()
        yield session


@pytest.fixture
def ctx(session: Session, tmp_path: Path) -> Context:
    return replace(context(Database("sqlite://"), UsageStore(str(tmp_path / "usage"))), workspace_id="main")


def run(
    ctx: Context, session: Session, n: int, *rows: dict[str, Any], declared: Signals = DECLARED, **changes: Any
) -> SignalChanges:
    """Evaluate day `n` for one account per row; freshness follows the day unless it is given."""
    newest = {source: day(n) for source in FRESH} | changes.pop("freshness", {})
    found = update_signals(ctx, session, day(n), table(*rows, **changes), declared, source_of=SOURCE_OF,
                           freshness=newest)  # fmt: skip
    session.commit()
    return found


def stored(session: Session) -> list[tuple[Any, ...]]:
    session.expire_all()
    rows = session.exec(select(Signal).order_by(col(Signal.account_id), col(Signal.kind), col(Signal.opened_on))).all()
    return [(s.account_id, s.kind, (s.opened_on - TODAY).days, s.closed_on and (s.closed_on - TODAY).days)
            for s in rows]  # fmt: skip


def kinds(frame: pl.DataFrame) -> list[tuple[int, str]]:
    return sorted(frame.select("account_id", "kind").iter_rows())


LOW = {"nps": 3}


def test_a_signal_opens_once_with_its_severity_and_evidence(ctx: Context, session: Session) -> None:
    first = run(ctx, session, 0, LOW, {})
    assert kinds(first.opened) == [(1, "nps_detractor")]
    assert first.opened["severity"].to_list() == [4]
    for n in (1, 2, 30):
        assert run(ctx, session, n, {"nps": 4}, {}).opened.height == 0
    signal = session.exec(select(Signal)).one()
    assert (signal.kind, signal.severity, signal.opened_on, signal.closed_on) == ("nps_detractor", 4, TODAY, None)
    assert signal.evidence == {"nps": 3.0, "nps_change": 0.0, "csat": 4.0} == json.loads(first.opened["evidence"][0])


def test_a_signal_closes_when_its_condition_ends_and_opens_again_when_it_returns(
    ctx: Context, session: Session
) -> None:
    run(ctx, session, 0, LOW)
    assert kinds(run(ctx, session, 3, {}).closed) == [(1, "nps_detractor")]
    assert run(ctx, session, 4, {}).closed.height == 0
    assert kinds(run(ctx, session, 5, LOW).opened) == [(1, "nps_detractor")]
    assert stored(session) == [(1, "nps_detractor", 0, 3), (1, "nps_detractor", 5, None)]


def test_a_signal_with_its_own_end_stays_open_in_between(ctx: Context, session: Session) -> None:
    run(ctx, session, 0, {"usage_change_28d": -0.4})
    assert ("usage_down_month" in run(ctx, session, 1, {"usage_change_28d": -0.25}).closed["kind"]) is False
    assert kinds(run(ctx, session, 2, {"usage_change_28d": -0.05}).closed) == [
        (1, "engagement_declining"), (1, "usage_down_month")
    ]  # fmt: skip


def test_signals_of_an_account_that_is_gone_and_of_a_kind_that_is_gone_close(ctx: Context, session: Session) -> None:
    run(ctx, session, 0, LOW, LOW | {"failed_payments_14d": 1})
    gone = run(ctx, session, 1, LOW)
    assert kinds(gone.closed) == [(2, "nps_detractor"), (2, "payment_failed")]
    fewer = Signals(tuple(r for r in DECLARED if r.kind != "nps_detractor"), DECLARED.columns)
    assert kinds(run(ctx, session, 2, LOW, declared=fewer).closed) == [(1, "nps_detractor")]


def test_the_same_day_again_changes_nothing(ctx: Context, session: Session) -> None:
    rows = (LOW, {"failed_payments_14d": 1}, {"health": 70})
    run(ctx, session, 0, *rows)
    run(ctx, session, 1, {}, *rows[1:])
    before = stored(session)
    again = run(ctx, session, 1, {}, *rows[1:])
    assert (again.opened.height, again.closed.height, stored(session)) == (0, 0, before)


def test_a_day_of_the_past_touches_nothing(ctx: Context, session: Session) -> None:
    run(ctx, session, 0, LOW)
    run(ctx, session, 5, {})
    before = stored(session)
    for n in (0, 3, 4, -30):
        replayed = run(ctx, session, n, LOW, {"failed_payments_14d": 1})
        assert (replayed.opened.height, replayed.closed.height) == (0, 0)
    assert stored(session) == before == [(1, "nps_detractor", 0, 5)]


def test_other_data_for_the_same_day_open_close_and_open_again_without_a_second_row(
    ctx: Context, session: Session
) -> None:
    run(ctx, session, 0, {})
    run(ctx, session, 1, LOW)
    assert stored(session) == [(1, "nps_detractor", 1, None)]
    run(ctx, session, 1, {})
    assert stored(session) == [(1, "nps_detractor", 1, 1)]
    run(ctx, session, 1, LOW)
    assert stored(session) == [(1, "nps_detractor", 1, None)]


def test_a_condition_that_must_last_opens_after_its_days_and_waits_anew_after_a_break(
    ctx: Context, session: Session
) -> None:
    fair = {"health": 70}
    run(ctx, session, 0, {})
    opened = [n for n in range(1, 12) if run(ctx, session, n, {} if n == 3 else fair).opened.height]
    assert opened == [11]  # the wait began on day 4, and the kind asks for 7 days
    assert session.exec(select(SignalWait)).one().since == day(4)
    run(ctx, session, 12, {})
    assert session.exec(select(SignalWait)).all() == []


def test_what_must_last_opens_at_once_on_the_very_first_day(ctx: Context, session: Session) -> None:
    assert kinds(run(ctx, session, 0, {"health": 70}).opened) == [(1, "health_middling")]


def test_workspaces_do_not_see_each_others_signals(ctx: Context, session: Session, any_database: Database) -> None:
    run(ctx, session, 0, LOW)
    with any_database.session("other") as other:
        account = Account(external_id="x", name="X", started_on=day(-9))
        other.add(account)
        other.commit()
        empty = pl.DataFrame({"account_id": [account.id]})
        changes = update_signals(ctx, other, day(1), empty, DECLARED, source_of=SOURCE_OF, freshness={})
        other.commit()
    assert changes.closed.height == 0
    assert stored(session) == [(1, "nps_detractor", 0, None)]


# ── incidents of the data ──


def fleet(bad: int, change: dict[str, Any], size: int = 40) -> list[dict[str, Any]]:
    return [change if n < bad else {} for n in range(size)]


STOPPED = {"usage_change_7d": -0.9}


def test_a_fleet_that_moves_at_once_is_one_incident_and_no_signals(ctx: Context, session: Session) -> None:
    run(ctx, session, 0, *fleet(1, STOPPED))
    moved = run(ctx, session, 1, *fleet(40, STOPPED))
    assert moved.opened.height == 0
    assert [(i.kind, i.source, i.evidence) for i in moved.incidents] == [
        ("fleet:usage_halved", "account,usage", {"would_open": 39, "accounts": 40, "share": 0.975})
    ]
    assert [i.kind for i in run(ctx, session, 1, *fleet(40, STOPPED)).incidents] == ["fleet:usage_halved"]
    assert stored(session) == [(1, "usage_halved", 0, None)]


def test_an_incident_closes_by_itself_and_what_is_left_opens_as_signals(ctx: Context, session: Session) -> None:
    run(ctx, session, 0, *fleet(0, STOPPED))
    run(ctx, session, 1, *fleet(30, STOPPED))
    assert len(data_incidents(session, day(1))) == 1
    after = run(ctx, session, 2, *fleet(2, STOPPED))
    assert (after.incidents, after.opened.height) == ((), 2)
    assert data_incidents(session, day(2)) == []
    assert [i.closed_on for i in data_incidents(session, day(1))] == [day(2)]  # how it was on that day


@pytest.mark.parametrize(
    "bad, size, is_incident",
    [(10, 40, False), (11, 40, True), (9, 20, False), (10, 20, True), (19, 19, False)],
)
def test_an_incident_takes_a_quarter_of_twenty_accounts_and_ten(
    ctx: Context, session: Session, bad: int, size: int, is_incident: bool
) -> None:
    run(ctx, session, 0, *fleet(0, LOW, size))
    found = run(ctx, session, 1, *fleet(bad, LOW, size))
    assert (len(found.incidents), found.opened.height) == ((1, 0) if is_incident else (0, bad))


def test_a_fleet_that_moves_in_two_halves_of_one_day_is_noticed(ctx: Context, session: Session) -> None:
    run(ctx, session, 0, *fleet(0, LOW))
    assert run(ctx, session, 1, *fleet(9, LOW)).opened.height == 9
    assert len(run(ctx, session, 1, *fleet(18, LOW)).incidents) == 1


def test_the_very_first_evaluation_opens_all_that_holds_also_when_it_is_repeated(
    ctx: Context, session: Session
) -> None:
    assert run(ctx, session, 0, *fleet(40, LOW)).opened.height == 40
    again = run(ctx, session, 0, *fleet(40, LOW))
    assert (again.opened.height, again.incidents) == (0, ())


def test_a_kind_that_is_declared_later_has_a_first_day_of_its_own(ctx: Context, session: Session) -> None:
    fewer = Signals(tuple(r for r in DECLARED if r.kind != "nps_detractor"), DECLARED.columns)
    run(ctx, session, 0, *fleet(40, LOW), declared=fewer)
    assert run(ctx, session, 1, *fleet(40, LOW)).opened.height == 40


def test_what_the_calendar_brings_to_all_is_no_incident(ctx: Context, session: Session) -> None:
    run(ctx, session, 0, *fleet(0, {}))
    found = run(ctx, session, 1, *fleet(40, {"days_to_renewal": 60}))
    assert (found.opened.height, found.incidents) == (40, ())


def test_a_late_source_is_an_incident_and_neither_opens_nor_closes_what_rests_on_it(
    ctx: Context, session: Session
) -> None:
    run(ctx, session, 0, {"usage_change_7d": -0.9}, {})
    late = {"usage": day(0)}
    assert run(ctx, session, 3, {"usage_change_7d": -0.9}, {}, freshness=late).incidents == ()
    found = run(ctx, session, 4, {}, {"usage_change_7d": -0.9, "health_change_7d": -30, "nps": 3}, freshness=late)
    assert [(i.kind, i.source, i.evidence) for i in found.incidents] == [
        ("stale:usage", "usage", {"newest": str(day(0)), "days": 4, "usual": 3})
    ]
    assert (kinds(found.opened), found.closed.height) == ([(2, "nps_detractor")], 0)
    back = run(ctx, session, 5, {}, {"usage_change_7d": -0.9})
    assert (kinds(back.opened), back.incidents) == ([(2, "usage_halved")], ())
    assert kinds(back.closed) == [(1, "usage_halved"), (2, "nps_detractor")]


def test_when_every_source_ends_it_is_an_old_import_and_no_incident(ctx: Context, session: Session) -> None:
    found = run(ctx, session, 0, LOW, freshness={"usage": day(-90), "ticket": day(-90)})
    assert (found.incidents, found.opened.height) == ((), 1)


def test_a_source_that_never_spoke_is_not_late(ctx: Context, session: Session) -> None:
    assert run(ctx, session, 0, {}, freshness={"invoice": None}).incidents == ()


def test_a_source_may_be_silent_for_four_times_its_usual_gap_and_two_weeks(ctx: Context, session: Session) -> None:
    given = [{"external_id": f"t{n}", "account_id": 1, "opened_at": at(n), "severity": "normal", "escalated": False,
              "self_service": False} for n in (80, 74, 68, 62)]  # fmt: skip
    insert_rows(session, Ticket, given)
    session.commit()
    newest = day(-62)
    assert largest_gap(session, "ticket", newest) == 6
    late = {"ticket": newest}
    assert run(ctx, session, -62 + 24, {}, freshness=late).incidents == ()
    assert [i.kind for i in run(ctx, session, -62 + 25, {}, freshness=late).incidents] == ["stale:ticket"]
    assert [i.kind for i in run(ctx, session, 0, {}, freshness={"invoice": day(-15)}).incidents] == ["stale:invoice"]


def test_the_bookmarks_are_one_for_the_day_and_one_for_each_kind(ctx: Context, session: Session) -> None:
    for n in (0, 0, 1):
        run(ctx, session, n, {})
    marks = dict(session.exec(select(col(Bookmark.name), col(Bookmark.day))).all())
    assert marks.pop("signals") == day(1)
    assert len(marks) == len(DECLARED.rules)
    assert set(marks.values()) == {day(0)}
