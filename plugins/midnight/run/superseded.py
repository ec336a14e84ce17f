"""A run for a night that is gone: what it would read now is what a newer night has read already."""

from __future__ import annotations

from collections.abc import Sequence

from midnight.bronze.batches import BronzeStore
from midnight.configuration.tables import Table
from midnight.lake.paths import planned_batches


def superseded_by(bronze: BronzeStore, tables: Sequence[Table], batch_id: str) -> str | None:
    """The oldest of the tables' newest batches, when every table has one that is newer than this run's.

    The source shows its present rows alone. Read for an old night, they would be sealed under its old date, and no
    later stage would take them, since it knows newer ones.

    Args:
        bronze: the source's batches.
        tables: of the run.
        batch_id: of the run.

    Returns:
        A batch id; None for a run that has something to read, or that has sealed its batch of a table before.
    """
    planned = planned_batches(bronze.lake.list_names(bronze.paths.run_documents))
    if not any(other > batch_id for other in planned):
        return None  # nearly always: no other run came after it
    newest = []
    for table in tables:
        found = bronze.newest_sealed_batch(table)
        if found is None or found.batch_id <= batch_id or bronze.is_sealed(table, batch_id):
            return None
        newest.append(found.batch_id)
    return min(newest, default=None)
