"""The people at the demo's accounts: contacts with roles, and how they come and go."""

import random
import unicodedata
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl

from storage.demo.latent import NEVER, SPONSOR, Latent
from storage.demo.log import SINCE, Log, log_of
from storage.demo.portfolio import Portfolio
from storage.demo.span import Span, texts

ROLES = {
    "consumer": ("champion",),
    "smb": ("champion", "billing", "user"),
    "mid_market": ("champion", "executive_sponsor", "admin", "billing", "user"),
    "enterprise": ("champion", "executive_sponsor", "admin", "billing", "user", "user", "user"),
}


@dataclass
class Person:
    """One contact; day numbers for joined, left and replies."""

    id: str
    account: int
    name: str
    role: str
    title: str
    joined: int
    left: int = NEVER
    opted_out: int = NEVER
    birthday: Any = None
    phone: str | None = None
    replies: set[int] = field(default_factory=set)


class People:
    """All contacts of all accounts, and the changes among them."""

    def __init__(self, span: Span, who: Portfolio, latent: Latent) -> None:
        self.span, self.who, self.latent = span, who, latent
        self.random = random.Random(f"people {span.seed} {span.today}")
        self.all: list[list[Person]] = [self._first_people(n) for n in range(who.size)]
        self.changes: list[dict[str, Any]] = []
        for day, account, kind in latent.events:
            if kind in ("champion_left", "new_executive") and day >= max(0, who.start[account]):
                self._replace(day, account, "champion" if kind == "champion_left" else "executive_sponsor")

    def present(self, account: int, day: int) -> list[Person]:
        """Return the people who are at the account on a day, the most important first."""
        return [person for person in self.all[account] if person.joined <= day < person.left]

    def anyone(self, account: int, day: int) -> Person | None:
        """Return one of the people there, the champion more often than others."""
        people = self.present(account, day)
        if not people:
            return None
        return people[0] if self.random.random() < 0.6 else self.random.choice(people)

    def contact_log(self) -> Log:
        """Write down each contact when known, and again after each reply, opt-out or departure."""
        return log_of([row for group in self.all for p in group for row in self._versions(p)], CONTACT)

    def change_log(self) -> Log:
        """Write down who joined, left or changed role."""
        return log_of(self.changes, CHANGE)

    def _first_people(self, account: int) -> list[Person]:
        roles = list(ROLES[str(self.who.segment[account])])
        sponsor = float(self.who.mood[account, SPONSOR])
        if len(roles) > 1 and self.random.random() > sponsor + 0.2:
            roles[0] = "user"  # nobody stands up for the product here
        joined = int(self.who.start[account])
        people = [self._person(account, n, role, joined) for n, role in enumerate(roles)]
        return sorted(people, key=lambda person: person.role != "champion")

    def _person(self, account: int, number: int, role: str, joined: int) -> Person:
        words, draw = texts("names"), self.random
        name = f"{draw.choice(words['first_names'])} {draw.choice(words['last_names'])}"
        return Person(
            id=f"C{self.who.ids[account][1:]}-{number + 1}",
            account=account,
            name=name,
            role=role,
            title=draw.choice(words["titles"][role]),
            joined=joined,
            opted_out=draw.randrange(0, self.span.days) if draw.random() < 0.03 else NEVER,
            birthday=self._birthday() if draw.random() < 0.15 else None,
            phone=f"+1 555 01{draw.randrange(100):02}" if draw.random() < 0.6 else None,
        )

    def _birthday(self) -> Any:
        return np.datetime64("1965-01-01", "D").astype(object).replace(
            year=self.random.randrange(1962, 2001), month=self.random.randrange(1, 13),
            day=self.random.randrange(1, 29),
        )  # fmt: skip

    def _replace(self, day: int, account: int, role: str) -> None:
        """Let the holder of a role leave; mostly somebody new takes over, a champion after weeks."""
        holders = [person for person in self.present(account, day) if person.role == role]
        if not holders or self.who.segment[account] == "consumer":
            return
        holders[0].left = day
        self._note(day, account, holders[0], "left")
        wait = 0 if role == "executive_sponsor" else self.random.randrange(25, 70)
        if role == "executive_sponsor" or self.random.random() < 0.7:
            self._welcome(day + wait, account, role)

    def _welcome(self, day: int, account: int, role: str) -> None:
        if day >= min(self.span.days, self.latent.end[account]):
            return
        person = self._person(account, len(self.all[account]), role, day)
        self.all[account].insert(0, person)
        self._note(day, account, person, "joined")

    def _note(self, day: int, account: int, person: Person, kind: str) -> None:
        self.changes.append(
            {
                "external_id": f"K{person.id[1:]}-{kind}",
                "account": self.who.ids[account],
                "contact_name": person.name,
                "role": person.role,
                "kind": kind,
                "changed_on": self._date(day),
                "note": f"{person.title} {'has left the company' if kind == 'left' else 'is new'}",
                SINCE: day,
            }
        )

    def _versions(self, person: Person) -> list[dict[str, Any]]:
        known = max(person.joined, 0)
        end = self.latent.end[person.account]
        days = {known} | {d for d in (person.left, person.opted_out) if known < d < self.span.days}
        days |= {day for day in person.replies if day > known}
        fixed = self._fixed(person)
        return [{**fixed, **self._state(person, d), SINCE: d} for d in sorted(days) if known <= d <= end]

    def _fixed(self, person: Person) -> dict[str, Any]:
        zone, language, _ = texts("names")["countries"][str(self.who.country[person.account])]
        plain = unicodedata.normalize("NFKD", person.name).encode("ascii", "ignore").decode().lower()
        company = str(self.who.names[person.account]).lower().replace(" & ", "-").replace(" ", "-")
        return {
            "external_id": person.id,
            "account": self.who.ids[person.account],
            "name": person.name,
            "email": f"{plain.replace(' ', '.')}@{company}.example",
            "phone": person.phone,
            "role": person.role,
            "title": person.title,
            "time_zone": zone,
            "language": language,
            "birthday": person.birthday,
            "joined_on": self._date(person.joined),
        }

    def _state(self, person: Person, day: int) -> dict[str, Any]:
        replied = [reply for reply in person.replies if reply <= day]
        return {
            "left_on": self._date(person.left) if person.left <= day else None,
            "opted_out_on": self._date(person.opted_out) if person.opted_out <= day else None,
            "last_reply_on": self._date(max(replied)) if replied else None,
        }

    def _date(self, day: int) -> Any:
        return self.span.dates(day).astype(object)


CONTACT = {
    **dict.fromkeys(("external_id", "account", "name", "email", "phone", "role", "title"), pl.String),
    **dict.fromkeys(("time_zone", "language"), pl.String),
    **dict.fromkeys(("birthday", "joined_on", "left_on", "opted_out_on", "last_reply_on"), pl.Date),
}
CHANGE = {
    **dict.fromkeys(("external_id", "account", "contact_name", "role", "kind"), pl.String),
    "changed_on": pl.Date,
    "note": pl.String,
}
