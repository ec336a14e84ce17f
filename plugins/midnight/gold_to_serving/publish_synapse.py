"""The statements that publish on Synapse serverless. They run in one transaction: metadata there is transactional."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from midnight.errors import ServingError
from midnight.gold_builds import GoldBuild
from midnight.gold_to_serving.base_views import BASE_SCHEMA, BaseView, bracketed, synapse_base_view, text_literal
from midnight.gold_to_serving.reporting_views import REPORTING_SCHEMA, ReportingView
from midnight.synapse_connection import SynapseServer
from midnight.synapse_reasons import explain

if TYPE_CHECKING:
    from mssql_python import Connection

SCHEMAS = (BASE_SCHEMA, REPORTING_SCHEMA)
EXISTING_VIEWS = (
    "SELECT s.name, v.name FROM sys.views AS v INNER JOIN sys.schemas AS s ON v.schema_id = s.schema_id "
    f"WHERE s.name IN ({', '.join(text_literal(schema) for schema in SCHEMAS)}) ORDER BY s.name, v.name"
)


def synapse_statements(
    build: GoldBuild,
    base_views: Sequence[BaseView],
    reporting_views: Sequence[ReportingView],
    existing: Iterable[tuple[str, str]] = (),
) -> list[str]:
    """Everything that brings the views of the schemas gold and reporting to this build, in order.

    The two schemas belong to Midnight: a view in them that nothing defines any more is dropped. Running the list again
    changes nothing. The last statements read one row of each view, so that one that cannot be read rolls back all.

    Args:
        build: the build of gold.
        base_views: of that build.
        reporting_views: each after those that it reads.
        existing: pairs of schema and view that ``EXISTING_VIEWS`` finds.
    """
    statements = [
        f"IF SCHEMA_ID({text_literal(s)}) IS NULL EXEC({text_literal(f'CREATE SCHEMA [{s}]')})" for s in SCHEMAS
    ]
    statements += [synapse_base_view(view, build.models[view.name].path) for view in base_views]
    statements += [view.tsql for view in reporting_views]
    defined = [(BASE_SCHEMA, view.name) for view in base_views]
    defined += [(REPORTING_SCHEMA, view.name) for view in reporting_views]
    obsolete = sorted(set(existing) - set(defined), reverse=True)  # reporting before what it reads
    statements += [f"DROP VIEW IF EXISTS {bracketed(s)}.{bracketed(view)}" for s, view in obsolete if s in SCHEMAS]
    statements += [f"SELECT TOP (1) 1 AS [readable] FROM {bracketed(s)}.{bracketed(view)}" for s, view in defined]
    return statements


def read_rows(connection: Connection, sql: str, server: SynapseServer) -> list[tuple[str, str]]:
    """The rows of a query; the connection is closed in any case.

    Raises:
        ServingError: Synapse refused it.
    """
    import mssql_python

    try:
        with connection.cursor() as cursor:
            return [tuple(row) for row in cursor.execute(sql).fetchall()]
    except mssql_python.Error as error:
        raise _refused(sql, error, server) from error
    finally:
        _close(connection)


def run_in_transaction(connection: Connection, statements: Sequence[str], server: SynapseServer) -> None:
    """Run statements one by one, and commit after the last; closing the connection before that rolls all back.

    Args:
        connection: freshly opened without autocommit; it is closed in any case.
        statements: in order; none of them commits.
        server: for messages.

    Raises:
        ServingError: a statement was refused, and nothing has changed; or the connection was lost while committing, and
            nobody knows: running the same again is safe.
    """
    import mssql_python

    try:
        for statement in statements:
            try:
                with connection.cursor() as cursor:
                    cursor.execute(statement)
                    if cursor.description:
                        cursor.fetchall()  # an error may come after the first row
            except mssql_python.Error as error:
                raise _refused(statement, error, server) from error
        try:
            connection.commit()
        except mssql_python.Error as error:
            raise ServingError(
                f"the connection to Synapse {server.host!r} was lost while it committed the views: "
                f"{explain(error, server)[0]}; either all views are new or none is. Clear this task: it publishes again"
            ) from error
    finally:
        _close(connection)


def _refused(statement: str, error: Exception, server: SynapseServer) -> ServingError:
    reason, cure = explain(error, server)
    return ServingError(
        f"Synapse refused {' '.join(statement.split())[:200]!r}: {reason}; the views of the last publication stay. "
        f"Cure: {cure}; then clear this task"
    )


def _close(connection: Connection) -> None:
    import mssql_python

    with suppress(mssql_python.Error):  # a lost connection cannot be closed either
        connection.close()
