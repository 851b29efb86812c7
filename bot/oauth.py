"""OAuth for several Slack workspaces: installations in our own database, tokens encrypted with SECRET_KEY."""

import base64
import copy
import hashlib
from typing import Any

from cryptography.fernet import Fernet
from slack_bolt import App
from slack_bolt.oauth.oauth_settings import OAuthSettings
from slack_sdk.oauth.installation_store import Bot, Installation
from slack_sdk.oauth.installation_store.sqlalchemy import SQLAlchemyInstallationStore
from slack_sdk.oauth.state_store.sqlalchemy import SQLAlchemyOAuthStateStore
from sqlalchemy import create_engine

from bot.settings import Settings, plain
from storage.database import Database

SCOPES = (
    "app_mentions:read", "assistant:write", "channels:history", "channels:read", "chat:write", "commands",
    "groups:history", "groups:read", "im:history", "im:read", "im:write", "users:read", "users:read.email",
)  # fmt: skip
SECRET_FIELDS = ("bot_token", "bot_refresh_token", "user_token", "user_refresh_token")


class EncryptedInstallationStore(SQLAlchemyInstallationStore):
    """Slack's installation store, with every token encrypted before it reaches the database."""

    def __init__(self, *, secret_key: str, **options: Any) -> None:
        super().__init__(**options)
        key = hashlib.scrypt(secret_key.encode(), salt=b"tend-installations", n=2**14, r=8, p=1, dklen=32)
        self._fernet = Fernet(base64.urlsafe_b64encode(key))

    def save(self, installation: Installation) -> None:
        super().save(self._each(installation, self._fernet.encrypt))

    def save_bot(self, bot: Bot) -> None:
        super().save_bot(self._each(bot, self._fernet.encrypt))

    def find_bot(self, **wanted: Any) -> Bot | None:
        found = super().find_bot(**wanted)
        return found and self._each(found, self._fernet.decrypt)

    def find_installation(self, **wanted: Any) -> Installation | None:
        found = super().find_installation(**wanted)
        return found and self._each(found, self._fernet.decrypt)

    def _each(self, holder: Any, change: Any) -> Any:
        clone = copy.copy(holder)
        for name in SECRET_FIELDS:
            if getattr(clone, name, None):
                setattr(clone, name, change(getattr(clone, name).encode()).decode())
        return clone


def oauth_settings(settings: Settings) -> OAuthSettings:
    """Bolt's OAuth settings over our database."""
    engine = create_engine(Database(settings.database).url)
    client_id = settings.slack_client_id or ""
    store = EncryptedInstallationStore(secret_key=plain(settings.secret_key), client_id=client_id, engine=engine)
    states = SQLAlchemyOAuthStateStore(expiration_seconds=600, engine=engine)
    store.metadata.create_all(engine)
    states.metadata.create_all(engine)
    return OAuthSettings(
        client_id=client_id,
        client_secret=plain(settings.slack_client_secret),
        scopes=list(SCOPES),
        installation_store=store,
        state_store=states,
        install_path="/slack/install",
        redirect_uri_path="/slack/oauth_redirect",
    )


def bot_token(settings: Settings, app: App, team_id: str) -> str | None:
    """Return the bot token of an installed team."""
    store = app.installation_store
    found = store and store.find_bot(enterprise_id=None, team_id=team_id)
    return found.bot_token if found else None
