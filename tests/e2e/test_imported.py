"""The same path over two data sets that nobody here made, checked against the files by independent queries."""

import json
import os
import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pytest
from typer.testing import CliRunner

from bot.__main__ import cli

REPO = Path(__file__).parents[2]
SHARED = Path(os.environ.get("TEND_SHARED", REPO.parent / "shared")) / "data"
CHANNEL = "C0CUSTOMERS"


def tend(data: Path, *arguments: str) -> Any:
    """Run the command line as a user would, in a process of its own, and return its JSON."""
    done = subprocess.run(
        [sys.executable, "-m", "bot", *arguments, "--json"],
        cwd=REPO,
        env={**os.environ, **environment(data)},
        capture_output=True,
        text=True,
        timeout=170,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def asked(data: Path, *arguments: str) -> Any:
    """Run the command line in this process, which has imported everything, and return its JSON."""
    done = CliRunner(env=environment(data)).invoke(cli, [*arguments, "--json"])
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def environment(data: Path) -> dict[str, str]:
    return {"DATA_DIR": str(data), "OPENAI_API_KEY": ""}


def imported(name: str, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    source = SHARED / name
    if not source.is_dir():
        pytest.skip(f"the data set {name} is not on this machine (TEND_SHARED names the folder that holds it)")
    data = tmp_path_factory.mktemp(name)
    said = tend(data, "import", str(source), "--map", str(REPO / f"storage/sources/maps/{name}.toml"))
    return data, said


@pytest.fixture(scope="module")
def crm5(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    return imported("fightchurn_crm5", tmp_path_factory)


@pytest.fixture(scope="module")
def ravenstack(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    return imported("ravenstack", tmp_path_factory)


def shown(answer: Any, unit: str) -> dict[str, float]:
    return {f["subject"]: f["value"] for f in answer["facts"] if f["measure"] == "ARR" and f["unit"] == unit}


def driver(answer: Any, words: str) -> dict[str, float]:
    return {f["subject"]: f["value"] for f in answer["facts"] if f["measure"].startswith(words)}


def test_answers_about_crm5_hold_the_numbers_of_its_files(crm5: tuple[Path, Any]) -> None:
    data, _ = crm5
    answer = asked(data, "ask", "top 40 at-risk accounts")
    arr, use = shown(answer, "USD"), driver(answer, "days in use a week")
    assert len(arr) == 40
    assert len(use) >= 5
    folder = SHARED / "fightchurn_crm5"
    truth = duckdb.sql(
        f"""SELECT 'Account ' || account_id, arg_max(mrr, start_date) * 12 FROM '{folder}/subscription.parquet'
            WHERE plan NOT IN (SELECT plan FROM '{folder}/crm5_addons.csv') GROUP BY account_id"""
    ).fetchall()
    assert arr == pytest.approx({name: value for name, value in truth if name in arr}, abs=0.01)
    days = _active_days(folder)
    for name, value in use.items():
        assert value == pytest.approx(days.get(name, 0) / 4, abs=0.001)


def _columns(file: Path) -> list[str]:
    return [row[0] for row in duckdb.sql(f"DESCRIBE SELECT * FROM '{file}'").fetchall()]


def _active_days(folder: Path) -> dict[str, int]:
    """Days of the last 28 (to 31 January 2024) on which the account had any event."""
    columns = _columns(folder / "daily_events.parquet")
    day = next(c for c in columns if c in ("day", "date", "event_date"))
    events = [c for c in columns if c not in ("account_id", day)]
    active = " OR ".join(f'"{name}" > 0' for name in events)
    rows = duckdb.sql(
        f"""SELECT 'Account ' || account_id, count(*) FROM '{folder}/daily_events.parquet'
            WHERE CAST("{day}" AS DATE) BETWEEN DATE '2024-01-04' AND DATE '2024-01-31' AND ({active}) GROUP BY 1"""
    ).fetchall()
    return dict(rows)


def test_crm5_is_scored_as_of_its_own_end_and_says_what_is_missing(crm5: tuple[Path, Any]) -> None:
    data, said = crm5
    assert said["scored"]["day"] == "2024-01-31"
    answer = tend(data, "ask", "explain the health of Account 293")
    coverage = next(f["value"] for f in answer["facts"] if f["measure"] == "coverage")
    assert coverage < 0.7
    blocks = json.dumps(answer["blocks"])
    assert "tickets a month" in blocks.split("Missing:")[1]


def test_the_digest_of_crm5_ranks_by_revenue_at_risk(crm5: tuple[Path, Any]) -> None:
    data, _ = crm5
    digest = asked(data, "digest", "--channel", CHANNEL, "--dry-run")
    assert digest["as_of"] == "2024-01-31"
    worth = [f["value"] for f in digest["facts"] if f["measure"] == "revenue at risk"]
    assert worth == sorted(worth, reverse=True)
    assert len(worth) == 5
    assert digest["total"] == len(digest["accounts"])


def test_answers_about_ravenstack_hold_the_numbers_of_its_files(ravenstack: tuple[Path, Any]) -> None:
    data, said = ravenstack
    assert date.fromisoformat(said["scored"]["day"]) <= date(2024, 12, 31)
    answer = asked(data, "ask", "top 25 accounts by ARR")
    arr = shown(answer, "USD")
    assert len(arr) == 25
    folder = SHARED / "ravenstack"
    rows = duckdb.sql(f"SELECT account_name FROM '{folder}/ravenstack_accounts.csv'").fetchall()
    assert set(arr) <= {row[0] for row in rows}
    assert list(arr.values()) == sorted(arr.values(), reverse=True)
    digest = asked(data, "digest", "--channel", CHANNEL, "--dry-run")
    assert digest["total"] > 0


def test_the_import_of_ravenstack_names_what_is_wrong_with_it(ravenstack: tuple[Path, Any]) -> None:
    _, said = ravenstack
    findings = json.dumps(said["report"]["findings"])
    for count in ("277", "35", "19432", "1077"):
        assert count in findings.replace(",", "")
