"""Whether rows that an increment does not read show in new columns what is assumed: null, or the constant default.

PostgreSQL changes no row when a column is added, and no cursor when it is filled afterwards. So the source itself
looks for one row that has another value; it reads the table, but sends nothing. This happens once per added column.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from midnight.bronze.increments import ReadPlan
from midnight.bronze.manifest import BronzeColumn
from midnight.configuration.cursors import cursor_literal
from midnight.postgres_to_bronze.source_settings import SCAN_TIMEOUT_SECONDS
from midnight.postgres_to_bronze.table_plan import TablePlan
from midnight.sql_text import postgres_literal, quote_identifier

if TYPE_CHECKING:
    import asyncpg


async def verify_old_rows(connection: asyncpg.Connection, plans: Sequence[TablePlan]) -> tuple[TablePlan, ...]:
    """The plans, with a full snapshot for each table of which an unread row has a value in a new column.

    Args:
        connection: inside the snapshot.
        plans: of the tables to read.

    Raises:
        asyncpg.PostgresError: see ``source_errors.source_error``.
    """
    return tuple([await _verified(connection, plan) for plan in plans])


async def _verified(connection: asyncpg.Connection, plan: TablePlan) -> TablePlan:
    query = old_rows_query(plan)
    if not query or not await connection.fetchval(query, timeout=SCAN_TIMEOUT_SECONDS):
        return plan
    names = ", ".join(repr(change.added.source) for change in plan.changes if change.added)
    reason = f"old rows have values in the new columns {names}"
    return replace(plan, reading=ReadPlan(plan.table, plan.reading.batch_id, full_read_reason=reason))


def old_rows_query(plan: TablePlan) -> str:
    """A query that is true if a row before the increment has another value in a new column; empty without either."""
    kind, column = plan.table.cursor_kind, plan.table.cursor_column
    added = [change.added for change in plan.changes if change.added is not None]
    if plan.reading.follows is None or not added or kind is None or column is None:
        return ""
    cursor = next(c.bronze.source for c in plan.columns if c.bronze.name == column.name)
    others = [_has_another_value(quote_identifier(c.source), c) for c in added]
    return (
        f"SELECT EXISTS (SELECT FROM {plan.relation} WHERE {quote_identifier(cursor)} < "
        f"{cursor_literal(plan.reading.since, kind)} AND ({' OR '.join(others)}))"
    )


def _has_another_value(name: str, column: BronzeColumn) -> str:
    """SQL condition. As texts: the column's own comparison may ignore case, blanks, or the sign of zero."""
    if column.missing is None:
        return f"{name} IS NOT NULL"
    missing = f"pg_catalog.concat({postgres_literal(column.missing)}::{column.postgres_type})"
    return f'{name} IS NULL OR pg_catalog.concat({name}) COLLATE "C" <> {missing}'
