"""A run that is older than the newest sealed batch: what it would read now was already read by a newer run."""

from __future__ import annotations

from collections.abc import Sequence

from midnight.bronze.batches import BronzeStore
from midnight.bronze.unchanged import newest_read
from midnight.configuration.tables import Table
from midnight.lake.paths import planned_batches


def superseded_by(bronze: BronzeStore, tables: Sequence[Table], batch_id: str) -> str | None:
    """The oldest of the tables' newest batches, when every table has one that is newer than this run's.

    The source only exposes its current state. Read for an old run, the rows would be sealed under its old date, and
    no later stage would apply them, since it has applied newer ones.

    Args:
        bronze: the source's batches.
        tables: of the run.
        batch_id: of the run.

    Returns:
        A batch id; None for a run that has something to read, or that has already sealed its batch of a table.
    """
    planned = planned_batches(bronze.lake.list_names(bronze.paths.run_documents))
    if not any(other > batch_id for other in planned):
        return None  # nearly always: no newer run exists
    newest = []
    for table in tables:
        found = newest_read(bronze, table)
        if found is None or found <= batch_id or bronze.is_sealed(table, batch_id):
            return None
        newest.append(found)
    return min(newest, default=None)
