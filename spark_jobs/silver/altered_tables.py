"""Tables of silver that do not have the rows which the last run left in them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

from midnight.configuration.tables import Table
from midnight.errors import ReconciliationError
from midnight.lake.ledger import LedgerEntry
from midnight.lake.paths import LakePaths, is_local
from midnight.reconciliation.differences import Subject
from midnight.reconciliation.digest_states import TableDigest
from midnight.reconciliation.read_back import compare_with, stop_on_difference, unread_record
from midnight.reconciliation.row_sources import FileRows, RowSource, read_state, rows_at_version
from spark_jobs.reconciliation.frame_rows import FrameRows
from spark_jobs.reconciliation.proofs import Proof, Proofs
from spark_jobs.runtime.delta_tables import load_table

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_CHECK = "check who else writes to the lake, and the engine's version"


def find_altered(
    proofs: Proofs,
    paths: LakePaths,
    tables: Sequence[Table],
    settled: Mapping[str, LedgerEntry | None],
    in_turn: Collection[str] = (),
) -> dict[str, ReconciliationError]:
    """Compare tables with the digests that the last run recorded.

    A local table whose files are those of the last run, by size and time, is not read. In Azure a table is only read
    in its turn.

    Args:
        proofs: the digests; takes the outcomes.
        paths: of the lake.
        tables: to compare; those without ``reconcile: digests`` or without a digest are left out.
        settled: silver name -> the entry of the ledger whose state silver is in.
        in_turn: silver names of the tables that are read in any case.

    Returns:
        Silver name -> what differs.
    """
    errors: dict[str, ReconciliationError] = {}
    for table in tables:
        last = settled.get(table.silver)
        if not table.proves_silver or last is None:
            continue
        state = proofs.states.get(table.silver)
        if state is None or state.plan is None or state.status != "equal":
            continue
        if state.content != silver_content(table, last):
            continue
        try:
            proof = _compare(
                proofs.session, paths.silver_table(table.silver), table, state, in_turn=table.silver in in_turn
            )
            proofs.add(proof)
            stop_on_difference(proof.records, f"{table.silver} was changed after the last run; {repair_hint(table)}")
        except ReconciliationError as error:
            proofs.add(Proof((), state.model_copy(update={"status": "different"})))
            errors[table.silver] = error
    if errors:
        proofs.save()
    return errors


def repair_hint(table: Table) -> str:
    """How a table that differs becomes right again, for people.

    With ``deletes: soft`` a run cannot write it again: the newest batches do not have the rows that are marked.
    """
    if table.deletes == "soft":
        return f"hint: build it again from all batches with the DAG midnight_rebuild; {_CHECK}"
    return f"hint: the next run writes it again from bronze; {_CHECK}"


def silver_content(table: Table, entry: LedgerEntry) -> str:
    """What identifies the rows of a table after an entry of the ledger.

    With ``deletes: soft`` equal batches can leave different marks, which also depend on the batches before: there it is
    the batch as well.
    """
    return f"{entry.fingerprint} {entry.batch_id}" if table.deletes == "soft" else entry.fingerprint


def _compare(session: SparkSession, path: str, table: Table, state: TableDigest, *, in_turn: bool) -> Proof:
    files = read_state(path) if is_local(path) else None
    plan = state.plan
    if plan is None or (not in_turn and (files is None or files.stamp == state.stamp)):
        return Proof(
            (unread_record(table.silver, state.sums, "not read: its files are those of the last run" if files else ""),)
        )
    masked = {column.name for column in table.masked_columns}
    subject = Subject("written = read back", table.silver, plan, masked)
    frame = None if files is not None else load_table(session, path)
    rows: RowSource = FrameRows(frame) if frame is not None else FileRows(files.files if files else ())
    expected = rows_at_version(path, state.version) if files is not None else None
    record, _ = compare_with(subject, state.sums, expected, rows, "all files")
    changes = {"stamp": files.stamp, "version": files.version} if files is not None else {}
    return Proof((record,), state.model_copy(update=changes) if record.status == "equal" else None)
