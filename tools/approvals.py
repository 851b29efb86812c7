"""A person's decisions on drafts. Each is one conditional update, so a second click finds nothing to do."""

import re
from datetime import datetime

from sqlalchemy import update
from sqlmodel import Session, col

from storage.database import changed_one
from storage.models import Approval, Audit, Draft, DraftState, Outbox, Role
from tools.context import Context
from tools.drafts import DraftCard, content_hash, draft_card
from tools.errors import NotAllowedError, StaleError, UserError
from tools.opportunities import mark_proposed

LONGEST_BODY, LONGEST_SUBJECT = 20_000, 200
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
        _check_text(draft.subject, draft.body)
        _decide(ctx, session, draft, seen_hash, DraftState.APPROVED, None)
        if draft.offer:
            mark_proposed(session, draft)
        session.add(
            Outbox(
                draft_id=draft_id,
                idempotency_key=f"draft-{draft_id}-{seen_hash[:16]}",
                content_hash=seen_hash,
                next_attempt_at=ctx.now(),
            )
        )
        session.commit()
        return draft_card(session, _load(session, draft_id))


def _may_approve(ctx: Context, draft: Draft) -> None:
    """Refuse who may not approve this draft: too low a role, or the one who asked where a second pair is needed."""
    ctx.require(Role(draft.approver_role))
    if draft.four_eyes and ctx.actor.email == draft.created_by:
        raise NotAllowedError(
            f"This offer goes beyond what you may give alone: another {draft.approver_role} has to approve it."
        )


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
    _check_text(subject, body)
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
    from sqlmodel import select

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
    session.add(
        Approval(
            draft_id=draft.id or 0,
            decision=to,
            by=ctx.actor.email,
            at=ctx.now(),
            content_hash=seen_hash,
            note=reason,
        )
    )
    text = {"subject": draft.subject, "body": draft.body, "recipient": draft.recipient, "hash": seen_hash}
    _record(ctx, session, draft.id or 0, to, {"state": draft.state}, {**text, "reason": reason})
    session.expire(draft)


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


def _check_text(subject: str, body: str) -> None:
    if not subject or not body:
        raise UserError("Subject and text must not be empty.")
    if "\n" in subject or "\r" in subject:
        raise UserError("The subject must be a single line.")
    if len(subject) > LONGEST_SUBJECT or len(body) > LONGEST_BODY:
        raise UserError(f"Too long: at most {LONGEST_SUBJECT} characters of subject, {LONGEST_BODY:,} of text.")
    found = PLACEHOLDER.search(body) or PLACEHOLDER.search(subject)
    if found:
        raise UserError(f"There is a placeholder left in the text: “{found.group()}”. Please fill it in.")
