"""The rules that a table's rows or a gold model have to pass: the ``checks`` of a table's or a model's file."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from midnight.configuration.base import ConfigurationModel

OnFailure = Literal["quarantine", "warn", "fail"]
Scalar = bool | int | float | str


class BaseCheck(ConfigurationModel):
    """What every check has.

    Args:
        name: shown in the ledger and the quarantine; derived from the rule when empty.
        on_failure: ``quarantine`` keeps the row out of silver, ``warn`` counts it, ``fail`` stops before publishing.
        description: for people.
    """

    name: str = ""
    on_failure: OnFailure = "quarantine"
    description: str = ""

    @property
    def label(self) -> str:
        """The name, or one made of the rule and its columns."""
        if self.name:
            return self.name
        columns = getattr(self, "columns", None) or (getattr(self, "column", ""),)
        return "_".join([str(getattr(self, "rule", "")), *columns]).strip("_")

    @property
    def used_columns(self) -> tuple[str, ...]:
        """Columns of this table that the check reads (empty for an expression)."""
        columns = getattr(self, "columns", None)
        return tuple(columns) if columns else tuple(c for c in [getattr(self, "column", None)] if c)

    @property
    def expectation(self) -> str:
        """What the columns and their values should have been, to stand behind them in the quarantine's reason."""
        return " fails"


class NotNull(BaseCheck):
    """None of the columns is null."""

    rule: Literal["not_null"]
    columns: tuple[str, ...] = Field(min_length=1)

    @property
    def expectation(self) -> str:
        return " must not be null"


class Unique(BaseCheck):
    """No two rows share the columns; with ``quarantine`` the first row by ``order_by`` stays, the others go."""

    rule: Literal["unique"]
    columns: tuple[str, ...] = Field(min_length=1)

    @property
    def expectation(self) -> str:
        return " is there more than once"


class AcceptedValues(BaseCheck):
    """The value is one of these; null passes."""

    rule: Literal["accepted_values"]
    column: str
    values: tuple[Scalar, ...] = Field(min_length=1)

    @property
    def expectation(self) -> str:
        return f" is not in {list(self.values)!r}"


class Range(BaseCheck):
    """Inclusive bounds; null passes (use not_null beside it). Dates and timestamps are ISO texts."""

    rule: Literal["range"]
    column: str
    min: Scalar | None = None
    max: Scalar | None = None

    @field_validator("min", "max", mode="before")
    @classmethod
    def _dates_as_text(cls, value: Any) -> Any:
        """YAML reads an unquoted 2013-01-01 as a date."""
        return value.isoformat() if hasattr(value, "isoformat") else value

    @model_validator(mode="after")
    def _has_a_bound(self) -> Range:
        if self.min is None and self.max is None:
            raise ValueError("a range needs min or max")
        return self

    @property
    def expectation(self) -> str:
        if self.min is None:
            return f" is more than {self.max!r}"
        return f" is less than {self.min!r}" if self.max is None else f" is not between {self.min!r} and {self.max!r}"


class Pattern(BaseCheck):
    """The whole text matches a regular expression (RE2 and Java agree on the common subset); null passes."""

    rule: Literal["pattern"]
    column: str
    regex: str

    @property
    def expectation(self) -> str:
        return f" does not match {self.regex!r}"


class ForeignKey(BaseCheck):
    """The columns, where none is null, exist in another table's silver."""

    rule: Literal["foreign_key"]
    columns: tuple[str, ...] = Field(min_length=1)
    table: str
    references: tuple[str, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _same_length(self) -> ForeignKey:
        if len(self.columns) != len(self.references):
            raise ValueError(f"columns {self.columns!r} and references {self.references!r} must be equally many")
        return self

    @property
    def expectation(self) -> str:
        return f" does not exist in {self.table} ({', '.join(self.references)})"


class Expression(BaseCheck):
    """A Spark SQL condition over the cleaned row; a row for which it is false fails, null passes."""

    rule: Literal["expression"]
    sql: str

    @model_validator(mode="after")
    def _has_a_name(self) -> Expression:
        if not self.name:
            raise ValueError("an expression check needs a name")
        return self

    @property
    def expectation(self) -> str:
        return f"not true: {self.sql}"


Check = Annotated[
    NotNull | Unique | AcceptedValues | Range | Pattern | ForeignKey | Expression, Field(discriminator="rule")
]
