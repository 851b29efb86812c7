"""Testimonials that customers gave: entered, approved by a second person, found as social proof, withdrawn."""

from typing import Any

from sqlalchemy import update
from sqlmodel import Session, col, select

from storage.database import changed_one
from storage.models import Account, Audit, Contact, Draft, Role, Testimonial
from tools.context import Context
from tools.errors import NotAllowedError, StaleError, UserError
from tools.facts import FactSheet, Listing, day, plural
from tools.names import resolve_account
from tools.writing import one_line

COLLECTED, APPROVED, WITHDRAWN = "collected", "approved", "withdrawn"
LONGEST = 2000
STARS = range(1, 6)
MOST_ROWS = 30
SOURCE = "testimonial"
INDUSTRIES = {"ecommerce": "e-commerce", "saas": "software", "professional_services": "professional services"}


def collect_testimonial(
    ctx: Context,
    account: str,
    contact: str,
    quote: str,
    rating: int | None = None,
    may_use_name: bool = False,
    may_use_logo: bool = False,
    may_use_quote: bool = False,
    draft_id: int | None = None,
    use: str = "",
) -> int:
    """Enter what a customer wrote, word for word, with what they allowed. Returns its number.

    Args:
        contact: who said it, by name or email.
        rating: one to five stars.
        may_use_name, may_use_logo, may_use_quote: what the customer allowed; nothing unless they said so.
        draft_id: the request that it answers.
        use: what it is about, in a few words, such as `support` or `reporting`.
    """
    ctx.require(Role.CSM)
    if not quote.strip() or len(quote.strip()) > LONGEST:
        raise UserError(f"The quote is what the customer wrote, word for word: 1 to {LONGEST:,} characters.")
    if rating is not None and rating not in STARS:
        raise UserError("The rating is one to five stars; leave it out if they gave none.")
    with ctx.session() as session:
        found = resolve_account(session, account, ctx.today())
        person = _contact(session, found, contact)
        request = session.get(Draft, draft_id) if draft_id else None
        if draft_id and (request is None or request.account_id != found.id):
            raise UserError(f"Draft {draft_id} is no request to {found.name}.")
        row = Testimonial(
            account_id=found.id or 0, contact_id=person.id or 0, draft_id=draft_id, quote=quote.strip(), rating=rating,
            may_use_name=may_use_name, may_use_logo=may_use_logo, may_use_quote=may_use_quote,
            use=one_line(use.strip())[:200], given_at=ctx.now(), entered_by=ctx.actor.email,
        )  # fmt: skip
        session.add(row)
        session.flush()
        given = {"quote": row.quote, "name": may_use_name, "logo": may_use_logo, "may_quote": may_use_quote}
        _record(ctx, session, row.id or 0, "collect", None, given)
        session.commit()
        return row.id or 0


def approve_testimonial(ctx: Context, testimonial_id: int) -> str:
    """Let a testimonial be used, within what the customer allowed; somebody else than who entered it decides.

    Raises:
        UserError: the customer has not allowed the quote to be used.
        StaleError: it was approved or withdrawn already.
    """
    ctx.require(Role.APPROVER)
    with ctx.session() as session:
        row = _load(session, testimonial_id)
        if row.entered_by == ctx.actor.email:
            raise NotAllowedError("A second pair of eyes is needed: somebody else than who entered it approves it.")
        if not row.may_use_quote:
            raise UserError("The customer has not allowed the quote to be used. Ask them, and enter their answer anew.")
        _move(ctx, session, row, (COLLECTED,), {"state": APPROVED, "approved_by": ctx.actor.email}, "approve")
        name = session.get_one(Account, row.account_id).name
        session.commit()
        return f"The testimonial of {name} may be used now."


def withdraw_testimonial(ctx: Context, testimonial_id: int, reason: str = "") -> str:
    """Take a testimonial out of use for good, whoever wants it: the customer's permission can end at any time."""
    ctx.require(Role.CSM)
    with ctx.session() as session:
        row = _load(session, testimonial_id)
        values = {"state": WITHDRAWN, "withdrawn_at": ctx.now()}
        _move(ctx, session, row, (COLLECTED, APPROVED), values, "withdraw", reason)
        name = session.get_one(Account, row.account_id).name
        session.commit()
        return f"The testimonial of {name} is withdrawn: it is not shown as social proof any more."


def find_testimonials(
    ctx: Context, industry: str | None = None, use: str | None = None, account: str | None = None
) -> Listing:
    """Find what customers allowed us to say in their name, as social proof; a name only where it is allowed.

    Args:
        industry: of the customer, such as healthcare.
        use: what it is about; the words have to occur.
        account: only this customer's.
    """
    with ctx.session() as session:
        where: list[Any] = [Testimonial.state == APPROVED, col(Testimonial.may_use_quote)]
        where += [col(Testimonial.use).icontains(use, autoescape=True)] if use else []
        where += [Account.industry == industry] if industry else []
        if account:  # the quote of a customer who wants no name is not found by the name
            found = resolve_account(session, account, ctx.today())
            where += [Testimonial.account_id == found.id, col(Testimonial.may_use_name)]
        joined = select(Testimonial, Account, Contact).join(Account, col(Account.id) == col(Testimonial.account_id))
        joined = joined.join(Contact, col(Contact.id) == col(Testimonial.contact_id)).where(*where)
        rows = session.exec(joined.order_by(col(Testimonial.given_at).desc())).all()
    sheet = FactSheet(ctx.today())
    shown = []
    for row, customer, person in rows[:MOST_ROWS]:
        who = customer.name if row.may_use_name else unnamed(customer.industry)
        by = f"{person.name}, {customer.name}" if row.may_use_name else who
        sheet.add(who, f"testimonial of {day(row.given_at.date())}", row.quote, "text", SOURCE, "customer")
        logo = "name and logo" if row.may_use_name and row.may_use_logo else "name" if row.may_use_name else "no name"
        shown.append((f"“{row.quote}”", by, row.use, "★" * (row.rating or 0), logo))
    ids = tuple(dict.fromkeys(row.account_id for row, *_ in rows[:MOST_ROWS] if row.may_use_name))
    text = f"{plural(len(rows), 'testimonial')} may be used" if rows else "No testimonial may be used"
    text += f" for {industry.replace('_', ' ')}" if industry else ""
    head = ("Quote", "By", "About", "Stars", "Allowed")
    return Listing(f"{text}.", tuple(sheet), ids, "Testimonials", head, tuple(shown), len(rows))


def list_testimonials(ctx: Context, account: str) -> tuple[Account, list[Testimonial]]:
    """Return every testimonial of an account, also those not to be used, for whoever looks after them."""
    ctx.require(Role.CSM)
    with ctx.session() as session:
        found = resolve_account(session, account, ctx.today())
        mine = select(Testimonial).where(Testimonial.account_id == found.id)
        return found, list(session.exec(mine.order_by(col(Testimonial.given_at).desc())).all())


def unnamed(industry: str) -> str:
    """Speak of a customer who wants no name: “a healthcare customer”."""
    if industry == "other":
        return "a customer"
    words = INDUSTRIES.get(industry, industry.replace("_", " "))
    return f"{'an' if words[0] in 'aeiou' else 'a'} {words} customer"


def _contact(session: Session, account: Account, wanted: str) -> Contact:
    people = session.exec(select(Contact).where(Contact.account_id == account.id)).all()
    key = wanted.strip().lower()
    person = next((p for p in people if key and key in (p.name.lower(), (p.email or "").lower())), None)
    if person is None:
        names = ", ".join(p.name for p in people[:8]) or "nobody"
        raise UserError(f"{account.name} has no contact “{wanted[:80]}”. Known: {names}.")
    return person


def _load(session: Session, testimonial_id: int) -> Testimonial:
    row = session.get(Testimonial, testimonial_id)
    if row is None:
        raise UserError("That testimonial is not here (any more).")
    return row


def _move(
    ctx: Context, session: Session, row: Testimonial, states: tuple[str, ...], values: dict, action: str, why: str = ""
) -> None:
    """Change it while it is in one of the states; a second click finds nothing to do."""
    before, key = row.state, row.id or 0
    still = (col(Testimonial.id) == key, col(Testimonial.state).in_(states))
    if not changed_one(session, update(Testimonial).where(*still).values(**values)):
        raise StaleError(f"This testimonial is {before}; nothing was changed.")
    _record(ctx, session, key, action, {"state": before}, {"state": values["state"], "reason": why[:200]})
    session.expire(row)


def _record(ctx: Context, session: Session, testimonial_id: int, action: str, before: dict | None, after: dict) -> None:
    session.add(
        Audit(
            at=ctx.now(), actor=ctx.actor.email, action=f"testimonial.{action}",
            subject=f"testimonial:{testimonial_id}", before=before, after=after,
        )
    )  # fmt: skip
