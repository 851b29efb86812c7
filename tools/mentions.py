"""Read what customers wrote, each text once, and keep the sentences that matter."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any

import polars as pl
from sqlmodel import Session, and_, col, or_, select

from scoring.mentions import MENTION, Patterns, find_mentions
from storage.bulk import remove_rows
from storage.database import insert_rows
from storage.models import Bookmark, Interaction, Mention, SurveyResponse, Ticket
from storage.queries import read_frame
from tools.context import Context

BATCH = 20_000  # texts at once
RECENT = 7  # days: texts this young are read again, because tickets are still written to after they were opened
BY_PATTERN, BY_MODEL = "pattern", "model"
SAID = ["source", "source_id", "account_id", "kind", "said_on", "quote"]


@dataclass(frozen=True)
class Source:
    """Where customers write: the table, when, which columns hold the words, and which rows are theirs."""

    name: str
    model: Any
    at: str
    words: tuple[str, ...]
    where: tuple[Any, ...] = ()


SOURCES = (
    Source("ticket", Ticket, "opened_at", ("subject", "text")),
    Source("interaction", Interaction, "at", ("subject", "text"), (col(Interaction.direction) == "in",)),
    Source("survey", SurveyResponse, "answered_on", ("comment",)),
)


@dataclass(frozen=True)
class Scanned:
    """What one reading did."""

    texts: int
    found: int
    removed: int


def scan_mentions(ctx: Context, session: Session, as_of: date, patterns: Patterns) -> Scanned:
    """Read tickets, inbound interactions and survey comments that are new, or from the last week. The caller commits.

    Every mention carries the day on which it was said, so a day of the past counts only what was said by then.
    With other patterns every text is read again. An older text that an import changes is not.
    """
    texts = found = removed = 0
    for source in SOURCES:
        for batch in _batches(session, source, as_of, f"mentions:{source.name}:{patterns.version}"):
            new, gone = _store(session, source.name, batch, find_mentions(batch, patterns))
            texts, found, removed = texts + batch.height, found + new, removed + gone
    return Scanned(texts, found, removed)


def _batches(session: Session, source: Source, as_of: date, name: str) -> Iterator[pl.DataFrame]:
    """Page through the texts by id, and remember the highest one."""
    insert_rows(session, Bookmark, [{"name": name, "last_id": 0}], unless=("name",))
    mark = session.exec(select(Bookmark).where(Bookmark.name == name)).one()
    identity, at = col(source.model.id), col(getattr(source.model, source.at))
    start = as_of - timedelta(days=RECENT)
    recent = at >= (start if source.at.endswith("_on") else datetime.combine(start, time.min))
    wanted = and_(worded(source), or_(identity > (mark.last_id or 0), recent))
    cursor = 0
    while (batch := read_texts(session, source, wanted, cursor, BATCH)).height:
        cursor = int(batch["source_id"][-1])
        yield batch
    mark.last_id = max(mark.last_id or 0, cursor)
    session.add(mark)
    session.flush()


def worded(source: Source) -> Any:
    """The condition that a row has any words."""
    return or_(*[col(getattr(source.model, name)).is_not(None) for name in source.words])


def read_texts(session: Session, source: Source, wanted: Any, after: int, most: int) -> pl.DataFrame:
    """Return `source, source_id, account_id, at, text` of wanted rows with a higher id, in their order."""
    identity = col(source.model.id)
    page = select(identity).where(wanted, identity > after, *source.where).order_by(identity).limit(most)
    names = ("id", "account_id", source.at, *source.words)
    rows = read_frame(session, source.model, names, identity.in_(page.scalar_subquery())).sort("id")
    words = pl.concat_str(source.words, separator="\n", ignore_nulls=True)
    return rows.select(
        pl.lit(source.name).alias("source"),
        pl.col("id").alias("source_id"),
        "account_id",
        pl.col(source.at).alias("at"),
        words.alias("text"),
    )


def _store(session: Session, source: str, batch: pl.DataFrame, found: pl.DataFrame) -> tuple[int, int]:
    """Make the stored mentions of these texts those that were found. Returns how many are new, and how many gone."""
    low, high = batch["source_id"][0], batch["source_id"][-1]
    span = col(Mention.source_id).between(low, high)
    mine = (col(Mention.source) == source, col(Mention.found_by) == BY_PATTERN, span)
    stored = read_frame(session, Mention, ("id", *SAID), *mine)
    stored = stored.join(batch, on="source_id", how="semi").cast({name: MENTION[name] for name in SAID})
    gone = stored.join(found, on=SAID, how="anti")
    new = found.join(stored, on=SAID, how="anti")
    remove_rows(session, Mention, gone["id"].to_list())
    insert_rows(session, Mention, new.iter_rows(named=True), unless=("source", "source_id", "kind"))
    return new.height, gone.height
