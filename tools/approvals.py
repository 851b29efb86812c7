"""A person's decisions on drafts. Each is one conditional update, so a second click finds nothing to do."""

import re
from datetime import datetime, timedelta

from sqlalchemy import update
from sqlmodel import Session, col, select

from storage.database import changed_one
from storage.models import Approval, Audit, Draft, DraftState, Outbox, Role
from tools.context import Context
from tools.drafts import DraftCard, content_hash, draft_card
from tools.errors import NotAllowedError, StaleError, UserError
from tools.opportunities import mark_proposed
from tools.renewing import changed_facts

LONGEST_BODY, LONGEST_SUBJECT = 20_000, 200
PLACEHOLDER = re.compile(r"\{\{|\}\}|\{%|\[(?:name|company|first name|your name|insert[^\]]*)\]", re.I)
OPEN = (DraftState.DRAFTED, DraftState.SNOOZED)


def get_draft(ctx: Context, draft_id: int) -> DraftCard:
    """Show a draft as it stands now."""
    with ctx.session() as session:
        return draft_card(session, load(session, draft_id))


def get_open_draft(ctx: Context, draft_id: int) -> DraftCard:
    """Show a draft that can still be decided.

    Raises:
        StaleError: when it was decided or has expired.
    """
    ctx.require(Role.CSM)
    with ctx.session() as session:
        draft = load(session, draft_id)
        if draft.state not in OPEN or draft.expires_at <= ctx.now():
            raise StaleError(how_it_stands(draft, draft.content_hash, ctx.now()))
        return draft_card(session, draft)


def approve(ctx: Context, draft_id: int, seen_hash: str) -> DraftCard:
    """Approve exactly the text that the reviewer saw, and put it into the outbox in the same step.

    Raises:
        StaleError: when it was edited, decided or expired in the meantime.
    """
    ctx.require(Role.CSM)
    with ctx.session() as session:
        draft = load(session, draft_id)
        may_approve(ctx, draft)
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
        return draft_card(session, load(session, draft_id))


def may_approve(ctx: Context, draft: Draft) -> None:
    """Refuse who may not approve this draft: too low a role, or the one who asked where a second pair is needed."""
    ctx.require(Role(draft.approver_role))
    if draft.four_eyes and ctx.actor.email == draft.created_by:
        raise NotAllowedError(
            f"This one needs a second pair of eyes: another {draft.approver_role} than who asked for it."
        )


def undo(ctx: Context, draft_id: int) -> DraftCard:
    """Take back an approval while the message has not left; the draft is open again, its text as it was.

    Raises:
        StaleError: it has left, or is leaving.
    """
    ctx.require(Role.CSM)
    with ctx.session() as session:
        draft = load(session, draft_id)
        still = (col(Draft.id) == draft_id, col(Draft.state) == DraftState.APPROVED)
        waiting = session.exec(select(Outbox).where(Outbox.draft_id == draft_id, Outbox.attempts == 0)).first()
        values = {"state": DraftState.DRAFTED, "reason": None}
        if waiting is None or not changed_one(session, update(Draft).where(*still).values(**values)):
            raise StaleError(f"It cannot be taken back any more: it is {draft.state}.")
        session.delete(waiting)
        _note_decision(ctx, session, draft_id, "undone", draft.content_hash, None)
        record(ctx, session, draft_id, "undo", {"state": DraftState.APPROVED}, {"state": DraftState.DRAFTED})
        session.expire(draft)
        session.commit()
        return draft_card(session, load(session, draft_id))


def reject(ctx: Context, draft_id: int, seen_hash: str, reason: str) -> DraftCard:
    """Reject a draft for good, with the reason."""
    ctx.require(Role.CSM)
    if not reason.strip():
        raise UserError("Please say in a few words why: it teaches the next draft.")
    with ctx.session() as session:
        draft = load(session, draft_id)
        _decide(ctx, session, draft, seen_hash, DraftState.REJECTED, reason.strip()[:1000])
        session.commit()
        return draft_card(session, load(session, draft_id))


def edit(ctx: Context, draft_id: int, seen_hash: str, subject: str, body: str) -> DraftCard:
    """Replace the text of an open draft; approvals of the earlier text are void."""
    ctx.require(Role.CSM)
    subject, body = subject.strip(), body.strip()
    check_text(subject, body)
    with ctx.session() as session:
        draft = load(session, draft_id)
        fresh = content_hash(draft.channel, draft.recipient, draft.sender, subject, body)
        statement = update(Draft).where(*still_open(draft_id, seen_hash, ctx.now()))
        if not changed_one(session, statement.values(subject=subject, body=body, content_hash=fresh)):
            raise StaleError(how_it_stands(draft, seen_hash, ctx.now()))
        before = {"subject": draft.subject, "body": draft.body, "hash": seen_hash}
        record(ctx, session, draft_id, "edit", before, {"subject": subject, "body": body, "hash": fresh})
        session.commit()
        session.refresh(draft)
        return draft_card(session, draft)


def remember_card(ctx: Context, draft_id: int, channel: str, ts: str) -> None:
    """Note where a draft's card stands, so that every copy is updated when it is decided."""
    with ctx.session() as session:
        draft = load(session, draft_id)
        if [channel, ts] not in draft.cards:
            draft.cards = [*draft.cards, [channel, ts]]
            session.commit()


def load(session: Session, draft_id: int) -> Draft:
    draft = session.get(Draft, draft_id)
    if draft is None:
        raise UserError("That draft is not here (any more). Ask me for a new one.")
    return draft


def still_open(draft_id: int, seen_hash: str, now: datetime) -> list:
    """The draft is open, unexpired, and its text is the one that the reviewer saw."""
    return [
        col(Draft.id) == draft_id,
        col(Draft.state).in_(OPEN),
        col(Draft.content_hash) == seen_hash,
        col(Draft.expires_at) > now,
    ]


def _decide(ctx: Context, session: Session, draft: Draft, seen_hash: str, to: DraftState, reason: str | None) -> None:
    statement = update(Draft).where(*still_open(draft.id or 0, seen_hash, ctx.now()))
    if not changed_one(session, statement.values(state=to, reason=reason)):
        raise StaleError(how_it_stands(draft, seen_hash, ctx.now()))
    _note_decision(ctx, session, draft.id or 0, to, seen_hash, reason)
    text = {"subject": draft.subject, "body": draft.body, "recipient": draft.recipient, "hash": seen_hash}
    record(ctx, session, draft.id or 0, to, {"state": draft.state}, {**text, "reason": reason})
    session.expire(draft)


def _note_decision(ctx: Context, session: Session, draft_id: int, to: str, seen: str, note: str | None) -> None:
    by = ctx.actor.email
    session.add(Approval(draft_id=draft_id, decision=to, by=by, at=ctx.now(), content_hash=seen, note=note))


def record(ctx: Context, session: Session, draft_id: int, action: str, before: dict, after: dict) -> None:
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


def how_it_stands(draft: Draft, seen_hash: str, now: datetime) -> str:
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
