"""Consents as a list: out for another system, in from one."""

from datetime import UTC, datetime

from sqlmodel import Session, col, or_, select

from storage.models import Audit, Consent, Contact, Role
from storage.outbox_statements import EVERY
from tools.context import Context
from tools.csv_lists import Imported, csv_line, read_list

COLUMNS = ("contact", "channel", "class", "granted", "source", "at")
NEEDED = set(COLUMNS) - {"at"}
CHANNELS = {"email", "sms", "slack", "in_app", EVERY}
CLASSES = {"service", "marketing", "testimonial", EVERY}
ANSWERS = {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False}


def export_consents(ctx: Context) -> str:
    """Write every consent and refusal as CSV, oldest first, in the form that the import reads."""
    ctx.require(Role.ADMIN)
    with ctx.session() as session:
        rows = session.exec(
            select(Consent, Contact.external_id)
            .join(Contact, col(Contact.id) == col(Consent.contact_id))
            .order_by(col(Consent.at), col(Consent.id))
        ).all()
    lines = (
        (contact, row.channel, row.message_class, "yes" if row.granted else "no", row.source, row.at.isoformat())
        for row, contact in rows
    )
    return csv_line(COLUMNS) + "".join(map(csv_line, lines))


def import_consents(ctx: Context, text: str) -> Imported:
    """Take in a CSV of consents; bad lines are named, the rest goes on, what is there stays."""
    ctx.require(Role.ADMIN)
    with ctx.session() as session:
        done = read_list(text, COLUMNS, NEEDED, lambda row: _add(ctx, session, row))
        after = {"added": done.added, "known": done.known, "errors": len(done.errors)}
        session.add(Audit(at=ctx.now(), actor=ctx.actor.email, action="consent.import", subject="consent", after=after))
        session.commit()
    return done


def _add(ctx: Context, session: Session, row: dict[str, str]) -> bool:
    """Add a line's consent unless it is there. Raises ValueError with what is wrong."""
    granted = ANSWERS.get(row["granted"].lower())
    if row["channel"] not in CHANNELS or row["class"] not in CLASSES or granted is None or not row["source"]:
        raise ValueError(
            f"channel is one of {', '.join(sorted(CHANNELS))}; class one of {', '.join(sorted(CLASSES))}; "
            "granted yes or no; source must not be empty"
        )
    contact, at = _contact(session, row["contact"]), _moment(row.get("at") or "", ctx.now())
    made = Consent(
        account_id=contact.account_id,
        contact_id=contact.id or 0,
        channel=row["channel"],
        message_class=row["class"],
        granted=granted,
        source=row["source"][:200],
        by=ctx.actor.email,
        at=at,
    )
    names = ("contact_id", "channel", "message_class", "granted", "at")
    same = [col(getattr(Consent, name)) == getattr(made, name) for name in names]
    if session.exec(select(Consent.id).where(*same)).first() is not None:
        return False
    session.add(made)
    return True


def _contact(session: Session, wanted: str) -> Contact:
    mine = or_(col(Contact.external_id) == wanted, col(Contact.email) == wanted.lower())
    found = session.exec(select(Contact).where(mine)).all()
    if len(found) != 1:
        raise ValueError(f"“{wanted[:80]}” is {'more than one contact' if found else 'no contact'}")
    return found[0]


def _moment(text: str, now: datetime) -> datetime:
    moment = datetime.fromisoformat(text) if text else now
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
