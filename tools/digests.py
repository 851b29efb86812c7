"""The daily at-risk digest: what changed since the last one, ranked by revenue at risk."""

from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from typing import Any
from zoneinfo import available_timezones

from sqlmodel import Session, col, select

from storage import queries
from storage.database import insert_new
from storage.models import Account, Digest, DigestSubscription, Role
from tools.account_query import AccountQuery, rows_at_risk, scored_day
from tools.account_rows import AccountRow
from tools.accounts import add_row_facts
from tools.context import Context
from tools.errors import UserError
from tools.facts import FactSheet, Result, money_by_currency, plural
from tools.incidents import data_incidents, incident_words
from tools.refresh import declared_signals

SHOWN = 5
WORSE = 5.0  # points lost since the last digest that count as worse


@dataclass(frozen=True)
class Recovered:
    """An account that was at risk in the last digest and is not now."""

    name: str
    health: float | None
    left: bool = False


@dataclass(frozen=True)
class DigestCard(Result):
    """One channel's digest of one day."""

    day: date = date.min
    as_of: date = date.min
    rows: tuple[AccountRow, ...] = ()
    fresh: frozenset[int] = frozenset()
    worse: frozenset[int] = frozenset()
    recovered: tuple[Recovered, ...] = ()
    total: int = 0
    first: bool = False
    arr_at_risk: dict[str, float] = field(default_factory=dict)
    expected_loss: dict[str, float] = field(default_factory=dict)
    taken: dict[int, str] = field(default_factory=dict)
    snoozed: int = 0
    incidents: tuple[str, ...] = ()

    @property
    def quiet(self) -> bool:
        """Nothing changed since the last one: one line is enough."""
        return not self.first and not self.fresh and not self.worse and not self.recovered


def compose_digest(ctx: Context, subscription: DigestSubscription, day: date) -> DigestCard:
    """Compose one channel's digest for a local date, against the last one before it. Writes nothing."""
    with ctx.session() as session:
        as_of = scored_day(ctx, session)
        rows = rows_at_risk(ctx, session, as_of, subscription.owner_email)
        asleep = queries.snoozed_accounts(session, day)
        awake = [row for row in rows if row.id not in asleep]
        last = _last_before(session, subscription.channel, day)
        known: dict[int, Any] = {int(k): v for k, v in (last.content["at_risk"] if last else {}).items()}
        taken = queries.acknowledged_accounts(session, ctx.now() - timedelta(days=14))
        recovered = _recovered(ctx, session, known.keys() - {row.id for row in rows}, as_of)
        titles = {rule.kind: rule.declared.title for rule in declared_signals()}
        incidents = tuple(incident_words(each, titles) for each in data_incidents(session, as_of))
    card = _card(
        ctx,
        day,
        as_of,
        awake,
        known,
        last is None,
        recovered,
        len(rows) - len(awake),
        {account_id: action.by for account_id, action in taken.items()},
    )
    return replace(card, incidents=incidents)


def keep_digest(ctx: Context, subscription: DigestSubscription, card: DigestCard) -> None:
    """Store what a digest said, for the next one to compare with; the first of a day stays."""
    content = {"at_risk": {str(row.id): [row.health, row.band] for row in card.rows}}
    row = {
        "channel": subscription.channel,
        "day": card.day,
        "content": content,
        "created_at": ctx.now(),
    }
    with ctx.session() as session:
        insert_new(session, Digest, row, ["channel", "day"])
        session.commit()


def subscribe(
    ctx: Context, channel: str, hour: int, time_zone: str, owner_email: str | None = None
) -> DigestSubscription:
    """Post the digest to a channel every day at an hour; asking again changes the hour."""
    ctx.require(Role.CSM)
    if not 0 <= hour <= 23:
        raise UserError(f"{hour} is not an hour of the day; say for example `/tend digest here 8`.")
    if time_zone not in available_timezones():
        raise UserError(f"“{time_zone[:60]}” is not a time zone that I know; Slack has yours in your profile.")
    with ctx.session() as session:
        found = _subscription(session, channel) or DigestSubscription(channel=channel, created_by="")
        found.hour, found.time_zone, found.active = hour, time_zone, True
        found.owner_email, found.created_by = owner_email, ctx.actor.email
        session.add(found)
        session.commit()
        return found


def unsubscribe(ctx: Context, channel: str) -> bool:
    """Stop the digest of a channel. Returns whether there was one."""
    ctx.require(Role.CSM)
    with ctx.session() as session:
        found = _subscription(session, channel)
        if found is None or not found.active:
            return False
        found.active = False
        session.commit()
        return True


def subscriptions(ctx: Context) -> list[DigestSubscription]:
    """Return the channels that want a digest."""
    with ctx.session() as session:
        return list(session.exec(select(DigestSubscription).where(DigestSubscription.active)).all())


def _subscription(session: Session, channel: str) -> DigestSubscription | None:
    return session.exec(select(DigestSubscription).where(DigestSubscription.channel == channel)).first()


def _last_before(session: Session, channel: str, day: date) -> Digest | None:
    found = select(Digest).where(Digest.channel == channel, col(Digest.day) < day)
    return session.exec(found.order_by(col(Digest.day).desc())).first()


def _recovered(ctx: Context, session: Session, gone: Any, as_of: date) -> tuple[Recovered, ...]:
    """Accounts that dropped off the list: back in a green band, or no customers any more."""
    query = AccountQuery(ctx, as_of)
    query.where = [col(Account.id).in_(list(gone))]
    statement = query.joined(session, select(col(Account.name), query.value, col(Account.churned_on)))
    rows = session.execute(statement.order_by(col(Account.name))).all()
    return tuple(Recovered(name, value, bool(left and left <= as_of)) for name, value, left in rows)


def _card(
    ctx: Context,
    day: date,
    as_of: date,
    rows: list[AccountRow],
    known: dict[int, Any],
    first: bool,
    recovered: tuple[Recovered, ...],
    snoozed: int,
    taken: dict[int, str],
) -> DigestCard:
    fresh = frozenset() if first else frozenset(row.id for row in rows if row.id not in known)
    worse = frozenset(row.id for row in rows if row.id in known and _worse(ctx, row, known[row.id]))
    arr, loss = _sum(rows, "arr"), _sum(rows, "revenue_at_risk")
    sheet = FactSheet(as_of)
    for measure, value in (
        ("accounts at risk", len(rows)),
        ("newly at risk", len(fresh)),
        ("worse since the last digest", len(worse)),
        ("recovered", len(recovered)),
    ):
        sheet.add("portfolio", measure, value, "accounts", "snapshot, digest")
    for name, amounts in (("ARR of accounts at risk", arr), ("expected loss within 60 days", loss)):
        for currency, amount in amounts.items():
            sheet.add("portfolio", name, amount, currency, "account, snapshot")
    for row in rows[:SHOWN]:
        add_row_facts(sheet, row)
    return DigestCard(
        text=_text(rows, fresh, worse, recovered, arr),
        facts=tuple(sheet),
        account_ids=tuple(row.id for row in rows),
        day=day,
        as_of=as_of,
        rows=tuple(rows),
        fresh=fresh,
        worse=worse,
        recovered=recovered,
        total=len(rows),
        first=first,
        arr_at_risk=arr,
        expected_loss=loss,
        taken=taken,
        snoozed=snoozed,
    )


def _worse(ctx: Context, row: AccountRow, before: list[Any]) -> bool:
    health, band = before
    card = ctx.scorecards.of(row.segment)
    lower = card.rank(row.band) > card.rank(band)
    return lower or (row.health is not None and health is not None and health - row.health >= WORSE)


def _sum(rows: list[AccountRow], name: str) -> dict[str, float]:
    totals: dict[str, float] = {}
    for row in rows:
        value = getattr(row, name)
        if value is not None:
            totals[row.currency] = totals.get(row.currency, 0.0) + value
    return totals


def _text(
    rows: list[AccountRow],
    fresh: frozenset[int],
    worse: frozenset[int],
    recovered: tuple[Recovered, ...],
    arr: dict[str, float],
) -> str:
    if not rows:
        return "No account is at risk today."
    changes = [
        f"{len(fresh)} new" if fresh else "",
        f"{len(worse)} worse" if worse else "",
        f"{len(recovered)} recovered or gone" if recovered else "",
    ]
    changed = ", ".join(change for change in changes if change)
    head = f"{plural(len(rows), 'account')} at risk, {money_by_currency(arr)} ARR"
    return f"{head}: {changed}." if changed else f"{head}."
