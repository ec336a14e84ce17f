"""Casts with one documented meaning on every engine.

Spark and Sail agree on most texts and differ on some (``'1e3'`` as a decimal, ``'1d'`` as a double), and both are
more lenient than PostgreSQL (``'2013'`` as a date). A pattern therefore decides first which texts are values:

| to | text that is a value |
|---|---|
| smallint, integer, bigint | optional sign, digits, inside the type's range |
| numeric(p,s) | optional sign, digits with an optional point, no exponent; must fit without rounding |
| real, double precision | the same with an optional exponent; not NaN, not infinite (T-SQL has neither) |
| boolean | true, t, yes, y, on, 1, false, f, no, n, off, 0, in any case |
| date | YYYY-MM-DD that exists, years 0001 to 9999 |
| timestamp | YYYY-MM-DD, then ``T`` or a space and HH:MM[:SS[.ffffff]] |
| timestamptz | the same; a zone may follow the seconds (Z, +HH, +HHMM, +HH:MM); without one it is UTC |

Numbers are cast to numbers only if nothing is lost. A timestamp cast to a date loses its time of day.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from midnight.configuration.tables import Table
from midnight.errors import ConfigurationError, ConfigurationProblem
from spark_jobs.transforms.columns import PlannedColumn

if TYPE_CHECKING:
    from pyspark.sql import Column

INTEGERS = {"SMALLINT", "INT", "BIGINT"}
FLOATS = {"FLOAT", "DOUBLE"}
TRUE_TEXTS = ("true", "t", "yes", "y", "on", "1")
FALSE_TEXTS = ("false", "f", "no", "n", "off", "0")

_DATE = r"(?:0(?:0(?:0[1-9]|[1-9][0-9])|[1-9][0-9]{2})|[1-9][0-9]{3})-[0-9]{2}-[0-9]{2}"
_TIME = r"(?:[01][0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9](?:\.[0-9]{1,6})?)?"
_ZONE = r" ?(?:Z|[+-](?:(?:0[0-9]|1[0-3])(?::?[0-5][0-9])?|14(?::?00)?))"


def is_decimal(spark_type: str) -> bool:
    return spark_type.startswith("DECIMAL")


def decimal_size(spark_type: str) -> tuple[int, int]:
    """Precision and scale of ``DECIMAL(p,s)``."""
    precision, scale = re.findall(r"\d+", spark_type)
    return int(precision), int(scale)


def cast_value(column: PlannedColumn, value: Column, table: Table) -> tuple[Column, Column | None]:
    """A column's value in its silver type.

    Args:
        column: what to cast.
        value: the trimmed value, null if the text means null.
        table: for error messages.

    Returns:
        The value, null if it cannot be cast; and a condition that is true for a non-null value that cannot be cast
        (None if every value can be cast).

    Raises:
        ConfigurationError: there is no cast between the two types.
    """
    stored, target = column.stored, column.target
    if stored == target:
        return value, None
    if stored == "STRING":
        result = from_text(value, target, column.target_name)
    elif stored in INTEGERS | FLOATS or is_decimal(stored):
        result = _from_number(value, column)
    elif (stored, target) in {("DATE", "TIMESTAMP"), ("TIMESTAMP", "DATE")}:
        return value.cast(target.lower()), None
    elif target == "STRING" and stored in {"BOOLEAN", "DATE"}:
        return value.cast("string"), None
    else:
        result = None
    if result is None:
        raise ConfigurationError([_no_cast(column, table)])
    return result, value.isNotNull() & result.isNull()


def _no_cast(column: PlannedColumn, table: Table) -> ConfigurationProblem:
    return ConfigurationProblem(
        table.qualified_name,
        None,
        f"columns.{column.name}.cast",
        f"cannot cast {column.stored!r} to {column.target_name!r} in silver; hint: let PostgreSQL cast it with "
        f"bronze_type: {column.target_name}",
    )


def from_text(value: Column, target: str, target_name: str) -> Column | None:
    """A text as a value, null if it is not a valid one; None if there is no cast.

    Args:
        value: the trimmed text.
        target: Spark type, in upper case.
        target_name: PostgreSQL's name of the type: only a ``timestamp with time zone`` accepts a zone.
    """
    from pyspark.sql import functions as F

    if target == "BOOLEAN":
        lower = F.lower(value)
        return F.when(lower.isin(*TRUE_TEXTS), F.lit(True)).when(lower.isin(*FALSE_TEXTS), F.lit(False))
    pattern = text_pattern(target, target_name)
    if pattern is None:
        return None
    result = F.when(value.rlike(rf"\A(?:{pattern})\z"), value).try_cast(target.lower())
    if target in FLOATS:
        return F.when(F.abs(result) < F.lit(float("inf")), result)
    if target == "TIMESTAMP":  # a zone can move a value out of the years that a text can express
        first, last = (F.lit(text).cast("timestamp") for text in ("0001-01-01", "9999-12-31 23:59:59.999999"))
        return F.when(result.between(first, last), result)
    return result


def text_pattern(target: str, target_name: str) -> str | None:
    """Regular expression (Java and RE2) of the texts that are values of a Spark type; None if there is no cast."""
    if target in INTEGERS:
        return "[+-]?[0-9]+"
    if target in FLOATS:
        return r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?"
    if is_decimal(target):
        precision, scale = decimal_size(target)
        whole = precision - scale
        # A digit somewhere, at most `whole` significant ones before the point, and only zeros after `scale` decimals.
        return (
            rf"[+-]?0*(?:[0-9]{{1,{max(whole, 1)}}}(?:\.[0-9]{{0,{scale}}}0*)?|\.[0-9]{{1,{max(scale, 1)}}}0*)"
            if whole
            else rf"[+-]?(?:0+(?:\.[0-9]{{0,{scale}}}0*)?|\.[0-9]{{1,{scale}}}0*)"
        )
    if target == "DATE":
        return _DATE
    if target == "TIMESTAMP":
        zone = f"(?:{_ZONE})?" if target_name.endswith("with time zone") else ""
        return f"{_DATE}(?:[ T]{_TIME}{zone})?"
    return None


def _from_number(value: Column, column: PlannedColumn) -> Column | None:
    """A number as another numeric type if the round trip is lossless; integers and decimals also as text."""
    from pyspark.sql import functions as F

    stored, target = column.stored, column.target
    if target == "STRING" and stored not in FLOATS:
        return value.cast("string")
    if target not in INTEGERS | FLOATS and not is_decimal(target):
        return None
    result = value.try_cast(target.lower())
    return F.when(result.try_cast(stored.lower()) == value, result)
