"""Rows of a local Delta table are changed by rewriting only the files that hold them."""

from __future__ import annotations

import datetime as dt
import os
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any
from unittest import mock

import duckdb
import duckdb_extension_delta
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from midnight.lake.delta_protocol import TABLE_PROPERTIES
from spark_jobs.runtime import file_plan
from spark_jobs.runtime.delta_files import replace_found, rewrite_rows
from spark_jobs.runtime.delta_tables import append_rows, load_table, overwrite_table
from spark_jobs.runtime.found_rows import files_with_keys, find_rows
from spark_jobs.runtime.key_set import KeySet
from spark_jobs.runtime.merge import merge_rows
from tests.support.key_values import KEY_TYPES, KEY_VALUES

Row = tuple[Any, ...]
SQL = {
    pa.int16(): "smallint",
    pa.int64(): "bigint",
    pa.bool_(): "boolean",
    pa.string(): "string",
    pa.date32(): "date",
    pa.timestamp("us", tz="UTC"): "timestamp",
    pa.decimal128(9, 2): "decimal(9,2)",
    pa.decimal128(38, 4): "decimal(38,4)",
    pa.float64(): "double",
}
FLOATS = [float("nan"), 0.0, -0.0, 1.5, float("inf")]
VALUES = KEY_VALUES | {pa.float64(): FLOATS}


class Schema:
    """A table with one to three key columns and one value."""

    def __init__(self, kinds: list[pa.DataType]) -> None:
        self.key = [f"k{i}" for i in range(len(kinds))]
        self.arrow = pa.schema([*zip(self.key, kinds, strict=True), ("value", pa.int32())])

    def frame(self, session: Any, rows: list[Row], columns: list[str] | None = None) -> Any:
        names = columns or self.arrow.names
        fields = [self.arrow.field(name) for name in names]
        arrays = [pa.array([row[i] for row in rows], field.type) for i, field in enumerate(fields)]
        types = ", ".join(f"{f.name} {SQL.get(f.type, 'int')}" for f in fields)
        return session.createDataFrame(pa.Table.from_arrays(arrays, schema=pa.schema(fields)), types)


@st.composite
def histories(
    draw: st.DrawFn, kinds: list[pa.DataType]
) -> tuple[Schema, list[list[Row]], list[tuple[set[Row], list[Row]]]]:
    """A schema, the rows of the first files, and changes: removed keys and added rows."""
    schema = Schema(draw(st.lists(st.sampled_from(kinds), min_size=1, max_size=3)))
    keys = st.tuples(*[st.none() | st.sampled_from(VALUES[field.type]) for field in list(schema.arrow)[:-1]])
    rows = st.builds(lambda key, value: (*key, value), keys, st.integers(0, 9))
    files = draw(st.lists(st.lists(rows, min_size=1, max_size=8), min_size=1, max_size=4))
    changes = draw(st.lists(st.tuples(st.sets(keys, max_size=5), st.lists(rows, max_size=5)), min_size=1, max_size=3))
    return schema, files, changes


def same_bytes(row: Row) -> Row:
    """Equal only for rows that are equal bit for bit: NaN equals NaN, and 0.0 does not equal -0.0."""
    return tuple(repr(value) for value in row)


def content(path: str) -> Counter[Row]:
    return Counter(same_bytes(tuple(row.values())) for row in DeltaTable(path).to_pyarrow_table().to_pylist())


def create(session: Any, schema: Schema, files: list[list[Row]], path: str) -> None:
    for rows in files:
        append_rows(schema.frame(session, rows), path)


@given(histories(KEY_TYPES), st.booleans())
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_random_changes_give_the_rows_of_a_whole_rewrite(sail_session, tmp_path_factory, history, reads_before):
    schema, files, changes = history
    path = str(tmp_path_factory.mktemp("table"))
    create(sail_session, schema, files, path)
    rows = [row for file in files for row in file]
    with mock.patch.multiple(file_plan, _FEWEST_ROWS=3, FILE_BYTES=1):
        for removed, added in changes:
            replaced = Counter(same_bytes(row) for row in rows if row[:-1] in removed)
            rows = [row for row in rows if row[:-1] not in removed] + added
            keys = schema.frame(sail_session, list(removed), schema.key) if removed else None
            found = find_rows(path, keys) if keys is not None and reads_before else None
            if found is not None:  # what it reads is not read again
                assert Counter(same_bytes(tuple(row.values())) for row in found.read().to_pylist()) == replaced
            done = rewrite_rows(
                sail_session,
                path,
                path,
                key=schema.key,
                removed=keys,
                added=schema.frame(sail_session, added) if added else None,
                found=found,
            )
            assert done.rows == len(rows)
            assert content(path) == Counter(map(same_bytes, rows))
    by_sail = [tuple(row) for row in load_table(sail_session, path).select("value").collect()]
    assert Counter(by_sail) == Counter((row[-1],) for row in rows)


@given(histories(KEY_TYPES))
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_rows_are_replaced_in_the_pass_that_reads_them(sail_session, tmp_path_factory, history):
    schema, files, ((removed, added), *_) = history
    source, target = (str(tmp_path_factory.mktemp(name)) for name in ("source", "target"))
    create(sail_session, schema, files, source)
    rows = [row for file in files for row in file]
    found = find_rows(source, schema.frame(sail_session, list(removed), schema.key))
    with mock.patch.multiple(file_plan, _FEWEST_ROWS=3, FILE_BYTES=1):
        new = schema.frame(sail_session, added).toArrow()
        done, before = replace_found(sail_session, found, target, new, collect=True)
    kept = [row for row in rows if row[:-1] not in removed]
    assert Counter(same_bytes(tuple(row.values())) for row in before.to_pylist()) == Counter(
        same_bytes(row) for row in rows if row[:-1] in removed
    )
    assert content(target) == Counter(map(same_bytes, [*kept, *added]))
    assert (content(source), done.rows) == (Counter(map(same_bytes, rows)), len(kept) + len(added))


@given(histories(KEY_TYPES))
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_files_with_keys_have_all_rows_with_these_keys(sail_session, tmp_path_factory, history):
    schema, files, changes = history
    path = str(tmp_path_factory.mktemp("table"))
    create(sail_session, schema, files, path)
    wanted = changes[0][0]
    found = files_with_keys(path, schema.frame(sail_session, list(wanted), schema.key))
    expected = {i for i, rows in enumerate(files) if any(row[:-1] in wanted for row in rows)}
    assert found is not None
    assert len(found) == len(expected)
    inside = [row for file in found for row in pq.read_table(file).to_pylist()]
    everything = [row for file in files for row in file if row[:-1] in wanted]
    assert sum(tuple(row.values())[:-1] in wanted for row in inside) == len(everything)


@given(histories([pa.float64(), pa.int64()]))
@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_keys_that_bytes_do_not_decide_are_left_to_the_engine(sail_session, tmp_path_factory, history):
    """As its MERGE does it: NaN equals NaN, and what it does with zeros is its own affair."""
    schema, files, changes = history
    paths = [str(tmp_path_factory.mktemp("table")) for _ in range(2)]
    removed = [*changes[0][0]] or [files[0][0][:-1]]
    for path in paths:
        create(sail_session, schema, files, path)
    frame = schema.frame(sail_session, removed, schema.key).distinct()
    done = rewrite_rows(sail_session, paths[0], paths[0], key=schema.key, removed=frame, added=None)
    if pa.float64() in schema.arrow.types:
        assert done.kept == 0
        assert "bytes" in done.reason
        assert files_with_keys(paths[0], frame) is None
    table = load_table(sail_session, paths[1])
    table.createOrReplaceTempView("t")
    frame.createOrReplaceTempView("gone")
    same = " AND ".join(f"t.{name} <=> gone.{name}" for name in schema.key)
    expected = sail_session.sql(f"SELECT t.* FROM t LEFT ANTI JOIN gone ON {same}").toArrow()
    assert content(paths[0]) == Counter(same_bytes(tuple(row.values())) for row in expected.to_pylist())


NUMBERS = Schema([pa.int64()])


def numbers_table(session: Any, path: str, files: int = 4) -> list[Row]:
    rows = [[(i, 0) for i in range(100 * file, 100 * file + 100)] for file in range(files)]
    create(session, NUMBERS, rows, path)
    return [row for file in rows for row in file]


def test_files_without_a_changed_row_are_neither_read_nor_written(sail_session, tmp_path):
    path = str(tmp_path / "table")
    rows = numbers_table(sail_session, path)
    before = set(DeltaTable(path).file_uris())
    update = NUMBERS.frame(sail_session, [(150, 1), (151, 1)])
    with mock.patch.object(KeySet, "numbers", autospec=True, side_effect=KeySet.numbers) as numbers:
        done = rewrite_rows(sail_session, path, path, key=["k0"], removed=update.select("k0"), added=update)
    assert {call.args[1].num_rows for call in numbers.call_args_list} == {100, 2}  # one file's keys, and the added rows
    assert (done.kept, done.rewritten, done.added) == (3, 1, 1)
    assert len(before & set(DeltaTable(path).file_uris())) == 3
    expected = [(k, 1 if k in (150, 151) else v) for k, v in rows]
    assert content(path) == Counter(map(same_bytes, expected))


def test_more_rows_than_fit_in_memory_are_left_to_the_engine(sail_session, tmp_path):
    path = str(tmp_path / "table")
    rows = numbers_table(sail_session, path)
    update = NUMBERS.frame(sail_session, [(key, 1) for key in range(10)])
    with (
        mock.patch("spark_jobs.runtime.delta_files.MAX_CHANGED_ROWS", 9),
        mock.patch("spark_jobs.runtime.found_rows.MAX_CHANGED_ROWS", 9),
    ):
        assert files_with_keys(path, update.select("k0")) is None
        done = rewrite_rows(sail_session, path, path, key=["k0"], removed=update.select("k0"), added=update)
    assert (done.kept, done.rows, done.reason) == (0, 400, "all rows: more than 9 rows change")
    assert content(path) == Counter(same_bytes((key, int(key < 10))) for key, _ in rows)


def test_another_folder_shares_the_unchanged_files(sail_session, tmp_path):
    source, target = str(tmp_path / "source"), str(tmp_path / "deep" / "target")
    rows = numbers_table(sail_session, source)
    before = content(source)
    gone = NUMBERS.frame(sail_session, [(399,)], ["k0"])
    done = rewrite_rows(sail_session, source, target, key=["k0"], removed=gone, added=None)
    assert (done.kept, done.rewritten, done.rows) == (3, 1, 399)
    assert content(source) == before
    assert content(target) == Counter(map(same_bytes, rows[:-1]))
    assert sum(os.stat(file).st_nlink == 2 for file in Path(target).glob("*.parquet")) == 3
    assert DeltaTable(target).metadata().configuration.items() >= TABLE_PROPERTIES.items()
    assert DeltaTable(target).protocol().min_reader_version == 1


def test_a_change_that_fails_leaves_the_table(sail_session, tmp_path):
    path = str(tmp_path / "table")
    numbers_table(sail_session, path)
    before = content(path)
    gone = NUMBERS.frame(sail_session, [(5,)], ["k0"])
    with (
        mock.patch("spark_jobs.runtime.parquet_files.RollingWriter.finish", return_value=[]),
        pytest.raises(Exception, match="would have 300 rows, expected 399; nothing was committed"),
    ):
        rewrite_rows(sail_session, path, path, key=["k0"], removed=gone, added=None)
    assert content(path) == before


def test_a_table_without_rows_can_be_filled_and_emptied(sail_session, tmp_path):
    path = str(tmp_path / "table")
    overwrite_table(NUMBERS.frame(sail_session, []), path)
    rows = NUMBERS.frame(sail_session, [(1, 1), (2, 2)])
    assert rewrite_rows(sail_session, path, path, key=["k0"], removed=None, added=rows).rows == 2
    assert rewrite_rows(sail_session, path, path, key=["k0"], removed=rows.select("k0"), added=None).rows == 0
    assert load_table(sail_session, path).count() == 0
    assert rewrite_rows(sail_session, path, path, key=["k0"], removed=rows.select("k0"), added=rows).rows == 2
    assert load_table(sail_session, path).count() == 2


MIXED = (
    "k bigint, n int, d decimal(12,2), w decimal(38,4), t string, moment timestamp, day date, ok boolean, x double, "
    "b binary, s smallint"
)


def mixed(key: int, number: int) -> Row:
    """A row with a value of every type that silver has; each third number gives nulls."""
    if number % 3 == 0:
        return (key, number, *[None] * 9)
    at = dt.datetime(2, 1, 1) + dt.timedelta(microseconds=number) if number % 3 == 1 else dt.datetime(9999, 12, 31, 23)
    cents, wide = Decimal(f"{number}.{number % 100:02}"), Decimal(f"{10**33 + number}.{number:04}")
    return key, number, cents, wide, f"ä'{number}", at, at.date(), number % 2 == 0, number / 7, b"\x00", -number


@pytest.mark.spark
def test_all_readers_see_the_same_rows_after_many_commits(sail_session, spark_session, tmp_path):
    """Past a checkpoint of delta-rs, which makes one per hundred commits; Sail and Apache Spark change the table."""
    path = str(tmp_path / "table")
    rows = {key: mixed(key, key) for key in range(200)}
    for start in range(0, 200, 50):
        append_rows(sail_session.createDataFrame([rows[key] for key in range(start, start + 50)], MIXED), path)
    for number in range(1, 9):
        key = number * 7 % 200
        rows[key] = mixed(key, number)
        update = sail_session.createDataFrame([rows[key]], MIXED)
        rewrite_rows(sail_session, path, path, key=["k"], removed=update.select("k"), added=update)
        if number == 5:
            DeltaTable(path).create_checkpoint()
    columns = [field.split()[0] for field in MIXED.split(", ")]
    for key, session in ((1000, spark_session), (1001, sail_session)):
        rows[key] = mixed(key, key)
        changes = session.createDataFrame([(*rows[key], "insert")], f"{MIXED}, action string")
        merge_rows(session, path, changes, identity=["k"], columns=columns, action="action")
    rows[1000] = mixed(1000, 5)
    update = sail_session.createDataFrame([rows[1000]], MIXED)
    rewrite_rows(sail_session, path, path, key=["k"], removed=update.select("k"), added=update)
    expected = [tuple(map(_plain, row)) for _, row in sorted(rows.items())]
    query = ", ".join(columns).replace("moment,", "{}(moment),")  # each client has its own idea of the year 2
    for session in (sail_session, spark_session):
        load_table(session, path).createOrReplaceTempView("readers")
        found = session.sql(f"SELECT {query.format('unix_micros')} FROM readers ORDER BY k").collect()
        assert [tuple(map(_plain, row)) for row in found] == expected
    with duckdb.connect() as connection:
        extension = next(Path(duckdb_extension_delta.__file__).parent.rglob("*.duckdb_extension"))
        connection.load_extension(str(extension))
        delta = f"SELECT {query.format('epoch_us')} FROM delta_scan(?) ORDER BY k"
        assert [tuple(map(_plain, row)) for row in connection.execute(delta, [path]).fetchall()] == expected


def _plain(value: Any) -> Any:
    if isinstance(value, dt.datetime):
        return (value - dt.datetime(1970, 1, 1)) // dt.timedelta(microseconds=1)
    return bytes(value) if isinstance(value, bytearray) else value
