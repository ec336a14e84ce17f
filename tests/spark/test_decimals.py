"""Decimals with more digits than a double holds: Sail takes constant columns from the statistics of a file."""

from __future__ import annotations

from decimal import Decimal

import pytest

from spark_jobs.delta_tables import load_table, overwrite_table


@pytest.mark.parametrize(
    ("kind", "value"),
    [("decimal(18,2)", "1234567890123456.78"), ("decimal(38,38)", "0.12345678901234567890123456789012345678")],
)
def test_a_column_with_one_decimal_only_keeps_all_its_digits(sail_session, tmp_path, kind, value):
    path = str(tmp_path / "table")
    overwrite_table(sail_session.createDataFrame([(1, Decimal(value)), (2, Decimal(value))], f"id int, z {kind}"), path)
    table = load_table(sail_session, path)
    assert table is not None
    assert [row.z for row in table.collect()] == [Decimal(value)] * 2
