"""What the demo's service businesses do for their accounts: appointments, contracts, projects, as moods have it."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import polars as pl

from storage.demo.latent import STRESS
from storage.demo.log import SINCE, Log, log_of
from storage.demo.span import texts
from storage.demo.talk import SURVEY
from storage.demo.voice import Voice

Record = dict[str, Any]
Step = tuple[int | None, Record]  # the day, or None for never, and what is different from then on
YEAR = 365
GOOD = 0.75  # a relationship at least this healthy gives no trouble
DAYS = ("recorded_on", "due_on", "done_on", "cancelled_on", "ends_on")
SERVICE = {
    **dict.fromkeys(("external_id", "account", "kind"), pl.String),
    **dict.fromkeys(DAYS, pl.Int32),
    "no_show": pl.Boolean,
    **dict.fromkeys(("included", "used"), pl.Int64),
    **dict.fromkeys(("response_hours", "satisfaction"), pl.Float64),
    "note": pl.String,
    SINCE: pl.Int32,
}


class Services:
    """Writes the records of one kind after the other; days are day numbers until the log is made."""

    def __init__(self, voice: Voice) -> None:
        self.voice, self.rng = voice, voice.rng
        self.span, self.who, self.latent = voice.span, voice.who, voice.latent
        self.numbers: dict[str, int] = {}

    def log(self) -> Log:
        """Write down each record when it becomes known, and again when something happens to it."""
        works = {"healthcare": self._healthcare, "trades": self._trades, "professional_services": self._projects}
        accounts = np.nonzero(np.isin(self.who.industry, list(works)))[0].tolist()
        rows = [row for a in accounts for row in works[str(self.who.industry[a])](a)]
        frame = pl.DataFrame(rows, schema=SERVICE, orient="row")
        first = pl.lit(self.span.first)
        dates = [(first + pl.duration(days=pl.col(name))).cast(pl.Date).alias(name) for name in DAYS]
        return Log(frame.with_columns(dates))

    def reviews(self, silent: np.ndarray) -> Log:
        """Write down the public reviews of healthcare accounts, as surveys of their own kind.

        Args:
            silent: true for accounts that never answer anything.
        """
        accounts = np.nonzero((self.who.industry == "healthcare") & ~silent)[0].tolist()
        rows = [self._review(account, day) for account in accounts for day in self._sometimes(account, 0.35)]
        return log_of(rows, SURVEY)

    def _review(self, account: int, day: int) -> Record:
        score = self._satisfaction(account, day)
        comments = texts("services")["healthcare"]["review"]["poor" if score < 3 else "fair" if score < 4 else "good"]
        return {
            "external_id": f"R{self.who.ids[account][1:]}-review-{day}",
            "account": self.who.ids[account],
            "kind": "review",
            "score": score,
            "comment": comments[int(self.rng.integers(len(comments)))],
            "answered_on": self.span.dates(day).astype(object),
            SINCE: day,
        }

    # ── the industries ──

    def _healthcare(self, account: int) -> Iterator[Record]:
        for day in self._every(account, 12):
            yield from self._appointment(account, day)
        for day in self._every(account, 180):
            yield from self._planned("checkup", account, day, patience=70)
        for day in self._sometimes(account, 0.02 + 0.12 * self._stress(account)):
            yield from self._record("insurance_change", account, day)

    def _trades(self, account: int) -> Iterator[Record]:
        visits: list[int] = []
        for day in self._every(account, YEAR // 4, before=YEAR):
            season = list(self._planned("seasonal", account, day, patience=50, note=self._season(day)))
            visits += [row["done_on"] for row in season if row["done_on"] is not None]
            yield from season
        if self.rng.random() < 0.7:
            yield from self._contracts("maintenance", account, included=4, visits=visits)
        for day in self._sometimes(account, 0.1 + 0.5 * self._trouble(account)):
            yield from self._emergency(account, day)
        for day in self._every(account, 300):
            yield from self._planned("warranty", account, day, patience=60, ends_on=day + YEAR)

    def _projects(self, account: int) -> Iterator[Record]:
        yield from self._contracts("contract", account)
        for day in self._every(account, 45):
            yield from self._planned("milestone", account, day, patience=25)
        for day in self._sometimes(account, 0.5 * np.maximum(0, self.latent.health[:, account] - 0.55)):
            yield from self._proposal(account, day)
        for day in self._sometimes(account, 0.7 * np.maximum(0, self.latent.health[:, account] - 0.68)):
            won = day + int(self.rng.integers(20, 80)) if self.rng.random() < 0.4 else None
            yield from self._record("referral", account, day, (won, {"done_on": won}))

    # ── the records ──

    def _appointment(self, account: int, due: int) -> Iterator[Record]:
        booked = max(int(self.who.start[account]), due - int(self.rng.integers(2, 22)))
        trouble, draw = self._trouble(account)[due], self.rng.random()
        missed = 0.02 + 0.6 * trouble
        outcome: Step
        if draw < missed:
            outcome = (due, {"no_show": True})
        elif draw < missed + 0.03 + 0.4 * trouble:
            called_off = due - int(self.rng.integers(0, min(4, due - booked)))
            outcome = (called_off, {"cancelled_on": called_off})
        else:
            rated = self._satisfaction(account, due) if self.rng.random() < 0.4 else None
            outcome = (due, {"done_on": due, "satisfaction": rated})
        yield from self._record("appointment", account, booked, outcome, due_on=due)

    def _planned(self, kind: str, account: int, due: int, patience: int, **more: Any) -> Iterator[Record]:
        """Write something that is due on a day: done about then, later the worse the mood, or not at all."""
        trouble, draw = self._trouble(account)[max(due, 0)], self.rng.random(3)
        late = int(draw[0] * 10 + patience * draw[1] * min(1.0, 5 * trouble)) - 5
        done = max(int(self.who.start[account]), due + late)
        never = draw[2] < 0.02 + 1.2 * trouble
        outcome = (None if never else done, {"done_on": done, "satisfaction": self._satisfaction(account, done)})
        yield from self._record(kind, account, due - 30, outcome, due_on=due, **more)

    def _emergency(self, account: int, day: int) -> Iterator[Record]:
        hours = round(float(self.rng.lognormal(0.9 + 5 * self._trouble(account)[day], 0.6)), 1)
        done = day + int(hours // 24) + int(self.rng.random() < 0.3)
        rated = max(1.0, self._satisfaction(account, day) - (hours > 12))
        fixed = {"done_on": done, "response_hours": hours, "satisfaction": rated}
        yield from self._record("emergency", account, day, (done, fixed))

    def _proposal(self, account: int, day: int) -> Iterator[Record]:
        answer = day + int(self.rng.integers(5, 40))
        accepted = self.rng.random() < 0.65 - 2 * self._trouble(account)[min(answer, self.span.days - 1)]
        field = "done_on" if accepted else "cancelled_on"
        yield from self._record("proposal", account, day, (answer, {field: answer}), due_on=day + 30)

    def _contracts(
        self, kind: str, account: int, included: int | None = None, visits: list[int] | None = None
    ) -> Iterator[Record]:
        """Write one contract after the other until one is not renewed; each visit counts as used when it is made."""
        start = int(self.who.start[account])
        begin, note = start + max(0, -start // YEAR) * YEAR, self._note(kind, account)
        while begin < min(self.latent.end[account], self.span.days):
            end = begin + YEAR - 1
            used = sorted(day for day in visits or () if begin <= day <= end)
            steps = [(day, {"used": number}) for number, day in enumerate(used, 1)]
            terms = {"ends_on": end, "included": included, "used": None if included is None else 0, "note": note}
            yield from self._record(kind, account, begin, *steps, **terms)
            lapses = end >= self.span.days or self.rng.random() < 0.04 + 2.5 * self._trouble(account)[max(end, 0)]
            begin = self.span.days if lapses else end + 1

    def _record(self, kind: str, account: int, day: int, *steps: Step, **first: Any) -> Iterator[Record]:
        """Yield the record as first known on a day, and again after each step on its own day."""
        number = self.numbers[kind] = self.numbers.get(kind, 0) + 1
        row: Record = dict.fromkeys(SERVICE) | {
            "external_id": f"{kind[:3].upper()}{number:05}",
            "account": self.who.ids[account],
            "kind": kind,
            "recorded_on": max(day, int(self.who.start[account])),
            "no_show": False,
            "note": self._note(kind, account),
        }
        row |= first | {SINCE: max(row["recorded_on"], 0)}
        yield row
        for when, changes in steps:
            if when is not None and when < min(self.span.days, self.latent.end[account]):
                row = {**row, **changes, SINCE: max(when, row[SINCE])}
                yield row

    # ── chance and mood ──

    def _every(self, account: int, step: int, before: int = 0) -> list[int]:
        """Return days about `step` apart while the account is live, those of the time `before` the history too."""
        first = max(int(self.who.start[account]), -before) + int(self.rng.integers(2, step + 2))
        last = min(self.latent.end[account], self.span.days)
        days = np.arange(first, last, step)
        days += self.rng.integers(0, max(2, step // 4), len(days))
        return [int(day) for day in days if day < last]

    def _sometimes(self, account: int, monthly: Any) -> list[int]:
        chance = np.broadcast_to(monthly, self.span.days) / 30 * self.latent.live[:, account]
        return [int(day) for day in np.nonzero(self.rng.random(self.span.days) < chance)[0]]

    def _trouble(self, account: int) -> np.ndarray:
        """Return by day how far the relationship is below a good one; 0 is none."""
        return np.maximum(0, GOOD - self.latent.health[:, account])

    def _stress(self, account: int) -> np.ndarray:
        return np.maximum(0, self.latent.state[:, account, STRESS] - 0.2)

    def _satisfaction(self, account: int, day: int) -> float:
        content = self.voice.content(min(max(day, 0), self.span.days - 1), account)
        return float(np.clip(np.round(0.4 + 5.1 * content + self.rng.normal(0, 0.6)), 1, 5))

    def _note(self, kind: str, account: int) -> str:
        notes = texts("services")[str(self.who.industry[account])][kind]
        return str(notes[int(self.rng.integers(len(notes)))])

    def _season(self, day: int) -> str:
        date: Any = self.span.dates(day).astype(object)
        return str(texts("services")["trades"]["seasonal"][date.month % 12 // 3])
