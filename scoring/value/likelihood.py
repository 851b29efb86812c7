"""How likely purchase histories are under BG/NBD and amounts under Gamma-Gamma, and the search for the likeliest.

BG/NBD: P. S. Fader, B. G. S. Hardie, K. L. Lee, "Counting Your Customers" the Easy Way, Marketing Science 24 (2005).
Gamma-Gamma: P. S. Fader, B. G. S. Hardie, The Gamma-Gamma Model of Monetary Value (2013).
"""

from collections.abc import Callable

import numpy as np

SHAPE = (-9.0, 6.0)  # of the log of a parameter without unit: beyond 400, accounts are all alike
SCALE = (-9.0, 12.0)  # of the log of one with a unit
LEAST_Q = 1.05  # the expected amount of an average account is finite above 1 only
AMOUNT_STARTS = ((1.0, 3.0), (6.0, 4.0))  # p and q: amounts of one account far apart, and close together


class NoFitError(ValueError):
    """The search for the likeliest parameters ended nowhere; the message says of which model."""


def purchase_likelihoods(
    parameters: np.ndarray, frequency: np.ndarray, recency: np.ndarray, age: np.ndarray
) -> np.ndarray:
    """Return the log-likelihood of each account's purchases.

    Args:
        parameters: r, alpha, a, b, all above 0.
        frequency: days with a purchase after the first.
        recency, age: time from the first purchase to the last one and to the end, in one unit with alpha.
    """
    from scipy.special import betaln, gammaln

    r, alpha, a, b = parameters
    common = gammaln(r + frequency) - gammaln(r) + r * np.log(alpha) - betaln(a, b)
    here = betaln(a, b + frequency) - (r + frequency) * np.log(alpha + age)
    # Nobody can have gone at the last purchase who never came again.
    before = np.maximum(b + frequency - 1, 1e-300)
    gone = np.where(frequency > 0, betaln(a + 1, before) - (r + frequency) * np.log(alpha + recency), -np.inf)
    return common + np.logaddexp(here, gone)


def amount_likelihoods(parameters: np.ndarray, count: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """Return the log-likelihood of each account's mean amount.

    Args:
        parameters: p, q, gamma, all above 0.
        count: amounts of each account, 1 or more.
        mean: of them, above 0.
    """
    from scipy.special import gammaln

    p, q, gamma = parameters
    shape = p * count
    return (
        gammaln(shape + q)
        - gammaln(shape)
        - gammaln(q)
        + q * np.log(gamma)
        + (shape - 1) * np.log(mean)
        + shape * np.log(count)
        - (shape + q) * np.log(gamma + count * mean)
    )


def likeliest_purchases(frequency: np.ndarray, recency: np.ndarray, age: np.ndarray) -> tuple[list[float], float]:
    """Return r, alpha, a, b of the highest likelihood, and its log.

    Raises:
        NoFitError: the search does not settle.
    """
    rows, count = np.unique(np.column_stack([frequency, recency, age]), axis=0, return_counts=True)

    def misfit(logs: np.ndarray) -> float:
        return -float(count @ purchase_likelihoods(np.exp(logs), *rows.T))

    typical = np.log(max(age.mean(), 1e-3))
    starts = [np.array([log_r, log_r + typical, log_r, 0.5]) for log_r in (-1.0, 0.0)]
    logs, least = _least(misfit, starts, [SHAPE, SCALE, SHAPE, SHAPE], "BG/NBD to the purchases")
    return np.exp(logs).tolist(), -least


def likeliest_amounts(count: np.ndarray, mean: np.ndarray) -> list[float]:
    """Return p, q, gamma of the highest likelihood; gamma in the unit of the amounts.

    Raises:
        NoFitError: the search does not settle.
    """
    unit = mean.mean()

    def misfit(logs: np.ndarray) -> float:
        return -float(amount_likelihoods(np.exp(logs), count, mean / unit).sum())

    starts = [np.log([p, q, (q - 1) / p]) for p, q in AMOUNT_STARTS]
    limits = [SHAPE, (np.log(LEAST_Q), SHAPE[1]), SCALE]
    logs, _ = _least(misfit, starts, limits, "Gamma-Gamma to the amounts")
    return (np.exp(logs) * np.array([1.0, 1.0, unit])).tolist()


def _least(
    misfit: Callable[[np.ndarray], float], starts: list[np.ndarray], limits: list[tuple[float, float]], what: str
) -> tuple[np.ndarray, float]:
    from scipy.optimize import minimize

    tried = [minimize(misfit, start, method="L-BFGS-B", bounds=limits) for start in starts]
    settled = [end for end in tried if end.success and np.isfinite(end.fun)]
    if not settled:
        raise NoFitError(f"cannot fit {what}: {tried[0].message}; look for amounts or days that are not real")
    best = min(settled, key=lambda end: float(end.fun))
    return best.x, float(best.fun)
