"""What colleagues want to keep in mind: notes on an account, and reminders, which are tasks of their own."""

from datetime import date, timedelta

from storage.models import Audit, Note, Role, Task
from tools.account_query import subject_of
from tools.context import Context
from tools.errors import UserError
from tools.facts import FactSheet, Result, day
from tools.writing import one_line

LONGEST_NOTE, LONGEST_REMINDER = 2000, 180
FARTHEST = timedelta(days=730)


def add_note(ctx: Context, account: str, text: str) -> Result:
    """Write a note on an account, for every colleague who works with it; it shows in the timeline.

    Args:
        account: the account's name, domain or external id.
        text: what to keep, in the person's own words.
    """
    ctx.require(Role.CSM)
    plain = _checked(text, LONGEST_NOTE)
    with ctx.session() as session:
        found, row, as_of = subject_of(ctx, session, account)
        session.add(Note(account_id=found.id or 0, text=plain, by=ctx.actor.email, at=ctx.now()))
        session.add(
            Audit(at=ctx.now(), actor=ctx.actor.email, action="note.add", subject=f"account:{found.id}", after={})
        )
        session.commit()
    sheet = FactSheet(as_of)
    sheet.add(row.name, "note", plain, "text", "note", "colleague")
    return Result(f"Noted for {row.name}: “{plain}”", tuple(sheet), (row.id,))


def remind_me(ctx: Context, account: str, text: str, due_on: str | None = None) -> Result:
    """Remind the person who asks of something at an account; it stands among their tasks from then on.

    Args:
        account: the account's name, domain or external id.
        text: what to be reminded of.
        due_on: the day as YYYY-MM-DD; left out, tomorrow.
    """
    ctx.require(Role.CSM)
    plain, today = _checked(text, LONGEST_REMINDER), ctx.today()
    due = _day(due_on) if due_on else today + timedelta(days=1)
    if not today <= due <= today + FARTHEST:
        raise UserError(f"I can remind you from today until {day(today + FARTHEST)}; {day(due)} is outside of that.")
    with ctx.session() as session:
        found, row, _ = subject_of(ctx, session, account)
        session.add(
            Task(
                account_id=found.id or 0,
                owner_email=ctx.actor.email,
                title=plain,
                text=f"Your reminder of {day(today)}.",
                due_on=due,
                created_at=ctx.now(),
            )
        )
        session.commit()
    sheet = FactSheet(today)
    sheet.add(row.name, "reminder", plain, "text", "task", "colleague")
    sheet.add(row.name, "reminder due", due, "date", "task")
    return Result(f"I remind you on {due:%A}, {day(due)} about {row.name}: “{plain}”", tuple(sheet), (row.id,))


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise UserError(f"“{text[:20]}” is no day; say it like 2026-05-08.") from error


def _checked(text: str, most: int) -> str:
    plain = one_line(text)
    if not plain:
        raise UserError("What shall I write down? Say it after a colon, for example “note for Acme: asks for a demo”.")
    if len(plain) > most:
        raise UserError(f"That is {len(plain):,} characters; I keep up to {most:,}.")
    return plain
