"""The channels on which a message reaches a customer, and where on each of them a contact is found."""

from typing import Any

# What a contact's address is on each channel, and what it is called to people.
ADDRESS = {
    "email": ("email", "address"),
    "sms": ("phone", "phone number"),
    "slack": ("slack_user", "Slack user"),
    "in_app": ("external_id", "user in the product"),
}


def address_of(contact: Any, channel: str) -> str | None:
    """Return where a contact is reached on a channel, or None.

    Args:
        contact: a contact, or a message on its way with what it needs of one.
    """
    name = ADDRESS.get(channel, ("email", ""))[0]
    return getattr(contact, name) or None
