"""Lifetime value: what an account, and each segment, is still to pay in the months ahead."""

from dataclasses import dataclass
from datetime import date
from typing import Any

import polars as pl
from sqlmodel import Session, col

from scoring.churn.periods import DAYS_A_MONTH
from scoring.value.contracts import ContractValue, lifetime_value
from scoring.value.growth import Growth, fit_growth
from scoring.value.likelihood import NoFitError
from scoring.value.purchases import TooLittleDataError, fit_purchases, summary
from storage.models import Account, Invoice, Subscription
from storage.queries import customers_on, read_frame
from tools.account_query import scored_day, subject_of
from tools.account_rows import AccountRow
from tools.context import Context
from tools.errors import UserError
from tools.facts import Fact, FactSheet, Result, money, money_by_currency
from tools.forecasts import champion, read_model
from tools.refresh import features_on

DISCOUNT = 0.10  # a year
MONTHS = 36
SOURCE = "churn model, subscription"


@dataclass(frozen=True)
class ValueCard(Result):
    """What one account is to pay: expected, and the ends of the 80 % interval, in its currency.

    Args:
        method: `contract` by survival and growth, or `purchases` by their pace and amounts.
        stay: expected months until it leaves, within `months`; None for purchases.
    """

    row: AccountRow | None = None
    expected: float | None = None
    low: float | None = None
    high: float | None = None
    stay: float | None = None
    months: int = MONTHS
    method: str = "contract"
    as_of: date = date.min


@dataclass(frozen=True)
class SegmentValue:
    """One segment in one currency: accounts, expected revenue within the months, and for each account on average."""

    segment: str
    currency: str
    accounts: int
    expected: float
    each: float


@dataclass(frozen=True)
class ValueReport(Result):
    """Lifetime value by segment; `unknown` accounts have no revenue on record."""

    segments: tuple[SegmentValue, ...] = ()
    unknown: int = 0
    months: int = MONTHS
    as_of: date = date.min


def account_value(ctx: Context, account: str, months: int = MONTHS) -> ValueCard:
    """Say what an account is still to pay in the months ahead, discounted, with an interval.

    Args:
        account: the account's name, domain or external id.
        months: how far ahead, 6 to 60.
    """
    months = _checked(months)
    with ctx.session() as session:
        found, row, as_of = subject_of(ctx, session, account)
        if found.mrr is None:
            return _by_purchases(ctx, session, found, row, months, as_of)
        value = _contracts(ctx, session, as_of, months, found)[1]
    numbers = [float(v[0]) for v in (value.expected, value.low, value.high, value.stay)]
    return _card(row, numbers[0], numbers[1], numbers[2], numbers[3], months, "contract", as_of)


def value_by_segment(ctx: Context, months: int = MONTHS) -> ValueReport:
    """Say what each segment's accounts are still to pay in the months ahead, discounted.

    Args:
        months: how far ahead, 6 to 60.
    """
    months = _checked(months)
    with ctx.session() as session:
        as_of = scored_day(ctx, session)
        table, value = _contracts(ctx, session, as_of, months)
    rows = table.with_columns(pl.Series("expected", value.expected, nan_to_null=True))
    known = rows.filter(pl.col("expected").is_not_null())
    grouped = known.group_by(pl.col("segment").fill_null("none"), "currency").agg(
        pl.len().alias("n"), pl.col("expected").sum().alias("total"), pl.col("expected").mean().alias("each")
    )
    segments = tuple(SegmentValue(*row) for row in grouped.sort("segment", "currency").iter_rows())
    sheet = FactSheet(as_of)
    for each in segments:
        sheet.add(each.segment, f"value within {months} months", each.expected, each.currency, SOURCE)
        sheet.add(each.segment, "value of an account on average", each.each, each.currency, SOURCE)
        sheet.add(each.segment, "accounts", each.accounts, "accounts", SOURCE)
    totals: dict[str, float] = {}
    for each in segments:
        totals[each.currency] = totals.get(each.currency, 0.0) + each.expected
    for currency, amount in totals.items():
        sheet.add("portfolio", f"value within {months} months", amount, currency, SOURCE)
    text = (
        f"The accounts of today are to pay about {money_by_currency(totals)} within {months} months "
        f"(discounted by {DISCOUNT:.0%} a year)."
    )
    return ValueReport(text, tuple(sheet), (), segments, rows.height - known.height, months, as_of)


def _checked(months: int) -> int:
    if not 6 <= months <= 60:
        raise UserError(f"I can look 6 to 60 months ahead, not {months}.")
    return months


def _contracts(
    ctx: Context, session: Session, as_of: date, months: int, account: Account | None = None
) -> tuple[pl.DataFrame, ContractValue]:
    """Value every current contract, or one: the rows (`segment`, `currency`, `mrr`), and the values beside them."""
    version = champion(session)
    if version is None:
        raise UserError(
            "Lifetime value needs the churn model, and none forecasts yet (`/tend model` says why, "
            "`python -m bot train` trains one)."
        )
    everybody = ctx.usage.table(ctx.workspace_id)
    usage = everybody if account is None else ctx.usage.table(ctx.workspace_id, account=account.external_id)
    table = features_on(session, usage, as_of, account, measures=True, everybody=everybody)
    own = read_frame(session, Account, ("id", "mrr", "currency"), *customers_on(as_of)).rename({"id": "account_id"})
    rows = table.join(own, on="account_id", how="inner", maintain_order="left")
    days = [month * DAYS_A_MONTH for month in range(1, months + 1)]
    survival = read_model(version).survival(rows, days)
    mrr = rows["mrr"].cast(pl.Float64).fill_null(float("nan")).to_numpy()
    age = (rows["tenure_days"].cast(pl.Float64) / DAYS_A_MONTH).fill_null(float("nan")).to_numpy()
    return rows, lifetime_value(survival, mrr, learned_growth(session, as_of), months, DISCOUNT, age=age)


def learned_growth(session: Session, as_of: date) -> Growth:
    """Learn how the revenue of accounts that stay changes with their age, from their subscriptions."""
    names = ("account_id", "start_on", "end_on", "mrr")
    periods = read_frame(session, Subscription, names, col(Subscription.start_on) <= as_of)
    known = (
        periods.filter(pl.col("mrr").is_not_null())
        .with_columns(pl.col("mrr").cast(pl.Float64))
        .sort("account_id", "start_on")
    )
    if known.is_empty():
        return Growth()
    first = known.group_by("account_id").agg(
        pl.col("start_on").min().alias("began"), pl.col("end_on").last().alias("ended")
    )
    start: Any = known["start_on"].min()
    months = pl.select(pl.date_range(start, as_of, "1mo").alias("month"))
    grid = first.join(months, how="cross").filter(pl.col("month") >= pl.col("began"))
    both = _paid_on(grid, known, "month").join(
        _paid_on(grid.with_columns(pl.col("month").dt.offset_by("1mo").alias("next")), known, "next").select(
            "account_id", "month", pl.col("paid").alias("after")
        ),
        on=["account_id", "month"],
    )
    stayed = (pl.col("month").dt.offset_by("1mo") <= as_of) & (
        pl.col("ended").is_null() | (pl.col("month").dt.offset_by("1mo") <= pl.col("ended"))
    )
    age = (pl.col("month") - pl.col("began")).dt.total_days() / DAYS_A_MONTH
    changes = both.filter(stayed).select(
        "account_id", "month", age.alias("age"), pl.col("paid").alias("before"), "after"
    )
    return fit_growth(changes)


def _paid_on(grid: pl.DataFrame, periods: pl.DataFrame, on: str) -> pl.DataFrame:
    """Add what each account paid on a day: the mrr of the newest subscription that had begun."""
    begun = periods.select("account_id", "start_on", pl.col("mrr").alias("paid")).sort("start_on")
    return grid.sort(on).join_asof(
        begun, left_on=on, right_on="start_on", by="account_id", strategy="backward", check_sortedness=False
    )


def _by_purchases(
    ctx: Context, session: Session, account: Account, row: AccountRow, months: int, as_of: date
) -> ValueCard:
    """A business without contracts: what its invoices say about pace and amounts, among all those like it."""
    without = read_frame(session, Account, ("id",), col(Account.mrr).is_(None))["id"]
    names = ("account_id", "amount", "issued_on", "currency")
    bills = read_frame(
        session, Invoice, names, col(Invoice.issued_on) <= as_of, col(Invoice.currency) == account.currency
    )
    bought = bills.filter(pl.col("account_id").is_in(without.implode())).select(
        pl.col("account_id").alias("account"), pl.col("issued_on").alias("day"), pl.col("amount").cast(pl.Float64)
    )
    try:
        told = summary(bought, as_of)
        value = fit_purchases(told).value(told.filter(pl.col("account") == account.id), months, DISCOUNT)
    except (TooLittleDataError, NoFitError) as error:
        raise UserError(
            f"{account.name} has no monthly revenue on record, and its purchases do not say enough: {error}."
        ) from error
    if not len(value.expected):
        raise UserError(f"{account.name} has neither monthly revenue nor invoices on record: its value is unknown.")
    numbers = [float(v[0]) for v in (value.expected, value.low, value.high)]
    return _card(row, numbers[0], numbers[1], numbers[2], None, months, "purchases", as_of)


def _card(
    row: AccountRow, expected: float, low: float, high: float, stay: float | None, months: int, method: str, as_of: date
) -> ValueCard:
    amounts = [money(v, row.currency) for v in (expected, low, high)]
    text = (
        f"{row.name} is to pay about {amounts[0]} within {months} months, between {amounts[1]} and {amounts[2]} with "
        f"80% certainty (discounted by {DISCOUNT:.0%} a year)."
    )
    return ValueCard(
        text,
        _facts(row, expected, low, high, stay, months, as_of),
        (row.id,),
        row,
        expected,
        low,
        high,
        stay,
        months,
        method,
        as_of,
    )


def _facts(
    row: AccountRow, expected: float, low: float, high: float, stay: float | None, months: int, as_of: date
) -> tuple[Fact, ...]:
    sheet = FactSheet(as_of)
    sheet.add(row.name, f"value within {months} months", expected, row.currency, SOURCE)
    sheet.add(row.name, "lower end of its value", low, row.currency, SOURCE)
    sheet.add(row.name, "upper end of its value", high, row.currency, SOURCE)
    sheet.add(
        row.name, "months to be expected as a customer", None if stay is None else round(stay, 1), "months", SOURCE
    )
    sheet.add(row.name, "ARR", row.arr, row.currency, "account")
    return tuple(sheet)
