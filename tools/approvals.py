"""A person's decisions on drafts. Each is one conditional update, so a second click finds nothing to do."""

import re
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import and_, or_, update
from sqlmodel import Session, col, select

from storage.database import changed_one
from storage.models import Approval, Audit, Draft, DraftState, Outbox, Role
from tools.context import RANKS, Context
from tools.drafts import EXPIRES_AFTER, DraftCard, content_hash, draft_card
from tools.errors import NotAllowedError, StaleError, UserError
from tools.names import find_colleague
from tools.opportunities import mark_proposed
from tools.renewing import changed_facts, composed_again

LONGEST_BODY, LONGEST_SUBJECT = 20_000, 200
LONGEST_SNOOZE = 60  # days
PLACEHOLDER = re.compile(r"\{\{|\}\}|\{%|\[(?:name|company|first name|your name|insert[^\]]*)\]", re.I)
OPEN = (DraftState.DRAFTED, DraftState.SNOOZED)


def get_draft(ctx: Context, draft_id: int) -> DraftCard:
    """Show a draft as it stands now."""
    with ctx.session() as session:
        return draft_card(session, _load(session, draft_id))


def get_open_draft(ctx: Context, draft_id: int) -> DraftCard:
    """Show a draft that can still be decided.

    Raises:
        StaleError: when it was decided or has expired.
    """
    ctx.require(Role.CSM)
    with ctx.session() as session:
        draft = _load(session, draft_id)
        if draft.state not in OPEN or draft.expires_at <= ctx.now():
            raise StaleError(_how_it_stands(draft, draft.content_hash, ctx.now()))
        return draft_card(session, draft)


def approve(ctx: Context, draft_id: int, seen_hash: str) -> DraftCard:
    """Approve exactly the text that the reviewer saw, and put it into the outbox in the same step.

    Raises:
        StaleError: when it was edited, decided or expired in the meantime.
    """
    ctx.require(Role.CSM)
    with ctx.session() as session:
        draft = _load(session, draft_id)
        _may_approve(ctx, draft)
        check_text(draft.subject, draft.body)
        if stale := changed_facts(ctx, session, draft):
            raise StaleError(f"The facts behind it have changed: {'; '.join(stale)}. Refresh the draft, or edit it.")
        _decide(ctx, session, draft, seen_hash, DraftState.APPROVED, None)
        if draft.offer:
            mark_proposed(session, draft)
        session.add(
            Outbox(
                draft_id=draft_id,
                idempotency_key=f"draft-{draft_id}-{seen_hash[:16]}",
                content_hash=seen_hash,
                next_attempt_at=ctx.now() + timedelta(seconds=ctx.governance.undo_seconds),
            )
        )
        session.commit()
        return draft_card(session, _load(session, draft_id))


def _may_approve(ctx: Context, draft: Draft) -> None:
    """Refuse who may not approve this draft: too low a role, or the one who asked where a second pair is needed."""
    ctx.require(Role(draft.approver_role))
    if draft.four_eyes and ctx.actor.email == draft.created_by:
        raise NotAllowedError(
            f"This one needs a second pair of eyes: another {draft.approver_role} than who asked for it."
        )


def waiting_for(ctx: Context) -> list[int]:
    """Return the ids of open drafts that the actor can decide, the oldest first: their own and those handed to them."""
    ctx.require(Role.CSM)
    unhanded = and_(col(Draft.handed_to).is_(None), col(Draft.sender) == ctx.actor.email)
    mine = or_(col(Draft.handed_to) == ctx.actor.email, unhanded)
    with ctx.session() as session:
        found = session.exec(
            select(Draft)
            .where(Draft.state == DraftState.DRAFTED, col(Draft.expires_at) > ctx.now(), mine)
            .order_by(col(Draft.id))
        ).all()
        return [draft.id or 0 for draft in found if _is_allowed(ctx, draft)]


def _is_allowed(ctx: Context, draft: Draft) -> bool:
    try:
        _may_approve(ctx, draft)
    except NotAllowedError:
        return False
    return True


def undo(ctx: Context, draft_id: int) -> DraftCard:
    """Take back an approval while the message has not left; the draft is open again, its text as it was.

    Raises:
        StaleError: it has left, or is leaving.
    """
    ctx.require(Role.CSM)
    with ctx.session() as session:
        draft = _load(session, draft_id)
        still = (col(Draft.id) == draft_id, col(Draft.state) == DraftState.APPROVED)
        waiting = session.exec(select(Outbox).where(Outbox.draft_id == draft_id, Outbox.attempts == 0)).first()
        values = {"state": DraftState.DRAFTED, "reason": None}
        if waiting is None or not changed_one(session, update(Draft).where(*still).values(**values)):
            raise StaleError(f"It cannot be taken back any more: it is {draft.state}.")
        session.delete(waiting)
        _note_decision(ctx, session, draft_id, "undone", draft.content_hash, None)
        _record(ctx, session, draft_id, "undo", {"state": DraftState.APPROVED}, {"state": DraftState.DRAFTED})
        session.expire(draft)
        session.commit()
        return draft_card(session, _load(session, draft_id))


def snooze(ctx: Context, draft_id: int, seen_hash: str, days: int) -> DraftCard:
    """Put a draft aside for some days; it comes back by itself, and expires a week after that."""
    ctx.require(Role.CSM)
    if not 1 <= days <= LONGEST_SNOOZE:
        raise UserError(f"A draft can rest 1 to {LONGEST_SNOOZE} days.")
    with ctx.session() as session:
        draft = _load(session, draft_id)
        until = ctx.now() + timedelta(days=days)
        values = {"state": DraftState.SNOOZED, "snoozed_until": until, "expires_at": until + EXPIRES_AFTER}
        _change(ctx, session, draft, seen_hash, "snooze", values)
        session.commit()
        return draft_card(session, _load(session, draft_id))


def hand_over(ctx: Context, draft_id: int, seen_hash: str, colleague: str) -> DraftCard:
    """Give a draft to a colleague for the decision; who asked for it stays who asked for it."""
    ctx.require(Role.CSM)
    with ctx.session() as session:
        draft = _load(session, draft_id)
        person = find_colleague(ctx, session, colleague)
        if person.email == (draft.handed_to or ""):
            raise UserError(f"{person.name} has it already.")
        if RANKS[Role(person.role)] < RANKS[Role(draft.approver_role)]:
            raise UserError(f"{person.name} may not decide it: it needs the role {draft.approver_role}.")
        _change(ctx, session, draft, seen_hash, "hand_over", {"handed_to": person.email})
        session.commit()
        return draft_card(session, _load(session, draft_id))


def refresh_draft(ctx: Context, draft_id: int, seen_hash: str) -> DraftCard:
    """Write an open draft again from today's facts; what was edited in it is replaced.

    Raises:
        UserError: the facts do not hold enough for a message any more.
    """
    ctx.require(Role.CSM)
    with ctx.session() as session:
        draft = _load(session, draft_id)
        fresh = composed_again(ctx, session, draft)
        renewed = ("subject", "body", "content_hash", "facts", "recipient", "contact_id")
        values = {name: getattr(fresh, name) for name in renewed}
        values["expires_at"] = ctx.now() + EXPIRES_AFTER
        _change(ctx, session, draft, seen_hash, "refresh", values)
        session.commit()
        return draft_card(session, _load(session, draft_id))


def _change(ctx: Context, session: Session, draft: Draft, seen_hash: str, action: str, values: dict[str, Any]) -> None:
    """Change an open draft that is as the person saw it, and record what it was before."""
    before = {name: _plain(getattr(draft, name)) for name in values if name != "facts"}
    statement = update(Draft).where(*_still(draft.id or 0, seen_hash, ctx.now()))
    if not changed_one(session, statement.values(**values)):
        raise StaleError(_how_it_stands(draft, seen_hash, ctx.now()))
    after = {name: _plain(value) for name, value in values.items() if name != "facts"}
    _record(ctx, session, draft.id or 0, action, before, after)
    session.expire(draft)


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value


def wake_snoozed(ctx: Context) -> list[DraftCard]:
    """Open the drafts again whose rest is over. Returns them."""
    with ctx.session() as session:
        due = session.exec(
            select(Draft.id).where(Draft.state == DraftState.SNOOZED, col(Draft.snoozed_until) <= ctx.now())
        ).all()
        woken = []
        for draft_id in due:
            still = (col(Draft.id) == draft_id, col(Draft.state) == DraftState.SNOOZED)
            if changed_one(session, update(Draft).where(*still).values(state=DraftState.DRAFTED, snoozed_until=None)):
                _record(ctx, session, draft_id or 0, "wake", {"state": "snoozed"}, {"state": "drafted"})
                woken.append(draft_id or 0)
        session.commit()
    return [get_draft(ctx, draft_id) for draft_id in woken]


def reject(ctx: Context, draft_id: int, seen_hash: str, reason: str) -> DraftCard:
    """Reject a draft for good, with the reason."""
    ctx.require(Role.CSM)
    if not reason.strip():
        raise UserError("Please say in a few words why: it teaches the next draft.")
    with ctx.session() as session:
        draft = _load(session, draft_id)
        _decide(ctx, session, draft, seen_hash, DraftState.REJECTED, reason.strip()[:1000])
        session.commit()
        return draft_card(session, _load(session, draft_id))


def edit(ctx: Context, draft_id: int, seen_hash: str, subject: str, body: str) -> DraftCard:
    """Replace the text of an open draft; approvals of the earlier text are void."""
    ctx.require(Role.CSM)
    subject, body = subject.strip(), body.strip()
    check_text(subject, body)
    with ctx.session() as session:
        draft = _load(session, draft_id)
        fresh = content_hash(draft.channel, draft.recipient, draft.sender, subject, body)
        statement = update(Draft).where(*_still(draft_id, seen_hash, ctx.now()))
        if not changed_one(session, statement.values(subject=subject, body=body, content_hash=fresh)):
            raise StaleError(_how_it_stands(draft, seen_hash, ctx.now()))
        before = {"subject": draft.subject, "body": draft.body, "hash": seen_hash}
        _record(ctx, session, draft_id, "edit", before, {"subject": subject, "body": body, "hash": fresh})
        session.commit()
        session.refresh(draft)
        return draft_card(session, draft)


def remember_card(ctx: Context, draft_id: int, channel: str, ts: str) -> None:
    """Note where a draft's card stands, so that every copy is updated when it is decided."""
    with ctx.session() as session:
        draft = _load(session, draft_id)
        if [channel, ts] not in draft.cards:
            draft.cards = [*draft.cards, [channel, ts]]
            session.commit()


def expire_drafts(ctx: Context) -> list[DraftCard]:
    """Close the drafts that nobody decided in time. Returns them as they stand now."""
    with ctx.session() as session:
        due = session.exec(select(Draft).where(col(Draft.state).in_(OPEN), col(Draft.expires_at) <= ctx.now())).all()
        for draft in due:
            statement = update(Draft).where(col(Draft.id) == draft.id, col(Draft.state).in_(OPEN))
            if changed_one(session, statement.values(state=DraftState.EXPIRED)):
                _record(ctx, session, draft.id or 0, "expire", {"state": draft.state}, {"state": "expired"})
        session.commit()
        for draft in due:
            session.refresh(draft)
        return [draft_card(session, draft) for draft in due]


def _load(session: Session, draft_id: int) -> Draft:
    draft = session.get(Draft, draft_id)
    if draft is None:
        raise UserError("That draft is not here (any more). Ask me for a new one.")
    return draft


def _still(draft_id: int, seen_hash: str, now: datetime) -> list:
    """The draft is open, unexpired, and its text is the one that the reviewer saw."""
    return [
        col(Draft.id) == draft_id,
        col(Draft.state).in_(OPEN),
        col(Draft.content_hash) == seen_hash,
        col(Draft.expires_at) > now,
    ]


def _decide(ctx: Context, session: Session, draft: Draft, seen_hash: str, to: DraftState, reason: str | None) -> None:
    statement = update(Draft).where(*_still(draft.id or 0, seen_hash, ctx.now()))
    if not changed_one(session, statement.values(state=to, reason=reason)):
        raise StaleError(_how_it_stands(draft, seen_hash, ctx.now()))
    _note_decision(ctx, session, draft.id or 0, to, seen_hash, reason)
    text = {"subject": draft.subject, "body": draft.body, "recipient": draft.recipient, "hash": seen_hash}
    _record(ctx, session, draft.id or 0, to, {"state": draft.state}, {**text, "reason": reason})
    session.expire(draft)


def _note_decision(ctx: Context, session: Session, draft_id: int, to: str, seen: str, note: str | None) -> None:
    by = ctx.actor.email
    session.add(Approval(draft_id=draft_id, decision=to, by=by, at=ctx.now(), content_hash=seen, note=note))


def _record(ctx: Context, session: Session, draft_id: int, action: str, before: dict, after: dict) -> None:
    session.add(
        Audit(
            at=ctx.now(),
            actor=ctx.actor.email,
            action=f"draft.{action}",
            subject=f"draft:{draft_id}",
            before=before,
            after=after,
        )
    )


def _how_it_stands(draft: Draft, seen_hash: str, now: datetime) -> str:
    if draft.state not in OPEN:
        return f"This draft is already {draft.state}; nothing was changed."
    if draft.expires_at <= now:
        return "This draft has expired, its facts are a week old. Ask me for a new one."
    if draft.content_hash != seen_hash:
        return "The text was edited since you saw it. Here is the newest version; please look again."
    return "Somebody was a moment faster; here is how it stands."


def check_text(subject: str, body: str) -> None:
    """Refuse a text that cannot go out.

    Raises:
        UserError: empty, too long, with a line break in the subject, or with a placeholder left.
    """
    if not subject or not body:
        raise UserError("Subject and text must not be empty.")
    if "\n" in subject or "\r" in subject:
        raise UserError("The subject must be a single line.")
    if len(subject) > LONGEST_SUBJECT or len(body) > LONGEST_BODY:
        raise UserError(f"Too long: at most {LONGEST_SUBJECT} characters of subject, {LONGEST_BODY:,} of text.")
    found = PLACEHOLDER.search(body) or PLACEHOLDER.search(subject)
    if found:
        raise UserError(f"There is a placeholder left in the text: “{found.group()}”. Please fill it in.")
