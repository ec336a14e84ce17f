"""The digests of tables that a run does not change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from midnight.bronze_to_silver.batch_chain import Chain
from midnight.configuration.tables import Table
from midnight.lake.ledger import LedgerEntry
from midnight.lake.paths import LakePaths, is_local
from midnight.reconciliation.digest_states import make_state
from midnight.reconciliation.read_back import unread_record
from midnight.reconciliation.row_sources import FileRows, RowSource, local_state
from midnight.reconciliation.spark_columns import digest_plan
from spark_jobs.reconciliation.frame_rows import FrameRows
from spark_jobs.reconciliation.proofs import Proof, Proofs
from spark_jobs.runtime.delta_tables import load_table
from spark_jobs.silver.altered_tables import silver_content
from spark_jobs.transforms.cleaning import DELETED
from spark_jobs.transforms.columns import plan_columns
from spark_jobs.transforms.duplicates import COPY

if TYPE_CHECKING:
    from midnight.reconciliation.row_digest import DigestPlan
    from spark_jobs.transforms.columns import PlannedColumn


def silver_plan(table: Table, columns: Sequence[PlannedColumn]) -> DigestPlan:
    """All columns of a silver table but the bookkeeping of batches."""
    found = [(column.name, column.silver_type) for column in columns if not column.drop]
    found += [] if table.key else [(COPY, "INT")]
    found += [(DELETED, "STRING")] if table.deletes == "soft" else []
    return digest_plan(found, table.key)


def keep_digests(
    proofs: Proofs,
    paths: LakePaths,
    members: Sequence[tuple[Table, Chain]],
    settled: Mapping[str, LedgerEntry | None],
    entries: Sequence[LedgerEntry],
) -> None:
    """Let the digests of tables that did not change belong to their new entries.

    A table without a digest of its rows is read: it has just got ``reconcile: digests``, or a run was killed between
    the digests and the ledger.

    Args:
        proofs: the digests; not saved.
        paths: of the lake.
        members: the tables with their batches.
        settled: silver name -> the entry before.
        entries: of those that did not change.
    """
    by_name = {table.silver: (table, chain) for table, chain in members}
    for entry in entries:
        (table, chain), last = by_name[entry.table], settled.get(entry.table)
        if not table.proves_silver or last is None:
            continue
        state, content = proofs.states.get(entry.table), silver_content(table, entry)
        plan = silver_plan(table, plan_columns(table, chain[-1]))
        if state is not None and state.content == silver_content(table, last) and state.plan == plan:
            proofs.add(Proof((), state.model_copy(update={"content": content})))
            continue
        path = paths.silver_table(table.silver)
        files, frame = local_state(path), None if is_local(path) else load_table(proofs.session, path)
        rows: RowSource = FileRows(files.files) if frame is None else FrameRows(frame)
        sums = rows.digest(plan)
        record = unread_record(table.silver, sums, "its digest is known from now on")
        proofs.add(Proof((record,), make_state(table.silver, content, files, plan, sums)))
