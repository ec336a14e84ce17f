"""Synapse serverless: driver, sign-in, permissions, and a read of the lake. Nothing is changed."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from cli.checks.finding import Finding
from midnight.errors import SynapseError
from midnight.gold_to_serving.base_views import BASE_SCHEMA, DATA_SOURCE
from midnight.gold_to_serving.reporting_views import REPORTING_SCHEMA
from midnight.gold_to_serving.run_views import RUN_SCHEMA
from midnight.lake.paths import relative_path
from midnight.settings import Settings
from midnight.sql_text import quote_bracketed, text_literal
from midnight.synapse.connection import FULL_DRIVER, PLAIN_DRIVER, SynapseServer, choose_driver
from midnight.synapse.error_hints import explain

if TYPE_CHECKING:
    from mssql_python import Connection

SECONDS = 15
_SETUP = "run make synapse (docs/azure.md step 6) as an administrator"
_RIGHTS = (
    ("create views", "NULL, 'DATABASE', 'CREATE VIEW'"),
    (f"change the schema {BASE_SCHEMA}", f"'{BASE_SCHEMA}', 'SCHEMA', 'ALTER'"),
    (f"change the schema {REPORTING_SCHEMA}", f"'{REPORTING_SCHEMA}', 'SCHEMA', 'ALTER'"),
    (f"change the schema {RUN_SCHEMA}", f"'{RUN_SCHEMA}', 'SCHEMA', 'ALTER'"),
    (f"read the schema {BASE_SCHEMA}", f"'{BASE_SCHEMA}', 'SCHEMA', 'SELECT'"),
)


def check_synapse(settings: Settings, connection_id: str) -> list[Finding]:
    """Driver, sign-in, rights, and one row of the lake through Synapse.

    Args:
        settings: name the database.
        connection_id: Airflow connection of the endpoint.
    """
    try:
        driver, missing = choose_driver()
    except SynapseError as error:
        return [Finding.of_error("Synapse driver", error)]
    why = f" ({FULL_DRIVER} does not load: {missing})" if driver == PLAIN_DRIVER and missing else ""
    result = [Finding.ok("Synapse driver", f"{driver} of mssql-python{why}")]
    import mssql_python

    from midnight_airflow.hooks.synapse import SynapseHook

    hook = SynapseHook(connection_id, database=settings.synapse_database, login_seconds=SECONDS, retries=0)
    try:
        server = hook.server
    except SynapseError as error:
        return [*result, Finding.of_error("Synapse", error)]
    try:
        with closing(hook.get_conn()) as connection:
            connection.timeout = SECONDS
            result.append(_rights(connection, settings))
            if result[-1].state == "ok":
                result.append(_lake(connection, settings, server))
    except SynapseError as error:
        result.append(Finding.of_error("Synapse", error))
    except mssql_python.Error as error:
        result.append(Finding.fail("Synapse", *explain(error, server)))
    return result


def _rights(connection: Connection, settings: Settings) -> Finding:
    asked = ", ".join(f"HAS_PERMS_BY_NAME({right}) AS r{number}" for number, (_, right) in enumerate(_RIGHTS))
    with connection.cursor() as cursor:
        row = cursor.execute(f"SELECT {asked}").fetchone()
    lacking = [name for (name, _), has in zip(_RIGHTS, row, strict=True) if has != 1]
    if lacking:
        return Finding.fail("Synapse", f"may not {', '.join(lacking)} in {settings.synapse_database!r}", _SETUP)
    return Finding.ok("Synapse", f"may create views in {settings.synapse_database!r}")


def _lake(connection: Connection, settings: Settings, server: SynapseServer) -> Finding:
    """Read one row through a published view; before the first publication through the table of builds."""
    import mssql_python

    paths = settings.paths
    builds = relative_path(paths.gold, paths.gold_builds) + "/"
    published = (
        "SELECT v.name FROM sys.views AS v INNER JOIN sys.schemas AS s ON v.schema_id = s.schema_id "
        f"WHERE s.name = {text_literal(BASE_SCHEMA)} ORDER BY v.name"
    )
    with connection.cursor() as cursor:
        view = cursor.execute(published).fetchone()
    source = (
        f"OPENROWSET(BULK {text_literal(builds)}, DATA_SOURCE = {text_literal(DATA_SOURCE)}, FORMAT = 'DELTA') AS r"
    )
    if view:
        source = f"{quote_bracketed(BASE_SCHEMA)}.{quote_bracketed(view[0])}"
    try:
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT TOP (1) 1 AS [readable] FROM {source}").fetchall()
    except mssql_python.Error as error:
        reason, _ = explain(error, server)
        hint = (
            "give the workspace's identity the role Storage Blob Data Reader on gold (infra/), and compare the "
            f"data source's address with MIDNIGHT_STORAGE_ACCOUNT ({_SETUP})"
        )
        if view:
            return Finding.fail("Synapse lake", f"gold.{view[0]} cannot be read: {reason}", hint)
        found = f"nothing is published yet, and {builds} cannot be read: {reason}"
        return Finding.warn("Synapse lake", found, f"normal before the first run; after it: {hint}")
    return Finding.ok("Synapse lake", f"gold can be read through {'gold.' + view[0] if view else builds}")
