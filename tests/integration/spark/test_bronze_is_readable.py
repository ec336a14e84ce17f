"""Extracted files have the same content in Sail and Apache Spark, with either compression."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from midnight.lake.files import LocalLakeFiles
from tests.support.ingest_run import BronzeFolder, configure, run_sql


@pytest.fixture(params=["lz4", "zstd"])
def written(request, database, tmp_path, monkeypatch):
    """A batch as written to a local lake (lz4) and to a lake in Azure (zstd)."""
    monkeypatch.setattr(LocalLakeFiles, "parquet_compression", request.param)
    run_sql(
        database,
        "CREATE TABLE mixed (id bigint, note text, code text, amount numeric(12,2), large numeric, raw bytea, "
        "day date, moment timestamptz, naive timestamp, ratio double precision, single real, flag boolean, "
        "small smallint)",
        "INSERT INTO mixed SELECT i, 'note ' || i || E'\\\\ \\n', 'c' || i % 3, i / 4.0, i::numeric * 1e10 + 0.5, "
        "decode(md5(i::text), 'hex'), '0001-01-01'::date + i, '1600-01-01Z'::timestamptz + make_interval(days => i), "
        "'9999-12-30', sqrt(i), i / 3.0, i % 2 = 0, CASE WHEN i % 5 > 0 THEN i % 100 END "
        "FROM generate_series(1, 5000) i",
        "INSERT INTO mixed (id) VALUES (0)",
    )
    bronze, table = BronzeFolder(tmp_path / "lake"), configure(database, "mixed")
    bronze.ingest(database, table)
    return bronze, table


def read_by(session, bronze, table):
    paths = bronze.manifest(table).file_paths(bronze.paths)
    return session.read.parquet(*paths).toArrow().sort_by("id")


def expected(bronze, table):
    return bronze.read(table).sort_by("id")


def assert_equal(actual, wanted):
    assert actual.column_names == wanted.column_names
    for name in wanted.column_names:
        ours = wanted[name].to_pylist()
        # An engine may use another name for the time zone.
        assert actual[name].cast(wanted[name].type).to_pylist() == ours, name


def test_sail(sail_session, written):
    assert_equal(read_by(sail_session, *written), expected(*written))


@pytest.mark.spark
def test_spark(spark_session, written):
    assert_equal(read_by(spark_session, *written), expected(*written))


@pytest.mark.spark
def test_spark_filters_values_in_a_large_dictionary(spark_session, tmp_path):
    """A filter of silver reaches bronze through a join of their keys."""
    path = tmp_path / "part.parquet"
    pq.write_table(pa.table({"n": pa.array([i % 1500 for i in range(6000)])}), path, compression="lz4")
    assert spark_session.read.parquet(str(path)).filter("n >= 1499").count() == 4
