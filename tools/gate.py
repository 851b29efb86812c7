"""The one gate just before sending: what stands against a message now, and until when it has to wait."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlmodel import Session, col, select

from storage.models import Account, Approval, Contact, Draft, DraftState, Outbox
from tools.consent import refusal
from tools.context import Context
from tools.drafts import content_hash
from tools.facts import plural
from tools.governance import Cap, Governance
from tools.testimonial_rules import CLASS, testimonial_obstacle


@dataclass(frozen=True)
class Verdict:
    """Send it, when both are empty; otherwise why it is cancelled, or why and until when it waits."""

    cancel: str = ""
    wait_until: datetime | None = None
    because: str = ""


SEND = Verdict()


def judge(ctx: Context, session: Session, outbox: Outbox, draft: Draft) -> Verdict:
    """Judge an approved message at the moment of sending.

    What can change back (hours, caps) makes it wait; what cannot (opt-out, an edit, a lost contact) cancels it.
    """
    contact, account = session.get_one(Contact, draft.contact_id), session.get_one(Account, draft.account_id)
    zone, now = contact.time_zone or ctx.time_zone, ctx.now()
    if reason := _cancels(session, ctx.governance, outbox, draft, contact, account):
        return Verdict(cancel=reason)
    if draft.message_class == CLASS and (why := testimonial_obstacle(session, account, now, ctx.governance, draft)):
        return Verdict(cancel=why)
    opens = ctx.governance.of_class(draft.message_class).open_at(now, zone)
    if opens > now:
        local = opens.astimezone(ZoneInfo(zone))
        return Verdict(wait_until=opens, because=f"goes {local:%A %H:%M}, in {contact.name}'s own hours")
    return _capped(ctx, session, draft, contact, account, now)


def _cancels(
    session: Session, rules: Governance, outbox: Outbox, draft: Draft, contact: Contact, account: Account
) -> str | None:
    exact = content_hash(draft.channel, draft.recipient, draft.sender, draft.subject, draft.body)
    approval = session.exec(
        select(Approval.id).where(
            Approval.draft_id == draft.id, Approval.decision == DraftState.APPROVED, Approval.content_hash == exact
        )
    ).first()
    if approval is None or outbox.content_hash != exact:
        return "the text is not the one that was approved"
    if contact.account_id != draft.account_id:
        return f"{contact.name} is no contact of {account.name}"
    if contact.left_on is not None:
        return f"{contact.name} has left {account.name}"
    if draft.channel == "email" and contact.email != draft.recipient:
        return f"the address of {contact.name} has changed"
    needed = "required" in (rules.of_class(draft.message_class).consent, rules.channels.get(draft.channel))
    return refusal(session, contact, draft.recipient, draft.channel, draft.message_class, needed)


def _capped(ctx: Context, session: Session, draft: Draft, contact: Contact, account: Account, now: datetime) -> Verdict:
    """Wait until enough time has passed since the messages before, to the contact and to the account."""
    caps: list[tuple[Cap, Any, str]] = [
        (ctx.governance.contact_cap, Draft.contact_id == contact.id, contact.name),
        (ctx.governance.account_cap, Draft.account_id == account.id, account.name),
    ]
    if draft.message_class == CLASS:
        caps.append((ctx.governance.testimonial_cap, Draft.message_class == CLASS, "everybody together"))
    for cap, mine, name in caps:
        if (until := _free_at(session, cap, mine, now)) is not None:
            because = f"{name} got {plural(cap.messages, 'message')} within {cap.days} days, the most that is allowed"
            return Verdict(wait_until=until, because=because)
    return SEND


def _free_at(session: Session, cap: Cap, mine: Any, now: datetime) -> datetime | None:
    since = now - timedelta(days=cap.days)
    sent = (
        select(Outbox.sent_at)
        .join(Draft, col(Draft.id) == col(Outbox.draft_id))
        .where(mine, col(Outbox.sent_at) > since)
        .order_by(col(Outbox.sent_at).desc())
        .limit(cap.messages)
    )
    times = session.exec(sent).all()
    if len(times) < cap.messages or times[-1] is None:
        return None
    return times[-1] + timedelta(days=cap.days)
