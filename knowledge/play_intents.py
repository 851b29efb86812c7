"""What the engine of plays reads and what it decides: frozen, without a clock or a database."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any, Literal
from zoneinfo import ZoneInfo

import polars as pl

from knowledge.kinds import Play

RANKS = {"immediate": 0, "soon": 1, "planned": 2, "routine": 3}  # the most urgent first
STANDARD, HELD_OUT = "standard", "held_out"
StopReason = Literal["goal_met", "left_audience", "reply", "opt_out", "person", "done"]
HOLDS: dict[str, Any] = {"account_id": pl.Int64, "play": pl.String, "because": pl.String}
TOUCHES: dict[str, Any] = {"account_id": pl.Int64, "play": pl.String, "at": pl.Datetime("us")}
STARTS: dict[str, Any] = {"account_id": pl.Int64, "play": pl.String, "started_at": pl.Datetime("us")}


@dataclass(frozen=True)
class Limits:
    """What keeps customers from being flooded and colleagues from being buried.

    Args:
        between_plays: the contact-frequency limit: the least time between touchpoints of two plays at one account.
        starts_per_owner: plays that start for one owner's accounts on one day, those for the hold-out included.
        grace: how long after its last step and its goal's time a run may still wait for its turn.
        time_zone: the workspace's, which also stands in where a contact's own is not known.
        harmful: plays that did worse than doing nothing; they start no more.
    """

    between_plays: timedelta = timedelta(hours=24)
    starts_per_owner: int = 5
    grace: timedelta = timedelta(days=14)
    time_zone: str = "UTC"
    harmful: frozenset[str] = frozenset()

    def today(self, now: datetime) -> date:
        """The date in the workspace's time zone."""
        return now.astimezone(ZoneInfo(self.time_zone)).date()


@dataclass(frozen=True)
class Run:
    """A play at an account, with the play as it was when it started, its variant's texts and times in place.

    Args:
        state: running, paused, held_out, or finished or stopped while its goal still counts.
        done: when each step was done, by id; `skipped`: the ids of those left out.
        waited: how long it has been paused so far.
    """

    id: int
    account_id: int
    play: Play
    state: str
    started_at: datetime
    variant: str = STANDARD
    done: Mapping[str, datetime] = field(default_factory=dict)
    skipped: frozenset[str] = frozenset()
    waited: timedelta = timedelta(0)

    @property
    def rank(self) -> int:
        """Its urgency, 0 for the most urgent."""
        return RANKS[self.play.urgency]

    @property
    def goal_until(self) -> datetime:
        """Until when its goal counts."""
        return self.started_at + timedelta(days=self.play.goal_within_days) + self.waited


@dataclass(frozen=True, eq=False)
class History:
    """What happened before.

    Args:
        starts: `account_id, play, started_at` (UTC): the newest start of each account and play.
        touches: `account_id, play, at` (UTC): contacts of late; `play` is empty for a colleague's own message.
    """

    starts: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=STARTS))
    touches: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=TOUCHES))


@dataclass(frozen=True)
class Start:
    """Begin a play at an account; with the variant `held_out` it is only watched."""

    account_id: int
    play: str
    because: str
    variant: str


@dataclass(frozen=True)
class DoStep:
    """Do a step that was due at `due`."""

    run: int
    step: str
    due: datetime


@dataclass(frozen=True)
class Skip:
    """Leave a step out for good."""

    run: int
    step: str
    because: str


@dataclass(frozen=True)
class Stop:
    """End a run; `words` say why to people."""

    run: int
    because: StopReason
    words: str


@dataclass(frozen=True)
class GoalMet:
    """A run that ended before, or one of the hold-out, reached its goal on a day on which that counts."""

    run: int
    on: date


@dataclass(frozen=True, eq=False)
class Decisions:
    """Everything that is to happen now, and what is not and why.

    Args:
        holds: `account_id, play, because`: plays that would start, and due steps that wait.
        errors: why a play is disabled, by its id.
    """

    starts: tuple[Start, ...] = ()
    steps: tuple[DoStep, ...] = ()
    skips: tuple[Skip, ...] = ()
    stops: tuple[Stop, ...] = ()
    goals: tuple[GoalMet, ...] = ()
    holds: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=HOLDS))
    errors: Mapping[str, str] = field(default_factory=dict)


def assigned(play: Play, account: str) -> str:
    """Choose an account's arm of a play: the hold-out or a variant, always the same one for the same account.

    Args:
        account: the account's external id, which stays when everything is imported anew.
    """
    if _share(f"{play.id}:{account}") < play.holdout:
        return HELD_OUT
    arms = (STANDARD, *sorted({name for step in play.steps for name in step.arms}))
    return arms[int(_share(f"{play.id}:{account}:variant") * len(arms))]


def of_variant(play: Play, variant: str) -> Play:
    """Return the play with the texts and times of one variant."""
    if not any(variant in step.arms for step in play.steps):
        return play
    return play.model_copy(update={"steps": tuple(step.of(variant) for step in play.steps)})


def _share(text: str) -> float:
    """A number from 0 to below 1 that looks random and is always the same for a text."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:6]) / 2**48
