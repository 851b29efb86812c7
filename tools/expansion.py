"""Where accounts could grow: the pipeline, one account's opportunities, and what is held back with the reason."""

import json
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

from sqlalchemy import func, nulls_last
from sqlmodel import Session, col, select

from scoring.catalogue import CATALOGUE, percent
from scoring.expansion.offers import LABELS, Offer, OfferBook
from storage.models import Account, Opportunity, OpportunityState
from storage.queries import customers_on
from tools.account_query import scored_day, subject_of
from tools.account_rows import AccountRow
from tools.context import Context
from tools.errors import UserError
from tools.facts import Fact, FactSheet, Result, money, money_by_currency, plural
from tools.forecasts import GROWTH, champion
from tools.names import find_colleague

MOST_ROWS = 100
SHOWN_EVIDENCE = 3
SOURCE = "opportunity"
RUNNING = (OpportunityState.OPEN, OpportunityState.PROPOSED)
Type = Literal["seats", "plan_upgrade", "add_on", "cross_sell", "annual_prepay", "multi_location", "premium_trial"]


@dataclass(frozen=True)
class OpportunityRow:
    """Account x offer as lists show it. Money a month in `currency`; None where no price is known.

    Args:
        expected: probability x uplift; `low` and `high` the same at the ends of the probability's 80 % interval.
        evidence: the numbers behind it, in words.
        approach: how it is put to the account's segment; `campaign` and `steps`: what its score asks for.
        held_back: why nothing is proposed, else None.
    """

    account_id: int
    account: str
    owner_email: str | None
    offer: str
    title: str
    type: str
    score: float
    probability: float
    uplift: float | None
    expected: float | None
    low: float | None
    high: float | None
    currency: str
    timing: str
    reasons: tuple[str, ...]
    evidence: tuple[str, ...]
    approach: str
    campaign: str
    steps: str
    state: str
    held_back: str | None


@dataclass(frozen=True)
class OpportunityList(Result):
    """The best opportunities, the pipeline behind them, and what is held back.

    Args:
        pipeline: expected revenue a month by currency, over all that meet the filters and are not held back.
        held: how many accounts are held back, by reason.
        unpriced: opportunities without a price in the account's currency.
        by_model: whether growth is forecast by a model; by rule otherwise.
    """

    rows: tuple[OpportunityRow, ...] = ()
    total: int = 0
    accounts: int = 0
    pipeline: tuple[tuple[str, float], ...] = ()
    held: tuple[tuple[str, int], ...] = ()
    unpriced: int = 0
    by_model: bool = False
    title: str = ""
    as_of: date = date.min


def find_opportunities(
    ctx: Context,
    owner: str | None = None,
    segment: str | None = None,
    plan: str | None = None,
    industry: str | None = None,
    type: Type | None = None,
    offer: str | None = None,
    held_back: bool = False,
    limit: int = 10,
) -> OpportunityList:
    """List where accounts could grow, the best expected revenue first, with the pipeline and what is held back.

    Args:
        owner: a CSM's name or email; "me" for the accounts of the person who asks.
        segment: smb, mid_market, enterprise or consumer, or the team's own.
        plan: the product plan that the accounts are on.
        industry: the accounts' industry.
        type: the kind of offer.
        offer: the id or title of one offer.
        held_back: list those where nothing should be proposed now, with the reason.
        limit: how many rows to show, at most 100.
    """
    with ctx.session() as session:
        as_of = scored_day(ctx, session)
        book = ctx.offers.book
        person = find_colleague(ctx, session, owner) if owner else None
        known = offer_of(book, offer) if offer else None
        texts = {
            Account.owner_email: person.email if person else None,
            Account.segment: segment,
            Account.plan: plan,
            Account.industry: industry,
        }
        where = _conditions(as_of, texts, type, known)
        rows = _rows(session, book, where, held_back, max(1, min(limit, MOST_ROWS)))
        total, accounts, unpriced = _counts(session, where, held_back)
        pipeline = _pipeline(session, where)
        held = _held(session, where)
        by_model = champion(session, GROWTH) is not None
    named = (segment, industry, type)
    parts = (known and known.title.lower(), plan and f"on {plan}", *(n and n.replace("_", " ") for n in named))
    title = ", ".join(part for part in (*parts, person and f"accounts of {person.name}") if part)
    return OpportunityList(
        text=_words(rows, total, accounts, pipeline, held, held_back, title),
        facts=_facts(rows, total, accounts, pipeline, held, as_of),
        account_ids=tuple(dict.fromkeys(row.account_id for row in rows)),
        rows=tuple(rows),
        total=total,
        accounts=accounts,
        pipeline=tuple(sorted(pipeline.items())),
        held=held,
        unpriced=unpriced,
        by_model=by_model,
        title=title,
        as_of=as_of,
    )


@dataclass(frozen=True)
class GrowthCard(Result):
    """One account's opportunities, the best first; `held_back` says why nothing is proposed, if so."""

    row: AccountRow | None = None
    rows: tuple[OpportunityRow, ...] = ()
    held_back: str | None = None
    by_model: bool = False
    as_of: date = date.min


def account_opportunities(ctx: Context, account: str) -> GrowthCard:
    """Say how one account could grow: offers with score, evidence, revenue and timing, or why to hold back.

    Args:
        account: the account's name, domain or external id.
    """
    with ctx.session() as session:
        found, row, as_of = subject_of(ctx, session, account)
        where = [col(Opportunity.account_id) == found.id, col(Opportunity.state).in_(RUNNING)]
        rows = _rows(session, ctx.offers.book, where, None, MOST_ROWS)
        by_model = champion(session, GROWTH) is not None
    held = next((r.held_back for r in rows if r.held_back), None)
    return GrowthCard(
        text=_card_words(row, rows, held),
        facts=_facts(rows, len(rows), 1, {}, (), as_of),
        account_ids=(row.id,),
        row=row,
        rows=tuple(rows),
        held_back=held,
        by_model=by_model,
        as_of=as_of,
    )


def offer_of(book: OfferBook, words: str) -> Offer:
    """Find an offer by id or title.

    Raises:
        UserError: there is none; names those there are.
    """
    plain = words.strip().lower().replace("_", " ")
    for each in book.offers:
        if plain in (each.id.replace("_", " "), each.title.lower()):
            return each
    titles = ", ".join(each.title for each in book.offers)
    raise UserError(f"There is no offer “{words}”. There are: {titles}.")


def _conditions(as_of: date, texts: dict[Any, str | None], type_: str | None, offer: Offer | None) -> list[Any]:
    return [
        col(Opportunity.state).in_(RUNNING),
        *customers_on(as_of),
        *(func.lower(column) == value.lower() for column, value in texts.items() if value),
        *([col(Opportunity.type) == type_] if type_ else []),
        *([col(Opportunity.offer) == offer.id] if offer else []),
    ]


def _rows(
    session: Session, book: OfferBook, where: list[Any], held_back: bool | None, limit: int
) -> list[OpportunityRow]:
    expected = col(Opportunity.probability) * col(Opportunity.uplift)
    statement = select(Opportunity, Account).join(Account, col(Account.id) == col(Opportunity.account_id)).where(*where)
    if held_back is not None:
        blocked = col(Opportunity.blocker)
        statement = statement.where(blocked.is_not(None) if held_back else blocked.is_(None))
    order = (nulls_last(expected.desc()), col(Opportunity.score).desc(), col(Account.name), col(Opportunity.offer))
    found = session.exec(statement.order_by(*order).limit(limit)).all()
    return [row for o, account in found if (row := _row(book, o, account)) is not None]


def _row(book: OfferBook, o: Opportunity, account: Account) -> OpportunityRow | None:
    offer = book.offer(o.offer)
    campaign = book.campaign(max(o.score, book.campaigns[-1].lower))
    if offer is None or campaign is None:  # the file has changed since; tomorrow's are of the new one
        return None
    monthly = (None if o.uplift is None else chance * o.uplift for chance in (o.probability, o.low, o.high))
    expected, low, high = monthly
    return OpportunityRow(
        account_id=o.account_id,
        account=account.name,
        owner_email=account.owner_email,
        offer=offer.id,
        title=offer.title,
        type=o.type,
        score=o.score,
        probability=o.probability,
        uplift=o.uplift,
        expected=expected,
        low=low,
        high=high,
        currency=o.currency,
        timing=o.timing,
        reasons=tuple(json.loads(o.reasons)),
        evidence=evidence_words(json.loads(o.evidence)),
        approach=book.approach(account.segment),
        campaign=campaign.name,
        steps=campaign.steps,
        state=o.state,
        held_back=o.blocker,
    )


def evidence_words(values: dict[str, float | None]) -> tuple[str, ...]:
    """Put the numbers behind an opportunity into words: “highest use of a plan limit: 92%”."""
    found = []
    for name, value in values.items():
        if value is None:
            continue
        feature = CATALOGUE.get(name)
        shown = feature.show(value) if feature else percent(value) if name == "churn_probability" else f"{value:.0f}"
        found.append(f"{feature.label if feature else LABELS.get(name, name)}: {shown}")
    return tuple(found)


def _counts(session: Session, where: list[Any], held_back: bool) -> tuple[int, int, int]:
    blocked = col(Opportunity.blocker)
    condition = blocked.is_not(None) if held_back else blocked.is_(None)
    unpriced = func.count().filter(col(Opportunity.uplift).is_(None))
    columns = select(func.count(), func.count(func.distinct(Opportunity.account_id)), unpriced)
    found = session.exec(columns.join(Account, col(Account.id) == col(Opportunity.account_id)).where(*where, condition))
    total, accounts, without = found.one()
    return total, accounts, without


def _pipeline(session: Session, where: list[Any]) -> dict[str, float]:
    """Expected revenue a month: of each account and type the best offer, as alternatives are not sold twice."""
    expected = func.max(col(Opportunity.probability) * col(Opportunity.uplift))
    best = (
        select(col(Opportunity.currency).label("currency"), expected.label("expected"))
        .join(Account, col(Account.id) == col(Opportunity.account_id))
        .where(*where, col(Opportunity.blocker).is_(None), col(Opportunity.uplift) > 0)
        .group_by(col(Opportunity.account_id), col(Opportunity.type), col(Opportunity.currency))
        .subquery()
    )
    sums = select(best.c.currency, func.sum(best.c.expected)).group_by(best.c.currency)
    return {currency: float(amount) for currency, amount in session.execute(sums).all()}


def _held(session: Session, where: list[Any]) -> tuple[tuple[str, int], ...]:
    count = func.count(func.distinct(Opportunity.account_id))
    statement = select(Opportunity.blocker, count).join(Account, col(Account.id) == col(Opportunity.account_id))
    blocked = col(Opportunity.blocker).is_not(None)
    found = session.exec(statement.where(*where, blocked).group_by(col(Opportunity.blocker)).order_by(count.desc()))
    return tuple((str(reason), int(n)) for reason, n in found.all())


def _words(
    rows: list[OpportunityRow],
    total: int,
    accounts: int,
    pipeline: dict[str, float],
    held: tuple[tuple[str, int], ...],
    held_back: bool,
    title: str,
) -> str:
    of = f" ({title})" if title else ""
    if held_back:
        said = "; ".join(f"{plural(n, 'account')}: {reason}" for reason, n in held)
        return f"I hold back{of}: {said}." if held else f"Nothing is held back{of}."
    if not rows:
        return f"I see no opportunity{of} that is worth a conversation now."
    first = rows[0]
    worth = f"{money_by_currency(pipeline)} a month expected" if pipeline else "no price known"
    best = f", {money(first.expected, first.currency)} a month expected" if first.expected is not None else ""
    kept = f" I hold back {plural(sum(n for _, n in held), 'account')}." if held else ""
    return (
        f"{plural(total, 'opportunity')} at {plural(accounts, 'account')}{of}, "
        f"{worth}. First: {first.title} for {first.account}, score {first.score:.0f}{best}.{kept}"
    )


def _card_words(row: AccountRow, rows: list[OpportunityRow], held: str | None) -> str:
    if held:
        return f"I would not propose anything to {row.name} now: {held}."
    if not rows:
        return f"I see nothing that {row.name} should be offered now."
    best = rows[0]
    worth = f", {money(best.expected, best.currency)} a month expected" if best.expected is not None else ""
    return (
        f"{best.title} for {row.name}: score {best.score:.0f}, probability {best.probability:.0%}{worth}, "
        f"{best.timing}. Evidence: {'; '.join(best.evidence[:SHOWN_EVIDENCE])}."
    )


def _facts(
    rows: list[OpportunityRow],
    total: int,
    accounts: int,
    pipeline: dict[str, float],
    held: tuple[tuple[str, int], ...],
    as_of: date,
) -> tuple[Fact, ...]:
    sheet = FactSheet(as_of)
    sheet.add("portfolio", "opportunities", total, "opportunities", SOURCE)
    sheet.add("portfolio", "accounts with an opportunity", accounts, "accounts", SOURCE)
    for currency, amount in pipeline.items():
        sheet.add("portfolio", "expected revenue a month", amount, currency, SOURCE)
    sheet.add("portfolio", "accounts held back", sum(n for _, n in held), "accounts", SOURCE)
    for reason, n in held:
        sheet.add("portfolio", f"held back: {reason}", n, "accounts", SOURCE)
    for row in rows:
        sheet.add(row.account, f"score of {row.title}", row.score, "points", SOURCE)
        sheet.add(row.account, f"probability of {row.title}", row.probability, "share", SOURCE)
        sheet.add(row.account, f"revenue a month of {row.title} if accepted", row.uplift, row.currency, SOURCE)
        sheet.add(row.account, f"expected revenue a month of {row.title}", row.expected, row.currency, SOURCE)
        sheet.add(row.account, f"timing of {row.title}", row.timing, "text", SOURCE)
        sheet.add(row.account, "held back", row.held_back, "text", SOURCE)
        for words in row.evidence:
            sheet.add(row.account, "evidence", words, "text", SOURCE)
    return tuple(sheet)
