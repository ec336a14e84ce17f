"""FORMAT(value, pattern, culture): chooses the module for the type of the value."""

from __future__ import annotations

from midnight.gold_to_serving.tsql.format_dates import format_date
from midnight.gold_to_serving.tsql.format_numbers import format_number
from midnight.gold_to_serving.tsql.sql_pieces import FormatRefusedError
from midnight.gold_to_serving.tsql.types import NUMBERS, SqlType

_CULTURE = "en-us"


def format_value(operand: str, type_: SqlType, pattern: str, culture: str | None = None) -> str:
    """DuckDB SQL for ``FORMAT(operand, pattern, culture)``; the result is VARCHAR (T-SQL: nvarchar), NULL for NULL.

    Args:
        operand: DuckDB SQL of the value, in the DuckDB type of ``type_``.
        type_: its T-SQL type.
        pattern: the literal second argument.
        culture: the literal third argument; None for a session in us_english.

    Raises:
        FormatRefusedError: T-SQL rejects it, or it has no proved counterpart.
    """
    if culture is not None and culture.lower() != _CULTURE:
        raise FormatRefusedError(f"FORMAT with culture {culture!r} has no proved counterpart", "use 'en-US', or CONCAT")
    if not pattern:
        raise FormatRefusedError("FORMAT with an empty pattern", "write the pattern, for example 'N2' or 'yyyy-MM-dd'")
    if type_.kind in NUMBERS:
        return format_number(operand, type_, pattern)
    if type_.kind in ("date", "datetime", "datetime2", "time"):
        return format_date(operand, type_, pattern)
    hint = "CAST it to a number or a date first, or CONVERT it to text"
    raise FormatRefusedError(f"FORMAT of {type_} is an error in T-SQL, or not proved", hint)
