"""Puts a demo world together and shows it as it was known on any day."""

from datetime import date

import numpy as np
import polars as pl

from storage.demo.commerce import (
    account_log,
    colleagues,
    email_of,
    invoice_log,
    make_book,
    subscription_log,
)
from storage.demo.latent import NEVER, Latent, live_through
from storage.demo.log import Log, together
from storage.demo.outcomes import goal_log
from storage.demo.people import People
from storage.demo.portfolio import Portfolio, make_portfolio
from storage.demo.services import Services
from storage.demo.span import AHEAD, HISTORY, Span, texts
from storage.demo.talk import Talk
from storage.demo.tickets import Tickets
from storage.demo.use import Use
from storage.demo.voice import Voice

OWNED = 36  # accounts of the first CSM
SCRIPT = (  # what happens to healthy accounts of the first CSM: days from today, event
    (-31, "champion_left"),
    (-28, "outage"),
    (-25, "budget_cut"),
    (-22, "champion_left"),
    (-20, "competitor"),
    (-18, "outage"),
    (-15, "champion_left"),
    (-11, "budget_cut"),
)


class DemoWorld:
    """A portfolio with eighteen months of history before `today` and ninety days after it.

    Frames are in the import format, one per entity.

    Args:
        span: the days and the seed.
        use: the daily use.
        logs: every other entity's versions, by entity.
    """

    def __init__(self, span: Span, use: Use, logs: dict[str, Log]) -> None:
        self.today = span.today
        self._span, self._use, self._logs = span, use, logs

    @property
    def first(self) -> date:
        """The first day of the history."""
        return self._span.first

    def until(self, day: date) -> dict[str, pl.DataFrame]:
        """Return all entities as they looked at the end of a day; nothing in them is later.

        Raises:
            ValueError: the day is outside the world.
        """
        index = self._index(day)
        frames = {name: log.until(index) for name, log in self._logs.items()}
        features, usage = self._use.features_until(index), self._use.rows_until(index)
        return {"users": pl.DataFrame(colleagues()), **frames, "features": features, "usage": usage}

    def day(self, day: date) -> dict[str, pl.DataFrame]:
        """Return only the rows that are new or changed on a day; entities without any are left out.

        Raises:
            ValueError: the day is outside the world.
        """
        index = self._index(day)
        frames = {name: log.on(index) for name, log in self._logs.items()}
        frames |= {"features": self._use.features_on(index), "usage": self._use.rows_on(index)}
        return {name: frame for name, frame in frames.items() if frame.height}

    def _index(self, day: date) -> int:
        index = (day - self._span.first).days
        if not 0 <= index < self._span.days:
            raise ValueError(f"{day} is outside the demo's days: {HISTORY} before and {AHEAD} after {self.today}")
        return index


def build(today: date, seed: int = 7) -> DemoWorld:
    """Build the world around a day; the same day and seed give the same world.

    Args:
        today: the day on which the demo starts.
        seed: another seed gives other accounts.
    """
    span = Span(today, seed)
    who = make_portfolio(span)
    chosen = _healthy(who, live_through(span, who, []))[: len(SCRIPT)]
    script = [(HISTORY + days, int(a), kind) for (days, kind), a in zip(SCRIPT, chosen, strict=False)]
    latent = live_through(span, who, script)
    owners = _owners(span, who, latent, chosen)
    use = Use(span, who, latent)
    return DemoWorld(span, use, _logs(span, who, latent, use, owners))


def _logs(span: Span, who: Portfolio, latent: Latent, use: Use, owners: np.ndarray) -> dict[str, Log]:
    book = make_book(span, who, latent)
    people = People(span, who, latent)
    voice = Voice(span, who, latent, "talk")
    talk, tickets = Talk(voice, people), Tickets(voice)
    services = Services(Voice(span, who, latent, "services"))
    interactions = talk.interaction_log()  # before the contacts, whose last reply it decides
    return {
        "accounts": account_log(span, who, latent, book, use.active, owners),
        "contacts": people.contact_log(),
        "subscriptions": subscription_log(span, who, latent, book),
        "goals": goal_log(span, who, latent),
        "stakeholders": people.change_log(),
        "tickets": together(tickets.log(), Tickets(Voice(span, who, latent, "requests")).training_log()),
        "surveys": together(talk.survey_log(), services.reviews(talk.sparse)),
        "interactions": interactions,
        "invoices": invoice_log(span, who, latent, book),
        "services": services.log(),
    }


def _healthy(who: Portfolio, latent: Latent) -> np.ndarray:
    """Return live companies that stay and do fairly well, the largest first."""
    stays = latent.live[HISTORY] & (latent.end >= NEVER) & (who.start < 200)
    recent = latent.health[HISTORY - 60 : HISTORY].mean(axis=0)
    well = stays & (recent > 0.70) & (recent < 0.76)  # not so well that nobody would notice for weeks
    company = np.isin(who.segment, ["smb", "mid_market"]) & (np.arange(who.size) >= 5)
    found = np.nonzero(well & company)[0]
    return found[np.argsort(-who.seats[found], kind="stable")]


def _owners(span: Span, who: Portfolio, latent: Latent, chosen: np.ndarray) -> np.ndarray:
    """Share the accounts out; the first CSM gets the family of names and the scripted ones."""
    rng = span.rng("owners")
    emails = np.array([email_of(name) for name in texts("names")["csms"]], dtype=object)
    owners = emails[1 + rng.permutation(who.size) % (len(emails) - 1)]
    live = rng.permutation(np.nonzero(latent.live[HISTORY])[0])
    mine = list(dict.fromkeys([*range(5), *chosen.tolist(), *live.tolist()]))[:OWNED]
    owners[mine] = emails[0]
    return owners
