"""What the demo's accounts ask the support: tickets about topics that fit the relationship, in words that fit."""

from datetime import datetime, timedelta
from typing import Any

import numpy as np
import polars as pl

from storage.demo.latent import ADOPTION, SATISFACTION
from storage.demo.log import SINCE, Log, log_of
from storage.demo.span import texts
from storage.demo.voice import Voice

TONES = {"happy": 0.6, "calm": 0.05, "annoyed": -0.45, "angry": -0.8}
GRAVE = ("cancel", "export", "competitor", "budget")
BASE_TICKETS = {"consumer": 0.25, "smb": 0.45, "mid_market": 0.8, "enterprise": 1.3}  # a month
RECENT = {"outage": 6, "competitor": 45}
TIME = pl.Datetime("us", "UTC")


class Tickets:
    """Writes tickets, account by account and day by day."""

    def __init__(self, voice: Voice) -> None:
        self.voice = voice
        self.span, self.who, self.latent = voice.span, voice.who, voice.latent
        self.draw, self.words = voice.draw, voice.words
        self.recent = {kind: self._recent(kind, days) for kind, days in RECENT.items()}

    def _recent(self, kind: str, days: int) -> np.ndarray:
        """Mark the days shortly after an event of a kind."""
        marks = np.zeros((self.span.days, self.who.size), bool)
        for day, account, what in self.latent.events:
            if what == kind:
                marks[max(0, day) : day + days, account] = True
        return marks

    def log(self) -> Log:
        """Write down each ticket when it is opened, answered and resolved."""
        unhappy = np.maximum(0, 0.66 - self.latent.state[..., SATISFACTION])
        base = np.array([BASE_TICKETS[str(s)] for s in self.who.segment]) / 30
        age = np.arange(self.span.days)[:, None] - self.who.start
        rate = base * (1 + 9 * unhappy + 0.8 * (age < 30)) + 0.035 * (1 - self.latent.leaving)
        rows: list[dict[str, Any]] = []
        for number, (day, account) in enumerate(self.voice.moments(rate)):
            rows += self._ticket(f"T{number + 1:05}", day, account, self._topic(day, account))
        return log_of(rows, TICKET)

    def training_log(self) -> Log:
        """Write down the requests for training: from content accounts that are new or do not use much yet."""
        age = np.arange(self.span.days)[:, None] - self.who.start
        unused = np.maximum(0, 0.9 - self.latent.state[..., ADOPTION])
        rate = np.maximum(0, self.latent.health - 0.5) * (0.35 * unused + 0.2 * (age < 60))
        topic = texts("tickets")["training"]
        rows: list[dict[str, Any]] = []
        for number, (day, account) in enumerate(self.voice.moments(rate / 5)):
            rows += self._ticket(f"TR{number + 1:04}", day, account, topic)
        return log_of(rows, TICKET)

    def _ticket(self, name: str, day: int, account: int, topic: dict[str, Any]) -> list[dict[str, Any]]:
        tone = self._tone(day, account, topic["name"])
        subject, text = self.words.ticket(topic, tone)
        unhappy = max(0.0, 0.72 - self.latent.state[day, account, SATISFACTION])
        severity = self._severity(topic["name"], tone)
        row = {
            "external_id": name,
            "account": self.who.ids[account],
            "opened_at": self.voice.at(day),
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


TICKET = {
    **dict.fromkeys(("external_id", "account"), pl.String),
    **dict.fromkeys(("opened_at", "first_response_at", "resolved_at"), TIME),
    "severity": pl.String,
    **dict.fromkeys(("escalated", "self_service"), pl.Boolean),
    **dict.fromkeys(("category", "subject", "text"), pl.String),
    **dict.fromkeys(("sentiment", "csat"), pl.Float64),
}
