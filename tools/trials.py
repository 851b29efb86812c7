"""Trials of what a higher plan holds: started by a person, measured daily, proposed for conversion, ended cleanly."""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import polars as pl
from sqlalchemy import update
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, col, func, select

from scoring.expansion.offers import Offer, OfferBook
from storage.database import changed_one
from storage.models import Account, Audit, Opportunity, PremiumTrial, Role, TrialState
from tools.account_query import subject_of
from tools.context import Context
from tools.errors import StaleError, UserError
from tools.expansion import offer_of
from tools.facts import FactSheet, Result, day, plural

REMIND = 3  # days before the end
SOURCE = "premium_trial"


@dataclass(frozen=True)
class TrialRow:
    """One trial as people see it; `used_share` of its days so far."""

    id: int
    account_id: int
    account: str
    offer: str
    title: str
    state: str
    starts_on: date
    ends_on: date
    used_share: float | None


@dataclass(frozen=True)
class TrialReport(Result):
    """Every running trial, and how the ended ones did by offer: `title, started, converted, ended`."""

    running: tuple[TrialRow, ...] = ()
    by_offer: tuple[tuple[str, int, int, int], ...] = ()
    as_of: date = date.min


@dataclass(frozen=True)
class TrialNews:
    """What the owner of an account should hear: `propose` (used enough), `remind` (ends soon), `ended`, `converted`."""

    kind: str
    trial: TrialRow
    owner_email: str | None
    text: str


def start_trial(ctx: Context, account: str, offer: str | None = None) -> TrialReport:
    """Start a trial of premium features for an account.

    Args:
        account: the account's name, domain or external id.
        offer: the id or title of a trial; left out, the first that fits the plan.
    """
    ctx.require(Role.CSM)
    with ctx.session() as session:
        found, _, as_of = subject_of(ctx, session, account)
        chosen = _trial_of(ctx.offers.book, found, offer)
        _refuse_blocked(session, found)
        name = found.name
        ends = as_of + timedelta(days=chosen.trial_days or 0)
        trial = PremiumTrial(
            account_id=found.id or 0, offer=chosen.id, starts_on=as_of, ends_on=ends, started_by=ctx.actor.email
        )
        session.add(trial)
        _audit(ctx, session, found.id or 0, "trial.start", {"offer": chosen.id, "ends_on": ends.isoformat()})
        try:
            session.commit()
        except IntegrityError as error:
            raise StaleError(f"A {chosen.title.lower()} is running for {name} already.") from error
        row = _row(ctx.offers.book, trial, name)
    text = f"The {chosen.title.lower()} for {name} runs until {day(ends)}. I measure its use and tell the owner."
    return TrialReport(text, (), (row.account_id,), (row,), (), as_of)


def list_trials(ctx: Context) -> TrialReport:
    """Show the trials of premium features that run, and how many of the ended ones became a purchase, by offer."""
    book = ctx.offers.book
    with ctx.session() as session:
        running = [_row(book, t, name) for t, name in _trials(session, col(PremiumTrial.state) == TrialState.RUNNING)]
        counted = session.exec(
            select(PremiumTrial.offer, PremiumTrial.state, func.count()).group_by(
                PremiumTrial.offer, PremiumTrial.state
            )
        ).all()
    by_offer = _by_offer(book, list(counted))
    sheet = FactSheet(ctx.today())
    sheet.add("portfolio", "running trials", len(running), "trials", SOURCE)
    for title, started, converted, ended in by_offer:
        for name, value in (("started", started), ("converted", converted), ("ended", ended)):
            sheet.add(title, name, value, "trials", SOURCE)
    for row in running:
        sheet.add(row.account, f"share of days used of {row.title}", row.used_share, "share", SOURCE)
        sheet.add(row.account, f"end of {row.title}", row.ends_on, "date", SOURCE)
    return TrialReport(
        _words(running, by_offer),
        tuple(sheet),
        tuple(r.account_id for r in running),
        tuple(running),
        by_offer,
        ctx.today(),
    )


def settle_trial(ctx: Context, trial_id: int, converted: bool) -> str:
    """End a running trial by hand: bought, or not. Returns what was noted.

    Raises:
        StaleError: it has ended already.
    """
    ctx.require(Role.CSM)
    with ctx.session() as session:
        trial = session.get(PremiumTrial, trial_id)
        if trial is None or not _end(session, trial, converted, ctx.today(), ctx.actor.email):
            raise StaleError("This trial has ended already.")
        _audit(ctx, session, trial.account_id, "trial.end", {"offer": trial.offer, "converted": converted})
        session.commit()
        name = session.get_one(Account, trial.account_id).name
    return f"Noted: the trial of {name} {'became a purchase' if converted else 'has ended'}."


def measure_trials(ctx: Context, as_of: date) -> list[TrialNews]:
    """Measure every running trial up to a day, and return what changed: each piece of news once."""
    book = ctx.offers.book
    news = []
    with ctx.session() as session:
        running = _trials(session, col(PremiumTrial.state) == TrialState.RUNNING)
        shares = _used(ctx, session, book, [trial for trial, _ in running], as_of)
        for trial, name in running:
            account = session.get_one(Account, trial.account_id)
            trial.used_share, trial.measured_on = shares.get(trial.id or 0), as_of
            session.add(trial)
            kind = _news(session, book, trial, account, as_of)
            if kind:
                row = _row(book, trial, name)
                news.append(TrialNews(kind, row, account.owner_email, _news_words(kind, row)))
        session.commit()
    return news


def _news(session: Session, book: OfferBook, trial: PremiumTrial, account: Account, as_of: date) -> str | None:
    """What happened to a trial, with the row brought up to it; the first that applies."""
    offer = book.offer(trial.offer)
    if _moved_up(book, trial, account):
        return "converted" if _end(session, trial, True, as_of, "tend") else None
    if as_of >= trial.ends_on:
        return "ended" if _end(session, trial, False, as_of, "tend") else None
    half = trial.starts_on + (trial.ends_on - trial.starts_on) / 2
    enough = offer is not None and (trial.used_share or 0.0) >= offer.success_share
    if enough and as_of >= half and trial.proposed_on is None:
        trial.proposed_on = as_of
        return "propose"
    if as_of >= trial.ends_on - timedelta(days=REMIND) and trial.reminded_on is None:
        trial.reminded_on = as_of
        return "remind"
    return None


def _moved_up(book: OfferBook, trial: PremiumTrial, account: Account) -> bool:
    """Whether the account is on a larger plan than any that the trial is for."""
    offer = book.offer(trial.offer)
    names = [plan.name for plan in book.plans]
    if offer is None or account.plan not in names:
        return False
    return names.index(account.plan) > max(names.index(plan) for plan in offer.plans)


def _end(session: Session, trial: PremiumTrial, converted: bool, on: date, by: str) -> bool:
    state = TrialState.CONVERTED if converted else TrialState.ENDED
    still = (col(PremiumTrial.id) == trial.id, col(PremiumTrial.state) == TrialState.RUNNING)
    return changed_one(session, update(PremiumTrial).where(*still).values(state=state, decided_on=on, decided_by=by))


def _trial_of(book: OfferBook, account: Account, words: str | None) -> Offer:
    if words is not None:
        offer = offer_of(book, words)
        if offer.type != "premium_trial":
            raise UserError(f"{offer.title} is no trial.")
    fitting = [o for o in book.offers if o.type == "premium_trial" and account.plan in o.plans]
    if not fitting or (words is not None and offer not in fitting):
        titles = ", ".join(o.title for o in fitting) or "none"
        raise UserError(f"Trials for an account on {account.plan or 'no plan'}: {titles}.")
    return fitting[0] if words is None else offer


def _refuse_blocked(session: Session, account: Account) -> None:
    mine = (col(Opportunity.account_id) == account.id, col(Opportunity.blocker).is_not(None))
    held = session.exec(select(Opportunity.blocker).where(*mine)).first()
    if held:
        raise UserError(f"I hold back a trial for {account.name}: {held}. Settle that first.")


def _trials(session: Session, where: Any) -> list[tuple[PremiumTrial, str]]:
    statement = select(PremiumTrial, Account.name).join(Account, col(Account.id) == col(PremiumTrial.account_id))
    return [(trial, name) for trial, name in session.exec(statement.where(where).order_by(PremiumTrial.ends_on)).all()]  # type: ignore[arg-type]


def _used(
    ctx: Context, session: Session, book: OfferBook, trials: list[PremiumTrial], as_of: date
) -> dict[int, float | None]:
    """Share of each trial's days so far on which the features were used; None without such usage data."""
    usage: Any = ctx.usage.table(ctx.workspace_id)
    if usage is None or not trials:
        return {}
    ids = {t.account_id: session.get_one(Account, t.account_id).external_id for t in trials}
    first = min(t.starts_on for t in trials)
    rows = usage.filter(usage.account.isin(list(ids.values())), usage.day >= first, usage.day <= as_of).to_polars()
    return {
        t.id or 0: _share(rows.filter(pl.col("account") == ids[t.account_id]), book.offer(t.offer), t, as_of)
        for t in trials
    }


def _share(rows: pl.DataFrame, offer: Offer | None, trial: PremiumTrial, as_of: date) -> float | None:
    if offer is None or "features_used" not in rows.columns or "core_features_used" not in rows.columns:
        return None
    core = pl.col("core_features_used").fill_null(0)
    used = core > 0 if offer.feature == "core" else pl.col("features_used").fill_null(0) > core
    days = rows.filter(pl.col("day") >= trial.starts_on, used)["day"].n_unique()
    return days / max((min(as_of, trial.ends_on) - trial.starts_on).days + 1, 1)


def _row(book: OfferBook, trial: PremiumTrial, account: str) -> TrialRow:
    offer = book.offer(trial.offer)
    return TrialRow(
        trial.id or 0, trial.account_id, account, trial.offer, offer.title if offer else trial.offer, trial.state,
        trial.starts_on, trial.ends_on, trial.used_share,
    )  # fmt: skip


def _by_offer(book: OfferBook, counted: list[Any]) -> tuple[tuple[str, int, int, int], ...]:
    found: dict[str, dict[str, int]] = {}
    for offer, state, count in counted:
        found.setdefault(offer, {})[state] = count
    rows = []
    for offer_id, states in sorted(found.items()):
        offer = book.offer(offer_id)
        converted, ended = states.get(TrialState.CONVERTED, 0), states.get(TrialState.ENDED, 0)
        rows.append((offer.title if offer else offer_id, sum(states.values()), converted, ended))
    return tuple(rows)


def _words(running: list[TrialRow], by_offer: tuple[tuple[str, int, int, int], ...]) -> str:
    if not by_offer:
        return "No trial has been started yet. `/tend trial start <account>` starts one."
    first = f" The next to end: {running[0].account}, {day(running[0].ends_on)}." if running else ""
    done = "; ".join(
        f"{title}: {won} of {won + lost} became a purchase" for title, _, won, lost in by_offer if won + lost
    )
    return f"{plural(len(running), 'trial')} running.{first}" + (f" {done}." if done else "")


def _news_words(kind: str, row: TrialRow) -> str:
    used = f"used on {row.used_share:.0%} of its days" if row.used_share is not None else "use not known"
    return {
        "propose": f"The {row.title.lower()} of {row.account} is {used}: propose to keep it while it is fresh.",
        "remind": f"The {row.title.lower()} of {row.account} ends on {day(row.ends_on)} ({used}).",
        "ended": f"The {row.title.lower()} of {row.account} has ended ({used}).",
        "converted": f"{row.account} has moved to a larger plan: its {row.title.lower()} became a purchase.",
    }[kind]


def _audit(ctx: Context, session: Session, account_id: int, action: str, after: dict[str, Any]) -> None:
    session.add(
        Audit(
            at=ctx.now(), actor=ctx.actor.email, action=action, subject=f"account:{account_id}", before={}, after=after
        )
    )
