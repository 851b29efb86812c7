"""Do a step of a play exactly once: a draft for approval, or a task for the owner of the account."""

from dataclasses import dataclass
from datetime import date
from zoneinfo import ZoneInfo

import polars as pl
from sqlalchemy import update
from sqlmodel import Session, col

from knowledge.kinds import WRITTEN, Step
from knowledge.play_intents import Run, Skip
from storage import queries
from storage.database import changed_one
from storage.models import Account, Draft, DraftState, PlayRun, PlayStep, RunState, StepState, Task
from tools.approvals import approve
from tools.channels import address
from tools.context import SYSTEM, Actor, Context
from tools.drafts import compose, earlier_draft, message_facts
from tools.errors import UserError
from tools.play_runs import plan_again
from tools.testimonial_rules import CLASS, testimonial_obstacle


@dataclass(frozen=True)
class Prepared:
    """What a step becomes: a draft; or a task with its text, and why there is no draft."""

    draft: Draft | None
    text: str
    note: str | None = None


def do_step(ctx: Context, run: Run, step: Step, table: pl.DataFrame, as_of: date, zone: str) -> str | None:
    """Do a step in one transaction: after a crash it is as if never begun, and a second worker finds it done.

    Args:
        table: the table of plays of the day `as_of`: what a message may say.

    Returns:
        `draft`, `task`, or `skipped` where it must not be asked for now; None when somebody else
        did it, or ended the run, in the meantime.
    """
    with ctx.session() as session:
        account = session.get_one(Account, run.account_id)
        known = earlier_draft(session, request_key(run.id, step.id))
        if not known and (why := _not_now(ctx, session, step, account)):
            left_out = skip(ctx, session, run.id, Skip(run.id, step.id, why))
            plan_again(session, run.id, zone)
            session.commit()
            return "skipped" if left_out else None
        made = Prepared(known, "") if known else _prepared(ctx, session, run, step, account, (table, as_of))
        if not _claim(ctx, session, run.id, step.id, made.note):
            session.rollback()
            return None
        if made.draft is not None:
            _add_draft(session, run, step, made.draft)
        else:
            session.add(_task(ctx, run, step, account, made, zone))
        plan_again(session, run.id, zone)
        session.commit()
        if made.draft is None:
            return "task"
        _approve_automatically(ctx, run, step, made.draft)
    return "draft"


def _not_now(ctx: Context, session: Session, step: Step, account: Account) -> str | None:
    """What stands against a step that asks for praise."""
    template = ctx.library().templates.get(step.template or "")
    if template is None or template.message_class != CLASS:
        return None
    return testimonial_obstacle(session, account, ctx.now(), ctx.governance)


def _approve_automatically(ctx: Context, run: Run, step: Step, draft: Draft) -> None:
    """Let a message go out where the team wants no approval; one of high risk waits for a person all the same."""
    template = ctx.library().templates.get(draft.purpose)
    wanted = {run.play.id, f"{run.play.id}/{step.id}"} & ctx.automatic
    if wanted and template is not None and not template.high_risk and draft.state == DraftState.DRAFTED:
        approve(ctx.acting(SYSTEM), draft.id or 0, draft.content_hash)


def skip(ctx: Context, session: Session, run_id: int, intent: Skip) -> bool:
    """Leave a waiting step out. The caller commits."""
    values = {"state": StepState.SKIPPED, "done_at": ctx.now(), "note": intent.because[:400]}
    return changed_one(session, update(PlayStep).where(*_waiting(run_id, intent.step)).values(**values))


def request_key(run_id: int, step: str) -> str:
    """The key under which a step has at most one draft."""
    return f"play:{run_id}:{step}"


def _claim(ctx: Context, session: Session, run_id: int, step: str, note: str | None) -> bool:
    """Mark a step as done if it waits and its run still goes on; the run's row is locked until the commit."""
    going = (col(PlayRun.id) == run_id, col(PlayRun.state) == RunState.RUNNING)
    if not changed_one(session, update(PlayRun).where(*going).values(state=RunState.RUNNING)):
        return False
    values = {"state": StepState.DONE, "done_at": ctx.now(), "note": note and note[:400]}
    return changed_one(session, update(PlayStep).where(*_waiting(run_id, step)).values(**values))


def _waiting(run_id: int, step: str) -> tuple:
    return col(PlayStep.run_id) == run_id, col(PlayStep.step) == step, col(PlayStep.state) == StepState.WAITING


Known = tuple[pl.DataFrame, date]  # the table of plays, and its day


def _prepared(ctx: Context, session: Session, run: Run, step: Step, account: Account, known: Known) -> Prepared:
    if step.channel not in WRITTEN:
        note = "Webhooks are not connected: please pass it on by hand." if step.channel == "webhook" else None
        return Prepared(None, "\n\n".join(filter(None, (step.text, note))), note)
    try:
        draft = _draft(ctx, session, run, step, account, known)
        if step.channel in ctx.channels:
            address(session, draft, step.channel)
    except UserError as error:
        return Prepared(None, f"{step.goal}. Please write to them yourself. {error}", str(error))
    if step.channel not in ctx.channels:
        note = f"Tend cannot send on the channel {step.channel}: please pass this on there yourself."
        return Prepared(None, f"{note}\n\n{draft.body}", note)
    return Prepared(draft, "")


def _draft(ctx: Context, session: Session, run: Run, step: Step, account: Account, known: Known) -> Draft:
    name = step.template or ""
    template = ctx.library().templates.get(name)
    if template is None:
        raise UserError(f"The message template “{name}” is not there any more.")
    owner = queries.user_by_email(session, account.owner_email or "")
    if owner is None or not owner.active:
        raise UserError(f"{account.name} has no owner among your colleagues who could sign it.")
    signed = ctx.acting(Actor.of(owner))
    table, as_of = known
    row = table.filter((pl.col("account_id") == account.id) & (pl.col("status") != "churned"))
    with session.no_autoflush:
        facts = message_facts(ctx, session, account, as_of, row)
        return compose(signed, session, account, facts, template, as_of)


def _add_draft(session: Session, run: Run, step: Step, draft: Draft) -> None:
    draft.request_key, draft.origin = request_key(run.id, step.id), f"play:{run.play.id}"[:60]
    session.add(draft)
    session.flush()
    mine = (col(PlayStep.run_id) == run.id, col(PlayStep.step) == step.id)
    changed_one(session, update(PlayStep).where(*mine).values(draft_id=draft.id))


def _task(ctx: Context, run: Run, step: Step, account: Account, made: Prepared, zone: str) -> Task:
    return Task(
        account_id=run.account_id,
        owner_email=ctx.duties.get(step.actor) or account.owner_email,
        title=f"{account.name}: {step.goal}"[:200],
        text=made.text[:2000],
        due_on=ctx.now().astimezone(ZoneInfo(zone)).date(),
        run_id=run.id,
        step=step.id,
        created_at=ctx.now(),
    )
