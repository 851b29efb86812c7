"""Milestones that no data can tell of: a colleague says when an account has met one."""

from sqlmodel import Session

from scoring.journeys import DayJourney, Journeys, Milestone, StageRule
from storage.database import insert_new
from storage.models import Audit, MilestoneMet, Role
from tools.account_query import scored_day
from tools.context import Context
from tools.errors import StaleError, UserError
from tools.facts import FactSheet, Result
from tools.names import resolve_account


def tell_milestone(ctx: Context, account: str, journey: str, milestone: str) -> Result:
    """Record that an account has met a milestone today.

    Args:
        account: the account's name, domain or external id.
        journey: the id of the journey, or of the lifecycle.
        milestone: the milestone's id.

    Raises:
        UserError: there is no such account or milestone, or its data tell of it by themselves.
        StaleError: it was met already.
    """
    ctx.require(Role.CSM)
    told = _milestone(ctx.journeys, journey, milestone)
    with ctx.session() as session:
        found = resolve_account(session, account, scored_day(ctx, session))
        if not _keep(ctx, session, found.id or 0, journey, milestone):
            raise StaleError(f"“{told.title}” was met by {found.name} already.")
        session.commit()
        sheet = FactSheet(ctx.today())
        sheet.add(found.name, f"milestone {told.title} met on", ctx.today(), "date", "milestone")
        return Result(f"“{told.title}” is met by {found.name} from today on.", tuple(sheet), (found.id or 0,))


def _keep(ctx: Context, session: Session, account_id: int, journey: str, milestone: str) -> bool:
    key = {"account_id": account_id, "journey": journey, "milestone": milestone}
    if not insert_new(session, MilestoneMet, {**key, "met_on": ctx.today()}, tuple(key)):
        return False
    session.add(
        Audit(
            at=ctx.now(), actor=ctx.actor.email, action="milestone.told", subject=f"account:{account_id}",
            after={"journey": journey, "milestone": milestone, "met_on": ctx.today().isoformat()},
        )
    )  # fmt: skip
    return True


def _milestone(journeys: Journeys, journey: str, milestone: str) -> Milestone:
    stages = journeys.lifecycle.stages if journey == journeys.lifecycle.id else ()
    owners: tuple[StageRule | DayJourney, ...] = (*stages, *(j for j in journeys.by_day if j.id == journey))
    found = next((each for owner in owners for each in owner.milestones if each.id == milestone), None)
    if found is None:
        raise UserError(f"There is no milestone “{milestone}” in the journey “{journey}” (any more).")
    if not found.manual:
        raise UserError(f"“{found.title}” is read from the data; it counts as met as soon as they show it.")
    return found
