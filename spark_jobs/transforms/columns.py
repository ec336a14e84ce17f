"""The columns of a batch and how each is processed: the configuration combined with the manifest."""

from __future__ import annotations

import re
from dataclasses import dataclass

from midnight.bronze.manifest import BronzeColumn, Manifest
from midnight.column_types import normalise_type, spark_type
from midnight.configuration.checks import ForeignKey, NotNull
from midnight.configuration.columns import Column, Fill
from midnight.configuration.tables import Table
from midnight.errors import BronzeError


@dataclass(frozen=True)
class PlannedColumn:
    """One column, from the batch's files to silver.

    Args:
        name: in silver.
        bronze: name in the Parquet files; None if this batch does not have the column, which is then null.
        stored: Spark type of the values in the files.
        target: Spark type of the cleaned value.
        target_name: the same type as PostgreSQL names it, for messages.
        trim: remove white space around text.
        padded: ``character(n)``: trailing spaces are not part of the value, whatever ``trim`` is.
        null_values: texts that mean null.
        nulls: the column's policy.
        drop: left out of silver.
        masked: silver and all later layers have a pseudonym.
    """

    name: str
    bronze: str | None
    stored: str
    target: str
    target_name: str
    trim: bool = True
    padded: bool = False
    null_values: tuple[str, ...] = ()
    nulls: str | Fill = "keep"
    drop: bool = False
    masked: bool = False

    @property
    def silver_type(self) -> str:
        """Spark type in silver."""
        return "STRING" if self.masked else self.target

    @property
    def is_text(self) -> bool:
        return self.stored == "STRING"


def plan_columns(table: Table, manifest: Manifest) -> tuple[PlannedColumn, ...]:
    """The columns of a batch in silver's order: those of the configuration, then new ones.

    Silver has the configured type, whatever type the batch has: a type that changes in the source shows in the
    quarantine, not in the schema that gold reads.

    Raises:
        BronzeError: the batch lacks a column that is required to evaluate its rows, or has a new column although the
            table has ``on_schema_change: freeze``.
    """
    found = _found_columns(table, manifest)
    planned = [_known(table, column, found.get(column.name)) for column in table.columns]
    missing = [column.name for column in planned if column.bronze is None]
    needed = [name for name in missing if name in _required(table)]
    if needed:
        raise BronzeError(
            f"{table.qualified_name}: batch {manifest.batch_id} has no column {needed!r}, which the key, a null policy "
            f"or a check requires; hint: if the source renamed or dropped it, change the table file"
        )
    new = [column for column in manifest.columns if column not in found.values()]
    if new and table.on_schema_change == "freeze":
        raise BronzeError(
            f"{table.qualified_name}: the source has new columns {[column.source for column in new]!r} and the table "
            "file has on_schema_change: freeze; hint: add them to columns"
        )
    if table.on_schema_change == "evolve" and table.new_columns == "include":
        planned += [_unknown(table, column) for column in new]
    return tuple(planned)


def _found_columns(table: Table, manifest: Manifest) -> dict[str, BronzeColumn]:
    """Configured column -> column of the batch: with its source, or else (renamed in the source) with its name."""
    by_source = {column.source: column for column in manifest.columns}
    found = {c.name: by_source.pop(c.source_name) for c in table.columns if c.source_name in by_source}
    by_name = {column.name: column for column in by_source.values()}
    return {c.name: by_name[c.name] for c in table.columns if c.name not in found and c.name in by_name} | found


def describe_columns(table: Table, columns: tuple[PlannedColumn, ...]) -> str:
    """A message: which columns are new or missing; empty if none is."""
    known = {column.name for column in table.columns}
    new = [column.name for column in columns if column.name not in known]
    missing = [column.name for column in columns if column.bronze is None]
    parts = [f"new columns {new!r}"] if new else []
    parts += [f"columns {missing!r} are missing in the batch, set to null"] if missing else []
    return "; ".join(parts)


def _known(table: Table, column: Column, found: BronzeColumn | None) -> PlannedColumn:
    target_name = normalise_type(column.cast or column.bronze_type or column.type)
    target = spark_type(target_name)
    return PlannedColumn(
        name=column.name,
        bronze=found.name if found else None,
        stored=spark_type(found.stored_as) if found else target,
        target=target,
        target_name=target_name,
        trim=column.trim,
        padded=found is not None and re.match(r"character(\(|$)", normalise_type(found.postgres_type)) is not None,
        null_values=table.null_values if column.null_values is None else column.null_values,
        nulls=column.nulls,
        drop=column.drop,
        masked=column.mask is not None,
    )


def _unknown(table: Table, column: BronzeColumn) -> PlannedColumn:
    stored = spark_type(column.stored_as)
    return PlannedColumn(column.name, column.name, stored, stored, column.stored_as, null_values=table.null_values)


def _required(table: Table) -> set[str]:
    names = set(table.key) | {column.name for column in table.columns if column.nulls == "drop_row"}
    for check in table.checks:
        if isinstance(check, NotNull | ForeignKey) and check.on_failure != "warn":
            names |= set(check.used_columns)
    return names
