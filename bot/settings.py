"""One frozen object of every environment value; nothing else reads the environment."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from storage.models import Role, Scope

PLACEHOLDERS = ("changeme", "your-", "xoxb-...", "xapp-...", "sk-...", "<", "todo", "example-")


class SettingsError(ValueError):
    """A setting is missing or still a placeholder; the message names it and says where to get it."""


class Settings(BaseSettings):
    """Every setting, from the environment or a file `.env`. Each has a default that works locally."""

    model_config = SettingsConfigDict(env_file=".env", extra="ignore", frozen=True, env_ignore_empty=True)

    slack_bot_token: SecretStr | None = Field(None, description="Bot token `xoxb-…` of a single workspace")
    slack_app_token: SecretStr | None = Field(None, description="App token `xapp-…`, for Socket Mode")
    slack_signing_secret: SecretStr | None = Field(
        None, description="Signing secret, proves that HTTP requests come from Slack"
    )
    slack_client_id: str | None = Field(None, description="OAuth client id, for several workspaces")
    slack_client_secret: SecretStr | None = Field(None, description="OAuth client secret")
    slack_api_url: str = Field("https://slack.com/api/", description="Slack's Web API, or a stand-in for it")
    slack_mode: Literal["socket", "http"] = Field(
        "socket", description="How Slack reaches Tend: `socket` needs no public address, `http` does"
    )
    host: str = Field("127.0.0.1", description="Address that the HTTP server listens on")
    port: int = Field(3000, description="Port of the HTTP server; `make demo` opens its page on it", ge=0, le=65535)
    public_url: str | None = Field(None, description="Public address of the HTTP server, for OAuth and links")
    database_url: str | None = Field(
        None, description="SQLite or PostgreSQL (`postgresql://…`); default a file in `DATA_DIR`"
    )
    data_dir: Path = Field(Path(".data"), description="Folder for everything that Tend keeps in files")
    usage_url: str | None = Field(
        None, description="Usage facts: a folder or a warehouse's address; default Parquet in `DATA_DIR`"
    )
    chroma_url: str | None = Field(
        None, description="Chroma server, `http://host:port`; default a folder in `DATA_DIR`"
    )
    embedder: str = Field(
        "bundled", description="Embedding model: `bundled`, or `openai:NAME` with the key above; a change indexes anew"
    )
    documents_dir: Path | None = Field(
        None, description="Folder or Git checkout with the team's own documents (Markdown, HTML, PDF, DOCX)"
    )
    documents_link: str | None = Field(None, description="Address under which people can read that folder")
    openai_api_key: SecretStr | None = Field(
        None, description="Key of the language model; without it Tend answers by its own rules"
    )
    openai_base_url: str | None = Field(None, description="Any OpenAI-compatible server")
    openai_model: str = Field("gpt-5-mini", description="Name of the language model")
    openai_price_in: float = Field(0.25, description="What a million tokens that the model reads cost", ge=0)
    openai_price_out: float = Field(2.0, description="What a million tokens that the model writes cost", ge=0)
    calls_per_question: int = Field(6, description="How often one question may ask the language model", ge=0)
    tools_per_question: int = Field(12, description="How many tools one question may call", ge=1)
    tokens_per_question: int = Field(60_000, description="How many tokens one question may use", ge=0)
    cost_per_question: float = Field(0.1, description="What one question may cost", ge=0)
    tokens_per_user: int = Field(2_000_000, description="How many tokens one colleague may use a day", ge=0)
    cost_per_user: float = Field(2.0, description="What one colleague's questions may cost a day", ge=0)
    tokens_per_channel: int = Field(5_000_000, description="How many tokens one channel may use a day", ge=0)
    cost_per_channel: float = Field(5.0, description="What one channel's questions may cost a day", ge=0)
    tokens_per_workspace: int = Field(
        20_000_000,
        description="How many tokens a workspace may use a day; then Tend answers by its own rules",
        ge=0,
    )
    cost_per_workspace: float = Field(20.0, description="What a workspace's questions may cost a day", ge=0)
    train_weekly: bool = Field(True, description="Whether the churn model is trained anew each week")
    read_texts: int = Field(
        200,
        description="How many new texts of a kind the language model reads a day; 0 leaves it to the patterns",
        ge=0,
    )
    new_member_role: Role = Field(Role.CSM, description="Role of members of the Slack workspace who are not known yet")
    new_member_scope: Scope = Field(
        Scope.ALL, description="Whose accounts they see: `own`, those of their `team`, or `all`"
    )
    askers_group: str | None = Field(
        None, description="Slack user group, `S…`; when set, only its members are answered"
    )
    run_plays: bool = Field(
        False,
        description="Whether plays start by themselves where their triggers hold; otherwise colleagues start them",
    )
    automatic_plays: frozenset[str] = Field(
        frozenset(),
        description='Plays, or steps as `play/step`, whose messages need no approval: `["nudge", "trial/tips"]`; '
        "what is of high risk always does",
    )
    duties: dict[str, str] = Field(
        {},
        description='Who does the tasks of a duty, by email: `{"executive": "…", "support": "…"}`; default the owner',
    )
    smtp_url: SecretStr | None = Field(
        None, description="Mail server, `smtp://user:password@host:587` (STARTTLS) or `smtps://…`"
    )
    email_from: str = Field("tend@localhost", description="Address that outreach is sent from")
    postal_address: str | None = Field(None, description="Postal address, put under outreach where the law asks")
    dkim_key: SecretStr | None = Field(
        None,
        description="RSA key that signs mails (DKIM): a PEM file's path, or its text; of the domain of `EMAIL_FROM`",
    )
    dkim_selector: str = Field(
        "tend", description="Name of its public key in the DNS, `<selector>._domainkey.<domain>`"
    )
    imap_url: SecretStr | None = Field(
        None, description="Mailbox that replies and bounces come back to, `imaps://user:password@host/INBOX`"
    )
    webhook_url: str | None = Field(
        None, description="Service that takes messages by SMS or in the product: signed requests go there (https)"
    )
    webhook_secret: SecretStr | None = Field(
        None,
        description="Secret of those requests, and of `POST /webhooks/inbound`, where replies and bounces are told",
    )
    customer_slack: bool = Field(
        False, description="Whether messages may go to customers who are users of the team's own Slack workspace"
    )
    send_rate: dict[str, Annotated[float, Field(gt=0)]] = Field(
        {"slack": 1.0}, description='Most messages a second by channel, of each process: `{"email": 10}`'
    )
    secret_key: SecretStr | None = Field(
        None, description="Key that encrypts stored Slack tokens and signs links; needed with OAuth"
    )

    @property
    def database(self) -> str:
        return self.database_url or f"sqlite:///{self.data_dir / 'tend.db'}"

    @property
    def usage(self) -> str:
        return self.usage_url or str(self.data_dir / "usage")

    def require_for_serving(self) -> None:
        """Check what `python -m bot serve` needs in its mode.

        Raises:
            SettingsError: naming every missing or placeholder setting.
        """
        problems = [problem for name in self._needed() if (problem := self._problem(name))]
        if problems:
            raise SettingsError("\n".join(problems))

    def _needed(self) -> list[str]:
        if self.slack_mode == "socket":
            return ["slack_bot_token", "slack_app_token", "smtp_url", "email_from"]
        tokens = ["slack_client_id", "slack_client_secret", "secret_key", "public_url"]
        single = ["slack_bot_token"] if self.slack_client_id is None else tokens
        return ["slack_signing_secret", *single, "smtp_url", "email_from"]

    def _problem(self, name: str) -> str | None:
        value = plain(getattr(self, name))
        if not value or (name == "email_from" and value == "tend@localhost"):
            return f"{name.upper()} is not set: {Settings.model_fields[name].description}."
        if any(value.lower().startswith(mark) or value.endswith("...") for mark in PLACEHOLDERS):
            return f"{name.upper()} still holds a placeholder: {Settings.model_fields[name].description}."
        return None


def plain(value: Any) -> str:
    """Return a setting's text, of a secret too."""
    return value.get_secret_value() if isinstance(value, SecretStr) else str(value or "")


def settings_table() -> str:
    """Return the settings as a Markdown table, for the README."""
    lines = ["| setting | default | what it is |", "|---|---|---|"]
    for name, field in Settings.model_fields.items():
        default = f"`{field.default!s}`" if field.default not in (None, {}, frozenset()) else ""
        lines.append(f"| `{name.upper()}` | {default} | {field.description} |")
    return "\n".join(lines)
