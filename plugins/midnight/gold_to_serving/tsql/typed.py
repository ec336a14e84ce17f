"""A translated expression: DuckDB's SQL with its T-SQL type."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from midnight.gold_to_serving.tsql.types import INT, NULL, SqlType, decimal, nvarchar, varchar
from midnight.sql_text import text_literal


@dataclass(frozen=True)
class Typed:
    """A value: DuckDB's SQL with its T-SQL type.

    Args:
        sql: safe next to any operator without parentheses.
        type: of T-SQL.
        constant: the value of a constant.
        is_column: whether it is a column, which is cheap to repeat.
    """

    sql: str
    type: SqlType
    constant: int | Decimal | float | str | None = None
    is_column: bool = False

    @property
    def is_null(self) -> bool:
        return self.type.kind == "null"

    @property
    def text(self) -> str | None:
        """The value of a text constant; None for other values."""
        return self.constant if isinstance(self.constant, str) else None

    @property
    def integer(self) -> int | None:
        """The value of an integer constant; None for other values."""
        return self.constant if isinstance(self.constant, int) else None


def text_constant(text: str, unicode: bool = False) -> Typed:
    """Return a text constant; ``varchar`` counts the bytes of UTF-8, ``nvarchar`` byte pairs."""
    length = len(text.encode("utf-16-le")) // 2 if unicode else len(text.encode("utf-8"))
    largest = 4000 if unicode else 8000
    size = None if length > largest else max(length, 1)
    return Typed(text_literal(text), nvarchar(size) if unicode else varchar(size), text)


def integer_constant(value: int) -> Typed:
    """Return an int constant."""
    return Typed(f"CAST({value} AS INTEGER)", INT, value)


def decimal_constant(text: str) -> Typed:
    """Return a numeric constant; leading zeros of the integer part do not count ("Constants")."""
    whole, _, fraction = text.lstrip("-").partition(".")
    whole = whole.lstrip("0")
    type_ = decimal(max(len(whole) + len(fraction), 1), len(fraction))
    return Typed(f"CAST('{text}' AS {type_.duckdb})", type_, Decimal(text))


NULL_VALUE = Typed("NULL", NULL)
