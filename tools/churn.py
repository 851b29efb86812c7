"""Will an account leave, when, why, and what would change it: the forecast of one account, explained."""

from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any

import numpy as np
import polars as pl
from sqlmodel import Session

from scoring.catalogue import CATALOGUE
from scoring.churn.model import ChurnModel
from scoring.churn.words import NOTICEABLE, ChurnDriver, drivers
from scoring.features import NAMES
from scoring.risk import RiskSegment, load_risk
from storage.models import Account, ModelVersion
from tools.account_query import subject_of
from tools.account_rows import AccountRow
from tools.context import Context
from tools.facts import Fact, FactSheet, Result, day, money
from tools.forecasts import FORECAST_DAYS, champion, read_model
from tools.refresh import features_on

TOLD = 60  # days ahead that the answer speaks of
BEFORE = 30  # days back that it is compared with
BASELINE = 90  # days back: the use that "as before" means
WINDOW = (0.25, 0.75)  # of the losses within a year ahead, the middle half
YEAR = 360
MOST = 5
CURVE = tuple(range(0, YEAR + 1, 30))


@dataclass(frozen=True)
class ChurnCard(Result):
    """A forecast of one account; without a model, why there is none.

    Args:
        within: the chance to leave within each of `FORECAST_DAYS`.
        before: the chance within `TOLD` days, forecast `BEFORE` days ago by the same model.
        drivers: what makes it, strongest first; `rise`: what moved it since.
        what_if: the chance within `TOLD` days were its use as `BASELINE` days ago.
        window: first and last day between which it would leave, if it does within a year.
        known: share of the model's inputs that are known of it.
        remaining: revenue to expect within a year, in its currency.
    """

    row: AccountRow | None = None
    within: tuple[float, ...] = ()
    before: float | None = None
    segment: RiskSegment | None = None
    expected_value: float | None = None
    drivers: tuple[ChurnDriver, ...] = ()
    rise: tuple[ChurnDriver, ...] = ()
    what_if: float | None = None
    window: tuple[date, date] | None = None
    known: float = 0.0
    remaining: float | None = None
    curve: tuple[tuple[int, float], ...] = ()
    version: int = 0
    no_model: str | None = None
    as_of: date = date.min

    @property
    def told(self) -> float:
        """The chance within `TOLD` days."""
        return self.within[FORECAST_DAYS.index(TOLD)]


def churn_risk(ctx: Context, account: str) -> ChurnCard:
    """Say how likely an account is to leave within 30, 60 and 90 days, when, why, and why the risk rose or fell.

    Args:
        account: the account's name, domain or external id.
    """
    with ctx.session() as session:
        found, row, as_of = subject_of(ctx, session, account)
        version = champion(session)
        if version is None:
            return _without_model(row, as_of)
        rows = _rows(ctx, session, found, as_of)
        if rows[0].is_empty():
            return _gone(row, found, as_of)
        return _card(row, version, read_model(version), rows, as_of)


def _rows(ctx: Context, session: Session, account: Account, as_of: date) -> list[pl.DataFrame]:
    """The account's features now, `BEFORE` and `BASELINE` days ago."""
    everybody: Any = ctx.usage.table(ctx.workspace_id)
    usage: Any = ctx.usage.table(ctx.workspace_id, in_memory=True, account=account.external_id)
    days = [as_of - timedelta(days=back) for back in (0, BEFORE, BASELINE)]
    return [features_on(session, usage, each, account, True, everybody) for each in days]


def _card(
    row: AccountRow, version: ModelVersion, model: ChurnModel, rows: list[pl.DataFrame], as_of: date
) -> ChurnCard:
    now, then, baseline = rows
    curve = model.survival(now, CURVE)[0]
    within = tuple(float(1 - curve[CURVE.index(days)]) for days in FORECAST_DAYS)
    before = None if then.is_empty() else float(1 - model.survival(then, [TOLD])[0, 0])
    told = within[FORECAST_DAYS.index(TOLD)]
    segment = load_risk().of(told)
    made = _drivers(model, now, then)
    card = ChurnCard(
        text="",
        account_ids=(row.id,),
        row=row,
        within=within,
        before=before,
        segment=segment,
        expected_value=None if row.arr is None else load_risk().expected_value(told, row.arr),
        drivers=tuple(d for d in made if abs(d.effect) >= NOTICEABLE)[:MOST],
        rise=_rise(model, now, then),
        what_if=_what_if(model, now, baseline, told),
        window=_window(curve, as_of),
        known=float(np.mean([now[c][0] is not None for c in model.columns if c in now.columns])),
        remaining=None if row.arr is None else float(row.arr / 12 * curve[:-1].sum()),
        curve=tuple(zip(CURVE, (float(v) for v in curve), strict=True)),
        version=version.number,
        as_of=as_of,
    )
    return replace(card, text=_words(card), facts=_facts(card))


def _drivers(model: ChurnModel, now: pl.DataFrame, then: pl.DataFrame) -> list[ChurnDriver]:
    made = model.explain(now, TOLD)
    effects = dict(zip(made.inputs, made.contributions[0].tolist(), strict=True))
    return drivers(effects, now.row(0, named=True), None if then.is_empty() else then.row(0, named=True))


def _rise(model: ChurnModel, now: pl.DataFrame, then: pl.DataFrame) -> tuple[ChurnDriver, ...]:
    """What moved the log-odds since `BEFORE` days ago, by the same model."""
    if then.is_empty():
        return ()
    here, there = model.explain(now, TOLD), model.explain(then, TOLD)
    moved = here.contributions[0] - there.contributions[0]
    effects = dict(zip(here.inputs, moved.tolist(), strict=True))
    found = drivers(effects, now.row(0, named=True), then.row(0, named=True))
    return tuple(d for d in found if abs(d.effect) >= NOTICEABLE)[:MOST]


def _what_if(model: ChurnModel, now: pl.DataFrame, baseline: pl.DataFrame, told: float) -> float | None:
    """The chance were its use as it was: only what a CSM can move is put back. None where that changes little."""
    if baseline.is_empty():
        return None
    movable = [c for c in now.columns if _movable(c) and c in baseline.columns]
    before = baseline.select(movable).row(0, named=True)
    put_back = now.with_columns(
        pl.lit(value, pl.Float64).alias(name) for name, value in before.items() if value is not None
    )
    chance = float(1 - model.survival(put_back, [TOLD])[0, 0])
    return chance if chance < told - 0.02 else None


def _movable(column: str) -> bool:
    known = CATALOGUE.get(column)
    return column.startswith(NAMES) or (known is not None and known.source == "usage")


def _window(curve: np.ndarray, as_of: date) -> tuple[date, date] | None:
    """Between which days half of such losses within a year would come."""
    lost = 1 - curve
    if lost[-1] <= 0:
        return None
    days = [float(np.interp(share * lost[-1], lost, CURVE)) for share in WINDOW]
    return as_of + timedelta(days=round(days[0])), as_of + timedelta(days=round(days[1]))


def percent(chance: float) -> str:
    """Show a chance: 62 %, or that it is below one in a hundred."""
    return "below 1%" if chance < 0.01 else f"{chance:.0%}"


def _words(card: ChurnCard) -> str:
    assert card.row is not None
    assert card.segment is not None
    told, before = card.told, card.before
    was = f", {percent(before)} {BEFORE} days ago" if before is not None and percent(before) != percent(told) else ""
    risk = f"{card.segment.name} risk{was}"
    said = [f"{card.row.name} leaves within {TOLD} days with a probability of {percent(told)} ({risk})."]
    up = [driver.text for driver in card.drivers if driver.effect > 0][:2]
    if up:
        said.append(f"What speaks for it: {'; '.join(up)}.")
    return " ".join(said)


def _facts(card: ChurnCard) -> tuple[Fact, ...]:
    assert card.row is not None
    assert card.segment is not None
    sheet, row, source = FactSheet(card.as_of), card.row, f"churn model {card.version}"
    for days, chance in zip(FORECAST_DAYS, card.within, strict=True):
        sheet.add(row.name, f"probability of loss within {days} days", round(chance, 4), "share", source)
    sheet.add(row.name, f"the same {BEFORE} days ago", card.before, "share", source)
    sheet.add(row.name, "risk segment", card.segment.name, "text", source)
    sheet.add(row.name, f"probability were its use as {BASELINE} days ago", card.what_if, "share", source)
    sheet.add(row.name, "revenue to expect within a year", card.remaining, row.currency, source)
    sheet.add(row.name, "expected value of trying to keep it", card.expected_value, row.currency, source)
    for days in (BEFORE, TOLD, BASELINE):
        sheet.add(row.name, "days spoken of", days, "days", source)
    for end, on in zip(("from", "to"), card.window or (), strict=False):
        sheet.add(row.name, f"would leave {end}", on, "date", source)
    for driver in (*card.drivers, *card.rise):
        sheet.add(row.name, "driver", driver.text, "text", source)
    return tuple(sheet)


def _without_model(row: AccountRow, as_of: date) -> ChurnCard:
    sheet = FactSheet(as_of)
    sheet.add(row.name, f"observed loss rate of its band within {TOLD} days", row.loss_probability, "share", "snapshot")
    rate = (
        f" Of accounts in its health band, {percent(row.loss_probability)} left within {TOLD} days."
        if row.loss_probability is not None
        else ""
    )
    why = "There is no churn model yet"
    text = (
        f"{why}, so I give no probability for {row.name}.{rate} `explain the health of {row.name}` shows the warnings."
    )
    sheet.add(row.name, "days spoken of", TOLD, "days", "snapshot")
    return ChurnCard(text=text, facts=tuple(sheet), account_ids=(row.id,), row=row, no_model=why, as_of=as_of)


def _gone(row: AccountRow, account: Account, as_of: date) -> ChurnCard:
    sheet = FactSheet(as_of)
    sheet.add(row.name, "left on", account.churned_on, "date", "account")
    text = f"{row.name} is no longer a customer" + (
        f": it left on {day(account.churned_on)}." if account.churned_on else "."
    )
    return ChurnCard(text=text, facts=tuple(sheet), account_ids=(row.id,), row=row, no_model=text, as_of=as_of)


def value_words(card: ChurnCard) -> str:
    """What trying to keep it is worth, with what is assumed."""
    if card.expected_value is None or card.row is None or card.segment is None:
        return ""
    worth = money(card.expected_value, card.row.currency)
    return f"Trying to keep it is worth {worth} (assumes that {load_risk().saved:.0%} of such attempts succeed)"
