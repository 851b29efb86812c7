"""Draft personal outreach for an account; a person approves it before anything is sent."""

import hashlib
import json
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import polars as pl
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, col, select

from knowledge.documents import Template, observations, render, templates, true_observations
from scoring.catalogue import CATALOGUE
from storage import queries
from storage.models import Account, Contact, Draft, DraftState, Goal, Outbox, Role, StakeholderChange, Ticket
from tools.account_query import scored_day
from tools.context import Context
from tools.errors import UserError
from tools.facts import Fact, Result, day
from tools.names import resolve_account
from tools.purposes import FEWEST_OBSERVATIONS, Purpose, has_left, refuse_unfit, suggest_purpose, template_for
from tools.refresh import features_on
from tools.tone import tone_of, toned
from tools.writing import one_line

EXPIRES_AFTER = timedelta(days=7)
QUOTE_LENGTH = 120
# How reviewers read the facts that are not in the catalogue.
LABELS = {
    "escalated_subject": "escalated ticket",
    "left_name": "contact who left",
    "renewal_on": "renewal",
    "started_on": "customer since",
}
# What customers wrote, or what was written about them: the table that it stands in.
THEIR_WORDS = {"escalated_subject": "ticket", "left_name": "stakeholder_change", "goal": "goal"}


@dataclass(frozen=True)
class DraftCard(Result):
    """A draft as reviewers see it: who, why, the exact text, the facts it uses, and what was decided."""

    id: int = 0
    account: str = ""
    contact: str = ""
    contact_role: str = ""
    recipient: str = ""
    sender: str = ""
    sender_name: str = ""
    subject: str = ""
    body: str = ""
    content_hash: str = ""
    purpose: str = ""
    ask: str = ""
    state: DraftState = DraftState.DRAFTED
    expires_at: datetime = datetime.min
    note: str = ""
    approver_role: str = "csm"
    four_eyes: bool = False
    cards: tuple[tuple[str, str], ...] = ()
    snoozed_until: datetime | None = None
    handed_to: str = ""
    language: str = "en"
    undo_until: datetime | None = None


def draft_outreach(
    ctx: Context, account: str, purpose: Purpose | None = None, request_key: str | None = None
) -> DraftCard:
    """Draft a personal email to the right contact of an account, for a person to edit and approve.

    Args:
        account: the account's name, domain or external id.
        purpose: why to write; left out, the account's own situation decides.
        request_key: makes a repeated request return the first draft.
    """
    ctx.require(Role.CSM)
    with ctx.session() as session:
        known = earlier_draft(session, request_key)
        if known:
            return draft_card(session, known)
        as_of = scored_day(ctx, session)
        found = resolve_account(session, account, as_of)
        purpose = purpose or ("win_back" if has_left(found, as_of) else None)
        if purpose:
            refuse_unfit(session, ctx.governance, found, purpose, ctx.now(), as_of)
        facts = message_facts(ctx, session, found, as_of)
        template = template_for(purpose or suggest_purpose(facts), facts)
        draft = compose(ctx, session, found, facts, template, as_of)
        draft.request_key = request_key
        session.add(draft)
        try:
            session.commit()
        except IntegrityError:  # the same request, answered at the same moment
            session.rollback()
            draft = earlier_draft(session, request_key) or draft
        return draft_card(session, draft)


def message_facts(
    ctx: Context, session: Session, account: Account, as_of: date, features: pl.DataFrame | None = None
) -> dict[str, Any]:
    """Collect what may be said to the customer: the catalogue's features and a few rows in words.

    Args:
        features: the account's row of the day's feature table, where it is at hand; empty for no customer.
    """
    if features is None:
        everybody: Any = ctx.usage.table(ctx.workspace_id)
        usage: Any = ctx.usage.table(ctx.workspace_id, account=account.external_id)
        features = features_on(session, usage, as_of, account, everybody=everybody)
    facts: dict[str, Any] = dict.fromkeys(CATALOGUE)
    if features.height:
        facts.update({name: features[name][0] for name in CATALOGUE if name in features.columns})
    ticket, goal = _escalated(session, account, as_of), _goal(session, account, as_of)
    return facts | {
        "account": account.name,
        "plan": account.plan,
        "started_on": day(account.started_on),
        "renewal_on": account.renewal_on and day(account.renewal_on),
        "escalated_subject": ticket and quoted(ticket.subject or ticket.category or "your request"),
        "escalated_open": bool(ticket and not ticket.resolved_at),
        "goal": goal and quoted(goal.objective),
        "goal_attainment": goal and _attainment(goal),  # of the goal that is named, not of all of them
        "left_name": _left(session, account, as_of),
    }


def content_hash(channel: str, recipient: str, sender: str, subject: str, body: str) -> str:
    """Fingerprint what an approval is for: any change of text, recipient, sender or channel voids it."""
    exact = json.dumps([channel, recipient, sender, subject, body], ensure_ascii=False)
    return hashlib.sha256(exact.encode()).hexdigest()


def draft_card(session: Session, draft: Draft) -> DraftCard:
    """Show a draft as it stands in the database."""
    account, contact = session.get_one(Account, draft.account_id), session.get_one(Contact, draft.contact_id)
    facts = tuple(_fact(entry) for entry in draft.facts)
    template = templates().get(draft.purpose)
    return DraftCard(
        text=f"Draft for {contact.name} at {account.name}: “{draft.subject}”.{_language_words(contact)}",
        facts=facts,
        account_ids=(draft.account_id,),
        id=draft.id or 0,
        account=account.name,
        contact=contact.name,
        contact_role=contact.role.replace("_", " "),
        recipient=draft.recipient,
        sender=draft.sender,
        sender_name=draft.sender_name,
        subject=draft.subject,
        body=draft.body,
        content_hash=draft.content_hash,
        purpose=draft.purpose,
        ask=template.ask if template else "",
        state=DraftState(draft.state),
        expires_at=draft.expires_at,
        note=draft.reason or "",
        approver_role=draft.approver_role,
        four_eyes=draft.four_eyes,
        cards=tuple((channel, ts) for channel, ts in draft.cards),
        snoozed_until=draft.snoozed_until,
        handed_to=draft.handed_to or "",
        language=contact.language,
        undo_until=_leaves_at(session, draft),
    )


def _language_words(contact: Contact) -> str:
    """What reviewers have to know where the contact writes in another language."""
    english = contact.language.lower().startswith("en")
    return "" if english else f" Their language is “{contact.language}”; the draft is in English."


def _leaves_at(session: Session, draft: Draft) -> datetime | None:
    """Until when an approval can be taken back: when the message, not yet tried, leaves."""
    if draft.state != DraftState.APPROVED:
        return None
    waiting = select(Outbox.next_attempt_at).where(Outbox.draft_id == draft.id, Outbox.attempts == 0)
    return session.exec(waiting).first()


def quoted(text: str) -> str:
    """Shorten a customer's words for quoting: one line, no quotation marks of its own, no mark-up."""
    plain = one_line(text).replace("“", "").replace("”", "").replace("<", "").replace(">", "")
    return plain if len(plain) <= QUOTE_LENGTH else plain[: QUOTE_LENGTH - 1].rstrip() + "…"


def earlier_draft(session: Session, request_key: str | None) -> Draft | None:
    """Return what the same request has drafted before."""
    if request_key is None:
        return None
    return session.exec(select(Draft).where(Draft.request_key == request_key)).first()


def compose(
    ctx: Context, session: Session, account: Account, facts: dict[str, Any], template: Template, as_of: date
) -> Draft:
    """Write a message to the fitting contact from a template and what is true of the account.

    Raises:
        UserError: nobody can be written to, or too little is known to write anything personal.
    """
    contact = queries.best_contact(session, account.id or 0, template.roles)
    if contact is None or not contact.email:
        raise UserError(
            f"{account.name} has no contact who can be written to: none with an address who has not left "
            "or opted out. Add one to your contacts file and import again."
        )
    used = true_observations(template, facts)
    if len(used) < FEWEST_OBSERVATIONS:
        raise UserError(
            f"I know too little about {account.name} to write anything personal: only {len(used)} fact fits "
            f"“{template.title}”. Import usage, tickets or goals for it, or ask for another purpose."
        )
    words = {**facts, "first_name": contact.name.split()[0], "sender": ctx.actor.name.split()[0]}
    message = render(template, words, used)
    body = toned(message.body, tone_of(session, ctx.actor), words["first_name"], words["sender"])
    now = ctx.now()
    return Draft(
        account_id=account.id or 0,
        contact_id=contact.id or 0,
        channel="email",
        purpose=template.id,
        message_class=template.message_class,
        recipient=contact.email,
        sender=ctx.actor.email,
        sender_name=ctx.actor.name,
        subject=message.subject,
        body=body,
        content_hash=content_hash("email", contact.email, ctx.actor.email, message.subject, body),
        facts=[fact.to_dict() for fact in _used_facts(account, facts, used, as_of)],
        created_by=ctx.actor.email,
        created_at=now,
        expires_at=now + EXPIRES_AFTER,
        **_high_risk(ctx, template),
    )


def _high_risk(ctx: Context, template: Template) -> dict[str, Any]:
    """Who has to approve a message of high risk."""
    if not template.high_risk:
        return {}
    rules = ctx.governance
    return {"approver_role": rules.high_risk_approver, "four_eyes": rules.high_risk_four_eyes}


def _used_facts(account: Account, facts: dict[str, Any], used: list[str], as_of: date) -> list[Fact]:
    return [fact_of(account, facts, name, as_of) for name in used]


def fact_of(account: Account, facts: dict[str, Any], observation: str, as_of: date) -> Fact:
    """Return the fact that backs an observation which holds."""
    column = observations()[observation].fact
    feature = CATALOGUE.get(column)
    label = feature.label if feature else LABELS.get(column, column)
    source = feature.source if feature else THEIR_WORDS.get(column, "account")
    shown = feature.show(facts[column]) if feature else facts[column]
    return Fact(account.name, label, shown, "text", as_of, source, "customer" if column in THEIR_WORDS else "")


def _fact(entry: dict[str, Any]) -> Fact:
    return Fact(**{**entry, "as_of": date.fromisoformat(entry["as_of"])})


def _escalated(session: Session, account: Account, as_of: date) -> Ticket | None:
    since = datetime.combine(as_of - timedelta(days=30), datetime.min.time())
    return session.exec(
        select(Ticket)
        .where(
            Ticket.account_id == account.id,
            col(Ticket.escalated),
            (col(Ticket.opened_at) >= since) | col(Ticket.resolved_at).is_(None),
            queries.known_by(Ticket, "opened_at", as_of),
        )
        .order_by(col(Ticket.resolved_at).is_not(None), col(Ticket.opened_at).desc())
    ).first()


def _goal(session: Session, account: Account, as_of: date) -> Goal | None:
    """The goal that was measured last."""
    mine = (Goal.account_id == account.id, col(Goal.stated_on) <= as_of, col(Goal.measured_on) <= as_of)
    return session.exec(select(Goal).where(*mine).order_by(col(Goal.measured_on).desc(), col(Goal.id))).first()


def _attainment(goal: Goal) -> float | None:
    if goal.current is None or goal.baseline is None or goal.target is None or goal.target == goal.baseline:
        return None
    return (goal.current - goal.baseline) / (goal.target - goal.baseline)


def _left(session: Session, account: Account, as_of: date) -> str | None:
    found = session.exec(
        select(StakeholderChange)
        .where(
            StakeholderChange.account_id == account.id,
            StakeholderChange.kind == "left",
            col(StakeholderChange.changed_on) >= as_of - timedelta(days=45),
            col(StakeholderChange.changed_on) <= as_of,
        )
        .order_by(col(StakeholderChange.changed_on).desc())
    ).first()
    return quoted(found.contact_name) if found else None
