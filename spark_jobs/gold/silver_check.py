"""Before gold is built: silver has the rows that its job left there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from midnight.run.document import RunDocument
from spark_jobs.reconciliation.proofs import Proofs
from spark_jobs.silver.altered_tables import find_altered
from spark_jobs.silver.ledger import Ledger
from spark_jobs.silver.run import raise_failures

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def check_silver(spark: SparkSession, document: RunDocument) -> None:
    """Compare the tables of the run with their digests; a table whose files are the same is not read.

    Raises:
        ReconciliationError: a table was changed after the job of silver.
    """
    ledger = Ledger(spark, document.paths.ledger)
    tables = [work.table for work in document.tables]
    settled = {t.silver: ledger.last_applied(t.silver) for t in tables if ledger.is_settled(t.silver)}
    proofs = Proofs(spark, document.paths.silver_digests)
    raise_failures(list(find_altered(proofs, document.paths, tables, settled).values()))
