"""COPY's binary format to Arrow: every field of every row, wherever it is, and nothing that is not one."""

from __future__ import annotations

import struct
from datetime import date

import pyarrow
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from midnight.bronze.manifest import BronzeColumn
from midnight.errors import ValueNotRepresentableError
from midnight.postgres_to_bronze import copy_block
from midnight.postgres_to_bronze.copy_columns import ROW_MARKER, ColumnPlan
from midnight.postgres_to_bronze.copy_parser import CopyParser
from midnight.postgres_to_bronze.row_starts import PADDING
from tests.support.binary_copy import TRAILER, binary_block, binary_row


def column(name: str, stored_as: str, wire: str, *, nullable: bool = True) -> ColumnPlan:
    bronze = BronzeColumn(name=name, source=name, postgres_type=stored_as, stored_as=stored_as, nullable=nullable)
    return ColumnPlan(bronze, name, wire)


def columns_of(*, marked: bool) -> list[ColumnPlan]:
    """In the order of the COPY query: fixed and never null, fixed, the rest.

    Args:
        marked: no column is never null, and the query adds a constant.
    """
    return [
        column("id", "bigint", "int8", nullable=marked),
        column("small", "smallint", "int2", nullable=marked),
        column("flag", "boolean", "bool"),
        column("ratio", "double precision", "float8"),
        column("note", "text", "bytes"),
        column("raw", "bytea", "bytes"),
    ]


COLUMNS = columns_of(marked=False)
by_constant_and_by_key = pytest.mark.parametrize("marked", [True, False])
KEY_MARK = struct.pack(">hi", 6, 8)  # number of fields, and length of the first
VALUES = st.tuples(
    st.integers(-(2**63), 2**63 - 1),
    st.integers(-(2**15), 2**15 - 1),
    st.none() | st.booleans(),
    st.none() | st.floats(allow_nan=False),
    st.none() | st.text(max_size=12),
    # What looks like a row, its beginning, its end, or the end of the table
    st.none()
    | st.binary(max_size=8)
    | st.sampled_from([ROW_MARKER, TRAILER, binary_row([b""] * 6), binary_row([])[:10], binary_row([b""] * 6)[:10]])
    | st.sampled_from([KEY_MARK, KEY_MARK[:4], KEY_MARK * 3, binary_row([bytes(8), *[b""] * 5], marked=False)]),
)


def encode(row: tuple) -> list[bytes | None]:
    number, small, flag, ratio, note, raw = row
    return [
        struct.pack(">q", number),
        struct.pack(">h", small),
        None if flag is None else struct.pack(">?", flag),
        None if ratio is None else struct.pack(">d", ratio),
        None if note is None else note.encode(),
        raw,
    ]


def rows_of(table: pyarrow.Table) -> list[tuple]:
    return list(zip(*(values.to_pylist() for values in table.columns), strict=True)) if table.num_rows else []


@by_constant_and_by_key
@given(rows=st.lists(VALUES, max_size=30), first=st.booleans(), last=st.booleans())
@example(rows=[(1, 2, None, None, None, binary_row([b""] * 6))] * 3, first=True, last=True)
@example(rows=[(1, 2, None, None, None, KEY_MARK)] * 3, first=True, last=True)
@example(rows=[(-1, -1, True, 0.0, "", b"\xff\xff")], first=False, last=False)
def test_every_field_arrives_unchanged(rows, first, last, marked):
    ends = {} if first else {"before": b""}
    block = binary_block(map(encode, rows), **ends, **({} if last else {"after": b""}), marked=marked)
    assert rows_of(CopyParser("t", columns_of(marked=marked)).parse(block)) == rows


@pytest.fixture
def followed(monkeypatch):
    """One entry for each block whose rows were found by the lengths of their fields."""
    calls, follow = [], copy_block.Block.follow
    monkeypatch.setattr(copy_block.Block, "follow", lambda self: calls.append(1) or follow(self))
    monkeypatch.setattr(copy_block.Block, "count_out", None)  # never needed for that
    return calls


@by_constant_and_by_key
def test_a_value_that_looks_like_rows_is_a_value(followed, marked):
    """All lengths are read only where the marks do not prove where the rows are."""
    parser = CopyParser("t", columns_of(marked=marked))
    plain = (1, 2, True, 0.5, "a", b"x")
    odd = (*plain[:5], binary_row(encode(plain), marked=marked) * 3)
    nulls = (1, 2, None, None, None, None)
    assert rows_of(parser.parse(binary_block(map(encode, [plain, nulls] * 5), marked=marked))) == [plain, nulls] * 5
    assert not followed
    for rows in ([plain, odd, plain], [odd, odd], [plain, odd], [odd, plain, plain, odd, odd, plain]):
        assert rows_of(parser.parse(binary_block(map(encode, rows), marked=marked))) == rows
    assert len(followed) == 4


def test_numbers_that_look_like_the_first_bytes_of_a_row(followed):
    columns = [column(name, "bigint", "int8", nullable=name > "a") for name in "abcde"]
    rows = [(number % 7, 5 + 65_536 * number, 5, number, 0) for number in range(100)]  # 5 is the number of fields
    block = binary_block([[struct.pack(">q", value) for value in row] for row in rows], marked=False)
    assert rows_of(CopyParser("t", columns).parse(block)) == rows
    assert followed
    followed.clear()
    never_null = [column(name, "bigint", "int8", nullable=False) for name in "abcde"]
    assert rows_of(CopyParser("t", never_null).parse(block)) == rows
    assert followed


@by_constant_and_by_key
@pytest.mark.parametrize("cut", range(1, 52))
def test_a_block_that_is_cut_is_refused(cut, marked):
    block = binary_block([encode((1, 2, True, 0.5, "note", b"raw"))], after=b"", marked=marked)
    whole = block[:-PADDING]
    with pytest.raises(ValueNotRepresentableError, match="report this as a defect"):
        CopyParser("t", columns_of(marked=marked)).parse(whole[:-cut] + bytes(PADDING))


@by_constant_and_by_key
def test_a_large_block_is_counted_out(monkeypatch, marked):
    monkeypatch.setattr(copy_block, "_LARGE", 100)
    rows = [(n, n, None, 1.5, "x" * n, bytes(n)) for n in range(50)]
    block = binary_block(map(encode, rows), marked=marked)
    assert rows_of(CopyParser("t", columns_of(marked=marked)).parse(block)) == rows


def test_several_columns_with_nulls_among_those_that_are_read_at_once():
    columns = [column(f"c{n}", "integer", "int4") for n in range(6)]
    rows = [tuple(None if (row >> n) & 1 else row * 10 + n for n in range(6)) for row in range(64)]
    sent = [[None if value is None else struct.pack(">i", value) for value in row] for row in rows]
    assert rows_of(CopyParser("t", columns).parse(binary_block(sent))) == rows


def test_more_columns_of_fixed_size_than_are_read_at_once():
    columns = [column(f"c{n}", "bigint", "int8", nullable=n % 3 == 0) for n in range(100)]
    fields = sorted(range(100), key=lambda n: n % 3 == 0)  # as in the query
    sent = [[None if n == 33 and row == 2 else struct.pack(">q", n * row) for n in fields] for row in range(4)]
    table = CopyParser("t", columns).parse(binary_block(sent, marked=False))
    assert table.column_names == [f"c{n}" for n in range(100)]
    assert rows_of(table) == [tuple(None if n == 33 and row == 2 else n * row for n in range(100)) for row in range(4)]


def test_a_null_in_a_column_that_has_none():
    """A view or an inheriting table may have one; the catalogue is not what counts."""
    sent = [encode((1, 2, True, 0.5, "a", b"")), [None, *encode((1, 2, True, 0.5, "a", b""))[1:]]]
    assert rows_of(CopyParser("t", COLUMNS).parse(binary_block(sent, marked=False)))[1] == (
        None,
        2,
        True,
        0.5,
        "a",
        b"",
    )


def test_a_table_without_columns_or_rows():
    assert CopyParser("t", COLUMNS).parse(binary_block([])).num_rows == 0


def test_text_that_is_not_utf8():
    row = [*encode((1, 2, True, 0.5, "a", b""))[:4], b"\xff", None]
    with pytest.raises(ValueNotRepresentableError, match=r"column 'note' holds .*xff.*, which is not UTF-8"):
        CopyParser("t", COLUMNS).parse(binary_block([row], marked=False))


def test_a_date_of_the_first_and_last_year():
    plan = [column("day", "date", "date")]
    days = [struct.pack(">i", (day - date(2000, 1, 1)).days) for day in (date.min, date.max)]
    assert rows_of(CopyParser("t", plan).parse(binary_block([[day] for day in days]))) == [(date.min,), (date.max,)]
    for wrong, shown in ((-730_120, "0001-12-31 BC"), (2_921_940, "10000-01-01"), (2**31 - 1, "infinity")):
        with pytest.raises(ValueNotRepresentableError, match=f"'{shown}'"):
            CopyParser("t", plan).parse(binary_block([[struct.pack(">i", wrong)]]))
