"""Which tables of a run are compared with the source."""

from __future__ import annotations

from collections.abc import Sequence

from midnight.bronze.batches import BronzeStore
from midnight.configuration.tables import Table
from midnight.lake.many_files import read_many
from midnight.reconciliation.turns import runs_skipped


def tables_to_skip(bronze: BronzeStore, tables: Sequence[Table], batch_id: str, every: int) -> dict[str, int]:
    """Tables whose turn it is not, and how many runs in a row will not have compared them, this one included.

    It depends only on the batches before this one, so that a retry compares the same tables.

    Args:
        bronze: the source's batches.
        tables: of the load group.
        batch_id: of the run.
        every: ``Pipeline.reconcile_every``.

    Raises:
        BronzeError: a manifest cannot be read.
    """
    compared = [table for table in tables if every > 1 and table.reconcile != "off"]
    newest = read_many(bronze.lake, lambda table: bronze.newest_sealed_batch(table, before=batch_id), compared)
    records = [None if manifest is None else manifest.reconciliation for manifest in newest]
    befores = [None if record is None else record.runs_skipped for record in records]
    names = [table.qualified_name for table in compared]
    found = {name: runs_skipped(name, before, every) for name, before in zip(names, befores, strict=True)}
    return {name: skipped for name, skipped in found.items() if skipped}
