"""Settings work without any, name what is missing, and keep secrets out of sight; the doctor says what to do."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from bot.doctor import Finding, examine
from bot.local.mailbox import Mailbox
from bot.settings import Settings, SettingsError, plain, settings_table

SOCKET = {
    "slack_bot_token": "xoxb-1-real",
    "slack_app_token": "xapp-1-real",
    "smtp_url": "smtp://mail.team.example:587",
    "email_from": "success@team.example",
}
OAUTH = {
    "slack_mode": "http",
    "slack_signing_secret": "0123456789abcdef",
    "slack_client_id": "1.2",
    "slack_client_secret": "3456",
    "secret_key": "a-long-random-key",
    "public_url": "https://tend.team.example",
    "smtp_url": "smtp://mail.team.example:587",
    "email_from": "success@team.example",
}


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No setting of the machine that the tests run on."""
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.chdir(tmp_path)


def test_everything_has_a_default_that_works_locally() -> None:
    settings = Settings()
    assert settings.database == "sqlite:///.data/tend.db"
    assert settings.usage == ".data/usage"
    assert settings.host == "127.0.0.1"


def test_the_environment_wins_over_the_file_and_an_empty_value_counts_as_unset(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / ".env").write_text("PORT=4000\nOPENAI_MODEL=from-the-file\nSOMETHING_ELSE=1\n")
    monkeypatch.setenv("PORT", "5000")
    monkeypatch.setenv("DATABASE_URL", "")
    settings = Settings()
    assert (settings.port, settings.openai_model, settings.database_url) == (5000, "from-the-file", None)


def test_settings_cannot_be_changed_and_wrong_ones_are_refused() -> None:
    settings = Settings()
    with pytest.raises(ValidationError):
        settings.port = 1  # type: ignore[misc]
    with pytest.raises(ValidationError):
        Settings(port=70_000)
    with pytest.raises(ValidationError):
        Settings(slack_mode="carrier pigeon")  # type: ignore[arg-type]


@pytest.mark.parametrize("complete", [SOCKET, OAUTH, {**OAUTH, "slack_client_id": None, "slack_bot_token": "xoxb-1"}])
def test_complete_settings_may_serve(complete: dict[str, Any]) -> None:
    Settings(**complete).require_for_serving()


@pytest.mark.parametrize(
    ("complete", "name"),
    [(SOCKET, name) for name in SOCKET] + [(OAUTH, name) for name in list(OAUTH)[1:] if name != "slack_client_id"],
)
def test_a_missing_setting_is_named_with_what_it_is(complete: dict[str, Any], name: str) -> None:
    left = {key: value for key, value in complete.items() if key != name}
    with pytest.raises(SettingsError) as missing:
        Settings(**left).require_for_serving()
    assert str(missing.value) == f"{name.upper()} is not set: {Settings.model_fields[name].description}."


@pytest.mark.parametrize("value", ["xoxb-...", "your-token", "<token>", "changeme", "TODO"])
def test_a_placeholder_is_not_a_setting(value: str) -> None:
    with pytest.raises(SettingsError, match="SLACK_BOT_TOKEN still holds a placeholder"):
        Settings(**{**SOCKET, "slack_bot_token": value}).require_for_serving()


def test_every_missing_setting_is_named_at_once() -> None:
    with pytest.raises(SettingsError) as missing:
        Settings().require_for_serving()
    assert [line.split()[0] for line in str(missing.value).splitlines()] == [name.upper() for name in SOCKET]


def test_secrets_do_not_show_when_settings_are_printed() -> None:
    settings = Settings(**SOCKET, openai_api_key="sk-secret")
    assert "real" not in repr(settings)
    assert "sk-secret" not in str(settings.model_dump())
    assert plain(settings.slack_bot_token) == "xoxb-1-real"
    assert plain(None) == ""


def test_the_table_for_people_has_every_setting() -> None:
    lines = settings_table().splitlines()
    assert [line.split("`")[1] for line in lines[2:]] == [name.upper() for name in Settings.model_fields]


def findings(settings: Settings) -> dict[str, Finding]:
    return {finding.name: finding for finding in examine(settings)}


def test_the_doctor_says_what_to_do_about_each_failure_and_goes_on(tmp_path: Path) -> None:
    found = findings(Settings(data_dir=tmp_path / "data"))
    assert {name for name, finding in found.items() if finding.ok} == {"database", "templates", "library", "index"}
    assert {name for name, finding in found.items() if finding.optional} == {"usage", "model"}
    assert all(finding.said and (finding.ok or finding.fix) for finding in found.values())
    assert "There are no scored accounts yet" in found["accounts"].said


def test_the_doctor_meets_the_mail_server(tmp_path: Path) -> None:
    mailbox = Mailbox()
    settings = Settings(data_dir=tmp_path / "data", smtp_url=mailbox.start())  # type: ignore[arg-type]
    assert findings(settings)["mail"] == Finding("mail", True, "the mail server accepts the connection")
    mailbox.stop()
    assert not findings(settings)["mail"].ok


def test_the_doctor_reports_a_database_that_is_away(tmp_path: Path) -> None:
    away = Settings(data_dir=tmp_path, database_url="postgresql://tend:hidden-word@127.0.0.1:9/tend")
    found = findings(away)["database"]
    assert not found.ok
    assert "hidden-word" not in found.said
    assert "DATABASE_URL" in found.fix
