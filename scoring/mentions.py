"""What customers say that matters, found by declared patterns: no model, the same answer every time."""

import re
import tomllib
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
from polars.exceptions import PolarsError
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from scoring.predicates import did_you_mean

MENTIONS = Path(__file__).parent / "mentions.toml"
MOST = 200  # characters of a quote
BEFORE = 80  # characters kept before the passage, in a sentence longer than that
SENTENCE = r"[^.!?\n]+(?:[.!?]+[^\s.!?][^.!?\n]*)*[.!?]*"  # a dot inside a word, as in 2.5 or app.example, ends nothing
MENTION = {
    "source": pl.String,
    "source_id": pl.Int64,
    "account_id": pl.Int64,
    "kind": pl.String,
    "said_on": pl.Date,
    "quote": pl.String,
}
KEY = ["source", "source_id", "kind"]


class MentionError(ValueError):
    """A file of patterns that cannot be used; the message names file, kind and pattern."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Entry(_Strict):
    """One kind of mention: regular expressions over a sentence, and what is taken out of it before."""

    kind: str = Field(pattern=r"^[a-z][a-z_]{2,39}$")
    title: str
    patterns: tuple[str, ...] = Field(min_length=1)
    unless: tuple[str, ...] = ()


class _Content(_Strict):
    competitors: tuple[str, ...] = ()
    negations: tuple[str, ...] = ()
    mentions: tuple[Entry, ...] = Field(min_length=1)


@dataclass(frozen=True)
class Pattern:
    """One kind's patterns as two expressions in Rust's syntax, and its title for people."""

    kind: str
    title: str
    said: str
    unless: str | None


@dataclass(frozen=True)
class Patterns:
    """Every kind of mention; `version` changes with the file, so that texts are read again."""

    kinds: tuple[Pattern, ...]
    version: str


def load_mentions(path: Path = MENTIONS) -> Patterns:
    """Read the patterns.

    Raises:
        MentionError: with file, kind and pattern, or file and key.
    """
    content = _content(path)
    kinds = [entry.kind for entry in content.mentions]
    if twice := next((kind for kind in kinds if kinds.count(kind) > 1), None):
        raise MentionError(f"{path.name}: the kind '{twice}' is declared twice")
    if content.competitors and "competitor" not in kinds:
        raise MentionError(f"{path.name}: `competitors` are listed, but there is no kind 'competitor'")
    _check(path.name, "negations", content.negations)
    found = tuple(_pattern(path.name, entry, content) for entry in content.mentions)
    return Patterns(found, f"{zlib.crc32(path.read_bytes()):08x}")


def find_mentions(texts: pl.DataFrame, patterns: Patterns) -> pl.DataFrame:
    """Find every kind of mention in many texts at once.

    Args:
        texts: `source`, `source_id`, `account_id`, `at` (a day or a time) and `text`.

    Returns:
        `source`, `source_id`, `account_id`, `kind`, `said_on` and `quote`, the first sentence of the text that
        says so; one row per text and kind.
    """
    plain = texts.with_columns(
        pl.col("text").str.replace_all("[‘’]", "'"), pl.col("at").cast(pl.Date).alias("said_on")
    ).with_row_index("_text")
    parts = [_of_kind(plain, pattern) for pattern in patterns.kinds]
    return pl.concat([pl.DataFrame(schema=MENTION), *parts])


def _of_kind(texts: pl.DataFrame, pattern: Pattern) -> pl.DataFrame:
    """Only texts that say it at all are taken apart: most say nothing of the kind."""
    sentences = (
        texts.filter(pl.col("text").str.contains(pattern.said))
        .with_columns(pl.col("text").str.extract_all(SENTENCE).alias("sentence"))
        .explode("sentence", empty_as_null=False)
        .with_columns(pl.col("sentence").str.replace_all(r"\s+", " ").str.strip_chars())
    )
    kept = pl.col("sentence") if pattern.unless is None else pl.col("sentence").str.replace_all(pattern.unless, " … ")
    found = sentences.filter(kept.str.contains(pattern.said)).unique("_text", keep="first", maintain_order=True)
    return found.with_columns(pl.lit(pattern.kind).alias("kind"), _quote(pattern).alias("quote")).select(
        pl.col(name).cast(kind) for name, kind in MENTION.items()
    )


def _quote(pattern: Pattern) -> pl.Expr:
    sentence = pl.col("sentence")
    passage = sentence.str.extract(f"(.{{0,{BEFORE}}}{pattern.said}.*)").str.slice(0, MOST).str.strip_chars()
    return pl.when(sentence.str.len_chars() <= MOST).then(sentence).otherwise(passage)


def _pattern(file: str, entry: Entry, content: _Content) -> Pattern:
    names = tuple(re.escape(name) for name in content.competitors) if entry.kind == "competitor" else ()
    _check(file, entry.kind, entry.patterns + entry.unless)
    unless = content.negations + entry.unless
    return Pattern(entry.kind, entry.title, _any_of(entry.patterns + names), _any_of(unless) if unless else None)


def _any_of(patterns: tuple[str, ...]) -> str:
    return rf"(?i:\b(?:{'|'.join(patterns)})\b)"


def _check(file: str, kind: str, patterns: tuple[str, ...]) -> None:
    """Try each pattern where it will run: Rust's expressions know no look-around, for instance."""
    for pattern in patterns:
        try:
            matches_all = pl.Series([""]).str.contains(f"^(?:{pattern})$")[0]
        except PolarsError as error:
            reason = " ".join(str(error).split())
            raise MentionError(f"{file}: {kind}: the pattern '{pattern}' is broken: {reason}") from error
        if matches_all:
            raise MentionError(f"{file}: {kind}: the pattern '{pattern}' matches an empty text, so every text")


def _content(path: Path) -> _Content:
    try:
        return _Content.model_validate(tomllib.loads(path.read_text()))
    except tomllib.TOMLDecodeError as error:
        raise MentionError(f"{path.name}: {error}") from error
    except ValidationError as error:
        raise MentionError(f"{path.name}: {_reason(error.errors()[0])}") from error


def _reason(first: Any) -> str:
    where, key = ".".join(str(part) for part in first["loc"]), str(first["loc"][-1])
    if first["type"] != "extra_forbidden":
        return f"{where}: {first['msg']}"
    return f"{where}: unknown key{did_you_mean(key, [*Entry.model_fields, *_Content.model_fields])}"
