"""The ODBC provider's hook with Microsoft's driver ``mssql_python`` and token authentication."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import mssql_python

from midnight.errors import ServingError
from midnight.gold_to_serving.publish_synapse import Read, read_rows, reading, run_in_transaction
from midnight.gold_to_serving.synapse_statements import DATA_PROCESSED
from midnight.synapse.connection import LOGIN_SECONDS, RETRIES, SynapseServer, connect, server_of_connection

try:
    import pyodbc  # noqa: F401 - the provider imports it; it needs the machine's libodbc
except ImportError:
    # The provider uses only the DB-API names Connection, Row and connect of pyodbc, which Microsoft's driver has, too.
    with patch.dict(sys.modules, {"pyodbc": mssql_python}):
        from airflow.providers.odbc.hooks.odbc import OdbcHook
else:
    from airflow.providers.odbc.hooks.odbc import OdbcHook

if TYPE_CHECKING:
    from mssql_python import Connection


class SynapseHook(OdbcHook):
    """Hook for an Airflow connection of type odbc.

    The connection has host and port, and either login, password and the extra ``tenantId`` of a service principal, or
    none of the three: then the machine's own identity is used.

    Args:
        odbc_conn_id: Airflow connection.
        database: name of the database.
        login_seconds: timeout of each attempt to sign in.
        retries: number of further attempts, each after ten seconds.
    """

    def __init__(
        self, odbc_conn_id: str, *, database: str, login_seconds: int = LOGIN_SECONDS, retries: int = RETRIES
    ) -> None:
        super().__init__(odbc_conn_id=odbc_conn_id, database=database)
        self.connection_id = odbc_conn_id
        self.login_seconds, self.retries = login_seconds, retries

    @property
    def server(self) -> SynapseServer:
        """The server's address and the credential.

        Raises:
            ServingError: the Airflow connection is incomplete.
        """
        return server_of_connection(self.connection, str(self.database), self.connection_id)

    def get_conn(self, *, autocommit: bool = False) -> Connection:
        """Open a connection, whose first statement begins a transaction.

        Args:
            autocommit: run each statement outside a transaction.

        Raises:
            ServingError: the connection failed; the message has the reason.
        """
        return connect(self.server, login_seconds=self.login_seconds, retries=self.retries, autocommit=autocommit)

    def query(self, sql: str) -> list[tuple[str, ...]]:
        """The rows of a query over metadata.

        Raises:
            ServingError: Synapse rejected the query.
        """
        return read_rows(self.get_conn(), sql, self.server)

    def data_processed_mb(self) -> float | None:
        """MB that the workspace has processed today; None without the permission to see it (VIEW SERVER STATE)."""
        try:
            rows = self.query(DATA_PROCESSED)
        except ServingError as error:
            self.log.info("What Synapse has processed cannot be read: %s", error)
            return None
        return float(rows[0][0]) if rows else 0.0

    def reading(self) -> AbstractContextManager[Read]:
        """See ``publish_synapse.reading``.

        Raises:
            ServingError: the connection failed.
        """
        return reading(self.get_conn(autocommit=True), self.server)

    def run_in_transaction(self, statements: list[str]) -> None:
        """See ``publish_synapse.run_in_transaction``.

        Raises:
            ServingError: Synapse rejected a statement, or the connection broke during the commit.
        """
        run_in_transaction(self.get_conn(), statements, self.server)

    def _make_common_data_structure(self, result: Sequence[Any] | Any) -> list[tuple[Any, ...]] | tuple[Any, ...]:
        if not result:
            return []
        return tuple(result) if isinstance(result, mssql_python.Row) else [tuple(row) for row in result]
