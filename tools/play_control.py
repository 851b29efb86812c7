"""What a colleague does with a play at an account: enrol, pause, resume, leave a step out, stop; each is audited."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import update
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, col, select

from knowledge.documents import library
from knowledge.kinds import Play
from knowledge.play_intents import Skip
from storage.database import changed_one
from storage.models import Account, Contact, PlayRun, Role, RunState
from tools.account_query import scored_day
from tools.context import Context
from tools.errors import StaleError, UserError
from tools.facts import FactSheet, Result, day
from tools.names import resolve_account
from tools.play_runs import audit, end_run, plan_again, play_of, start_run
from tools.play_steps import skip

BY_HAND = "by_hand"  # its own arm: accounts that people choose are no fair comparison with the hold-out
SOURCE = "play_run"


@dataclass(frozen=True)
class RunChange(Result):
    """A run after somebody changed it."""

    run_id: int = 0
    state: str = ""


def enrol(ctx: Context, account: str, play: str, because: str = "") -> RunChange:
    """Start a play at an account by hand; cool-down, the hold-out's chance and the day's limit do not apply.

    Args:
        account: the account's name, domain or external id.
        play: the id or title of the play.

    Raises:
        UserError: there is no such account or play, or the play is open there already.
    """
    ctx.require(Role.CSM)
    chosen = find_play(play)
    reason = because.strip() or f"{ctx.actor.name} asked for it"
    with ctx.session() as session:
        found = resolve_account(session, account, scored_day(ctx, session))
        try:
            row = start_run(ctx, session, chosen, found.id or 0, reason, BY_HAND, _zone(ctx, session, found.id or 0))
            _log(ctx, session, row, "enrol", reason)
            session.commit()
        except IntegrityError as error:
            session.rollback()
            raise UserError(_open_already(session, found, chosen)) from error
        return _changed(ctx, row, found.name, f"“{chosen.title}” runs for {found.name} from now on.")


def pause(ctx: Context, run_id: int, because: str) -> RunChange:
    """Let a run rest: no step is done until it is resumed; it still ends when its goal is met."""
    ctx.require(Role.CSM)
    _reason(because)
    with ctx.session() as session:
        row = _load(session, run_id)
        _set(session, row, RunState.RUNNING, {"state": RunState.PAUSED, "paused_at": ctx.now()})
        return _done(ctx, session, row, "pause", because)


def resume(ctx: Context, run_id: int, because: str = "") -> RunChange:
    """Go on with a paused run; its steps and the time for its goal move by as long as it rested."""
    ctx.require(Role.CSM)
    with ctx.session() as session:
        row = _load(session, run_id)
        rested = ctx.now() - (row.paused_at or ctx.now())
        values = {
            "state": RunState.RUNNING,
            "paused_at": None,
            "paused_minutes": row.paused_minutes + int(rested.total_seconds() // 60),
            "goal_until": row.goal_until + rested,
        }
        _set(session, row, RunState.PAUSED, values)
        plan_again(session, run_id, _zone(ctx, session, row.account_id))
        return _done(ctx, session, row, "resume", because)


def skip_step(ctx: Context, run_id: int, step: str, because: str) -> RunChange:
    """Leave out a step that waits."""
    ctx.require(Role.CSM)
    with ctx.session() as session:
        row = _load(session, run_id)
        words = f"{ctx.actor.name}: {_reason(because)}"
        if row.ended_at is not None or not skip(ctx, session, run_id, Skip(run_id, step, words)):
            raise StaleError(f"The step “{step}” does not wait (any more) in this run.")
        return _done(ctx, session, row, "skip", f"{step}: {because}")


def stop_run(ctx: Context, run_id: int, because: str) -> RunChange:
    """Stop a run for good; its open tasks and undecided drafts are withdrawn."""
    ctx.require(Role.CSM)
    with ctx.session() as session:
        row = _load(session, run_id)
        if not end_run(ctx, session, run_id, RunState.STOPPED, f"person: {_reason(because)}", None):
            raise StaleError("This run has ended already.")
        return _done(ctx, session, row, "stop", because)


def find_play(words: str) -> Play:
    """Find a play by its id or title.

    Raises:
        UserError: naming plays that are alike.
    """
    plays = library().plays.values()
    wanted = words.strip().lower()
    exact = [p for p in plays if wanted in (p.id, p.title.lower(), p.id.replace("_", " "))]
    near = exact or [p for p in plays if wanted and wanted in p.title.lower()]
    if len(near) == 1:
        return near[0]
    shown = ", ".join(p.title for p in near[:5])
    raise UserError(f"Several plays are called like that: {shown}." if near else f"There is no play “{words[:80]}”.")


def _set(session: Session, row: PlayRun, source: RunState, values: dict[str, Any]) -> None:
    """Change a run that is in the state it should be in, and only then."""
    still = (col(PlayRun.id) == row.id, col(PlayRun.state) == source)
    if not changed_one(session, update(PlayRun).where(*still).values(**values)):
        raise StaleError(f"This run is {row.state}, not {source}; nothing was changed.")


def _done(ctx: Context, session: Session, row: PlayRun, action: str, because: str) -> RunChange:
    _log(ctx, session, row, action, because)
    session.commit()
    session.refresh(row)
    name = session.get_one(Account, row.account_id).name
    return _changed(ctx, row, name, f"“{play_of(session, row).title}” for {name} is {row.state}.")


def _changed(ctx: Context, row: PlayRun, name: str, text: str) -> RunChange:
    sheet = FactSheet(ctx.today())
    sheet.add(name, f"state of the play {row.play}", str(row.state), "text", SOURCE)
    return RunChange(text, tuple(sheet), (row.account_id,), row.id or 0, str(row.state))


def _log(ctx: Context, session: Session, row: PlayRun, action: str, because: str) -> None:
    audit(ctx, session, row.id or 0, f"play.{action}", {"play": row.play, "because": because.strip()[:400]})


def _reason(because: str) -> str:
    if not because.strip():
        raise UserError("Please say in a few words why, for the colleagues who see the run later.")
    return because.strip()[:300]


def _load(session: Session, run_id: int) -> PlayRun:
    row = session.get(PlayRun, run_id)
    if row is None:
        raise UserError("That run of a play is not here.")
    return row


def _open_already(session: Session, account: Account, play: Play) -> str:
    mine = (PlayRun.account_id == account.id, PlayRun.play == play.id, col(PlayRun.ended_at).is_(None))
    row = session.exec(select(PlayRun).where(*mine)).one()
    if row.state == RunState.HELD_OUT:
        return (
            f"{account.name} is in the hold-out of “{play.title}” until {day(row.goal_until.date())}: it receives "
            "nothing of it, so that the play's effect can be measured. Stop that run first if you must."
        )
    return f"“{play.title}” is {row.state} for {account.name} already, since {day(row.started_at.date())}."


def _zone(ctx: Context, session: Session, account_id: int) -> str:
    """The time zone of the contact we know longest; the workspace's where none is known."""
    known = (Contact.account_id == account_id, col(Contact.left_on).is_(None), col(Contact.time_zone).is_not(None))
    return session.exec(select(Contact.time_zone).where(*known).order_by(col(Contact.id))).first() or ctx.time_zone
