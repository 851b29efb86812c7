"""Which ways out to customers are set up, from the settings."""

from collections.abc import Callable

from slack_sdk import WebClient

from bot.keys import signing_key
from bot.senders import Sender
from bot.senders.dkim import Signer
from bot.senders.email import EmailSender, Unsubscribing
from bot.senders.slack import SlackSender
from bot.senders.webhook import WebhookSender
from bot.settings import Settings, SettingsError, plain

BY_WEBHOOK = ("sms", "in_app", "webhook")


def channels_of(settings: Settings) -> frozenset[str]:
    """Return the channels on which messages can be sent; mail always waits for its server."""
    slack = {"slack"} if settings.customer_slack else set()
    return frozenset({"email", *slack, *(BY_WEBHOOK if settings.webhook_url else ())})


def senders_of(settings: Settings, client_of: Callable[[str], WebClient]) -> dict[str, Sender]:
    """Build what is set up.

    Args:
        client_of: returns the Slack client of a workspace.

    Raises:
        SettingsError: a setting is missing or cannot be used; the message names it.
    """
    senders: dict[str, Sender] = {}
    if settings.smtp_url is not None:
        senders["email"] = email_sender(settings)
    if settings.customer_slack:
        senders["slack"] = SlackSender(client_of)
    if settings.webhook_url:
        senders |= dict.fromkeys(BY_WEBHOOK, _webhook(settings))
    return senders


def email_sender(settings: Settings, url: str = "") -> EmailSender:
    """Build the sender of mail.

    Args:
        url: a mail server instead of the one in the settings.
    """
    unsubscribing = Unsubscribing(signing_key(settings), settings.public_url, settings.email_from)
    url = url or plain(settings.smtp_url)
    return EmailSender(url, settings.email_from, settings.postal_address, unsubscribing, _signer(settings))


def _signer(settings: Settings) -> Signer | None:
    if settings.dkim_key is None:
        return None
    domain = settings.email_from.rpartition("@")[2]
    try:
        return Signer(plain(settings.dkim_key), settings.dkim_selector, domain)
    except (ValueError, OSError) as error:
        raise SettingsError(f"DKIM_KEY cannot be used: {error}") from error


def _webhook(settings: Settings) -> WebhookSender:
    if not settings.webhook_secret:
        raise SettingsError("WEBHOOK_SECRET is not set: requests to WEBHOOK_URL are signed with it.")
    try:
        return WebhookSender(settings.webhook_url or "", plain(settings.webhook_secret))
    except ValueError as error:
        raise SettingsError(str(error)) from error
