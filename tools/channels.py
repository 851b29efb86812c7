"""The channels on which a message reaches a customer, and where on each of them a contact is found."""

from typing import Any

from sqlmodel import Session

from storage.models import Contact, Draft
from tools.drafts import content_hash
from tools.errors import UserError

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


def address(session: Session, draft: Draft, channel: str) -> None:
    """Direct a draft to its contact on a channel.

    Raises:
        UserError: the contact cannot be reached there.
    """
    contact = session.get_one(Contact, draft.contact_id)
    recipient = address_of(contact, channel)
    if recipient is None:
        raise UserError(f"{contact.name} has no {ADDRESS[channel][1]}. Add it to your contacts file and import again.")
    draft.channel, draft.recipient = channel, recipient
    draft.content_hash = content_hash(channel, recipient, draft.sender, draft.subject, draft.body)
