"""The job that brings sealed bronze batches into silver.

Run as ``python -m spark_jobs.bronze_to_silver '{"run_document": "…", "engine": "sail"}'`` or as the wheel's
``midnight-bronze-to-silver``.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from midnight.errors import MidnightError, QualityGateError
from midnight.ledger import LedgerEntry
from midnight.run_document import RunDocument
from spark_jobs import job
from spark_jobs.night import Night
from spark_jobs.rebuild import rebuild

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def bronze_to_silver(session: SparkSession, document: RunDocument) -> list[LedgerEntry]:
    """Apply a run document.

    Returns:
        What became of each table.

    Raises:
        QualityGateError: a ``fail`` check stopped at least one table; the others are done.
        MidnightError: at least one table could not be applied; the others are done.
    """
    if document.rebuild:
        entries, failures = rebuild(session, document)
    else:
        night = Night(session, document.paths, document.run_id)
        entries = night.apply([(work.table, work.batches[-1]) for work in document.tables if work.batches])
        failures = list(dict.fromkeys(night.failures.values()))
    raise_failures(failures)
    return entries


def raise_failures(failures: Sequence[MidnightError]) -> None:
    """One error for all tables.

    Raises:
        MidnightError: the one failure, or all in one; a QualityGateError if any of them is one.
    """
    if len(failures) == 1:
        raise failures[0]
    if failures:
        kind = QualityGateError if any(isinstance(e, QualityGateError) for e in failures) else MidnightError
        raise kind("; ".join(str(error) for error in failures))


def main(argv: Sequence[str]) -> int:
    """Run the job; see ``spark_jobs.job.main``."""
    return job.main(argv, bronze_to_silver, "bronze_to_silver")


def run() -> None:
    """Entry point of the wheel."""
    job.run(bronze_to_silver, "bronze_to_silver")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
