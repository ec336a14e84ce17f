"""The statements that publish on Synapse serverless: queries first, then definitions alone in one transaction.

"Transactions are applicable only on the meta-data objects" ("Transact-SQL features supported in Azure Synapse SQL",
https://learn.microsoft.com/azure/synapse-analytics/sql/overview-features): no query over files is inside.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from midnight.errors import ServingError
from midnight.gold_to_serving.base_views import BASE_SCHEMA, BaseView, synapse_base_view, synapse_rowset
from midnight.gold_to_serving.reporting_views import REPORTING_SCHEMA, ReportingView
from midnight.silver_to_gold.builds import GoldBuild
from midnight.sql_text import quote_bracketed, text_literal
from midnight.synapse.connection import SynapseServer
from midnight.synapse.error_hints import explain, is_over_budget

if TYPE_CHECKING:
    from mssql_python import Connection

SCHEMAS = (BASE_SCHEMA, REPORTING_SCHEMA)
EXISTING_VIEWS = (
    "SELECT s.name, v.name, m.[definition] FROM sys.views AS v "
    "INNER JOIN sys.schemas AS s ON v.schema_id = s.schema_id "
    "INNER JOIN sys.sql_modules AS m ON m.object_id = v.object_id "
    f"WHERE s.name IN ({', '.join(text_literal(schema) for schema in SCHEMAS)}) ORDER BY s.name, v.name"
)
_HEAD = re.compile(r"^((?:\s|--[^\n]*\n|/\*.*?\*/)*)CREATE\s+(?:OR\s+ALTER\s+)?VIEW\b", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True)
class ExistingView:
    """A view of an earlier publication, as ``EXISTING_VIEWS`` finds it."""

    schema: str
    name: str
    definition: str


def file_probes(build: GoldBuild, base_views: Sequence[BaseView]) -> list[str]:
    """Queries that read one row of each Delta table with the names and types that its view is going to have."""
    return [
        f"SELECT TOP (1) 1 AS [readable]\n{synapse_rowset(view, build.models[view.name].path)}" for view in base_views
    ]


def synapse_statements(
    build: GoldBuild,
    base_views: Sequence[BaseView],
    reporting_views: Sequence[ReportingView],
    existing: Iterable[ExistingView] = (),
) -> list[str]:
    """Everything that brings the views of the schemas gold and reporting to this build, in order; no query.

    The two schemas belong to Midnight: a view in them that nothing defines any more is dropped. Running the list again
    changes nothing.

    Args:
        build: the build of gold.
        base_views: of that build.
        reporting_views: each after those that it reads.
        existing: of earlier publications.
    """
    statements = [
        f"IF SCHEMA_ID({text_literal(s)}) IS NULL EXEC({text_literal(f'CREATE SCHEMA {quote_bracketed(s)}')})"
        for s in SCHEMAS
    ]
    statements += [synapse_base_view(view, build.models[view.name].path) for view in base_views]
    statements += [view.tsql for view in reporting_views]
    return statements + _drops(
        {(view.schema, view.name) for view in existing} - set(_names(base_views, reporting_views))
    )


def view_probes(base_views: Sequence[BaseView], reporting_views: Sequence[ReportingView]) -> list[str]:
    """Queries that read one row of each view."""
    return [
        f"SELECT TOP (1) 1 AS [readable] FROM {quote_bracketed(schema)}.{quote_bracketed(name)}"
        for schema, name in _names(base_views, reporting_views)
    ]


def restoring_statements(
    existing: Sequence[ExistingView], base_views: Sequence[BaseView], reporting_views: Sequence[ReportingView]
) -> list[str]:
    """Everything that brings the views back to an earlier publication, in order; no query.

    Args:
        existing: of the earlier publication.
        base_views: of the one that is taken back.
        reporting_views: likewise.
    """
    waiting = sorted(existing, key=lambda view: (view.schema != BASE_SCHEMA, view.name))
    ordered: list[ExistingView] = []
    while waiting:
        # Each after those that it names; of a circle, which no publication makes, any one.
        following = next((v for v in waiting if not any(o is not v and _names_view(v, o) for o in waiting)), waiting[0])
        waiting.remove(following)
        ordered.append(following)
    statements = [_HEAD.sub(r"\1CREATE OR ALTER VIEW", view.definition, count=1) for view in ordered]
    return statements + _drops(set(_names(base_views, reporting_views)) - {(v.schema, v.name) for v in existing})


def _names(base_views: Sequence[BaseView], reporting_views: Sequence[ReportingView]) -> list[tuple[str, str]]:
    names = [(BASE_SCHEMA, view.name) for view in base_views]
    return names + [(REPORTING_SCHEMA, view.name) for view in reporting_views]


def _names_view(view: ExistingView, other: ExistingView) -> bool:
    name = rf"\[?{re.escape(other.schema)}\]?\s*\.\s*(?:\[{re.escape(other.name)}\]|{re.escape(other.name)}\b)"
    return re.search(name, _HEAD.sub("", view.definition, count=1), re.IGNORECASE) is not None


def _drops(names: Iterable[tuple[str, str]]) -> list[str]:
    """Views of reporting before what they read."""
    wanted = sorted(names, reverse=True)
    return [f"DROP VIEW IF EXISTS {quote_bracketed(s)}.{quote_bracketed(view)}" for s, view in wanted if s in SCHEMAS]


def read_rows(connection: Connection, sql: str, server: SynapseServer) -> list[tuple[str, ...]]:
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


def run_probes(connection: Connection, statements: Sequence[str], server: SynapseServer) -> str:
    """Run queries one by one, each on its own: serverless has transactions for metadata only.

    A spent budget of processed data is no reason to keep the views of yesterday: they change without reading any data.

    Args:
        connection: freshly opened with autocommit; it is closed in any case.
        statements: queries.
        server: for messages.

    Returns:
        Why the rest was not asked: the workspace's limit of processed data is reached. Empty when all could be read.

    Raises:
        ServingError: one of them was refused.
    """
    import mssql_python

    try:
        for statement in statements:
            try:
                with connection.cursor() as cursor:
                    cursor.execute(statement).fetchall()  # an error may come after the first row
            except mssql_python.Error as error:
                if is_over_budget(error):
                    return explain(error, server)[0]
                raise _refused(statement, error, server) from error
        return ""
    finally:
        _close(connection)


def run_in_transaction(connection: Connection, statements: Sequence[str], server: SynapseServer) -> None:
    """Run statements one by one, and commit after the last; closing the connection before that rolls all back.

    Args:
        connection: freshly opened without autocommit; it is closed in any case.
        statements: in order; none of them commits or reads data.
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
        f"Synapse refused {' '.join(statement.split())[:200]!r}: {reason}; readers have the views of the last "
        f"publication. Cure: {cure}; then clear this task"
    )


def _close(connection: Connection) -> None:
    import mssql_python

    with suppress(mssql_python.Error):  # a lost connection cannot be closed either
        connection.close()
