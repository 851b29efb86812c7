"""Generates a large portfolio straight into a database and Parquet files, for benchmarks of scoring.

`python -m tests.benchmarks.fleet FOLDER` scores the last day of one anew and prints what it took, as JSON.
"""

import json
import resource
import sqlite3
import sys
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import polars as pl

from bot.app import build_core
from bot.runtime import Core
from bot.settings import Settings

TODAY = date(2026, 11, 20)
DAYS = 90
SEGMENTS = ("smb", "mid_market", "enterprise", "consumer")
PLANS = ("starter", "professional", "business", "enterprise")


def build_fleet(folder: Path, accounts: int, tickets: int, interactions: int, invoices: int) -> Core:
    """Make `accounts` with 90 days of daily use and the given numbers of rows, all a year deep at most."""
    core = open_fleet(folder)
    write_usage(folder / "usage" / "main", accounts)
    rng = np.random.default_rng(7)
    frames = {
        "account": _accounts(rng, accounts),
        "ticket": _tickets(rng, accounts, tickets),
        "interaction": _interactions(rng, accounts, interactions),
        "invoice": _invoices(rng, accounts, invoices),
    }
    connection = sqlite3.connect(folder / "tend.db")
    for table, frame in frames.items():
        marks = ", ".join("?" * frame.width)
        connection.executemany(f"INSERT INTO {table} ({', '.join(frame.columns)}) VALUES ({marks})", frame.iter_rows())
    connection.commit()
    connection.close()
    return core


def open_fleet(folder: Path) -> Core:
    """Open what `build_fleet` made, on the morning of its last day."""
    settings = Settings(data_dir=folder, database_url=None, usage_url=None, openai_api_key=None)
    return build_core(settings, clock=lambda: datetime(2026, 11, 20, 6, tzinfo=UTC))


def write_usage(folder: Path, accounts: int) -> None:
    """One Parquet file a month, as the importer leaves them."""
    folder.mkdir(parents=True, exist_ok=True)
    first = TODAY - timedelta(days=DAYS - 1)
    connection = duckdb.connect()
    connection.execute("SELECT setseed(0.5)")
    months = sorted({(first + timedelta(days=n)).replace(day=1) for n in range(DAYS)})
    for month in months:
        connection.execute(
            f"""COPY (
                SELECT 'A' || a AS account, d::DATE AS day, users AS active_users, users * 3 AS sessions,
                       users * 40.0 AS minutes, (users * 7)::BIGINT AS key_events, (users * 11)::BIGINT AS api_calls
                FROM (
                    SELECT a, d, CASE WHEN random() < 0.3 THEN 0 ELSE (random() * (a % 20 + 1))::BIGINT END AS users
                    FROM range({accounts}) AS t(a),
                         (SELECT unnest(generate_series(DATE '{first}', DATE '{TODAY}', INTERVAL 1 DAY)) AS d)
                    WHERE date_trunc('month', d) = DATE '{month}'
                ) ORDER BY account, day
            ) TO '{folder}/{month:%Y-%m}.parquet' (FORMAT parquet)"""
        )


def _days_ago(values: np.ndarray) -> pl.Series:
    return pl.Series(np.datetime64(TODAY) - values.astype("timedelta64[D]"))


def _texts(frame: pl.DataFrame) -> pl.DataFrame:
    """Dates and times as SQLite keeps them."""
    return frame.with_columns(
        pl.col(pl.Date).dt.strftime("%Y-%m-%d"), pl.col(pl.Datetime).dt.strftime("%Y-%m-%d %H:%M:%S.%6f")
    )


def _accounts(rng: np.random.Generator, n: int) -> pl.DataFrame:
    age = rng.integers(10, 1500, n)
    gone = rng.random(n) < 0.05
    return _texts(
        pl.DataFrame(
            {
                "workspace_id": "main",
                "id": np.arange(1, n + 1),
                "external_id": [f"A{k}" for k in range(n)],
                "name": [f"Account {k}" for k in range(n)],
                "industry": rng.choice(["saas", "healthcare", "trades", "other"], n),
                "segment": rng.choice(SEGMENTS, n),
                "plan": rng.choice(PLANS, n),
                "mrr": rng.integers(20, 20_000, n).astype(float),
                "currency": "USD",
                "status": "active",
                "started_on": _days_ago(age),
                "renewal_on": _days_ago(-rng.integers(1, 365, n)),
                "churned_on": pl.Series(_days_ago(rng.integers(1, 300, n))).set(pl.Series(~gone), None),
                "seats_bought": rng.integers(1, 50, n),
                "seats_used": rng.integers(1, 50, n),
            }
        )
    )


def _tickets(rng: np.random.Generator, accounts: int, n: int) -> pl.DataFrame:
    opened = pl.Series(np.datetime64(TODAY, "us") - (rng.random(n) * 365 * 86_400e6).astype("timedelta64[us]"))
    resolved = opened + pl.Series((rng.exponential(30, n) * 3600e6).astype("timedelta64[us]"))
    return _texts(
        pl.DataFrame(
            {
                "workspace_id": "main",
                "external_id": np.arange(n).astype(str),
                "account_id": rng.integers(1, accounts + 1, n),
                "opened_at": opened,
                "resolved_at": resolved.set(pl.Series(rng.random(n) < 0.02), None),
                "severity": "normal",
                "escalated": (rng.random(n) < 0.03).astype(int),
                "self_service": (rng.random(n) < 0.3).astype(int),
                "category": rng.choice(["bug", "question", "feature_request"], n),
                "sentiment": rng.normal(0, 0.4, n).clip(-1, 1),
            }
        )
    )


def _interactions(rng: np.random.Generator, accounts: int, n: int) -> pl.DataFrame:
    at = pl.Series(np.datetime64(TODAY, "us") - (rng.random(n) * 365 * 86_400e6).astype("timedelta64[us]"))
    return _texts(
        pl.DataFrame(
            {
                "workspace_id": "main",
                "external_id": np.arange(n).astype(str),
                "account_id": rng.integers(1, accounts + 1, n),
                "channel": rng.choice(["email", "call", "meeting", "in_app"], n),
                "direction": rng.choice(["out", "in"], n),
                "at": at,
                "opened": (rng.random(n) < 0.5).astype(int),
                "replied": (rng.random(n) < 0.3).astype(int),
                "attendees": rng.integers(0, 4, n),
            }
        )
    )


def _invoices(rng: np.random.Generator, accounts: int, n: int) -> pl.DataFrame:
    issued = rng.integers(0, 365, n)
    due, late = issued - 14, rng.integers(-14, 20, n)
    return _texts(
        pl.DataFrame(
            {
                "workspace_id": "main",
                "external_id": np.arange(n).astype(str),
                "account_id": rng.integers(1, accounts + 1, n),
                "amount": 100.0,
                "currency": "USD",
                "issued_on": _days_ago(issued),
                "due_on": _days_ago(due),
                "paid_on": _days_ago(due - late),
                "failed_on": _days_ago(due).set(pl.Series(rng.random(n) > 0.02), None),
            }
        )
    )


def score_once(folder: Path) -> dict[str, float]:
    """Score the last day with nothing stored before, and say how long it took and what it wrote.

    Opportunities and journeys, which follow the scores, are timed apart.
    """
    from tools import refresh

    apart = {"opportunity": 0.0, "journey": 0.0}

    def timed(name: str, update: Any) -> Any:
        def run(*given: Any) -> Any:
            began = time.perf_counter()
            found = update(*given)
            apart[name] += time.perf_counter() - began
            return found

        return run

    refresh.update_opportunities = timed("opportunity", refresh.update_opportunities)
    refresh.update_journeys = timed("journey", refresh.update_journeys)
    connection = sqlite3.connect(folder / "tend.db")
    for table in ("snapshot", "scoring_run", "signal", "bookmark", "opportunity", "stage_entry", "milestone"):
        connection.execute(f"DELETE FROM {table}")
    connection.commit()
    ctx = open_fleet(folder).context()
    started = time.perf_counter()
    refresh.score_day(ctx, ctx.usage.table("main"), TODAY)
    seconds = time.perf_counter() - started - sum(apart.values())
    written = {
        f"{t}s": float(connection.execute(f"SELECT count(*) FROM {t}").fetchone()[0])
        for t in ("snapshot", "signal", "opportunity")
    }
    return {
        "seconds": seconds,
        **{f"{name} seconds": each for name, each in apart.items()},
        "gigabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6,
        **written,
    }


if __name__ == "__main__":
    print(json.dumps(score_once(Path(sys.argv[1]))))
