"""Which plays start and which are held back, one reason at a time, from accounts and what happened before alone."""

from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from knowledge.play_intents import HELD_OUT, assigned
from knowledge.plays import eligible
from tests.knowledge.play_worlds import (
    DAY,
    HOUR,
    LIMITS,
    NOW,
    accounts,
    decided,
    email,
    holds,
    play,
    run,
    signals,
    task,
)

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
