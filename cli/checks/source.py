"""The source database: login, tables, columns, types, snapshot, standby, clock, size."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cli.checks.finding import Finding
from midnight.alerts.from_source import GIGABYTE, source_notices
from midnight.configuration.files import Configuration
from midnight.errors import Diagnosis, SourceError
from midnight.postgres_to_bronze.catalogue import CatalogueTable, read_catalogue
from midnight.postgres_to_bronze.server_facts import ServerFacts, read_server
from midnight.postgres_to_bronze.source_address import ALLOWED_OPTIONS, SourceAddress
from midnight.postgres_to_bronze.source_connection import connect
from midnight.postgres_to_bronze.source_errors import source_error
from midnight.postgres_to_bronze.source_log import read_source_log
from midnight.postgres_to_bronze.source_settings import TIMEOUTS, alter_role, session_settings

if TYPE_CHECKING:
    import asyncpg

OLDEST_VERSION, NEWEST_VERSION = 10, 18
OLDEST_VERSION_OF_DATA_FACTORY = 12
CLOCK_SECONDS = 60
LAG_SECONDS = 3600


def address_of(fields: Mapping[str, Any], connection_id: str) -> SourceAddress:
    """The address in an Airflow connection, as ``connections.yaml`` or a secrets backend holds it.

    Raises:
        SourceError: host or database is missing.
    """
    missing = [name for name in ("host", "schema", "login") if not fields.get(name)]
    if missing:
        raise SourceError(f"connection {connection_id!r} has no {', '.join(missing)} (schema is the database)")
    extra = fields.get("extra") or fields.get("extra_dejson") or {}
    return SourceAddress(
        host=str(fields["host"]),
        port=int(fields.get("port") or 5432),
        database=str(fields["schema"]),
        user=str(fields["login"]),
        password=str(fields.get("password") or ""),
        options={key: str(value) for key, value in dict(extra).items() if key in ALLOWED_OPTIONS},
        connection_id=connection_id,
    )


def fields_of(connection: Any) -> dict[str, Any]:
    """An Airflow connection as a mapping; its ``extra`` as well."""
    return {key: getattr(connection, key) for key in ("host", "port", "schema", "login", "password", "extra_dejson")}


def check_source(
    address: SourceAddress, configuration: Configuration, lake: Path | None, *, data_factory: bool = False
) -> list[Finding]:
    """Everything that the nightly run needs from the source.

    Args:
        address: of the source.
        configuration: its tables are compared with the catalogue.
        lake: root of the local lake, to compare sizes; None in Azure.
        data_factory: whether Data Factory reads the source, whose sessions keep the role's timeouts.
    """
    return asyncio.run(_check_source(address, configuration, lake, data_factory=data_factory))


async def _check_source(
    address: SourceAddress, configuration: Configuration, lake: Path | None, *, data_factory: bool
) -> list[Finding]:
    import asyncpg

    try:
        connection = await connect(address)
    except SourceError as error:
        return [Finding.of_error("source", error)]
    try:
        server = await read_server(connection)
        wanted = [(table.schema_name, table.table) for table in configuration.tables]
        catalogue = await read_catalogue(connection, tables=wanted)
        return [
            _server(server, address, data_factory=data_factory),
            *_tables(server, catalogue, configuration),
            *_keys(catalogue, configuration),
            *await _settings(connection, server, data_factory=data_factory),
            *await _snapshot(connection, server),
            *await _clock(connection),
            *await _log(connection, configuration),
            *(_size(list(catalogue.values()), lake) if lake is not None else []),
        ]
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        return [Finding.of_error("source", source_error(error, address))]
    finally:
        await connection.close()


def _server(server: ServerFacts, address: SourceAddress, *, data_factory: bool) -> Finding:
    major = server.version_number // 10000
    found = f"PostgreSQL {server.version} at {address.place}, role {server.user}"
    if major < OLDEST_VERSION:
        return Finding.fail("source", found, f"Midnight reads PostgreSQL {OLDEST_VERSION} and newer")
    if data_factory and major < OLDEST_VERSION_OF_DATA_FACTORY:
        found += f": Data Factory's connector reads {OLDEST_VERSION_OF_DATA_FACTORY} and newer"
        return Finding.fail("source", found, "set MIDNIGHT_INGEST=operator")
    if major > NEWEST_VERSION:
        return Finding.warn("source", found, f"newer than what is tested ({NEWEST_VERSION})")
    return Finding.ok("source", found)


def _tables(
    server: ServerFacts, catalogue: Mapping[tuple[str, str], CatalogueTable], configuration: Configuration
) -> list[Finding]:
    """The extraction's own comparison, table by table, so that every problem is reported."""
    from midnight.bronze.increments import ReadPlan
    from midnight.postgres_to_bronze.table_plan import plan_tables

    planned = plan_tables(
        configuration.tables,
        catalogue,
        version_number=server.version_number,
        connections=1,
        user=server.user,
        reading=lambda table, _: ReadPlan(table, ""),
    )
    problems = [
        Finding("source tables", "fail", Diagnosis.parse(problem.message))
        for faults in planned.problems.values()
        for problem in faults
    ]
    count = len(configuration.tables)
    return problems or [
        Finding.ok("source tables", f"{count} tables exist and are readable, with the configured types")
    ]


def _keys(catalogue: Mapping[tuple[str, str], CatalogueTable], configuration: Configuration) -> list[Finding]:
    """Keys that the source does not guarantee, or does not compare as silver does."""
    from midnight.postgres_to_bronze.key_guarantee import key_warning, spelling_warning

    result = []
    for table in configuration.tables:
        found = catalogue.get((table.schema_name, table.table))
        warnings = (key_warning(table, found), spelling_warning(table, found)) if found is not None else ()
        result += [Finding("source keys", "warn", Diagnosis.parse(warning)) for warning in warnings if warning]
    return result


async def _settings(connection: asyncpg.Connection, server: ServerFacts, *, data_factory: bool) -> list[Finding]:
    """Settings that our session could not set, and timeouts that Data Factory's sessions keep."""
    wanted = session_settings(server.version_number // 10000)
    rows = await connection.fetch(
        "SELECT name, source, reset_val, unit FROM pg_catalog.pg_settings WHERE name = ANY ($1::text[])", list(wanted)
    )
    kept = [row["name"] for row in rows if row["source"] != "session"]
    findings = [
        (Finding.fail if name in TIMEOUTS else Finding.warn)(
            "source settings",
            f"{name} differs from our session's setting: is a connection pool in between?",
            f"run {alter_role(server.user, server.database, name)}",
        )
        for name in kept
    ]
    if data_factory:
        findings += [
            Finding.warn(
                "source settings",
                f"{row['name']} = {row['reset_val']} {row['unit'] or ''}".strip()
                + " of the role or database ends the copies of Data Factory, whose sessions keep it",
                f"run {alter_role(server.user, server.database, row['name'])}",
            )
            for row in rows
            if row["name"] in TIMEOUTS and row["reset_val"] != "0"
        ]
    return findings or [Finding.ok("source settings", "the role's and the database's settings are overridden")]


async def _snapshot(connection: asyncpg.Connection, server: ServerFacts) -> list[Finding]:
    import asyncpg

    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            await connection.fetchval("SELECT pg_catalog.pg_export_snapshot()")
    except asyncpg.PostgresError as error:
        hint = "connect to the server itself, not through a pool in transaction mode; or set connections: 1"
        return [Finding.fail("snapshot", f"cannot be exported: {error}", hint)]
    result = [Finding.ok("snapshot", "the server exports snapshots")]
    return [*result, *await _standby(connection)] if server.in_recovery else result


async def _standby(connection: asyncpg.Connection) -> list[Finding]:
    lag = await connection.fetchval(
        "SELECT CASE WHEN pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn() THEN 0 "
        "ELSE extract(epoch FROM now() - pg_last_xact_replay_timestamp()) END::float8"
    )
    feedback = await connection.fetchval("SELECT current_setting('hot_standby_feedback')")
    result = [Finding.ok("standby", f"a standby, {lag or 0:.0f} s behind")]
    if lag is not None and lag > LAG_SECONDS:
        hint = "check the replication: a run loads the state of the standby"
        result = [Finding.warn("standby", f"{lag / 3600:.1f} hours behind", hint)]
    if feedback != "on":
        hint = "set it on the standby, or a long read may be cancelled (conflict with recovery)"
        result.append(Finding.warn("standby", "hot_standby_feedback is off", hint))
    return result


async def _clock(connection: asyncpg.Connection) -> list[Finding]:
    before = time.time()
    server = await connection.fetchval("SELECT extract(epoch FROM clock_timestamp())::float8")
    difference = server - (before + time.time()) / 2
    if abs(difference) > CLOCK_SECONDS:
        found = f"this machine's differs from the source's by {abs(difference):.0f} s"
        return [Finding.warn("clock", found, "switch time synchronisation (NTP) on: batches are named after the clock")]
    return [Finding.ok("clock", "agrees with the source's")]


def _size(tables: Sequence[CatalogueTable], lake: Path) -> list[Finding]:
    """Bronze, silver and gold each store a row once, in Parquet, which is rarely larger than PostgreSQL's heap."""
    needed = 3 * sum(table.bytes for table in tables)
    place = next(path for path in [lake, *lake.parents] if path.exists())
    free = shutil.disk_usage(place).free
    found = f"{needed / 3e9:.1f} GB in the source, {free / 1e9:.1f} GB free for the lake"
    if needed > free:
        hint = "set MIDNIGHT_LAKE to a folder on a larger disk, or load fewer tables (delete files in include/tables)"
        return [Finding.warn("size", found, hint)]
    return [Finding.ok("size", found)]


async def _log(connection: asyncpg.Connection, configuration: Configuration) -> list[Finding]:
    """What keeps the write-ahead log and dead rows, by the limits of the alerts."""
    log = await read_source_log(connection)
    found = source_notices(log, configuration.pipeline.alerts)
    if found:
        return [Finding("source log", "warn", Diagnosis.parse(notice.text)) for notice in found]
    size = "its size needs pg_monitor" if log.log_bytes is None else f"{log.log_bytes / GIGABYTE:.1f} GB"
    return [Finding.ok("source log", f"{size}; {len(log.slots)} replication slots")]
