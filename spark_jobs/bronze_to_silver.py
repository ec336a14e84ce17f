"""The job that brings sealed bronze batches into silver.

Run as ``python -m spark_jobs.bronze_to_silver '{"run_document": "…", "engine": "sail"}'`` or as the wheel's
``midnight-bronze-to-silver``.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from midnight.errors import MaskingError, MidnightError, QualityGateError
from midnight.lake.ledger import LedgerEntry
from midnight.masking import MaskingKey
from midnight.run.document import RunDocument
from spark_jobs.runtime import job
from spark_jobs.silver.rebuild import chain_of, rebuild
from spark_jobs.silver.run import Night

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def bronze_to_silver(
    session: SparkSession, document: RunDocument, masking_key: MaskingKey | None = None
) -> list[LedgerEntry]:
    """Apply a run document.

    Args:
        session: any engine.
        document: what to apply.
        masking_key: needed when a table has masked columns.

    Returns:
        What became of each table.

    Raises:
        QualityGateError: a ``fail`` check stopped at least one table; the others are done.
        MaskingError: silver was masked with another key, or other columns of it; the other tables are done.
        MidnightError: at least one table could not be applied; the others are done.
    """
    if document.rebuild:
        entries, failures = rebuild(session, document, masking_key)
    else:
        night = Night(session, document.paths, document.run_id, masking_key=masking_key)
        entries = night.apply([(work.table, chain_of(work.batches)) for work in document.tables if work.batches])
        failures = list(dict.fromkeys(night.failures.values()))
    raise_failures(failures)
    return entries


def raise_failures(failures: Sequence[MidnightError]) -> None:
    """One error for all tables.

    Raises:
        MidnightError: the one failure, or all in one; a QualityGateError or MaskingError if any of them is one.
    """
    if len(failures) == 1:
        raise failures[0]
    if failures:
        kinds = (QualityGateError, MaskingError)
        kind = next((k for k in kinds if any(isinstance(e, k) for e in failures)), MidnightError)
        raise kind("; ".join(str(error) for error in failures))


def main(argv: Sequence[str]) -> int:
    """Run the job; see ``spark_jobs.runtime.job.main``."""
    return job.main(argv, bronze_to_silver, "bronze_to_silver", masks=True)


def run() -> None:
    """Entry point of the wheel."""
    job.run(bronze_to_silver, "bronze_to_silver", masks=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
