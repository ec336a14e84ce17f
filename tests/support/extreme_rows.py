"""Rows with the extreme values of every type that silver has."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from midnight.configuration.tables import Table
from tests.support.sealed_batches import table

_TEXTS = ["", " ", "a", "a ", " a", "NA", "é" * 7, "日本語" * 3, "x" * 8, "x" * 9, "y" * 300, "\t z\n", "\u2003q", "😀"]
_FLOATS = [0.0, -0.0, 1.5, -1e308, 5e-324, float("inf"), float("-inf"), float("nan"), 0.1, 2.0**53 + 2]
_TIMES = [
    datetime(1, 1, 1, tzinfo=UTC),
    datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
    datetime(1969, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
    datetime(2024, 2, 29, 12, 30, 15, 123456, tzinfo=UTC),
    datetime(1582, 10, 10, tzinfo=UTC),
]
VALUES: dict[str, list[Any]] = {
    "smallint": [-(2**15), 2**15 - 1, 0, 7],
    "integer": [-(2**31), 2**31 - 1, 0, -1],
    "bigint": [-(2**63), 2**63 - 1, 0, 2**53 + 1],
    "numeric(5,0)": [Decimal(99999), Decimal(-99999), Decimal(0)],
    "numeric(18,2)": [Decimal("1234567890123456.78"), Decimal("-9999999999999999.99"), Decimal("0.00")],
    "numeric(38,0)": [Decimal("9" * 38), Decimal("-" + "9" * 38), Decimal(2**64), Decimal(-1)],
    "numeric(38,18)": [Decimal("12345678901234567890.123456789012345678"), Decimal("-0.000000000000000001")],
    "numeric(38,38)": [Decimal("0.12345678901234567890123456789012345678"), Decimal("-0." + "9" * 38)],
    "real": [0.0, -0.0, 1.5, float("inf"), float("nan"), 2.0**-149],
    "double precision": _FLOATS,
    "boolean": [True, False],
    "date": [date(1, 1, 1), date(9999, 12, 31), date(1969, 12, 31), date(1582, 10, 10)],
    "timestamp with time zone": _TIMES,
    "timestamp without time zone": [moment.replace(tzinfo=None) for moment in _TIMES],
    "text": _TEXTS,
    "bytea": [b"", b"\0", bytes(range(256)), b"\xff" * 9, b"ab"],
}


def extreme_table(name: str = "extremes", **rules: Any) -> Table:
    """A table with a column of each type."""
    columns: dict[str, Any] = {"id": "bigint"} | {f"c{number}": kind for number, kind in enumerate(VALUES)}
    columns["raw_text"] = {"type": "text", "trim": False}
    columns["padded"] = {"type": "character(5)", "trim": False}
    return table(name, columns, **{"reconcile": "digests", "null_values": ["NA"], **rules})


def extreme_rows(seed: int, count: int) -> list[dict[str, Any]]:
    """Rows of ``extreme_table`` with a new value in every tenth for another seed."""
    result = []
    for number in range(count):
        chance = random.Random(f"{seed if number % 10 == 3 else 0} {number}")  # noqa: S311 - a test
        row: dict[str, Any] = {"id": number - count // 2}
        for place, values in enumerate(VALUES.values()):
            row[f"c{place}"] = None if chance.random() < 0.15 else chance.choice(values)
        row["raw_text"], row["padded"] = (
            chance.choice([*_TEXTS, None]),
            chance.choice(["ab   ", "abcde", "     ", None]),
        )
        if row["c12"] is not None and chance.random() < 0.5:
            row["c12"] = datetime(2000, 1, 1, tzinfo=UTC) + timedelta(microseconds=chance.getrandbits(50))
        result.append(row)
    return result
