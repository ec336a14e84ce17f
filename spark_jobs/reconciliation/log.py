"""What a job has compared, as it is logged and recorded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from midnight.errors import MidnightError
from midnight.reconciliation.record import LinkRecord, summarise
from midnight.reconciliation.run_records import Step, make_step_record
from midnight.reconciliation.summary import lsn_of, silver_line
from midnight.reconciliation.turns import is_in_turn
from midnight.run.document import RunDocument
from spark_jobs.reconciliation.proofs import record_step

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def log_and_record(session: SparkSession, document: RunDocument, step: Step, records: Sequence[LinkRecord]) -> None:
    """Print what was compared, and append the outcomes to ``LakePaths.reconciliation``.

    A record that cannot be written does not stop the job, whose result it describes.
    """
    if not records:
        return
    newest = {work.table.silver: work.batches[-1] for work in document.tables if work.batches}
    lsn = lsn_of(newest.values())
    tables = [record for record in records if not record.table.startswith("quarantine of ")]
    lines = [summarise(tables, link, lsn) for link in dict.fromkeys(record.link for record in tables)]
    if step == "bronze_to_silver":
        lines = [*filter(None, [silver_line(records, newest)]), *lines]
    summary = f"{step.rpartition('_')[2]}: {'; '.join(lines)}"
    print(summary, flush=True)
    record = make_step_record(document.batch_id, document.run_id, step, records, summary)
    try:
        record_step(session, document.paths.reconciliation, record)
    except MidnightError as error:
        print(f"{step}: warning: the reconciliation was not recorded: {error}", flush=True)


def tables_in_turn(document: RunDocument) -> frozenset[str]:
    """Silver names of the tables that this run reads completely."""
    number, every = document.run_number, document.reconcile_every
    return frozenset(work.table.silver for work in document.tables if is_in_turn(work.table.silver, number, every))
