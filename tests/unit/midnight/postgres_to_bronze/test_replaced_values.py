"""Values that become null in COPY's binary format, and that a block without one costs nothing more."""

from __future__ import annotations

import struct

import pyarrow
import pytest

from midnight.bronze.manifest import BronzeColumn, UnrepresentableValues
from midnight.errors import ValueNotRepresentableError
from midnight.postgres_to_bronze import replaced_values
from midnight.postgres_to_bronze.copy_columns import ColumnPlan, Wire
from midnight.postgres_to_bronze.copy_parser import CopyParser
from midnight.postgres_to_bronze.value_conversion import rejected_values
from tests.support.binary_copy import binary_block


def parser(stored_as: str, wire: Wire, *, replace: bool = True, masked: bool = False) -> CopyParser:
    bronze = BronzeColumn(name="c", source="c", postgres_type=stored_as, stored_as=stored_as)
    return CopyParser("t", [ColumnPlan(bronze, "c", wire, replace_by_null=replace, masked=masked)])


def block(*fields: bytes | None) -> bytes:
    return binary_block([[field] for field in fields])


def test_a_text_that_is_not_utf8_becomes_null():
    texts = parser("text", "bytes")
    assert texts.parse(block(b"a", b"\xff", None, "é".encode()))["c"].to_pylist() == ["a", None, None, "é"]
    assert texts.replaced.found == (UnrepresentableValues(column="c", values=1, example="b'\\xff'"),)
    with pytest.raises(ValueNotRepresentableError, match="not UTF-8"):
        parser("text", "bytes", replace=False).parse(block(b"\xff"))


def test_counts_add_up_over_blocks_and_the_first_example_stays():
    days = parser("date", "date")
    infinity, early, good = struct.pack(">i", 2**31 - 1), struct.pack(">i", -800_000), struct.pack(">i", 0)
    assert days.parse(block(good, infinity, None))["c"].null_count == 2
    assert days.parse(block(early, early, good))["c"].null_count == 2
    assert days.replaced.found == (UnrepresentableValues(column="c", values=3, example="infinity"),)


def test_an_example_is_short_and_a_masked_one_is_not_kept():
    numbers = parser("numeric(38,18)", "number text")
    numbers.parse(block(b"9" * 200))
    assert len(numbers.replaced.found[0].example) == replaced_values.LONGEST_EXAMPLE + 1
    masked = parser("numeric(38,18)", "number text", masked=True)
    masked.parse(block(b"NaN"))
    assert masked.replaced.found[0].example == ""


def test_nothing_more_is_called_for_values_that_fit(monkeypatch):
    monkeypatch.setattr(replaced_values, "convert", None)
    days = parser("date", "date")
    assert days.parse(block(struct.pack(">i", 0), None))["c"].null_count == 1
    assert days.replaced.found == ()


def test_rejected_values_are_found_among_many():
    values = pyarrow.array([str(n) for n in range(1000)] * 2 + ["x", None, "y", "x"])
    calls = []

    def convert(some: pyarrow.Array) -> None:
        calls.append(len(some))
        some.cast(pyarrow.int64())

    assert sorted(rejected_values(values, convert).to_pylist()) == ["x", "y"]
    assert len(calls) < 50
