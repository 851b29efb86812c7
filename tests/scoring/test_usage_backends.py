"""The one usage expression gives the same numbers wherever the facts lie: DuckDB, PostgreSQL, Spark."""

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import ibis
import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal
from sqlalchemy import create_engine

from scoring.features import usage_features
from scoring.features.usage import usage_rates

AS_OF = date(2026, 5, 10)


@pytest.fixture(scope="module")
def facts() -> pl.DataFrame:
    """Forty accounts with gaps, missing values, a silent one and days of the future."""
    rng = np.random.default_rng(3)
    rows = [
        (f"a{n}", AS_OF - timedelta(days=int(back)), float(users), float(users * 3), None if users > 7 else users * 9.5)
        for n in range(40)
        for back in rng.choice(np.arange(-5, 200), 90, replace=False)
        if (users := int(rng.integers(0, 10))) or n != 7
    ]
    names = ("account", "day", "active_users", "api_calls", "minutes")
    return pl.DataFrame(
        rows, schema=dict(zip(names, (pl.String, pl.Date, *[pl.Float64] * 3), strict=True)), orient="row"
    )


def numbers(table: Any) -> pl.DataFrame:
    collected = pl.from_arrow(usage_features(table, AS_OF).to_pyarrow())
    assert isinstance(collected, pl.DataFrame)
    floats = [pl.col(name).cast(pl.Float64) for name, kind in collected.schema.items() if kind.is_numeric()]
    return collected.with_columns(*floats).sort("account")


@pytest.fixture(scope="module")
def duckdb_numbers(facts: pl.DataFrame) -> pl.DataFrame:
    return numbers(ibis.memtable(facts))


@pytest.fixture
def postgres_table(postgres_url: str, facts: pl.DataFrame) -> Iterator[Any]:
    engine = create_engine(postgres_url)
    with engine.begin() as connection:
        columns = "account TEXT, day DATE, active_users FLOAT, api_calls FLOAT, minutes FLOAT"
        connection.exec_driver_sql(f"CREATE TABLE usage_parity ({columns})")
        connection.exec_driver_sql("INSERT INTO usage_parity VALUES (%s, %s, %s, %s, %s)", facts.rows())
    reader = ibis.connect(postgres_url.replace("postgresql+psycopg://", "postgres://"))
    yield reader.table("usage_parity")
    reader.disconnect()
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE usage_parity")
    engine.dispose()


def same(found: pl.DataFrame, wanted: pl.DataFrame) -> None:
    assert_frame_equal(found.select(wanted.columns), wanted, check_dtypes=False)
    assert_frame_equal(usage_rates(found, AS_OF), usage_rates(wanted, AS_OF), check_dtypes=False)


def test_postgresql_gives_the_numbers_of_duckdb(postgres_table: Any, duckdb_numbers: pl.DataFrame) -> None:
    same(numbers(postgres_table), duckdb_numbers)


def test_spark_gives_the_numbers_of_duckdb(tmp_path: Path, facts: pl.DataFrame, duckdb_numbers: pl.DataFrame) -> None:
    pytest.importorskip("pyspark", reason="PySpark is not installed: pip install 'ibis-framework[pyspark]'")
    from pyspark.sql import SparkSession

    builder = SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false")
    spark = builder.config("spark.sql.warehouse.dir", str(tmp_path / "warehouse")).getOrCreate()
    try:
        connection = ibis.pyspark.connect(spark)
        facts.write_parquet(tmp_path / "usage.parquet")  # through pandas, missing values would become NaN
        same(numbers(connection.read_parquet(tmp_path / "usage.parquet")), duckdb_numbers)
    finally:
        spark.stop()
