"""Scopes over the whole path: what a person with a narrow scope asks, presses and posts in a channel."""

from typing import Any

from sqlmodel import select

from bot.audience import NARROW
from bot.demo import Demo
from storage.models import Audit, Draft, Role, Scope, User
from tests.e2e.conftest import CHANNEL, DANA, MORGAN
from tests.e2e.test_path import QUESTION, answers, ask, buttons, eventually
from tools.context import Context


def change(demo: Demo, slack: str, **values: Any) -> Context:
    ctx = demo.tend.context()
    with ctx.session() as session:
        user = session.exec(select(User).where(User.slack_id == slack)).one()
        for name, value in values.items():
            setattr(user, name, value)
        session.commit()
    return ctx


def test_a_press_on_a_card_of_a_foreign_account_does_nothing(demo: Demo) -> None:
    """Morgan sees her own accounts, none; the digest in the channel was posted before."""
    digest = eventually(lambda: answers(demo, CHANNEL))[0]
    ask(demo, "/whoami", MORGAN)  # so that Slack's user is known
    ctx = change(demo, MORGAN, scope=Scope.OWN)
    value = buttons(digest, "draft_outreach")[0]["value"]
    demo.workspace.click(MORGAN, CHANNEL, digest["ts"], "draft_outreach", value)
    said = eventually(lambda: [m for m in answers(demo, CHANNEL, digest["ts"], MORGAN) if "no longer here" in str(m)])
    assert len(said) == 1
    with ctx.session() as session:
        assert not session.exec(select(Draft).where(Draft.origin == "question")).all()


def test_an_answer_moves_to_the_askers_messages_where_not_everybody_may_see_it(demo: Demo) -> None:
    ask(demo, "hello", MORGAN)
    change(demo, MORGAN, scope=Scope.OWN)
    ts = demo.workspace.say(DANA, CHANNEL, f"<@U0TEND> {QUESTION}")
    dm = demo.workspace.open_dm(DANA)
    answer = eventually(lambda: [m for m in answers(demo, dm) if "at risk" in str(m)])[0]
    assert QUESTION in str(answer["blocks"][0])
    assert NARROW in [m["text"] for m in answers(demo, CHANNEL, None, DANA)]
    assert NARROW not in [m["text"] for m in answers(demo, CHANNEL, None, MORGAN)]
    assert not answers(demo, CHANNEL, ts, DANA)
    follow_up = ask(demo, "why is the first at risk?")
    assert "Pulls down" in str(follow_up)


def test_the_digest_is_refused_where_not_everybody_may_see_it(demo: Demo) -> None:
    ask(demo, "hello", MORGAN)
    change(demo, MORGAN, scope=Scope.OWN)
    demo.workspace.command(DANA, CHANNEL, "/tend", "digest here 7")
    eventually(lambda: [m for m in answers(demo, CHANNEL, None, DANA) if "Use another channel" in str(m)])


def test_an_admin_narrows_a_colleague_by_command(demo: Demo) -> None:
    ask(demo, "hello")
    ctx = change(demo, DANA, role=Role.ADMIN)
    demo.workspace.command(DANA, CHANNEL, "/tend", f"scope <@{DANA}|dana> own")
    eventually(lambda: [m for m in answers(demo, CHANNEL, None, DANA) if "sees own" in str(m)])
    with ctx.session() as session:
        assert session.exec(select(Audit.after).where(Audit.action == "person.scope")).one() == {
            "scope": "own", "team": None,
        }  # fmt: skip
    demo.workspace.command(DANA, CHANNEL, "/tend", "whoami")
    eventually(lambda: [m for m in answers(demo, CHANNEL, None, DANA) if "You see your own accounts" in str(m)])
