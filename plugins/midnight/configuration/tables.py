"""How one source table is loaded and cleaned: the model of ``include/tables/*.yml``.

Types are PostgreSQL type names as ``format_type`` prints them; ``midnight.column_types`` translates them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import ConfigDict, Field, field_validator, model_validator

from midnight.configuration.base import ConfigurationModel
from midnight.configuration.checks import Check
from midnight.configuration.columns import Column, can_be_masked
from midnight.configuration.cursors import CURSOR_TYPES, DEFAULT_CURSOR_LAG, CursorKind, cursor_kind
from midnight.configuration.yaml_document import located_error
from midnight.names import known_names, qualified_name, safe_name

# For editors, like the validator `_order_is_readable`.
_ORDER = r"^\s*\S+(\s+([Aa][Ss][Cc]|[Dd][Ee][Ss][Cc]))?\s*$"


class Table(ConfigurationModel):
    """One source table.

    Args:
        schema_name: PostgreSQL schema.
        table: PostgreSQL table name.
        silver: name of the table in silver; unique over the pipeline.
        group: load group; its tables are read inside one snapshot.
        mode: ``snapshot`` reads every row in each run; ``incremental`` reads the rows whose ``cursor`` has advanced
            since the last run, and a full snapshot at intervals (docs/incremental-tables.md). It needs ``key`` and
            ``cursor``.
        cursor: for ``incremental``: the column that grows whenever a row is written, such as ``updated_at``.
        cursor_lag: for ``incremental``: how far before the last cursor value the next run starts, since transactions
            may commit late: seconds for a timestamp (default 3600), days for a date (1), a number for a number (1000).
        full_snapshot_interval_days: for ``incremental``: days between two full snapshots, which find deleted rows and
            rows that changed without their cursor; 0 is never.
        key: columns that identify a row; empty when the table has no key, so that the whole row identifies it.
        key_is_unique: the source keeps ``key`` unique; where it does not, ``make doctor`` and each run warn. ``false``:
            rows that share a key are expected, and ``order_by`` decides which one stays.
        order_by: of several rows with one key, the first in this order stays: ``column``, ``column asc`` or
            ``column desc``.
        duplicates: for a table without a key: ``drop`` keeps one of identical rows, ``keep`` keeps all of them.
        null_values: texts that mean null in every text column.
        description: comes with the table to the gold contract that ``make init`` writes.
        new_columns: what to do with a source column that this file does not list: ``include`` it in silver, ``ignore``
            it, or ``fail`` the task.
        columns: known columns, in the source's order.
        checks: rules for the cleaned rows, applied in this order.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "if": {"properties": {"mode": {"const": "incremental"}}, "required": ["mode"]},
            "then": {"required": ["key", "cursor"]},
        }
    )

    schema_name: str = Field(alias="schema")
    table: str
    silver: str = Field(json_schema_extra={"pattern": "^[A-Za-z_][0-9A-Za-z_]*$"})
    group: str = "main"
    mode: Literal["snapshot", "incremental"] = "snapshot"
    cursor: str | None = Field(default=None, examples=["updated_at"])
    cursor_lag: int | None = Field(default=None, ge=0)
    full_snapshot_interval_days: int = Field(default=7, ge=0)
    key: tuple[str, ...] = ()
    key_is_unique: bool = True
    order_by: tuple[str, ...] = Field(
        default=(),
        examples=[["updated_at desc"]],
        json_schema_extra={"items": {"type": "string", "pattern": _ORDER}},
    )
    duplicates: Literal["drop", "keep"] = "drop"
    null_values: tuple[str, ...] = Field(default=(), examples=[["NA", ""]])
    new_columns: Literal["include", "ignore", "fail"] = "include"
    description: str = ""
    columns: tuple[Column, ...] = Field(min_length=1)
    checks: tuple[Check, ...] = ()

    @property
    def qualified_name(self) -> str:
        """Name in messages: ``public.flights``."""
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
        """Columns whose values exist in bronze only, including those with ``drop``."""
        return tuple(column for column in self.columns if column.mask is not None)

    @property
    def cursor_column(self) -> Column | None:
        """The column of ``cursor``; None for a snapshot."""
        return next((column for column in self.columns if column.name == self.cursor), None)

    @property
    def cursor_kind(self) -> CursorKind | None:
        """How the cursor's values are compared; None for a snapshot."""
        return (
            None if self.cursor_column is None else cursor_kind(self.cursor_column.type, self.cursor_column.bronze_type)
        )

    @property
    def effective_cursor_lag(self) -> int:
        """``cursor_lag``, or the default for the cursor's type."""
        if self.cursor_lag is not None:
            return self.cursor_lag
        return 0 if self.cursor_kind is None else DEFAULT_CURSOR_LAG[self.cursor_kind]

    @field_validator("silver")
    @classmethod
    def _silver_is_safe(cls, name: str) -> str:
        if name != safe_name(name) or not name.isascii():
            raise ValueError(
                f"{name!r} is not a valid silver name; hint: use ASCII letters, digits and _, starting with a letter"
            )
        return name

    @field_validator("order_by")
    @classmethod
    def _order_is_readable(cls, parts: tuple[str, ...]) -> tuple[str, ...]:
        for part in parts:
            words = part.split()
            if not words or len(words) > 2 or (len(words) == 2 and words[1].lower() not in ("asc", "desc")):
                raise ValueError(f"{part!r} is not a valid order; hint: 'column', 'column asc' or 'column desc'")
        return parts

    @model_validator(mode="after")
    def _names_exist(self) -> Table:
        names = [column.name for column in self.columns]
        folded = [name.casefold() for name in names]
        kept = {column.name for column in self.silver_columns}
        problems: list[tuple[Sequence[int | str], str]] = [
            (
                ["columns", position, "name"],
                f"duplicate column name {name!r} (case is ignored); hint: rename one and set its source",
            )
            for position, name in enumerate(names)
            if name.casefold() in folded[:position]
        ]
        used: list[tuple[Sequence[int | str], str]] = [(["key"], name) for name in self.key]
        used += [(["order_by"], name) for name, _ in self.ordering]
        used += [(["checks", i], name) for i, check in enumerate(self.checks) for name in check.used_columns]
        for location, name in used:
            if name not in names:
                problems.append((location, f"{name!r} is not a column of this table; hint: {known_names(name, names)}"))
            elif name not in kept and location != ["order_by"]:
                problems.append(
                    (location, f"{name!r} has drop: true; hint: remove drop, or do not use the column here")
                )
        labels = [check.label for check in self.checks]
        problems += [
            (["checks", position], f"duplicate check name {label!r}; hint: give it another name")
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
                f"{column.mask!r} is not possible for {column.cast or column.bronze_type or column.type!r}, only for "
                "text, whole numbers, decimals, dates and timestamps; hint: write bronze_type: text, or drop: true",
            )
            for position, column in enumerate(self.columns)
            if column.mask is not None and not can_be_masked(column)
        ]
        if self.masked_columns and "new_columns" not in self.model_fields_set:
            problems.append(
                (
                    ["columns", self.columns.index(self.masked_columns[0]), "mask"],
                    "a table with a masked column needs new_columns, since a new column may hold personal data; hint: "
                    "add new_columns: fail, ignore, or include (which shows its values in silver)",
                )
            )
        return problems

    def _cursor_problems(self) -> list[tuple[Sequence[int | str], str]]:
        if self.mode == "snapshot":
            # Not model_fields_set: a run document names every field.
            given = [name for name in _CURSOR_FIELDS if getattr(self, name) != Table.model_fields[name].default]
            return [
                ([name], "is only valid with mode: incremental; hint: set that mode, or remove this line")
                for name in given
            ]
        problems: list[tuple[Sequence[int | str], str]] = []
        if not self.key:
            problems.append(
                (["mode"], "'incremental' needs a key, by which a changed row replaces its old version; hint: add key")
            )
        column = self.cursor_column
        if self.cursor is None:
            problems.append(
                (["mode"], "'incremental' needs a cursor; hint: add cursor with the column that grows on every write")
            )
        elif column is None:
            names = [column.name for column in self.columns]
            known = known_names(self.cursor, names)
            problems.append((["cursor"], f"{self.cursor!r} is not a column of this table; hint: {known}"))
        elif column.mask is not None:
            problems.append(
                (
                    ["cursor"],
                    f"{self.cursor!r} is masked, but manifests and queries show cursor values; hint: use another one",
                )
            )
        elif self.cursor_kind is None:
            stored = f" stored as {column.bronze_type!r}" if column.bronze_type else ""
            problems.append(
                (
                    ["cursor"],
                    f"{self.cursor!r} of type {column.type!r}{stored} is not a valid cursor; hint: use a column of "
                    f"type {CURSOR_TYPES} without bronze_type, or mode: snapshot",
                )
            )
        return problems


_CURSOR_FIELDS = ("cursor", "cursor_lag", "full_snapshot_interval_days")
