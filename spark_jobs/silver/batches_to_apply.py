"""Whether the increments that silver does not have yet suffice, or all batches of a table must be evaluated."""

from __future__ import annotations

from typing import TYPE_CHECKING

from midnight.bronze.alignment import have_same_columns
from midnight.bronze_to_silver.batch_chain import Chain, increments_since
from midnight.bronze_to_silver.fingerprint import Fingerprint
from midnight.lake.ledger import LedgerEntry

if TYPE_CHECKING:
    from spark_jobs.silver.table import SilverTable


def batches_to_apply(
    silver: SilverTable, last: LedgerEntry | None, before: Fingerprint | None, wanted: Fingerprint
) -> tuple[Chain, bool]:
    """The increments that silver does not have yet, and true; or all batches, and false.

    Increments suffice if silver is, by the same rules, in the state that the ledger recorded for an earlier batch
    of the chain.

    Args:
        silver: the table, with all its batches.
        last: its last applied entry; None if its state is not certain.
        before: the fingerprint of its silver; None if it is unknown.
        wanted: the fingerprint that it gets.
    """
    increments = increments_since(silver.batches, last.batch_id) if last else ()
    if not increments or last is None or before is None or not before.has_rules_of(wanted):
        return silver.batches, False
    applied = next(batch for batch in silver.batches if batch.batch_id == last.batch_id)
    same_columns = all(have_same_columns(batch, silver.manifest) for batch in (applied, *increments))
    if not same_columns or silver.schema_changed() or silver.rows_before != last.silver_after:
        return silver.batches, False
    return increments, True
