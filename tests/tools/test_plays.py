"""Plays run on stored accounts, on both databases: each start and step once, whatever crashes, doubles or stops."""

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import select

from knowledge.kinds import Play
from knowledge.play_intents import HELD_OUT, Limits, assigned
from storage.database import Database
from storage.models import (
    Account,
    Contact,
    Draft,
    DraftState,
    PlayDecision,
    PlayRun,
    PlayStep,
    PlayVersion,
    RunState,
    Snapshot,
    StageEntry,
    StepState,
    Task,
    TaskState,
    User,
)
from storage.usage import UsageStore
from tests.conftest import Stepped
from tests.knowledge.play_worlds import email, play, task
from tests.tools import portfolio
from tools import play_runs, play_steps, plays
from tools.context import Context
from tools.drafts import content_hash
from tools.play_control import stop_run
from tools.play_facts import play_table
from tools.plays import PlayReport, run_due_steps, run_plays

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
# Acme Group: red, used less than before, an escalated ticket, contacts who can be written to.
ONE = "status = 'active' AND arr = 144000"
EVERYBODY = play("all", trigger={"when": "tenure_days > 1"}, audience="status = 'active'", goal="tenure_days > 9999")
CHECK = play("check", trigger={"when": "health < 60"}, audience=ONE, steps=[email("first", "0h"), task("look", "1d")])


@pytest.fixture
def both(any_database: Database, tmp_path: Path, clock: Stepped) -> Context:
    """The known portfolio on SQLite and on PostgreSQL."""
    ctx = portfolio.context(any_database, UsageStore(str(tmp_path / "usage")), clock)
    portfolio.fill(ctx)
    return ctx


def go(ctx: Context, *some: Play) -> PlayReport:
    return run_plays(ctx, ctx.now(), {each.id: each for each in some})


def rows(ctx: Context, model: Any) -> list[Any]:
    with ctx.session() as session:
        return list(session.exec(select(model).order_by(model.id)).all())


def change(ctx: Context, model: Any, condition: Any, **values: Any) -> None:
    with ctx.session() as session:
        for row in session.exec(select(model).where(condition)).all():
            for name, value in values.items():
                setattr(row, name, value)
            session.add(row)
        session.commit()


def at_once(call: Callable[[], Any], many: int = 2) -> list[Exception]:
    """Run a call in threads that start together. Returns what went wrong."""
    gate, errors = threading.Barrier(many), []

    def work() -> None:
        gate.wait()
        try:
            call()
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(many)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return errors


def test_a_play_starts_with_a_draft_by_the_owner_and_goes_on_with_a_task(both: Context, clock: Stepped) -> None:
    report = go(both, CHECK)
    assert (report.counts["started"], report.counts["draft"]) == (1, 1)
    (run,), (draft,) = rows(both, PlayRun), rows(both, Draft)
    assert (run.state, run.because, run.started_by) == (RunState.RUNNING, "health 35", "dana@team.example")
    assert (draft.request_key, draft.sender, draft.state) == (f"play:{run.id}:first", "dana@team.example", "drafted")
    clock.now += DAY
    assert run_due_steps(both, both.now()).counts["task"] == 1
    (made,) = rows(both, Task)
    assert (made.owner_email, made.text, made.run_id) == ("dana@team.example", "Look at it.", run.id)
    assert [step.state for step in rows(both, PlayStep)] == [StepState.DONE, StepState.DONE]


def test_running_again_changes_nothing(both: Context) -> None:
    go(both, CHECK)
    stored = [len(rows(both, model)) for model in (PlayRun, PlayStep, Draft, Task, PlayVersion)]
    report = go(both, CHECK)
    assert (report.counts["started"], report.counts["draft"]) == (0, 0)
    assert [len(rows(both, model)) for model in (PlayRun, PlayStep, Draft, Task, PlayVersion)] == stored
    decisions = len(rows(both, PlayDecision))
    go(both, CHECK)
    assert len(rows(both, PlayDecision)) == decisions


def test_two_workers_at_once_do_each_thing_once(both: Context, clock: Stepped) -> None:
    assert at_once(lambda: go(both, EVERYBODY)) == []
    runs, drafts = rows(both, PlayRun), rows(both, Draft)
    assert len({run.account_id for run in runs}) == len(runs)
    owners = dict(both.session().exec(select(Account.id, Account.owner_email)).all())
    for owner in set(owners.values()):
        assert sum(owners[run.account_id] == owner for run in runs) == Limits().starts_per_owner
    clock.now += DAY
    assert at_once(lambda: run_due_steps(both, both.now())) == []
    assert len(rows(both, Task)) == len(runs) + (len(runs) - len(drafts))  # a task each, and one for each undraftable
    assert {step.state for step in rows(both, PlayStep)} == {StepState.DONE}


def test_a_crash_between_the_draft_and_the_step_leaves_neither_and_the_next_run_makes_one(
    both: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(*_: Any) -> None:
        raise RuntimeError("the power is gone")

    with monkeypatch.context() as broken:
        broken.setattr(play_steps, "plan_again", crash)  # the draft is written by then, and the step is marked
        with pytest.raises(RuntimeError, match="power"):
            go(both, CHECK)
    assert not rows(both, Draft)
    assert rows(both, PlayStep)[0].state == StepState.WAITING
    assert go(both, CHECK).counts["draft"] == 1
    assert len(rows(both, Draft)) == 1


def test_a_crash_in_the_middle_of_the_starts_is_made_up_for(both: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    begun = []

    def crash_third(*arguments: Any) -> Any:
        begun.append(arguments)
        if len(begun) == 3:
            raise RuntimeError("the power is gone")
        return play_runs.start_run(*arguments)

    with monkeypatch.context() as broken:
        broken.setattr(plays, "start_run", crash_third)
        with pytest.raises(RuntimeError, match="power"):
            go(both, EVERYBODY)
    assert len(rows(both, PlayRun)) == 2
    go(both, EVERYBODY)
    assert len(rows(both, PlayRun)) == 2 * Limits().starts_per_owner


def test_a_running_play_finishes_on_the_version_that_it_started_with(both: Context, clock: Stepped) -> None:
    go(both, CHECK)
    changed = play("check", trigger={"when": "health < 60"}, audience=ONE, steps=[task("other", "0h")])
    clock.now += DAY
    go(both, changed)
    assert [(step.step, step.state) for step in rows(both, PlayStep)] == [("first", "done"), ("look", "done")]
    assert len(rows(both, PlayVersion)) == 1  # the new one is kept when something starts with it


def test_an_account_without_enough_facts_gets_a_task_with_the_reason(both: Context) -> None:
    little = play("check", trigger={"when": "tenure_days > 1"}, audience="status = 'active' AND plan = 'trial'")
    assert go(both, little).counts["task"] == 1
    (made,) = rows(both, Task)
    assert "I know too little about Iris Studio" in made.text
    assert "I know too little" in rows(both, PlayStep)[0].note


def test_an_account_without_an_owner_who_could_sign_gets_a_task(both: Context) -> None:
    change(both, User, User.email == portfolio.DANA.email, active=False)
    assert go(both, CHECK).counts["task"] == 1
    assert "no owner among your colleagues" in rows(both, Task)[0].text


def test_a_message_on_a_channel_that_nothing_delivers_becomes_a_task_with_its_text(both: Context) -> None:
    step = {"channel": "in_app", "template": "feature_guide_in_app"}
    cedar = "status = 'active' AND arr = 96000"
    go(both, play("check", trigger={"when": "health < 60"}, audience=cedar, steps=[email("first", "0h", **step)]))
    assert "cannot send on the channel in_app" in rows(both, Task)[0].text
    assert "on the business plan" in rows(both, Task)[0].text
    assert not rows(both, Draft)


def test_a_run_ends_when_its_goal_is_met_and_what_it_proposed_is_withdrawn(both: Context, clock: Stepped) -> None:
    go(both, CHECK)
    clock.now += HOUR
    (run,) = rows(both, PlayRun)
    change(both, Snapshot, Snapshot.account_id == run.account_id, value=85.0)
    assert go(both, CHECK).counts["ended"] == 1
    (run,) = rows(both, PlayRun)
    assert (run.state, run.goal_met_on, run.ended_because) == ("finished", both.today(), "goal_met: its goal is met")
    assert rows(both, Draft)[0].state == DraftState.EXPIRED
    assert rows(both, PlayStep)[1].state == StepState.WAITING  # never done


@pytest.mark.parametrize(
    ("values", "because"),
    [({"opted_out_on": portfolio.TODAY}, "opt_out"), ({"last_reply_on": portfolio.TODAY}, "reply")],
)
def test_an_opt_out_and_a_reply_stop_a_run(both: Context, clock: Stepped, values: dict[str, Any], because: str) -> None:
    go(both, CHECK)
    change(both, Contact, Contact.external_id == "c3", **values)
    clock.now += DAY
    run_due_steps(both, both.now())
    (run,) = rows(both, PlayRun)
    assert (run.state, run.ended_because.split(":")[0]) == (RunState.STOPPED, because)
    assert not rows(both, Task)


def test_the_hold_out_is_a_run_that_receives_nothing(both: Context, clock: Stepped) -> None:
    name = next(n for n in (f"p{k}" for k in range(100)) if assigned(play(n, holdout=0.5), "a2") == HELD_OUT)
    held = play(name, trigger={"when": "health < 60"}, audience=ONE, holdout=0.5)
    assert go(both, held).counts["held_out"] == 1
    clock.now += DAY
    go(both, held)
    assert (rows(both, PlayStep), rows(both, Draft), rows(both, Task)) == ([], [], [])
    clock.now += 14 * DAY
    go(both, held)
    (run,) = rows(both, PlayRun)
    assert (run.state, run.variant, run.goal_met_on) == (RunState.HELD_OUT, HELD_OUT, None)
    assert run.ended_at == both.now()


def test_a_play_whose_predicate_is_wrong_stops_no_other(both: Context) -> None:
    report = go(both, play("broken", trigger={"when": "nonsense > 1"}), CHECK)
    assert list(report.errors) == ["broken"]
    assert "nonsense" in report.text
    assert report.counts["started"] == 1


def test_holds_are_logged_when_they_begin_change_and_end(both: Context, clock: Stepped) -> None:
    other = play("other", urgency="routine", trigger={"when": "health < 60"}, audience=ONE, goal=None)
    go(both, CHECK, other)
    assert logged(both, "other") == [("hold", "the play check, as urgent or more, has the turn")]
    clock.now += HOUR
    go(both, CHECK, other)
    assert [decision for decision, _ in logged(both, "other")] == ["hold", "hold"]
    change(both, Snapshot, Snapshot.day == portfolio.TODAY, value=70.0)
    go(both, CHECK, other)
    assert logged(both, "other")[-1] == ("over", "")


def logged(ctx: Context, name: str) -> list[tuple[str, str]]:
    return [(row.decision, row.because) for row in rows(ctx, PlayDecision) if row.play == name]


def test_a_step_is_not_done_for_a_run_that_a_person_stopped_in_the_meantime(both: Context) -> None:
    go(both, CHECK)
    (stored,) = rows(both, PlayRun)
    with both.session() as session:
        run = play_runs.load_runs(session, both.now())[0]
        table = play_table(both, session, both.today())
    stop_run(both, stored.id, "they asked us to")
    assert play_steps.do_step(both, run, run.play.steps[1], table, both.today(), "UTC") is None
    assert not rows(both, Task)


def test_the_hourly_pass_does_nothing_while_no_step_is_due(both: Context, clock: Stepped) -> None:
    go(both, CHECK)
    clock.now += HOUR
    assert sum(run_due_steps(both, both.now()).counts.values()) == 0


def test_other_workspaces_see_nothing_of_it(both: Context) -> None:
    go(both, CHECK)
    other = replace(both, workspace_id="other")
    assert rows(other, PlayRun) == rows(other, PlayStep) == rows(other, PlayDecision) == []


def test_every_play_of_the_library_can_run(both: Context, clock: Stepped) -> None:
    report = run_plays(both, both.now())
    assert not report.errors
    assert report.counts["started"] > 0
    for _ in range(3):
        clock.now += 10 * DAY
        assert not run_plays(both, both.now()).errors
    open_tasks = [made for made in rows(both, Task) if made.state == TaskState.OPEN]
    assert open_tasks


def test_a_play_that_did_worse_than_its_hold_out_starts_no_more(ctx: Context) -> None:
    long_ago = ctx.now() - 300 * DAY
    with ctx.session() as session:
        session.add(PlayVersion(play="check", hash="x", content=CHECK.model_dump(mode="json"), first_used_at=long_ago))
        session.flush()
        version, account = session.exec(select(PlayVersion.id)).one(), session.exec(select(Account.id)).first()
        for place in range(200):
            held, met = place % 2 == 0, place % 2 == 0 and place % 20 > 4
            session.add(
                PlayRun(
                    account_id=account, play="check", version_id=version, variant=HELD_OUT if held else "standard",
                    state=RunState.HELD_OUT if held else RunState.FINISHED, because="", started_by="tend",
                    started_at=long_ago, goal_until=long_ago + 30 * DAY, ended_at=long_ago + 31 * DAY,
                    goal_met_on=(long_ago + DAY).date() if met else None,
                )
            )  # fmt: skip
        session.commit()
    report = go(ctx, CHECK)
    assert report.counts["started"] == 0
    assert [d.because for d in rows(ctx, PlayDecision) if d.decision == "hold"] == [
        "it did worse than doing nothing, against its hold-out: it starts by hand only"
    ]


def test_messages_of_an_automatic_play_go_out_unless_they_are_of_high_risk(ctx: Context, clock: Stepped) -> None:
    ctx = replace(ctx, automatic=frozenset({"check", "risky/first"}))
    steps = [email("first", "0h", template="executive_outreach")]
    risky = play("risky", trigger={"when": "health < 60"}, audience=ONE, steps=steps)
    for each, state in ((CHECK, DraftState.APPROVED), (risky, DraftState.DRAFTED)):
        go(ctx, each)
        assert [d.state for d in rows(ctx, Draft) if d.origin == f"play:{each.id}"] == [state]
        clock.now += 2 * DAY


def test_a_task_for_the_top_goes_to_whoever_has_that_duty(ctx: Context) -> None:
    call = {**task("ring", "0h"), "actor": "executive"}
    go(replace(ctx, duties={"executive": "boss@team.example"}),
       play("top", trigger={"when": "health < 60"}, audience=ONE, steps=[call]))  # fmt: skip
    assert [made.owner_email for made in rows(ctx, Task)] == ["boss@team.example"]


def test_plays_go_by_the_stage_that_the_journeys_found(ctx: Context) -> None:
    with ctx.session() as session:
        acme = session.exec(select(Account).where(Account.name == "Acme Group")).one()
        acme.stage = "imported"
        session.add(
            StageEntry(account_id=acme.id, journey="lifecycle", stage="adoption", entered_on=ctx.today(), how="first",
                       because="{}")
        )  # fmt: skip
        session.commit()
        stages = dict(play_table(ctx, session, ctx.today()).select("account_id", "stage").iter_rows())
        assert stages[acme.id] == "adoption"


def test_variants_may_differ_in_time_and_an_account_keeps_its_own(ctx: Context) -> None:
    late = {**email("first", "0h"), "times": {"late": "3d"}}
    plan = play("timed", trigger={"when": "health < 60"}, audience=ONE, steps=[late])
    go(ctx, plan)
    (run,), (step,) = rows(ctx, PlayRun), rows(ctx, PlayStep)
    assert run.variant == assigned(plan, "acme")
    waits = {"late": 3 * DAY}.get(run.variant, timedelta(0))
    assert step.due_at - run.started_at >= waits
    assert (step.due_at - run.started_at < DAY) == (run.variant == "standard")


@pytest.mark.parametrize("phone", ["+49 30 1234", None])
def test_a_step_on_a_channel_that_is_set_up_becomes_a_draft_to_the_contact_there(
    both: Context, phone: str | None
) -> None:
    """Without a number it stays a task that says what is missing."""
    on_sms = replace(both, channels=frozenset({"email", "sms"}))
    change(on_sms, Contact, Contact.account_id > 0, phone=phone)
    steps = [email("first", "0h", channel="sms")]
    go(on_sms, play("text", trigger={"when": "health < 60"}, audience=ONE, steps=steps))
    drafts, tasks = rows(on_sms, Draft), rows(on_sms, Task)
    assert (len(drafts), len(tasks)) == ((1, 0) if phone else (0, 1))
    for draft in drafts:
        assert (draft.channel, draft.recipient) == ("sms", phone)
        assert draft.content_hash == content_hash("sms", phone or "", draft.sender, draft.subject, draft.body)
    for task_ in tasks:
        assert "has no phone number" in task_.text
