"""Who is asking: Slack users become actors by email; guests, strangers and bots are refused."""

from dataclasses import dataclass

from sqlmodel import select

from storage import queries
from storage.models import Role, Scope, User, Workspace
from tools.context import Actor, Context
from tools.errors import NotAllowedError, UserError


@dataclass(frozen=True)
class SlackPerson:
    """What Slack says of a user. `team_id` is the team that they belong to."""

    id: str
    team_id: str
    email: str | None
    name: str
    time_zone: str = "UTC"
    guest: bool = False
    bot: bool = False
    deleted: bool = False


def is_colleague(person: SlackPerson, home_team: str) -> bool:
    """Whether somebody is a full member of the workspace: no guest, nobody of another organisation, no app."""
    own = person.team_id == home_team and bool(person.email)
    return own and not (person.guest or person.bot or person.deleted)


@dataclass(frozen=True)
class Newcomer:
    """How a member of the Slack workspace whom nobody knows yet is entered."""

    role: Role = Role.CSM
    scope: Scope = Scope.ALL


def actor_of(ctx: Context, person: SlackPerson, home_team: str, newcomer: Newcomer = Newcomer()) -> Actor:
    """Return the colleague behind a Slack user; a new member of the workspace is entered.

    Raises:
        NotAllowedError: for guests, people of other organisations, bots and deactivated users.
    """
    if person.team_id != home_team:
        raise NotAllowedError("I only answer members of this workspace, so I can't share account data with you.")
    if person.guest:
        raise NotAllowedError("I only answer full members of this workspace; guests can't see account data.")
    if person.bot or person.deleted or not person.email:
        raise NotAllowedError("I only answer people who are members of this workspace.")
    with ctx.session() as session:
        user = queries.user_by_slack_id(session, person.id) or queries.user_by_email(session, person.email)
        if user is None:
            user = User(email=person.email, name=person.name, role=newcomer.role, scope=newcomer.scope)
            user.time_zone = person.time_zone
            session.add(user)
        if not user.active:
            raise NotAllowedError("Your access to Tend was switched off. An admin of Tend can restore it.")
        user.slack_id = person.id
        session.commit()
        return Actor.of(user)


def actor_by_email(ctx: Context, text: str) -> Actor:
    """Return the colleague with this email or name, for the command line.

    Raises:
        UserError: when there is none; lists a few who are there.
    """
    with ctx.session() as session:
        users = session.exec(select(User).order_by(User.name)).all()
        found = next((u for u in users if text.lower() in (u.email.lower(), u.name.lower())), None)
        if found is None:
            known = ", ".join(user.email for user in users[:5]) or "nobody yet"
            raise UserError(f"I know no colleague “{text}”. Known: {known}.")
        return Actor.of(found)


def workspace_for_team(ctx: Context, team_id: str, name: str) -> str:
    """Return the id of the workspace of a Slack team; the first team takes the one that has none yet.

    So accounts imported before Slack was connected belong to the team that is connected first.
    """
    with ctx.database.unbound() as session:
        known = session.exec(select(Workspace).where(Workspace.slack_team_id == team_id)).first()
        if known is None:
            known = session.exec(select(Workspace).where(Workspace.slack_team_id == None)).first()  # noqa: E711
            known = known or Workspace(id=team_id, created_at=ctx.now())
            known.slack_team_id, known.name = team_id, name
            session.add(known)
            session.commit()
        return known.id
