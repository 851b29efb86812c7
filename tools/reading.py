"""Have recent texts of customers read by a language model too, for what the patterns do not recognise."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from typing import Any

import polars as pl
import structlog
from sqlmodel import Session, and_, col, select

from scoring.mentions import MOST, Patterns
from storage.database import insert_rows
from storage.models import Bookmark, Mention
from tools.context import Context
from tools.mentions import BY_MODEL, RECENT, SOURCES, Source, read_texts, worded

MOST_READ = 200
log = structlog.get_logger()


class ReadingError(Exception):
    """The model answered in another shape than was asked for: the text counts as read."""


class ReaderDownError(Exception):
    """The model did not answer: the rest is read another day."""


@dataclass(frozen=True)
class Record:
    """One thing that a text says, by the model: its kind, and the passage word for word."""

    kind: str
    quote: str


@dataclass(frozen=True)
class Read:
    """What one reading did; `unreadable` texts got an answer that could not be used; `down` says why it stopped."""

    texts: int = 0
    found: int = 0
    unreadable: int = 0
    down: str | None = None


def read_by_model(
    ctx: Context, as_of: date, read: Callable[[str], list[Record]], patterns: Patterns, most: int = MOST_READ
) -> Read:
    """Read each text of the last week once, and keep records whose kind is known and whose quote is in the text.

    What the model returns is data about that text's own account, whatever the text says.

    Args:
        most: texts of one kind, each of which is a call.
    """
    kinds = {kind.kind for kind in patterns.kinds}
    done = Read()
    for source in SOURCES:
        with ctx.session() as session:
            batch = _unread(session, source, as_of, most)
        for row in batch.iter_rows(named=True):
            try:
                found, unreadable = _read_one(ctx, source, row, read, kinds)
            except ReaderDownError as error:
                return replace(done, down=str(error))
            done = Read(done.texts + 1, done.found + found, done.unreadable + unreadable)
    return done


def _read_one(
    ctx: Context, source: Source, row: dict[str, Any], read: Callable[[str], list[Record]], kinds: set[str]
) -> tuple[int, int]:
    """Read one text and remember that. Returns how much was found, and 1 when the answer could not be used."""
    unreadable = 0
    try:
        records = read(row["text"])
    except ReadingError as error:
        log.warning("text_not_read", source=source.name, id=row["source_id"], reason=str(error))
        records, unreadable = [], 1
    with ctx.session() as session:
        found = _keep(session, row, [r for r in records if r.kind in kinds and _said(r.quote, row["text"])])
        _mark(session, source, row["source_id"])
        session.commit()
    return found, unreadable


def _unread(session: Session, source: Source, as_of: date, most: int) -> pl.DataFrame:
    mark = session.exec(select(Bookmark).where(Bookmark.name == _bookmark(source))).first()
    at, start = col(getattr(source.model, source.at)), as_of - timedelta(days=RECENT)
    recent = at >= (start if source.at.endswith("_on") else datetime.combine(start, time.min))
    wanted = and_(worded(source), recent, col(source.model.id) > (mark.last_id or 0 if mark else 0))
    return read_texts(session, source, wanted, 0, most)


def _mark(session: Session, source: Source, last_id: int) -> None:
    insert_rows(session, Bookmark, [{"name": _bookmark(source), "last_id": 0}], unless=("name",))
    mark = session.exec(select(Bookmark).where(Bookmark.name == _bookmark(source))).one()
    mark.last_id = max(mark.last_id or 0, last_id)
    session.add(mark)


def _bookmark(source: Source) -> str:
    return f"read:{source.name}"


def _said(quote: str, text: str) -> bool:
    """Whether the passage stands in the text; white space apart."""
    return " ".join(quote.split()).lower() in " ".join(text.split()).lower()


def _keep(session: Session, row: dict[str, Any], records: list[Record]) -> int:
    by_kind = {record.kind: record for record in reversed(records)}
    known = session.exec(
        select(Mention.kind).where(Mention.source == row["source"], Mention.source_id == row["source_id"])
    ).all()
    new = [
        {
            "source": row["source"],
            "source_id": row["source_id"],
            "account_id": row["account_id"],
            "kind": kind,
            "said_on": _day(row["at"]),
            "quote": " ".join(record.quote.split())[:MOST],
            "found_by": BY_MODEL,
        }
        for kind, record in by_kind.items()
        if kind not in known
    ]
    insert_rows(session, Mention, new, unless=("source", "source_id", "kind"))
    return len(new)


def _day(at: date | datetime) -> date:
    return at.date() if isinstance(at, datetime) else at
