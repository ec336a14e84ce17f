"""Plans the tables of a load group against a catalogue, as often as it changes before they are locked."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from midnight.bronze.increments import History, ReadPlan, plan_read
from midnight.bronze.schema_changes import SourceTableSchema
from midnight.bronze.stopped_tables import StoppedTable, TableProblem
from midnight.configuration.tables import Table
from midnight.postgres_to_bronze.catalogue import CatalogueTable
from midnight.postgres_to_bronze.read_horizon import SnapshotFacts
from midnight.postgres_to_bronze.server_facts import ServerFacts
from midnight.postgres_to_bronze.source_address import SourceAddress
from midnight.postgres_to_bronze.table_plan import PlannedTables, plan_tables

Catalogue = Mapping[tuple[str, str], CatalogueTable]
# What uses some columns (none: all) of a silver table downstream, for people.
Uses = Callable[[str, Sequence[str]], Sequence[str]]


@dataclass(frozen=True)
class GroupPlans:
    """What the plans of a load group depend on besides the catalogue.

    Args:
        address: of the source.
        batch_id: of the run.
        histories: of the tables, by qualified name.
        connections: that read at the same time.
        uses: what uses columns downstream.
        full_reload: the run's parameter.
    """

    address: SourceAddress
    batch_id: str
    histories: Mapping[str, History]
    connections: int
    uses: Uses
    full_reload: bool

    def plan(
        self,
        tables: Sequence[Table],
        catalogue: Catalogue,
        server: ServerFacts,
        facts: SnapshotFacts | None = None,
    ) -> PlannedTables:
        """Compare tables with the catalogue, and with their last batches.

        Args:
            tables: to plan.
            catalogue: of the source.
            server: facts about it.
            facts: of the snapshot; None before there is one.
        """
        return plan_tables(
            tables,
            catalogue,
            version_number=server.version_number,
            connections=self.connections,
            user=self.address.user,
            reading=lambda table, schema: self._read_plan(table, schema, facts),
            history=lambda table: self.histories[table.qualified_name],
            place=source_place(self.address, server),
            uses=self.uses,
            full_reload=self.full_reload,
        )

    def last_oid(self, table: Table, server: ServerFacts) -> int:
        """The table's oid in its last batch, if that is from the same server; 0 if unknown."""
        return self.histories[table.qualified_name].oid(source_place(self.address, server))

    def stopped(self, table: Table, problems: Sequence[TableProblem]) -> StoppedTable:
        """A table with its problems, and what they break."""
        as_a_whole = any(not problem.columns for problem in problems)
        columns = [] if as_a_whole else list(dict.fromkeys(name for p in problems for name in p.columns))
        return StoppedTable(
            table=table.qualified_name,
            silver=table.silver,
            problems=tuple(problem.message for problem in problems),
            breaks=tuple(self.uses(table.silver, columns)),
        )

    def _read_plan(self, table: Table, schema: SourceTableSchema, facts: SnapshotFacts | None) -> ReadPlan:
        history, now = self.histories[table.qualified_name], None
        if facts is not None and schema.relation is not None:
            before = history.newest.horizon if history.newest is not None else None
            now = facts.horizon_of(schema.relation.oid, self.batch_id, before)
        return plan_read(table, schema, self.batch_id, history, full_reload=self.full_reload, now=now)


def source_place(address: SourceAddress, server: ServerFacts) -> tuple[str, str]:
    """Server and database, as in the manifest: the system identifier if the role may read it."""
    return server.identity or f"{address.host}:{address.port}", server.database
