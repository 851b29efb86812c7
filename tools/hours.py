"""Where the next hours pay most: keeping accounts that may leave and growing those that could, by worth an hour."""

from dataclasses import dataclass
from datetime import date

from scoring.risk import load_risk
from tools.account_query import AccountFilter, AccountQuery, scored_day
from tools.churn import percent
from tools.context import Context
from tools.expansion import find_opportunities
from tools.facts import FactSheet, Result, money, money_by_currency
from tools.leaving import keeping_value
from tools.names import find_colleague

YEAR = 12
CANDIDATES = 100
SOURCE = "churn model, opportunity, risk.toml, offers"


@dataclass(frozen=True)
class Effort:
    """One thing to do for an account.

    Args:
        kind: `keep` or `grow`.
        what: in words.
        worth: expected over a year in `currency`, after the cost of the attempt.
        hours: that it takes.
    """

    account_id: int
    account: str
    kind: str
    what: str
    worth: float
    hours: float
    currency: str

    @property
    def rate(self) -> float:
        """Worth an hour."""
        return self.worth / self.hours


@dataclass(frozen=True)
class Hours(Result):
    """What to do with some hours, the best first; each account at most once."""

    efforts: tuple[Effort, ...] = ()
    hours: float = 0.0
    as_of: date = date.min


def best_hours(ctx: Context, owner: str | None = None, hours: float = 8.0) -> Hours:
    """Say which accounts deserve the next hours: the expected worth of keeping or growing each, by the hour.

    Args:
        owner: a CSM's name or email; "me" for the accounts of the person who asks.
        hours: how many hours there are.
    """
    with ctx.session() as session:
        as_of = scored_day(ctx, session)
        person = find_colleague(ctx, session, owner) if owner else None
        query = AccountQuery(ctx, as_of, AccountFilter(owner_email=person.email if person else None))
        keep = _keeping(query.rows(session, "expected_value", CANDIDATES))
    grow = _growing(ctx, owner)
    chosen = _fill(sorted([*keep, *grow], key=lambda e: -e.rate), max(hours, 0.0))
    total: dict[str, float] = {}
    sheet = FactSheet(as_of)
    for effort in chosen:
        total[effort.currency] = total.get(effort.currency, 0.0) + effort.worth
        sheet.add(effort.account, f"worth of it: {effort.what}", effort.worth, effort.currency, SOURCE)
        sheet.add(effort.account, "hours that it takes", effort.hours, "hours", SOURCE)
    used = sum(effort.hours for effort in chosen)
    for currency, amount in total.items():
        sheet.add("portfolio", f"worth of the next {used:g} hours", amount, currency, SOURCE)
    sheet.add("portfolio", "hours planned", used, "hours", SOURCE)
    ids = tuple(effort.account_id for effort in chosen)
    return Hours(_words(chosen, used, total), tuple(sheet), ids, tuple(chosen), used, as_of)


def _keeping(rows: list) -> list[Effort]:
    found = []
    for row in rows:
        worth = keeping_value(row)
        segment = load_risk().of(row.loss_probability or 0.0)
        if worth is not None and worth > 0 and segment.hours > 0:
            what = f"keep it ({percent(row.loss_probability)} likely to leave)"
            found.append(Effort(row.id, row.name, "keep", what, worth, segment.hours, row.currency))
    return found


def _growing(ctx: Context, owner: str | None) -> list[Effort]:
    book = ctx.offers.book
    found = []
    for row in find_opportunities(ctx, owner, limit=CANDIDATES).rows:
        campaign = book.campaign(row.score)
        if row.expected is not None and row.expected > 0 and campaign is not None:
            worth = row.expected * YEAR
            found.append(Effort(row.account_id, row.account, "grow", row.title, worth, campaign.hours, row.currency))
    return found


def _fill(efforts: list[Effort], hours: float) -> list[Effort]:
    """Take the best by the hour until the time is used, each account once."""
    chosen: list[Effort] = []
    left, seen = hours, set()
    for effort in efforts:
        if effort.hours <= left and effort.account_id not in seen:
            chosen.append(effort)
            seen.add(effort.account_id)
            left -= effort.hours
    return chosen


def _words(chosen: list[Effort], used: float, total: dict[str, float]) -> str:
    if not chosen:
        return "I see nothing that is worth an hour more than the usual care."
    first = chosen[0]
    return (
        f"{used:g} hours are worth about {money_by_currency(total)} over a year. First: {first.account}, {first.what}, "
        f"{money(first.rate, first.currency)} an hour."
    )
