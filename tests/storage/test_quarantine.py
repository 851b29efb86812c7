"""Usage that no day can hold is refused by name and set aside; the rest of the file goes on."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from sqlmodel import Session

from storage.database import Database
from storage.importing import ImportReport, import_folder, import_frames
from storage.usage import UsageStore

NOW = datetime(2024, 6, 1, 9, tzinfo=UTC)
FIRST = date(2024, 3, 1)
COUNTER = "`sessions` 8,000,000 is 40,000 times this account's usual 200: looks like a counter, not a day's count"


@pytest.fixture
def session(sqlite_database: Database) -> Iterator[Session]:
    with sqlite_database.session("w1") as session:
        ids = ["a1", "a2"]
        accounts = {"external_id": ids, "name": ids, "started_on": ["2023-01-01"] * 2}
        import_frames(session, UsageStore("unused"), {"accounts": pl.DataFrame(accounts)}, now=NOW)
        yield session


@pytest.fixture
def usage(tmp_path: Path) -> UsageStore:
    return UsageStore(str(tmp_path / "usage"))


def days(sessions: list[float | None], first: date = FIRST, account: str = "a1") -> pl.DataFrame:
    dates = [first + timedelta(days=n) for n in range(len(sessions))]
    schema = {"account": pl.String, "day": pl.Date, "sessions": pl.Float64}
    rows = [(account, day, value) for day, value in zip(dates, sessions, strict=True)]
    return pl.DataFrame(rows, schema, orient="row")


def bring(session: Session, usage: UsageStore, *frames: pl.DataFrame, **options: bool) -> ImportReport:
    rows = pl.concat(frames, how="diagonal")
    return import_frames(session, usage, {"usage": rows}, now=NOW, **options)  # type: ignore[arg-type]


def stored(usage: UsageStore) -> int:
    table = usage.table("w1")
    return 0 if table is None else table.to_polars().height


def test_a_counter_among_daily_counts_is_refused_by_file_row_field_and_reason(
    session: Session, usage: UsageStore
) -> None:
    report = bring(session, usage, days([200.0] * 20 + [8e6] + [200.0] * 5), days([8e6], account="a2"))
    refused = report.rejects[0]
    assert (refused.file, refused.row, refused.field, refused.reason) == ("usage", 21, "sessions", COUNTER)
    assert (report.counts["usage"].added, report.counts["usage"].rejected) == (26, 1)


def test_a_usual_below_one_is_named_exactly(session: Session, usage: UsageStore) -> None:
    report = bring(session, usage, days([0.25] * 20 + [5000.0]))
    assert "5,000 is 20,000 times this account's usual 0.25" in report.rejects[0].reason


@pytest.mark.parametrize(
    ("values", "refused"),
    [
        ([5.0] * 14 + [5000.0], 0),  # exactly a thousand times
        ([5.0] * 14 + [5001.0], 1),
        ([0.5] * 14 + [1000.0], 0),  # two thousand times, but not above a thousand
        ([0.5] * 14 + [1001.0], 1),
        ([5.0] * 12 + [9e6], 0),  # thirteen days with use: too few to know what is usual
        ([5.0] * 13 + [9e6], 1),
        ([5.0] * 12 + [0.0] * 50 + [None] * 5 + [9e6], 0),
        ([0.0] * 50 + [5.0] * 13 + [9e6], 1),  # idle days are not the usual
        ([5e6] * 30, 0),  # a large account
        ([5.0 * 2**n for n in range(16)], 0),  # growth without a usual
        ([3.0] * 20 + [9e6] * 19, 19),  # a cumulative counter from one day on
    ],
)
def test_only_days_far_outside_the_usual_are_refused(
    session: Session, usage: UsageStore, values: list[float | None], refused: int
) -> None:
    report = bring(session, usage, days(values))
    assert report.counts["usage"].rejected == refused
    assert stored(usage) == len(values) - refused


def test_a_single_day_is_compared_with_the_stored_days_of_its_account(session: Session, usage: UsageStore) -> None:
    bring(session, usage, days([200.0] * 13), days([8e6] * 13, account="a2"))
    late = FIRST + timedelta(days=40)
    assert bring(session, usage, days([8e6], late), dry_run=True).rejects[0].reason == COUNTER
    report = bring(session, usage, days([8e6], late), days([8e6], late, "a2"))
    assert [reject.reason for reject in report.rejects] == [COUNTER]
    assert report.counts["usage"].added == 1


def test_days_of_another_workspace_do_not_count(session: Session, sqlite_database: Database, usage: UsageStore) -> None:
    usage.write("w2", days([200.0] * 30))
    assert bring(session, usage, days([8e6])).rejects == []


def test_each_measure_is_judged_by_itself_the_teams_own_too(session: Session, usage: UsageStore) -> None:
    rows = days([5.0] * 20).with_columns(own=pl.when(pl.col("day") == FIRST).then(9e6).otherwise(2), big=pl.lit(5e6))
    report = bring(session, usage, rows)
    assert [(reject.row, reject.field) for reject in report.rejects] == [(1, "own")]


def test_a_good_row_after_a_refused_one_of_the_same_day_is_taken(session: Session, usage: UsageStore) -> None:
    last = FIRST + timedelta(days=20)
    report = bring(session, usage, days([5.0] * 20), days([9e6], last), days([6.0], last))
    assert (report.counts["usage"].rejected, report.counts["usage"].added) == (1, 21)


def test_rows_refused_for_other_reasons_do_not_make_the_usual(session: Session, usage: UsageStore) -> None:
    bad = days([5.0] * 30, date(2199, 1, 1))
    report = bring(session, usage, bad, days([5.0] * 12 + [9e6]))
    assert (report.counts["usage"].rejected, report.counts["usage"].added) == (30, 13)


def test_refused_rows_are_set_aside_whole_with_their_reasons(
    session: Session, usage: UsageStore, tmp_path: Path
) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    lines = [f"a1,{FIRST + timedelta(days=n)},200,x" for n in range(20)]
    bad = ["a1,2199-01-01,-1,y", "a1,2024-05-01,8000000,z"]
    (folder / "usage.csv").write_text("\n".join(["account,day,sessions,reason", *lines, *bad]) + "\n")
    dry = import_folder(session, usage, folder, now=NOW, dry_run=True)
    assert not (tmp_path / "usage").exists()
    report = import_folder(session, usage, folder, now=NOW)
    assert report.rejects == dry.rejects
    name = "quarantine/20240601T090000-usage.csv"
    assert f"usage.csv: the refused rows are kept in {name}, beside the usage facts" in report.notes
    kept = (tmp_path / "usage" / "w1" / name).read_text().splitlines()
    assert kept == [
        "row,account,day,sessions,reason",
        "22,a1,2199-01-01,-1,`day` is '2199-01-01': outside 1970-01-01 to 2044-12-31; `sessions` is -1: below 0",
        f'23,a1,2024-05-01,8000000,"{COUNTER}"',
    ]
    assert stored(usage) == 20


def test_nothing_is_set_aside_when_nothing_is_refused(session: Session, usage: UsageStore, tmp_path: Path) -> None:
    report = bring(session, usage, days([5.0] * 3))
    assert not (tmp_path / "usage" / "w1" / "quarantine").exists()
    assert not any("quarantine" in note for note in report.notes)


def test_a_column_that_csv_cannot_hold_does_not_stop_the_import(session: Session, usage: UsageStore) -> None:
    rows = days([5.0, -1.0]).with_columns(parts=pl.Series([[1], [2]]), raw=pl.Series([b"x", b"y"]))
    assert (bring(session, usage, rows).counts["usage"].added, stored(usage)) == (1, 1)
