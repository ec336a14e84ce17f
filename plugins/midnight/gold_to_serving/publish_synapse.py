"""Run statements on Synapse serverless: metadata queries, probes of files and views, and the publishing transaction.

"Transactions are applicable only on the meta-data objects" ("Transact-SQL features supported in Azure Synapse SQL",
https://learn.microsoft.com/azure/synapse-analytics/sql/overview-features). Queries over files therefore run outside.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, TypeAlias

from midnight.errors import DataLimitError, ServingError, StatementRefusedError
from midnight.synapse.connection import SynapseServer
from midnight.synapse.error_hints import explain, is_over_budget

if TYPE_CHECKING:
    import pyarrow as pa
    from mssql_python import Connection

Read: TypeAlias = "Callable[[str], Iterator[pa.RecordBatch]]"
_ROWS_AT_ONCE = 65_536


def read_rows(connection: Connection, sql: str, server: SynapseServer) -> list[tuple[str, ...]]:
    """Return the rows of a query; the connection is always closed.

    Raises:
        ServingError: the query failed.
    """
    import mssql_python

    try:
        with connection.cursor() as cursor:
            return [tuple(row) for row in cursor.execute(sql).fetchall()]
    except mssql_python.Error as error:
        raise _refused(sql, error, server) from error
    finally:
        _close(connection)


@contextmanager
def reading(connection: Connection, server: SynapseServer) -> Iterator[Read]:
    """Run queries one by one, outside of a transaction; the rows arrive as Arrow batches.

    Args:
        connection: newly opened with autocommit; it is closed at the end.
        server: for messages.

    Raises:
        DataLimitError: by a query, when the workspace's limit of processed data is reached.
        ServingError: by a query that failed.
    """

    def read(sql: str) -> Iterator[pa.RecordBatch]:
        import pyarrow as pa

        try:
            with connection.cursor() as cursor:
                yield from cursor.execute(sql).arrow_reader(_ROWS_AT_ONCE)  # an error may come after the first rows
        except (mssql_python.Error, pa.ArrowException) as error:
            if is_over_budget(error):
                raise DataLimitError(explain(error, server)[0]) from error
            raise _refused(sql, error, server) from error

    import mssql_python

    try:
        yield read
    finally:
        _close(connection)


def run_in_transaction(connection: Connection, statements: Sequence[str], server: SynapseServer) -> None:
    """Run statements one by one, and commit after the last; when one fails, all of them are rolled back.

    Args:
        connection: newly opened without autocommit; it is always closed.
        statements: in order; none of them commits or reads data.
        server: for messages.

    Raises:
        ServingError: a statement failed, and nothing has changed; or the connection was lost during the commit, and the
            outcome is unknown. Running the same statements again is safe.
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
                f"the connection to Synapse {server.host!r} was lost during the commit: {explain(error, server)[0]}; "
                "either all views are new or none is; hint: clear this task to publish again"
            ) from error
    finally:
        _close(connection)


def _refused(statement: str, error: Exception, server: SynapseServer) -> StatementRefusedError:
    return StatementRefusedError(statement, *explain(error, server))


def _close(connection: Connection) -> None:
    import mssql_python

    with suppress(mssql_python.Error):  # a lost connection cannot be closed either
        connection.close()
