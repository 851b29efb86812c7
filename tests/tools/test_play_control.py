"""What colleagues do with plays and tasks, what they see of them, and how a play's effect is measured."""

from typing import Any

import pytest
from sqlmodel import select

from knowledge.play_intents import HELD_OUT, assigned
from scoring.experiments import Share
from storage.models import (
    Account,
    Audit,
    Draft,
    PlayRun,
    PlayStep,
    PlayVersion,
    Role,
    RunState,
    Snapshot,
    StepState,
    Task,
)
from tests.conftest import Stepped
from tests.knowledge.play_worlds import email, play, task
from tests.tools.portfolio import MORGAN
from tests.tools.test_plays import CHECK, DAY, HOUR, ONE, change, go, rows
from tools.context import Actor, Context
from tools.errors import NotAllowedError, StaleError, UserError
from tools.play_control import enrol, find_play, pause, resume, skip_step, stop_run
from tools.play_lists import account_plays, list_plays
from tools.play_outcomes import play_outcomes
from tools.plays import run_due_steps
from tools.tasks import finish_task, list_tasks


@pytest.fixture
def running(ctx: Context) -> int:
    """The id of a run of the play `check` at Acme Group, its first step done."""
    go(ctx, CHECK)
    return int(rows(ctx, PlayRun)[0].id)


def actions(ctx: Context) -> list[tuple[str, str]]:
    return [(row.actor, row.action) for row in rows(ctx, Audit) if row.action.startswith(("play", "task"))]


# ── by hand ──


def test_a_colleague_enrols_an_account_and_its_run_is_no_part_of_the_comparison(ctx: Context) -> None:
    made = enrol(ctx, "Acme Group", "payment_failed")
    (run,) = rows(ctx, PlayRun)
    assert (run.id, run.play, run.variant, run.because) == (
        made.run_id, "payment_failed", "by_hand", "Dana Reyes asked for it"
    )  # fmt: skip
    assert actions(ctx) == [("dana@team.example", "play.enrol")]
    assert play_outcomes(ctx).text == "No play has run yet."
    with pytest.raises(UserError, match="running for Acme Group already, since 4 May 2026"):
        enrol(ctx, "Acme Group", "payment_failed")


def test_an_account_of_the_hold_out_cannot_be_enrolled_and_the_answer_says_until_when(ctx: Context) -> None:
    payment = find_play(ctx, "payment_failed").id
    with ctx.session() as session:
        account = session.exec(select(Account).where(Account.external_id == "a2")).one()
    go(ctx, CHECK)
    change(ctx, PlayRun, PlayRun.account_id == account.id, play=payment, state=RunState.HELD_OUT)
    with pytest.raises(UserError, match="hold-out of “A payment failed” until 18 May 2026"):
        enrol(ctx, "Acme Group", payment)


@pytest.mark.parametrize("words", ["payment_failed", "A payment failed", "payment failed"])
def test_a_play_is_found_by_id_or_title(ctx: Context, words: str) -> None:
    assert find_play(ctx, words).id == "payment_failed"


def test_an_unknown_play_and_an_unclear_one_are_told(ctx: Context) -> None:
    with pytest.raises(UserError, match="no play “teleportation”"):
        find_play(ctx, "teleportation")
    with pytest.raises(UserError, match="Several plays"):
        find_play(ctx, "trial")


def test_a_paused_run_does_nothing_and_its_steps_move_by_as_long_as_it_rested(
    ctx: Context, clock: Stepped, running: int
) -> None:
    before = rows(ctx, PlayStep)[1].due_at
    pause(ctx, running, "holidays")
    clock.now += 3 * DAY
    run_due_steps(ctx, ctx.now())
    assert not rows(ctx, Task)
    assert resume(ctx, running).state == "running"
    assert rows(ctx, PlayStep)[1].due_at == before + 3 * DAY
    assert rows(ctx, PlayRun)[0].goal_until == rows(ctx, PlayRun)[0].started_at + 17 * DAY
    clock.now += DAY
    run_due_steps(ctx, ctx.now())
    assert len(rows(ctx, Task)) == 1
    assert [action for _, action in actions(ctx)] == ["play.pause", "play.resume"]


def test_a_step_can_be_left_out_once_with_a_reason(ctx: Context, running: int) -> None:
    skip_step(ctx, running, "look", "they called us")
    step = rows(ctx, PlayStep)[1]
    assert (step.state, step.note) == (StepState.SKIPPED, "Dana Reyes: they called us")
    with pytest.raises(StaleError, match="look"):
        skip_step(ctx, running, "look", "again")
    with pytest.raises(StaleError):
        skip_step(ctx, running, "first", "too late")


def test_stopping_a_run_cancels_its_tasks_and_counts_once(ctx: Context, clock: Stepped, running: int) -> None:
    clock.now += DAY
    run_due_steps(ctx, ctx.now())
    assert stop_run(ctx, running, "they asked us to").state == "stopped"
    (run,), (made,) = rows(ctx, PlayRun), rows(ctx, Task)
    assert run.ended_because == "person: they asked us to"
    assert (made.state, made.note) == ("cancelled", "The play ended: person: they asked us to")
    with pytest.raises(StaleError):
        stop_run(ctx, running, "again")
    with pytest.raises(StaleError, match="stopped, not running"):
        pause(ctx, running, "again")


@pytest.mark.parametrize("act", [pause, stop_run])
def test_a_reason_is_asked_for(ctx: Context, running: int, act: Any) -> None:
    with pytest.raises(UserError, match="why"):
        act(ctx, running, " ")


def test_viewers_may_not_touch_plays_or_tasks(ctx: Context, running: int) -> None:
    viewer = ctx.acting(Actor("vi@team.example", "Vi", Role.VIEWER))
    for act in (
        lambda: enrol(viewer, "Acme Dental", "payment_failed"), lambda: pause(viewer, running, "x"),
        lambda: resume(viewer, running), lambda: skip_step(viewer, running, "look", "x"),
        lambda: stop_run(viewer, running, "x"), lambda: finish_task(viewer, 1),
    ):  # fmt: skip
        with pytest.raises(NotAllowedError):
            act()


# ── what is seen ──


def test_an_accounts_plays_show_what_is_next_what_waits_and_what_was(
    ctx: Context, clock: Stepped, running: int
) -> None:
    other = play("other", urgency="routine", trigger={"when": "health < 60"}, audience=ONE, goal=None)
    go(ctx, CHECK, other)
    shown = account_plays(ctx, "Acme Group")
    assert [(row.play, row.next_step, row.next_at) for row in shown.running] == [("check", "look", ctx.now() + DAY)]
    assert shown.held_back == (("other", "contact-frequency limit until 5 May 2026 after the play check"),)
    stop_run(ctx, running, "they asked us to")
    after = account_plays(ctx, "Acme Group")
    assert [row.outcome for row in after.past] == ["person: they asked us to"]
    assert "person: they asked us to" in after.text
    assert not after.running


def test_plays_are_browsed_by_words_and_urgency_with_their_counts(ctx: Context) -> None:
    enrol(ctx, "Acme Group", "payment_failed")
    shown = list_plays(ctx, "payment", "immediate")
    assert [(row.id, row.running, row.ended, row.goal_met) for row in shown.rows] == [("payment_failed", 1, 0, 0)]
    assert list_plays(ctx, limit=3).total > 100
    assert len(list_plays(ctx, limit=3).rows) == 3
    assert list_plays(ctx, "teleportation").text == "No play fits that."


def test_tasks_are_listed_by_owner_and_finished_once(ctx: Context, clock: Stepped, running: int) -> None:
    clock.now += DAY
    run_due_steps(ctx, ctx.now())
    mine = list_tasks(ctx)
    assert [(row.account, row.play, row.state) for row in mine.rows] == [("Acme Group", "check", "open")]
    assert list_tasks(ctx.acting(MORGAN)).text == "No task is open."
    assert list_tasks(ctx, None).total == 1
    clock.now += 2 * DAY
    assert list_tasks(ctx).overdue == 1
    finish_task(ctx, mine.rows[0].id, "done by phone")
    (made,) = rows(ctx, Task)
    assert (made.state, made.done_by, made.note) == ("done", "dana@team.example", "done by phone")
    assert not list_tasks(ctx).rows
    with pytest.raises(StaleError):
        finish_task(ctx, made.id)
    assert actions(ctx)[-1] == ("dana@team.example", "task.done")


# ── effects ──


def past_runs(ctx: Context, variant: str, many: int, reached: int, ended_days_ago: int = 1) -> None:
    """Runs of the play `check` whose goal's time is over, of which some reached it."""
    with ctx.session() as session:
        version = session.exec(select(PlayVersion)).first() or PlayVersion(
            play="check", hash="h", content={}, first_used_at=ctx.now()
        )
        session.add(version)
        session.flush()
        account = session.exec(select(Account.id)).first()
        until = ctx.now() - ended_days_ago * DAY
        for number in range(many):
            session.add(
                PlayRun(
                    account_id=account, play="check", version_id=version.id, variant=variant, because="", started_by="",
                    state=HELD_OUT if variant == HELD_OUT else "finished", started_at=until - 14 * DAY,
                    goal_until=until, ended_at=until, goal_met_on=until.date() if number < reached else None,
                )
            )  # fmt: skip
        session.commit()


def test_the_effect_of_a_play_is_measured_against_the_hold_out(ctx: Context) -> None:
    past_runs(ctx, "standard", 100, 60)
    past_runs(ctx, HELD_OUT, 100, 30)
    past_runs(ctx, "by_hand", 50, 50)  # chosen by people: not compared
    past_runs(ctx, "standard", 20, 20, ended_days_ago=-3)  # their time is not over
    (row,) = play_outcomes(ctx).rows
    assert (row.started, row.treated, row.held_out) == (120, Share(60, 100), Share(30, 100))
    assert row.effect.verdict == "better"
    assert (row.effect.low, row.effect.high) == pytest.approx((0.1626, 0.4216), abs=0.005)  # Newcombe, by hand
    assert "60 of 100 reached the goal; 30 of 100 without the play: +30.0 points" in play_outcomes(ctx).text


def test_before_there_is_enough_data_no_figure_is_claimed(ctx: Context) -> None:
    past_runs(ctx, "standard", 29, 29)
    past_runs(ctx, HELD_OUT, 29, 0)
    shown = play_outcomes(ctx)
    assert "Not enough data yet: at least 30" in shown.text
    assert not any("effect" in fact.measure for fact in shown.facts)


def test_a_play_that_does_harm_is_told_and_variants_are_compared_each(ctx: Context) -> None:
    past_runs(ctx, "standard", 60, 6)
    past_runs(ctx, "story", 60, 30)
    past_runs(ctx, HELD_OUT, 100, 60)
    (row,) = play_outcomes(ctx).rows
    assert row.harmful
    assert "stop it" in play_outcomes(ctx).text
    assert {name: effect.verdict for name, effect in row.variants.items()} == {
        "standard": "worse", "story": "no clear difference"
    }  # fmt: skip


def test_a_run_that_was_stopped_is_watched_on_and_its_goal_counts(ctx: Context, clock: Stepped, running: int) -> None:
    stop_run(ctx, running, "they asked us to")
    change(ctx, Snapshot, Snapshot.account_id == rows(ctx, PlayRun)[0].account_id, value=85.0)
    clock.now += HOUR
    go(ctx, CHECK)
    (run,) = rows(ctx, PlayRun)
    assert (run.state, run.goal_met_on) == (RunState.STOPPED, ctx.today())


def test_each_variant_sends_its_own_message(ctx: Context) -> None:
    steps = [email("first", "0h", template="check_in", variants={"other": "personal_outreach"}), task("look", "1d")]
    names = [f"p{n}" for n in range(40)]
    chosen = next(n for n in names if assigned(play(n, steps=steps), "a2") == "other")
    go(ctx, play(chosen, trigger={"when": "health < 60"}, audience=ONE, steps=steps))
    assert [draft.purpose for draft in rows(ctx, Draft)] == ["personal_outreach"]
