"""The rows that differ between two states: those found in memory are those that the engine finds."""

from __future__ import annotations

import datetime as dt
import math
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest
from deltalake import write_deltalake
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyspark.sql import functions as F

from spark_jobs.gold import differing_rows
from spark_jobs.gold.affected_rows import Keys, key_columns, staged_keys
from spark_jobs.gold.differing_rows import Difference, find_difference, most_rows_differ
from spark_jobs.runtime.delta_tables import nullable
from spark_jobs.runtime.found_rows import find_rows
from spark_jobs.runtime.staged_rows import StagedFolder, stage_rows

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

SCHEMA = "k0 bigint, k1 string, amount decimal(12,2), ratio double, note string, paid boolean, at timestamp, day date"
VALUES = {
    "k0": [1, 2, None],
    "k1": ["a", "", None],
    "amount": [Decimal("0.10"), Decimal("0.20"), None],
    "ratio": [0.0, -0.0, math.nan, 1.5, None],
    "note": ["", "ü", None],
    "paid": [True, False, None],
    "at": [dt.datetime(1, 1, 1, tzinfo=dt.UTC), dt.datetime(2024, 2, 29, 12, tzinfo=dt.UTC), None],
    "day": [dt.date(2024, 2, 29), None],
}
KEY = ("k0", "k1")
ROWS = st.lists(st.tuples(*map(st.sampled_from, VALUES.values())), max_size=9)


def stage(session, rows, path) -> StagedFolder:
    frame = session.createDataFrame(rows, SCHEMA)
    # Not null in one file, and nullable in another.
    frame = (
        frame.withColumn("n", F.lit(1)) if path.endswith("a") else nullable(frame.withColumn("n", F.lit(1)), session)
    )
    return StagedFolder(stage_rows([frame], path, dict(frame.dtypes)), path)


def affected(left: StagedFolder, right: StagedFolder, path: str) -> Keys:
    keys = key_columns(left.rows.select(*KEY).unionAll(right.rows.select(*KEY)), KEY)
    staged = StagedFolder(stage_rows([keys], path, dict(keys.dtypes)), path)
    return staged_keys(staged, staged.count())


def as_text(rows: DataFrame) -> Counter[str]:
    """Without the sign of a zero, which the engine loses where it groups by the column."""
    return Counter(repr([0.0 if value == 0.0 else value for value in row]) for row in rows.collect())


def in_memory_as_text(rows: pa.Table) -> Counter[str]:
    return Counter(repr(row) for row in rows.to_pylist())


def differences(left: StagedFolder, right: StagedFolder, folder: Path) -> Difference:
    found = find_difference(left, right, affected(left, right, f"{folder}/keys"), KEY, f"{folder}/found")
    assert found is not None
    return found


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(before=ROWS, more=ROWS, unique=st.booleans())
def test_differences_are_those_of_the_engine(sail_session, tmp_path, before, more, unique):
    after = [*before[::2], *more]
    if unique:
        before, after = (list({row[:2]: row for row in rows}.values()) for rows in (before, after))
    left, right = (stage(sail_session, rows, str(tmp_path / name)) for name, rows in (("b", before), ("a", after)))
    found = differences(left, right, tmp_path / "memory")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(differing_rows, "MOST_IN_MEMORY", -1)
        wanted = differences(left, right, tmp_path / "engine")
    assert found.rows.dtypes == wanted.rows.dtypes
    assert as_text(found.rows) == as_text(wanted.rows)
    assert found.keys.number == wanted.keys.number
    assert as_text(found.keys.rows) == as_text(wanted.keys.rows)
    if wanted.keys.in_memory is not None:
        assert found.keys.in_memory is not None
        assert in_memory_as_text(found.keys.in_memory) == in_memory_as_text(wanted.keys.in_memory)
    if found.later is not None and wanted.later is not None:
        assert in_memory_as_text(found.later) == in_memory_as_text(wanted.later)


ROW = (1, "a", Decimal("0.10"), 0.0, "n", True, None, None)


def test_no_row_is_compared_by_the_engine_if_keys_are_unique(sail_session, tmp_path, monkeypatch):
    monkeypatch.delattr(differing_rows, "difference")
    left = stage(sail_session, [ROW, (2, *ROW[1:])], str(tmp_path / "b"))
    right = stage(sail_session, [(*ROW[:3], -0.0, *ROW[4:]), (2, *ROW[1:])], str(tmp_path / "a"))
    found = differences(left, right, tmp_path)
    assert sorted(row["_midnight_change"] for row in found.rows.collect()) == ["after", "before"]
    assert found.later is not None
    assert found.later["k0"].to_pylist() == [1]


@pytest.mark.parametrize("gone", ["b", "a"])
def test_nor_if_all_rows_are_new_or_gone(sail_session, tmp_path, monkeypatch, gone):
    monkeypatch.delattr(differing_rows, "difference")
    left, right = (stage(sail_session, [] if name == gone else [ROW], str(tmp_path / name)) for name in "ba")
    found = differences(left, right, tmp_path)
    assert [row["_midnight_change"] for row in found.rows.collect()] == ["after" if gone == "b" else "before"]


@pytest.mark.parametrize("most", [10, -1])
def test_a_later_row_with_another_key_is_noticed(sail_session, tmp_path, monkeypatch, most):
    monkeypatch.setattr(differing_rows, "MOST_IN_MEMORY", most)
    left = stage(sail_session, [ROW], str(tmp_path / "b"))
    right = stage(sail_session, [ROW, (2, *ROW[1:])], str(tmp_path / "a"))
    keys = affected(left, left, str(tmp_path / "keys"))
    assert find_difference(left, right, keys, KEY, str(tmp_path / "found")) is None


@pytest.mark.parametrize(("changed", "differ"), [(0, False), (4, False), (6, True), (10, True)])
def test_a_sample_tells_whether_most_rows_differ(tmp_path, changed, differ):
    rows = pa.table({"k": pa.array(range(100), pa.int64()), "v": [0.0] * 100})
    write_deltalake(str(tmp_path / "t"), rows)
    found = find_rows(str(tmp_path / "t"), rows.select(["k"]).slice(20, 10))
    after = pa.table({"k": pa.array(range(20, 40), pa.int64()), "v": [1.0] * changed + [0.0] * (20 - changed)})
    assert most_rows_differ(found, after) == differ
