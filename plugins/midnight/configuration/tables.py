"""How one source table is loaded and cleaned: the model of ``include/tables/*.yml``.

PostgreSQL type names (as ``format_type`` prints them) are the only type language of the configuration;
``midnight.column_types`` translates them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import Field, field_validator, model_validator

from midnight.column_types import spark_type
from midnight.configuration.base import ConfigurationModel
from midnight.configuration.checks import Check, Scalar
from midnight.configuration.cursors import CURSOR_TYPES, DEFAULT_OVERLAP, CursorKind, cursor_kind
from midnight.configuration.yaml_document import located_error
from midnight.errors import TypeNotSupportedError
from midnight.names import qualified_name, safe_name


class Fill(ConfigurationModel):
    """Replace null by a constant of the column's type."""

    fill: Scalar


class Column(ConfigurationModel):
    """One column from the source to silver.

    Args:
        name: the name from bronze on; letters, digits and underscores.
        source: the name in PostgreSQL, where it differs.
        type: the PostgreSQL type, as ``format_type`` prints it.
        bronze_type: another PostgreSQL type in which bronze shall hold the values, for a type that the lake lacks,
            for example ``text`` or ``numeric(38,10)`` for a numeric without precision.
        cast: the type that silver shall have; a row whose value cannot be cast goes to quarantine.
        nulls: ``keep``, ``drop_row`` (the row is dropped and counted), or ``{fill: value}``.
        null_values: texts that mean null in this column; replaces the table's list.
        trim: remove white space around text (text columns only); the padding of a ``character(n)`` goes in any case.
        drop: the column is redundant and does not reach silver.
        mask: ``pseudonym``: the column holds personal data, silver and everything after it see a keyed digest of the
            value (docs/silver.md); silver's type is text.
        description: for people; reaches the documentation.
    """

    name: str
    source: str | None = None
    type: str
    bronze_type: str | None = None
    cast: str | None = None
    nulls: Literal["keep", "drop_row"] | Fill = "keep"
    null_values: tuple[str, ...] | None = None
    trim: bool = True
    drop: bool = False
    mask: Literal["pseudonym"] | None = None
    description: str = ""

    @property
    def source_name(self) -> str:
        return self.source if self.source is not None else self.name

    @field_validator("name")
    @classmethod
    def _name_is_safe(cls, name: str) -> str:
        if name != safe_name(name):
            raise ValueError(
                f"{name!r} cannot be a column of Parquet, Delta and Synapse alike; write name: {safe_name(name)} "
                f"and source: {name!r}"
            )
        return name


class Table(ConfigurationModel):
    """One source table.

    Args:
        schema_name: PostgreSQL schema (``schema`` in the file).
        table: PostgreSQL table name.
        silver: name from silver on; unique over the pipeline.
        group: load group; its tables are read inside one snapshot.
        mode: ``snapshot`` reads the whole table every night; ``incremental`` the rows whose ``cursor`` has moved since
            the night before, and the whole table now and then (docs/bronze.md); it needs a ``key`` and a ``cursor``.
        cursor: for ``incremental``: the column that grows whenever a row is written, such as ``updated_at``.
        cursor_lag: how far behind the last value the next night reads again, since transactions commit late:
            seconds for a timestamp (by default 3600), days for a date (1), a number for a number (1000).
        full_snapshot_interval_days: for ``incremental``: days between two full snapshots, which find deleted rows and
            rows that changed without their cursor; 0 is never.
        key: columns that identify a row; empty when the table has none: then the whole row does.
        key_is_unique: the source keeps ``key`` unique; where it does not, ``make doctor`` and each run warn. ``false``:
            rows that share a key are expected, and ``order_by`` says which one stays.
        order_by: which of several rows with one key wins, the first: ``column``, ``column asc``, ``column desc``.
        duplicates: for a table without a key: ``drop`` makes identical rows one, ``keep`` keeps each.
        null_values: texts that mean null in every text column.
        description: for people; reaches the documentation.
        new_columns: what happens when the source has a column that this file does not name.
        columns: known columns, in the source's order.
        checks: applied to the cleaned rows, in this order.
    """

    schema_name: str = Field(alias="schema")
    table: str
    silver: str
    group: str = "main"
    mode: Literal["snapshot", "incremental"] = "snapshot"
    cursor: str | None = None
    cursor_lag: int | None = Field(default=None, ge=0)
    full_snapshot_interval_days: int = Field(default=7, ge=0)
    key: tuple[str, ...] = ()
    key_is_unique: bool = True
    order_by: tuple[str, ...] = ()
    duplicates: Literal["drop", "keep"] = "drop"
    null_values: tuple[str, ...] = ()
    new_columns: Literal["include", "ignore", "fail"] = "include"
    description: str = ""
    columns: tuple[Column, ...] = Field(min_length=1)
    checks: tuple[Check, ...] = ()

    @property
    def qualified_name(self) -> str:
        """Shown to people: ``public.flights``."""
        return qualified_name(self.schema_name, self.table)

    @property
    def ordering(self) -> tuple[tuple[str, bool], ...]:
        """``order_by`` as pairs of column and whether it is descending."""
        return tuple((part.split()[0], part.split()[-1].lower() == "desc") for part in self.order_by)

    @property
    def silver_columns(self) -> tuple[Column, ...]:
        """Columns that reach silver."""
        return tuple(column for column in self.columns if not column.drop)

    @property
    def masked_columns(self) -> tuple[Column, ...]:
        """Columns whose values nobody sees after bronze, those with ``drop`` included."""
        return tuple(column for column in self.columns if column.mask is not None)

    @property
    def cursor_column(self) -> Column | None:
        """The column that ``cursor`` names; None for a snapshot."""
        return next((column for column in self.columns if column.name == self.cursor), None)

    @property
    def cursor_kind(self) -> CursorKind | None:
        """How the cursor's values are compared; None for a snapshot."""
        return (
            None if self.cursor_column is None else cursor_kind(self.cursor_column.type, self.cursor_column.bronze_type)
        )

    @property
    def overlap(self) -> int:
        """``cursor_lag``, or what suits the cursor's type."""
        if self.cursor_lag is not None:
            return self.cursor_lag
        return 0 if self.cursor_kind is None else DEFAULT_OVERLAP[self.cursor_kind]

    @field_validator("silver")
    @classmethod
    def _silver_is_safe(cls, name: str) -> str:
        if name != safe_name(name) or not name.isascii():
            raise ValueError(f"{name!r} must be ASCII letters, digits and underscores, starting with a letter")
        return name

    @field_validator("order_by")
    @classmethod
    def _order_is_readable(cls, parts: tuple[str, ...]) -> tuple[str, ...]:
        for part in parts:
            words = part.split()
            if not words or len(words) > 2 or (len(words) == 2 and words[1].lower() not in ("asc", "desc")):
                raise ValueError(f"{part!r} must be 'column', 'column asc' or 'column desc'")
        return parts

    @model_validator(mode="after")
    def _names_exist(self) -> Table:
        names = [column.name for column in self.columns]
        folded = [name.casefold() for name in names]
        kept = {column.name for column in self.silver_columns}
        problems: list[tuple[Sequence[int | str], str]] = [
            (["columns", position, "name"], f"{name!r} is given twice (Spark ignores case)")
            for position, name in enumerate(names)
            if name.casefold() in folded[:position]
        ]
        used: list[tuple[Sequence[int | str], str]] = [(["key"], name) for name in self.key]
        used += [(["order_by"], name) for name, _ in self.ordering]
        used += [(["checks", i], name) for i, check in enumerate(self.checks) for name in check.used_columns]
        for location, name in used:
            if name not in names:
                problems.append((location, f"names column {name!r}, which is not among {names!r}"))
            elif name not in kept and location != ["order_by"]:
                problems.append((location, f"names column {name!r}, which has drop: true"))
        labels = [check.label for check in self.checks]
        problems += [
            (["checks", position], f"is called {label!r} like another check; give it a name of its own")
            for position, label in enumerate(labels)
            if label in labels[:position]
        ]
        problems += [*self._mask_problems(), *self._cursor_problems()]
        if problems:
            raise located_error(problems)
        return self

    def _mask_problems(self) -> list[tuple[Sequence[int | str], str]]:
        problems: list[tuple[Sequence[int | str], str]] = [
            (
                ["columns", position, "mask"],
                f"{column.mask!r} is for text, whole numbers, decimals, dates and timestamps, not for "
                f"{column.cast or column.bronze_type or column.type!r}; write bronze_type: text, or drop: true",
            )
            for position, column in enumerate(self.columns)
            if column.mask is not None and not can_be_masked(column)
        ]
        if self.masked_columns and "new_columns" not in self.model_fields_set:
            problems.append(
                (
                    ["columns", self.columns.index(self.masked_columns[0]), "mask"],
                    "a table with a masked column has to say what happens when the source gets another personal one: "
                    "add new_columns: fail, ignore, or include (silver then shows it as it is)",
                )
            )
        return problems

    def _cursor_problems(self) -> list[tuple[Sequence[int | str], str]]:
        if self.mode == "snapshot":
            # Not model_fields_set: a run document names every field.
            given = [name for name in _CURSOR_FIELDS if getattr(self, name) != Table.model_fields[name].default]
            return [([name], "is for mode: incremental; write that, or remove this line") for name in given]
        problems: list[tuple[Sequence[int | str], str]] = []
        if not self.key:
            problems.append((["mode"], "'incremental' needs a key, by which a row that comes again is found; add key"))
        column = self.cursor_column
        if self.cursor is None:
            problems.append((["mode"], "'incremental' needs a cursor: the column that grows whenever a row is written"))
        elif column is None:
            names = [column.name for column in self.columns]
            problems.append((["cursor"], f"names column {self.cursor!r}, which is not among {names!r}"))
        elif column.mask is not None:
            problems.append(
                (
                    ["cursor"],
                    f"names column {self.cursor!r}, which is masked: its values stand in manifests and queries",
                )
            )
        elif self.cursor_kind is None:
            stored = f" stored as {column.bronze_type!r}" if column.bronze_type else ""
            problems.append(
                (
                    ["cursor"],
                    f"names column {self.cursor!r} of type {column.type!r}{stored}; a cursor is {CURSOR_TYPES}, stored "
                    "as it is: choose another column, or mode: snapshot",
                )
            )
        return problems


_CURSOR_FIELDS = ("cursor", "cursor_lag", "full_snapshot_interval_days")


def can_be_masked(column: Column) -> bool:
    """Floating point has a text per engine (1.0E7, 10000000.0), bytes have none, of booleans all is known."""
    try:
        return spark_type(column.cast or column.bronze_type or column.type) not in (
            "FLOAT",
            "DOUBLE",
            "BINARY",
            "BOOLEAN",
        )
    except TypeNotSupportedError:
        return True  # reported elsewhere
