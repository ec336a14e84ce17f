"""Opens the snapshot of a load group: plans its tables, locks those that can be read, and plans again if any changed.

DDL may run until the locks are held. What it does to one table stops that table, and those that reference it; the
others are read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import asyncpg  # no DAG file imports this module

from midnight.bronze.stopped_tables import StoppedTable, with_referencing_tables
from midnight.configuration.tables import Table
from midnight.errors import SourceError
from midnight.names import qualified_name
from midnight.postgres_to_bronze.catalogue import CatalogueTable, read_catalogue
from midnight.postgres_to_bronze.catalogue_queries import NAMES_BY_OID
from midnight.postgres_to_bronze.group_plans import Catalogue, GroupPlans
from midnight.postgres_to_bronze.old_rows import verify_old_rows
from midnight.postgres_to_bronze.read_horizon import read_open_transactions, read_snapshot_facts
from midnight.postgres_to_bronze.server_facts import read_server
from midnight.postgres_to_bronze.snapshot import ChangedMeanwhileError, ExportedSnapshot, export_snapshot
from midnight.postgres_to_bronze.table_plan import PlannedTables, TablePlan

# A table was dropped, renamed, replaced or taken from the role after it was planned.
_CHANGED_MEANWHILE = (
    asyncpg.UndefinedTableError,
    asyncpg.InvalidSchemaNameError,
    asyncpg.InsufficientPrivilegeError,
    asyncpg.WrongObjectTypeError,
    ChangedMeanwhileError,
)
_ATTEMPTS = 5


@dataclass(frozen=True)
class OpenGroup:
    """A load group whose tables can be read.

    Args:
        snapshot: None if no table can be read.
        plans: of the tables to read, which are locked.
        stopped: the other tables of the group, and why; of those that only reference a stopped one, too.
    """

    snapshot: ExportedSnapshot | None
    plans: tuple[TablePlan, ...]
    stopped: tuple[StoppedTable, ...]

    @property
    def catalogue(self) -> list[CatalogueTable]:
        """The tables to lock by every connection that joins the snapshot."""
        return [plan.catalogue for plan in self.plans]


async def open_group(
    connection: asyncpg.Connection, tables: Sequence[Table], group: Sequence[Table], plans: GroupPlans
) -> OpenGroup:
    """Lock the tables that can be read, and export a snapshot that shows them as they are planned.

    Args:
        connection: outside a transaction; it holds the snapshot afterwards.
        tables: to read.
        group: all tables of the load group, of which some may be read already.
        plans: compares tables with the catalogue.

    Raises:
        SourceError: other sessions replace tables again and again.
        asyncpg.PostgresError: see ``source_errors.source_error``.
    """
    names = [(table.schema_name, table.table) for table in tables]
    server = await read_server(connection)
    for _ in range(_ATTEMPTS):
        before = await read_catalogue(connection, tables=names)
        missing = {
            t.qualified_name: plans.last_oid(t, server) for t in tables if (t.schema_name, t.table) not in before
        }
        planned = await _with_new_names(connection, plans.plan(tables, before, server), missing)
        first = _split(tables, group, planned, {}, plans)
        if not first.plans:
            return first
        transactions = await read_open_transactions(connection)
        try:
            snapshot = await export_snapshot(connection, first.catalogue)
        except _CHANGED_MEANWHILE:
            await connection.execute("ROLLBACK")
            continue
        # With the locks held, the tables cannot change any more.
        catalogue = await read_catalogue(connection, tables=names)
        if any(_identity(catalogue, plan) != _identity(before, plan) for plan in first.plans):
            await connection.execute("ROLLBACK")  # the lock may be on another table than the one that was planned
            continue
        locked = [plan.table for plan in first.plans]
        before_lock = {stopped.table: stopped for stopped in first.stopped}
        found = catalogue.values()
        facts = await read_snapshot_facts(connection, snapshot.server, plans.address, transactions, found)
        second = _split(locked, group, plans.plan(locked, catalogue, server, facts), before_lock, plans)
        return OpenGroup(snapshot, await verify_old_rows(connection, second.plans), second.stopped)
    raise SourceError(
        f"other sessions replaced tables of the load group {_ATTEMPTS} times between the check of their columns and "
        "their lock; hint: clear the ingest task when they have finished"
    )


async def _with_new_names(
    connection: asyncpg.Connection, planned: PlannedTables, missing: Mapping[str, int]
) -> PlannedTables:
    """Say of a missing table what its name is now.

    Args:
        connection: to the source.
        planned: the comparison with the catalogue.
        missing: table -> its last oid; 0 if unknown.
    """
    oids = [oid for oid in missing.values() if oid]
    rows = await connection.fetch(NAMES_BY_OID, oids) if oids else []
    names = {row["oid"]: qualified_name(row["schema_name"], row["name"]) for row in rows}
    problems = dict(planned.problems)
    for table, oid in missing.items():
        if oid in names:
            found = f"{table} (it is {names[oid]} now)"
            problems[table] = tuple(p._replace(message=p.message.replace(table, found, 1)) for p in problems[table])
    return PlannedTables(planned.plans, problems)


def _split(
    tables: Sequence[Table],
    group: Sequence[Table],
    planned: PlannedTables,
    before: Mapping[str, StoppedTable],
    plans: GroupPlans,
) -> OpenGroup:
    """The plans of the tables that are not stopped.

    Args:
        tables: that were planned.
        group: all tables of the load group.
        planned: the comparison with the catalogue.
        before: tables that were stopped earlier, by qualified name.
        plans: knows what a stopped table breaks.
    """
    problems = planned.problems
    own = [plans.stopped(t, problems[t.qualified_name]) for t in tables if t.qualified_name in problems]
    stopped = with_referencing_tables(group, [*before.values(), *own])
    names = {table.table for table in stopped}
    return OpenGroup(None, tuple(p for p in planned.plans if p.table.qualified_name not in names), stopped)


def _identity(catalogue: Catalogue, plan: TablePlan) -> tuple[int, str] | None:
    found = catalogue.get((plan.table.schema_name, plan.table.table))
    return None if found is None else (found.oid, found.kind)
