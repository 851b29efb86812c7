"""What the demo's accounts buy and pay: the account's own row over time, subscriptions and invoices."""

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from storage.demo.latent import REASONS, STRESS, Latent
from storage.demo.log import SINCE, Log, log_of
from storage.demo.portfolio import PLANS, Portfolio
from storage.demo.span import Span, texts

MONTH = 30.44
PRICES = np.array([0, 19, 49, 79, 95])  # per seat and month, before the volume discount
LIMITS = {
    "trial": (200, 1000, 5),
    "starter": (1000, 10_000, 20),
    "professional": (5000, 100_000, 100),
    "business": (25_000, 500_000, 500),
    "enterprise": (200_000, 5_000_000, 5000),
}
STATUSES = ("trial", "active", "churned")
REASON_OF = {"champion_left": "new management", "budget_cut": "price", "competitor": "competitor"}
TAGS = ("reference", "beta", "strategic", "self-service", "onboarding by partner")


@dataclass(frozen=True)
class Book:
    """Money per account: `mrr` by day and account, and the share of discount."""

    mrr: np.ndarray
    discount: np.ndarray


def make_book(span: Span, who: Portfolio, latent: Latent) -> Book:
    """Price every account: seats x list price, less volume and individual discount."""
    rng = span.rng("money")
    discount = rng.choice([0.0, 0.1, 0.2], who.size, p=[0.76, 0.15, 0.09])
    volume = 1 - 0.13 * np.log10(np.maximum(latent.seats, 1))
    return Book(np.round(latent.seats * PRICES[latent.plan] * volume * (1 - discount), 2), discount)


def account_log(span: Span, who: Portfolio, latent: Latent, book: Book, active: np.ndarray, owners: np.ndarray) -> Log:
    """Write down the account's row each time that anything in it changes."""
    facts = _facts(span, who, latent, active)
    day, account = np.nonzero(_changes(facts, who, span))
    got = {name: values[day, account] for name, values in facts.items()}
    lost = got["status"] == 2
    plan = np.array(PLANS, dtype=object)[got["plan"]]
    on_trial = who.trial[account]
    columns = {
        **_fixed(span, who, owners, account),
        "plan": plan,
        "mrr": book.mrr[day, account],
        "status": np.array(STATUSES, dtype=object)[got["status"]],
        "first_value_on": span.dates_or_none((who.start + who.first_value)[account], got["valued"] > 0),
        "trial_ends_on": span.dates_or_none(who.start[account] + 14, on_trial),
        "renewal_on": span.dates_or_none(got["renewal"], got["status"] > 0),
        "seats_bought": got["seats"],
        "seats_used": got["used"],
        "limits": [_limits(p, s) for p, s in zip(plan, got["seats"], strict=True)],
        "churned_on": span.dates_or_none(np.minimum(latent.end[account], span.days), lost),
        "churn_reason": _where(lost, _reasons(span, who, latent)[account]),
        SINCE: day,
    }
    return Log(pl.DataFrame({name: _series(values) for name, values in columns.items()}))


def _facts(span: Span, who: Portfolio, latent: Latent, active: np.ndarray) -> dict[str, np.ndarray]:
    """Return what changes about an account, by day; after its end it stays as it was."""
    days = np.arange(span.days)[:, None]
    frozen = np.minimum(days, np.minimum(latent.end, span.days) - 1)
    column = np.arange(who.size)
    term = np.round(who.term * MONTH).astype(int)
    trial = who.trial & (days < who.start + 14)
    return {
        "status": np.where(days >= latent.end, 2, np.where(trial, 0, 1)),
        "plan": latent.plan[frozen, column],
        "seats": latent.seats[frozen, column],
        "used": np.minimum(_seats_used(span, active)[frozen, column], latent.seats[frozen, column]),
        "renewal": who.start + ((frozen - who.start) // term + 1) * term,
        "valued": (days >= who.start + who.first_value).astype(int),
    }


def _changes(facts: dict[str, np.ndarray], who: Portfolio, span: Span) -> np.ndarray:
    """Mark the days on which an account starts or any of its facts differs from the day before."""
    days = np.arange(span.days)[:, None]
    begins = days == np.maximum(who.start, 0)
    differs = np.zeros_like(begins)
    for values in facts.values():
        differs[1:] |= values[1:] != values[:-1]
    return begins | (differs & (days >= who.start))


def _seats_used(span: Span, active: np.ndarray) -> np.ndarray:
    """Return the peak of the last four weeks, counted anew each Monday."""
    padded = np.concatenate([np.repeat(active[:1], 27, axis=0), active])
    peak = np.lib.stride_tricks.sliding_window_view(padded, 28, axis=0).max(axis=2)
    days = np.arange(span.days)
    return peak[np.maximum(days - span.weekdays(), 0)]


def _fixed(span: Span, who: Portfolio, owners: np.ndarray, account: np.ndarray) -> dict[str, Any]:
    rng = span.rng("traits")
    domains = [name.lower().replace(" & ", "-").replace(" ", "-") + ".example" for name in who.names]
    tags = [[str(tag)] if rng.random() < 0.3 else [] for tag in rng.choice(TAGS, who.size)]
    family = np.array([name.startswith("Acme ") and name != "Acme Group" for name in who.names])
    return {
        "external_id": who.ids[account],
        "name": who.names[account],
        "domain": np.array(domains, dtype=object)[account],
        "industry": who.industry[account].astype(object),
        "country": who.country[account].astype(object),
        "segment": who.segment[account].astype(object),
        "sub_segment": _where(who.sub_segment != "", who.sub_segment)[account],
        "currency": who.currency[account].astype(object),
        "owner_email": owners[account],
        "started_on": span.dates(who.start[account]),
        "term_months": who.term[account],
        "locations": who.locations[account],
        "parent": _where(family, np.repeat(who.ids[:1], who.size))[account],
        "tags": [tags[a] for a in account],
    }


def _where(condition: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Keep the values where the condition holds, and no value elsewhere."""
    kept = np.full(len(values), None, dtype=object)
    kept[condition] = values[condition]
    return kept


def _series(values: Any) -> pl.Series:
    """Take an array of Python objects for text, which Polars does not do by itself."""
    is_text = isinstance(values, np.ndarray) and values.dtype == object
    return pl.Series([None if v is None else str(v) for v in values] if is_text else values)


def _limits(plan: str, seats: int) -> str:
    conversations, calls, storage = LIMITS[plan]
    return json.dumps({"api_calls": calls, "conversations": conversations, "seats": int(seats), "storage_gb": storage})


def _reasons(span: Span, who: Portfolio, latent: Latent) -> np.ndarray:
    """Name the reason that the last blow before the end suggests, or one of the usual ones."""
    rng = span.rng("reasons")
    reasons = rng.choice(REASONS, who.size).astype(object)
    for day, account, kind in latent.events:
        if kind in REASON_OF and latent.end[account] - day < 150:
            reasons[account] = REASON_OF[kind]
    unused_trial = who.trial & (latent.end == who.start + 14)
    return np.where(unused_trial, "trial ended without purchase", reasons)


SUBSCRIPTION = {
    "external_id": pl.String,
    "account": pl.String,
    "plan": pl.String,
    "seats": pl.Int64,
    "mrr": pl.Float64,
    "currency": pl.String,
    "billing_months": pl.Int64,
    "discount": pl.Float64,
    "start_on": pl.Date,
    "end_on": pl.Date,
    "reason": pl.String,
}


def subscription_log(span: Span, who: Portfolio, latent: Latent, book: Book) -> Log:
    """Write down each period of a plan when it begins, and again when it ends."""
    rows: list[dict[str, Any]] = []
    for account in range(who.size):
        rows += _periods(span, who, latent, book, account)
    return log_of(rows, SUBSCRIPTION)


def _periods(span: Span, who: Portfolio, latent: Latent, book: Book, account: int) -> list[dict[str, Any]]:
    begin = max(int(who.start[account]), 0)
    last = int(min(latent.end[account], span.days))
    both = np.stack([latent.plan[:, account], latent.seats[:, account]])
    changes = (both[:, begin + 1 : last] != both[:, begin : last - 1]).any(axis=0)
    cuts = (begin + 1 + np.nonzero(changes)[0]).tolist()
    rows = []
    for place, (start, stop) in enumerate(zip([begin, *cuts], [*cuts, last], strict=True)):
        row = {
            "external_id": f"S{who.ids[account][1:]}-{place + 1}",
            "account": who.ids[account],
            "plan": PLANS[latent.plan[start, account]],
            "seats": int(latent.seats[start, account]),
            "mrr": float(book.mrr[start, account]),
            "currency": str(who.currency[account]),
            "billing_months": billing_months(who, account),
            "discount": float(book.discount[account]),
            "start_on": _day(span, start if place else who.start[account]),
            "end_on": None,
            "reason": _reason(both, start) if place else "new",
            SINCE: start,
        }
        rows.append(row)
        if stop < span.days:
            rows.append({**row, "end_on": _day(span, stop - 1), SINCE: stop})
    return rows


def _reason(both: np.ndarray, day: int) -> str:
    before, after = both[:, day - 1], both[:, day]
    if before[0] == 0:
        return "trial converted"
    if after[0] != before[0]:
        return "upgrade" if after[0] > before[0] else "downgrade"
    return "seats added" if after[1] > before[1] else "seats removed"


def billing_months(who: Portfolio, account: int) -> int:
    """Return how many months one invoice covers."""
    return {1: 1, 6: 3, 12: 3}[int(who.term[account])]


def _day(span: Span, index: int) -> Any:
    return span.dates(index).astype(object)


INVOICE = {
    "external_id": pl.String,
    "account": pl.String,
    "amount": pl.Float64,
    "currency": pl.String,
    "issued_on": pl.Date,
    "due_on": pl.Date,
    "paid_on": pl.Date,
    "failed_on": pl.Date,
    "discount": pl.Float64,
}


def invoice_log(span: Span, who: Portfolio, latent: Latent, book: Book) -> Log:
    """Write down each bill when issued, when its payment fails and when it is paid."""
    rng = span.rng("invoices")
    rows: list[dict[str, Any]] = []
    for account in range(who.size):
        months = billing_months(who, account)
        first = who.start[account] + (14 if who.trial[account] else 0)
        issued = first + np.round(np.arange(80) * months * MONTH).astype(int)
        last = min(latent.end[account], span.days)
        for number, day in enumerate(issued):
            if 0 <= day < last and book.mrr[day, account] > 0:
                rows += _bill(span, who, latent, book, rng, account, number, int(day))
    return log_of(rows, INVOICE)


def _bill(
    span: Span,
    who: Portfolio,
    latent: Latent,
    book: Book,
    rng: np.random.Generator,
    account: int,
    number: int,
    day: int,
) -> list[dict[str, Any]]:
    months = billing_months(who, account)
    due = day + (14 if months == 1 else 30)
    stress = float(latent.state[min(due, span.days - 1), account, STRESS])
    failed, paid = _payment(rng, stress, due, int(latent.end[account]))
    row = {
        "external_id": f"I{who.ids[account][1:]}-{number + 1:03}",
        "account": who.ids[account],
        "amount": round(float(book.mrr[day, account]) * months, 2),
        "currency": str(who.currency[account]),
        "issued_on": _day(span, day),
        "due_on": _day(span, due),
        "paid_on": None,
        "failed_on": None,
        "discount": float(book.discount[account]),
        SINCE: day,
    }
    rows = [row]
    if failed is not None:
        rows.append({**row, "failed_on": _day(span, failed), SINCE: failed})
    if paid is not None:
        rows.append({**rows[-1], "paid_on": _day(span, max(paid, day + 1)), SINCE: max(paid, day + 1)})
    return rows


def _payment(rng: np.random.Generator, stress: float, due: int, end: int) -> tuple[int | None, int | None]:
    """Draw when a payment failed, if it did, and when the bill was paid, if it was."""
    draws = rng.random(4)
    if draws[0] < 0.006 + 0.3 * max(0.0, stress - 0.32):
        later = due + 4 + int(draws[1] * 25)
        return due, later if draws[2] < 0.85 and later < end + 20 else None
    late = draws[0] > 1.02 - 0.55 * stress
    paid = due + (3 + int(draws[1] * 40) if late else -int(draws[1] * 10))
    return None, paid if paid < end + 20 or draws[2] < 0.6 else None


def colleagues() -> list[dict[str, str]]:
    """Return the users of the demo: twelve CSMs, a manager who approves, and an administrator."""
    names = texts("names")
    staff = [(name, "csm", zone) for name, zone in zip(names["csms"], names["csm_zones"], strict=True)]
    staff += [(names["manager"], "approver", "America/New_York"), (names["admin"], "admin", "UTC")]
    return [{"email": email_of(n), "name": n, "role": role, "time_zone": zone} for n, role, zone in staff]


def email_of(name: str) -> str:
    """Return a colleague's address."""
    return f"{name.lower().replace(' ', '.')}@{texts('names')['colleague_domain']}"
