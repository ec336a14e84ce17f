"""Brings the sealed batches of a run document to silver."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from midnight.errors import MaskingError, MidnightError, QualityGateError, ReconciliationError
from midnight.lake.ledger import LedgerEntry
from midnight.masking import MaskingKey
from midnight.run.document import RunDocument
from midnight.run.release import released_texts
from spark_jobs.reconciliation.log import log_and_record, tables_in_turn
from spark_jobs.silver.apply_batches import SilverRun
from spark_jobs.silver.entries import make_stopped_entry
from spark_jobs.silver.ledger import Ledger
from spark_jobs.silver.messages import describe_entry
from spark_jobs.silver.rebuild import chain_of, rebuild

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def build_silver(
    session: SparkSession, document: RunDocument, masking_key: MaskingKey | None = None
) -> list[LedgerEntry]:
    """Apply a run document.

    Args:
        session: any engine.
        document: what to apply.
        masking_key: required if a table has masked columns.

    Returns:
        The outcome of each table.

    Raises:
        QualityGateError: a ``fail`` check stopped at least one table; the others are complete.
        ReconciliationError: at least one table does not have the rows that were computed; the others are complete.
        MaskingError: silver was masked with another key, or has other masked columns; the other tables are complete.
        MidnightError: at least one table could not be applied; the others are complete.
    """
    if document.stopped:
        _record_stopped(session, document)
    if document.rebuild:
        entries, failures = rebuild(session, document, masking_key)
    else:
        run = SilverRun(session, document.paths, document.run_id, masking_key=masking_key)
        run.in_turn = tables_in_turn(document)
        run.released = released_texts(document, "silver")
        try:
            entries = run.apply([(work.table, chain_of(work.batches)) for work in document.tables if work.batches])
        finally:
            log_and_record(session, document, "bronze_to_silver", run.proofs.records)
        failures = list(dict.fromkeys(run.failures.values()))
    raise_failures(failures)
    return entries


def _record_stopped(session: SparkSession, document: RunDocument) -> None:
    """Let the ledger say which tables the run does not load, and why."""
    ledger = Ledger(session, document.paths.ledger)
    entries = [
        make_stopped_entry(document.run_id, document.batch_id, table, ledger.last_applied(table.silver))
        for table in document.stopped
    ]
    ledger.append(entries)
    for entry in entries:
        print(describe_entry(entry), flush=True)


def raise_failures(failures: Sequence[MidnightError]) -> None:
    """Raise one error for the failures of all tables.

    Raises:
        MidnightError: the only failure, or one with all messages: a ReconciliationError, QualityGateError or
            MaskingError if any of them is.
    """
    if len(failures) == 1:
        raise failures[0]
    if failures:
        kinds = (ReconciliationError, QualityGateError, MaskingError)
        kind = next((k for k in kinds if any(isinstance(e, k) for e in failures)), MidnightError)
        message = "; ".join(str(error) for error in failures)
        if kind is not QualityGateError:
            raise kind(message)
        gates = [error for error in failures if isinstance(error, QualityGateError) and error.releasable]
        # A release of some failures would not publish while another one stops the run.
        names = [name for error in gates for name in error.releasable] if len(gates) == len(failures) else []
        raise QualityGateError(message, names)
