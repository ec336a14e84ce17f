"""How each column travels in COPY's binary format: the expression that is selected, and the form of its bytes.

The server sends what a type's binary form holds exactly (numbers, dates, timestamps, booleans, bytes, text) as it is;
everything else as the text that the type's output function prints.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from midnight.bronze.manifest import BronzeColumn
from midnight.column_types import TEXT_TYPES, base_name, copy_expression, normalise_type
from midnight.sql_text import quote_identifier

FixedWire = Literal["int2", "int4", "int8", "oid", "float4", "float8", "bool", "date", "timestamp"]
Wire = FixedWire | Literal["numeric", "bytes", "number text", "json"]

# Forms of which every value has the same number of bytes, as numpy's types; NULL has none.
FIXED_FORMS: dict[Wire, str] = {
    "int2": ">i2",
    "int4": ">i4",
    "int8": ">i8",
    "oid": ">u4",
    "float4": ">f4",
    "float8": ">f8",
    "bool": "u1",
    "date": ">i4",
    "timestamp": ">i8",
}
_WIRES: dict[str, Wire] = {
    "smallint": "int2",
    "integer": "int4",
    "bigint": "int8",
    "real": "float4",
    "double precision": "float8",
    "boolean": "bool",
    "date": "date",
    "timestamp without time zone": "timestamp",
    "timestamp with time zone": "timestamp",
    "bytea": "bytes",
    "text": "bytes",
}
# Their binary form is their text; the text form of the others below is what a cast to text gives. A cast of some types
# differs (inet, "char", or by a cast that a user has created), so that for all others ``concat`` prints them.
_SENT_AS_TEXT = (*TEXT_TYPES, "json")
_CAST_AS_PRINTED = ("uuid", "jsonb", "interval", "time without time zone", "time with time zone")
_NUMERIC = re.compile(r"numeric\((\d+),(\d+)\)")
_DIGITS_OF_INT64 = 18

# The first field of each row of a table without a column that could mark them. No UTF-8 text contains its first byte.
ROW_MARKER = bytes.fromhex("fb9dc6f5")
_MARKER_EXPRESSION = f"({int.from_bytes(ROW_MARKER, signed=True)})"


@dataclass(frozen=True)
class ColumnPlan:
    """How one column is written to the file.

    Args:
        bronze: as in the manifest.
        expression: of the COPY query.
        wire: the form of its values; ``number text`` are numbers as text, each of which must fit the stored type;
            ``json`` is JSON, or ``exact_json.NOT_JSON`` and a text.
        masked: no message shows a value of it.
        replace_by_null: a value that bronze cannot hold becomes null and is counted (``on_unrepresentable: null``).
    """

    bronze: BronzeColumn
    expression: str
    wire: Wire
    masked: bool = False
    replace_by_null: bool = False


def copy_form(
    identifier: str, pg_type: str, stored_as: str, bronze_type: str | None, category: str
) -> tuple[str, Wire]:
    """Expression and form of a column that bronze does not keep as JSON (``exact_json``).

    Args:
        identifier: the quoted column name.
        pg_type: type of the column; for a domain its base type.
        stored_as: its type in bronze.
        bronze_type: ``Column.bronze_type``.
        category: ``pg_type.typcategory`` of the type.

    Raises:
        TypeNotSupportedError: see ``column_types.stored_type``.
    """
    expression = copy_expression(identifier, pg_type, bronze_type=bronze_type, category=category)
    source = re.sub(r"^(timestamp)\(\d\)", r"\1", normalise_type(pg_type))
    if expression != identifier and not stored_as.startswith("numeric"):
        return expression, _WIRES[stored_as]  # cast to the stored type
    if source == "oid" and stored_as == "bigint":
        return expression, "oid"
    if source == stored_as and stored_as in _WIRES:
        return expression, _WIRES[stored_as]
    if source == stored_as and numeric_groups(stored_as) is not None:
        return expression, "numeric"
    if stored_as != "text":
        return f"({expression})::text", "number text"  # another type, or too large: the parser compares each number
    return _as_printed(expression, source), "bytes"


def _as_printed(expression: str, source: str) -> str:
    """What the output function of the type prints."""
    if base_name(source) in _SENT_AS_TEXT:
        return expression
    if re.sub(r"\(\d\)", "", source) in _CAST_AS_PRINTED:
        return f"{expression}::text"
    # For a composite of nulls IS NOT NULL would be false.
    return f"CASE WHEN {expression} IS DISTINCT FROM NULL THEN pg_catalog.concat({expression}) END"


def numeric_groups(stored_as: str) -> tuple[int, int] | None:
    """Groups of four digits before and after the decimal point; None when they do not fit a 64-bit integer."""
    match = _NUMERIC.fullmatch(stored_as)
    if match is None:
        return None
    precision, scale = int(match[1]), int(match[2])
    before, after = -(-(precision - scale) // 4), -(-scale // 4)
    return (before, after) if precision - scale + 4 * after <= _DIGITS_OF_INT64 else None


@dataclass(frozen=True)
class CopyLayout:
    """The fields of each row that COPY sends.

    Args:
        columns: in the order of the query.
        constant: whether ``ROW_MARKER`` comes before them. Else the first column is of fixed size and never null.
    """

    columns: tuple[ColumnPlan, ...]
    constant: bool

    @property
    def expressions(self) -> list[str]:
        """Of the query."""
        return [*([_MARKER_EXPRESSION] if self.constant else []), *(column.expression for column in self.columns)]

    @property
    def row_start(self) -> bytes:
        """The bytes of every row before the length of its first column."""
        if not self.constant:
            return struct.pack(">h", len(self.columns))
        return struct.pack(">hi", len(self.columns) + 1, len(ROW_MARKER)) + ROW_MARKER


def copy_layout(columns: Sequence[ColumnPlan]) -> CopyLayout:
    """How the rows of a file are sent.

    A constant in each row is the surest mark, but the server needs as long for it as for a column.

    Args:
        columns: of the file, in its order.
    """
    ordered = _copy_order(columns)
    return CopyLayout(ordered, constant=not ordered or not _marks_rows(ordered[0]))


def _marks_rows(column: ColumnPlan) -> bool:
    return column.wire in FIXED_FORMS and not column.bronze.nullable


def _copy_order(columns: Sequence[ColumnPlan]) -> tuple[ColumnPlan, ...]:
    """Adjacent fields of fixed size are read at once, those that are never null first.

    A table whose first column marks the rows is sent in its own order: the server needs not form other rows.
    """
    if columns and _marks_rows(columns[0]) and all(c.expression == quote_identifier(c.bronze.source) for c in columns):
        return tuple(columns)

    def rank(column: ColumnPlan) -> int:
        return 2 if column.wire not in FIXED_FORMS else int(column.bronze.nullable)

    return tuple(sorted(columns, key=rank))
