"""The team's rules for messages to customers: classes, hours, caps, who approves; a file that is read strictly."""

from datetime import datetime, time, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, model_validator

from scoring.declared import DeclaredError, read_declared
from storage.models import Role
from tools.errors import UserError

GOVERNANCE = Path(__file__).parent / "governance.toml"
Rule = Literal["unless_refused", "required"]
Hour = Annotated[int, Field(ge=0, le=24)]
SATURDAY = 5


class Strict(BaseModel):
    """A part of the file: it refuses keys that it does not know."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Cap(Strict):
    """At most so many messages in so many days."""

    messages: int = Field(ge=1)
    days: int = Field(ge=1)


class MessageClass(Strict):
    """What holds for one class of messages.

    Args:
        hours: from and to which hour of the contact's day it may arrive.
        unsubscribe: whether it must say how to refuse more of its kind.
    """

    consent: Rule
    hours: tuple[Hour, Hour]
    weekends: bool
    unsubscribe: bool

    @model_validator(mode="after")
    def _hours_make_a_span(self) -> "MessageClass":
        if self.hours[0] >= self.hours[1]:
            raise ValueError("hours: the first must be earlier than the second")
        return self

    def open_at(self, moment: datetime, zone: str) -> datetime:
        """Return the first time from `moment` on at which such a message may arrive."""
        local = moment.astimezone(ZoneInfo(zone))
        opens, closes = self.hours
        if local.hour >= closes:
            local = _midnight(local)
        while not self.weekends and local.weekday() >= SATURDAY:
            local = _midnight(local)
        if local.hour < opens:
            local = datetime.combine(local.date(), time(opens), local.tzinfo)
        return local.astimezone(moment.tzinfo)


def _midnight(local: datetime) -> datetime:
    return datetime.combine(local.date() + timedelta(days=1), time(0), local.tzinfo)


class Governance(Strict):
    """The whole file; every class of messages is in it."""

    undo_seconds: int = Field(ge=0, le=3600)
    contact_cap: Cap
    account_cap: Cap
    testimonial_cap: Cap = Cap(messages=10, days=30)
    high_risk_approver: Role
    high_risk_four_eyes: bool
    classes: dict[Literal["service", "marketing", "testimonial"], MessageClass]
    channels: dict[str, Rule] = {}

    def of_class(self, name: str) -> MessageClass:
        """Return the rules of a class; of the strictest one for a class that is not known."""
        return next((rules for known, rules in self.classes.items() if known == name), self.classes["marketing"])

    @model_validator(mode="after")
    def _all_classes(self) -> "Governance":
        if missing := {"service", "marketing", "testimonial"} - set(self.classes):
            raise ValueError(f"classes: {min(missing)} is missing")
        return self


@lru_cache(maxsize=64)
def _read(file: Path, changed: int) -> Governance:
    """The rules of a file; `changed` makes it be read again."""
    return read_declared(file, Governance)


def load_governance(file: Path) -> Governance:
    """Read the rules, again when the file has changed.

    Raises:
        UserError: the file cannot be used; nothing is sent then. The message says where and why.
    """
    try:
        return _read(file, file.stat().st_mtime_ns)
    except (DeclaredError, OSError) as error:
        raise UserError(f"The rules for messages cannot be read, so nothing is sent: {error}") from error
