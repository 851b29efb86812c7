"""Facts: every figure and name that an answer may contain, with where it comes from."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from datetime import date
from typing import Any

from tools.writing import one_line, visible

CURRENCY_SIGNS = {"USD": "$", "EUR": "€", "GBP": "£"}


@dataclass(frozen=True)
class Fact:
    """One traceable value.

    Args:
        subject: whom it is about, an account's name or `portfolio`.
        measure: what is measured, in words.
        value: the exact value, before rounding for people.
        unit: `points`, `USD`, `share`, `days`, `date`, `accounts`, `text` …
        as_of: the day that the value describes.
        source: the table or computation that it comes from.
        author: who wrote a text that is not ours: `customer`, `colleague` or `document`.
    """

    subject: str
    measure: str
    value: float | int | str
    unit: str
    as_of: date
    source: str
    author: str = ""

    def __post_init__(self) -> None:
        for name in ("subject", "measure"):
            object.__setattr__(self, name, one_line(getattr(self, name)))
        if isinstance(self.value, str):
            object.__setattr__(self, "value", visible(self.value))

    def to_dict(self) -> dict[str, Any]:
        return {**asdict(self), "as_of": self.as_of.isoformat()}

    @classmethod
    def of(cls, kept: dict[str, Any]) -> "Fact":
        """Make a fact again of what `to_dict` returned."""
        return cls(**{**kept, "as_of": date.fromisoformat(kept["as_of"])})


def shown(fact: Fact) -> str:
    """Show a fact's value as people read it: 35%, $7,714, 12."""
    if isinstance(fact.value, str):
        return fact.value
    if fact.unit == "share":
        return f"{fact.value:.0%}"
    if len(fact.unit) == 3 and fact.unit.isupper():
        return money(fact.value, fact.unit)
    return f"{fact.value:,.6g}"


@dataclass(frozen=True)
class Result:
    """What a tool returns: deterministic wording, the facts behind it, and the accounts it speaks of."""

    text: str
    facts: tuple[Fact, ...] = ()
    account_ids: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "text", visible(self.text))


Cell = str | tuple[float, str]  # a text, or a number with the way it is shown


@dataclass(frozen=True)
class Listing(Result):
    """A result that is a table.

    Args:
        total: how many rows there are, of which `rows` shows the first.
        note: what has to be known to read it.
    """

    caption: str = ""
    head: tuple[str, ...] = ()
    rows: tuple[tuple[Cell, ...], ...] = ()
    total: int = 0
    note: str = ""


@dataclass
class FactSheet:
    """Collects facts of one day while a result is built."""

    as_of: date
    facts: list[Fact] = field(default_factory=list)

    def add(self, subject: str, measure: str, value: Any, unit: str, source: str, author: str = "") -> None:
        """Record a value; None is not a fact."""
        if value is None:
            return
        shown = value.isoformat() if isinstance(value, date) else value
        self.facts.append(Fact(subject, measure, shown, unit, self.as_of, source, author))

    def __iter__(self) -> Iterator[Fact]:
        return iter(self.facts)


def money(value: float | None, currency: str = "USD") -> str:
    """Show an amount: $9,480 · $148k · $1.24M; the fact behind it keeps the exact value."""
    if value is None:
        return "unknown"
    sign = CURRENCY_SIGNS.get(currency, currency + " ")
    amount = abs(value)
    minus = "-" if value < 0 else ""
    if amount >= 999_500:
        return f"{minus}{sign}{amount / 1e6:.2f}M"
    return f"{minus}{sign}{amount / 1e3:.0f}k" if amount >= 10_000 else f"{minus}{sign}{amount:,.0f}"


def money_by_currency(amounts: dict[str, float]) -> str:
    """Show totals side by side; currencies are never added together."""
    shown = [money(value, currency) for currency, value in sorted(amounts.items()) if value]
    return " + ".join(shown) or money(0)


def day(value: date | None) -> str:
    """Show a date as people write it: 21 Nov 2026."""
    return "unknown" if value is None else f"{value.day} {value:%b %Y}"


def plural(count: int, noun: str) -> str:
    """Show a count with its noun: 1 account, 2 accounts, 3 opportunities."""
    many = f"{noun[:-1]}ies" if noun.endswith("ty") else f"{noun}s"
    return f"{count:,} {noun if count == 1 else many}"
