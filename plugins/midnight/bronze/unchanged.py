"""Snapshot tables that got no new batch, since they provably had not changed since the last one.

One small file per load group remembers for each such table the newest run that found it so. A retry of that run does
not read the table again, which would take it from a later snapshot than the other tables of the run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from pydantic import TypeAdapter, ValidationError

from midnight.bronze.batches import BronzeStore
from midnight.bronze.manifest import Manifest
from midnight.bronze.manifest_model import ManifestModel
from midnight.configuration.tables import Table
from midnight.errors import BronzeError


class UnchangedTable(ManifestModel):
    """What a run has found out about a table.

    Args:
        batch_id: of the run.
        holds: the batch that has the table's rows.
        checked_at: clock of the server before the snapshot in which the table had these rows.
    """

    batch_id: str
    holds: str
    checked_at: datetime

    def includes(self, batch_id: str) -> bool:
        """Whether the table has not changed either when the run of this batch read, which may be an earlier one."""
        return self.holds < batch_id <= self.batch_id


_TABLES = TypeAdapter(dict[str, UnchangedTable])


def read_unchanged(bronze: BronzeStore, group: str) -> dict[str, UnchangedTable]:
    """By qualified name, the tables of a load group that got no new batch in some run.

    Raises:
        BronzeError: the file is not valid.
    """
    path = bronze.paths.unchanged_tables(bronze.source, group)
    try:
        return _TABLES.validate_json(bronze.lake.read_text(path) or "{}")
    except ValidationError as error:
        raise BronzeError(f"{path} is not valid ({error.error_count()} problems); hint: delete it") from error


def record_unchanged(bronze: BronzeStore, group: str, found: Mapping[str, UnchangedTable]) -> None:
    """Remember tables that a run found unchanged; those of other runs stay.

    Raises:
        BronzeError: the file is not valid.
        LakeError: disk full, no permission.
    """
    if found:
        known = read_unchanged(bronze, group)
        path = bronze.paths.unchanged_tables(bronze.source, group)
        bronze.lake.write_text(path, _TABLES.dump_json({**known, **found}, indent=1).decode())


def keep_unchanged(
    bronze: BronzeStore, group: str, tables: Sequence[Table], batch_id: str, sealed: Sequence[Manifest | None]
) -> list[Manifest | None]:
    """For a retry: the sealed batches, and those of tables that its run found unchanged.

    Where nothing is sealed the retry reads all tables in a new snapshot, and looks at them again.

    Args:
        bronze: the source's batches.
        group: the load group.
        tables: of the run.
        batch_id: of the run.
        sealed: the intact batch of each table; None where there is none.

    Raises:
        BronzeError: the file is not valid.
    """
    if all(manifest is None for manifest in sealed):
        return list(sealed)
    known = read_unchanged(bronze, group)
    kept = []
    for table, manifest in zip(tables, sealed, strict=True):
        found = known.get(table.qualified_name)
        is_unchanged = manifest is None and found is not None and found.includes(batch_id)
        holds = found.holds if found is not None and is_unchanged else ""
        kept.append(bronze.intact_manifest(table, holds) if holds else manifest)
    return kept


def newest_read(bronze: BronzeStore, table: Table) -> str | None:
    """The newest batch id up to which the table was read or found unchanged; None if it was never read.

    Raises:
        BronzeError: a manifest or the file of unchanged tables is not valid.
    """
    newest = bronze.newest_sealed_batch(table)
    if newest is None:
        return None
    found = read_unchanged(bronze, table.group).get(table.qualified_name)
    return max(newest.batch_id, found.batch_id) if found and found.holds == newest.batch_id else newest.batch_id


def unchanged_at(known: Mapping[str, UnchangedTable], table: Table, newest: Manifest) -> datetime | None:
    """When the table last had the rows of its newest batch, as a run found out later; None if none did.

    Args:
        known: from ``read_unchanged``, of the table's load group.
        table: the configuration.
        newest: its newest batch.
    """
    found = known.get(table.qualified_name)
    return found.checked_at if found and found.holds == newest.batch_id else None
