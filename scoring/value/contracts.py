"""Lifetime value of contracts: what an account is still to pay in the months ahead, discounted, with an interval."""

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from scoring.value.growth import Growth

SHORTEST, LONGEST = 6, 60  # months ahead
OLDEST = 60  # months since the start: older accounts grow like these
YEAR = 12  # months: a contract's usual term, with one renewal in it
BLOCK = 2048  # accounts at a time: memory stays small however many there are
DRAWS = 15  # equally likely growth paths
GRID = 200  # values at which the distribution is known exactly
FINE = 41  # growth paths of the accounts that stay to the end
TINY = 1e-9  # least spread: a certain value becomes a very steep step
SLIP = 1e-9  # survival may rise by so much through rounding


@dataclass(frozen=True)
class ContractValue:
    """What accounts are to pay, in their own currency; nan where revenue or survival is unknown. Row i is account i.

    Args:
        expected: discounted revenue.
        low, median, high: of its distribution; `level` of it lies between low and high, which contain `expected`.
        stay: expected months until the account leaves, within the `months` ahead.
    """

    expected: np.ndarray
    low: np.ndarray
    median: np.ndarray
    high: np.ndarray
    stay: np.ndarray
    months: int
    level: float


@dataclass(frozen=True)
class _Paths:
    """Discounted revenue per unit of today's monthly revenue, the same for all accounts of one age.

    Args:
        monthly: expected, by month.
        grid: values, ascending.
        leaving: (months + 1) x grid; the chances to have left after 0, 1 … months times it are the chances that the
            value is at most the grid's, and the account left.
        staying: by grid, the chance that the value is at most that if the account stays.
    """

    monthly: np.ndarray
    grid: np.ndarray
    leaving: np.ndarray
    staying: np.ndarray


def lifetime_value(
    survival: np.ndarray,
    mrr: np.ndarray,
    growth: Growth | None = None,
    months: int = 36,
    discount: float = 0.1,
    level: float = 0.8,
    age: np.ndarray | None = None,
) -> ContractValue:
    """Return expected discounted revenue of each account over the months ahead, with an interval.

    A month's revenue is the chance to be there, on average over the month, times what an account that stays pays by
    then, times the discount to the middle of the month. Accounts leave evenly within a month.

    Interval: given the growth, the value rises with the day of leaving, so its distribution follows from survival
    exactly. Growth is log-normal, and one path of it is as far from the expected one in every month (its quantile is
    the path's): that overstates the spread a little. Survival and revenue of today are taken as true.

    Survival that ends before `months` goes on at its average hazard of the last `YEAR` months, or of all there are:
    a single month may hold a renewal, or none.

    Args:
        survival: accounts x months, the chance to be still there after 1, 2 … months.
        mrr: monthly revenue of today by account; nan when unknown.
        growth: of accounts that stay; None for none.
        months: 6 to 60.
        discount: per year, 0.1 being 10 %.
        level: of the interval.
        age: months since each account's start, which growth depends on; nan where unknown, None for all.

    Raises:
        ValueError: months, discount or level out of range, shapes that differ, negative or infinite revenue, survival
            outside 0-1 or rising; with the row.
    """
    survival, mrr = np.asarray(survival, dtype=float), np.asarray(mrr, dtype=float)
    ages = np.full(len(mrr), np.nan) if age is None else np.floor(np.clip(age, 0, OLDEST))
    _check_settings(months, discount, level)
    _check_rows(survival, mrr, ages)
    asked = [(1 - level) / 2, 0.5, (1 + level) / 2]
    found = np.empty((5, len(mrr)))
    for each in np.unique(ages):  # nan is one of them, once
        paths = _paths(growth or Growth(), float(each), months, discount)
        rows = np.flatnonzero(np.isnan(ages) if np.isnan(each) else ages == each)
        for first in range(0, len(rows), BLOCK):
            block = rows[first : first + BLOCK]
            found[:, block] = _values(_there(survival[block], months), paths, asked)
    found[:4] *= mrr
    found[:4, np.isnan(found[0])] = np.nan
    expected, low, median, high, stay = found
    return ContractValue(expected, low, median, high, stay, months, level)


def _values(there: np.ndarray, paths: _Paths, asked: list[float]) -> np.ndarray:
    """The five rows of the result for some accounts, per unit of revenue."""
    average = (there[:, :-1] + there[:, 1:]) / 2
    expected = average @ paths.monthly
    low, median, high = _quantiles(1 - there, paths, asked)
    low, high = np.minimum(low, expected), np.maximum(high, expected)
    return np.array([expected, low, median, high, average.sum(axis=1)])


def _there(survival: np.ndarray, months: int) -> np.ndarray:
    """Accounts x (months + 1): the chance to be there after 0, 1 … months."""
    known = np.column_stack([np.ones(len(survival)), survival[:, :months]])
    last = known.shape[1] - 1
    year = min(YEAR, last)
    with np.errstate(invalid="ignore", divide="ignore"):
        pace = np.where(known[:, last] == 0, 0.0, (known[:, last] / known[:, last - year]) ** (1 / year))
    later = known[:, [last]] * pace[:, None] ** np.arange(1, months - last + 1)
    return np.column_stack([known, later])


def _paths(growth: Growth, age: float, months: int, discount: float) -> _Paths:
    drift, deviation = growth.path(months, age)
    monthly = np.exp(drift) * (1 + discount) ** (-(np.arange(months) + 0.5) / 12)
    spread = np.maximum(deviation, TINY)

    def totals(chances: np.ndarray) -> np.ndarray:
        """Paths x (months + 1): what is paid until the end of each month; log-normal with the expected mean."""
        z = np.array([NormalDist().inv_cdf(chance) for chance in chances])[:, None]
        paid = monthly * np.exp(spread * z - spread**2 / 2)
        return np.column_stack([np.zeros(len(z)), paid.cumsum(axis=1)])

    drawn = totals((np.arange(DRAWS) + 0.5) / DRAWS)
    chances = np.linspace(0.001, 0.999, FINE)
    ends = totals(chances)[:, -1]
    grid = _grid(drawn, ends)
    staying = np.interp(grid, ends, chances, left=0.0, right=1.0)
    return _Paths(monthly, grid, _leaving(drawn, grid), staying)


def _grid(drawn: np.ndarray, ends: np.ndarray) -> np.ndarray:
    values = np.sort(drawn.ravel())
    step = max(len(values) // GRID, 1)
    # The last value lies above all others, so that every chance is reached.
    top = max(values[-1], ends[-1]) * (1 + TINY)
    return np.unique(np.concatenate([values[::step], ends, [top]]))


def _leaving(drawn: np.ndarray, grid: np.ndarray) -> np.ndarray:
    """On each path a value is a moment of leaving; the chance to have left by then is linear between months."""
    months = drawn.shape[1] - 1
    weights, place = np.zeros((months + 1, len(grid))), np.arange(len(grid))
    for totals in drawn:
        moment = np.interp(grid, totals, np.arange(months + 1))
        month = np.minimum(moment.astype(int), months - 1)
        weights[month, place] += (month + 1 - moment) / len(drawn)
        weights[month + 1, place] += (moment - month) / len(drawn)
    return weights


def _quantiles(left: np.ndarray, paths: _Paths, asked: list[float]) -> list[np.ndarray]:
    """Values per unit of revenue that are not passed with the asked chances, one array for each."""
    chance = left @ paths.leaving + (1 - left[:, -1:]) * paths.staying
    rows, found = np.arange(len(left)), []
    for wanted in asked:
        above = np.clip((chance < wanted).sum(axis=1), 1, len(paths.grid) - 1)
        below_chance, rise = chance[rows, above - 1], chance[rows, above] - chance[rows, above - 1]
        part = np.divide(wanted - below_chance, rise, out=np.ones(len(left)), where=rise > 0)
        low, high = paths.grid[above - 1], paths.grid[above]
        found.append(low + np.clip(part, 0, 1) * (high - low))
    return found


def _check_settings(months: int, discount: float, level: float) -> None:
    if not SHORTEST <= months <= LONGEST:
        raise ValueError(f"{months} months ahead: a lifetime value covers {SHORTEST} to {LONGEST}")
    if not 0 <= discount <= 1:
        raise ValueError(f"a discount of {discount} per year: it lies between 0 and 1, 0.1 being 10 %")
    if not 0 < level < 1:
        raise ValueError(f"an interval at level {level}: it lies between 0 and 1, 0.8 being 80 %")


def _check_rows(survival: np.ndarray, mrr: np.ndarray, ages: np.ndarray) -> None:
    accounts = survival.shape[:1]
    if survival.ndim != 2 or survival.shape[1] < 1 or mrr.shape != accounts or ages.shape != accounts:
        raise ValueError(
            f"survival of shape {survival.shape}, revenue of shape {mrr.shape} and ages of shape {ages.shape}: it "
            "takes accounts x months, one month at least, and one revenue and one age for each account"
        )
    if (bad := np.flatnonzero((mrr < 0) | np.isinf(mrr))).size:
        raise ValueError(f"row {bad[0]}: monthly revenue {mrr[bad[0]]}; it is 0 or more, or nan when unknown")
    outside = ((survival < 0) | (survival > 1)).any(axis=1)
    if (bad := np.flatnonzero(outside | (np.diff(survival, axis=1) > SLIP).any(axis=1))).size:
        raise ValueError(f"row {bad[0]}: survival lies outside 0-1 or rises from one month to the next")
