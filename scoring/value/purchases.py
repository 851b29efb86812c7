"""Lifetime value of accounts without a contract, from when they bought and for how much.

An account buys at a pace of its own and may leave after any purchase (BG/NBD); its amounts scatter around a mean of
its own that has nothing to do with the pace (Gamma-Gamma). Time is in weeks. See `scoring.value.likelihood`.
"""

from dataclasses import dataclass
from datetime import date

import numpy as np
import polars as pl

from scoring.churn.training import TooLittleDataError
from scoring.value.likelihood import likeliest_amounts, likeliest_purchases

WEEK = 7  # days
DAYS_A_MONTH = 365.25 / 12
FEWEST_REPEAT = 30  # accounts that bought on two days at least: below, pace and leaving cannot be told apart
LONGEST = 60  # months ahead
BLOCK, DRAWS, SEED = 2000, 200, 7  # accounts at a time, futures of each
CLOSE = 1e-5  # at a = 1 a formula divides by 0; so near it the expectation hardly changes


@dataclass(frozen=True)
class PurchaseValue:
    """What accounts are to bring in, in the currency of their purchases; row i belongs to row i of the summary.

    Args:
        expected: discounted revenue, net of returns.
        low, high: `level` of the simulated futures lies between them; they contain `expected`.
    """

    expected: np.ndarray
    low: np.ndarray
    high: np.ndarray
    level: float


@dataclass(frozen=True)
class PurchaseModel:
    """A fitted model of pace, leaving and amounts. Its methods take rows of `summary`, older or newer ones alike.

    Args:
        r, alpha: pace, gamma-distributed with mean r / alpha a week.
        a, b: chance to leave after a purchase, beta-distributed.
        p, q, gamma: amounts.
        kept: share of what was bought that was not returned.
        log_likelihood: of the purchases.
        accounts, repeat: learned from, and those of them that came again.
    """

    r: float
    alpha: float
    a: float
    b: float
    p: float
    q: float
    gamma: float
    kept: float
    log_likelihood: float
    accounts: int
    repeat: int

    def probability_alive(self, summary: pl.DataFrame) -> np.ndarray:
        """Return the chance that each account has not left.

        One that bought on a single day cannot have left in this model, which leaves after repeat purchases only:
        `probability_active` is the better sign of it.
        """
        frequency, recency, age = _times(summary)
        chance_to_leave = self.a / np.maximum(self.b + frequency - 1, 1e-300)
        odds = np.log(chance_to_leave) + (self.r + frequency) * np.log((self.alpha + age) / (self.alpha + recency))
        return np.where(frequency > 0, 1 / (1 + np.exp(np.minimum(odds, 700))), 1.0)

    def probability_active(self, summary: pl.DataFrame, days: float) -> np.ndarray:
        """Return the chance that each account buys within so many days."""
        frequency, _, age = _times(summary)
        until = self.alpha + age
        silent = (until / (until + _weeks(days))) ** (self.r + frequency)
        return self.probability_alive(summary) * (1 - silent)

    def expected_purchases(self, summary: pl.DataFrame, days: float) -> np.ndarray:
        """Return the expected days with a purchase within so many days.

        The paper's formula (10), its hypergeometric function after Euler's transformation.
        """
        from scipy.special import hyp2f1

        frequency, _, age = _times(summary)
        a = self.a if abs(self.a - 1) > CLOSE else 1 + CLOSE
        third = a + self.b + frequency - 1
        third = np.where(np.abs(third) > CLOSE, third, CLOSE)
        weeks = _weeks(days)
        z = weeks / (self.alpha + age + weeks)
        rest = (1 - z) ** (a - 1) * hyp2f1(a + self.b - 1 - self.r, a - 1, third, z)
        return np.maximum(third / (a - 1) * (1 - rest), 0) * self.probability_alive(summary)

    def expected_spend(self, summary: pl.DataFrame) -> np.ndarray:
        """Return each account's expected amount of a day with a purchase, before returns."""
        paid, total = _amounts(summary)
        return self.p * (self.gamma + total) / (self.p * paid + self.q - 1)

    def value(
        self, summary: pl.DataFrame, months: int = 12, discount: float = 0.1, level: float = 0.8
    ) -> PurchaseValue:
        """Return expected discounted revenue of each account over the months ahead, with an interval.

        The interval comes from `DRAWS` simulated futures of each account, seeded: whether it has left, its pace, its
        chance to leave, its mean amount, given its own history, then purchases and amounts. The parameters
        themselves are taken as true, so it is somewhat narrow.

        Args:
            months: 1 to 60, discounted to the middle of each.
            discount: per year, 0.1 being 10 %.
            level: of the interval.

        Raises:
            ValueError: months, discount or level out of range.
        """
        if not 1 <= months <= LONGEST or not 0 <= discount <= 1 or not 0 < level < 1:
            raise ValueError(
                f"{months} months, discount {discount}, level {level}: it takes 1 to {LONGEST} months, a discount "
                "from 0 to 1 per year and a level between 0 and 1"
            )
        purchases = np.zeros(summary.height)
        before = np.zeros(summary.height)
        for month in range(1, months + 1):
            now = self.expected_purchases(summary, month * DAYS_A_MONTH)
            purchases += (now - before) * (1 + discount) ** (-(month - 0.5) / 12)
            before = now
        expected = purchases * self.expected_spend(summary) * self.kept
        asked = ((1 - level) / 2, (1 + level) / 2)
        draw = np.random.default_rng(SEED)
        blocks = [summary[first : first + BLOCK] for first in range(0, summary.height, BLOCK)]
        drawn = [np.quantile(self._futures(block, months, discount, draw), asked, axis=1) for block in blocks]
        low, high = np.concatenate(drawn, axis=1) if drawn else np.empty((2, 0))
        return PurchaseValue(expected, np.minimum(low, expected), np.maximum(high, expected), level)

    def _futures(self, summary: pl.DataFrame, months: int, discount: float, draw: np.random.Generator) -> np.ndarray:
        """Accounts x `DRAWS`: discounted revenue of possible futures."""
        frequency, _, age = (values[:, None] for values in _times(summary))
        paid, total = (values[:, None] for values in _amounts(summary))
        size = (summary.height, DRAWS)
        weeks = _weeks(months * DAYS_A_MONTH)
        alive = draw.random(size) < self.probability_alive(summary)[:, None]
        pace = draw.gamma(self.r + frequency, size=size) / (self.alpha + age)
        leaves = np.maximum(draw.beta(self.a, self.b + frequency, size=size), 1e-9)
        wished = draw.poisson(pace * weeks)
        bought = np.where(alive, np.minimum(wished, draw.geometric(leaves)), 0)
        # Purchases lie evenly between now and the last one before leaving.
        span = months * bought / np.maximum(wished, 1)
        force = np.log1p(discount) / 12 * span
        factor = np.where(force > 0, -np.expm1(-force) / np.where(force > 0, force, 1), 1.0)
        scale = (self.gamma + total) / draw.gamma(self.q + self.p * paid, size=size)
        return draw.gamma(self.p * bought) * scale * factor * self.kept


def summary(purchases: pl.DataFrame, until: date) -> pl.DataFrame:
    """Sum up each account's purchases up to a day.

    Purchases of one day are one. An amount of 0 is a purchase that says nothing of amounts. A negative amount is a
    return: no purchase by itself, and summed up apart.

    Args:
        purchases: `account, day, amount`, the amounts in one currency.
        until: the last day that is known; later rows are not looked at.

    Returns:
        One row per account with a purchase, sorted: `account`; `frequency`, days with a purchase after the first;
        `recency` and `T`, weeks from the first to the last purchase and to `until`; `paid`, days with an amount above
        0; `monetary`, the mean amount of those days, null without any; `returned`, the amount of returns, 0 or more.
        The first purchase counts among the amounts: without it, an account that bought once would say nothing.

    Raises:
        ValueError: an unknown account or day, or an amount that is no number, with the rows.
    """
    _check(purchases)
    past = purchases.filter(pl.col("day") <= until)
    days = past.filter(pl.col("amount") >= 0).group_by("account", "day").agg(pl.col("amount").cast(pl.Float64).sum())
    first, last = pl.col("day").min(), pl.col("day").max()
    bought = pl.col("amount") > 0
    found = days.group_by("account").agg(
        (pl.len() - 1).cast(pl.Float64).alias("frequency"),
        ((last - first).dt.total_days() / WEEK).alias("recency"),
        ((pl.lit(until) - first).dt.total_days() / WEEK).alias("T"),
        bought.sum().cast(pl.Float64).alias("paid"),
        pl.col("amount").filter(bought).mean().alias("monetary"),
    )
    back = past.filter(pl.col("amount") < 0).group_by("account").agg((-pl.col("amount").sum()).alias("returned"))
    both = found.join(back, on="account", how="left")
    return both.with_columns(pl.col("returned").cast(pl.Float64).fill_null(0.0)).sort("account")


def fit_purchases(summary: pl.DataFrame) -> PurchaseModel:
    """Fit pace, leaving and amounts by maximum likelihood.

    The model knows no seasons: a history that ends in a busy one makes everybody look active, and its forecast of
    the quiet one after it is far too high. Fit it without the newest months and compare before relying on it.

    Args:
        summary: what `summary` returned, of accounts whose first purchase is known.

    Raises:
        TooLittleDataError: fewer than `FEWEST_REPEAT` accounts came again, or paid anything.
        NoFitError: the search does not settle.
    """
    repeat = int((summary["frequency"] > 0).sum())
    payers = summary.filter(pl.col("paid") > 0)
    if min(repeat, payers.height) < FEWEST_REPEAT:
        raise TooLittleDataError(
            f"{repeat} of {summary.height} accounts bought on two days or more, {payers.height} paid anything; "
            f"it takes {FEWEST_REPEAT} of each to learn how accounts buy"
        )
    (r, alpha, a, b), log_likelihood = likeliest_purchases(*_times(summary))
    paid, total = _amounts(payers)
    p, q, gamma = likeliest_amounts(paid, total / paid)
    kept = float(max(1 - summary["returned"].sum() / total.sum(), 0.0))
    return PurchaseModel(r, alpha, a, b, p, q, gamma, kept, log_likelihood, summary.height, repeat)


def _weeks(days: float) -> float:
    if not days >= 0:
        raise ValueError(f"{days} days ahead: it takes 0 or more")
    return days / WEEK


def _times(summary: pl.DataFrame) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    frequency, recency, age = (summary[name].to_numpy() for name in ("frequency", "recency", "T"))
    return frequency, recency, age


def _amounts(summary: pl.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Days with an amount, and the sum of their amounts."""
    paid = summary["paid"].to_numpy()
    return paid, paid * summary["monetary"].fill_null(0.0).to_numpy()


def _check(purchases: pl.DataFrame) -> None:
    unknown = pl.any_horizontal(pl.col("account", "day", "amount").is_null()) | ~pl.col("amount").is_finite()
    bad = purchases.with_row_index("row").filter(unknown)["row"].to_list()
    if bad:
        named = ", ".join(map(str, bad[:5])) + (" …" if len(bad) > 5 else "")
        raise ValueError(
            f"{len(bad)} purchases lack an account, a day or an amount that is a number (rows {named}): "
            "mend them or leave them out"
        )
