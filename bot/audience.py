"""Who reads along in a channel: an answer goes there only when everybody in it may see what the asker sees."""

from collections.abc import Callable, Collection, Iterator
from typing import Any

import structlog
from cachetools import TTLCache
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError
from sqlmodel import col, select

from bot.settings import Settings
from storage.models import Account, Scope, User
from storage.queries import user_by_email
from tools.context import SYSTEM, Actor, Context
from tools.errors import NotAllowedError
from tools.people import Newcomer, SlackPerson, is_colleague

log = structlog.get_logger()
SECONDS = 300  # for which members of channels and groups are remembered
MOST_MEMBERS = 100  # of a channel, who are looked up one by one
GUESTS = "There are guests or people of other organisations in this channel, so I answer in our messages."
NARROW = "Not everybody in this channel may see this, so I answer in our messages."
TOO_MANY = f"This channel has more than {MOST_MEMBERS} members, too many to check who may see this: see our messages."
UNKNOWN = "I cannot see who is in this channel, so I answer in our messages."
NOT_ASKER = "Only members of a certain user group may ask me here; an admin of Slack can add you to it."


class Audience:
    """Knows the members of channels.

    Args:
        client_of: returns the Slack client of a workspace.
        person_of: returns what Slack says of a user.
    """

    def __init__(
        self,
        settings: Settings,
        client_of: Callable[[str], WebClient],
        person_of: Callable[[Context, str], SlackPerson],
    ) -> None:
        self._settings, self._client_of, self._person_of = settings, client_of, person_of
        self._members: Any = TTLCache(5_000, ttl=SECONDS)

    @property
    def newcomer(self) -> Newcomer:
        """How members of the Slack workspace whom nobody knows yet are entered."""
        return Newcomer(self._settings.new_member_role, self._settings.new_member_scope)

    def require_asker(self, ctx: Context, user: str) -> None:
        """Refuse whoever is not in the user group of those who may ask, where there is one.

        Raises:
            NotAllowedError: not a member of the group.
        """
        group = self._settings.askers_group
        if group and user not in self._of_group(ctx, group):
            raise NotAllowedError(NOT_ASKER)

    def barred(self, ctx: Context, channel: str, accounts: Collection[int] = ()) -> str | None:
        """Say why an answer to the actor may not go into a channel; None where it may.

        Args:
            accounts: those that the answer speaks of, where it speaks of nothing else; without, it may hold
                anything that the actor sees.
        """
        if ctx.actor == SYSTEM or channel.startswith("D"):
            return None
        members = self._of_channel(ctx, channel)
        if members is None:
            return UNKNOWN
        if len(members) > MOST_MEMBERS:
            return TOO_MANY if self._anybody_narrowed(ctx) else None
        readers = list(self._readers(ctx, members))
        if None in readers:
            return GUESTS
        own = _seen(ctx, accounts)
        others = {reader.view.key: reader for reader in readers if reader is not None}
        fine = all(_sees_as_much(ctx, reader, accounts, own) for reader in others.values())
        return None if fine else NARROW

    def _readers(self, ctx: Context, members: list[str]) -> Iterator[Actor | None]:
        """The members as colleagues; None for each who is none. Apps are left out: an admin installed them."""
        with ctx.acting(SYSTEM).session() as session:
            found = session.exec(select(User).where(col(User.slack_id).in_(members), col(User.active))).all()
        yield from (Actor.of(user) for user in found)
        known = {user.slack_id for user in found}
        people = (self._person_of(ctx, member) for member in members if member not in known)
        yield from (self._reader(ctx, person) for person in people if not (person.bot or person.deleted))

    def _reader(self, ctx: Context, person: SlackPerson) -> Actor | None:
        """Somebody who never wrote to Tend: as their row says, or as they would be entered."""
        if not is_colleague(person, self._team_of(ctx)):
            return None
        email = person.email or ""
        with ctx.acting(SYSTEM).session() as session:
            user = user_by_email(session, email)
        return Actor.of(user) if user else Actor(email, person.name, scope=self.newcomer.scope)

    def _team_of(self, ctx: Context) -> str:
        return self._person_of(ctx, ctx.actor.slack_id or "").team_id

    def _anybody_narrowed(self, ctx: Context) -> bool:
        with ctx.acting(SYSTEM).session() as session:
            narrow = session.exec(select(User.id).where(User.scope != Scope.ALL).limit(1)).first()
        return narrow is not None or self.newcomer.scope != Scope.ALL

    def _of_channel(self, ctx: Context, channel: str) -> list[str] | None:
        """The members of a channel, one more than can be looked up at most; None when Slack does not say."""
        key = (ctx.workspace_id, channel)
        if key not in self._members:
            try:
                self._members[key] = _listed(self._client_of(ctx.workspace_id), channel)
            except SlackApiError as error:
                log.warning("no_members", error=error.response.get("error"))
                return None
        return self._members[key]

    def _of_group(self, ctx: Context, group: str) -> list[str]:
        key = (ctx.workspace_id, group)
        if key not in self._members:
            answer = self._client_of(ctx.workspace_id).usergroups_users_list(usergroup=group)
            self._members[key] = list(answer["users"])
        return self._members[key]


def _listed(client: WebClient, channel: str) -> list[str]:
    members: list[str] = []
    cursor: str | None = None
    while cursor != "" and len(members) <= MOST_MEMBERS:
        answer = client.conversations_members(channel=channel, limit=MOST_MEMBERS + 1, cursor=cursor)
        members += answer["members"]
        cursor = (answer.get("response_metadata") or {}).get("next_cursor") or ""
    return members


def _seen(ctx: Context, accounts: Collection[int]) -> set[int] | None:
    """The accounts that must be visible to all: those given, or all that the actor sees (None: every one)."""
    if accounts:
        return set(accounts)
    if ctx.actor.scope == Scope.ALL:
        return None
    return _visible(ctx)


def _sees_as_much(ctx: Context, reader: Actor, accounts: Collection[int], own: set[int] | None) -> bool:
    if reader.scope == Scope.ALL or (not accounts and reader.view.key == ctx.actor.view.key):
        return True
    if own is None:
        return False
    return own <= _visible(ctx.acting(reader))


def _visible(ctx: Context) -> set[int]:
    with ctx.session() as session:
        return {account_id or 0 for account_id in session.exec(select(Account.id)).all()}
