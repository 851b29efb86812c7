"""The audit read out: as lines for other programs, and of one draft in short."""

import json
from collections.abc import Iterator
from datetime import date, datetime, time
from typing import Any, Literal

from sqlmodel import col, select

from storage.models import Audit, Role
from tools.context import Context
from tools.csv_lists import csv_line
from tools.errors import UserError
from tools.facts import day, plural

Form = Literal["csv", "jsonl"]
COLUMNS = ("at", "actor", "action", "subject", "before", "after")
AT_ONCE = 1000
MOST_SHOWN = 20


def audit_rows(ctx: Context, since: date | None = None, subject: str | None = None) -> Iterator[Audit]:
    """Yield who did what, the oldest first; for admins.

    Args:
        since: from the beginning of this day (UTC).
        subject: such as `draft:12`.
    """
    ctx.require(Role.ADMIN)
    where = [col(Audit.at) >= datetime.combine(since, time.min)] if since else []
    where += [col(Audit.subject) == subject] if subject else []
    last = 0
    while True:
        with ctx.session() as session:
            page = select(Audit).where(*where, col(Audit.id) > last).order_by(col(Audit.id)).limit(AT_ONCE)
            rows = session.exec(page).all()
        yield from rows
        if len(rows) < AT_ONCE:
            return
        last = rows[-1].id or 0


def audit_lines(rows: Iterator[Audit], form: Form) -> Iterator[str]:
    """Write rows as CSV, in which no cell is a formula, or as JSON lines."""
    if form == "jsonl":
        yield from (json.dumps(_entry(row), ensure_ascii=False) + "\n" for row in rows)
        return
    yield csv_line(COLUMNS)
    yield from (csv_line(_cells(row)) for row in rows)


def _entry(row: Audit) -> dict[str, Any]:
    return {name: getattr(row, name) for name in COLUMNS} | {"at": row.at.isoformat()}


def _cells(row: Audit) -> list[str]:
    known = _entry(row)
    texts = (known[name] for name in COLUMNS)
    return [text if isinstance(text, str) else json.dumps(text, ensure_ascii=False) if text else "" for text in texts]


def audit_of_draft(ctx: Context, words: str) -> str:
    """Say in short what was done with a draft, by whom and when; for admins."""
    if not words.strip().isdigit():
        raise UserError("I know `/tend audit <draft number>`, for example `/tend audit 12`.")
    rows = list(audit_rows(ctx, subject=f"draft:{int(words)}"))
    if not rows:
        return f"Nothing is recorded of draft {int(words)}."
    lines = [f"• {day(row.at.date())} {row.at:%H:%M} UTC · {row.actor} · {_done(row)}" for row in rows[-MOST_SHOWN:]]
    return f"*Draft {int(words)}*: {plural(len(rows), 'entry').replace('entrys', 'entries')}\n" + "\n".join(lines)


def _done(row: Audit) -> str:
    after = row.after or {}
    why = after.get("reason") or after.get("how")
    return row.action.removeprefix("draft.").replace("_", " ") + (f" ({why})" if why else "")
