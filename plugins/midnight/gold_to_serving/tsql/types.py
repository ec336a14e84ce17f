"""T-SQL's types.

Sources: Microsoft's "Data type precedence", "Precision, scale, and length", "Data type conversion" and "Constants".
"""

from __future__ import annotations

import re
from dataclasses import dataclass

MAX_PRECISION = 38
MAXIMUM_BYTES = 8000  # of varchar(n) and varbinary(n); nvarchar(n) has half as many characters

INTEGERS = ("tinyint", "smallint", "int", "bigint")
EXACT = (*INTEGERS, "decimal")
APPROXIMATE = ("real", "float")
NUMBERS = (*EXACT, *APPROXIMATE)
TEXTS = ("char", "varchar", "nchar", "nvarchar")
UNICODE = ("nchar", "nvarchar")
TIMESTAMPS = ("datetime", "datetime2")
DATES = ("date", *TIMESTAMPS)
MOMENTS = ("time", *DATES)
DIGITS = {"bit": 1, "tinyint": 3, "smallint": 5, "int": 10, "bigint": 19}
_DUCKDB = {
    "null": "INTEGER",
    "bit": "BOOLEAN",
    "tinyint": "UTINYINT",
    "smallint": "SMALLINT",
    "int": "INTEGER",
    "bigint": "BIGINT",
    "real": "FLOAT",
    "float": "DOUBLE",
    "date": "DATE",
    "time": "TIME",
    "datetime": "TIMESTAMP",
    "datetime2": "TIMESTAMP",
    "varbinary": "BLOB",
    "uniqueidentifier": "UUID",
    "datetimeoffset": "TIMESTAMPTZ",
}
_SYNONYMS = {
    "integer": "int",
    "dec": "decimal",
    "numeric": "decimal",
    "character": "char",
    "char varying": "varchar",
    "character varying": "varchar",
    "national character varying": "nvarchar",
    "national char varying": "nvarchar",
    "national character": "nchar",
    "national char": "nchar",
    "double precision": "float",
    "binary varying": "varbinary",
}


@dataclass(frozen=True)
class SqlType:
    """A T-SQL type.

    Args:
        kind: its name; ``null`` is an untyped NULL.
        precision: digits of decimal.
        scale: digits after the point of decimal; of a second for time and datetime2.
        length: of text and binary in T-SQL's units (bytes, or byte pairs for nchar and nvarchar); None is MAX.
    """

    kind: str
    precision: int = 0
    scale: int = 0
    length: int | None = 0

    def __str__(self) -> str:
        if self.kind == "decimal":
            return f"decimal({self.precision},{self.scale})"
        if self.kind in ("time", "datetime2", "datetimeoffset"):
            return f"{self.kind}({self.scale})"
        if self.kind in (*TEXTS, "varbinary"):
            return f"{self.kind}({'max' if self.length is None else self.length})"
        return self.kind

    @property
    def duckdb(self) -> str:
        """DuckDB's type for its values."""
        if self.kind == "decimal":
            return f"DECIMAL({self.precision},{self.scale})"
        return "VARCHAR" if self.is_text else _DUCKDB[self.kind]

    @property
    def is_text(self) -> bool:
        return self.kind in TEXTS

    @property
    def is_number(self) -> bool:
        return self.kind in NUMBERS

    @property
    def is_integer(self) -> bool:
        return self.kind in INTEGERS


NULL = SqlType("null")
BIT = SqlType("bit")
INT = SqlType("int")
BIGINT = SqlType("bigint")
FLOAT = SqlType("float")
REAL = SqlType("real")
DATE = SqlType("date")
DATETIME = SqlType("datetime")
SMALLINT = SqlType("smallint")
TINYINT = SqlType("tinyint")


def decimal(precision: int, scale: int) -> SqlType:
    """The type ``decimal(precision,scale)``."""
    return SqlType("decimal", precision, scale)


def varchar(length: int | None) -> SqlType:
    """``varchar(length)`` in bytes; None is MAX."""
    return SqlType("varchar", length=length)


def nvarchar(length: int | None) -> SqlType:
    """``nvarchar(length)`` in byte pairs; None is MAX."""
    return SqlType("nvarchar", length=length)


def datetime2(scale: int) -> SqlType:
    """``datetime2(scale)``."""
    return SqlType("datetime2", scale=scale)


def make_type(name: str, arguments: tuple[str, ...], default_length: int = 1) -> SqlType | None:
    """Return the type with a name and arguments; None when it is not supported.

    Args:
        name: as written, without its arguments.
        arguments: in parentheses: numbers or MAX.
        default_length: of texts without a length: 30 in CAST and CONVERT, 1 elsewhere.

    Raises:
        ValueError: the arguments are not valid for the type.
    """
    kind = re.sub(r"\s+", " ", name.strip().lower())
    kind = _SYNONYMS.get(kind, kind)
    if kind in TEXTS or kind == "varbinary":
        return _sized(kind, arguments, default_length)
    numbers = [int(argument) for argument in arguments if argument.isdigit()]
    if len(numbers) != len(arguments):
        raise ValueError(f"{name}({', '.join(arguments)}) is not a valid type")
    if kind == "decimal":
        precision, scale = (*numbers, 0)[:2] if numbers else (18, 0)
        if len(numbers) > 2 or not 1 <= precision <= MAX_PRECISION or scale > precision:
            raise ValueError(
                f"{name}({', '.join(arguments)}) is not a valid type: 1 <= precision <= 38, scale <= precision"
            )
        return decimal(precision, scale)
    if kind in ("time", "datetime2", "datetimeoffset"):
        scale = numbers[0] if numbers else 7
        if len(numbers) > 1 or scale > 7:
            raise ValueError(f"{name}({', '.join(arguments)}) is not a valid type: the scale is 0 to 7")
        return SqlType(kind, scale=scale)
    if kind == "float":
        bits = numbers[0] if numbers else 53
        if len(numbers) > 1 or not 1 <= bits <= 53:
            raise ValueError(f"{name}({', '.join(arguments)}) is not a valid type: float has 1 to 53 bits")
        return REAL if bits <= 24 else FLOAT
    if kind not in _DUCKDB or kind == "null":
        return None
    if arguments:
        raise ValueError(f"{name} takes no length")
    return SqlType(kind)


def _sized(kind: str, arguments: tuple[str, ...], default_length: int) -> SqlType:
    if not arguments:
        return SqlType(kind, length=default_length)
    largest = MAXIMUM_BYTES // 2 if kind in UNICODE else MAXIMUM_BYTES
    if len(arguments) == 1 and arguments[0].upper() == "MAX" and kind not in ("char", "nchar"):
        return SqlType(kind, length=None)
    if len(arguments) == 1 and arguments[0].isdigit() and 1 <= int(arguments[0]) <= largest:
        return SqlType(kind, length=int(arguments[0]))
    raise ValueError(f"{kind}({', '.join(arguments)}) is not a valid type: the length is 1 to {largest}, or MAX")
