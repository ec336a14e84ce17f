"""Decimals with more digits than a double holds: Sail reads those of a file's statistics as doubles."""

from __future__ import annotations

from decimal import Decimal

import pytest
from pyspark.sql import functions as F

from spark_jobs.runtime.delta_tables import append_rows, load_table, overwrite_table

WIDE = [
    ("decimal(18,2)", "1234567890123456.78"),
    ("decimal(18,18)", "0.123456789012345678"),
    ("decimal(38,38)", "0.12345678901234567890123456789012345678"),
]


def check_rows(session, path, values):
    table = load_table(session, path)
    assert table is not None
    assert [row.z for row in table.orderBy("id").collect()] == values
    for value in set(values) - {None}:
        assert table.filter(F.col("z") == F.lit(value)).count() == values.count(value)


@pytest.mark.parametrize(("kind", "value"), WIDE)
def test_a_column_with_a_single_decimal_value_keeps_all_its_digits(sail_session, tmp_path, kind, value):
    path, number = str(tmp_path / "table"), Decimal(value)
    overwrite_table(sail_session.createDataFrame([(1, number), (2, number)], f"id int, z {kind}"), path)
    check_rows(sail_session, path, [number, number])


@pytest.mark.parametrize(("kind", "value"), WIDE)
def test_a_column_added_later_keeps_all_its_digits(sail_session, tmp_path, kind, value):
    path, number = str(tmp_path / "table"), Decimal(value)
    overwrite_table(sail_session.createDataFrame([(1, "a")], "id int, a string"), path)
    append_rows(sail_session.createDataFrame([(2, "b", number), (3, "c", number)], f"id int, a string, z {kind}"), path)
    check_rows(sail_session, path, [None, number, number])
