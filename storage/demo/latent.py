"""The hidden state of each relationship, day by day: what usage, tickets, payments and departures follow."""

from dataclasses import dataclass, field

import numpy as np

from storage.demo.portfolio import Portfolio
from storage.demo.span import HISTORY, Span

ADOPTION, SATISFACTION, SPONSOR, STRESS = range(4)
PULL = 1 / 75  # share of the way back to the account's typical state, per day
NOISE = 0.007  # daily step of the random walk
# Monthly chance per account, and the blow to adoption, satisfaction, sponsor, stress.
EVENTS: dict[str, tuple[float, tuple[float, float, float, float]]] = {
    "champion_left": (0.013, (-0.20, -0.10, -0.50, 0.00)),
    "outage": (0.014, (-0.12, -0.42, -0.05, 0.00)),
    "budget_cut": (0.012, (-0.12, -0.08, -0.15, 0.50)),
    "competitor": (0.011, (-0.12, -0.25, -0.20, 0.05)),
    "new_executive": (0.010, (-0.04, 0.00, -0.30, 0.05)),
    "project": (0.025, (0.10, 0.12, 0.10, -0.05)),
}
UNEXPLAINED = 0.2  # share of departures that nothing announces until the last week
SAVED = 0.2  # share of decisions to leave that are taken back
LEAD = (30, 90)  # days from the decision to the departure
NEVER = 10**6
SCRIPTED_LEAD = 55  # days from a scripted event to the departure
SCRIPTED = 1.6  # how hard a scripted event hits, against an average one
REASONS = ("price", "missing support", "strategy change", "competitor", "too little use", "new management")


@dataclass
class Latent:
    """State by day and account (`days` x `accounts`), and what happened.

    `leaving` is 1 for an account that stays and falls towards 0 as it withdraws; `end` is the day it left.
    """

    state: np.ndarray
    leaving: np.ndarray
    health: np.ndarray
    seats: np.ndarray
    plan: np.ndarray
    end: np.ndarray
    decided: np.ndarray
    live: np.ndarray
    growth: np.ndarray
    events: list[tuple[int, int, str]] = field(default_factory=list)  # day, account, kind


def health_of(state: np.ndarray) -> np.ndarray:
    """Return the weighted state, 0 to 1; `state` has the four parts in its last axis."""
    return (
        0.4 * state[..., ADOPTION]
        + 0.25 * state[..., SATISFACTION]
        + 0.2 * state[..., SPONSOR]
        + 0.15 * (1 - state[..., STRESS])
    )


def live_through(span: Span, who: Portfolio, scripted: list[tuple[int, int, str]]) -> Latent:
    """Walk all accounts through the days; `scripted` events happen besides the drawn ones, and after
    each of them its account decides to leave.
    """
    rng = span.rng("latent")
    walk = _Walk(span, who, rng, _shocks(span, who, rng, scripted))
    for day in range(span.days):
        walk.step(day)
        for account in [a for when, a, _ in scripted if when == day]:
            walk.leave(day, account, SCRIPTED_LEAD, SCRIPTED_LEAD)
    return walk.result()


def _shocks(
    span: Span, who: Portfolio, rng: np.random.Generator, scripted: list[tuple[int, int, str]]
) -> tuple[np.ndarray, list[tuple[int, int, str]]]:
    """Draw the events of every account; one outage hits a quarter of the portfolio at once."""
    events: list[tuple[int, int, str]] = []
    for kind, (monthly, _) in EVENTS.items():
        days, accounts = np.nonzero(rng.random((span.days, who.size)) < monthly / 30)
        events += [(int(d), int(a), kind) for d, a in zip(days, accounts, strict=True)]
    wide = HISTORY - int(rng.integers(130, 200))
    events += [(wide, int(a), "outage") for a in np.nonzero(rng.random(who.size) < 0.25)[0]]
    blows = np.zeros((span.days, who.size, 4))
    for day, account, kind in events:
        blows[day, account] += np.array(EVENTS[kind][1]) * rng.lognormal(-0.1, 0.35)
    for day, account, kind in scripted:
        blows[day, account] += np.array(EVENTS[kind][1]) * SCRIPTED
    events += scripted
    return blows, [e for e in events if e[0] >= who.start[e[1]] + 20]


class _Walk:
    """The walk itself; every array has one element per account."""

    def __init__(
        self,
        span: Span,
        who: Portfolio,
        rng: np.random.Generator,
        shocks: tuple[np.ndarray, list[tuple[int, int, str]]],
    ) -> None:
        self.span, self.who, self.rng = span, who, rng
        self.blows, self.events = shocks
        shape = (span.days, who.size)
        self.now = np.clip(who.mood + rng.normal(0, 0.04, who.mood.shape), 0.02, 0.98)
        self.state = np.zeros((*shape, 4))
        self.leaving = np.ones(shape)
        self.seats, self.plan = np.zeros(shape, int), np.zeros(shape, int)
        self.seats_now, self.plan_now = who.seats.copy(), who.plan.copy()
        self.end = np.where(who.trial & (rng.random(who.size) < 0.2), who.start + 14, NEVER)
        self.decided = np.full(who.size, NEVER)
        self.busy_until = np.where(self.end < NEVER, NEVER, 0)
        self.growth = np.zeros(shape)

    def step(self, day: int) -> None:
        """Move every account by one day."""
        noise = self.rng.normal(0, NOISE, self.now.shape)
        self.now = self.now + PULL * (self.who.mood - self.now) + noise + self.blows[day]
        self.now = np.clip(self.now, 0.02, 0.98)
        self.state[day] = self.now
        self._decide(day)
        self._resize(day)
        self.seats[day], self.plan[day] = self.seats_now, self.plan_now

    def result(self) -> Latent:
        """Return what the walk has left behind."""
        who, days = self.who, np.arange(self.span.days)[:, None]
        live = (days >= who.start) & (days < self.end)
        trial = who.trial & (days < who.start + 14)
        return Latent(
            state=self.state,
            leaving=self.leaving,
            health=health_of(self.state) * (0.35 + 0.65 * self.leaving),
            seats=self.seats,
            plan=np.where(trial, 0, self.plan),
            end=self.end,
            decided=self.decided,
            live=live,
            growth=self.growth,
            events=sorted(e for e in self.events if e[0] < self.end[e[1]]),
        )

    def _decide(self, day: int) -> None:
        """Let some accounts decide to leave: more likely in a bad state and before a renewal."""
        health = health_of(self.now)
        age = day - self.who.start
        to_renewal = (self.who.term * 30) - age % (self.who.term * 30)
        pressure = np.where((self.who.term > 1) & (to_renewal < 100), 1.8, 1.0)
        monthly = (0.010 + 0.14 / (1 + np.exp((health - 0.53) / 0.045))) * pressure
        open_ = (age > 45) & (day >= self.busy_until) & (day < self.end)
        for account in np.nonzero(open_ & (self.rng.random(self.who.size) < monthly / 30))[0]:
            self._withdraw(day, int(account), float(health[account]))

    def _withdraw(self, day: int, account: int, health: float) -> None:
        lead = int(self.rng.integers(*LEAD))
        if health > 0.6 and self.rng.random() < UNEXPLAINED * 1.8:
            self.leave(day, account, lead, ramp=7)
        elif self.rng.random() < SAVED:
            self._waver(day, account, lead)
        else:
            self.leave(day, account, lead, ramp=lead)

    def leave(self, day: int, account: int, lead: int, ramp: int) -> None:
        """Let an account decide to leave after `lead` days and withdraw over the last `ramp` of them."""
        self.end[account], self.busy_until[account] = day + lead, NEVER
        self.decided[account] = day + lead - ramp
        days = np.arange(self.span.days)
        progress = np.clip((days - (day + lead - ramp)) / ramp, 0, 1)
        self.leaving[:, account] *= 1 - 0.92 * progress**0.5

    def _waver(self, day: int, account: int, lead: int) -> None:
        """Withdraw halfway and come back."""
        self.busy_until[account] = day + 2 * lead
        days = np.arange(self.span.days)
        depth = np.clip(1 - np.abs(days - (day + 0.6 * lead)) / (0.6 * lead), 0, 1)
        self.leaving[:, account] *= 1 - 0.6 * depth

    def _resize(self, day: int) -> None:
        """Once a month, let happy accounts grow and unhappy ones shrink."""
        age = day - self.who.start
        due = (age > 60) & (age % 30 == 0) & (self.leaving[day] > 0.9)
        health, draw = health_of(self.now), self.rng.random(self.who.size)
        grow = due & (health > 0.74) & (draw < 0.09)
        shrink = due & (health < 0.56) & (draw < 0.10)
        factor = np.where(grow, self.rng.uniform(1.1, 1.4, self.who.size), np.where(shrink, 0.8, 1.0))
        self.growth[day] = grow.astype(float) - shrink
        wanted = np.where(grow, np.ceil(self.seats_now * factor), np.floor(self.seats_now * factor))
        self.seats_now = np.maximum(1, wanted).astype(int)
        upgrade = due & (health > 0.78) & (draw > 0.982) & (self.plan_now < 4)
        self.plan_now = self.plan_now + upgrade
