"""The one gate just before sending: what stands against a message now, and until when it has to wait."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from storage.outgoing import Limit, Outgoing
from tools.channels import ADDRESS, address_of
from tools.consent import refusal
from tools.context import Context
from tools.drafts import content_hash
from tools.facts import plural
from tools.governance import Cap, Governance
from tools.testimonial_rules import WENT_OUT, obstacles, over_the_limit


@dataclass(frozen=True)
class Verdict:
    """Send it, when both are empty; otherwise why it is cancelled, or why and until when it waits."""

    cancel: str = ""
    wait_until: datetime | None = None
    because: str = ""


SEND = Verdict()


def limit(cap: Cap, now: datetime) -> Limit:
    """Return a cap as what the outbox counts."""
    return Limit(cap.messages, now - timedelta(days=cap.days))


def judge(rules: Governance, found: Outgoing, now: datetime, time_zone: str) -> Verdict:
    """Judge an approved message at the moment of sending.

    What can change back (hours, caps) makes it wait; what cannot (opt-out, an edit, a lost contact) cancels it.

    Args:
        time_zone: the workspace's, for a contact whose own is not known.
    """
    if reason := _cancels(rules, found):
        return Verdict(cancel=reason)
    zone = found.time_zone or time_zone
    opens = rules.of_class(found.message_class).open_at(now, zone)
    if opens > now:
        local = opens.astimezone(ZoneInfo(zone))
        return Verdict(wait_until=opens, because=f"goes {local:%A %H:%M}, in {found.contact_name}'s own hours")
    return _capped(rules, found)


def _cancels(rules: Governance, found: Outgoing) -> str | None:
    exact = content_hash(found.channel, found.recipient, found.sender, found.subject, found.body)
    if not found.approved or found.approved_hash != exact:
        return "the text is not the one that was approved"
    if found.contact_account_id != found.account_id:
        return f"{found.contact_name} is no contact of {found.account_name}"
    if found.left_on is not None:
        return f"{found.contact_name} has left {found.account_name}"
    if found.channel in ADDRESS and address_of(found, found.channel) != found.recipient:
        return f"the {ADDRESS[found.channel][1]} of {found.contact_name} has changed"
    needed = "required" in (rules.of_class(found.message_class).consent, rules.channels.get(found.channel))
    return refusal(found, needed)


def _capped(rules: Governance, found: Outgoing) -> Verdict:
    """Wait until enough time has passed since the messages before, to the contact and to the account."""
    for cap, oldest, name in (
        (rules.contact_cap, found.contact_full, found.contact_name),
        (rules.account_cap, found.account_full, found.account_name),
    ):
        if oldest is not None:
            because = f"{name} got {plural(cap.messages, 'message')} within {cap.days} days, the most that is allowed"
            return Verdict(wait_until=oldest + timedelta(days=cap.days), because=because)
    return SEND


def judge_praise(ctx: Context, found: Outgoing) -> Verdict:
    """Judge a request for praise besides: what stands against asking at the account, and the whole team's limit."""
    rules, now = ctx.governance, ctx.now()
    with ctx.session() as session:
        if reason := obstacles(session, now, WENT_OUT, [found.account_id]).get(found.account_id):
            return Verdict(cancel=reason)
        if reason := over_the_limit(session, now, rules):
            return Verdict(wait_until=now + timedelta(days=1), because=reason)
    return SEND
