"""How one source table is loaded and cleaned: the model of ``include/tables/*.yml``.

Types are PostgreSQL type names as ``format_type`` prints them; ``midnight.column_types`` translates them.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Literal

from pydantic import ConfigDict, Field, field_validator, model_validator

from midnight.configuration.base import ConfigurationModel
from midnight.configuration.checks import Check, ForeignKey
from midnight.configuration.columns import Column
from midnight.configuration.cursors import DEFAULT_CURSOR_LAG, TRANSACTION_CURSOR, CursorKind, cursor_kind
from midnight.configuration.expectations import Expectations
from midnight.configuration.table_problems import table_problems
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
        cursor: for ``incremental``: the column that grows whenever a row is written, such as ``updated_at``;
            ``xmin`` for a table without one: PostgreSQL's record of the transaction that wrote the row.
        cursor_lag: for ``incremental``: how far before the last cursor value the next run starts, since transactions
            may commit late: seconds for a timestamp (default 3600), days for a date (1), a number for a number (1000).
        late_commits: for ``incremental``: how rows are found that were committed after the last read with an earlier
            cursor value: ``visibility`` reads every row that the last snapshot did not show, and the server looks at
            all rows; ``horizon`` starts before the oldest transaction of that time, and an index on the cursor serves
            it, but only for values that the server's clock gave (docs/incremental-tables.md).
        full_snapshot_interval_days: for ``incremental``: days between two full snapshots, which find deleted rows and
            rows that changed without their cursor; 0 is never.
        deletes: how rows that were deleted in the source are found, and what becomes of them
            (docs/incremental-tables.md): ``snapshot`` finds them by the next full snapshot; ``keys`` reads the key of
            every row in each run as well, and removes the other rows from silver in the same run; ``soft`` finds them
            in the same way (in mode ``snapshot`` by the rows), and marks them in silver with the batch that no longer
            had them.
        key: columns that identify a row; empty when the table has no key, so that the whole row identifies it.
        key_is_unique: the source keeps ``key`` unique; where it does not, ``make doctor`` and each run warn. ``false``:
            rows that share a key are expected, and ``order_by`` decides which one stays.
        order_by: of several rows with one key, the first in this order stays: ``column``, ``column asc`` or
            ``column desc``.
        duplicates: for a table without a key: ``drop`` keeps one of identical rows, ``keep`` keeps all of them.
        null_values: texts that mean null in every text column.
        reconcile: how each layer is compared with the source (docs/reconciliation.md): ``counts`` compares rows, nulls
            and sums per column, ``digests`` every value of every row, ``off`` nothing.
        description: comes with the table to the gold contract that ``make init`` writes.
        on_schema_change: what to do when the source's table has changed: ``evolve`` goes on where that is safe, and
            stops the table where it is not; ``freeze`` stops the table at every change (docs/schema-changes.md).
        new_columns: for ``evolve``: ``include`` a source column that this file does not list in silver, or ``ignore``
            it.
        columns: known columns, in the source's order.
        checks: rules for the cleaned rows, applied in this order.
        expectations: what the table's figures may be in a run.
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
    late_commits: Literal["visibility", "horizon"] = "visibility"
    full_snapshot_interval_days: int = Field(default=7, ge=0)
    deletes: Literal["snapshot", "keys", "soft"] = "snapshot"
    key: tuple[str, ...] = ()
    key_is_unique: bool = True
    order_by: tuple[str, ...] = Field(
        default=(),
        examples=[["updated_at desc"]],
        json_schema_extra={"items": {"type": "string", "pattern": _ORDER}},
    )
    duplicates: Literal["drop", "keep"] = "drop"
    null_values: tuple[str, ...] = Field(default=(), examples=[["NA", ""]])
    on_schema_change: Literal["evolve", "freeze"] = "evolve"
    new_columns: Literal["include", "ignore"] = "include"
    reconcile: Literal["off", "counts", "digests"] = "counts"
    description: str = ""
    columns: tuple[Column, ...] = Field(min_length=1)
    checks: tuple[Check, ...] = ()
    expectations: Expectations = Expectations()

    @property
    def qualified_name(self) -> str:
        """Name in messages: ``public.flights``."""
        return qualified_name(self.schema_name, self.table)

    @property
    def ordering(self) -> tuple[tuple[str, bool], ...]:
        """``order_by`` as pairs of column and whether it is descending."""
        return tuple((part.split()[0], part.split()[-1].lower() == "desc") for part in self.order_by)

    @property
    def proves_silver(self) -> bool:
        """Whether the values of silver are compared, not only counted."""
        return self.reconcile == "digests"

    @property
    def silver_columns(self) -> tuple[Column, ...]:
        """Columns that reach silver."""
        return tuple(column for column in self.columns if not column.drop)

    @property
    def masked_columns(self) -> tuple[Column, ...]:
        """Columns whose values exist in bronze only, including those with ``drop``."""
        return tuple(column for column in self.columns if column.mask is not None)

    @property
    def referenced_tables(self) -> tuple[str, ...]:
        """Silver names of the tables that the foreign keys reference, each once."""
        return tuple(dict.fromkeys(check.table for check in self.checks if isinstance(check, ForeignKey)))

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
    def cursor_name(self) -> str | None:
        """The cursor among the columns in the files; None for a snapshot, and for ``xmin``."""
        return None if self.cursor_column is None else self.cursor_column.name

    @property
    def reads_by_transaction(self) -> bool:
        """``cursor: xmin``, PostgreSQL's system column, which is not a column of any table."""
        return self.cursor == TRANSACTION_CURSOR and self.cursor_column is None

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
        problems += table_problems(self)
        if problems:
            raise located_error(problems)
        return self


def with_referencing(names: Collection[str], tables: Sequence[Table]) -> set[str]:
    """Silver names of some tables, and of those whose foreign keys reference them, directly or through others."""
    found, before = set(names), set[str]()
    while found != before:
        before = set(found)
        found |= {table.silver for table in tables if found.intersection(table.referenced_tables)}
    return found
