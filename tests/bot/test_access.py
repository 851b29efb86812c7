"""Who may ask, do and see what: roles and scopes by command, and who reads along in a channel."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from slack_sdk import WebClient
from sqlmodel import select
from typer.testing import CliRunner

from bot.__main__ import cli
from bot.audience import GUESTS, MOST_MEMBERS, NARROW, TOO_MANY, UNKNOWN, Audience
from bot.listeners import people
from bot.local.run import Running
from bot.local.server import Channel, LocalWorkspace, Person
from bot.messages import Messenger
from bot.runtime import _slack_person
from bot.settings import Settings
from storage.models import Audit, Role, Scope, User
from tools import digests
from tools.context import SYSTEM, Actor, Context
from tools.errors import NotAllowedError, UserError
from tools.people import Newcomer, SlackPerson, actor_of

DANA, MORGAN, NEW, GIL, EVE = "U0DANA", "U0MORGAN", "U0NEW", "U0GIL", "U0EVE"
TEAM, BOTH, JOINT, GUESTED, BIG, WITH_NEW = "C0TEAM", "C0BOTH", "C0JOINT", "C0GUEST", "C0BIG", "C0NEW"
PEOPLE = (
    Person(DANA, "dana", "Dana Reyes", "dana@team.example"),
    Person(MORGAN, "morgan", "Morgan Ames", "morgan@team.example"),
    Person(NEW, "new", "Nell New", "nell@team.example"),
    Person(GIL, "gil", "Gil Guest", "gil@guest.example", kind="guest"),
    Person(EVE, "eve", "Eve Outside", "eve@partner.example", kind="external"),
)
CROWD = tuple(Person(f"U1{n:03}", f"p{n}", f"P {n}", f"p{n}@team.example") for n in range(MOST_MEMBERS))
CHANNELS = (
    Channel(BOTH, "both", (DANA, MORGAN, "U0TEND")),
    Channel(WITH_NEW, "new", (DANA, NEW, "U0TEND")),
    Channel(GUESTED, "guested", (DANA, GIL, "U0TEND")),
    Channel(JOINT, "joint", (DANA, EVE, "U0TEND"), shared=True),
    Channel(BIG, "big", (DANA, "U0TEND", *(person.id for person in CROWD))),
)
EVERYTHING = {"a1", "a2", "a4", "a6", "a9", "a11", "a12"}  # Dana's accounts


@dataclass
class Office:
    """A workspace of Slack with the parts of Tend that write into it."""

    workspace: LocalWorkspace
    client: WebClient
    messenger: Messenger
    settings: dict[str, Any]

    def audience(self) -> Audience:
        def person_of(ctx: Context, user: str) -> SlackPerson:
            return _slack_person(self.client.users_info(user=user)["user"])

        return Audience(Settings(_env_file=None, **self.settings), lambda _: self.client, person_of)

    def texts(self, channel: str, viewer: str) -> list[str]:
        return [message["text"] for message in self.workspace.messages(channel, None, viewer)]


@pytest.fixture
def office() -> Iterator[Office]:
    workspace = LocalWorkspace(
        request_url="http://127.0.0.1:9/", signing_secret="s", people=(*PEOPLE, *CROWD), channels=CHANNELS,
        groups={"S0ASK": (DANA,)},
    )  # fmt: skip
    running = Running(workspace.app).start()
    client = WebClient("xoxb-local", base_url=f"{running.url}/api/")
    made = Office(workspace, client, Messenger(lambda _: client, lambda *_: None), {})
    made.messenger = Messenger(lambda _: client, lambda *asked: made.audience().barred(*asked))
    yield made
    running.stop()
    workspace.close()


@pytest.fixture
def staff(ctx: Context) -> Context:
    """Dana and Morgan are known in Slack, and see everything."""
    with ctx.session() as session:
        for user in session.exec(select(User)).all():
            user.slack_id = {"dana@team.example": DANA, "morgan@team.example": MORGAN}.get(user.email)
        session.commit()
    return acting(ctx, "dana@team.example")


def acting(ctx: Context, email: str) -> Context:
    with ctx.acting(SYSTEM).session() as session:
        return ctx.acting(Actor.of(session.exec(select(User).where(User.email == email)).one()))


def narrow(ctx: Context, email: str, scope: Scope, team: str | None = None) -> None:
    with ctx.acting(SYSTEM).session() as session:
        user = session.exec(select(User).where(User.email == email)).one()
        user.scope, user.team = scope, team
        session.commit()


def account(ctx: Context, key: str) -> int:
    from storage.models import Account

    with ctx.acting(SYSTEM).session() as session:
        return session.exec(select(Account.id).where(Account.external_id == key)).one() or 0


# Channels


def test_where_everybody_sees_all_answers_go_into_the_channel(office: Office, staff: Context) -> None:
    assert office.audience().barred(staff, BOTH) is None
    assert office.audience().barred(staff, WITH_NEW) is None
    assert office.audience().barred(staff, BIG) is None


def test_where_somebody_sees_less_answers_go_to_the_asker_alone(office: Office, staff: Context) -> None:
    narrow(staff, "morgan@team.example", Scope.OWN)
    office.messenger.post_once(staff, "k", BOTH, "Acme Group is at risk.", [])
    assert office.texts(BOTH, MORGAN) == []
    assert office.texts(BOTH, DANA) == [NARROW]
    assert office.texts("D0DANA", DANA) == ["Acme Group is at risk."]


def test_what_everybody_in_the_channel_may_see_goes_there(office: Office, staff: Context) -> None:
    narrow(staff, "morgan@team.example", Scope.OWN)
    audience = office.audience()
    assert audience.barred(staff, BOTH, [account(staff, "a3")]) is None  # Morgan's own
    assert audience.barred(staff, BOTH, [account(staff, "a2")]) == NARROW
    assert audience.barred(staff, BOTH, [account(staff, "a3"), account(staff, "a2")]) == NARROW


def test_a_team_among_itself_and_with_its_manager_answers_go_into_the_channel(office: Office, staff: Context) -> None:
    narrow(staff, "dana@team.example", Scope.TEAM, "north")
    assert office.audience().barred(acting(staff, "dana@team.example"), BOTH) is None
    narrow(staff, "morgan@team.example", Scope.TEAM, "north")
    assert office.audience().barred(acting(staff, "dana@team.example"), BOTH) is None
    narrow(staff, "morgan@team.example", Scope.TEAM, "south")
    assert office.audience().barred(acting(staff, "dana@team.example"), BOTH) == NARROW


def test_guests_and_strangers_in_a_channel_keep_answers_out_of_it(office: Office, staff: Context) -> None:
    assert office.audience().barred(staff, GUESTED) == GUESTS
    assert office.audience().barred(staff, JOINT) == GUESTS


def test_members_whom_nobody_knows_yet_count_as_they_would_be_entered(office: Office, staff: Context) -> None:
    office.settings["new_member_scope"] = "own"
    assert office.audience().barred(staff, WITH_NEW) == NARROW


def test_a_channel_that_is_too_large_or_hidden_gets_nothing_that_not_everybody_sees(
    office: Office, staff: Context
) -> None:
    narrow(staff, "morgan@team.example", Scope.OWN)
    assert office.audience().barred(staff, BIG) == TOO_MANY
    assert office.audience().barred(staff, "C0NOWHERE") == UNKNOWN


def test_regular_jobs_and_direct_messages_are_not_held_up(office: Office, staff: Context) -> None:
    narrow(staff, "morgan@team.example", Scope.OWN)
    assert office.audience().barred(staff.acting(SYSTEM), BOTH) is None
    assert office.audience().barred(staff, "D0DANA") is None


def test_only_the_user_group_may_ask_where_there_is_one(office: Office, staff: Context) -> None:
    office.settings["askers_group"] = "S0ASK"
    office.audience().require_asker(staff, DANA)
    with pytest.raises(NotAllowedError, match="user group"):
        office.audience().require_asker(staff, MORGAN)
    office.settings.clear()
    office.audience().require_asker(staff, MORGAN)


# Roles and scopes


@pytest.fixture
def admin(staff: Context) -> Context:
    with staff.session() as session:
        user = session.exec(select(User).where(User.email == "dana@team.example")).one()
        user.role = Role.ADMIN
        session.commit()
    return acting(staff, "dana@team.example")


def audits(ctx: Context, action: str) -> list[Audit]:
    with ctx.session() as session:
        return list(session.exec(select(Audit).where(Audit.action == action)).all())


def test_an_admin_lists_people_and_changes_roles_and_scopes(admin: Context) -> None:
    assert "Morgan Ames (morgan@team.example): csm, sees all" in people.answer(admin, "people", "")
    for who in (f"<@{MORGAN}|morgan>", "@Morgan Ames", "morgan@team.example"):
        assert people.answer(admin, "role", f"{who} approver") == "Morgan Ames has the role approver now."
    said = people.answer(admin, "scope", f"<@{MORGAN}> team North East")
    assert said == "Morgan Ames (morgan@team.example): approver, sees team, team North East."
    assert audits(admin, "person.role")[0].after == {"role": "approver"}
    assert audits(admin, "person.scope")[0].before == {"scope": "all", "team": None}
    assert people.answer(admin, "scope", "Morgan Ames own").endswith("sees own, team North East.")


def test_only_admins_change_and_list(staff: Context) -> None:
    for word, rest in (("people", ""), ("role", "Morgan Ames admin"), ("scope", "Dana Reyes all")):
        with pytest.raises(NotAllowedError, match="“admin”"):
            people.answer(staff, word, rest)


def test_the_last_admin_stays_one(admin: Context) -> None:
    with pytest.raises(UserError, match="last admin"):
        people.answer(admin, "role", "Dana Reyes csm")
    people.answer(admin, "role", "Morgan Ames admin")
    assert people.answer(admin, "role", "Dana Reyes csm") == "Dana Reyes has the role csm now."


@pytest.mark.parametrize(
    ("word", "rest", "said"),
    [
        ("role", "Morgan Ames", "is no role"),
        ("role", "", "I know `/tend role"),
        ("role", "Nobody viewer", "I do not know “nobody”"),
        ("scope", "Morgan Ames everything", "I know `/tend scope"),
        ("scope", "Morgan Ames team", "is in no team yet"),
    ],
)
def test_what_cannot_be_read_is_answered_with_how_to_say_it(admin: Context, word: str, rest: str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        people.answer(admin, word, rest)


def test_whoami_says_role_scope_and_how_many_accounts(staff: Context) -> None:
    assert people.answer(staff, "whoami", "").endswith("You see all accounts: 12 accounts.")
    narrow(staff, "dana@team.example", Scope.OWN)
    said = people.answer(acting(staff, "dana@team.example"), "whoami", "")
    assert "role csm: you may ask, draft" in said
    assert said.endswith(f"You see your own accounts: {len(EVERYTHING)} accounts.")


def test_a_new_member_is_entered_as_the_settings_say(ctx: Context) -> None:
    person = SlackPerson("U9", "T1", "nell@team.example", "Nell New")
    made = actor_of(ctx, person, "T1", Newcomer(Role.VIEWER, Scope.OWN))
    assert (made.role, made.scope) == (Role.VIEWER, Scope.OWN)
    assert actor_of(ctx, person, "T1").role == Role.VIEWER  # known by now


def test_viewers_start_and_stop_no_digest(staff: Context) -> None:
    viewer = staff.acting(replace(staff.actor, role=Role.VIEWER))
    acts: list[Callable[[], Any]] = [
        lambda: digests.subscribe(viewer, "C1", 8, "UTC"),
        lambda: digests.unsubscribe(viewer, "C1"),
    ]
    for act in acts:
        with pytest.raises(NotAllowedError):
            act()


def test_the_first_admin_is_made_on_the_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATA_DIR", str(tmp_path))
    done = CliRunner().invoke(cli, ["role", "ada@team.example", "admin"])
    assert (done.exit_code, done.output.strip()) == (0, "ada has the role admin now.")
    again = CliRunner().invoke(cli, ["role", "ada@team.example", "csm"])
    assert again.exit_code == 2
    assert "last admin" in again.output
