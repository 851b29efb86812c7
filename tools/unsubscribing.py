"""Unsubscribing by the link or header of a mail: a signed token stands for one contact and one class of messages."""

import base64
import hashlib
import hmac
import json
from dataclasses import dataclass
from datetime import datetime

from sqlmodel import Session, select

from storage.models import Account, Audit, Consent, Contact
from storage.outbox_statements import EVERY
from tools.context import Context
from tools.errors import UserError
from tools.facts import day

SOURCE = "unsubscribe link"
MOST_CHARACTERS = 600


@dataclass(frozen=True)
class Subscription:
    """Whom a token stands for, and how the contact's consent stands now.

    Args:
        message_class: the class that the mail was of.
        refused: what is refused by now: that class, or `all`; empty while nothing is.
        reference: the number of the row that proves it.
    """

    contact_id: int
    email: str
    company: str
    message_class: str
    refused: str = ""
    refused_at: datetime | None = None
    reference: int = 0


def make_token(key: bytes, workspace_id: str, contact_id: int, message_class: str) -> str:
    """Return a token for the link of a mail; it does not expire, because a mail does not."""
    body = json.dumps([workspace_id, contact_id, message_class], separators=(",", ":")).encode()
    return f"{_packed(body)}.{_signature(key, body)}"


def read_token(key: bytes, token: str) -> tuple[str, int, str]:
    """Return workspace, contact and class of a token.

    Raises:
        UserError: it was not made here, or was changed.
    """
    text, _, signature = token[:MOST_CHARACTERS].partition(".")
    try:
        body = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        known = hmac.compare_digest(_signature(key, body), signature)
        workspace_id, contact_id, message_class = json.loads(body) if known else ("", 0, "")
    except ValueError as error:
        raise UserError("This link is not complete. Please use the one in the mail.") from error
    if not known:
        raise UserError("This link is not valid. Please use the one in the mail.")
    return str(workspace_id), int(contact_id), str(message_class)


def subscription(ctx: Context, contact_id: int, message_class: str) -> Subscription:
    """Say how a contact's consent stands."""
    with ctx.session() as session:
        return _subscription(session, contact_id, message_class)


def unsubscribe(ctx: Context, contact_id: int, message_class: str, everything: bool = False) -> Subscription:
    """Refuse more messages of a class, or any message, for a contact; doing it again changes nothing."""
    refused = EVERY if everything else message_class
    with ctx.session() as session:
        before = _subscription(session, contact_id, message_class)
        if before.refused not in (refused, EVERY):
            contact = session.get_one(Contact, contact_id)
            session.add(
                Consent(
                    account_id=contact.account_id, contact_id=contact_id, channel="email", message_class=refused,
                    granted=False, source=SOURCE, by="contact", at=ctx.now(),
                )
            )  # fmt: skip
            session.add(
                Audit(
                    at=ctx.now(), actor="contact", action="consent.refused", subject=f"contact:{contact_id}",
                    after={"class": refused, "channel": "email", "source": SOURCE},
                )
            )  # fmt: skip
            session.commit()
        return _subscription(session, contact_id, message_class)


def resubscribe(ctx: Context, contact_id: int, message_class: str) -> Subscription:
    """Take back what was refused by a link, for those who pressed it by mistake."""
    with ctx.session() as session:
        before = _subscription(session, contact_id, message_class)
        if before.refused:
            contact = session.get_one(Contact, contact_id)
            session.add(
                Consent(
                    account_id=contact.account_id, contact_id=contact_id, channel="email",
                    message_class=before.refused, granted=True, source=SOURCE, by="contact", at=ctx.now(),
                )
            )  # fmt: skip
            session.commit()
        return _subscription(session, contact_id, message_class)


def proof(found: Subscription) -> str:
    """Say in a sentence what is stored."""
    if not found.refused or found.refused_at is None:
        return f"{found.email} gets messages of this kind."
    what = "No message" if found.refused == EVERY else f"No {found.message_class} message"
    at = f"{day(found.refused_at.date())}, {found.refused_at:%H:%M} UTC"
    return f"{what} is sent to {found.email} any more. Stored on {at}, reference {found.reference}."


def _subscription(session: Session, contact_id: int, message_class: str) -> Subscription:
    contact = session.get(Contact, contact_id)
    if contact is None:
        raise UserError("We do not have this address any more, and write nothing to it.")
    rows = session.exec(
        select(Consent)
        .where(Consent.contact_id == contact_id, Consent.channel == "email")
        .order_by(Consent.at, Consent.id)  # type: ignore[arg-type]
    ).all()
    mine = [row for row in rows if row.message_class in (EVERY, message_class)]
    row = mine[-1] if mine and not mine[-1].granted else None  # the newest word counts, as it does at the gate
    company = session.get_one(Account, contact.account_id).name
    return Subscription(
        contact_id, contact.email or "your address", company, message_class,
        row.message_class if row else "", row.at if row else None, (row.id or 0) if row else 0,
    )  # fmt: skip


def _packed(body: bytes) -> str:
    return base64.urlsafe_b64encode(body).decode().rstrip("=")


def _signature(key: bytes, body: bytes) -> str:
    return _packed(hmac.new(key, b"unsubscribe:" + body, hashlib.sha256).digest())
