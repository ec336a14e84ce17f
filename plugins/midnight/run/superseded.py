"""A run that is older than the newest sealed batch: what it would read now was already read by a newer run."""

from __future__ import annotations

from collections.abc import Sequence

from midnight.bronze.batches import BatchFolder, newest_sealed_batch
from midnight.configuration.tables import Table
from midnight.lake.files import LakeFiles
from midnight.lake.paths import LakePaths


def superseded_by(lake: LakeFiles, paths: LakePaths, source: str, tables: Sequence[Table], batch_id: str) -> str | None:
    """The oldest of the tables' newest batches, when every table has one that is newer than this run's.

    The source only exposes its current state. Read for an old run, the rows would be sealed under its old date, and
    no later stage would apply them, since it has applied newer ones.

    Args:
        lake: file operations.
        paths: the layers' roots.
        source: name of the source.
        tables: of the run.
        batch_id: of the run.

    Returns:
        A batch id; None for a run that has something to read, or that has already sealed its batch of a table.
    """
    names = lake.list_names(f"{paths.bronze}/_runs")
    if not any(name.endswith(".json") and name.removesuffix(".json") > batch_id for name in names):
        return None  # nearly always: no newer run exists
    newest = []
    for table in tables:
        place = (source, table.schema_name, table.table)
        found = newest_sealed_batch(lake, paths, *place)
        if found is None or found.batch_id <= batch_id or BatchFolder(lake, paths, *place, batch_id).is_sealed():
            return None
        newest.append(found.batch_id)
    return min(newest, default=None)
