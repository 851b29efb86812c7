"""Tasks of colleagues: those that plays ask for, listed and finished."""

from dataclasses import dataclass
from datetime import date

from sqlalchemy import update
from sqlmodel import col, select

from storage.database import changed_one
from storage.models import Account, Audit, PlayRun, Role, Task, TaskState
from tools.context import Context
from tools.errors import StaleError
from tools.facts import FactSheet, Result, day, plural
from tools.names import find_colleague

MOST_ROWS = 100
SHOWN = 10
SOURCE = "task"


@dataclass(frozen=True)
class TaskRow:
    """One task as people see it; `play` is the id of the play that asked for it."""

    id: int
    account_id: int
    account: str
    owner_email: str | None
    title: str
    text: str
    due_on: date
    state: str
    play: str | None


@dataclass(frozen=True)
class TaskList(Result):
    """Open tasks, the earliest due first."""

    rows: tuple[TaskRow, ...] = ()
    total: int = 0
    overdue: int = 0


def list_tasks(ctx: Context, owner: str | None = "me", limit: int = SHOWN) -> TaskList:
    """List open tasks, the earliest due first.

    Args:
        owner: a colleague's name or email; "me" for the person who asks; None for everybody's.
        limit: how many rows to show, at most 100.
    """
    with ctx.session() as session:
        query = (
            select(Task, Account.name, PlayRun.play)
            .join(Account, col(Account.id) == col(Task.account_id))
            .outerjoin(PlayRun, col(PlayRun.id) == col(Task.run_id))
            .where(Task.state == TaskState.OPEN)
            .order_by(col(Task.due_on), col(Task.id))
        )
        if owner is not None:
            query = query.where(Task.owner_email == find_colleague(ctx, session, owner).email)
        found = [_row(task, name, play) for task, name, play in session.exec(query).all()]
    today = ctx.today()
    overdue = sum(row.due_on < today for row in found)
    rows = tuple(found[: max(1, min(limit, MOST_ROWS))])
    sheet = FactSheet(today)
    sheet.add("tasks", "open tasks", len(found), "tasks", SOURCE)
    sheet.add("tasks", "overdue tasks", overdue, "tasks", SOURCE)
    for row in rows:
        sheet.add(row.account, row.title, row.due_on, "date", SOURCE)
    lines = [f"• {day(row.due_on)}: {row.title}" for row in rows]
    head = f"{plural(len(found), 'open task')}, {overdue:,} overdue." if found else "No task is open."
    ids = tuple(dict.fromkeys(row.account_id for row in rows))
    return TaskList("\n".join([head, *lines]), tuple(sheet), ids, rows, len(found), overdue)


def finish_task(ctx: Context, task_id: int, note: str = "") -> TaskList:
    """Mark a task as done, with a word on what came of it. Returns it.

    Raises:
        StaleError: it is not open (any more).
    """
    ctx.require(Role.CSM)
    values = {"state": TaskState.DONE, "done_at": ctx.now(), "done_by": ctx.actor.email, "note": note.strip()[:1000]}
    with ctx.session() as session:
        still = (col(Task.id) == task_id, col(Task.state) == TaskState.OPEN)
        if not changed_one(session, update(Task).where(*still).values(**values)):
            raise StaleError("This task is not open (any more).")
        done = {"state": TaskState.DONE, "note": values["note"]}
        subject = f"task:{task_id}"
        session.add(Audit(at=ctx.now(), actor=ctx.actor.email, action="task.done", subject=subject, after=done))
        session.commit()
        task = session.get_one(Task, task_id)
        row = _row(task, session.get_one(Account, task.account_id).name, None)
    return TaskList(f"Done: {row.title}.", (), (row.account_id,), (row,), 1, 0)


def _row(task: Task, account: str, play: str | None) -> TaskRow:
    return TaskRow(
        task.id or 0, task.account_id, account, task.owner_email, task.title, task.text, task.due_on,
        str(task.state), play,
    )  # fmt: skip
