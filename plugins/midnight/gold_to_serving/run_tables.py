"""The schema ``midnight`` of the serving file: ledger, quarantine, batches and build, for queries and the report.

The tables are copies instead of views: silver's Delta tables are compacted and vacuumed while readers use the file.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC
from typing import Any

import duckdb
import pyarrow
from pydantic import ValidationError

from midnight.bronze.manifest import Manifest
from midnight.errors import ServingError
from midnight.lake.files import LakeFiles
from midnight.lake.ledger import LedgerEntry
from midnight.lake.paths import LakePaths
from midnight.silver_to_gold.builds import GoldBuild
from midnight.sql_text import quote_identifier, text_literal

QUARANTINE_ROWS = 1000  # copied per table and rule; quarantine_count has the total

# Joins the rows of the quarantine (q) to the newest entry of their table (l).
OF_NEWEST_BATCH = 'q."table" = l."table" AND q.batch_id = coalesce(nullif(l.quarantine_batch_id, \'\'), l.batch_id)'

_QUARANTINE_COLUMNS = {
    "table": "VARCHAR",
    "source_table": "VARCHAR",
    "batch_id": "VARCHAR",
    "run_id": "VARCHAR",
    "quarantined_at": "TIMESTAMP",
    "rule": "VARCHAR",
    "reason": "VARCHAR",
    "key": "VARCHAR",
    "row": "VARCHAR",
}
_DUCKDB_TYPES: dict[Any, str] = {int: "BIGINT", str: "VARCHAR"}


def create_run_tables(
    connection: duckdb.DuckDBPyConnection, schema: str, paths: LakePaths, files: LakeFiles, build: GoldBuild | None
) -> None:
    """Create and fill the tables of the schema.

    Args:
        connection: to the new serving file, in which ``schema`` exists.
        schema: of the tables.
        paths: of the lake.
        files: reads its run documents.
        build: the published build; None leaves its tables empty.

    Raises:
        ServingError: the ledger or the quarantine cannot be read.
    """
    schema = quote_identifier(schema)
    columns = {name: _DUCKDB_TYPES.get(field.annotation, "VARCHAR") for name, field in LedgerEntry.model_fields.items()}
    columns["attempt_at"] = "TIMESTAMP"
    with _delta_table(connection, paths.ledger, columns) as ledger:
        connection.execute(f'CREATE TABLE {schema}.ledger AS {ledger} ORDER BY attempt_at, "table"')
    _comment(
        connection,
        f"{schema}.ledger",
        "Row counts of each attempt to apply a batch to a silver table; times are UTC",
    )
    # The entry of a skipped batch has no counts, and is used only for a table without another entry.
    connection.execute(
        f"CREATE VIEW {schema}.ledger_latest AS SELECT * FROM {schema}.ledger WHERE status <> 'started' "
        "QUALIFY row_number() OVER (PARTITION BY \"table\" ORDER BY status = 'skipped', attempt_at DESC) = 1"
    )
    _copy_quarantine(connection, schema, paths)
    _describe_batches(connection, schema, paths, files)
    _describe_build(connection, schema, build)


def _copy_quarantine(connection: duckdb.DuckDBPyConnection, schema: str, paths: LakePaths) -> None:
    """Copy the counts of all batches, and rows of each table's newest batch, at most QUARANTINE_ROWS per rule."""
    with _delta_table(connection, paths.quarantine, _QUARANTINE_COLUMNS) as quarantine:
        connection.execute(
            f'CREATE TABLE {schema}.quarantine_count AS SELECT "table", batch_id, rule, count(*) AS "rows" '
            f"FROM ({quarantine}) GROUP BY ALL ORDER BY ALL"
        )
        connection.execute(
            f"CREATE TABLE {schema}.quarantine AS SELECT q.* FROM ({quarantine}) AS q "
            f"INNER JOIN {schema}.ledger_latest AS l ON {OF_NEWEST_BATCH} "
            f'QUALIFY row_number() OVER (PARTITION BY q."table", q.rule ORDER BY q.key, q."row") <= {QUARANTINE_ROWS}'
        )
    text = f"Rows kept out of silver by each table's newest batch, at most {QUARANTINE_ROWS} per table and rule"
    _comment(connection, f"{schema}.quarantine", text)
    _comment(connection, f"{schema}.quarantine_count", "Rows kept out of silver, by table, batch and rule")


def _describe_batches(connection: duckdb.DuckDBPyConnection, schema: str, paths: LakePaths, files: LakeFiles) -> None:
    """Copy the manifests in the run documents of the applied batches: when and where the rows in silver were read.

    A manifest that is not valid is left out: the published views do not depend on it.
    """
    rows = []
    applied = connection.execute(f"SELECT DISTINCT batch_id FROM {schema}.ledger ORDER BY batch_id").fetchall()
    for (batch_id,) in applied:
        document = json.loads(files.read_text(paths.run_document(batch_id)) or "{}")
        for work in document.get("tables", ()):
            for content in work.get("batches", ()):
                try:
                    manifest = Manifest.model_validate(content)
                except ValidationError:
                    continue
                rows.append(_batch_row(str(work["table"]["silver"]), manifest))
    columns = (
        '"table" VARCHAR, batch_id VARCHAR, read_at TIMESTAMP, sealed_at TIMESTAMP, "rows" BIGINT, mode VARCHAR, '
        "files BIGINT, bytes BIGINT, written_by VARCHAR, server VARCHAR"
    )
    distinct = {(row["table"], row["batch_id"]): row for row in rows}
    _store(connection, f"{schema}.batch", columns, list(distinct.values()))
    _comment(connection, f"{schema}.batch", "The sealed bronze batches of the ledger; times are UTC")


def _batch_row(table: str, manifest: Manifest) -> dict[str, Any]:
    return {
        "table": table,
        "batch_id": manifest.batch_id,
        "read_at": manifest.started_at.astimezone(UTC).replace(tzinfo=None),
        "sealed_at": manifest.sealed_at.astimezone(UTC).replace(tzinfo=None),
        "rows": manifest.rows,
        "mode": manifest.mode,
        "files": len(manifest.files),
        "bytes": sum(file.bytes for file in manifest.files),
        "written_by": manifest.written_by,
        "server": f"{manifest.read_from.database} on PostgreSQL {manifest.read_from.server_version}",
    }


def _describe_build(connection: duckdb.DuckDBPyConnection, schema: str, build: GoldBuild | None) -> None:
    built = {} if build is None else build.models
    models = [
        {
            "model": name,
            "rows": model.rows,
            "reused": build is not None and model.built_in != build.build_id,
            "built_in": model.built_in,
            "description": model.description,
        }
        for name, model in sorted(built.items())
    ]
    checks = [
        {"model": name, "check": c.name, "rule": c.rule, "on_failure": c.on_failure, "failed_rows": c.failed_rows}
        for name, model in sorted(built.items())
        for c in model.checks
    ]
    builds = []
    if build is not None:
        completed_at = build.completed_at.astimezone(UTC).replace(tzinfo=None).isoformat(sep=" ")
        ids = {"build_id": build.build_id, "batch_id": build.batch_id, "run_id": build.run_id}
        builds = [{**ids, "completed_at": completed_at}]
    _store(
        connection,
        f"{schema}.gold_build",
        "build_id VARCHAR, batch_id VARCHAR, run_id VARCHAR, completed_at TIMESTAMP",
        builds,
    )
    model_columns = 'model VARCHAR, "rows" BIGINT, reused BOOLEAN, built_in VARCHAR, description VARCHAR'
    _store(connection, f"{schema}.gold_model", model_columns, models)
    check_columns = 'model VARCHAR, "check" VARCHAR, rule VARCHAR, on_failure VARCHAR, failed_rows BIGINT'
    _store(connection, f"{schema}.gold_check", check_columns, checks)


def _store(connection: duckdb.DuckDBPyConnection, table: str, columns: str, rows: list[dict[str, Any]]) -> None:
    connection.execute(f"CREATE TABLE {table} ({columns})")
    for row in rows:
        connection.execute(f"INSERT INTO {table} VALUES ({', '.join('?' * len(row))})", list(row.values()))


@contextmanager
def _delta_table(connection: duckdb.DuckDBPyConnection, path: str, columns: Mapping[str, str]) -> Iterator[str]:
    """Yield a query over a Delta table with exactly these columns: null where the table has no such column.

    When the Delta table does not exist, the query returns no rows.
    """
    source = _open(path)
    present = set() if source is None else set(source.schema.names)
    values = ", ".join(
        f"{_value(name, kind) if name in present else f'CAST(NULL AS {kind})'} AS {quote_identifier(name)}"
        for name, kind in columns.items()
    )
    if source is None:
        yield f"SELECT {values} WHERE false"
        return
    connection.register("midnight_source", source)
    yield f"SELECT {values} FROM midnight_source"
    connection.unregister("midnight_source")


def _value(name: str, kind: str) -> str:
    quoted = quote_identifier(name)
    return f"make_timestamp(epoch_us({quoted}))" if kind == "TIMESTAMP" else f"CAST({quoted} AS {kind})"


def _open(path: str) -> pyarrow.dataset.Dataset | None:
    from deltalake import DeltaTable
    from deltalake.exceptions import DeltaError, TableNotFoundError

    try:
        return DeltaTable(path).to_pyarrow_dataset()
    except TableNotFoundError:
        return None
    except (DeltaError, OSError) as error:
        raise ServingError(f"{path} cannot be read: {error}; hint: check the permissions on the lake") from error


def _comment(connection: duckdb.DuckDBPyConnection, table: str, text: str) -> None:
    connection.execute(f"COMMENT ON TABLE {table} IS {text_literal(text)}")
