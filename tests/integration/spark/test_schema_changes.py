"""Every kind of change of a source table, from a real server to silver: what is read, what silver has, what is said."""

from __future__ import annotations

import asyncio
import dataclasses
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import psycopg
import pytest
from deltalake import DeltaTable

from cli.postgres.embedded import Server
from midnight.bronze.stopped_tables import StoppedTable
from midnight.bronze_to_silver.batch_chain import batch_chain, complete_chains
from midnight.configuration.tables import Table
from midnight.lake.ledger import LedgerEntry
from midnight.postgres_to_bronze.catalogue import read_catalogue
from midnight.postgres_to_bronze.source_connection import connect
from midnight.run.document import RunDocument, TableWork
from spark_jobs.silver.run import build_silver
from tests.support.ingest_run import BronzeFolder, address_of
from tests.support.other_postgres import drop_database
from tests.support.schema_changes import CASES
from tests.support.schema_changes.case import SETUP, Case

DAYS = ["20240101T120000000Z-00000001", "20240102T120000000Z-00000001", "20240103T120000000Z-00000001"]
KINDS: dict[str, dict[str, Any]] = {
    "snap": {},
    "incr": {"mode": "incremental", "cursor": "moved"},
    "frozen": {"on_schema_change": "freeze"},
}
BY_NAME = pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])


@dataclass
class Changed:
    """The lake after two runs of all cases.

    Args:
        bronze: the lake.
        tables: by kind and case.
        stopped: by kind and case, of the second run.
        entries: of the ledger after the second run, by kind and case.
        source: the rows of PostgreSQL after the change, by kind and case.
        silver: the rows of silver after each run, then after a rebuild.
    """

    bronze: BronzeFolder
    tables: dict[tuple[str, str], Table]
    stopped: dict[tuple[str, str], StoppedTable] = field(default_factory=dict)
    entries: dict[tuple[str, str], LedgerEntry] = field(default_factory=dict)
    source: dict[tuple[str, str], list[dict[str, Any]]] = field(default_factory=dict)
    silver: list[dict[tuple[str, str], list[dict[str, Any]]]] = field(default_factory=list)

    def mode(self, kind: str, case: Case) -> str:
        """Of the batch of the second run; empty without one."""
        manifest = self.bronze.store.read_manifest(self.tables[kind, case.name], DAYS[1])
        return "" if manifest is None else manifest.mode

    def read_silver(self) -> None:
        """Keep the rows of silver, without what only Midnight adds."""
        rows = {}
        for name, table in self.tables.items():
            if name[0] == "frozen":
                continue
            found = (
                DeltaTable(self.bronze.paths.silver_table(table.silver)).to_pyarrow_table().sort_by("id").to_pylist()
            )
            rows[name] = found
        self.silver.append(rows)


def configure(server: Server) -> dict[tuple[str, str], Table]:
    """The tables of all kinds and cases, as the catalogue has them before the change."""

    async def read() -> Any:
        connection = await connect(address_of(server))
        try:
            return await read_catalogue(connection)
        finally:
            await connection.close()

    catalogue = asyncio.run(read())
    tables = {}
    for kind, fields in KINDS.items():
        for case in CASES:
            name = f"{kind}_{case.name}"
            columns = [{"name": c.name, "type": c.type} for c in catalogue["public", name].columns]
            given = {"schema": "public", "table": name, "silver": name, "key": ["id"], "columns": columns}
            tables[kind, case.name] = Table.model_validate({**given, **fields, **dict(case.rules)})
    return tables


def apply(session: Any, changed: Changed, batch_id: str, *, rebuild: bool = False) -> None:
    """Bring the tables to silver that the run has a batch of."""
    works = []
    for (kind, _), table in changed.tables.items():
        manifests = [m for m in changed.bronze.store.sealed_batches(table) if m.batch_id <= batch_id]
        if kind == "frozen" or not manifests:
            continue
        chain = batch_chain(manifests[-1], {m.batch_id: m for m in manifests}.get)
        works.append(TableWork(table=table, batches=tuple(complete_chains(manifests)) if rebuild else chain))
    lake = changed.bronze.paths.as_dict()
    document = RunDocument(batch_id=batch_id, run_id=batch_id, lake=lake, tables=tuple(works), rebuild=rebuild)
    names = {table.silver: name for name, table in changed.tables.items()}
    changed.entries = {names[entry.table]: entry for entry in build_silver(session, document)}
    changed.read_silver()


@pytest.fixture(scope="module")
def changed(postgres_server: Server, sail_session: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Changed]:
    name = f"changes_{secrets.token_hex(4)}"
    with psycopg.connect(postgres_server.dsn, autocommit=True) as outside:
        outside.execute(f"CREATE DATABASE {name}")
    server = dataclasses.replace(postgres_server, database=name)
    bronze = BronzeFolder(tmp_path_factory.mktemp("changes"))
    with psycopg.connect(server.dsn, autocommit=True) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        for kind in KINDS:
            for case in CASES:
                for statement in (*SETUP, *case.before):
                    connection.execute(statement.replace("{t}", f"{kind}_{case.name}"))
        result = Changed(bronze, configure(server))
        bronze.ingest(server, *result.tables.values(), batch_id=DAYS[0])
        apply(sail_session, result, DAYS[0])
        for kind in KINDS:
            for case in CASES:
                for statement in (*case.sql, *([case.new_row] if case.new_row else [])):
                    connection.execute(statement.replace("{t}", f"{kind}_{case.name}"))
        bronze.ingest(server, *result.tables.values(), batch_id=DAYS[1], partial=True)
        names = {table.silver: name for name, table in result.tables.items()}
        result.stopped = {names[table.silver]: table for table in bronze.stopped(DAYS[1])}
        connection.row_factory = psycopg.rows.dict_row  # type: ignore[assignment]
        for kind in ("snap", "incr"):
            for case in CASES:
                if (kind, case.name) not in result.stopped:
                    query = f"SELECT * FROM {kind}_{case.name} ORDER BY 1"
                    result.source[kind, case.name] = connection.execute(query).fetchall()  # type: ignore[assignment]
    apply(sail_session, result, DAYS[1])
    first = result.entries
    apply(sail_session, result, DAYS[1], rebuild=True)
    result.entries = first
    yield result
    with psycopg.connect(postgres_server.dsn, autocommit=True) as outside:
        drop_database(outside, name)


@BY_NAME
def test_what_a_run_reads(changed: Changed, case: Case) -> None:
    modes = {"increment": "incremental", "full read": "snapshot", "stopped": ""}
    assert changed.mode("incr", case) == modes[case.incremental]
    assert changed.mode("snap", case) == ("" if case.incremental == "stopped" else "snapshot")
    assert changed.mode("frozen", case) == ("" if case.freeze == "stopped" else "snapshot")


@BY_NAME
def test_silver_has_what_postgresql_shows(changed: Changed, case: Case) -> None:
    before, after, rebuilt = changed.silver
    for kind in ("snap", "incr"):
        name = (kind, case.name)
        if name in changed.stopped:
            assert after[name] == before[name] == rebuilt[name]
            continue
        table, expected = changed.tables[name], changed.source[name]
        files = {column.name: column.source for column in changed.bronze.manifest(table).columns}
        dropped = {column.name for column in table.columns} - files.keys()
        shown = [
            {n: None if n in dropped else row[files[n]] for n in after[name][0] if not n.startswith("_midnight")}
            for row in expected
        ]
        shown = [
            {n: str(v) if hasattr(v, "hex") and not isinstance(v, float) else v for n, v in row.items()}
            for row in shown
        ]
        assert [{n: v for n, v in row.items() if not n.startswith("_midnight")} for row in after[name]] == shown
        assert rebuilt[name] == after[name]


@BY_NAME
def test_what_a_run_says(changed: Changed, case: Case) -> None:
    name = ("incr", case.name)
    says = case.says.replace("{t}", f"incr_{case.name}")
    if case.incremental == "stopped":
        assert says in changed.stopped[name].message
        assert name not in changed.entries or changed.entries[name].batch_id == DAYS[0]
    else:
        assert says in changed.entries[name].schema_changes
        assert (changed.entries[name].schema_changes == "") == (case.freeze == "loaded")
    if case.freeze == "stopped":
        assert "frozen_" in changed.stopped["frozen", case.name].message
