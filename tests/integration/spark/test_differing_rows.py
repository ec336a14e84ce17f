"""The rows that differ between two states: those found in memory are those that the engine finds."""

from __future__ import annotations

import datetime as dt
import math
from collections import Counter
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyspark.sql import functions as F

from spark_jobs.gold import differing_rows
from spark_jobs.gold.differing_rows import stage_difference
from spark_jobs.runtime.delta_tables import nullable
from spark_jobs.runtime.staged_rows import StagedFolder, stage_rows

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
ROWS = st.lists(st.tuples(*map(st.sampled_from, VALUES.values())), max_size=9)


def stage(session, rows, path) -> StagedFolder:
    frame = session.createDataFrame(rows, SCHEMA)
    # Not null in one file, and nullable in another.
    frame = (
        frame.withColumn("n", F.lit(1)) if path.endswith("a") else nullable(frame.withColumn("n", F.lit(1)), session)
    )
    return StagedFolder(stage_rows([frame], path, dict(frame.dtypes)), path)


def as_text(staged: StagedFolder) -> Counter[str]:
    """Without the sign of a zero, which the engine loses where it groups by the column."""
    return Counter(repr([0.0 if value == 0.0 else value for value in row]) for row in staged.rows.collect())


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(before=ROWS, more=ROWS, unique=st.booleans())
def test_differences_are_those_of_the_engine(sail_session, tmp_path, before, more, unique):
    after = [*before[::2], *more]
    if unique:
        before, after = (list({row[:2]: row for row in rows}.values()) for rows in (before, after))
    left, right = (stage(sail_session, rows, str(tmp_path / name)) for name, rows in (("b", before), ("a", after)))
    found = stage_difference(left, right, ("k0", "k1"), str(tmp_path / "found"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(differing_rows, "MOST_IN_MEMORY", -1)
        wanted = stage_difference(left, right, ("k0", "k1"), str(tmp_path / "wanted"))
    assert found.rows.dtypes == wanted.rows.dtypes
    assert as_text(found) == as_text(wanted)


def test_no_row_is_compared_by_the_engine_if_keys_are_unique(sail_session, tmp_path, monkeypatch):
    monkeypatch.delattr(differing_rows, "difference")
    row = (1, "a", Decimal("0.10"), 0.0, "n", True, None, None)
    left = stage(sail_session, [row, (2, *row[1:])], str(tmp_path / "b"))
    right = stage(sail_session, [(*row[:3], -0.0, *row[4:]), (2, *row[1:])], str(tmp_path / "a"))
    found = stage_difference(left, right, ("k0", "k1"), str(tmp_path / "found"))
    assert sorted(row["_midnight_change"] for row in found.rows.collect()) == ["after", "before"]
