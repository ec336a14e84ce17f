"""Brings the sealed batches of a run document to silver."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from midnight.errors import MaskingError, MidnightError, QualityGateError
from midnight.lake.ledger import LedgerEntry
from midnight.masking import MaskingKey
from midnight.run.document import RunDocument
from spark_jobs.silver.apply_batches import SilverRun
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
        MaskingError: silver was masked with another key, or has other masked columns; the other tables are complete.
        MidnightError: at least one table could not be applied; the others are complete.
    """
    if document.rebuild:
        entries, failures = rebuild(session, document, masking_key)
    else:
        run = SilverRun(session, document.paths, document.run_id, masking_key=masking_key)
        entries = run.apply([(work.table, chain_of(work.batches)) for work in document.tables if work.batches])
        failures = list(dict.fromkeys(run.failures.values()))
    raise_failures(failures)
    return entries


def raise_failures(failures: Sequence[MidnightError]) -> None:
    """Raise one error for the failures of all tables.

    Raises:
        MidnightError: the only failure, or one with all messages: a QualityGateError or MaskingError if any of them is.
    """
    if len(failures) == 1:
        raise failures[0]
    if failures:
        kinds = (QualityGateError, MaskingError)
        kind = next((k for k in kinds if any(isinstance(e, k) for e in failures)), MidnightError)
        raise kind("; ".join(str(error) for error in failures))
