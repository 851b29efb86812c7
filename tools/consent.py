"""Consent by contact, channel and class of message; addresses that nothing is sent to; lists of them in and out."""

import re
from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal

from sqlmodel import Session, col, select

from storage.database import insert_new
from storage.models import Audit, Consent, Contact, Role, Suppression
from storage.outbox_statements import EVERY
from storage.outgoing import Outgoing
from tools.context import Context
from tools.csv_lists import Imported, csv_line, read_list
from tools.errors import UserError
from tools.facts import FactSheet, Listing, day, plural
from tools.names import resolve_account

Channel = Literal["email", "sms", "slack", "in_app"]
MessageClass = Literal["service", "marketing", "testimonial"]
ADDRESS = re.compile(r"[^@\s,;<>\"]+@[^@\s,;<>\"]+\.[^@\s,;<>\".]+|\+?[\d\s()/-]{6,30}")
COLUMNS = ("channel", "address", "reason")
SOURCE = "consent"


def record_consent(
    ctx: Context, session: Session, contact: Contact, channel: str, message_class: str, granted: bool, source: str
) -> None:
    """Add what a contact allowed or refused, with where that is known from. The caller commits."""
    session.add(
        Consent(
            account_id=contact.account_id,
            contact_id=contact.id or 0,
            channel=channel,
            message_class=message_class,
            granted=granted,
            source=source[:200],
            by=ctx.actor.email,
            at=ctx.now(),
        )
    )


def set_consent(
    ctx: Context, account: str, contact: str, channel: Channel, message_class: MessageClass, granted: bool, source: str
) -> str:
    """Record by hand what a contact said. Returns a sentence.

    Args:
        contact: the person's name or email.
        source: how it is known: a call, a form, a mail.
    """
    ctx.require(Role.CSM)
    if not source.strip():
        raise UserError("Say where you know it from, for example “call on 3 May”: consent needs a source.")
    with ctx.session() as session:
        found = resolve_account(session, account, ctx.today())
        people = session.exec(select(Contact).where(Contact.account_id == found.id)).all()
        wanted = contact.strip().lower()
        person = next((p for p in people if wanted in (p.name.lower(), (p.email or "").lower())), None)
        if person is None:
            names = ", ".join(p.name for p in people[:8]) or "nobody"
            raise UserError(f"{found.name} has no contact “{contact[:80]}”. Known: {names}.")
        record_consent(ctx, session, person, channel, message_class, granted, source)
        after = {"channel": channel, "class": message_class, "granted": granted, "source": source[:200]}
        session.add(
            Audit(
                at=ctx.now(), actor=ctx.actor.email, action="consent.set", subject=f"contact:{person.id}", after=after
            )
        )
        session.commit()
        verb = "allows" if granted else "refuses"
        return f"{person.name} {verb} {message_class} messages by {channel.replace('_', '-')}."


@dataclass(frozen=True)
class Standing:
    """What a contact has said about a class of messages on a channel, and whether its address is suppressed."""

    contact_name: str
    message_class: str
    channel: str
    opted_out_on: date | None = None
    suppressed_at: datetime | None = None
    suppressed_because: str | None = None
    granted: bool | None = None
    said_at: datetime | None = None
    said_where: str | None = None


def standing(session: Session, contact: Contact, channel: str, message_class: str) -> Standing:
    """Look up how a contact stands to a class of messages, before there is a message."""
    kept = select(Suppression).where(
        Suppression.channel == channel, Suppression.address == (contact.email or "").lower()
    )
    suppressed = session.exec(kept).first()
    said = session.exec(
        select(Consent)
        .where(
            Consent.contact_id == contact.id,
            col(Consent.channel).in_([channel, EVERY]),
            col(Consent.message_class).in_([message_class, EVERY]),
        )
        .order_by(col(Consent.at).desc(), col(Consent.id).desc())
    ).first()
    return Standing(
        contact.name, message_class, channel, contact.opted_out_on,
        suppressed.at if suppressed else None, suppressed.reason if suppressed else None,
        said.granted if said else None, said.at if said else None, said.source if said else None,
    )  # fmt: skip


def refusal(found: Outgoing | Standing, needed: bool) -> str | None:
    """Say why a message may not be sent to its contact; None when it may.

    Args:
        needed: whether a consent has to be there; otherwise it goes unless it was refused.
    """
    name, kind = found.contact_name, found.message_class
    if found.opted_out_on is not None:
        return f"{name} wants no messages since {day(found.opted_out_on)}"
    if found.suppressed_at is not None:
        since = day(found.suppressed_at.date())
        return f"nothing is sent to this address any more since {since}: {found.suppressed_because}"
    if found.granted is False and found.said_at is not None:
        return f"{name} refused {kind} messages on {day(found.said_at.date())} ({found.said_where})"
    if found.granted is None and needed:
        return f"there is no consent of {name} to {kind} messages by {found.channel.replace('_', '-')}"
    return None


def list_consents(ctx: Context, account: str) -> Listing:
    """List what the contacts of an account allowed and refused, the newest first, with its source."""
    with ctx.session() as session:
        found = resolve_account(session, account, ctx.today())
        rows = session.exec(
            select(Consent, Contact.name)
            .join(Contact, col(Contact.id) == col(Consent.contact_id))
            .where(Consent.account_id == found.id)
            .order_by(col(Consent.at).desc(), col(Consent.id).desc())
        ).all()
        left = session.exec(
            select(Contact).where(Contact.account_id == found.id, col(Contact.opted_out_on).is_not(None))
        ).all()
    sheet = FactSheet(ctx.today())
    shown = [(p.name, "everything", "refused", day(p.opted_out_on), "contacts file") for p in left]
    for consent, name in rows:
        what = f"{consent.message_class}, {consent.channel}"
        shown.append((name, what, "allowed" if consent.granted else "refused", day(consent.at.date()), consent.source))
    for name, what, how, on, source in shown:
        sheet.add(found.name, f"{name}, {what}", f"{how} on {on} ({source})", "text", SOURCE)
    text = f"{plural(len(shown), 'consent')} of {found.name}'s contacts on file." if shown else (
        f"No contact of {found.name} has allowed or refused anything; the rules for each class of message apply."
    )  # fmt: skip
    head = ("Contact", "What", "", "On", "Source")
    ids = (found.id or 0,)
    return Listing(text, tuple(sheet), ids, f"Consent at {found.name}", head, tuple(shown), len(shown))


# ── suppressed addresses ──


def suppress(ctx: Context, session: Session, channel: str, address: str, reason: str) -> bool:
    """Send nothing to an address any more. Returns whether that is new. The caller commits."""
    row = {
        "channel": channel, "address": address.strip().lower()[:254], "reason": reason[:200], "by": ctx.actor.email,
        "at": ctx.now(),
    }  # fmt: skip
    if not insert_new(session, Suppression, row, ["channel", "address"]):
        return False
    after = {"channel": channel, "address": row["address"], "reason": row["reason"]}
    session.add(
        Audit(at=ctx.now(), actor=ctx.actor.email, action="suppression.add", subject="suppression", after=after)
    )
    return True


def release(ctx: Context, channel: str, address: str, reason: str) -> str:
    """Let messages go to an address again; an admin's decision, with a reason."""
    ctx.require(Role.ADMIN)
    if not reason.strip():
        raise UserError("Say why messages may go there again; it is kept in the audit.")
    with ctx.session() as session:
        wanted = (Suppression.channel == channel, Suppression.address == address.strip().lower())
        row = session.exec(select(Suppression).where(*wanted)).first()
        if row is None:
            raise UserError(f"{address} is not on the list of {channel} addresses that nothing is sent to.")
        before = {"channel": channel, "address": row.address, "reason": row.reason}
        session.delete(row)
        session.add(
            Audit(
                at=ctx.now(), actor=ctx.actor.email, action="suppression.release", subject="suppression",
                before=before, after={"reason": reason[:200]},
            )
        )  # fmt: skip
        session.commit()
    return f"Messages may go to {address} again."


def import_suppressions(ctx: Context, text: str) -> Imported:
    """Take in a CSV with the columns channel, address, reason; bad lines are named, the rest goes on."""
    ctx.require(Role.ADMIN)
    with ctx.session() as session:

        def add(row: dict[str, str]) -> bool:
            if not ADDRESS.fullmatch(row["address"]):
                raise ValueError(f"“{row['address'][:80]}” is no address")
            return suppress(ctx, session, row.get("channel") or "email", row["address"], row.get("reason") or "list")

        done = read_list(text, COLUMNS, ("address",), add)
        session.commit()
    return done


def export_suppressions(ctx: Context) -> str:
    """Write all suppressed addresses as CSV, in the form that the import reads."""
    ctx.require(Role.ADMIN)
    with ctx.session() as session:
        rows = session.exec(select(Suppression).order_by(col(Suppression.id))).all()
    return csv_line(COLUMNS) + "".join(csv_line((row.channel, row.address, row.reason)) for row in rows)
