"""What everything that is said in the demo shares: one source of chance, the words, the moments and the mood."""

import random
from datetime import datetime, timedelta

import numpy as np

from storage.demo.latent import SATISFACTION, Latent
from storage.demo.portfolio import Portfolio
from storage.demo.span import Span
from storage.demo.words import Words


class Voice:
    """Says when something is said, in which words and how content the account is.

    Args:
        subject: voices of different subjects draw from sources of chance of their own.
    """

    def __init__(self, span: Span, who: Portfolio, latent: Latent, subject: str) -> None:
        self.span, self.who, self.latent = span, who, latent
        self.rng = span.rng(subject)
        self.draw = random.Random(f"{subject} {span.seed} {span.today}")
        self.words = Words(self.draw)

    def moments(self, rate: np.ndarray) -> list[tuple[int, int]]:
        """Draw days and accounts by a daily rate; little is said at weekends."""
        quiet = np.where(self.span.weekdays() >= 5, 0.12, 1.3)[:, None]
        days, accounts = np.nonzero(self.rng.random(rate.shape) < rate * quiet * self.latent.live)
        return [(int(d), int(a)) for d, a in zip(days, accounts, strict=True)]

    def at(self, day: int, hour: float | None = None) -> datetime:
        """Return a time on a day, by default within working hours."""
        hour = 7 + 11 * self.draw.random() if hour is None else hour
        midnight = datetime.combine(self.span.first, datetime.min.time())
        return midnight + timedelta(days=day, minutes=int(hour * 60))

    def content(self, day: int, account: int) -> float:
        """Return the satisfaction, lower while the account withdraws."""
        leaving = self.latent.leaving[day, account]
        return float(self.latent.state[day, account, SATISFACTION] * (0.72 + 0.28 * leaving))
