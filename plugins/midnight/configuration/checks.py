"""The ``checks`` of a table's or a gold model's file: rules that its rows must pass."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, field_validator, model_validator
from pydantic.json_schema import SkipJsonSchema

from midnight.configuration.base import ConfigurationModel

OnFailure = Literal["quarantine", "warn", "fail"]
Scalar = bool | int | float | str
VALUES_SHOWN = 8  # of a list, in the requirement of a check


# Hosts with dots, an optional port, and no user or password; empty without a link.
HTTPS = r"^$|^https://[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)*(:[0-9]+)?([/?#][^\s<>\"]*)?$"
# What people read; it changes no row.
DOCUMENTATION = ("description", "owner", "link", "written")


def without_password(link: str) -> str:
    """An address for a message, without the user and password that it may contain."""
    return re.sub(r"//[^/]*@", "//…@", link)


class BaseCheck(ConfigurationModel):
    """The fields of every check.

    Args:
        name: shown in the ledger and the quarantine; by default the rule and its columns.
        on_failure: ``quarantine`` keeps the row out of silver, ``warn`` counts it, ``fail`` stops before publishing.
        description: why the rule exists, for people; like ``owner`` and ``link`` not used by a run.
        owner: who corrects the rows: a team or an address.
        link: where to read more: an https address.
    """

    name: str = ""
    on_failure: OnFailure = "quarantine"
    description: str = ""
    owner: str = ""
    link: str = Field(default="", json_schema_extra={"pattern": HTTPS}, examples=["https://wiki.example.com/airports"])

    @field_validator("link")
    @classmethod
    def _link_is_https(cls, link: str) -> str:
        if not re.match(HTTPS, link):
            raise ValueError(
                f"{without_password(link)!r} is not a valid link; hint: write an address like https://wiki.example.com/airports"
            )
        return link

    @property
    def label(self) -> str:
        """The name, or the rule and its columns."""
        if self.name:
            return self.name
        columns = getattr(self, "columns", None) or (getattr(self, "column", ""),)
        return "_".join([str(getattr(self, "rule", "")), *columns]).strip("_")

    @property
    def used_columns(self) -> tuple[str, ...]:
        """Columns of this table that the check reads; empty for an expression."""
        columns = getattr(self, "columns", None)
        return tuple(columns) if columns else tuple(c for c in [getattr(self, "column", None)] if c)

    @property
    def expectation(self) -> str:
        """The end of the quarantine reason, after the columns and their values."""
        return " fails"

    @property
    def requirement(self) -> str:
        """What a good row fulfils: ``lon is between -180 and 180``."""
        return self.label

    @property
    def about(self) -> str:
        """Description, owner and link as one text for messages; empty without them."""
        parts = (self.description, self.owner and f"owner: {self.owner}", self.link and f"see {self.link}")
        return "; ".join(part.rstrip(".") for part in parts if part)


class NotNull(BaseCheck):
    """None of the columns is null.

    Args:
        columns: that must not be null.
    """

    rule: Literal["not_null"]
    columns: tuple[str, ...] = Field(min_length=1)

    @property
    def expectation(self) -> str:
        return " must not be null"

    @property
    def requirement(self) -> str:
        return f"{_joined(self.columns)} {'is' if len(self.columns) == 1 else 'are'} not null"


class Unique(BaseCheck):
    """No two rows share the columns; with ``quarantine`` the first row by ``order_by`` stays in silver.

    Args:
        columns: whose values together occur once.
    """

    rule: Literal["unique"]
    columns: tuple[str, ...] = Field(min_length=1)

    @property
    def expectation(self) -> str:
        return " occurs more than once"

    @property
    def requirement(self) -> str:
        return f"{_joined(self.columns)} {'is' if len(self.columns) == 1 else 'together are'} unique"


class AcceptedValues(BaseCheck):
    """The value is one of a list; null passes.

    Args:
        column: that is checked.
        values: the accepted values.
    """

    rule: Literal["accepted_values"]
    column: str
    values: tuple[Scalar, ...] = Field(min_length=1)

    @property
    def expectation(self) -> str:
        return f" is not in {list(self.values)!r}"

    @property
    def requirement(self) -> str:
        more = len(self.values) - VALUES_SHOWN
        values = [repr(value) for value in self.values[:VALUES_SHOWN]] + ([f"{more} more"] if more > 0 else [])
        return f"{self.column} is {_joined(values, 'or')}"


class Range(BaseCheck):
    """The value lies between two inclusive bounds, of which one may be missing; null passes.

    Args:
        column: that is checked.
        min: smallest accepted value; a date or timestamp in ISO 8601.
        max: largest accepted value.
    """

    model_config = ConfigDict(json_schema_extra={"anyOf": [{"required": ["min"]}, {"required": ["max"]}]})

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
            raise ValueError("has no bound; hint: add min, max or both")
        return self

    @property
    def expectation(self) -> str:
        if self.min is None:
            return f" is greater than {self.max!r}"
        return f" is less than {self.min!r}" if self.max is None else f" is not between {self.min!r} and {self.max!r}"

    @property
    def requirement(self) -> str:
        if self.min is None or self.max is None:
            return f"{self.column} is at {f'least {self.min}' if self.max is None else f'most {self.max}'}"
        return f"{self.column} is between {self.min} and {self.max}"


class Pattern(BaseCheck):
    """The whole text matches a regular expression; null passes.

    Args:
        column: that is checked.
        regex: in the syntax that RE2 and Java have in common.
    """

    rule: Literal["pattern"]
    column: str
    regex: str

    @property
    def expectation(self) -> str:
        return f" does not match {self.regex!r}"

    @property
    def requirement(self) -> str:
        return f"{self.column} matches the pattern {self.regex}"


class ForeignKey(BaseCheck):
    """The columns, where none is null, exist in another silver table.

    Args:
        columns: of this table.
        table: silver name of the referenced table; in a gold model the name of another model.
        references: columns of the referenced table, in the order of ``columns``.
    """

    rule: Literal["foreign_key"]
    columns: tuple[str, ...] = Field(min_length=1)
    table: str
    references: tuple[str, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _same_length(self) -> ForeignKey:
        if len(self.columns) != len(self.references):
            raise ValueError(
                f"has {len(self.columns)} columns {self.columns!r} and {len(self.references)} references "
                f"{self.references!r}; hint: give one referenced column per column"
            )
        return self

    @property
    def expectation(self) -> str:
        return f" does not exist in {self.table} ({', '.join(self.references)})"

    @property
    def requirement(self) -> str:
        verb = "exists" if len(self.columns) == 1 else "exist together"
        return f"{_joined(self.columns)} {verb} in {self.table} ({', '.join(self.references)})"


class Expression(BaseCheck):
    """A Spark SQL condition on the cleaned row; a row for which it is false fails, null passes.

    Args:
        sql: the condition, for example ``shipped_at >= ordered_at``.
        written: the condition of the file where ``sql`` was rewritten for an engine; not a field of the file.
    """

    model_config = ConfigDict(json_schema_extra={"required": ["rule", "name", "sql"]})

    rule: Literal["expression"]
    sql: str
    written: SkipJsonSchema[str] = ""

    @model_validator(mode="after")
    def _has_a_name(self) -> Expression:
        if not self.name:
            raise ValueError("has no name; hint: add name, which an expression check needs")
        return self

    @property
    def expectation(self) -> str:
        return f"not true: {self.written or self.sql}"

    @property
    def requirement(self) -> str:
        return " ".join((self.written or self.sql).split())


Check = Annotated[
    NotNull | Unique | AcceptedValues | Range | Pattern | ForeignKey | Expression, Field(discriminator="rule")
]


def _joined(names: Sequence[str], word: str = "and") -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} {word} {names[-1]}"
