"""The same path with a language model, and over Socket Mode instead of HTTP."""

import shutil
from pathlib import Path

import pytest
from slack_bolt.adapter.socket_mode import SocketModeHandler

from bot.app import build
from bot.demo import TEAM, Demo
from bot.local.run import Running
from bot.local.server import Channel, LocalWorkspace, Person
from bot.settings import Settings
from tests.e2e.conftest import CHANNEL, DANA, fixed_now
from tests.e2e.test_path import QUESTION, ask, buttons, eventually, of_type
from tests.fakes_openai import call, fake_openai, say


@pytest.fixture
def data(filled: Path, tmp_path: Path) -> Path:
    shutil.copytree(filled, tmp_path / "data")
    return tmp_path / "data"


def test_a_language_model_answers_drafts_and_its_invented_figures_do_not_go_out(data: Path) -> None:
    script = (
        call("find_accounts", owner="me", at_risk=True),
        say("Your accounts at risk are below. The first one lost 987 users last week."),
        say("Your accounts at risk are below; start with the first one."),
        call("draft_outreach", account="Acme Group", purpose="check_in"),
        say("The draft is below."),
    )
    with fake_openai(*script, answers_questions=True) as model:
        demo = Demo(Settings(data_dir=data, openai_api_key="sk-test", openai_base_url=model.url), 0)  # type: ignore[arg-type]
        demo.start()
        try:
            message = ask(demo, QUESTION)
            assert of_type(message, "data_table")
            assert "987 users" not in str(message)  # the digits alone may stand in a time stamp
            assert "start with the first one" in message["text"]
            assert "language model" in str(message["blocks"])
            card = ask(demo, "draft a check-in for Acme Group")
            demo.workspace.click(DANA, demo.workspace.open_dm(DANA), card["ts"], "approve_draft")
            eventually(lambda: demo.workspace.mailbox.messages)
        finally:
            demo.stop()
    assert model.requests == 5


def test_a_model_that_is_down_leaves_the_rules_to_answer_and_says_so(data: Path) -> None:
    settings = Settings(data_dir=data, openai_api_key="sk-test", openai_base_url="http://127.0.0.1:9/v1")  # type: ignore[arg-type]
    demo = Demo(settings, 0)
    demo.start()
    try:
        message = ask(demo, QUESTION)
    finally:
        demo.stop()
    assert of_type(message, "data_table")
    assert "the language model is not available" in str(message["blocks"])


def test_socket_mode_carries_questions_and_approvals_as_http_does(data: Path) -> None:
    workspace = LocalWorkspace(
        request_url="http://127.0.0.1:9/",
        signing_secret="s" * 16,
        people=[Person(DANA, "dana", "Dana Reyes", "dana.reyes@brightwater.example")],
        channels=[Channel(CHANNEL, "customer-success", (DANA, "U0TEND"))],
        team_id=TEAM,
    )
    workspace.mailbox.start()
    with Running(workspace.app) as slack:
        settings = Settings(
            data_dir=data / "demo", slack_bot_token="xoxb-local", slack_app_token="xapp-local",  # type: ignore[arg-type]
            slack_api_url=f"{slack.url}/api/", openai_api_key=None, smtp_url=workspace.mailbox.url,  # type: ignore[arg-type]
            email_from="success@tend.example",
        )  # fmt: skip
        settings.require_for_serving()
        tend = build(settings, clock=fixed_now)
        tend.start(schedule=False)
        handler = SocketModeHandler(tend.bolt, "xapp-local", web_client=tend.bolt.client)
        handler.connect()
        try:
            channel = workspace.open_dm(DANA)
            workspace.say(DANA, channel, "draft a check-in for Acme Group")
            found = lambda: [m for m in workspace.messages(channel) if buttons(m, "approve_draft")]  # noqa: E731
            card = eventually(found, 30)[0]
            workspace.click(DANA, channel, card["ts"], "approve_draft")
            eventually(lambda: workspace.mailbox.messages)
        finally:
            handler.close()
            tend.stop()
    workspace.close()
    assert len(workspace.mailbox.messages) == 1
