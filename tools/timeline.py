"""What happened at one account, from every source, the newest first."""

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from typing import Any

from sqlmodel import Session, col, select

from storage.models import (
    Account,
    Draft,
    Interaction,
    Invoice,
    Note,
    Outbox,
    PlayRun,
    Signal,
    StageEntry,
    StakeholderChange,
    Subscription,
    SurveyResponse,
    Ticket,
)
from tools.account_query import subject_of
from tools.context import Context
from tools.errors import UserError
from tools.facts import FactSheet, Listing, day, money, plural
from tools.refresh import declared_signals
from tools.writing import one_line

MOST_ROWS, LONGEST = 25, 1100
Event = tuple[date, str, str]  # day, kind, what happened
# Who wrote the words of an event; what is not named here may hold a customer's.
AUTHORS = dict.fromkeys(("signal", "stage", "play", "invoice"), "") | {"note": "colleague", "message sent": "colleague"}


def account_timeline(ctx: Context, account: str, days: int = 90) -> Listing:
    """Tell what happened at an account: talks, tickets, surveys, payments, plan changes, people, signals, plays, notes.

    Args:
        account: the account's name, domain or external id.
        days: how far back, 1 to 1100.
    """
    if not 1 <= days <= LONGEST:
        raise UserError(f"I can look back 1 to {LONGEST} days.")
    with ctx.session() as session:
        found, row, as_of = subject_of(ctx, session, account)
        until = max(as_of, ctx.today())  # what colleagues did may be newer than the data
        since = as_of - timedelta(days=days)
        events = [event for event in _events(session, found, since) if since < event[0] <= until]
    events.sort(key=lambda event: event[0], reverse=True)
    sheet = FactSheet(as_of)
    sheet.add(row.name, f"events in {days} days", len(events), "events", "timeline")
    for on, kind, words in events[:MOST_ROWS]:
        sheet.add(row.name, f"{kind} on {day(on)}", words, "text", kind, AUTHORS.get(kind, "customer"))
    newest = "; ".join(f"{day(on)} {words}" for on, _, words in events[:3])
    text = (
        f"{row.name}, last {days} days: {plural(len(events), 'event')}. Newest: {newest}."
        if events
        else f"Nothing is on file for {row.name} in the last {days} days."
    )
    rows = tuple((day(on), kind, words) for on, kind, words in events[:MOST_ROWS])
    return Listing(text, tuple(sheet), (row.id,), f"What happened at {row.name}", ("Day", "", ""), rows, len(events))


def _events(session: Session, account: Account, since: date) -> Iterator[Event]:
    start = datetime.combine(since, time.min)

    def rows(model: Any, moment: Any, least: Any = since) -> Any:
        return session.exec(select(model).where(model.account_id == account.id, moment >= least)).all()

    for talk in rows(Interaction, col(Interaction.at), start):
        who = "from them" if talk.direction == "in" else "from us"
        yield talk.at.date(), talk.channel, _line(talk.subject or f"{talk.channel} {who}")
    for ticket in rows(Ticket, col(Ticket.opened_at), start):
        escalated = ", escalated" if ticket.escalated else ""
        yield ticket.opened_at.date(), "ticket", f"{_line(ticket.subject or 'opened')} ({ticket.severity}{escalated})"
    for ticket in rows(Ticket, col(Ticket.resolved_at), start):
        yield ticket.resolved_at.date(), "ticket", f"solved: {_line(ticket.subject or 'ticket')}"
    for answer in rows(SurveyResponse, col(SurveyResponse.answered_on)):
        yield answer.answered_on, "survey", f"{answer.kind.upper()} {answer.score:g}{_quoted(answer.comment)}"
    yield from _business(rows, account)
    yield from _ours(session, rows, account, start)


def _business(rows: Any, account: Account) -> Iterator[Event]:
    """Money, plans and people."""
    for bill in rows(Invoice, col(Invoice.failed_on)):
        yield bill.failed_on, "invoice", f"payment of {money(bill.amount, bill.currency)} failed"
    for bill in rows(Invoice, col(Invoice.paid_on)):
        yield bill.paid_on, "invoice", f"{money(bill.amount, bill.currency)} paid"
    for period in rows(Subscription, col(Subscription.start_on)):
        because = f" ({_line(period.reason)})" if period.reason else ""
        yield period.start_on, "subscription", f"{period.plan}, {money(period.mrr, period.currency)} a month{because}"
    for change in rows(StakeholderChange, col(StakeholderChange.changed_on)):
        yield change.changed_on, "people", f"{_line(change.contact_name)} {change.kind.replace('_', ' ')}"
    if account.churned_on:
        yield account.churned_on, "account", f"left{_quoted(account.churn_reason)}"


def _ours(session: Session, rows: Any, account: Account, start: datetime) -> Iterator[Event]:
    """What Tend noticed and colleagues did."""
    titles = {rule.kind: rule.declared.title for rule in declared_signals()}
    for signal in rows(Signal, col(Signal.opened_on)):
        yield signal.opened_on, "signal", titles.get(signal.kind, signal.kind)
    for stay in rows(StageEntry, col(StageEntry.entered_on)):
        yield stay.entered_on, "stage", stay.stage.replace("_", " ")
    for run in rows(PlayRun, col(PlayRun.started_at), start):
        yield run.started_at.date(), "play", f"{run.play.replace('_', ' ')} started"
    for note in rows(Note, col(Note.at), start):
        yield note.at.date(), "note", f"{_line(note.text)} ({note.by})"
    sent = select(Draft.subject, Outbox.sent_at).join(Outbox, col(Outbox.draft_id) == col(Draft.id))
    for subject, at in session.exec(sent.where(Draft.account_id == account.id, col(Outbox.sent_at) >= start)).all():
        if at is not None:
            yield at.date(), "message sent", _line(subject)


def _line(text: str) -> str:
    plain = one_line(text)
    return plain if len(plain) <= 120 else plain[:119].rstrip() + "…"


def _quoted(text: str | None) -> str:
    return f": “{_line(text)}”" if text else ""
