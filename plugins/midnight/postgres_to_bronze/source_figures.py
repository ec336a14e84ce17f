"""Computes the figures of the reconciliation rules in the source, inside the snapshot of a load group."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import asyncpg

from midnight.bronze.batches import BronzeStore
from midnight.errors import SourceMismatchError, first_line
from midnight.postgres_to_bronze.parallel_copy import DRIVER_ERRORS
from midnight.postgres_to_bronze.snapshot import ExportedSnapshot
from midnight.postgres_to_bronze.source_address import SourceAddress
from midnight.postgres_to_bronze.source_errors import source_error
from midnight.postgres_to_bronze.source_settings import SCAN_TIMEOUT_SECONDS
from midnight.postgres_to_bronze.table_plan import TablePlan
from midnight.reconciliation.source_figures import (
    MOST_GROUPS,
    TIMES,
    FigureQuery,
    SourceFigures,
    figure_text,
    figures_to_json,
    time_text,
)
from midnight.sql_text import quote_identifier


async def keep_source_figures(
    connection: asyncpg.Connection,
    plans: Sequence[TablePlan],
    figures: Sequence[FigureQuery],
    *,
    snapshot: ExportedSnapshot,
    address: SourceAddress,
    bronze: BronzeStore,
    group: str,
    log: Callable[[str], None],
) -> None:
    """Compute the figures of rules whose tables are all read, and write them to the lake.

    Args:
        connection: inside the transaction of the snapshot.
        plans: of the tables that are read.
        figures: of all rules.
        snapshot: of the group.
        address: of the source, for messages.
        bronze: the source's batches.
        group: the load group.
        log: takes a line per rule.

    Raises:
        SourceMismatchError, SourceError: as ``read_source_figures``.
        LakeError: they cannot be written.
    """
    read = {(plan.table.schema_name, plan.table.table) for plan in plans}
    queries = [query for query in figures if read.issuperset(query.tables)]
    if queries:
        batch_id = plans[0].reading.batch_id
        lsn = snapshot.server.lsn
        found = await read_source_figures(connection, queries, address=address, batch_id=batch_id, lsn=lsn, log=log)
        bronze.lake.write_text(bronze.paths.source_figures(bronze.source, group, batch_id), figures_to_json(found))


async def read_source_figures(
    connection: asyncpg.Connection,
    queries: Sequence[FigureQuery],
    *,
    address: SourceAddress,
    batch_id: str,
    lsn: str,
    log: Callable[[str], None],
) -> list[SourceFigures]:
    """Run the queries one after the other.

    The transaction is read-only, and the extended protocol takes a single statement.

    Args:
        connection: inside the transaction of the snapshot.
        queries: of the rules whose tables this group reads.
        address: of the source, for messages.
        batch_id: of the group.
        lsn: of the snapshot.
        log: takes a line per rule.

    Raises:
        SourceMismatchError: a query is wrong, may not be run, or returns too many groups.
        SourceError: the source cannot be reached.
    """
    figures = []
    for query in queries:
        rows = await _read(connection, query, address)
        if len(rows) > MOST_GROUPS:
            raise SourceMismatchError(
                f"{query.name}: the source query returns more than {MOST_GROUPS:,} groups; hint: use larger groups"
            )
        log(f"{query.name}: {len(rows):,} groups computed by the source")
        figures.append(
            SourceFigures(
                model=query.model,
                rule=query.rule,
                batch_id=batch_id,
                lsn=lsn,
                columns=query.columns,
                rows=rows,
            )
        )
    return figures


async def _read(
    connection: asyncpg.Connection, query: FigureQuery, address: SourceAddress
) -> tuple[tuple[str | None, ...], ...]:
    columns = ", ".join(quote_identifier(name) for name in query.columns)
    statement = query.sql.strip().rstrip(";")
    limited = f"SELECT {columns} FROM (\n{statement}\n) AS figures LIMIT {MOST_GROUPS + 1}"
    try:
        returned = (await connection.prepare(limited)).get_attributes()
        shown = ", ".join(_column(quote_identifier(attribute.name), attribute.type.name) for attribute in returned)
        limited = f"SELECT {shown} FROM (\n{limited}\n) AS figures"
        rows: Sequence[asyncpg.Record] = await connection.fetch(limited, timeout=SCAN_TIMEOUT_SECONDS)
    except (ValueError, OverflowError) as error:
        raise SourceMismatchError(
            f"{query.name}: the source query returns a value that Python cannot hold: {first_line(error)}; hint: cast "
            f"it to text in reconcile in sql/gold/{query.model}.yml"
        ) from error
    except (asyncpg.SyntaxOrAccessError, asyncpg.DataError, asyncpg.ReadOnlySQLTransactionError) as error:
        reason = first_line(error)
        if isinstance(error, asyncpg.DataError):  # a value of the source follows, which may be personal
            reason = reason.partition(":")[0]
        raise SourceMismatchError(
            f"{query.name}: the source query failed: {reason}; hint: correct reconcile in "
            f"sql/gold/{query.model}.yml, or grant SELECT to the role"
        ) from error
    except DRIVER_ERRORS as error:
        raise source_error(error, address) from error
    kinds = [attribute.type.name for attribute in returned]
    return tuple(
        tuple(
            time_text(value, kind) if kind in TIMES else figure_text(value)
            for value, kind in zip(row, kinds, strict=True)
        )
        for row in rows
    )


def _column(name: str, kind: str) -> str:
    """Dates and timestamps as text: Python has no infinity, and no year before 1 or after 9999."""
    return f"{name}::pg_catalog.text AS {name}" if kind in TIMES else name
