"""What the demo's accounts say: tickets, survey answers, emails, calls and meetings, in words that fit."""

import random
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import polars as pl

from storage.demo.latent import SATISFACTION, SPONSOR, Latent
from storage.demo.log import SINCE, Log, log_of
from storage.demo.people import People, Person
from storage.demo.portfolio import Portfolio
from storage.demo.span import Span, texts
from storage.demo.words import Words

TONES = {"happy": 0.6, "calm": 0.05, "annoyed": -0.45, "angry": -0.8}
GRAVE = ("cancel", "export", "competitor", "budget")
BASE_TICKETS = {"consumer": 0.25, "smb": 0.45, "mid_market": 0.8, "enterprise": 1.3}  # a month
TIME = pl.Datetime("us", "UTC")


class Talk:
    """Writes everything that is said, account by account and day by day."""

    def __init__(self, span: Span, who: Portfolio, latent: Latent, people: People) -> None:
        self.span, self.who, self.latent, self.people = span, who, latent, people
        self.rng = span.rng("talk")
        self.draw = random.Random(f"talk {span.seed} {span.today}")
        self.words = Words(self.draw)
        self.sparse = self.rng.random(who.size) < 0.15  # accounts that never answer a survey
        self.recent = {kind: self._recent(kind, days) for kind, days in RECENT.items()}

    def _recent(self, kind: str, days: int) -> np.ndarray:
        """Mark the days shortly after an event of a kind."""
        marks = np.zeros((self.span.days, self.who.size), bool)
        for day, account, what in self.latent.events:
            if what == kind:
                marks[max(0, day) : day + days, account] = True
        return marks

    def _moments(self, rate: np.ndarray) -> list[tuple[int, int]]:
        """Draw days and accounts by a daily rate; little is said at weekends."""
        quiet = np.where(self.span.weekdays() >= 5, 0.12, 1.3)[:, None]
        days, accounts = np.nonzero(self.rng.random(rate.shape) < rate * quiet * self.latent.live)
        return [(int(d), int(a)) for d, a in zip(days, accounts, strict=True)]

    def _at(self, day: int, hour: float | None = None) -> datetime:
        hour = 7 + 11 * self.draw.random() if hour is None else hour
        midnight = datetime.combine(self.span.first, datetime.min.time())
        return midnight + timedelta(days=day, minutes=int(hour * 60))

    # ── tickets ──

    def ticket_log(self) -> Log:
        """Write down each ticket when it is opened, answered and resolved."""
        unhappy = np.maximum(0, 0.66 - self.latent.state[..., SATISFACTION])
        base = np.array([BASE_TICKETS[str(s)] for s in self.who.segment]) / 30
        age = np.arange(self.span.days)[:, None] - self.who.start
        rate = base * (1 + 9 * unhappy + 0.8 * (age < 30)) + 0.035 * (1 - self.latent.leaving)
        rows: list[dict[str, Any]] = []
        for number, (day, account) in enumerate(self._moments(rate)):
            rows += self._ticket(number, day, account)
        return log_of(rows, TICKET)

    def _ticket(self, number: int, day: int, account: int) -> list[dict[str, Any]]:
        topic = self._topic(day, account)
        tone = self._tone(day, account, topic["name"])
        subject, text = self.words.ticket(topic, tone)
        unhappy = max(0.0, 0.72 - self.latent.state[day, account, SATISFACTION])
        severity = self._severity(topic["name"], tone)
        row = {
            "external_id": f"T{number + 1:05}",
            "account": self.who.ids[account],
            "opened_at": self._at(day),
            "severity": severity,
            "escalated": bool(tone == "angry" and self.draw.random() < 0.45),
            "self_service": bool(tone in ("happy", "calm") and self.draw.random() < 0.45),
            "category": topic["name"],
            "subject": subject,
            "text": text,
            "sentiment": self._sentiment(topic["name"], tone),
            SINCE: day,
        }
        return [row, *self._answers(row, day, account, unhappy)]

    def _answers(self, row: dict[str, Any], day: int, account: int, unhappy: float) -> list[dict[str, Any]]:
        """Add the versions of a ticket after its first answer and after its resolution."""
        pace = {"critical": 0.4, "high": 0.7}.get(row["severity"], 1.0)
        wait = 0.05 if row["self_service"] else pace * self.draw.lognormvariate(0.3 + 2 * unhappy, 0.7)
        work = 0.3 if row["self_service"] else pace * self.draw.lognormvariate(1.7 + 5 * unhappy, 0.8)
        answered = row["opened_at"] + timedelta(hours=wait)
        resolved = answered + timedelta(hours=work)
        first = {**row, "first_response_at": answered, SINCE: self._day_of(answered)}
        if self._day_of(resolved) >= self.latent.end[account]:
            return [first]  # gone before it was solved
        csat = self._csat(day, account) if self.draw.random() < 0.35 else None
        return [first, {**first, "resolved_at": resolved, "csat": csat, SINCE: self._day_of(resolved)}]

    def _day_of(self, at: datetime) -> int:
        return (at.date() - self.span.first).days

    def _topic(self, day: int, account: int) -> dict[str, Any]:
        topics = texts("tickets")["topic"]
        return self.draw.choices(topics, [self._weight(t["name"], day, account) for t in topics])[0]

    def _weight(self, topic: str, day: int, account: int) -> float:
        """Say how likely an account in this state writes about a topic."""
        adoption, content, _, stress = self.latent.state[day, account]
        leaving, health = self.latent.leaving[day, account], self.latent.health[day, account]
        weights = {
            "how_to": 3 * content,
            "bug": 2 * (1.2 - content),
            "performance": 1.3 * (1.1 - content),
            "outage": 6.0 if self.recent["outage"][day, account] else 0.04,
            "integration": 0.9,
            "billing": 0.5 + stress,
            "budget": 7 * max(0.0, stress - 0.42),
            "feature_request": 2.2 * content * adoption,
            "growth": 9 * max(0.0, health - 0.76),
            "thanks": 7 * max(0.0, content - 0.7),
            "competitor": 5.0 * self.recent["competitor"][day, account] + 2.5 * (1 - leaving),
            "export": 9 * max(0.0, 0.6 - leaving),
            "cancel": 14 * max(0.0, 0.42 - leaving),
        }
        return float(weights[topic])

    def _tone(self, day: int, account: int, topic: str) -> str:
        if topic in ("thanks", "growth"):
            return "happy"
        mood = self.latent.state[day, account, SATISFACTION] * (0.75 + 0.25 * self.latent.leaving[day, account])
        mood += self.draw.gauss(0, 0.08) - (0.12 if topic == "outage" else 0)
        if topic in GRAVE:
            return "calm" if mood > 0.55 else "annoyed"
        return "happy" if mood > 0.8 else "calm" if mood > 0.58 else "annoyed" if mood > 0.42 else "angry"

    def _content(self, day: int, account: int) -> float:
        """Return the satisfaction, lower while the account withdraws."""
        leaving = self.latent.leaving[day, account]
        return float(self.latent.state[day, account, SATISFACTION] * (0.72 + 0.28 * leaving))

    def _severity(self, topic: str, tone: str) -> str:
        if topic == "outage":
            return "critical"
        if topic in ("bug", "performance", "integration"):
            return "high" if tone in ("annoyed", "angry") else "normal"
        return "high" if topic in ("cancel", "export") else self.draw.choice(("low", "normal"))

    def _sentiment(self, topic: str, tone: str) -> float | None:
        """Rate the tone as a support system would; three in ten tickets are not rated."""
        if self.draw.random() < 0.3:
            return None
        shift = {"thanks": 0.25, "cancel": -0.3, "competitor": -0.25, "outage": -0.1}.get(topic, 0.0)
        return round(max(-1.0, min(1.0, TONES[tone] + shift + self.draw.gauss(0, 0.1))), 2)

    def _csat(self, day: int, account: int) -> float:
        content = self.latent.state[day, account, SATISFACTION]
        return float(max(1, min(5, round(0.4 + 5.1 * content + self.draw.gauss(0, 0.6)))))

    # ── surveys ──

    def survey_log(self) -> Log:
        """Write down the answers to surveys: quarterly NPS, onboarding, and others now and then."""
        rows: list[dict[str, Any]] = []
        offset = self.rng.integers(0, 90, self.who.size)
        for account in np.nonzero(~self.sparse)[0]:
            asked = [(d, "nps") for d in range(int(offset[account]), self.span.days, 90)]
            asked += [(int(self.who.start[account]) + 15, "onboarding")]
            asked += [(d, self.draw.choice(KINDS)) for d in range(int(offset[account]) // 2 + 20, self.span.days, 120)]
            rows += [row for day, kind in asked if (row := self._answer(day, int(account), kind))]
        return log_of(rows, SURVEY)

    def _answer(self, day: int, account: int, kind: str) -> dict[str, Any] | None:
        if not 0 <= day < self.span.days or not self.latent.live[day, account]:
            return None
        if self.draw.random() > 0.25 + 0.5 * self._warmth(day, account):
            return None
        person = self.people.anyone(account, day)
        score, comment = self._score(day, account, kind)
        return {
            "external_id": f"R{self.who.ids[account][1:]}-{kind}-{day}",
            "account": self.who.ids[account],
            "contact": person.id if person else None,
            "kind": kind,
            "score": score,
            "comment": comment if self.draw.random() < 0.7 else None,
            "answered_on": self.span.dates(day).astype(object),
            SINCE: day,
        }

    def _score(self, day: int, account: int, kind: str) -> tuple[float, str]:
        nps = max(0, min(10, round(10.6 * self._content(day, account) + self.draw.gauss(0, 0.9))))
        level = "promoter" if nps >= 9 else "passive" if nps >= 7 else "detractor"
        comment = self.words.line("nps", level)
        return (float(nps) if kind == "nps" else float(max(1, round(nps / 2))), comment)

    # ── interactions ──

    def interaction_log(self) -> Log:
        """Write down emails as sent, opened and answered, and calls, meetings and posts as they happen."""
        live = np.ones((self.span.days, self.who.size))
        reviews = np.isin(self.who.segment, ["mid_market", "enterprise"])
        rows: list[dict[str, Any]] = []
        for day, account in self._moments(live / 12):
            rows += self._email(day, account)
        for day, account in self._moments(live / 42):
            rows.append(self._call(day, account))
        for day, account in self._moments(live / 90 * (0.35 + 0.65 * reviews)):
            rows.append(self._meeting(day, account))
        for day, account in self._moments(np.maximum(0, self.latent.health - 0.65) / 8):
            rows.append(self._post(day, account))
        return log_of(_numbered(rows), INTERACTION)

    def _warmth(self, day: int, account: int) -> float:
        state = self.latent.state[day, account]
        return float((0.35 * state[SATISFACTION] + 0.65 * state[SPONSOR]) * self.latent.leaving[day, account])

    def _level(self, day: int, account: int) -> str:
        health = self.latent.health[day, account] + self.draw.gauss(0, 0.05)
        return "good" if health > 0.72 else "fair" if health > 0.55 else "poor"

    def _row(self, day: int, account: int, channel: str, person: Person | None) -> dict[str, Any]:
        return {
            "account": self.who.ids[account],
            "contact": person.id if person else None,
            "channel": channel,
            "direction": "out",
            "at": self._at(day),
            SINCE: day,
        }

    def _email(self, day: int, account: int) -> list[dict[str, Any]]:
        person = self.people.anyone(account, day)
        if person is None or person.opted_out <= day:
            return []
        warmth = self._warmth(day, account)
        row = {
            **self._row(day, account, "email", person),
            "opened": False,
            "clicked": False,
            "replied": False,
            "subject": self.words.subject(),
        }
        rows = [row]
        if self.draw.random() < 0.3 + 0.68 * warmth:
            opened = day + self.draw.choice((0, 0, 0, 1, 1, 2))
            rows.append({**row, "opened": True, "clicked": self.draw.random() < 0.4 * warmth, SINCE: opened})
            if self.draw.random() < 1.02 * warmth - 0.08:
                rows += self._reply(rows[-1], opened + self.draw.choice((0, 0, 1, 2, 3)), account, person)
        return rows

    def _reply(self, sent: dict[str, Any], day: int, account: int, person: Person) -> list[dict[str, Any]]:
        if day >= min(self.span.days, self.latent.end[account], person.left):
            return []
        person.replies.add(day)
        level = self._level(day, account)
        inbound = {
            **self._row(day, account, "email", person),
            "direction": "in",
            "at": self._at(day, 18 + 4 * self.draw.random()),
            "subject": f"Re: {sent['subject']}",
            "text": self.words.line("reply", level),
            "sentiment": self._rated(level),
        }
        return [{**sent, "replied": True, SINCE: day}, inbound]

    def _rated(self, level: str) -> float | None:
        if self.draw.random() < 0.4:
            return None
        return round({"good": 0.5, "fair": 0.05, "poor": -0.5}[level] + self.draw.gauss(0, 0.12), 2)

    def _call(self, day: int, account: int) -> dict[str, Any]:
        person, level = self.people.anyone(account, day), self._level(day, account)
        return {
            **self._row(day, account, "call", person),
            "minutes": float(self.draw.randrange(5, 40)),
            "attendees": 1 if person else 0,
            "sentiment": self._rated(level),
            "text": self.words.line("call", level),
        }

    def _meeting(self, day: int, account: int) -> dict[str, Any]:
        people, level = self.people.present(account, day), self._level(day, account)
        came = sum(self.draw.random() < self._warmth(day, account) + 0.1 for _ in people)
        return {
            **self._row(day, account, "meeting", people[0] if people else None),
            "minutes": float(self.draw.choice((30, 45, 60))),
            "attendees": came,
            "sentiment": self._rated(level),
            "subject": "Quarterly business review",
            "text": self.words.line("qbr", level),
        }

    def _post(self, day: int, account: int) -> dict[str, Any]:
        channel = self.draw.choice(("community", "in_app"))
        person = self.people.anyone(account, day)
        return {
            **self._row(day, account, channel, person),
            "direction": "in",
            "text": self.words.line("reply", "good"),
        }


RECENT = {"outage": 6, "competitor": 45}
KINDS = ("csat", "csat", "ces", "feature", "quarterly")


def _numbered(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Give every interaction its id; the versions of one email share account, time and direction."""
    ids: dict[tuple[Any, ...], str] = {}
    for row in rows:
        key = (row["account"], row["channel"], row["direction"], row["at"])
        row["external_id"] = ids.setdefault(key, f"N{len(ids) + 1:06}")
    return rows


_TEXTS = ("external_id", "account")
TICKET = {
    **dict.fromkeys(_TEXTS, pl.String),
    **dict.fromkeys(("opened_at", "first_response_at", "resolved_at"), TIME),
    "severity": pl.String,
    **dict.fromkeys(("escalated", "self_service"), pl.Boolean),
    **dict.fromkeys(("category", "subject", "text"), pl.String),
    **dict.fromkeys(("sentiment", "csat"), pl.Float64),
}
SURVEY = {
    **dict.fromkeys((*_TEXTS, "contact", "kind"), pl.String),
    "score": pl.Float64,
    "comment": pl.String,
    "answered_on": pl.Date,
}
INTERACTION = {
    **dict.fromkeys((*_TEXTS, "contact", "channel", "direction"), pl.String),
    "at": TIME,
    **dict.fromkeys(("opened", "clicked", "replied"), pl.Boolean),
    "minutes": pl.Float64,
    "attendees": pl.Int64,
    "sentiment": pl.Float64,
    **dict.fromkeys(("subject", "text"), pl.String),
}
