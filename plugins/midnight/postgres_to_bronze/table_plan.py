"""The reading plan of each table: the configuration compared with the catalogue, as plain data."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

from midnight.bronze.increments import History, ReadPlan
from midnight.bronze.schema_changes import SchemaChange, SourceTableSchema, schema_changes
from midnight.bronze.stopped_tables import TableProblem
from midnight.configuration.files import table_file_name
from midnight.configuration.tables import Table
from midnight.postgres_to_bronze.catalogue import CatalogueTable
from midnight.postgres_to_bronze.copy_columns import ColumnPlan, copy_layout
from midnight.postgres_to_bronze.match_columns import match_columns
from midnight.postgres_to_bronze.page_ranges import ctid_ranges
from midnight.postgres_to_bronze.unsafe_changes import unsafe_changes
from midnight.sql_text import quote_identifier, quote_if_needed, quote_relation

FIRST_VERSION_WITH_CTID_RANGES = 140_000  # before PostgreSQL 14 each range would scan all pages


@dataclass(frozen=True)
class TablePlan:
    """How one table is read.

    Args:
        ranges: conditions on ``ctid``, of which every row meets exactly one; ``""`` for all rows.
        reading: a full snapshot, or the rows whose cursor has moved.
        content: ``keys`` for the list of keys that an increment has in addition to its rows.
        changes: of its schema since the last batch.
        warnings: where the file should follow the source.
        dropped: configured columns that the source no longer has.
    """

    table: Table
    catalogue: CatalogueTable
    columns: tuple[ColumnPlan, ...]
    ranges: tuple[str, ...]
    reading: ReadPlan
    content: Literal["rows", "keys"] = "rows"
    changes: tuple[SchemaChange, ...] = ()
    warnings: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()

    @property
    def relation(self) -> str:
        return quote_relation(self.catalogue.schema_name, self.catalogue.name)

    def query(self, condition: str) -> str:
        """The SELECT inside the COPY, for one of the ranges."""
        expressions = ", ".join(copy_layout(self.columns).expressions)
        where = f" WHERE {self.where(condition)}" if self.where(condition) else ""
        return f"SELECT {expressions} FROM {self.relation}{where}"

    def where(self, condition: str) -> str:
        """The condition of the rows of this batch in one of the ranges; empty for all rows."""
        return " AND ".join(part for part in (condition, self.reading.condition()) if part)


@dataclass(frozen=True)
class PlannedTables:
    """The comparison of a load group with the source.

    Args:
        plans: of the tables that can be read.
        problems: of the others, by qualified name; each with its hint.
    """

    plans: tuple[TablePlan, ...]
    problems: Mapping[str, tuple[TableProblem, ...]]


def plan_tables(
    tables: Sequence[Table],
    catalogue: Mapping[tuple[str, str], CatalogueTable],
    *,
    version_number: int,
    connections: int,
    user: str,
    reading: Callable[[Table, SourceTableSchema], ReadPlan],
    history: Callable[[Table], History] | None = None,
    place: tuple[str, str] = ("", ""),
    uses: Callable[[str, Sequence[str]], Sequence[str]] = lambda silver, columns: (),
    full_reload: bool = False,
) -> PlannedTables:
    """Compare each table with the source. A problem of one table does not hide those of another.

    Args:
        tables: the configuration.
        catalogue: from ``read_catalogue``.
        version_number: of the server, for example 180006.
        connections: that read at the same time.
        user: role that reads, for messages.
        reading: makes the read plan of a table (``bronze.increments.plan_read``).
        history: the batches of a table, with which its schema is compared; None: it is not.
        place: server and database, as ``ReadFrom`` names them.
        uses: what uses some columns of a silver table downstream, for people.
        full_reload: the run's parameter, which accepts what the file does not describe (identity, key, null).
    """
    plans, problems = [], {}
    for table in tables:
        found = catalogue.get((table.schema_name, table.table))
        faults = [TableProblem(fault) for fault in table_faults(table, found, user)]
        if found is None or faults:
            problems[table.qualified_name] = tuple(faults)
            continue
        last = None if history is None else history(table).newest
        columns = match_columns(table, found, user, last, place, uses=partial(uses, table.silver))
        schema = columns.schema(found, place)
        changes = () if last is None else schema_changes(last, schema)
        faults = [*columns.problems, *unsafe_changes(columns.table, found, last, changes, accepted=full_reload)]
        if faults:
            problems[table.qualified_name] = tuple(faults)
            continue
        if last is not None:
            columns.carry_missing(last, schema)
        whole = all(column.readable for column in found.columns)  # rights on some columns do not include ctid
        ctid = whole and version_number >= FIRST_VERSION_WITH_CTID_RANGES
        plans.append(
            TablePlan(
                columns.table,
                found,
                tuple(columns.plans),
                ctid_ranges(found.leaves, connections) if ctid else ("",),
                reading(columns.table, schema),
                changes=changes,
                warnings=tuple(columns.warnings),
                dropped=tuple(columns.dropped),
            )
        )
    return PlannedTables(tuple(plans), problems)


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
    if table.reads_by_transaction and not found.has_xmin:
        kinds = sorted({found.kind, *(f"{leaf.name} (not a heap)" for leaf in found.leaves if not leaf.heap)})
        return [
            f"{name} has no xmin that tells which transaction wrote a row: {', '.join(kinds)}; hint: set another "
            f"cursor in tables/{file}, or mode: snapshot"
        ]
    return []
