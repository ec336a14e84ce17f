"""One column of a table: an item of ``columns`` in ``include/tables/*.yml``."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, WithJsonSchema, field_validator, model_validator

from midnight.column_types import spark_type
from midnight.configuration.base import ConfigurationModel
from midnight.configuration.checks import Scalar
from midnight.errors import TypeNotSupportedError
from midnight.names import safe_name

# For editors: a name without spaces and ASCII punctuation, as `safe_name` makes it.
_SAFE_NAME = r"^[^0-9\s!-/:-@\[-^`{-~][^\s!-/:-@\[-^`{-~]*$"


class Fill(ConfigurationModel):
    """Replace null by a constant of the column's type.

    Args:
        fill: the constant.
    """

    fill: Scalar


class Column(ConfigurationModel):
    """One column from the source to silver.

    Args:
        name: name from bronze on; letters, digits and underscores.
        source: name in PostgreSQL, where it differs.
        type: PostgreSQL type, as ``format_type`` prints it.
        bronze_type: PostgreSQL type of the values in bronze, for a type that the lake does not have, for example
            ``text``, or ``numeric(38,10)`` for a numeric without precision.
        on_unrepresentable: what happens to a value that bronze cannot hold exactly, such as ``infinity`` in a date or
            ``NaN`` in a numeric (docs/types.md): ``fail`` stops the table with an example; ``text`` keeps the whole
            column as the text that PostgreSQL prints (``bronze_type: text``); ``null`` replaces the value by null and
            counts it in the manifest, the ledger and the run's warnings.
        cast: PostgreSQL type in silver; a row whose value cannot be cast goes to quarantine.
        nulls: ``keep``, ``drop_row`` (the row is dropped and counted), or ``{fill: value}``.
        null_values: texts that mean null in this column; replaces the table's list.
        trim: remove white space around text (text columns only); the padding of a ``character(n)`` is always removed.
        drop: the column is redundant and does not reach silver.
        mask: ``pseudonym``: the column holds personal data; silver and all later layers hold a keyed digest of the
            value (docs/masking.md), of type text.
        description: comes with the column to the gold contract that ``make init`` writes.
    """

    name: str = Field(json_schema_extra={"pattern": _SAFE_NAME})
    source: str | None = None
    type: str = Field(examples=["integer", "text", "numeric(10,2)", "timestamp with time zone"])
    bronze_type: str | None = Field(default=None, examples=["text", "numeric(38,10)"])
    on_unrepresentable: Annotated[
        Literal["fail", "text", "null"], WithJsonSchema({"enum": ["fail", "text", "null", None]})
    ] = "fail"
    cast: str | None = Field(default=None, examples=["integer", "date"])
    nulls: Literal["keep", "drop_row"] | Fill = "keep"
    null_values: tuple[str, ...] | None = None
    trim: bool = True
    drop: bool = False
    mask: Literal["pseudonym"] | None = None
    description: str = ""

    @property
    def source_name(self) -> str:
        return self.source if self.source is not None else self.name

    @model_validator(mode="before")
    @classmethod
    def _read_policy(cls, data: Any) -> Any:
        """``text`` decides the type from the first batch on, so that it never changes; YAML reads ``null`` as None."""
        if not isinstance(data, dict) or "on_unrepresentable" not in data:
            return data
        policy = "null" if data["on_unrepresentable"] is None else data["on_unrepresentable"]
        bronze_type = "text" if policy == "text" and data.get("bronze_type") is None else data.get("bronze_type")
        return {**data, "on_unrepresentable": policy, "bronze_type": bronze_type}

    @field_validator("name")
    @classmethod
    def _name_is_safe(cls, name: str) -> str:
        if name != safe_name(name):
            raise ValueError(
                f"{name!r} is not a valid column name for Parquet, Delta and Synapse; hint: write "
                f"name: {safe_name(name)} and source: {name!r}"
            )
        return name


def can_be_masked(column: Column) -> bool:
    """Whether a digest of the column is the same in every engine and hides the value.

    It is not for floating point, whose text differs between engines, for bytes, which have no text, and for booleans.
    """
    try:
        return spark_type(column.cast or column.bronze_type or column.type) not in (
            "FLOAT",
            "DOUBLE",
            "BINARY",
            "BOOLEAN",
        )
    except TypeNotSupportedError:
        return True  # reported elsewhere
