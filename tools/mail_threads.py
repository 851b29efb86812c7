"""Which mail a new one goes on from, so that mail programs show them as one conversation."""

from sqlmodel import col, select

from storage.models import Draft, Inbound, Outbox
from storage.outgoing import Outgoing
from tools.context import Context


def goes_on_from(ctx: Context, found: Outgoing) -> str | None:
    """Return what the mail is called that a new one goes on from: the contact's reply, or the play's mail before it.

    None where it begins a conversation of its own.
    """
    key = found.request_key or ""
    play = key.rpartition(":")[0] if key.startswith("play:") else ""
    if found.channel != "email" or not (play or found.last_reply_on):
        return None
    with ctx.session() as session:
        earlier = session.exec(
            select(Outbox.provider_id, Draft.id, Draft.request_key)
            .join(Draft, col(Draft.id) == col(Outbox.draft_id))
            .where(Draft.contact_id == found.contact_id, Draft.channel == "email", col(Outbox.provider_id).is_not(None))
            .order_by(col(Outbox.sent_at).desc())
        ).first()
        if earlier is None:
            return None
        sent, draft_id, request_key = earlier
        replies = (Inbound.draft_id == draft_id, Inbound.kind == "reply", col(Inbound.key).startswith("<"))
        reply = session.exec(select(Inbound.key).where(*replies).order_by(col(Inbound.id).desc())).first()
    return reply or (sent if play and (request_key or "").startswith(f"{play}:") else None)
