"""Rebuilds silver from the sealed batches: run by run in a scratch lake, then published table by table.

Readers see the old table or the new one. The result equals that of the regular runs by construction: the same code
applies the same batches in the same order.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from midnight.bronze.manifest import Manifest
from midnight.bronze_to_silver.batch_chain import batch_chain
from midnight.configuration.tables import with_referencing
from midnight.errors import MidnightError
from midnight.lake.ledger import LedgerEntry
from midnight.lake.paths import LakePaths
from midnight.masking import MaskingKey
from midnight.run.document import RunDocument, TableWork
from midnight.sql_text import quote_backticked, spark_literal
from spark_jobs.reconciliation.log import log_and_record
from spark_jobs.runtime.delta_tables import discard, load_table, overwrite_table, replace_rows
from spark_jobs.silver.apply_batches import SilverRun, TableChain
from spark_jobs.silver.ledger import Ledger
from spark_jobs.silver.messages import describe_entry
from spark_jobs.silver.quarantine import PARTITIONS
from spark_jobs.silver.rebuild_read_back import RebuildReadBack
from spark_jobs.transforms.changes import ACTION, BATCH, DELETE, INSERT, OLD_BATCH, UNCHANGED, UPDATE, compare
from spark_jobs.transforms.checks import CLEAN, STATE
from spark_jobs.transforms.cleaning import DELETED

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


def rebuild(
    session: SparkSession, document: RunDocument, masking_key: MaskingKey | None = None
) -> tuple[list[LedgerEntry], list[MidnightError]]:
    """Rebuild the tables of a run document.

    Returns:
        The outcome of each table, and the errors of the newest batches: a table whose newest batch failed gets the
        same state as after the regular runs, that of the newest batch without an error.
    """
    scratch = document.paths.of_rebuild(f"{document.batch_id}-{secrets.token_hex(4)}")
    try:
        return _rebuild(session, document, scratch, masking_key)
    finally:
        discard(scratch.silver)


def _rebuild(
    session: SparkSession, document: RunDocument, scratch: LakePaths, masking_key: MaskingKey | None
) -> tuple[list[LedgerEntry], list[MidnightError]]:
    works = [work for work in document.tables if work.batches]
    failures: dict[str, MidnightError] = {}
    for batch_id in sorted({manifest.batch_id for work in works for manifest in work.batches}):
        print(f"rebuild: batch {batch_id}", flush=True)
        run = SilverRun(
            session,
            scratch,
            document.run_id,
            fallback=document.paths,
            masking_key=masking_key,
            replaced=[work.table.silver for work in works],
            full=[work.table.silver for work in works if work.batches[-1].batch_id <= batch_id],
        )
        batches = _works_at(works, batch_id)
        run.apply(batches)
        for table, _ in batches:
            failures.pop(table.silver, None)
        failures.update(run.failures)
    ledger, rebuilt = Ledger(session, document.paths.ledger), Ledger(session, scratch.ledger)
    entries = {work.table.silver: rebuilt.last_applied(work.table.silver) for work in works}
    done = []
    ledger.append([_started(entry, document) for entry in entries.values() if entry is not None])
    read_back = RebuildReadBack.of(session, document.paths, scratch)
    for work in works:
        entry = entries[work.table.silver]
        if entry is not None:
            done.append(_publish(session, document.paths, scratch, work, entry))
            read_back.after_publication(work.table, done[-1])
            ledger.append(done[-1:])
            print(describe_entry(done[-1]), flush=True)
    log_and_record(session, document, "bronze_to_silver", read_back.proofs.records)
    return done, list(dict.fromkeys(failures.values()))


def _works_at(works: Sequence[TableWork], batch_id: str) -> list[TableChain]:
    """What the run of a batch applied: the tables that it read, and those whose references it may have changed."""
    started = [work for work in works if work.batches[0].batch_id <= batch_id]
    names = {work.table.silver for work in started if any(m.batch_id == batch_id for m in work.batches)}
    affected = with_referencing(names, [work.table for work in started])
    newest = {w.table.silver: max(m.batch_id for m in w.batches if m.batch_id <= batch_id) for w in started}
    return [(w.table, chain_of(w.batches, newest[w.table.silver])) for w in started if w.table.silver in affected]


def chain_of(batches: Sequence[Manifest], batch_id: str | None = None) -> tuple[Manifest, ...]:
    """The batches of a table, of all given, that together hold its state at one of them, by default the last.

    Raises:
        BronzeError: a batch is missing in the run document.
    """
    by_id = {manifest.batch_id: manifest for manifest in batches}
    return batch_chain(by_id[batch_id] if batch_id else batches[-1], by_id.get)


def _started(entry: LedgerEntry, document: RunDocument) -> LedgerEntry:
    return LedgerEntry(
        batch_id=entry.batch_id,
        run_id=document.run_id,
        attempt_at=datetime.now(UTC),
        table=entry.table,
        source_table=entry.source_table,
        status="started",
        message="rebuild",
        masking=entry.masking,
    )


def _publish(
    session: SparkSession, paths: LakePaths, scratch: LakePaths, work: TableWork, entry: LedgerEntry
) -> LedgerEntry:
    """Publish one rebuilt table and its quarantine; an unchanged table is not written."""
    from pyspark.sql import functions as F

    name, key = work.table.silver, work.table.key
    new, old = load_table(session, scratch.silver_table(name)), load_table(session, paths.silver_table(name))
    if new is None:
        raise MidnightError(
            f"rebuilt table {name!r} was deleted while the job was running; hint: check whether another run is active"
        )
    _publish_quarantine(session, paths, scratch, work)
    same_schema = old is not None and old.dtypes == new.dtypes
    columns = [column for column in new.columns if column == DELETED or not column.startswith("_midnight")]
    compared = compare(new.withColumn(STATE, F.lit(CLEAN)), old if same_schema else None, key, columns)
    counts = {action: F.count_if(F.col(ACTION) == action) for action in (INSERT, UPDATE, UNCHANGED, DELETE)}
    moved = F.count_if((F.col(ACTION) == UNCHANGED) & ~F.col(BATCH).eqNullSafe(F.col(OLD_BATCH)))
    row = compared.agg(*[column.alias(action) for action, column in counts.items()], moved.alias("moved")).collect()[0]
    before, after = 0 if old is None else old.count(), new.count()
    # A damaged table may have rows twice; each would be counted in addition to its counterpart.
    comparable = same_schema and row[INSERT] + row[UPDATE] + row[UNCHANGED] == after
    # With `deletes: soft` silver also has rows of earlier batches than those that were evaluated last.
    earlier = after - entry.inserted - entry.updated - entry.unchanged
    result = entry.model_copy(
        update={
            "rows_in": entry.rows_in + earlier,
            "inserted": row[INSERT] if comparable else after,
            "updated": row[UPDATE] if comparable else 0,
            "unchanged": row[UNCHANGED] if comparable else 0,
            "deleted": row[DELETE] if comparable else before,
            "silver_before": before,
            "silver_after": after,
            "attempt_at": datetime.now(UTC),
            "changed": "everything",
            "message": "; ".join(part for part in ("rebuilt", entry.message) if part),
        }
    ).verify()
    if not comparable or row[INSERT] or row[UPDATE] or row[DELETE] or row["moved"]:
        overwrite_table(new, paths.silver_table(name))
    return result


def _publish_quarantine(session: SparkSession, paths: LakePaths, scratch: LakePaths, work: TableWork) -> None:
    """Replace the rows of the rebuilt batches; rows of batches that are no longer in bronze stay.

    In a table with masked columns, all rows are replaced: older ones may contain values that are now masked.
    """
    rows, old = load_table(session, scratch.quarantine), load_table(session, paths.quarantine)
    if rows is None and old is None:
        return
    condition = f"{quote_backticked('table')} = {spark_literal(work.table.silver)}"
    if not work.table.masked_columns:
        condition += _and_batch_in([manifest.batch_id for manifest in work.batches])
    new: DataFrame = old.limit(0) if rows is None and old is not None else rows.filter(condition)  # type: ignore[union-attr]
    replace_rows(session, new, paths.quarantine, condition, PARTITIONS)


def _and_batch_in(batch_ids: Sequence[str]) -> str:
    listed = ", ".join(spark_literal(batch_id) for batch_id in batch_ids)
    return f" AND batch_id IN ({listed})"
