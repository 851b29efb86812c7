"""What the engine of plays decides, one reason at a time, from plays, accounts and what happened before alone."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl
import pytest

from knowledge.kinds import Play
from knowledge.play_intents import HELD_OUT, STARTS, TOUCHES, Decisions, History, Limits, Run, assigned
from knowledge.play_times import due_at, open_at
from knowledge.plays import decide, eligible
from tests.knowledge.play_worlds import NOW, accounts, email, play, signals, task

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
LATER = NOW + 2 * HOUR
LIMITS = Limits()


def decided(
    *plays: Play, table: pl.DataFrame | None = None, runs: list[Run] | None = None, opened: tuple[Any, ...] = (),
    starts: tuple[Any, ...] = (), touches: tuple[Any, ...] = (), now: datetime = NOW, limits: Limits = LIMITS,
) -> Decisions:  # fmt: skip
    table = accounts({}) if table is None else table
    past = History(frame(starts, STARTS), frame(touches, TOUCHES))
    found = eligible(plays, table, signals(*opened))
    return decide({p.id: p for p in plays}, found, runs or [], table, past, now, limits)


def frame(rows: tuple[Any, ...], schema: Any) -> pl.DataFrame:
    return pl.DataFrame([(a, p, at.replace(tzinfo=None)) for a, p, at in rows], schema=schema, orient="row")


def holds(found: Decisions) -> dict[str, str]:
    return dict(found.holds.select("play", "because").iter_rows())


def run(of: Play, number: int = 1, **changes: Any) -> Run:
    given: dict[str, Any] = {"id": number, "account_id": 1, "play": of, "state": "running", "started_at": NOW}
    return Run(**given | changes)


def ends(found: Decisions) -> dict[int, str]:
    return {stop.run: stop.because for stop in found.stops}


# ── who a play is for ──


@pytest.mark.parametrize(
    ("account", "meant"),
    [({}, True), ({"health": 70.0}, False), ({"health": 85.0}, False), ({"status": "churned"}, False),
     ({"health": None}, False)],
)  # fmt: skip
def test_a_play_is_for_accounts_that_trigger_it_and_are_its_audience(account: dict[str, Any], meant: bool) -> None:
    assert (eligible([play()], accounts(account), signals()).rows.height == 1) is meant


def test_a_play_is_not_for_accounts_that_have_reached_its_goal_already() -> None:
    found = eligible([play(goal="use >= 2")], accounts({}, {"use": 1.0}, {"use": None}), signals())
    assert found.rows["account_id"].to_list() == [2, 3]


def test_a_signal_and_a_predicate_have_to_hold_both_and_the_worst_signal_is_the_reason() -> None:
    both = play(trigger={"signals": ["drop", "left"], "when": "health < 60"})
    opened = ((1, "drop", date(2026, 5, 1), 2), (1, "left", date(2026, 5, 2), 5), (2, "drop", date(2026, 5, 1), 2))
    found = eligible([both], accounts({}, {"health": 70.0}, {}), signals(*opened))
    assert found.rows.rows() == [(1, "checking", "signal left since 2026-05-02, health 50", 5)]


def test_the_reason_tells_the_accounts_own_figures_as_far_as_they_are_known() -> None:
    wide = play(trigger={"when": "health < 60 OR use > 5"})
    found = eligible([wide], accounts({"health": 49.876}, {"use": None}), signals())
    assert found.rows["because"].to_list() == ["health 49.87, use 2", "health 50"]


@pytest.mark.parametrize("text", ["nonsense > 1", "status > 1"])
def test_a_predicate_that_cannot_be_asked_disables_its_play_alone(text: str) -> None:
    broken = play("broken", trigger={"when": text})
    found = decided(broken, play())
    assert list(found.errors) == ["broken"]
    assert "broken" in found.errors["broken"]
    assert [start.play for start in found.starts] == ["checking"]


def test_a_broken_predicate_of_a_running_play_holds_it_and_no_other() -> None:
    broken = play("broken", steps=[email("first", "0h", when="nonsense > 1")])
    found = decided(runs=[run(broken), run(play(), 2)])
    assert [(step.run, step.step) for step in found.steps] == [(2, "first")]
    assert "nonsense" in holds(found)["broken"]
    assert not found.stops


# ── what starts, and what is held back ──


def test_a_start_carries_its_reason_and_its_arm() -> None:
    (start,) = decided(play()).starts
    assert (start.account_id, start.play, start.because, start.variant) == (1, "checking", "health 50", "standard")


SLOW = play("slow", urgency="planned")


@pytest.mark.parametrize(
    ("which", "given", "because"),
    [
        ("checking", {"runs": [run(play(), state="running")]}, "already running"),
        ("checking", {"runs": [run(play(), state="paused")]}, "already paused"),
        ("checking", {"runs": [run(play(), state=HELD_OUT)]}, "hold-out"),
        ("checking", {"starts": ((1, "checking", NOW - 29 * DAY),)}, "cool-down until 5 May 2026"),
        ("checking", {"table": accounts({"snoozed_until": NOW.date()})}, "snoozed the account until 4 May 2026"),
        ("slow", {"table": accounts({"red_override": True})}, "rates the account red"),
        ("checking", {"touches": ((1, "other", NOW - HOUR),)}, "contact-frequency limit until 5 May 2026 after the"),
        ("checking", {"touches": ((1, "", NOW - HOUR),)}, "after a colleague's message"),
        ("checking", {"runs": [run(play("other", urgency="immediate"))]}, "the play other, as urgent or more, has"),
        ("checking", {"starts": ((1, "other", NOW - HOUR),)}, "another play was started for the account today"),
    ],
)
def test_a_start_is_held_back_for_each_reason(which: str, given: dict[str, Any], because: str) -> None:
    found = decided({"checking": play(), "slow": SLOW}[which], **given)
    assert not found.starts
    assert because in holds(found)[which]


@pytest.mark.parametrize(
    "given",
    [
        {"starts": ((1, "checking", NOW - 30 * DAY),)},
        {"table": accounts({"snoozed_until": NOW.date() - DAY})},
        {"table": accounts({"red_override": True})},
        {"touches": ((1, "other", NOW - DAY),)},
        {"touches": ((1, "checking", NOW - HOUR),)},
        {"runs": [run(play("other", urgency="routine"))]},
        {"starts": ((1, "other", NOW - DAY),)},
    ],
)
def test_a_start_is_free_where_the_reason_has_just_ended(given: dict[str, Any]) -> None:
    assert len(decided(play(), **given).starts) == 1


def test_an_immediate_play_and_one_that_begins_with_a_task_start_in_spite_of_the_frequency_limit() -> None:
    touched = {"touches": ((1, "other", NOW - HOUR),)}
    assert decided(play(urgency="immediate"), **touched).starts
    assert decided(play(steps=[task("look", "0h")]), **touched).starts


def test_of_one_accounts_plays_the_most_urgent_starts_and_the_others_wait() -> None:
    found = decided(SLOW, play(), play("now", urgency="immediate"))
    assert [start.play for start in found.starts] == ["now"]
    assert set(holds(found).values()) == {"the play now, as urgent or more, has the turn"}


def test_an_owner_gets_the_most_urgent_few_and_the_rest_is_held_back() -> None:
    urgent = play("urgent", urgency="immediate", trigger={"when": "health < 20"})
    table = accounts({}, {"arr": 9000.0}, {"health": 10.0}, {}, {"owner": "morgan@team.example"}, {"owner": None})
    found = decided(play(), urgent, table=table, limits=replace(LIMITS, starts_per_owner=2))
    assert [(s.account_id, s.play) for s in found.starts] == [
        (3, "urgent"), (2, "checking"), (5, "checking"), (6, "checking")
    ]  # fmt: skip
    said = {a: b for a, _, b in found.holds.iter_rows()}
    assert said[1] == said[4] == "the day's limit of 2 new plays for dana@team.example is reached"


def test_what_started_earlier_on_the_day_counts_against_the_days_limit() -> None:
    starts = ((2, "other", NOW - HOUR), (3, "other", NOW - DAY))
    found = decided(play(), table=accounts({}, {}, {}), starts=starts, limits=replace(LIMITS, starts_per_owner=2))
    assert [start.account_id for start in found.starts] == [1]


def test_the_hold_out_is_a_stable_share_and_variants_are_even() -> None:
    compared = play(holdout=0.2, steps=[email("first", "0h", variants={"story": "peer_story"})])
    arms = [assigned(compared, f"a{n}") for n in range(4000)]
    assert arms == [assigned(compared, f"a{n}") for n in range(4000)]
    counted = {arm: arms.count(arm) / 4000 for arm in set(arms)}
    assert counted == pytest.approx({HELD_OUT: 0.2, "standard": 0.4, "story": 0.4}, abs=0.03)
    other = play("another", holdout=0.2)
    assert {assigned(other, f"a{n}") for n in range(4000) if arms[n] == HELD_OUT} == {HELD_OUT, "standard"}


# ── steps ──


def test_a_due_step_is_done_and_the_next_one_waits_for_its_time() -> None:
    two = play(steps=[email("first", "0h"), email("second", "2d"), task("look", "1d")][:2])
    assert [s.step for s in decided(runs=[run(two)]).steps] == ["first"]
    after = run(two, done={"first": NOW})
    assert not decided(runs=[after], now=NOW + 2 * DAY - HOUR).steps
    assert [s.step for s in decided(runs=[after], now=NOW + 2 * DAY).steps] == ["second"]


def test_late_touchpoints_keep_their_distance_and_their_order() -> None:
    two = play(steps=[email("first", "0h"), email("second", "2d")])
    late = NOW + 3 * DAY
    assert [s.step for s in decided(runs=[run(two)], now=late).steps] == ["first"]
    after = run(two, done={"first": late})
    assert not decided(runs=[after], now=late + DAY).steps
    assert [s.step for s in decided(runs=[after], now=late + 4 * DAY).steps] == ["second"]  # 2 days on is a Saturday


def test_a_step_whose_condition_does_not_hold_when_it_is_due_is_left_out() -> None:
    asked = play(steps=[email("first", "0h", when="use > 3"), task("look", "0h", when="use < 3")])
    found = decided(runs=[run(asked)])
    assert [(s.step, s.because) for s in found.skips] == [("first", "it is for accounts with: use > 3")]
    assert [s.step for s in found.steps] == ["look"]


@pytest.mark.parametrize(("use", "step"), [(5.0, "much"), (2.0, "some"), (0.0, "little")])
def test_the_level_of_use_is_the_one_that_the_play_itself_names(use: float, step: str) -> None:
    branch = {"high": "use >= 4", "medium": "use >= 1 AND use < 4", "low": "use < 1"}
    levels = play(
        trigger={"when": "health < 60", "branch": branch},
        steps=[task("much", "0h", when="high"), task("some", "0h", when="medium"), task("little", "0h", when="low")],
    )
    assert [s.step for s in decided(runs=[run(levels)], table=accounts({"use": use})).steps] == [step]


def test_the_more_urgent_play_has_the_turn_and_the_other_waits_also_while_it_is_only_about_to_speak() -> None:
    soon, now = play("calm"), play("now", urgency="immediate", steps=[email("first", "4h")])
    found = decided(runs=[run(soon, 1), run(now, 2)])
    assert not found.steps
    assert holds(found) == {"calm": "the play now, as urgent or more, has the turn"}
    found = decided(runs=[run(soon, 1), run(now, 2)], now=NOW + 4 * HOUR)
    assert [(s.run, s.step) for s in found.steps] == [(2, "first")]


def test_a_touchpoint_waits_for_the_limit_after_another_plays_and_a_task_does_not() -> None:
    both = play(steps=[email("first", "0h"), task("look", "0h")])
    found = decided(runs=[run(both)], touches=((1, "other", NOW - HOUR),))
    assert [s.step for s in found.steps] == ["look"]
    assert holds(found) == {"checking": "contact-frequency limit until 5 May 2026 after the play other"}


def test_a_snoozed_account_is_left_in_peace_and_a_paused_run_rests() -> None:
    quiet = decided(runs=[run(play())], table=accounts({"snoozed_until": NOW.date() + DAY}))
    assert not quiet.steps
    assert "snoozed" in holds(quiet)["checking"]
    assert not decided(runs=[run(play(), state="paused")]).steps


# ── times ──


@pytest.mark.parametrize(
    ("after", "zone", "expected"),
    [
        ("0h", "UTC", datetime(2026, 5, 4, 9)),
        ("4h", "UTC", datetime(2026, 5, 4, 13)),
        ("9h", "UTC", datetime(2026, 5, 5, 9)),  # after 17
        ("5d", "UTC", datetime(2026, 5, 11, 9)),  # a Saturday
        ("5wd", "UTC", datetime(2026, 5, 11, 9)),
        ("0h", "America/New_York", datetime(2026, 5, 4, 13)),  # 5 in the morning there
        ("0h", "Asia/Tokyo", datetime(2026, 5, 5, 0)),  # 18 there
    ],
)
def test_a_message_goes_out_in_the_contacts_working_hours(after: str, zone: str, expected: datetime) -> None:
    plan = play(steps=[email("first", after)])
    assert due_at(plan, plan.steps[0], NOW, {}, zone, timedelta(0)) == expected.replace(tzinfo=UTC)


def test_days_keep_the_local_hour_when_the_clocks_change() -> None:
    plan = play(steps=[email("first", "7d")])
    start = datetime(2026, 10, 21, 9, tzinfo=UTC)  # 11 in Berlin; summer time ends on the 25th
    assert due_at(plan, plan.steps[0], start, {}, "Europe/Berlin", timedelta(0)) == datetime(
        2026, 10, 28, 10, tzinfo=UTC
    )


def test_immediate_plays_and_tasks_do_not_wait_for_the_morning_and_pauses_move_everything() -> None:
    night = NOW - 6 * HOUR
    urgent, calm = play(urgency="immediate"), play()
    assert open_at(urgent, urgent.steps[0], night, "UTC") == night
    assert open_at(calm, calm.steps[1], night, "UTC") == night
    assert due_at(calm, calm.steps[1], NOW, {}, "UTC", 3 * DAY) == NOW + 4 * DAY


def test_an_email_that_was_due_in_the_day_does_not_go_out_at_night() -> None:
    assert not decided(runs=[run(play())], now=NOW + 12 * HOUR).steps


# ── ends ──

SPOKEN = {"first": NOW}


@pytest.mark.parametrize(
    ("changes", "account", "now", "because"),
    [
        ({}, {"health": 85.0}, LATER, "goal_met"),
        ({}, {"status": "churned"}, LATER, "left_audience"),
        ({}, {"opted_out_on": NOW.date()}, LATER, "opt_out"),
        ({"done": SPOKEN}, {"replied_at": LATER.replace(tzinfo=None)}, LATER, "reply"),
        ({"done": {**SPOKEN, "look": NOW + DAY}}, {}, NOW + 15 * DAY, "done"),
        ({"done": SPOKEN, "skipped": frozenset({"look"})}, {}, NOW + 15 * DAY, "done"),
        ({}, {"health": 85.0}, NOW + 15 * DAY, "done"),  # too late
        ({"state": "paused"}, {"health": 85.0}, LATER, "goal_met"),
    ],
)
def test_a_run_ends_for_each_reason(
    changes: dict[str, Any], account: dict[str, Any], now: datetime, because: str
) -> None:
    found = decided(runs=[run(play(), **changes)], table=accounts(account), now=now)
    assert ends(found) == {1: because}
    assert not found.steps


@pytest.mark.parametrize(
    ("changes", "account"),
    [
        ({}, {"opted_out_on": NOW.date() - DAY}),  # before it started; nobody who opted out is written to anyway
        ({}, {"replied_at": LATER.replace(tzinfo=None)}),  # to something else: nothing was said yet
        ({"done": {**SPOKEN, "look": NOW}}, {}),  # its goal still counts
    ],
)
def test_a_run_goes_on_where_a_reason_does_not_quite_apply(changes: dict[str, Any], account: dict[str, Any]) -> None:
    assert not ends(decided(runs=[run(play(), **changes)], table=accounts(account), now=LATER))


def test_a_play_that_promised_something_goes_on_after_a_reply() -> None:
    promised = play(stop=["goal_met", "opt_out", "left_audience", "person"])
    answered = accounts({"replied_at": LATER.replace(tzinfo=None)})
    assert not ends(decided(runs=[run(promised, done=SPOKEN)], table=answered, now=LATER))


def test_a_run_of_an_account_that_is_gone_ends() -> None:
    assert ends(decided(runs=[run(play(), account_id=9)])) == {1: "left_audience"}


def test_a_run_whose_steps_never_have_their_turn_ends_in_the_end() -> None:
    asleep = accounts({"snoozed_until": date(2030, 1, 1)})
    assert not ends(decided(runs=[run(play())], table=asleep, now=NOW + 28 * DAY))
    assert ends(decided(runs=[run(play())], table=asleep, now=NOW + 29 * DAY)) == {1: "done"}


def test_a_play_without_a_goal_ends_with_its_last_step() -> None:
    short = play(goal=None, steps=[email("first", "0h")])
    assert ends(decided(runs=[run(short, done=SPOKEN)], now=LATER)) == {1: "done"}


@pytest.mark.parametrize("state", [HELD_OUT, "stopped", "finished"])
def test_who_is_only_watched_receives_nothing_and_its_goal_counts_to_the_same_day(state: str) -> None:
    watched = run(play(), state=state)
    met = decided(runs=[watched], table=accounts({"health": 85.0}), now=NOW + 14 * DAY)
    assert [(goal.run, goal.on) for goal in met.goals] == [(1, date(2026, 5, 18))]
    late = decided(runs=[watched], table=accounts({"health": 85.0}), now=NOW + 14 * DAY + HOUR)
    assert not late.goals
    assert ends(late) == ({1: "done"} if state == HELD_OUT else {})
    assert not decided(runs=[watched]).steps
