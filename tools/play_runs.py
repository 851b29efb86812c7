"""The runs of plays in the database: read for the engine, started with a version of their play, ended once."""

import hashlib
import json
from collections import defaultdict
from datetime import date, datetime, timedelta
from typing import Any

import polars as pl
from sqlalchemy import update
from sqlmodel import Session, col, or_, select

from knowledge.kinds import Play
from knowledge.play_intents import HELD_OUT, STARTS, TOUCHES, History, Limits, Run, of_variant
from knowledge.play_times import due_at, reaches
from storage.database import changed_one, insert_new, insert_rows
from storage.models import (
    Audit,
    Draft,
    DraftState,
    Outbox,
    PlayDecision,
    PlayRun,
    PlayStep,
    PlayVersion,
    RunState,
    StepState,
    Task,
    TaskState,
)
from storage.queries import read_frame
from tools.context import Context

LONGEST_COOL_DOWN = timedelta(days=400)
UNDECIDED = (DraftState.DRAFTED, DraftState.SNOOZED)
GOING = (RunState.RUNNING, RunState.PAUSED)


def load_runs(session: Session, now: datetime) -> list[Run]:
    """Read the open runs, and the ended ones whose goal still counts, each with its own version of the play."""
    watched = (col(PlayRun.goal_met_on).is_(None)) & (col(PlayRun.goal_until) >= now)
    found = session.exec(select(PlayRun).where(or_(col(PlayRun.ended_at).is_(None), watched))).all()
    versions = _versions(session, {row.version_id for row in found})
    kinds = {(row.version_id, row.variant) for row in found}
    plays = {kind: of_variant(versions[kind[0]], kind[1]) for kind in kinds}
    steps: dict[int, list[PlayStep]] = defaultdict(list)
    behind = col(PlayStep.run_id).in_(select(PlayRun.id).where(col(PlayRun.state).in_(GOING)))
    for step in session.exec(select(PlayStep).where(behind, PlayStep.state != StepState.WAITING)).all():
        steps[step.run_id].append(step)
    return [run_of(row, plays[row.version_id, row.variant], steps[row.id or 0]) for row in found]


def run_of(row: PlayRun, play: Play, steps: list[PlayStep]) -> Run:
    """A stored run as the engine sees it."""
    return Run(
        id=row.id or 0,
        account_id=row.account_id,
        play=play,
        state=row.state,
        started_at=row.started_at,
        variant=row.variant,
        done={step.step: step.done_at for step in steps if step.state == StepState.DONE and step.done_at},
        skipped=frozenset(step.step for step in steps if step.state == StepState.SKIPPED),
        waited=timedelta(minutes=row.paused_minutes),
    )


def play_of(session: Session, row: PlayRun) -> Play:
    """The version of the play that a run started with, in its variant."""
    return of_variant(_versions(session, {row.version_id})[row.version_id], row.variant)


def history(session: Session, now: datetime, limits: Limits) -> History:
    """Read when each play last started at each account, and contacts inside the frequency limit."""
    since = col(PlayRun.started_at) >= now - LONGEST_COOL_DOWN
    starts = read_frame(session, PlayRun, ("account_id", "play", "started_at"), since)
    newest = starts.group_by("account_id", "play").agg(pl.col("started_at").max())
    late = now - limits.between_plays
    own = session.execute(
        select(PlayRun.account_id, PlayRun.play, PlayStep.done_at)
        .join(PlayStep, col(PlayStep.run_id) == col(PlayRun.id))
        .where(col(PlayStep.touchpoint), PlayStep.state == StepState.DONE, col(PlayStep.done_at) > late)
    ).all()
    by_hand = session.execute(
        select(Draft.account_id, Outbox.sent_at)
        .join(Outbox, col(Outbox.draft_id) == col(Draft.id))
        .where(col(Outbox.sent_at) > late, ~col(Draft.origin).startswith("play:"))
    ).all()
    touched = [(account, play, _plain(at)) for account, play, at in own]
    touched += [(account, "", _plain(at)) for account, at in by_hand]
    return History(newest.select(list(STARTS)), pl.DataFrame(touched, schema=TOUCHES, orient="row"))


def start_run(
    ctx: Context, session: Session, play: Play, account_id: int, because: str, variant: str, zone: str
) -> PlayRun:
    """Add a run with its steps; one of the hold-out has none. The caller commits.

    Raises:
        IntegrityError: the play is open at the account already.
    """
    now = ctx.now()
    held_out = variant == HELD_OUT
    row = PlayRun(
        account_id=account_id,
        play=play.id,
        version_id=_keep_version(session, play, now),
        state=RunState.HELD_OUT if held_out else RunState.RUNNING,
        variant=variant,
        because=because[:400],
        started_by=ctx.actor.email,
        started_at=now,
        goal_until=now + timedelta(days=play.goal_within_days),
    )
    session.add(row)
    session.flush()
    play = of_variant(play, variant)
    if not held_out:
        planned = [
            {"run_id": row.id, "step": step.id, "state": str(StepState.WAITING), "touchpoint": reaches(step),
             "due_at": due_at(play, step, now, {}, zone, timedelta(0))}
            for step in play.steps
        ]  # fmt: skip
        insert_rows(session, PlayStep, planned)
    note_decision(session, ctx.today(), account_id, play.id, "start", because)
    return row


def plan_again(session: Session, run_id: int, zone: str) -> None:
    """Bring the planned times of the steps ahead up to what has happened. The caller commits."""
    row = session.get_one(PlayRun, run_id, populate_existing=True)
    steps = list(session.exec(select(PlayStep).where(PlayStep.run_id == run_id)).all())
    run = run_of(row, play_of(session, row), steps)
    due = {s.id: due_at(run.play, s, run.started_at, run.done, zone, run.waited) for s in run.play.steps}
    for step in steps:
        still = (col(PlayStep.id) == step.id, col(PlayStep.state) == StepState.WAITING)
        changed_one(session, update(PlayStep).where(*still).values(due_at=due[step.step]))


def end_run(ctx: Context, session: Session, run_id: int, state: RunState, because: str, goal_on: date | None) -> bool:
    """End an open run once; what it still proposes is withdrawn, unless it simply came to its end. The caller commits.

    A run of the hold-out keeps its state.
    """
    row = session.get_one(PlayRun, run_id)
    state = RunState.HELD_OUT if row.state == RunState.HELD_OUT else state
    values: dict[str, Any] = {"state": state, "ended_at": ctx.now(), "ended_because": because[:400]}
    values |= {"goal_met_on": goal_on} if goal_on else {}
    still = (col(PlayRun.id) == run_id, col(PlayRun.ended_at).is_(None))
    if not changed_one(session, update(PlayRun).where(*still).values(**values)):
        return False
    if state == RunState.STOPPED or goal_on:
        _withdraw(ctx, session, run_id, because)
    note_decision(session, ctx.today(), row.account_id, row.play, "stop", because)
    return True


def note_decision(session: Session, day: date, account_id: int, play: str, decision: str, because: str) -> None:
    """Add to the log of decisions. The caller commits."""
    row = {"day": day, "account_id": account_id, "play": play, "decision": decision, "because": because[:400]}
    insert_new(session, PlayDecision, row, ("account_id", "play", "day", "decision", "because"))


def audit(ctx: Context, session: Session, run_id: int, action: str, after: dict[str, Any]) -> None:
    """Record what somebody did to a run. The caller commits."""
    session.add(Audit(at=ctx.now(), actor=ctx.actor.email, action=action, subject=f"play_run:{run_id}", after=after))


def _withdraw(ctx: Context, session: Session, run_id: int, because: str) -> None:
    """Close the tasks and the undecided drafts of a run that ended."""
    tasks = (col(Task.run_id) == run_id, col(Task.state) == TaskState.OPEN)
    note = f"The play ended: {because}"[:400]
    session.execute(update(Task).where(*tasks).values(state=TaskState.CANCELLED, done_at=ctx.now(), note=note))
    proposed = select(PlayStep.draft_id).where(PlayStep.run_id == run_id, col(PlayStep.draft_id).is_not(None))
    for draft_id in session.exec(proposed).all():
        still = (col(Draft.id) == draft_id, col(Draft.state).in_(UNDECIDED))
        if changed_one(session, update(Draft).where(*still).values(state=DraftState.EXPIRED, reason=note)):
            session.add(
                Audit(
                    at=ctx.now(), actor=ctx.actor.email, action="draft.expire", subject=f"draft:{draft_id}",
                    after={"state": DraftState.EXPIRED, "reason": note},
                )
            )  # fmt: skip


def _versions(session: Session, ids: set[int]) -> dict[int, Play]:
    rows = session.exec(select(PlayVersion).where(col(PlayVersion.id).in_(ids))).all()
    return {row.id or 0: Play.model_validate(row.content) for row in rows}


def _keep_version(session: Session, play: Play, now: datetime) -> int:
    """The row of a play as it is now, made when it is first used."""
    content = play.model_dump(mode="json")
    key = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
    row = {"play": play.id, "hash": key, "content": content, "first_used_at": now}
    insert_new(session, PlayVersion, row, ("play", "hash"))
    same = (PlayVersion.play == play.id, PlayVersion.hash == key)
    return session.exec(select(col(PlayVersion.id)).where(*same)).one() or 0


def _plain(moment: datetime) -> datetime:
    return moment.replace(tzinfo=None)
