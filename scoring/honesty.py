"""How far a scorecard could be trusted: its past scores against the accounts that left afterwards.

A history is one row per account and scored day: `account_id, day, value, band` (null without enough data). What
became of the accounts is a frame `account_id, churned_on` (null for those still here).
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import numpy as np
import polars as pl

from scoring.health import FEWEST_LOSSES, loss_rates
from scoring.scorecard import Scorecard

HORIZON = 60  # days in which a loss counts as foretold by a score
BEFORE = (30, 60, 90)  # days before the loss at which an account should no longer have been green
SLACK = 10  # days: how much older than asked for a score may be
DRAWS, SEED = 200, 20  # of the bootstrap; seeded, so that the same history gives the same interval
LEVEL = (2.5, 97.5)  # percentiles of an interval


@dataclass(frozen=True)
class Estimate:
    """A value with its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Before:
    """How accounts that left looked some days before.

    Args:
        days: how long before.
        since: the first day of leaving that counts: earlier ones had nothing scored that long before.
        left: accounts that left since then.
        green: of them, in a green band.
        unscored: of them, without a score; neither green nor warned of.
    """

    days: int
    since: date
    left: int
    green: int
    unscored: int


@dataclass(frozen=True)
class BandRecord:
    """What became of the accounts of a band, and of "this band or worse" taken as an alarm.

    Args:
        accounts: accounts scored, over days one horizon apart; one account may count on several days.
        lost: of them, lost within the horizon.
        share: `lost` of `accounts`; this and the next two are None with too few losses.
        precision: how many of the alarms came true.
        recall: how many of the losses had the alarm.
    """

    band: str
    accounts: int
    lost: int
    share: float | None = None
    precision: float | None = None
    recall: float | None = None


@dataclass(frozen=True)
class Calibration:
    """The loss rate that was stated for accounts of a band, and the one that followed; over the same accounts."""

    band: str
    accounts: int
    stated: float
    observed: float


@dataclass(frozen=True)
class Honesty:
    """A scorecard's record. Figures that too few losses leave without meaning are None or missing.

    Args:
        lost: accounts lost within the horizon after a counted day and scored on that day.
        unscored_lost: lost ones without a score on that day.
        lead_days: median days from entering a band below green, for good, to leaving.
        warned: accounts that left in a band below green; the median is over them.
        left: accounts that left with at least one score before.
        auc: chance that a lost account scored below one that stayed.
    """

    scorecard: str
    title: str
    since: date
    until: date
    lost: int
    unscored_lost: int
    before: tuple[Before, ...]
    bands: tuple[BandRecord, ...]
    alarm: BandRecord | None
    lead_days: float | None
    warned: int
    left: int
    auc: Estimate | None
    calibration: tuple[Calibration, ...]

    @property
    def too_few(self) -> bool:
        """Fewer than `FEWEST_LOSSES` losses: nothing can be said about how well it foretells them."""
        return self.lost < FEWEST_LOSSES


def honesty(card: Scorecard, history: pl.DataFrame, churned: pl.DataFrame, until: date) -> Honesty:
    """Compare a scorecard's past scores with what followed.

    Args:
        card: whose bands the history has.
        history: at least one row, see the module.
        churned: `account_id, churned_on`.
        until: the last day of which is known who left.
    """
    rows = labelled(history, churned, until)
    scored = rows.filter(pl.col("band").is_not_null())
    lost = int(scored["lost"].sum())
    enough = lost >= FEWEST_LOSSES
    bands = _band_records(card, scored, enough)
    leads, left = _lead_times(card, history, churned, until)
    return Honesty(
        scorecard=card.id,
        title=card.title,
        since=_first(history),
        until=until,
        lost=lost,
        unscored_lost=int(rows["lost"].sum()) - lost,
        before=tuple(green_before(card, history, churned, until, days) for days in BEFORE),
        bands=bands,
        alarm=next((record for record in bands if card.at_risk(record.band)), None),
        lead_days=float(np.median(leads)) if leads.size >= FEWEST_LOSSES else None,
        warned=leads.size,
        left=left,
        auc=auc_of(scored["value"].to_numpy(), scored["lost"].to_numpy(), scored["account_id"].to_numpy())
        if enough
        else None,
        calibration=_calibration(card, scored),
    )


def labelled(history: pl.DataFrame, churned: pl.DataFrame, until: date) -> pl.DataFrame:
    """Return the history's days one horizon apart whose horizon has passed, with `lost` within it.

    The days lie at least a horizon apart, so no loss counts twice.
    """
    days = apart(history["day"].unique().to_list(), until)
    horizon = pl.col("day").dt.offset_by(f"{HORIZON}d")
    lost = (pl.col("churned_on") > pl.col("day")) & (pl.col("churned_on") <= horizon)
    rows = history.filter(pl.col("day").is_in(days)).join(churned, on="account_id", how="left")
    return rows.with_columns(lost.fill_null(False).alias("lost")).sort("day", "account_id")


def apart(days: Iterable[date], until: date) -> list[date]:
    """Pick days at least one horizon apart, from the newest whose horizon ended by `until`; the newest first."""
    kept: list[date] = []
    for day in sorted(days, reverse=True):
        if day + timedelta(days=HORIZON) <= (kept[-1] if kept else until):
            kept.append(day)
    return kept


def green_before(card: Scorecard, history: pl.DataFrame, churned: pl.DataFrame, until: date, days: int) -> Before:
    """Count the accounts that left, and those of them that were green `days` before.

    The newest score at that point counts, up to `SLACK` days older.
    """
    since = _first(history) + timedelta(days=days)
    left = churned.filter(pl.col("churned_on").is_between(since, until))
    points = left.with_columns(pl.col("churned_on").dt.offset_by(f"-{days}d").alias("point")).sort("point")
    scored = history.filter(pl.col("band").is_not_null()).select("account_id", "day", "band").sort("day")
    found = points.join_asof(
        scored, left_on="point", right_on="day", by="account_id", tolerance=f"{SLACK}d", check_sortedness=False
    )
    green = int(found["band"].is_in(_green(card)).sum())
    return Before(days, since, left.height, green, found["band"].null_count())


def auc_of(values: np.ndarray, lost: np.ndarray, accounts: np.ndarray, draws: int = DRAWS) -> Estimate | None:
    """Return the area under the ROC curve of a low score as a sign of loss, with a bootstrap interval.

    None when all were lost, or none.

    Args:
        values: scores, one per row; ties count half (Mann-Whitney).
        lost: whether the row's account was lost.
        accounts: the row's account.
    """
    if not lost.any() or lost.all():
        return None
    return bootstrap(weighted_auc(values, lost), accounts, draws)


def bootstrap(figure: Callable[[np.ndarray], float], accounts: np.ndarray, draws: int = DRAWS) -> Estimate:
    """Return a figure of some rows with its interval.

    Whole accounts are drawn, as the scores of one account on several days are alike (cluster bootstrap, percentile
    interval). The draws depend on `accounts` only, so that two figures of the same rows are of the same draws.

    Args:
        figure: of the rows' weights, how often each row counts; nan where a draw leaves it without meaning.
        accounts: the row's account; at least one row.
    """
    known, who = np.unique(accounts, return_inverse=True)
    times = np.random.default_rng(SEED).multinomial(len(known), np.full(len(known), 1 / len(known)), size=draws)
    drawn = [figure(weights[who]) for weights in times]
    low, high = np.nanpercentile(drawn, LEVEL)
    return Estimate(figure(np.ones(len(accounts))), float(low), float(high))


def weighted_auc(values: np.ndarray, lost: np.ndarray) -> Callable[[np.ndarray], float]:
    """Return the area of `auc_of` as a function of the rows' weights; nan when all the weight is on one class."""
    levels, place = np.unique(values, return_inverse=True)
    size, left, stayed = len(levels), np.flatnonzero(lost), np.flatnonzero(~lost)

    def area(weights: np.ndarray) -> float:
        gone = np.bincount(place[left], weights[left], size)
        here = np.bincount(place[stayed], weights[stayed], size)
        above = here[::-1].cumsum()[::-1] - here / 2
        pairs = gone.sum() * here.sum()
        return float((gone * above).sum() / pairs) if pairs else float("nan")

    return area


def _band_records(card: Scorecard, scored: pl.DataFrame, enough: bool) -> tuple[BandRecord, ...]:
    counts = {band: (n, lost) for band, n, lost in _counts(scored)}
    own = np.array([counts.get(band.name, (0, 0)) for band in card.bands])
    or_worse = own[::-1].cumsum(axis=0)[::-1]
    records = []
    for band, (accounts, lost), (alarms, caught) in zip(card.bands, own.tolist(), or_worse.tolist(), strict=True):
        rates: tuple[float | None, ...] = (None, None, None)
        if enough:
            rates = (_share(lost, accounts), _share(caught, alarms), _share(caught, int(own[:, 1].sum())))
        records.append(BandRecord(band.name, accounts, lost, *rates))
    return tuple(records)


def _calibration(card: Scorecard, scored: pl.DataFrame) -> tuple[Calibration, ...]:
    """State the loss rates of each day from the days before it only, as scoring does, and compare."""
    parts = []
    for (day,), part in scored.group_by("day", maintain_order=True):
        rates = loss_rates(_counts(scored.filter(pl.col("day") < day)))
        if rates:
            stated = pl.col("band").replace_strict(rates, default=None, return_dtype=pl.Float64)
            parts.append(part.with_columns(stated.alias("stated")))
    if not parts:
        return ()
    told = pl.concat(parts).filter(pl.col("stated").is_not_null())
    found = told.group_by("band").agg(pl.len(), pl.col("stated").mean(), pl.col("lost").mean())
    by_band = {row[0]: Calibration(*row) for row in found.iter_rows()}
    return tuple(by_band[band.name] for band in card.bands if band.name in by_band)


def _lead_times(card: Scorecard, history: pl.DataFrame, churned: pl.DataFrame, until: date) -> tuple[np.ndarray, int]:
    """Days from the first score below green, with none green after it, to the loss; and how many left at all.

    An account that was never green counts from its first score: it had at least that long.
    """
    gone = churned.filter(pl.col("churned_on") <= until)
    rows = history.filter(pl.col("band").is_not_null()).join(gone, on="account_id")
    rows = rows.filter(pl.col("day") < pl.col("churned_on"))
    last_green = pl.col("day").filter(pl.col("band").is_in(_green(card))).max().over("account_id")
    after = rows.filter((pl.col("day") > last_green).fill_null(True))
    leads = after.group_by("account_id").agg((pl.col("churned_on").first() - pl.col("day").min()).dt.total_days())
    return leads["churned_on"].to_numpy(), rows["account_id"].n_unique()


def _counts(scored: pl.DataFrame) -> Sequence[tuple[str, int, int]]:
    return scored.group_by("band").agg(pl.len(), pl.col("lost").sum()).rows()


def _green(card: Scorecard) -> list[str]:
    return [band.name for band in card.bands if band.colour == "green"]


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _first(history: pl.DataFrame) -> date:
    first: Any = history["day"].min()
    return first
