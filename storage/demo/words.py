"""Fill the sentences of the text files: every ticket and note gets its own people, numbers and features."""

import random
from collections.abc import Callable
from typing import Any

from storage.demo.span import texts

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday")
NUMBERS = {"n": (6, 60), "hour": (7, 19)}
COUNTS = ("second", "third", "fourth", "fifth")


class Words:
    """Writes sentences from the templates with one source of chance.

    Args:
        draw: the source of chance; the same source in the same state writes the same words.
    """

    def __init__(self, draw: random.Random) -> None:
        self.draw = draw
        self.tickets, self.talk, self.names = texts("tickets"), texts("talk"), texts("names")
        features = self.names["features"]["core"] + self.names["features"]["advanced"]
        plural = ("team", "browser", "competitor", "reason")
        self.lists = {name: self.tickets[f"{name}s"] for name in plural} | {
            "items": self.tickets["items"],
            "feature": features[::2],
            "feature2": features[1::2],  # never the same as `feature`
            "weekday": WEEKDAYS,
            "count": COUNTS,
            "person": self.names["first_names"],
        }

    def ticket(self, topic: dict[str, Any], tone: str) -> tuple[str, str]:
        """Return subject and text of a ticket: opening, what happened, a detail, a closing."""
        slots = self._slots()
        opening = self.draw.choice(self.tickets["openings"][tone])
        closing = self.draw.choice(self.tickets["closings"][tone])
        parts = [opening, self.draw.choice(topic["events"]), self.draw.choice(topic["details"]), closing]
        text = " ".join(part for part in parts if part).replace(", ", ",\n", opening.endswith(",")).format_map(slots)
        return self.draw.choice(topic["subjects"]).format_map(slots), text

    def line(self, kind: str, level: str) -> str:
        """Return one remark of a kind (`nps`, `reply`, `call`, `qbr`) and level."""
        return str(self.draw.choice(self.talk[kind][level])).format_map(self._slots())

    def subject(self) -> str:
        """Return the subject of an email to a customer."""
        return str(self.draw.choice(self.talk["email"]["subjects"])).format_map(self._slots())

    def _slots(self) -> "_Slots":
        return _Slots(self._fill)

    def _fill(self, slot: str) -> Any:
        draw = self.draw
        if slot in self.lists:
            return draw.choice(self.lists[slot])
        if slot == "ref":
            return f"{draw.choice('BCEFHKR')}{draw.randrange(1000, 9999)}"
        return f"{draw.randrange(0, 60, 5):02}" if slot == "minute" else draw.randrange(*NUMBERS[slot])


class _Slots(dict[str, Any]):
    """The blanks of one text, each filled when first asked for and the same ever after."""

    def __init__(self, fill: Callable[[str], Any]) -> None:
        super().__init__()
        self.fill = fill

    def __missing__(self, slot: str) -> Any:
        self[slot] = value = self.fill(slot)
        return value
