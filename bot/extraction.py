"""The language model as a reader: it gets one customer's text and no tools, and gives typed records back."""

import re
from collections.abc import Callable
from dataclasses import replace

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bot.privacy import Masks
from bot.settings import Settings, plain
from knowledge.documents import prompt
from scoring.mentions import Patterns
from tools.reading import ReaderDownError, ReadingError, Record

MOST_CHARACTERS = 6000  # of a text that is read
SECONDS = 30.0


class _Said(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)

    kind: str = Field(max_length=40)
    quote: str = Field(min_length=8, max_length=600)


class _Answer(BaseModel):
    records: tuple[_Said, ...] = Field(default=(), max_length=20)


def reader(settings: Settings, patterns: Patterns) -> Callable[[str], list[Record]] | None:
    """Return a function that reads one text, or None without a language model."""
    key = plain(settings.openai_api_key)
    if not key:
        return None
    kinds = "\n".join(f"- {kind.kind}: {kind.title}" for kind in patterns.kinds)
    system = prompt("extract").format(kinds=kinds)

    def read(text: str) -> list[Record]:
        masks = Masks()
        found = _records(_asked(settings, key, system, masks.hide(text[:MOST_CHARACTERS])))
        return [replace(record, quote=masks.show(record.quote)) for record in found]

    return read


def _asked(settings: Settings, key: str, system: str, text: str) -> str:
    from openai import OpenAI, OpenAIError

    client = OpenAI(api_key=key, base_url=settings.openai_base_url, timeout=SECONDS, max_retries=1)
    try:
        found = client.chat.completions.create(
            model=settings.openai_model,
            messages=[{"role": "system", "content": system}, {"role": "user", "content": f"«{text}»"}],
        )
    except OpenAIError as error:
        raise ReaderDownError(type(error).__name__) from error
    return (found.choices[0].message.content or "") if found.choices else ""


def _records(answer: str) -> list[Record]:
    """Take the records out of an answer; an answer of another shape holds none.

    Raises:
        ReadingError: not the JSON that was asked for.
    """
    found = re.search(r"\{.*\}", answer, re.S)
    try:
        answered = _Answer.model_validate_json(found.group() if found else "")
    except ValidationError as error:
        raise ReadingError("an answer of another shape") from error
    return [Record(said.kind, said.quote) for said in answered.records]
