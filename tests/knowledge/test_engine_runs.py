"""What running plays do: steps, turns, times and ends, one reason at a time."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from knowledge.play_intents import HELD_OUT
from knowledge.play_times import due_at, open_at
from tests.knowledge.play_worlds import DAY, HOUR, NOW, accounts, decided, email, ends, holds, play, run, task

LATER = NOW + 2 * HOUR


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
