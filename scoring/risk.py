"""Risk segments by probability of loss, what each asks for, and what an attempt to keep an account is worth."""

import tomllib
from functools import cache
from itertools import pairwise
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, model_validator

RISK = Path(__file__).with_name("risk.toml")


class RiskSegment(BaseModel):
    """A range of probabilities, from its lower end up to the next segment's; `hours` of a CSM that an attempt takes."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    name: str
    lower: float = Field(alias="from", ge=0, le=1)
    respond: str
    cost: float = Field(ge=0)
    hours: float = Field(default=0.0, ge=0)
    responses: tuple[str, ...] = ()


class RiskTable(BaseModel):
    """All segments, the highest first; the share of attempts that is assumed to succeed; the segment that alarms."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    saved: float = Field(ge=0, le=1)
    alarm: str
    segments: tuple[RiskSegment, ...] = Field(alias="segment", min_length=1)

    @model_validator(mode="after")
    def _falling_to_zero(self) -> "RiskTable":
        lowers = [segment.lower for segment in self.segments]
        if any(a <= b for a, b in pairwise(lowers)) or lowers[-1] != 0:
            raise ValueError("`from` must fall from segment to segment and end at 0")
        if self.alarm not in {segment.name for segment in self.segments}:
            raise ValueError(f"`alarm` names no segment: {self.alarm}")
        return self

    @property
    def alarming(self) -> float:
        """The probability from which an account counts as at risk, whatever its health says."""
        return next(segment.lower for segment in self.segments if segment.name == self.alarm)

    def of(self, probability: float) -> RiskSegment:
        """Return the segment of a probability."""
        return next(segment for segment in self.segments if probability >= segment.lower)

    def expected_value(self, probability: float, revenue: float) -> float:
        """What trying to keep an account is worth: probability x revenue x chance of saving - cost.

        Args:
            revenue: a year, in the account's own currency, as is the cost.
        """
        return probability * revenue * self.saved - self.of(probability).cost


@cache
def load_risk(file: Path = RISK) -> RiskTable:
    """Read the table.

    Raises:
        ValueError: an unknown key, a value out of range, or segments that overlap.
    """
    return RiskTable.model_validate(tomllib.loads(file.read_text()))
