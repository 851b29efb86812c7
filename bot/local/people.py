"""Who and what a local workspace consists of: people, channels and the app's own identity."""

from dataclasses import dataclass
from typing import Any, Literal

OTHER_TEAM_ID = "T0PARTNER"  # the workspace that external people of a shared channel belong to


@dataclass(frozen=True)
class Person:
    """A person of the workspace; ``external`` people belong to another team and sit in shared channels."""

    id: str
    name: str
    real_name: str
    email: str
    tz: str = "Europe/Berlin"
    kind: Literal["member", "guest", "external"] = "member"
    title: str = ""

    def team(self, home: str) -> str:
        """Return the team the person belongs to."""
        return OTHER_TEAM_ID if self.kind == "external" else home


@dataclass(frozen=True)
class Channel:
    """A public channel with its members by user id; ``shared`` with another workspace or not."""

    id: str
    name: str
    members: tuple[str, ...]
    shared: bool = False
    topic: str = ""


@dataclass(frozen=True)
class Identity:
    """The workspace's and the installed app's names, ids and secrets."""

    team_id: str
    team_name: str
    bot_user_id: str
    bot_id: str
    app_id: str
    bot_name: str
    bot_token: str
    app_token: str
    signing_secret: str

    @property
    def domain(self) -> str:
        """Return the workspace's sub-domain."""
        return "local"


def dm_id(user_id: str) -> str:
    """Return the id of a person's direct message with the app."""
    return "D" + user_id[1:]


def user_object(person: Person, home: str) -> dict[str, Any]:
    """Return a person the way ``users.info`` shows them."""
    guest = person.kind == "guest"
    user = {
        "id": person.id,
        "team_id": person.team(home),
        "name": person.name,
        "real_name": person.real_name,
        "deleted": False,
        "tz": person.tz,
        "profile": _profile(person, home),
        "is_admin": False,
        "is_bot": False,
        "is_restricted": guest,
        "is_ultra_restricted": guest,
        "is_app_user": False,
    }
    return user | ({"is_stranger": True} if person.kind == "external" else {})


def _profile(person: Person, home: str) -> dict[str, Any]:
    profile = {
        "real_name": person.real_name,
        "display_name": person.name,
        "title": person.title,
        "team": person.team(home),
    }
    # Slack keeps the e-mail address of another organisation's people to itself.
    return profile if person.kind == "external" else profile | {"email": person.email}


def bot_object(identity: Identity) -> dict[str, Any]:
    """Return the app's own user the way ``users.info`` shows it."""
    return {
        "id": identity.bot_user_id,
        "team_id": identity.team_id,
        "name": identity.bot_name.lower(),
        "real_name": identity.bot_name,
        "deleted": False,
        "tz": "Europe/Berlin",
        "profile": {
            "real_name": identity.bot_name,
            "display_name": identity.bot_name,
            "bot_id": identity.bot_id,
            "api_app_id": identity.app_id,
            "team": identity.team_id,
        },
        "is_admin": False,
        "is_bot": True,
        "is_restricted": False,
        "is_ultra_restricted": False,
        "is_app_user": False,
    }
