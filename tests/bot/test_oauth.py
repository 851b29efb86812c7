"""Several workspaces: installing over OAuth, tokens sealed in the database, a forged or old state refused."""

import time
from pathlib import Path

import pytest
from cryptography.fernet import InvalidToken
from slack_bolt import BoltRequest
from slack_sdk.oauth.installation_store import Installation
from sqlmodel import select

from bot.app import build
from bot.oauth import STATE_SECONDS, SealedInstallations, SealedStates, bot_token, seal
from bot.settings import Settings
from storage.database import Database
from storage.models import SlackInstallation


@pytest.fixture
def database(tmp_path: Path) -> Database:
    made = Database(f"sqlite:///{tmp_path / 'tend.db'}")
    made.migrate()
    return made


def installation(team: str, token: str) -> Installation:
    return Installation(app_id="A1", team_id=team, user_id="U1", bot_token=token, bot_id="B1", bot_user_id="U2")


def test_tokens_come_back_per_team_and_stand_nowhere_in_the_clear(database: Database) -> None:
    store = SealedInstallations(database, seal("a long secret"))
    store.save(installation("T1", "xoxb-one"))
    store.save(installation("T2", "xoxb-two"))
    store.save(installation("T1", "xoxb-one-again"))
    assert [store.find_bot(enterprise_id=None, team_id=t).bot_token for t in ("T1", "T2")] == [  # type: ignore[union-attr]
        "xoxb-one-again",
        "xoxb-two",
    ]
    assert store.find_bot(enterprise_id=None, team_id="T3") is None
    with database.unbound() as session:
        assert not any("xoxb" in row.sealed for row in session.exec(select(SlackInstallation)))


def test_another_key_opens_nothing(database: Database) -> None:
    SealedInstallations(database, seal("a long secret")).save(installation("T1", "xoxb-one"))
    with pytest.raises(InvalidToken):
        SealedInstallations(database, seal("another secret")).find_bot(enterprise_id=None, team_id="T1")


def test_an_uninstalled_team_is_forgotten(database: Database) -> None:
    store = SealedInstallations(database, seal("a long secret"))
    store.save(installation("T1", "xoxb-one"))
    store.delete_installation(enterprise_id=None, team_id="T1")
    assert store.find_bot(enterprise_id=None, team_id="T1") is None


def test_a_state_is_ours_and_fresh_or_refused() -> None:
    fernet = seal("a long secret")
    states = SealedStates(fernet)
    assert states.consume(states.issue())
    assert not states.consume("forged")
    assert not states.consume(SealedStates(seal("another secret")).issue())
    old = fernet.encrypt_at_time(b"install", int(time.time()) - STATE_SECONDS - 5).decode()
    assert not states.consume(old)


def test_the_app_is_built_for_several_workspaces_by_settings_alone(tmp_path: Path) -> None:
    settings = Settings(
        data_dir=tmp_path, slack_mode="http", slack_client_id="1.2", slack_client_secret="s", secret_key="k" * 20,  # type: ignore[arg-type]
        slack_signing_secret="s" * 16, public_url="https://tend.example",  # type: ignore[arg-type]
    )  # fmt: skip
    tend = build(settings)
    flow = tend.bolt.oauth_flow
    assert flow is not None
    page = flow.handle_installation(BoltRequest(body="", headers={}))
    assert "slack.com/oauth/v2/authorize" in str(page.headers) + str(page.body)
    assert bot_token(tend.bolt, "T1") is None
    tend.bolt.installation_store.save(installation("T1", "xoxb-one"))  # type: ignore[union-attr]
    assert tend.messenger.client_of(tend.workspace_of("T1")).token == "xoxb-one"
    assert tend.workspace_of("T2") != tend.workspace_of("T1")
    tend.queue.stop()
