"""Declared signals: SQL predicates over the feature table, evaluated for all accounts at once."""

import re
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import polars as pl
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from scoring.predicates import Columns, PredicateError, did_you_mean, predicate

SIGNALS = Path(__file__).parent / "signals"
FOUND = {"account_id": pl.Int64, "kind": pl.String, "evidence": pl.String}
FLOATS = (pl.Float32, pl.Float64)
DIGITS = 4  # of a number in the evidence
Group = Literal[
    "early", "immediate", "critical", "real_time", "competitive",
    "expansion", "opportunity", "intervention", "onboarding", "trial",
]  # fmt: skip


class SignalError(ValueError):
    """A signal file that cannot be used; the message names file, kind, line and what to write instead."""


class Declared(BaseModel):
    """One entry of a signal file.

    Args:
        kind: unique name, also stored with every opened signal.
        title: what people read.
        group: when or where it matters, as the team sorts them.
        severity: 1 (good to know) to 5 (act at once).
        when: the condition that opens it, an SQL predicate over the feature table.
        close_when: the condition that closes it; left out, it closes when `when` no longer holds.
        for_days: for so many days the condition must have held before the signal opens.
        evidence: features whose values are kept with it.
        also_needs: sources that it rests on beside those of its own features, e.g. for a computed score.
        fleet_check: whether many at once are taken for broken data; not for what the calendar brings.
        alert: whether people hear of it at once instead of in the next digest.
        notify: who hears of it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: str = Field(pattern=r"^[a-z][a-z0-9_]{2,59}$")
    title: str = Field(min_length=3)
    group: Group
    severity: int = Field(ge=1, le=5, strict=True)
    when: str
    close_when: str | None = None
    for_days: int = Field(default=0, ge=0, le=90, strict=True)
    evidence: tuple[str, ...] = Field(min_length=1)
    also_needs: tuple[str, ...] = ()
    fleet_check: bool = True
    alert: bool = False
    notify: Literal["owner", "manager", "billing", "executive"] = "owner"


@dataclass(frozen=True)
class Rule:
    """A declared signal with its checked expressions; `features` are those that `when` reads."""

    declared: Declared
    when: pl.Expr
    close_when: pl.Expr | None
    features: tuple[str, ...]

    @property
    def kind(self) -> str:
        return self.declared.kind


@dataclass(frozen=True)
class Signals:
    """Every declared signal, and the columns that they were checked against."""

    rules: tuple[Rule, ...]
    columns: dict[str, Any]

    def __iter__(self) -> Iterator[Rule]:
        return iter(self.rules)


def load_signals(folder: Path, columns: Columns) -> Signals:
    """Read every signal file of a folder.

    Args:
        columns: feature name to Polars type; what `when`, `close_when` and `evidence` may name.

    Raises:
        SignalError: with file, kind, line, reason and the nearest valid name.
    """
    rules: dict[str, Rule] = {}
    for path in sorted(folder.glob("*.toml")):
        for rule, where in _File(path).rules(columns):
            if rule.kind in rules:
                raise SignalError(f"{where}: the kind '{rule.kind}' is declared twice")
            rules[rule.kind] = rule
    return Signals(tuple(rules.values()), dict(columns))


def evaluate(signals: Signals, features: pl.DataFrame) -> pl.DataFrame:
    """Find which signals each account shows.

    Args:
        features: `account_id` and the feature table's columns; a missing value or column meets no condition.

    Returns:
        `account_id`, `kind`, `evidence` (a JSON object of the named features), one row per account and signal.
    """
    table = _prepared(signals, features)
    parts = [
        table.select("account_id", *rule.declared.evidence).filter(those).select(*_row(rule, signals.columns))
        for rule, those in _met(signals, table, _opens)
    ]
    return pl.concat(parts) if parts else pl.DataFrame(schema=FOUND)


def lasting(signals: Signals, features: pl.DataFrame) -> pl.DataFrame:
    """Find which signals would stay open if they were: `account_id`, `kind`."""
    table = _prepared(signals, features)
    ids = table.select("account_id")
    parts = [
        ids.filter(those).with_columns(pl.lit(rule.kind).alias("kind")) for rule, those in _met(signals, table, _stays)
    ]
    schema = {name: FOUND[name] for name in ("account_id", "kind")}
    return pl.concat(parts) if parts else pl.DataFrame(schema=schema)


def informed(signals: Signals, features: pl.DataFrame) -> dict[str, int]:
    """Count, per kind, the accounts that have every feature of its condition."""
    table = _prepared(signals, features)
    known = [pl.all_horizontal(pl.col(r.features).is_not_null()).sum().alias(r.kind) for r in signals]
    return table.select(known).row(0, named=True) if known else {}


def _met(
    signals: Signals, table: pl.DataFrame, condition: Callable[[Rule], pl.Expr]
) -> Iterator[tuple[Rule, pl.Series]]:
    """Yield each rule whose condition any account meets, with those that do: all conditions in one pass, as most
    are met by none, and a query of its own for each would cost more than the conditions."""
    held = table.select(condition(rule).alias(rule.kind) for rule in signals)
    return ((rule, mask) for rule, mask in zip(signals, held, strict=True) if mask.any())


def _opens(rule: Rule) -> pl.Expr:
    """A signal whose end is reached already would open and close in turns."""
    return rule.when if rule.close_when is None else rule.when & ~rule.close_when.fill_null(False)


def _stays(rule: Rule) -> pl.Expr:
    return rule.when if rule.close_when is None else ~rule.close_when.fill_null(False)


def _row(rule: Rule, columns: Columns) -> tuple[pl.Expr, ...]:
    values = [pl.col(n).round(DIGITS) if columns[n] in FLOATS else pl.col(n) for n in rule.declared.evidence]
    shown = pl.struct(values).struct.json_encode()
    return pl.col("account_id"), pl.lit(rule.kind).alias("kind"), shown.alias("evidence")


def _prepared(signals: Signals, features: pl.DataFrame) -> pl.DataFrame:
    """Give every declared column its type; NaN, which is larger than any number, becomes missing."""
    there = set(features.columns)
    return features.select(
        pl.col("account_id").cast(pl.Int64),
        *(
            _typed(name, kind) if name in there else pl.lit(None, dtype=kind).alias(name)
            for name, kind in signals.columns.items()
            if name != "account_id"
        ),
    )


def _typed(name: str, kind: Any) -> pl.Expr:
    column = pl.col(name).cast(kind)
    return column.fill_nan(None) if kind in FLOATS else column


class _File:
    """One signal file with its text, which knows the line of each key."""

    def __init__(self, path: Path) -> None:
        self.name, self.text = path.name, path.read_text()
        self.lines = self.text.splitlines()
        self.starts = [n for n, line in enumerate(self.lines) if re.match(r"\s*\[\[\s*signals\s*\]\]", line)]

    def rules(self, columns: Columns) -> Iterator[tuple[Rule, str]]:
        """Yield each rule with the words that say where it stands."""
        for place, entry in enumerate(self._entries()):
            declared = self._declared(place, entry)
            yield self._rule(place, declared, columns), self._where(place, declared.kind, "kind")

    def _entries(self) -> list[Any]:
        try:
            content = tomllib.loads(self.text)
        except tomllib.TOMLDecodeError as error:
            raise SignalError(f"{self.name}: {error}") from error
        for key in content:
            if key != "signals":
                raise SignalError(f"{self.name}: unknown key '{key}', a signal file holds [[signals]] only")
        entries = content.get("signals", [])
        if not isinstance(entries, list) or len(entries) != len(self.starts):
            raise SignalError(f"{self.name}: write each signal under a line [[signals]]")
        return entries

    def _declared(self, place: int, entry: dict[str, Any]) -> Declared:
        try:
            return Declared.model_validate(entry)
        except ValidationError as error:
            first = error.errors()[0]
            key = str(first["loc"][0])
            near = did_you_mean(key, Declared.model_fields) if first["type"] == "extra_forbidden" else ""
            reason = f"unknown key{near}" if first["type"] == "extra_forbidden" else first["msg"]
            where = self._where(place, str(entry.get("kind", "?")), key)
            raise SignalError(f"{where}: {key}: {reason}") from error

    def _rule(self, place: int, declared: Declared, columns: Columns) -> Rule:
        when, features = self._predicate(place, declared, "when", columns)
        close = self._predicate(place, declared, "close_when", columns)[0] if declared.close_when else None
        for name in declared.evidence:
            if name not in columns:
                where = self._where(place, declared.kind, "evidence")
                raise SignalError(f"{where}: evidence: unknown feature '{name}'{did_you_mean(name, columns)}")
        return Rule(declared, when, close, features)

    def _predicate(self, place: int, declared: Declared, key: str, columns: Columns) -> tuple[pl.Expr, tuple[str, ...]]:
        try:
            return predicate(getattr(declared, key), columns)
        except PredicateError as error:
            raise SignalError(f"{self._where(place, declared.kind, key)}: {key}: {error}") from error

    def _where(self, place: int, kind: str, key: str) -> str:
        return f"{self.name}: {kind}, line {self._line(place, key)}"

    def _line(self, place: int, key: str) -> int:
        """The line of an entry's key, counted from 1; of its header when the key is not there."""
        first, end = self.starts[place], [*self.starts, len(self.lines)][place + 1]
        lines = range(first, end)
        return 1 + next((n for n in lines if re.match(rf"\s*{re.escape(key)}\s*=", self.lines[n])), first)
