"""What answers cost, and what people said about them."""

from datetime import date, datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, Index, UniqueConstraint
from sqlmodel import Field

from storage.models.base import UtcDateTime, WorkspaceRow


class ModelUse(WorkspaceRow, table=True):
    """What the language model was used for on one day, by one scope: the workspace, a channel or a colleague.

    What a call may use is added before it and put right after it, so that two processes never both take the rest.
    `cost` is in millionths of the currency of the prices.
    """

    __tablename__ = "model_use"
    __table_args__ = (UniqueConstraint("workspace_id", "day", "scope"),)

    id: int | None = Field(default=None, primary_key=True)
    day: date
    scope: str = Field(max_length=270)
    calls: int = 0
    tokens: int = Field(default=0, sa_type=BigInteger)
    cost: int = Field(default=0, sa_type=BigInteger)


class Feedback(WorkspaceRow, table=True):
    """What one colleague thinks of one answer, with what the answer was made of; thinking again overwrites it."""

    __tablename__ = "feedback"
    __table_args__ = (
        UniqueConstraint("workspace_id", "turn", "user"),
        Index("ix_feedback_at", "workspace_id", "at"),
    )

    id: int | None = Field(default=None, primary_key=True)
    turn: str = Field(max_length=120)
    user: str = Field(max_length=254)
    good: bool
    reason: str = Field(default="", max_length=20)
    words: str = Field(default="", max_length=1000)
    question: str
    answer: str
    mode: str = Field(max_length=20)
    tools: list[dict[str, Any]] = Field(default_factory=list, sa_type=JSON)
    facts: list[dict[str, Any]] = Field(default_factory=list, sa_type=JSON)
    at: datetime = Field(sa_type=UtcDateTime)
