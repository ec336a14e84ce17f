"""Changes rows of a Delta table in one commit of the engine, which finds and rewrites the files itself."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from midnight.sql_text import quote_backticked
from spark_jobs.transforms.changes import DELETE, INSERT, MARK, MOST_COMPARED_SINGLY, UPDATE

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


def merge_rows(
    session: SparkSession,
    path: str,
    changes: DataFrame,
    *,
    identity: Sequence[str],
    columns: Sequence[str],
    action: str,
    actions: Collection[str] = (INSERT, UPDATE, DELETE),
    bounds: Mapping[str, tuple[str, str]] | None = None,
) -> None:
    """Apply inserts, updates and deletes in one commit.

    Without updates and deletes the rows are appended: no file of the table is read.

    Args:
        session: Apache Spark or Databricks.
        path: of an existing table.
        changes: ``columns`` and ``action`` (``insert``, ``update``, ``mark`` or ``delete``); one row per identity, and
            no ``insert`` has that of a row of the table.
        identity: columns that identify a row; null equals null.
        columns: all columns of the table.
        action: name of the action column.
        actions: that occur; a clause less is a join or a branch less.
        bounds: column of the identity -> the smallest and the largest value of the rows that are updated, marked or
            deleted, as literals. Delta then reads no file whose statistics exclude them.
    """
    if set(actions) <= {INSERT}:
        changes.select(*columns).write.format("delta").mode("append").save(path)
        return
    view = f"_midnight_changes_{secrets.token_hex(8)}"  # tables are merged side by side in one session
    changes.createOrReplaceTempView(view)
    options: dict[str, Any] = {"action": action, "actions": actions, "bounds": bounds or {}}
    session.sql(merge_statement(path, view, identity=identity, columns=columns, **options))
    session.catalog.dropTempView(view)


def merge_statement(
    path: str,
    view: str,
    *,
    identity: Sequence[str],
    columns: Sequence[str],
    action: str,
    actions: Collection[str],
    bounds: Mapping[str, tuple[str, str]],
) -> str:
    """The statement of ``merge_rows``, which has the same arguments; ``view`` has the changes."""
    name = quote_backticked
    clauses = []
    if DELETE in actions:
        clauses.append(f"WHEN MATCHED AND s.{name(action)} = '{DELETE}' THEN DELETE")
    if UPDATE in actions or MARK in actions:
        updated = ", ".join(f"t.{name(n)} = s.{name(n)}" for n in columns if n not in identity)
        clauses.append(f"WHEN MATCHED THEN UPDATE SET {updated}")
    if INSERT in actions:
        values = ", ".join(f"s.{name(n)}" for n in columns)
        clauses.append(f"WHEN NOT MATCHED THEN INSERT ({', '.join(map(name, columns))}) VALUES ({values})")
    on = " AND ".join([same_row(identity), *within(bounds, "t.")])
    return f"MERGE INTO delta.{name(path)} AS t USING {view} AS s ON {on} {' '.join(clauses)}"


def within(bounds: Mapping[str, tuple[str, str]], table: str = "") -> list[str]:
    """A condition for each column with bounds.

    Args:
        bounds: column -> smallest and largest value, as literals.
        table: its alias and a dot.
    """
    return [f"{table}{quote_backticked(name)} BETWEEN {low} AND {high}" for name, (low, high) in bounds.items()]


def same_row(identity: Sequence[str]) -> str:
    """The condition that a row of the table (``t``) and a change (``s``) have the same identity; null equals null.

    The columns of a table without a key all identify its rows. Compared one by one, each would become two keys of the
    join, which Apache Spark compiles into one method that is too large for many columns; a structure is one key. The
    first columns are compared singly nevertheless, since Databricks skips files by them.

    Args:
        identity: at least one column.
    """
    single, rest = identity[:MOST_COMPARED_SINGLY], identity[MOST_COMPARED_SINGLY:]
    parts = [f"t.{quote_backticked(name)} <=> s.{quote_backticked(name)}" for name in single]
    if rest:
        sides = [", ".join(f"{side}.{quote_backticked(name)}" for name in rest) for side in ("t", "s")]
        parts.append(f"struct({sides[0]}) <=> struct({sides[1]})")
    return " AND ".join(parts)
