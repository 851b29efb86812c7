"""What the demo's accounts say: tickets, survey answers, emails, calls and meetings, in words that fit."""

from typing import Any

import numpy as np
import polars as pl

from storage.demo.latent import SATISFACTION, SPONSOR
from storage.demo.log import SINCE, Log, log_of
from storage.demo.people import People, Person
from storage.demo.span import texts
from storage.demo.voice import Voice

TIME = pl.Datetime("us", "UTC")


class Talk:
    """Writes the surveys and everything that is said between the accounts and the team."""

    def __init__(self, voice: Voice, people: People) -> None:
        self.voice, self.people = voice, people
        self.span, self.who, self.latent = voice.span, voice.who, voice.latent
        self.rng, self.draw, self.words = voice.rng, voice.draw, voice.words
        self.sparse = self.rng.random(self.who.size) < 0.15  # accounts that never answer a survey

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
        nps = max(0, min(10, round(10.6 * self.voice.content(day, account) + self.draw.gauss(0, 0.9))))
        level = "promoter" if nps >= 9 else "passive" if nps >= 7 else "detractor"
        comment = self.words.line("nps", level)
        return (float(nps) if kind == "nps" else float(max(1, round(nps / 2))), comment)

    # ── interactions ──

    def interaction_log(self) -> Log:
        """Write down emails as sent, opened and answered, and calls, meetings and posts as they happen."""
        live = np.ones((self.span.days, self.who.size))
        reviews = np.isin(self.who.segment, ["mid_market", "enterprise"])
        rows: list[dict[str, Any]] = []
        for day, account in self.voice.moments(live / 12):
            rows += self._email(day, account)
        for day, account in self.voice.moments(live / 42):
            rows.append(self._call(day, account))
        for day, account in self.voice.moments(live / 90 * (0.35 + 0.65 * reviews)):
            rows.append(self._meeting(day, account))
        for day, account in self.voice.moments(np.maximum(0, self.latent.health - 0.65) / 8):
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
            "at": self.voice.at(day),
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
            "replied_on": None,
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
            "at": self.voice.at(day, 18 + 4 * self.draw.random()),
            "subject": f"Re: {sent['subject']}",
            "text": self.words.line("reply", level),
            "sentiment": self._rated(level),
        }
        return [{**sent, "replied": True, "replied_on": self.span.dates(day).item(), SINCE: day}, inbound]

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
        meeting = {
            **self._row(day, account, "meeting", people[0] if people else None),
            "minutes": float(self.draw.choice((30, 45, 60))),
            "attendees": came,
            "sentiment": self._rated(level),
            "subject": "Quarterly business review",
            "text": self.words.line("qbr", level),
        }
        return meeting if came else {**meeting, **_nobody_came(day)}

    def _post(self, day: int, account: int) -> dict[str, Any]:
        channel = self.draw.choice(("community", "in_app"))
        person = self.people.anyone(account, day)
        return {
            **self._row(day, account, channel, person),
            "direction": "in",
            "text": self.words.line("reply", "good"),
        }


KINDS = ("csat", "csat", "ces", "feature", "quarterly")


def _nobody_came(day: int) -> dict[str, Any]:
    """Return what is different about a meeting that nobody came to; nothing is drawn, so that the rest stays."""
    notes = texts("talk")["qbr"]["nobody"]
    return {"minutes": 0.0, "sentiment": None, "text": notes[day % len(notes)]}


def _numbered(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Give every interaction its id; the versions of one email share account, time and direction."""
    ids: dict[tuple[Any, ...], str] = {}
    for row in rows:
        key = (row["account"], row["channel"], row["direction"], row["at"])
        row["external_id"] = ids.setdefault(key, f"N{len(ids) + 1:06}")
    return rows


_TEXTS = ("external_id", "account")
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
    "replied_on": pl.Date,
    "minutes": pl.Float64,
    "attendees": pl.Int64,
    "sentiment": pl.Float64,
    **dict.fromkeys(("subject", "text"), pl.String),
}
