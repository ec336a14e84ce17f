"""Pseudonyms inside a job: computed once per row, before anything is compared, staged or written.

The digest is computed by a Python function that holds the key. An expression of ``sha2`` and literals would be faster,
but would expose the key in query plans, in the Spark UI and in event logs; these show only the name of a function.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from midnight.masking import PSEUDONYM_DIGITS, MaskingKey
from spark_jobs.transforms.columns import PlannedColumn

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

RAW, PSEUDONYM = "_midnight_raw_", "_midnight_pseudonym_"


def with_pseudonyms(frame: DataFrame, columns: Sequence[PlannedColumn], key: MaskingKey | None) -> DataFrame:
    """Add ``_midnight_pseudonym_<n>`` for each masked column.

    It is the pseudonym of the cleaned value or, if there is none, of the bronze value (for the quarantine).

    Args:
        frame: cleaned rows with the bronze values.
        columns: plan of the columns.
        key: None if no column is masked.

    Raises:
        ValueError: a column is masked and ``key`` is None.
    """
    from pyspark.sql import functions as F

    masked = [(i, column) for i, column in enumerate(columns) if column.masked]
    if not masked:
        return frame
    if key is None:
        raise ValueError(f"columns {[column.name for _, column in masked]!r} need the masking key")
    # Arrow batches are about twice as fast on both engines as one call per row over a pipe.
    pseudonym = F.udf(_digest(key.secret, PSEUDONYM_DIGITS), "string", useArrow=True)
    return frame.withColumns({f"{PSEUDONYM}{i}": pseudonym(_text(column, i)) for i, column in masked})


def masked_values(columns: Sequence[PlannedColumn]) -> dict[str, Column]:
    """The silver value of each masked column; null stays null."""
    from pyspark.sql import functions as F

    return {
        column.name: F.when(F.col(column.name).isNotNull(), F.col(f"{PSEUDONYM}{i}"))
        for i, column in enumerate(columns)
        if column.masked and not column.drop
    }


def bronze_text(column: PlannedColumn, number: int) -> Column:
    """The bronze value as text, bytes in PostgreSQL's hex format."""
    from pyspark.sql import functions as F

    value = F.col(f"{RAW}{number}")
    return F.concat(F.lit("\\x"), F.lower(F.hex(value))) if column.stored == "BINARY" else value.cast("string")


def canonical_text(value: Column, spark_type: str) -> Column:
    """The canonical text of a value, independent of its type: 7, 7.0 and '7' have the same pseudonym in all tables.

    Dates are YYYY-MM-DD, timestamps YYYY-MM-DD HH:MM:SS.ffffff in UTC, decimals have no trailing zeros.
    """
    from pyspark.sql import functions as F

    if spark_type == "TIMESTAMP":
        return F.date_format(value, "yyyy-MM-dd HH:mm:ss.SSSSSS")
    text = value.cast("string")
    if spark_type.startswith("DECIMAL") and not spark_type.endswith(",0)"):
        return F.regexp_replace(text, r"\.?0+$", "")
    return text


def _text(column: PlannedColumn, number: int) -> Column:
    from pyspark.sql import functions as F

    cleaned = [] if column.drop else [canonical_text(F.col(column.name), column.target)]
    bronze = [] if column.bronze is None else [bronze_text(column, number)]
    return F.coalesce(*cleaned, *bronze, F.lit(None).cast("string"))


def _digest(secret: bytes, digits: int) -> Callable[[str | None], str | None]:
    """``MaskingKey.pseudonym`` as a function that imports no module of Midnight on the engine's workers."""

    def pseudonym(text):  # type: ignore[no-untyped-def] # noqa: ANN001 - annotations would be pickled too
        import hmac

        return None if text is None else hmac.digest(secret, text.encode(), "sha256").hex()[:digits]

    return pseudonym
