"""Compares the columns of a foreign key with the referenced columns, whose types may differ."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from midnight.sql_text import quote_backticked
from spark_jobs.transforms.casts import from_text

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

_WITH_ZONE = "timestamp with time zone"  # a timestamp that is stored as text may have one


def comparable(column: str, kind: str, other: DataFrame, other_column: str) -> tuple[Column, Column]:
    """The values of two columns in types that both engines can compare.

    If only one side is text (a key that contains an infinite date is stored as text), the text is converted to the type
    of the other side; a text that is not a valid value becomes null and equals nothing. Without this the engines fail.

    Args:
        column: name of the first column.
        kind: its Spark type.
        other: with the second column.
        other_column: name of the second column.
    """
    from pyspark.sql import functions as F

    value, reference = F.col(quote_backticked(column)), F.col(quote_backticked(other_column))
    other_kind = _kind(other, other_column)
    if kind == other_kind or "STRING" not in (kind, other_kind):
        return value, reference
    if kind == "STRING":
        return _or_itself(from_text(value, other_kind, _WITH_ZONE), value), reference
    return value, _or_itself(from_text(reference, kind, _WITH_ZONE), reference)


def references(
    frame: DataFrame, columns: Sequence[str], other: DataFrame, other_columns: Sequence[str]
) -> list[tuple[Column, Column]]:
    """``comparable`` of each pair of columns."""
    return [comparable(c, _kind(frame, c), other, r) for c, r in zip(columns, other_columns, strict=True)]


def _kind(frame: DataFrame, column: str) -> str:
    return next(kind.upper() for name, kind in frame.dtypes if name.casefold() == column.casefold())


def _or_itself(converted: Column | None, value: Column) -> Column:
    return value if converted is None else converted
