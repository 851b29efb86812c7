"""Usage facts: merged by account and day, replaced in one step, and the same features from every store."""

import itertools
import threading
from datetime import date, timedelta
from pathlib import Path

import polars as pl
import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from scoring.features import collect_usage, usage_features
from storage.usage import UsageStore, Written

MAY = date(2026, 5, 10)
WORKSPACE = "w1"


@pytest.fixture
def store(tmp_path: Path) -> UsageStore:
    return UsageStore(str(tmp_path / "usage"))


def rows(days: dict[date, int | None], account: str = "a1", measure: str = "sessions") -> pl.DataFrame:
    columns = {"account": [account] * len(days), "day": list(days), measure: list(days.values())}
    return pl.DataFrame(columns, schema={"account": pl.String, "day": pl.Date, measure: pl.Int64})


def stored(store: UsageStore, account: str = "a1") -> pl.DataFrame:
    return store.daily(WORKSPACE, account, date(2000, 1, 1), date(2100, 1, 1))


def test_writing_the_same_rows_again_changes_nothing(store: UsageStore) -> None:
    some = rows({MAY: 3, MAY + timedelta(days=1): 4})
    assert store.write(WORKSPACE, some) == Written(added=2)
    assert store.write(WORKSPACE, some) == Written(unchanged=2)
    assert stored(store)["sessions"].to_list() == [3, 4]


def test_a_different_value_replaces_the_old_one_and_is_counted(store: UsageStore) -> None:
    store.write(WORKSPACE, rows({MAY: 3, MAY + timedelta(days=1): 4}))
    written = store.write(WORKSPACE, rows({MAY: 7, MAY + timedelta(days=1): 4, MAY + timedelta(days=2): 5}))
    assert written == Written(added=1, changed=1, unchanged=1)
    assert stored(store)["sessions"].to_list() == [7, 4, 5]


def test_a_new_measure_is_added_beside_the_known_ones(store: UsageStore) -> None:
    store.write(WORKSPACE, rows({MAY: 3, MAY + timedelta(days=1): 4}))
    assert store.write(WORKSPACE, rows({MAY: 30}, measure="minutes")) == Written(changed=1)
    assert stored(store)["minutes"].to_list() == [30, None]
    assert stored(store)["sessions"].to_list() == [3, 4]
    assert store.write(WORKSPACE, rows({MAY: 30}, measure="minutes")) == Written(unchanged=1)


def test_a_measure_or_value_that_the_new_rows_lack_keeps_what_is_stored(store: UsageStore) -> None:
    store.write(WORKSPACE, rows({MAY: 3}))
    assert store.write(WORKSPACE, rows({MAY: None})) == Written(unchanged=1)
    assert stored(store)["sessions"].to_list() == [3]


def test_the_last_of_two_rows_for_one_day_counts(store: UsageStore) -> None:
    twice = pl.concat([rows({MAY: 1}), rows({MAY: 2})])
    assert store.write(WORKSPACE, twice) == Written(added=1)
    assert stored(store)["sessions"].to_list() == [2]


def test_whole_and_broken_numbers_of_one_measure_go_together(store: UsageStore) -> None:
    store.write(WORKSPACE, rows({MAY: 3, MAY + timedelta(days=40): 1}))
    store.write(WORKSPACE, rows({MAY: 3}).with_columns(pl.col("sessions") + 0.5))
    assert stored(store)["sessions"].to_list() == [3.5, 1.0]


def test_months_with_different_columns_read_as_one_table(store: UsageStore) -> None:
    store.write(WORKSPACE, rows({MAY: 3}))
    store.write(WORKSPACE, rows({date(2026, 6, 2): 8}, measure="widgets_made"))
    store.write(WORKSPACE, rows({date(2026, 7, 2): 9}, measure="minutes"))
    assert store.measures(WORKSPACE) == ["sessions", "minutes", "widgets_made"]
    assert stored(store)["sessions"].to_list() == [3, None, None]
    table = store.table(WORKSPACE)
    assert table is not None
    features = usage_features(table, date(2026, 7, 3)).to_polars()
    assert features["minutes_28d"].item() == pytest.approx(9 / 28)


@pytest.mark.parametrize("in_memory", [True, False])
def test_a_statement_made_once_says_of_each_day_and_table_what_its_own_would(
    store: UsageStore, in_memory: bool
) -> None:
    used = {MAY + timedelta(days=n): n % 7 for n in range(120)}
    store.write(WORKSPACE, pl.concat([rows(used), rows(dict(list(used.items())[40:90]), "a2")]))
    store.write("w2", rows(used, measure="api_calls"))  # other columns under the same name
    for workspace, after in itertools.product((WORKSPACE, "w2"), (5, 60, 119, 500)):
        table = store.table(workspace, in_memory)
        assert table is not None
        as_of = MAY + timedelta(days=after)
        own = usage_features(table, as_of).to_polars()
        assert_frame_equal(collect_usage(table, as_of).sort("account"), own.sort("account"))


def test_workspaces_are_kept_apart(store: UsageStore) -> None:
    store.write("w1", rows({MAY: 1}))
    store.write("w2", rows({MAY: 2}))
    assert stored(store)["sessions"].to_list() == [1]


def test_without_any_file_there_is_no_table_and_no_row(store: UsageStore) -> None:
    assert store.table(WORKSPACE) is None
    assert store.measures(WORKSPACE) == []
    assert stored(store).height == 0


def test_a_write_that_breaks_leaves_the_old_file_whole(store: UsageStore, tmp_path: Path) -> None:
    store.write(WORKSPACE, rows({MAY: 3}))
    (tmp_path / "usage" / WORKSPACE / "2026-05.part").write_bytes(b"half a file")  # as a crash would leave it
    assert stored(store)["sessions"].to_list() == [3]
    assert store.write(WORKSPACE, rows({MAY: 4})) == Written(changed=1)
    assert stored(store)["sessions"].to_list() == [4]


def test_writers_at_the_same_time_lose_nothing_and_readers_see_whole_files(store: UsageStore) -> None:
    seen: list[int] = []
    done = threading.Event()

    def write(account: str) -> None:
        for n in range(12):
            store.write(WORKSPACE, rows({MAY + timedelta(days=n): n}, account))

    def read() -> None:
        while not done.is_set():
            table = store.table(WORKSPACE)
            seen.append(0 if table is None else int(table.count().to_pyarrow().as_py()))

    writers = [threading.Thread(target=write, args=(f"a{n}",)) for n in range(3)]
    reader = threading.Thread(target=read)
    for thread in (*writers, reader):
        thread.start()
    for thread in writers:
        thread.join()
    done.set()
    reader.join()
    assert [stored(store, f"a{n}").height for n in range(3)] == [12, 12, 12]
    assert seen == sorted(seen)


DAYS = st.dates(date(2026, 3, 25), date(2026, 5, 5))
PARTS = st.lists(
    st.dictionaries(st.tuples(st.sampled_from(["a1", "a2"]), DAYS), st.integers(0, 50), max_size=6), max_size=4
)


@settings(max_examples=15, deadline=None)
@given(PARTS)
def test_however_rows_arrive_the_store_holds_the_newest_of_each_day(
    tmp_path_factory: pytest.TempPathFactory, parts: list[dict[tuple[str, date], int]]
) -> None:
    store, model = UsageStore(str(tmp_path_factory.mktemp("usage"))), {}
    for part in parts:
        frame = pl.DataFrame(
            [(account, day, value) for (account, day), value in part.items()],
            schema={"account": pl.String, "day": pl.Date, "sessions": pl.Int64},
            orient="row",
        )
        changed = sum(key in model and model[key] != value for key, value in part.items())
        added = len(part.keys() - model.keys())
        assert store.write(WORKSPACE, frame) == Written(added, changed, len(part) - added - changed)
        model |= part
    found = [row for account in ("a1", "a2") for row in stored(store, account).iter_rows()]
    assert {(account, day): value for account, day, value in found} == model


FACTS = pl.DataFrame(
    [
        (f"a{n % 7}", MAY - timedelta(days=n // 7), n % 5, (n * 7) % 11 + 0.5, n % 3 or None, 4.25)
        for n in range(7 * 70)
        if n % 7 or n < 40
    ],
    schema={
        "account": pl.String,
        "day": pl.Date,
        "sessions": pl.Int64,
        "minutes": pl.Float64,
        "widgets_made": pl.Int64,
        "storage_gb": pl.Float64,
    },
    orient="row",
)


@pytest.fixture
def warehouse(postgres_url: str) -> str:
    """A team's own warehouse, with the facts of two workspaces in its table `usage_daily`."""
    with psycopg.connect(postgres_url) as connection:
        connection.execute(
            "CREATE TABLE usage_daily (workspace_id text, account text, day date, sessions integer,"
            " minutes double precision, widgets_made bigint, storage_gb numeric(10, 2))"
        )
        for workspace, factor in ((WORKSPACE, 1), ("w2", 1000)):
            with connection.cursor().copy("COPY usage_daily FROM STDIN") as copy:
                for account, day, *measures in FACTS.iter_rows():
                    copy.write_row([workspace, account, day, *[m if m is None else m * factor for m in measures]])
    return postgres_url


def test_a_postgresql_warehouse_gives_the_same_features_as_parquet(store: UsageStore, warehouse: str) -> None:
    store.write(WORKSPACE, FACTS)
    ours, theirs = store.table(WORKSPACE), UsageStore(warehouse).table(WORKSPACE)
    assert ours is not None
    assert theirs is not None
    for as_of in (MAY, MAY - timedelta(days=20)):
        tables = [usage_features(table, as_of).to_polars().sort("account") for table in (ours, theirs)]
        same = [table.with_columns(pl.selectors.numeric().cast(pl.Float64)) for table in tables]
        assert_frame_equal(same[0], same[1].select(same[0].columns))


def test_a_warehouse_is_read_by_account_and_day_and_never_written(warehouse: str) -> None:
    store = UsageStore(warehouse)
    assert store.measures(WORKSPACE) == ["sessions", "minutes", "storage_gb", "widgets_made"]
    found = store.daily(WORKSPACE, "a1", MAY - timedelta(days=2), MAY)
    assert found["day"].to_list() == [MAY - timedelta(days=n) for n in (2, 1, 0)]
    with pytest.raises(ValueError, match="USAGE_URL"):
        store.write(WORKSPACE, rows({MAY: 1}))


def test_asking_a_warehouse_often_does_not_use_up_its_connections(warehouse: str) -> None:
    store = UsageStore(warehouse)
    kept = [store.table(WORKSPACE) for _ in range(30)]  # as long answers under way would keep them
    with psycopg.connect(warehouse) as connection:
        used = connection.execute("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()").fetchone()
    assert len(kept) == 30
    assert used is not None
    assert used[0] <= 6


def test_a_warehouse_that_was_restarted_is_connected_again(warehouse: str) -> None:
    store = UsageStore(warehouse)
    assert store.measures(WORKSPACE)
    with psycopg.connect(warehouse, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    assert store.measures(WORKSPACE)
