"""What is on file about accounts: contacts, tickets, payments."""

from datetime import date, datetime, time, timedelta
from typing import Any, Literal

from sqlalchemy import or_
from sqlmodel import Session, col, func, select

from storage import queries
from storage.models import Account, Contact, Invoice, Ticket
from tools.account_query import scored_day, subject_of
from tools.context import Context
from tools.facts import Cell, FactSheet, Listing, day, money, money_by_currency, plural
from tools.names import find_colleague
from tools.writing import one_line

TicketState = Literal["open", "solved"]
MOST_ROWS = 30
YEAR = 365


def list_contacts(ctx: Context, account: str, role: str | None = None) -> Listing:
    """List the people at an account: role, when they last replied, who left or does not want messages.

    Args:
        account: the account's name, domain or external id.
        role: champion, executive_sponsor, admin, user, billing, or the team's own.
    """
    with ctx.session() as session:
        found, row, as_of = subject_of(ctx, session, account)
        mine: list[Any] = [Contact.account_id == found.id]
        mine += [func.lower(Contact.role) == role.lower()] if role else []
        people = session.exec(select(Contact).where(*mine).order_by(col(Contact.left_on), col(Contact.name))).all()
    sheet = FactSheet(as_of)
    here = [person for person in people if person.left_on is None]
    sheet.add(row.name, "contacts", len(here), "contacts", "contact")
    for person in people:
        sheet.add(
            row.name, f"{_said(person.role)} {_state(person)}".strip(), person.name, "text", "contact", "customer"
        )
        sheet.add(row.name, f"last reply of {person.name}", person.last_reply_on, "date", "contact")
    who = _said(role) or "contact"
    first = "; ".join(person.name + ("" if role else f" ({_said(person.role)})") for person in here[:3])
    text = f"{row.name} has {plural(len(here), who)}: {first}." if here else f"{row.name} has no {who} on file."
    rows = tuple(
        (p.name, _said(p.role), p.email or "–", day(p.last_reply_on) if p.last_reply_on else "–", _state(p) or "here")
        for p in people
    )
    head = ("Name", "Role", "Email", "Last reply", "")
    return Listing(text, tuple(sheet), (row.id,), f"Contacts of {row.name}", head, rows[:MOST_ROWS], len(people))


def _said(role: str | None) -> str:
    return (role or "").replace("_", " ")


def _state(person: Contact) -> str:
    if person.left_on:
        return f"left on {day(person.left_on)}"
    return f"wants no messages since {day(person.opted_out_on)}" if person.opted_out_on else ""


def list_tickets(
    ctx: Context,
    account: str | None = None,
    owner: str | None = None,
    state: TicketState | None = None,
    escalated: bool = False,
    days: int = 90,
) -> Listing:
    """List support tickets, the open and newest first: subject, age, severity, whether escalated.

    Args:
        account: the account's name, domain or external id; left out, all accounts.
        owner: a CSM's name or email; "me" for the accounts of the person who asks.
        state: only open ones, or only those solved within the days.
        escalated: only escalated ones.
        days: opened within so many days; open ones are always there.
    """
    with ctx.session() as session:
        as_of, mine, whose, ids = _scope(ctx, session, account, owner)
        start = datetime.combine(as_of - timedelta(days=days), time.min)
        where = [*mine, queries.known_by(Ticket, "opened_at", as_of), _of_state(state, start)]
        where += [col(Ticket.escalated)] if escalated else []
        unsolved = col(Ticket.resolved_at).is_(None)
        joined = select(Ticket, Account.name).join(Account, col(Account.id) == col(Ticket.account_id)).where(*where)
        order = (unsolved.desc(), col(Ticket.escalated).desc(), col(Ticket.opened_at).desc())
        found = session.exec(joined.order_by(*order).limit(MOST_ROWS)).all()
        count = select(func.count(), func.count(col(Ticket.resolved_at))).select_from(Ticket)
        total, solved = session.exec(count.join(Account, col(Account.id) == col(Ticket.account_id)).where(*where)).one()
    sheet = FactSheet(as_of)
    subject = whose if account else "portfolio"
    sheet.add(subject, "tickets", total, "tickets", "ticket")
    sheet.add(subject, "open tickets", total - solved, "tickets", "ticket")
    rows: list[tuple[Cell, ...]] = []
    for ticket, name in found:
        age = (as_of - ticket.opened_at.date()).days
        title = one_line(ticket.subject or ticket.category or "no subject")
        opened = f"ticket opened {day(ticket.opened_at.date())}"
        sheet.add(name, opened, title, "text", "ticket", "customer")
        sheet.add(name, f"age of the {opened}", age, "days", "ticket")
        how = "open" if ticket.resolved_at is None else f"solved {day(ticket.resolved_at.date())}"
        mark = f"{ticket.severity}, escalated" if ticket.escalated else ticket.severity
        rows.append((name, title, mark, (age, plural(age, "day")), how))
    kind = f"{state + ' ' if state else ''}{'escalated ' if escalated else ''}"
    span = f" in the last {days} days" if state == "solved" else ""
    text = f"{_head(whose)}: {total:,} {kind}ticket{'' if total == 1 else 's'}{span}"
    text += "." if state or not total else f", {total - solved:,} open."
    head = ("Account", "Subject", "Severity", "Age", "")
    caption = f"{kind}tickets".capitalize() + (f" of {whose}" if whose else "")
    return Listing(
        text, tuple(sheet), ids, caption, head, tuple(rows), total, f"opened in the last {days} days or open"
    )


def _head(whose: str) -> str:
    return whose[:1].upper() + whose[1:] if whose else "All accounts"


def _of_state(state: TicketState | None, start: datetime) -> Any:
    if state == "solved":
        return col(Ticket.resolved_at) >= start
    unsolved = col(Ticket.resolved_at).is_(None)
    return unsolved if state == "open" else or_(unsolved, col(Ticket.opened_at) >= start)


def list_payments(
    ctx: Context, account: str | None = None, owner: str | None = None, unpaid_only: bool = False
) -> Listing:
    """List invoices of the last year, the unpaid first: amount, when due, when paid, whether a payment failed.

    Args:
        account: the account's name, domain or external id; left out, all accounts.
        owner: a CSM's name or email; "me" for the accounts of the person who asks.
        unpaid_only: only those that are due and not paid.
    """
    with ctx.session() as session:
        as_of, mine, whose, ids = _scope(ctx, session, account, owner)
        late = (col(Invoice.paid_on).is_(None)) & (col(Invoice.due_on) <= as_of)
        since = as_of - timedelta(days=YEAR)
        where = [*mine, col(Invoice.issued_on) <= as_of, or_(late, col(Invoice.issued_on) > since)]
        where += [late] if unpaid_only else []
        joined = select(Invoice, Account.name).join(Account, col(Account.id) == col(Invoice.account_id)).where(*where)
        found = session.exec(joined.order_by(late.desc(), col(Invoice.due_on).desc()).limit(MOST_ROWS)).all()
        sums: Any = select(col(Invoice.currency), func.count(), func.sum(Invoice.amount))
        owed = session.execute(
            sums.join(Account, col(Account.id) == col(Invoice.account_id))
            .where(*mine, col(Invoice.issued_on) <= as_of, late)
            .group_by(col(Invoice.currency))
        ).all()
    sheet = FactSheet(as_of)
    subject, count = whose if account else "portfolio", sum(many for _, many, _ in owed)
    sheet.add(subject, "overdue invoices", count, "invoices", "invoice")
    for currency, _, amount in owed:
        sheet.add(subject, "overdue amount", float(amount), currency, "invoice")
    rows = tuple(_invoice(sheet, invoice, name, as_of) for invoice, name in found)
    due = money_by_currency({currency: float(amount) for currency, _, amount in owed})
    text = f"{_head(whose)}: {due} overdue in {plural(count, 'invoice')}." if count else (
        f"{_head(whose)}: nothing is overdue."
    )  # fmt: skip
    head = ("Account", "Amount", "Due", "")
    caption = ("Overdue invoices" if unpaid_only else "Invoices") + (f" of {whose}" if whose else "")
    return Listing(text, tuple(sheet), ids, caption, head, rows, len(rows))


def _invoice(sheet: FactSheet, invoice: Invoice, name: str, as_of: date) -> tuple[Cell, ...]:
    if invoice.paid_on and invoice.paid_on <= as_of:
        state = f"paid {day(invoice.paid_on)}"
    elif invoice.failed_on and invoice.failed_on <= as_of:
        state = f"payment failed {day(invoice.failed_on)}"
    else:
        late = (as_of - invoice.due_on).days
        state = f"overdue by {plural(late, 'day')}" if late > 0 else "due"
    sheet.add(name, f"invoice due {day(invoice.due_on)}", invoice.amount, invoice.currency, "invoice")
    sheet.add(name, f"state of the invoice due {day(invoice.due_on)}", state, "text", "invoice")
    return name, (invoice.amount, money(invoice.amount, invoice.currency)), day(invoice.due_on), state


def _scope(
    ctx: Context, session: Session, account: str | None, owner: str | None
) -> tuple[date, list[Any], str, tuple[int, ...]]:
    """The day, the conditions on Account, whose records these are in words, and the account's id."""
    if account:
        found, row, as_of = subject_of(ctx, session, account)
        return as_of, [Account.id == found.id], row.name, (row.id,)
    as_of = scored_day(ctx, session)
    if not owner:
        return as_of, [*queries.customers_on(as_of)], "", ()
    person = find_colleague(ctx, session, owner)
    owned = func.lower(Account.owner_email) == person.email.lower()
    return as_of, [*queries.customers_on(as_of), owned], f"accounts of {person.name}", ()
