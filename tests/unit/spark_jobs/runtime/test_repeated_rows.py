"""Which rows files have in common with earlier ones: compared with a search through all rows."""

from __future__ import annotations

import datetime as dt
import math
import struct
import tempfile
from collections import Counter
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spark_jobs.runtime import repeated_rows
from spark_jobs.runtime.key_set import KeySet
from spark_jobs.runtime.repeated_rows import ChangedFiles, find_changed_rows

Row = tuple[Any, ...]
Columns = list[tuple[str, pa.DataType]]
KEYS = {
    "number": [("id", pa.int64())],
    "text": [("code", pa.string())],
    "both": [("code", pa.string()), ("id", pa.int64())],
    "day": [("day", pa.date32())],
    "time": [("at", pa.timestamp("us", tz="UTC"))],
    "decimal": [("amount", pa.decimal128(12, 2))],
}
OTHERS = [("ratio", pa.float64()), ("note", pa.string()), ("paid", pa.bool_())]
NOTES = st.sampled_from(["", "a", "ü", None])
RATIOS = st.sampled_from([0.0, -0.0, math.nan, 1.5, None])
NUMBERS = st.integers(0, 30) | st.sampled_from([-(2**63), 2**63 - 1])


def value(kind: pa.DataType, number: int) -> Any:
    if pa.types.is_string(kind):
        return f"k{number}"
    if pa.types.is_date32(kind):
        return dt.date(2024, 1, 1) + dt.timedelta(days=number % 10_000)
    if pa.types.is_timestamp(kind):
        return dt.datetime(2024, 1, 1, tzinfo=dt.UTC) + dt.timedelta(seconds=number % 10_000)
    return Decimal(f"{number % 10_000}.00") if pa.types.is_decimal(kind) else number


def bits(row: Row) -> str:
    """The row with each bit of a double; pyarrow's zone UTC has another name."""
    cells = [cell.isoformat() if isinstance(cell, dt.datetime) else cell for cell in row]
    return repr([struct.pack("d", cell) if isinstance(cell, float) else cell for cell in cells])


def write(folder: Path | str, name: str, columns: Columns, rows: Sequence[Row], sizes: Row) -> list[str]:
    """Files with row groups of some size; the last file has the rest."""
    schema, paths = pa.schema(columns), []
    files, group = sizes
    step = max(1, -(-len(rows) // files))
    for start in range(0, len(rows), step):
        part = rows[start : start + step]
        arrays = [pa.array([row[i] for row in part], kind) for i, (_, kind) in enumerate(columns)]
        paths.append(f"{folder}/{name}-{start}.parquet")
        pq.write_table(pa.Table.from_arrays(arrays, schema=schema), paths[-1], row_group_size=group)
    return paths


def read(path: str) -> list[Row]:
    return [tuple(row.values()) for row in pq.read_table(path).to_pylist()] if path else []


@st.composite
def snapshots(draw: st.DrawFn) -> tuple[str, list[Row], list[Row]]:
    """The kind of key, and the rows of two snapshots: of the second some are equal, some have changed, some are new."""
    kind = draw(st.sampled_from(list(KEYS)))
    types = [type_ for _, type_ in KEYS[kind]]

    def row(number: int) -> Row:
        key = [value(type_, number) for type_ in types]
        return (*key, draw(RATIOS), draw(NOTES), draw(st.booleans()))

    numbers = draw(st.lists(NUMBERS, unique_by=lambda n: str([value(t, n) for t in types]), max_size=25))
    before = [row(number) for number in numbers]
    after = [
        old if draw(st.integers(0, 3)) else row(number)
        for number, old in zip(numbers, before, strict=True)
        if draw(st.integers(0, 5))
    ]
    after += [row(number) for number in draw(st.lists(NUMBERS, max_size=3))]
    if draw(st.booleans()):
        after = draw(st.permutations(after))
    return kind, before, after


SIZES = st.tuples(st.integers(1, 3), st.integers(1, 8))


@settings(max_examples=300, deadline=None)
@given(snapshots(), SIZES, SIZES, st.lists(NUMBERS, max_size=2))
def test_rows_that_are_left_out_are_in_both_and_all_others_are_found(both, sizes, other_sizes, also):
    kind, before, after = both
    columns, width = KEYS[kind] + OTHERS, len(KEYS[kind])
    reported = KeySet(pa.table({name: pa.array([value(t, n) for n in also], t) for name, t in KEYS[kind]}))
    with tempfile.TemporaryDirectory() as root:
        files = (
            write(root, "before", columns, before, sizes),
            write(root, "after", columns, after, other_sizes),
        )
        key = [name for name, _ in KEYS[kind]]
        found = find_changed_rows(*files, key, f"{root}/out", most=1000, also=reported if also else None)
        if found is None:
            keys = Counter(row[:width] for row in after)
            assert max(keys.values()) > 1, "only a key that occurs twice needs the engine"
            return
        changed, gone = read(found.path), read(found.gone_path)
    assert (found.rows, found.gone) == (len(changed), len(gone))
    earlier = {row[:width]: bits(row) for row in before}
    repeated = Counter(map(bits, after)) - Counter(map(bits, changed))
    assert sum(repeated.values()) == len(after) - len(changed), "every changed row is one of the batch"
    assert set(repeated) <= set(earlier.values())
    assert max(repeated.values(), default=1) == 1, "a row before stands for one row after"
    # Whatever silver must change: by the keys of changed rows, and of those that are gone.
    keys_after = {row[:width]: bits(row) for row in after}
    seen = {row[:width] for row in changed} | set(gone)
    assert {key for key, row in earlier.items() if keys_after.get(key) != row} <= seen
    # How a caller notices that a key is that of a changed row and of one that was left out.
    left_out = {key for key, row in earlier.items() if row in repeated}
    divided = left_out & {row[:width] for row in changed}
    assert (len(seen & set(earlier)) == found.known + found.gone) == (not divided)
    for number in also:
        marked = tuple(value(t, number) for _, t in KEYS[kind])
        assert Counter(row[:width] for row in after)[marked] == Counter(row[:width] for row in changed)[marked]


def table(rows: int, *, first: int = 0) -> list[Row]:
    return [(first + i, i / 3, f"note {first + i}", i % 2 == 0) for i in range(rows)]


COLUMNS = KEYS["number"] + OTHERS


def compare(tmp_path: Path, before: Sequence[Row], after: Sequence[Row], **options: Any) -> ChangedFiles | None:
    files = write(tmp_path, "before", COLUMNS, before, (2, 100)), write(tmp_path, "after", COLUMNS, after, (3, 100))
    return find_changed_rows(*files, ["id"], f"{tmp_path}/out", **{"most": 10_000, **options})


def test_only_changed_rows_are_found_although_all_others_have_moved(tmp_path):
    before = table(1000)
    updated = [(500, 0.0, "changed", None), (7, 0.0, "changed", None)]
    after = [row for row in before[300:] if row[0] not in (7, 500)] + updated[:1] + table(2, first=5000)
    found = compare(tmp_path, before, after)
    assert found == ChangedFiles(f"{tmp_path}/out/changed.parquet", 3, found.known, found.gone_path, found.gone)
    assert {row[0] for row in read(found.path)} == {500, 5000, 5001}
    assert {row[0] for row in read(found.gone_path)} - {500} == set(range(300))


def test_nothing_is_written_if_all_rows_are_repeated(tmp_path):
    found = compare(tmp_path, table(500), table(500))
    assert found == ChangedFiles("", 0, 0, "", 0)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("after", "options"),
    [
        (table(500) + table(1), {}),  # the key 0 twice
        (table(300, first=1000), {"most": 100}),
        ([], {"most": 100}),
    ],
)
def test_the_engine_looks_at_all_rows_if_a_key_repeats_or_too_much_has_changed(tmp_path, after, options):
    assert compare(tmp_path, table(500), after, **options) is None


def test_a_comparison_ends_early_if_most_rows_have_changed(tmp_path, monkeypatch):
    monkeypatch.setattr(repeated_rows, "_ENOUGH_ROWS", 200)
    compared = []
    original = repeated_rows._Search._compare
    monkeypatch.setattr(repeated_rows._Search, "_compare", lambda *a: compared.append(a) or original(*a))
    assert compare(tmp_path, table(900), [(*row[:2], "other", row[3]) for row in table(900)]) is None
    assert len(compared) < 9


def test_an_increment_lacks_keys_that_are_not_gone(tmp_path):
    assert compare(tmp_path, table(500), table(10, first=300), whole=False) is not None
    repeated = [row for row in table(500) if row[0] >= 450]
    assert compare(tmp_path, table(500), repeated, whole=False, most=0) == ChangedFiles("", 0, 0, "", 0)


def test_a_double_as_key_is_left_to_the_engine(tmp_path):
    files = write(tmp_path, "a", COLUMNS, table(5), (1, 5))
    assert find_changed_rows(files, files, ["ratio"], f"{tmp_path}/out", most=10) is None


def test_files_with_other_columns_are_left_to_the_engine(tmp_path):
    files = write(tmp_path, "a", COLUMNS, table(5), (1, 5))
    narrow = write(tmp_path, "b", COLUMNS[:2], [row[:2] for row in table(5)], (1, 5))
    assert find_changed_rows(files, narrow, ["id"], f"{tmp_path}/out", most=10) is None
