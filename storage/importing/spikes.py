"""Refuse account-days of usage that no day can hold: totals since the beginning, counters, slips of the keyboard."""

from collections.abc import Callable

import polars as pl

from storage.importing.cast import Sieve
from storage.importing.read import ROW
from storage.usage import KEYS

TIMES = 1000  # so many times the account's usual is no day's count any more
LEAST = 1000  # below this, whatever the usual, a day is believed
DAYS = 14  # days with use that make a usual
Stored = Callable[[list[str], list[str]], pl.DataFrame]


def nothing_stored(accounts: list[str], measures: list[str]) -> pl.DataFrame:
    """Know no earlier usage."""
    return pl.DataFrame(schema={"account": pl.String, "day": pl.Date})


def refuse_spikes(frame: pl.DataFrame, sieve: Sieve, stored: Stored) -> None:
    """Refuse rows with a measure over 1,000 times the account's median of its days with use, and over 1,000.

    Args:
        frame: typed rows of a usage file.
        stored: returns the stored days of accounts: `account`, `day` and the measures asked for.
    """
    good = frame.filter(~sieve.bad)
    measures = [name for name in frame.columns if name not in (ROW, *KEYS) and (good[name].max() or 0) > LEAST]  # type: ignore[operator]
    accounts = _suspects(good, measures)
    if not accounts:
        return
    usual = frame.select("account").join(
        _usual(good, accounts, measures, stored), on="account", how="left", maintain_order="left"
    )
    for name in measures:
        value, median = frame[name], usual[name]
        spike = (value > LEAST) & (value > TIMES * median) & ~sieve.bad
        sieve.refuse(spike, name, value, _sentence(name), median)


def _suspects(good: pl.DataFrame, measures: list[str]) -> list[str]:
    """Name the accounts whose rows may hold a spike, so that only their earlier days are read."""
    use = [pl.col(name).filter(pl.col(name) > 0) for name in measures]
    apart = [(u.max() > LEAST) & ((u.max() > TIMES * u.min()) | (u.count() < DAYS)) for u in use]
    if not apart:
        return []
    marked = good.group_by("account").agg(suspect=pl.any_horizontal(apart))
    return marked.filter("suspect")["account"].to_list()


def _usual(good: pl.DataFrame, accounts: list[str], measures: list[str], stored: Stored) -> pl.DataFrame:
    """Return each account's median of the days with use, per measure; none where too few days are known."""
    theirs = good.filter(pl.col("account").is_in(accounts)).select(*KEYS, *measures)
    earlier = stored(accounts, measures)
    known = pl.concat([theirs, earlier], how="diagonal_relaxed").unique(KEYS, keep="first")
    use = [pl.col(name).filter(pl.col(name) > 0) for name in measures]
    return known.group_by("account").agg(pl.when(u.count() >= DAYS).then(u.median()) for u in use)


def _sentence(name: str) -> Callable[[str, float], str]:
    def reason(text: str, usual: float) -> str:
        value = float(text)
        times = f"{_shown(value)} is {_shown(value / usual)} times this account's usual {_shown(usual)}"
        return f"`{name}` {times}: looks like a counter, not a day's count"

    return reason


def _shown(number: float) -> str:
    return f"{number:,.0f}" if number >= 100 or number == int(number) else f"{number:.3g}"
