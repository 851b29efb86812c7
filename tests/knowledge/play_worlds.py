"""Small plays and accounts for tests of the engine."""

from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl

from knowledge.kinds import PLAY_SECTIONS, Play
from knowledge.play_intents import STARTS, TOUCHES, Decisions, History, Limits, Run
from knowledge.plays import decide, eligible

NOW = datetime(2026, 5, 4, 9, tzinfo=UTC)  # a Monday
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
LIMITS = Limits()
BODY = "\n\n".join(f"## {title}\n\nSome words." for title in PLAY_SECTIONS)
ACCOUNT: dict[str, Any] = {
    "account": "a1", "owner": "dana@team.example", "arr": 1000.0, "time_zone": "UTC", "snoozed_until": None,
    "red_override": False, "opted_out_on": None, "replied_at": None, "status": "active", "health": 50.0,
    "use": 2.0,
}  # fmt: skip
TYPES = {
    "account_id": pl.Int64, "snoozed_until": pl.Date, "opted_out_on": pl.Date, "replied_at": pl.Datetime("us"),
    "health": pl.Float64, "use": pl.Float64, "time_zone": pl.String, "arr": pl.Float64, "owner": pl.String,
}  # fmt: skip
SIGNALS = {"account_id": pl.Int64, "kind": pl.String, "opened_on": pl.Date, "severity": pl.Int64}


def play(name: str = "checking", **changes: Any) -> Play:
    """A play with one email at once and one task a day later, for active accounts with a health below 60."""
    given: dict[str, Any] = {
        "kind": "play", "id": name, "title": name.replace("_", " ").title(), "owner": "csm", "review_by": "2027-06-30",
        "urgency": "soon", "trigger": {"when": "health < 60"}, "audience": "status = 'active'", "goal": "health >= 80",
        "goal_within_days": 14, "success_metric": "Health is back", "cool_down_days": 30,
        "stop": ["goal_met", "reply", "opt_out", "left_audience", "person"],
        "steps": [email("first", "0h"), task("look", "1d")], "body": BODY,
    }  # fmt: skip
    given.update(changes)
    if given["goal"] is None:
        given["stop"] = [reason for reason in given["stop"] if reason != "goal_met"]
    return Play.model_validate(given)


def email(name: str, after: str, **more: Any) -> dict[str, Any]:
    words = {"channel": "email", "actor": "assistant", "template": "check_in", "goal": "A"}
    return {"id": name, "after": after} | words | more


def task(name: str, after: str, **more: Any) -> dict[str, Any]:
    return {"id": name, "after": after, "channel": "task", "actor": "csm", "text": "Look at it.", "goal": "B"} | more


def accounts(*changes: dict[str, Any]) -> pl.DataFrame:
    """A table of accounts, the first with the id 1."""
    rows = [ACCOUNT | {"account_id": n, "account": f"a{n}"} | change for n, change in enumerate(changes, 1)]
    return pl.DataFrame(rows, schema_overrides=TYPES)


def signals(*rows: tuple[Any, ...]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=SIGNALS, orient="row")


def decided(
    *plays: Play, table: pl.DataFrame | None = None, runs: list[Run] | None = None, opened: tuple[Any, ...] = (),
    starts: tuple[Any, ...] = (), touches: tuple[Any, ...] = (), now: datetime = NOW, limits: Limits = LIMITS,
) -> Decisions:  # fmt: skip
    table = accounts({}) if table is None else table
    past = History(frame(starts, STARTS), frame(touches, TOUCHES))
    found = eligible(plays, table, signals(*opened))
    return decide({p.id: p for p in plays}, found, runs or [], table, past, now, limits)


def frame(rows: tuple[Any, ...], schema: Any) -> pl.DataFrame:
    return pl.DataFrame([(a, p, at.replace(tzinfo=None)) for a, p, at in rows], schema=schema, orient="row")


def holds(found: Decisions) -> dict[str, str]:
    return dict(found.holds.select("play", "because").iter_rows())


def run(of: Play, number: int = 1, **changes: Any) -> Run:
    given: dict[str, Any] = {"id": number, "account_id": 1, "play": of, "state": "running", "started_at": NOW}
    return Run(**given | changes)


def ends(found: Decisions) -> dict[int, str]:
    return {stop.run: stop.because for stop in found.stops}
