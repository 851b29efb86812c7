"""How one account uses the product: each measure over four weeks against the four before, week by week."""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import polars as pl
from sqlmodel import col, select

from storage.models import FeatureAdoption
from storage.usage import MEASURES
from tools.account_query import subject_of
from tools.context import Context
from tools.facts import Cell, FactSheet, Listing, day, plural

SPAN = 28  # days that are compared with as many before
WEEKS = 13
MOST_MEASURES = 6
SOURCE = "usage"


@dataclass(frozen=True)
class UsageCard(Listing):
    """One account's use: a row per measure, and the main measure's daily mean per week, the oldest first."""

    account: str = ""
    measure: str = ""
    weeks: tuple[tuple[date, float], ...] = ()


def account_usage(ctx: Context, account: str) -> UsageCard:
    """Show how an account uses the product: people, sessions, minutes, against four weeks before; features in use.

    Args:
        account: the account's name, domain or external id.
    """
    with ctx.session() as session:
        found, row, as_of = subject_of(ctx, session, account)
        adopted = session.exec(
            select(FeatureAdoption).where(
                FeatureAdoption.account_id == found.id, col(FeatureAdoption.first_used_on) <= as_of
            )
        ).all()
    rows = ctx.usage.daily(ctx.workspace_id, found.external_id, as_of - timedelta(days=7 * WEEKS - 1), as_of)
    measures = [name for name in MEASURES if name in rows.columns and rows[name].drop_nulls().len()][:MOST_MEASURES]
    sheet = FactSheet(as_of)
    lines = [line for name in measures if (line := _measure(sheet, row.name, rows, name, as_of))]
    recent = sum(f.last_used_on is not None and f.last_used_on > as_of - timedelta(days=SPAN) for f in adopted)
    if adopted:
        sheet.add(row.name, f"features used in {SPAN} days", recent, "features", "feature_adoption")
        sheet.add(row.name, "features ever used", len(adopted), "features", "feature_adoption")
    last = rows.filter(pl.sum_horizontal(pl.col(measures).fill_null(0)) > 0)["day"].max() if measures else None
    sheet.add(row.name, "last day of use", last, "date", SOURCE)
    features = f" {recent} of {plural(len(adopted), 'known feature')} in use." if adopted else ""
    used = f"{lines[0][0]} {_shown(lines[0][1])} a day, {lines[0][3]}" if lines else ""
    text = f"{row.name}: {used}, last used {day(last)}.{features}" if lines else (  # type: ignore[arg-type]
        f"{row.name} has not used the product in the last {7 * WEEKS} days.{features}"
    )  # fmt: skip
    return UsageCard(
        text=text,
        facts=tuple(sheet),
        account_ids=(row.id,),
        caption=f"Use of {row.name}, a day",
        head=("", f"Last {SPAN} days", f"{SPAN} before", "Change"),
        rows=tuple(lines),
        total=len(lines),
        account=row.name,
        measure=measures[0].replace("_", " ") if lines else "",
        weeks=_weeks(rows, measures[0], as_of) if lines else (),
    )


def _measure(sheet: FactSheet, name: str, rows: pl.DataFrame, measure: str, as_of: date) -> tuple[Cell, ...] | None:
    """A measure's mean a day now and before, days without a row counting as none."""
    middle, start = as_of - timedelta(days=SPAN), as_of - timedelta(days=2 * SPAN)
    now, then = _mean(rows, measure, middle, as_of), _mean(rows, measure, start, middle)
    if not now and not then:
        return None
    label = measure.replace("_", " ")
    sheet.add(name, f"{label} a day, last {SPAN} days", round(now, 2), "per day", SOURCE)
    sheet.add(name, f"{label} a day, {SPAN} days before", round(then, 2), "per day", SOURCE)
    change = (now - then) / then if then else None
    sheet.add(name, f"change of {label}", change, "share", SOURCE)
    moved = "new" if change is None else f"{change:+.0%}"
    return label, (round(now, 2), f"{now:,.1f}"), (round(then, 2), f"{then:,.1f}"), moved


def _shown(cell: Cell) -> str:
    return cell[1] if isinstance(cell, tuple) else cell


def _weeks(rows: pl.DataFrame, measure: str, as_of: date) -> tuple[tuple[date, float], ...]:
    ends = [as_of - timedelta(days=7 * back) for back in range(WEEKS - 1, -1, -1)]
    return tuple((end, round(_mean(rows, measure, end - timedelta(days=7), end), 2)) for end in ends)


def _mean(rows: pl.DataFrame, measure: str, after: date, until: date) -> float:
    """The mean a day over `(after, until]`."""
    total: Any = rows.filter((pl.col("day") > after) & (pl.col("day") <= until))[measure].sum()
    return float(total or 0) / (until - after).days
