"""Who may do what and sees which accounts: shown to everybody about themselves, changed by admins."""

import re
from typing import Any

from sqlalchemy import func, or_, update
from sqlalchemy.orm import aliased
from sqlmodel import Session, col, select

from storage import queries
from storage.database import changed_one
from storage.models import Account, Audit, Role, Scope, User
from tools.context import Context
from tools.errors import AmbiguousError, Choice, UserError
from tools.facts import plural

MAY = {
    Role.VIEWER: "you may ask; drafting, approving and starting plays need the role csm",
    Role.CSM: "you may ask, draft, approve your own messages and start plays",
    Role.APPROVER: "you may do all that a csm may, and approve what needs a second person",
    Role.ADMIN: "you may do everything, and say who may do what (`/tend people`)",
}
SEES = {Scope.OWN: "your own accounts", Scope.TEAM: "the accounts of your team", Scope.ALL: "all accounts"}
LAST_ADMIN = "is the last admin: make somebody else an admin first, or nobody could change roles any more."
MENTION = re.compile(r"^<@([A-Z0-9]+)(?:\|[^>]*)?>$")
LONGEST_TEAM = 60


def who_am_i(ctx: Context) -> str:
    """Say who the actor is, what they may do and what they see."""
    actor = ctx.actor
    with ctx.session() as session:
        accounts = session.exec(select(func.count(col(Account.id)))).one()
    team = f" {actor.team}" if actor.scope == Scope.TEAM and actor.team else ""
    return (
        f"You are {actor.name} ({actor.email}), role {actor.role}: {MAY[actor.role]}. "
        f"You see {SEES[actor.scope]}{team}: {plural(accounts, 'account')}."
    )


def list_people(ctx: Context) -> str:
    """List the colleagues with role, scope and team, a line each, for admins."""
    ctx.require(Role.ADMIN)
    with ctx.session() as session:
        people = session.exec(select(User).order_by(User.name)).all()
    return "\n".join(_line(user) for user in people) or "Nobody is known yet."


def set_role(ctx: Context, who: str, role: str) -> str:
    """Change what a colleague may do. Returns what was changed.

    Args:
        who: a Slack mention, an email, or a name.

    Raises:
        UserError: there is no such colleague or role, or they are the last admin.
    """
    ctx.require(Role.ADMIN)
    if role not in tuple(Role):
        raise UserError(f"“{role[:40]}” is no role. I know {', '.join(Role)}.")
    with ctx.session() as session:
        user = find_person(session, who)
        others: Any = aliased(User)
        another = select(others.id).where(others.id != user.id, others.role == Role.ADMIN, others.active).exists()
        kept = [] if role == Role.ADMIN else [or_(col(User.role) != Role.ADMIN, another)]
        if not changed_one(session, update(User).where(col(User.id) == user.id, *kept).values(role=role)):
            raise UserError(f"{user.name} {LAST_ADMIN}")
        _note(ctx, session, user, "person.role", {"role": user.role}, {"role": role})
        session.commit()
        return f"{user.name} has the role {role} now."


def set_scope(ctx: Context, who: str, scope: str, team: str | None = None) -> str:
    """Change whose accounts a colleague sees, and their team where one is given. Returns what was changed."""
    ctx.require(Role.ADMIN)
    if scope not in tuple(Scope):
        raise UserError(f"“{scope[:40]}” is no scope. I know {', '.join(Scope)}.")
    if team is not None and len(team) > LONGEST_TEAM:
        raise UserError(f"The name of a team has at most {LONGEST_TEAM} characters; this one has {len(team)}.")
    with ctx.session() as session:
        user = find_person(session, who)
        if scope == Scope.TEAM and not (team or user.team):
            raise UserError(f"{user.name} is in no team yet: say `/tend scope {user.email} team NAME`.")
        before = {"scope": user.scope, "team": user.team}
        user.scope, user.team = scope, team or user.team
        _note(ctx, session, user, "person.scope", before, {"scope": user.scope, "team": user.team})
        session.commit()
        return f"{_line(user)}."


def give_role(ctx: Context, email: str, role: str) -> str:
    """Give a role by email and enter the colleague if nobody has that address yet: so the first admin comes about."""
    if "@" not in email:
        raise UserError(f"“{email[:80]}” is no email address; colleagues are matched by that of their Slack profile.")
    with ctx.session() as session:
        if queries.user_by_email(session, email) is None:
            session.add(User(email=email, name=email.partition("@")[0]))
            session.commit()
    return set_role(ctx, email, role)


def find_person(session: Session, who: str) -> User:
    """Find a colleague by Slack mention, email or name.

    Raises:
        UserError: there is none, or several have that name.
    """
    mentioned = MENTION.match(who)
    plain = who.lstrip("@").lower()
    if mentioned:
        found = [user] if (user := queries.user_by_slack_id(session, mentioned.group(1))) else []
    else:
        names = func.lower(User.name) == plain, func.lower(User.email) == plain
        found = list(session.exec(select(User).where(or_(*names))).all())
    if not found:
        shown = "that person" if mentioned else f"“{plain[:80]}”"
        raise UserError(f"I do not know {shown} yet. Name them by email, or let them write to me once.")
    if len(found) > 1:
        choices = [Choice(user.email, user.email) for user in found]
        raise AmbiguousError(f"Several colleagues are called “{plain[:80]}”; name one by email.", choices)
    return found[0]


def _line(user: User) -> str:
    team = f", team {user.team}" if user.team else ""
    return f"{user.name} ({user.email}): {user.role}, sees {user.scope}{team}{'' if user.active else ', switched off'}"


def _note(ctx: Context, session: Session, user: User, action: str, before: dict, after: dict) -> None:
    session.add(
        Audit(
            at=ctx.now(), actor=ctx.actor.email, action=action, subject=f"user:{user.email}"[:120],
            before=before, after=after,
        )
    )  # fmt: skip
