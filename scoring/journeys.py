"""Declared journeys: the stages of the lifecycle, and journeys by day with their milestones, read strictly."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import polars as pl
from pydantic import BaseModel, ConfigDict, Field, model_validator

from scoring.catalogue import CATALOGUE, TEXTS
from scoring.declared import DeclaredError, read_declared
from scoring.predicates import Columns, PredicateError, did_you_mean, predicate

JOURNEYS = Path(__file__).parent / "journeys"
STAGES = (
    "awareness", "consideration", "trial", "purchase", "onboarding", "adoption", "value_realisation", "retention",
    "expansion", "loyalty", "advocacy", "reactivation",
)  # fmt: skip
Stage = Literal[
    "awareness", "consideration", "trial", "purchase", "onboarding", "adoption", "value_realisation", "retention",
    "expansion", "loyalty", "advocacy", "reactivation",
]  # fmt: skip
# What the rules may ask besides the catalogue and its texts; `stated_stage` is the one in the team's own system.
MORE_NUMBERS = ("health", "churn_probability", "days_in_stage")
MORE_TEXTS = ("sub_segment", "stated_stage")
COLUMNS: Columns = {
    **dict.fromkeys((*CATALOGUE, *MORE_NUMBERS), pl.Float64()),
    **dict.fromkeys((*TEXTS, *MORE_TEXTS), pl.String()),
}
Id = r"^[a-z][a-z0-9_]{1,39}$"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Milestone(_Strict):
    """A step that is reached once; `manual` where only a colleague can tell.

    Args:
        day: by when it is due, counted from the entry into the stage or the start of the journey.
        actions: what helps to reach it.
        metric: how one sees that it worked.
    """

    id: str = Field(pattern=Id)
    title: str
    day: int = Field(ge=0, le=730)
    when: str | None = None
    manual: bool = False
    actions: tuple[str, ...] = ()
    metric: str | None = None

    @model_validator(mode="after")
    def _told(self) -> "Milestone":
        if (self.when is None) != self.manual:
            raise ValueError(f"milestone {self.id}: give it either `when` or `manual = true`")
        return self


class Advice(_Strict):
    """What to do, or what to beware of, where a condition holds; `play` is the id of the play that does it."""

    when: str
    says: str
    play: str | None = Field(default=None, pattern=Id)


class StageRule(_Strict):
    """One stage of the lifecycle.

    Args:
        enter: who may be in it; `exit`: who has done what it is for, and goes on where a later stage's `enter` holds;
            the last stage on the way has none.
        back, back_when, back_says: where an account returns to, when, and why.
        aside: it lies beside the way: entered from any stage, left for the stage whose rules hold then.
        typical_days, target: in what time which share of accounts goes on.
        since: the date that says best when an account that was not watched came here.
        success: what is reached when it is over; `plays`: what starts by itself.
    """

    name: Stage
    means: str
    enter: str
    exit: str | None = None
    back: Stage | None = None
    back_when: str | None = None
    back_says: str | None = None
    aside: bool = False
    typical_days: int = Field(ge=1, le=1500)
    target: float | None = Field(default=None, gt=0, le=1)
    since: Literal["started_on", "first_value_on", "churned_on", "last_used_on"] | None = None
    success: tuple[str, ...] = Field(min_length=1)
    plays: tuple[str, ...] = ()
    milestones: tuple[Milestone, ...] = ()
    risks: tuple[Advice, ...] = ()
    actions: tuple[Advice, ...] = ()

    @model_validator(mode="after")
    def _complete(self) -> "StageRule":
        if len({self.back is None, self.back_when is None, self.back_says is None}) > 1:
            raise ValueError(f"stage {self.name}: `back`, `back_when` and `back_says` belong together")
        if self.back and STAGES.index(self.back) >= STAGES.index(self.name):
            raise ValueError(f"stage {self.name}: `back` must be a stage before it")
        return self


class DayJourney(_Strict):
    """A journey by day, counted from the account's first day, for those of whom `who` holds."""

    id: str = Field(pattern=Id)
    title: str
    who: str
    days: int = Field(ge=1, le=730)
    target: float | None = Field(default=None, gt=0, le=1)
    plays: tuple[str, ...] = ()
    milestones: tuple[Milestone, ...] = Field(min_length=1)
    risks: tuple[Advice, ...] = ()
    actions: tuple[Advice, ...] = ()

    @model_validator(mode="after")
    def _ordered(self) -> "DayJourney":
        ids = [milestone.id for milestone in self.milestones]
        if twice := next((name for name in ids if ids.count(name) > 1), None):
            raise ValueError(f"the milestone '{twice}' is declared twice")
        if any(milestone.day > self.days for milestone in self.milestones):
            raise ValueError("a milestone lies after the last day of the journey")
        return self


class Lifecycle(_Strict):
    """The stages of a team, in the order of `STAGES`; a team may use fewer."""

    id: str = Field(pattern=Id)
    title: str
    stages: tuple[StageRule, ...] = Field(min_length=2)

    @model_validator(mode="after")
    def _ordered(self) -> "Lifecycle":
        names = [stage.name for stage in self.stages]
        if sorted(set(names), key=STAGES.index) != names:
            raise ValueError(f"the stages must be in this order, each once: {', '.join(STAGES)}")
        for stage in self.stages:
            if stage.back and stage.back not in names:
                raise ValueError(f"stage {stage.name}: unknown stage '{stage.back}'{did_you_mean(stage.back, names)}")
        way = [stage for stage in self.stages if not stage.aside]
        if not way:
            raise ValueError("every stage is aside; one at least must lie on the way")
        if stuck := next((stage.name for stage in self.stages if not stage.exit and stage != way[-1]), None):
            raise ValueError(f"stage {stuck}: only the last stage on the way may do without `exit`")
        return self

    def stage(self, name: str) -> StageRule:
        """Return a stage by name; KeyError when the team does not use it."""
        return {stage.name: stage for stage in self.stages}[name]  # type: ignore[index]


@dataclass(frozen=True)
class Journeys:
    """The lifecycle and the journeys by day, with every rule checked: `rules` maps a predicate's text to it."""

    lifecycle: Lifecycle
    by_day: tuple[DayJourney, ...]
    rules: dict[str, pl.Expr] = field(default_factory=dict, repr=False)
    reads: dict[str, tuple[str, ...]] = field(default_factory=dict, repr=False)

    def holds(self, text: str) -> pl.Expr:
        """The predicate as true or false: what is not known meets no condition."""
        return self.rules[text].fill_null(False)


def prepared(table: pl.DataFrame) -> pl.DataFrame:
    """Give a feature table every column that rules may ask for; NaN, larger than any number, becomes missing."""
    there = set(table.columns)
    typed = (
        (pl.col(name).cast(kind).fill_nan(None) if kind == pl.Float64 else pl.col(name).cast(kind))
        if name in there
        else pl.lit(None, kind).alias(name)
        for name, kind in COLUMNS.items()
    )
    return table.select(pl.col("account_id").cast(pl.Int64), *typed)


def load_journeys(folder: Path = JOURNEYS) -> Journeys:
    """Read every journey of a folder: `lifecycle.toml`, and the others by day.

    Raises:
        DeclaredError: with file, line, key and the nearest key or feature that exists.
    """
    lifecycle = read_declared(folder / "lifecycle.toml", Lifecycle)
    by_day: list[DayJourney] = []
    found = Journeys(lifecycle, ())
    _check(found, folder / "lifecycle.toml", lifecycle_rules(lifecycle))
    for path in sorted(folder.glob("*.toml")):
        if path.name != "lifecycle.toml":
            journey = read_declared(path, DayJourney)
            if journey.id in (lifecycle.id, *(other.id for other in by_day)):
                raise DeclaredError(f"{path.name}: the id '{journey.id}' is used by another journey")
            _check(found, path, day_rules(journey))
            by_day.append(journey)
    return Journeys(lifecycle, tuple(by_day), found.rules, found.reads)


def lifecycle_rules(lifecycle: Lifecycle) -> Iterator[str]:
    """Every predicate of a lifecycle."""
    for stage in lifecycle.stages:
        yield from (text for text in (stage.enter, stage.exit, stage.back_when) if text)
        yield from _parts(stage)


def day_rules(journey: DayJourney) -> Iterator[str]:
    """Every predicate of a journey by day."""
    yield journey.who
    yield from _parts(journey)


def _parts(owner: StageRule | DayJourney) -> Iterator[str]:
    yield from (milestone.when for milestone in owner.milestones if milestone.when)
    yield from (advice.when for advice in (*owner.risks, *owner.actions))


def _check(journeys: Journeys, path: Path, texts: Iterator[str]) -> None:
    for text in texts:
        try:
            journeys.rules[text], journeys.reads[text] = predicate(text, COLUMNS)
        except PredicateError as error:
            lines = path.read_text().splitlines()
            line = next((n for n, each in enumerate(lines, 1) if text in each), 1)
            raise DeclaredError(f"{path.name}, line {line}: “{text}”: {error}") from error
