"""The reading plan of each table: the configuration compared with the catalogue, as plain data."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from midnight.bronze.increments import ReadPlan
from midnight.bronze.manifest import BronzeColumn
from midnight.column_types import normalise_type, stored_type
from midnight.configuration.columns import Column
from midnight.configuration.pipeline import table_file_name
from midnight.configuration.tables import Table
from midnight.errors import SourceError, SourceMismatchError, TypeNotSupportedError
from midnight.names import safe_names
from midnight.postgres_to_bronze.catalogue import CatalogueColumn, CatalogueTable
from midnight.postgres_to_bronze.copy_columns import MARKER_EXPRESSION, ColumnPlan, copy_form, copy_order
from midnight.postgres_to_bronze.page_ranges import ctid_ranges
from midnight.sql_text import quote_identifier, quote_if_needed, quote_relation

FIRST_VERSION_WITH_CTID_RANGES = 140_000  # before PostgreSQL 14 each range would scan all pages


@dataclass(frozen=True)
class TablePlan:
    """How one table is read.

    Args:
        ranges: conditions on ``ctid``, of which every row meets exactly one; ``""`` for all rows.
        reading: a full snapshot, or the rows whose cursor has moved.
    """

    table: Table
    catalogue: CatalogueTable
    columns: tuple[ColumnPlan, ...]
    ranges: tuple[str, ...]
    reading: ReadPlan

    @property
    def relation(self) -> str:
        return quote_relation(self.catalogue.schema_name, self.catalogue.name)

    def query(self, condition: str) -> str:
        """The SELECT inside the COPY, for one of the ranges."""
        expressions = ", ".join([MARKER_EXPRESSION, *(column.expression for column in copy_order(self.columns))])
        conditions = " AND ".join(part for part in (condition, self.reading.condition()) if part)
        where = f" WHERE {conditions}" if conditions else ""
        return f"SELECT {expressions} FROM {self.relation}{where}"


def plan_tables(
    tables: Sequence[Table],
    catalogue: Mapping[tuple[str, str], CatalogueTable],
    *,
    version_number: int,
    connections: int,
    user: str,
    reading: Callable[[Table, Sequence[BronzeColumn]], ReadPlan],
) -> list[TablePlan]:
    """Compare each table with the source.

    Args:
        tables: the configuration.
        catalogue: from ``read_catalogue``.
        version_number: of the server, for example 180006.
        connections: that read at the same time.
        user: role that reads, for messages.
        reading: makes the read plan of a table with these columns (``bronze.increments.plan_reading``).

    Raises:
        SourceError: with every table or column that is missing, unreadable or of another type.
        SourceMismatchError: the same, when the tables exist, so that another try would find them unchanged. (A missing
            table may be one that is being replaced.)
    """
    plans, problems = [], []
    is_mismatch = False
    for table in tables:
        found = catalogue.get((table.schema_name, table.table))
        faults = table_faults(table, found, user)
        columns: list[ColumnPlan] = []
        if found is not None and not faults:
            columns, faults = _plan_columns(table, found, user)
        problems += faults
        is_mismatch = is_mismatch or (found is not None and bool(faults))
        if found is not None and not faults:
            ctid = version_number >= FIRST_VERSION_WITH_CTID_RANGES
            ranges = ctid_ranges(found.leaves, connections) if ctid else ("",)
            rows = reading(table, [column.bronze for column in columns])
            plans.append(TablePlan(table, found, tuple(columns), ranges, rows))
    if problems:
        raise (SourceMismatchError if is_mismatch else SourceError)("; ".join(problems))
    return plans


def table_faults(table: Table, found: CatalogueTable | None, user: str) -> list[str]:
    """Why a role cannot read a configured table, apart from its columns; empty when it can.

    Args:
        table: the configuration.
        found: the table in the catalogue, which also lists tables that the role may not read; None: there is none.
        user: the role.
    """
    name, file = table.qualified_name, table_file_name(table.schema_name, table.table)
    role = quote_if_needed(user)
    if found is None:
        return [
            f"the source has no table or view {name}; hint: correct tables/{file}, or delete it if the table was "
            "removed for good"
        ]
    if not found.readable:
        return [
            f"{user} may not read {name}; hint: run GRANT USAGE ON SCHEMA {quote_identifier(table.schema_name)} TO "
            f"{role}; GRANT SELECT ON {name} TO {role}"
        ]
    if found.row_security:
        return [f"a row policy of {name} would hide rows from {user}; hint: run ALTER ROLE {role} BYPASSRLS"]
    return []


def _plan_columns(table: Table, found: CatalogueTable, user: str) -> tuple[list[ColumnPlan], list[str]]:
    name, file = table.qualified_name, table_file_name(table.schema_name, table.table)
    pairs: list[tuple[Column, CatalogueColumn]] = []
    problems: list[str] = []
    for column in table.columns:
        actual = found.column(column.source_name)
        if actual is None:
            close = difflib.get_close_matches(column.source_name, [c.name for c in found.columns], 1)
            similar = f" (it has {close[0]!r})" if close else ""
            problems.append(
                f"{name} has no column {column.source_name!r}{similar}; hint: correct or delete it in tables/{file}"
            )
        else:
            problems += _type_faults(table, column, actual)
            pairs.append((column, actual))
    configured = {column.source_name for column in table.columns}
    new = [column for column in found.columns if column.name not in configured]
    if new and table.new_columns == "fail":
        names = [column.name for column in new]
        problems.append(
            f"{name} has new columns {names!r}; hint: add them to tables/{file} or set new_columns: include"
        )
    elif table.new_columns == "include":
        names = safe_names([column.name for column in new], taken=[column.name for column in table.columns])
        pairs += [
            (Column(name=safe, source=column.name, type=column.type), column)
            for safe, column in zip(names, new, strict=True)
        ]
    plans = []
    for column, actual in pairs:
        if not actual.readable:
            problems.append(
                f"{user} may not read column {actual.name!r} of {name}; hint: run GRANT SELECT ON {name} TO "
                f"{quote_if_needed(user)}"
            )
        try:
            plans.append(_plan_column(column, actual, found))
        except TypeNotSupportedError as error:
            problems.append(f"{name}: column {actual.name!r}: {error} (in tables/{file})")
    return plans, problems


def _type_faults(table: Table, column: Column, actual: CatalogueColumn) -> list[str]:
    """A type that bronze stores differently from the configured one. (A wider varchar changes nothing downstream.)"""
    written = normalise_type(column.type)
    if written in (normalise_type(actual.type), normalise_type(actual.declared_type)):
        return []
    try:
        if stored_type(written, column.bronze_type) == stored_type(actual.type, column.bronze_type):
            return []
    except TypeNotSupportedError:
        pass  # reported by _plan_column where it is the source's type
    file = table_file_name(table.schema_name, table.table)
    return [
        f"{table.qualified_name}: column {actual.name!r} is {actual.type} in the source, but {column.type!r} in "
        f"tables/{file}; hint: correct its type there and, if silver exists, run midnight_rebuild"
    ]


def _plan_column(column: Column, actual: CatalogueColumn, found: CatalogueTable) -> ColumnPlan:
    stored_as = stored_type(actual.type, column.bronze_type)
    key = found.primary_key
    expression, wire = copy_form(
        quote_identifier(actual.name), actual.type, stored_as, column.bronze_type, actual.category
    )
    return ColumnPlan(
        bronze=BronzeColumn(
            name=column.name,
            source=actual.name,
            postgres_type=actual.type,
            stored_as=stored_as,
            nullable=not actual.not_null,
            key_position=key.index(actual.name) + 1 if actual.name in key else None,
        ),
        expression=expression,
        wire=wire,
        masked=column.mask is not None,
    )
