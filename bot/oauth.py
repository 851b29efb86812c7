"""OAuth for several Slack workspaces: installations in our own database, sealed with SECRET_KEY."""

import base64
import hashlib
import json
from datetime import UTC, datetime
from typing import Any

from cryptography.fernet import Fernet, InvalidToken
from slack_bolt import App
from slack_bolt.oauth.oauth_settings import OAuthSettings
from slack_sdk.oauth.installation_store import Bot, Installation, InstallationStore
from slack_sdk.oauth.state_store import OAuthStateStore

from bot.settings import Settings, plain
from storage.database import Database
from storage.models import SlackInstallation

SCOPES = (
    "app_mentions:read", "assistant:write", "channels:history", "channels:read", "chat:write", "commands",
    "groups:history", "groups:read", "im:history", "im:read", "im:write", "users:read", "users:read.email",
)  # fmt: skip
STATE_SECONDS = 600
REDIRECT = "/slack/oauth_redirect"


class SealedInstallations(InstallationStore):
    """Keeps one installation per team; nothing of it is readable without the key.

    Args:
        database: where `slack_installation` lives.
        fernet: seals and opens.
    """

    def __init__(self, database: Database, fernet: Fernet) -> None:
        self._database, self._fernet = database, fernet

    def save(self, installation: Installation) -> None:
        sealed = self._fernet.encrypt(json.dumps(installation.to_dict(), default=str).encode()).decode()
        with self._database.unbound() as session:
            row = session.get(SlackInstallation, installation.team_id) or SlackInstallation(
                team_id=installation.team_id or "", sealed=sealed, installed_at=datetime.now(UTC)
            )
            row.sealed, row.installed_at = sealed, datetime.now(UTC)
            session.add(row)
            session.commit()

    def find_installation(self, *, team_id: str | None, **_: Any) -> Installation | None:
        with self._database.unbound() as session:
            row = session.get(SlackInstallation, team_id) if team_id else None
        if row is None:
            return None
        return Installation(**_known_fields(json.loads(self._fernet.decrypt(row.sealed))))

    def find_bot(self, *, team_id: str | None, **_: Any) -> Bot | None:
        found = self.find_installation(team_id=team_id)
        return found.to_bot() if found else None

    def delete_installation(self, *, team_id: str | None, **_: Any) -> None:
        with self._database.unbound() as session:
            row = session.get(SlackInstallation, team_id) if team_id else None
            if row is not None:
                session.delete(row)
                session.commit()

    def delete_bot(self, *, team_id: str | None, **_: Any) -> None:
        self.delete_installation(team_id=team_id)


class SealedStates(OAuthStateStore):
    """States that prove themselves: sealed, good for ten minutes; the browser's cookie ties them to a person."""

    def __init__(self, fernet: Fernet) -> None:
        self._fernet = fernet

    def issue(self, *_: Any, **__: Any) -> str:
        return self._fernet.encrypt(b"install").decode()

    def consume(self, state: str) -> bool:
        try:
            return self._fernet.decrypt(state, ttl=STATE_SECONDS) == b"install"
        except InvalidToken:
            return False


def oauth_settings(settings: Settings, database: Database) -> OAuthSettings:
    """Return Bolt's OAuth settings over our database."""
    fernet = seal(plain(settings.secret_key))
    return OAuthSettings(
        client_id=settings.slack_client_id or "",
        client_secret=plain(settings.slack_client_secret),
        scopes=list(SCOPES),
        installation_store=SealedInstallations(database, fernet),
        installation_store_bot_only=False,
        state_store=SealedStates(fernet),
        install_path="/slack/install",
        redirect_uri=f"{(settings.public_url or '').rstrip('/')}{REDIRECT}",
        redirect_uri_path=REDIRECT,
    )


def seal(secret_key: str) -> Fernet:
    """Derive the cipher from SECRET_KEY; slow on purpose, so that a weak key is not guessed quickly."""
    key = hashlib.scrypt(secret_key.encode(), salt=b"tend-installations", n=2**14, r=8, p=1, dklen=32)
    return Fernet(base64.urlsafe_b64encode(key))


def bot_token(app: App, team_id: str) -> str | None:
    """Return the bot token of an installed team."""
    store = app.installation_store
    found = store and store.find_bot(enterprise_id=None, team_id=team_id)
    return found.bot_token if found else None


def _known_fields(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name not in ("installed_at",)}
