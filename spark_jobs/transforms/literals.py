"""Constants of the configuration as literals of a column's type."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from decimal import Context, Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

from midnight.configuration.checks import Scalar
from midnight.configuration.tables import Table
from midnight.errors import ConfigurationError, ConfigurationProblem

if TYPE_CHECKING:
    from pyspark.sql import Column


_BITS = {"SMALLINT": 16, "INT": 32, "BIGINT": 64}


def literal(value: Scalar, spark_type: str, field: str, table: Table) -> Column:
    """A literal of exactly the type.

    Args:
        value: as written in the table file; dates and timestamps as ISO text.
        spark_type: for example ``DECIMAL(10,2)``.
        field: path of the field, for the message.
        table: for the message.

    Raises:
        ConfigurationError: the value is not valid for the type.
    """
    from pyspark.sql import functions as F

    try:
        return F.lit(_python_value(value, spark_type)).cast(spark_type.lower())
    except (ValueError, InvalidOperation, TypeError) as error:
        message = f"{value!r} is not a valid {spark_type}; hint: write a value of this type"
        raise ConfigurationError([ConfigurationProblem(table.qualified_name, None, field, message)]) from error


def _python_value(value: Scalar, spark_type: str) -> Any:  # noqa: PLR0911 - one return per type
    if spark_type == "STRING":
        return _text(value)
    if spark_type == "BOOLEAN":
        if not isinstance(value, bool):
            raise ValueError("not a boolean")
        return value
    if isinstance(value, bool):
        raise ValueError("a boolean is not a number")
    if spark_type in ("SMALLINT", "INT", "BIGINT"):
        number = Decimal(str(value))
        if number != int(number) or not -(2 ** (_BITS[spark_type] - 1)) <= number < 2 ** (_BITS[spark_type] - 1):
            raise ValueError("not an integer, or out of range")
        return int(number)
    if spark_type in ("FLOAT", "DOUBLE"):
        return float(value)
    if spark_type.startswith("DECIMAL"):
        return _exact_decimal(Decimal(str(value)), spark_type)
    if spark_type == "DATE":
        return date.fromisoformat(str(value)[:10])
    if spark_type == "TIMESTAMP":
        moment = datetime.fromisoformat(str(value))
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    raise ValueError("no literals of this type")


def _text(value: Scalar) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _exact_decimal(value: Decimal, spark_type: str) -> Decimal:
    """The engine would round a value that does not fit, or set it to null: a bound of 0.005 would become 0.01."""
    precision, scale = (int(part) for part in re.findall(r"\d+", spark_type))
    if value != value.quantize(Decimal(1).scaleb(-scale), context=Context(prec=76)) or abs(value) >= 10 ** (
        precision - scale
    ):
        raise ValueError("does not fit")
    return value
