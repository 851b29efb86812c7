"""What comes back for messages: replies, bounces, complaints; each report counts once, however often it comes."""

from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import update
from sqlmodel import Session, col, select

from storage.database import changed_one, insert_new
from storage.models import Account, Contact, Draft, DraftState, Inbound, Interaction, Outbox
from storage.outbox_statements import INTERACTION
from tools.consent import record_consent, suppress
from tools.context import Context
from tools.errors import UserError

Kind = Literal["reply", "bounce", "complaint"]
HARD, SOFT = "hard", "soft"
ALL = "all"
LONGEST_DETAIL = 2000


@dataclass(frozen=True)
class Report:
    """What a mailbox or a provider tells.

    Args:
        key: the same for every telling of the same event; of a mail its Message-ID.
        address: the customer's.
        about: what it answers: Message-IDs of ours, or a message's idempotency key, the nearest first.
        hard: of a bounce: the address will never work.
        channel: that the message went by.
    """

    key: str
    kind: Kind
    address: str
    detail: str = ""
    about: tuple[str, ...] = ()
    hard: bool = False
    channel: str = "email"


@dataclass(frozen=True)
class Heard:
    """What was made of a report.

    Args:
        new: whether it was not known yet.
        text: for the owner of the account; empty when nobody has to hear of it.
    """

    id: int
    new: bool
    draft_id: int | None = None
    owner: str | None = None
    text: str = ""


def record_inbound(ctx: Context, report: Report) -> Heard:
    """Take in a report: match it to its message, and do what follows from it.

    A reply counts for the contact's responsiveness and ends the plays that wait for it. A hard bounce or a complaint
    stops all messages to the address, a complaint is a refusal of everything, too.

    Raises:
        UserError: the report cannot be read; the message says what is missing.
    """
    _check(report)
    with ctx.session() as session:
        draft = _draft(session, report)
        contact = session.get(Contact, draft.contact_id) if draft else _contact(session, report.address)
        row = {
            "key": report.key[:200], "kind": report.kind, "draft_id": draft and draft.id, "at": ctx.now(),
            "address": report.address.strip().lower()[:254], "detail": report.detail[:LONGEST_DETAIL],
        }  # fmt: skip
        new = insert_new(session, Inbound, row, ["key"])
        if new:
            _follow(ctx, session, report, draft, contact)
            session.commit()
        stored = session.exec(select(Inbound).where(Inbound.key == row["key"])).one()
        owner = session.get_one(Account, contact.account_id).owner_email if contact else None
        text = _said(report, contact, draft, session)
    return Heard(stored.id or 0, new, stored.draft_id, owner, text)


def _check(report: Report) -> None:
    if not report.key.strip() or any(mark in report.key for mark in "\r\n\0"):
        raise UserError("A report needs a key of one line, the same each time that it is told.")
    if report.kind not in ("reply", "bounce", "complaint"):
        raise UserError(f"I know no report of the kind “{report.kind[:20]}”: reply, bounce or complaint.")
    if not report.address.strip():
        raise UserError("A report needs the customer's address.")


def _draft(session: Session, report: Report) -> Draft | None:
    """The message that it is about: by what it names, never by the address alone, which may have several."""
    for name in report.about:
        mine = (col(Outbox.provider_id) == name) | (col(Outbox.idempotency_key) == name)
        found = session.exec(select(Draft).join(Outbox, col(Outbox.draft_id) == col(Draft.id)).where(mine)).first()
        if found is not None:
            return found
    return None


def _contact(session: Session, address: str) -> Contact | None:
    wanted = address.strip()
    mine = (col(Contact.email) == wanted) | (col(Contact.email) == wanted.lower()) | (col(Contact.phone) == wanted)
    return session.exec(
        select(Contact).where(mine).order_by(col(Contact.left_on).is_not(None), col(Contact.id))
    ).first()


def _follow(ctx: Context, session: Session, report: Report, draft: Draft | None, contact: Contact | None) -> None:
    if report.kind == "reply" and contact is not None:
        _replied(ctx, session, report, draft, contact)
    stops = report.kind == "complaint" or (report.kind == "bounce" and report.hard)
    if stops:
        suppress(ctx, session, report.channel, report.address, _why(report))
    if report.kind == "complaint" and contact is not None:
        record_consent(ctx, session, contact, report.channel, ALL, False, "complaint")
    if report.kind == "bounce" and draft is not None:
        sent = (col(Draft.id) == draft.id, col(Draft.state) == DraftState.SENT)
        changed_one(session, update(Draft).where(*sent).values(reason=f"it came back: {report.detail[:200]}"))


def _why(report: Report) -> str:
    said = f": {report.detail[:120]}" if report.detail else ""
    return f"{'a complaint' if report.kind == 'complaint' else 'mail came back'}{said}"


def _replied(ctx: Context, session: Session, report: Report, draft: Draft | None, contact: Contact) -> None:
    today = ctx.today()
    newer = (col(Contact.last_reply_on) < today) | col(Contact.last_reply_on).is_(None)
    mine = update(Contact).where(col(Contact.id) == contact.id, newer)
    changed_one(session, mine.values(last_reply_on=today))
    if draft is not None:
        _answered(ctx, session, draft, contact)
    row = _interaction(contact, report.channel, "in") | {
        "external_id": f"tend:in:{report.key}"[:120], "at": ctx.now(), "text": report.detail[:LONGEST_DETAIL],
    }  # fmt: skip
    insert_new(session, Interaction, row, ["external_id"])


def _answered(ctx: Context, session: Session, draft: Draft, contact: Contact) -> None:
    """Note on the sent message that it was answered, as the account's responsiveness counts it."""
    outbox = session.exec(select(Outbox).where(Outbox.draft_id == draft.id)).one()
    row = _interaction(contact, draft.channel, "out")
    row |= {"external_id": f"{INTERACTION}{outbox.idempotency_key}", "subject": draft.subject[:200]}
    answered = {"replied": True, "replied_on": ctx.today()}
    if not insert_new(session, Interaction, {**row, "at": outbox.sent_at or ctx.now(), **answered}, ["external_id"]):
        known = col(Interaction.external_id) == row["external_id"]
        changed_one(session, update(Interaction).where(known).values(**answered))


def _interaction(contact: Contact, channel: str, direction: str) -> dict[str, Any]:
    return {
        "account_id": contact.account_id, "contact_external_id": contact.external_id, "channel": channel,
        "direction": direction,
    }  # fmt: skip


def _said(report: Report, contact: Contact | None, draft: Draft | None, session: Session) -> str:
    if contact is None:
        return ""
    account = session.get_one(Account, contact.account_id).name
    about = f" to “{draft.subject}”" if draft else ""
    if report.kind == "reply":
        return f"{contact.name} at {account} replied{about}. Plays that wait for an answer stop."
    if report.kind == "complaint":
        return f"{contact.name} at {account} complained about a message{about}: nothing is sent to them any more."
    if report.hard:
        return f"Mail to {contact.name} at {account} came back for good{about}: is {report.address} still right?"
    return ""
