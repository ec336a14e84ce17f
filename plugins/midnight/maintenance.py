"""Deletes unused files of silver and gold. Sealed batches of bronze are never touched."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from midnight.configuration.files import Configuration
from midnight.gold_to_serving.publication import read_publication
from midnight.gold_to_serving.run_rows import KEPT_RUNS, remove_old_run_rows
from midnight.lake.delta_protocol import FILE_BYTES
from midnight.lake.files import LakeFiles
from midnight.lake.paths import LakePaths
from midnight.silver_to_gold.builds import GoldBuild, expired_builds, read_builds

KEEP_GOLD_BUILDS = 7
KEEP_DEVELOPMENT_BUILDS = 3
VACUUM_AFTER_HOURS = 7 * 24


@dataclass(frozen=True)
class TableMaintenance:
    """Outcome of the maintenance of one Delta table.

    Args:
        path: of the table.
        compacted: number of small files that were merged into larger ones.
        removed: number of deleted files, which no version of the last week needs.
    """

    path: str
    compacted: int
    removed: int


def remove_expired_gold(lake: LakeFiles, paths: LakePaths, now: datetime) -> tuple[str, ...]:
    """Delete the folders of gold that neither the newest builds nor the views reference.

    Returns:
        The deleted folders, relative to the root of gold.
    """
    folders = [
        f"{model}/{build}"
        for model in lake.list_names(paths.gold)
        if not model.startswith("_")
        for build in lake.list_names(paths.gold_folder(model))
    ]
    builds = read_builds(paths.gold_builds, lake.storage_options)
    development = read_builds(paths.development_builds, lake.storage_options)
    also = [*development[-KEEP_DEVELOPMENT_BUILDS:], *_published(lake, paths, development)]
    expired = expired_builds(builds, folders, KEEP_GOLD_BUILDS, now, also=also) if builds or also else ()
    for folder in expired:
        lake.delete_folder(paths.gold_folder(folder))
    return expired


def _published(lake: LakeFiles, paths: LakePaths, builds: Sequence[GoldBuild]) -> list[GoldBuild]:
    publication = read_publication(paths, lake)
    return [build for build in builds if publication is not None and build.build_id == publication.build_id]


def remove_old_runs(lake: LakeFiles, paths: LakePaths) -> tuple[str, ...]:
    """Delete what is kept of each run, for all but the newest KEPT_RUNS: summary, counted costs, rows of the views.

    Returns:
        The deleted files and folders.
    """
    summaries = [f"{paths.summaries}/{name}" for name in lake.list_names(paths.summaries)[:-KEPT_RUNS]]
    for path in summaries:
        lake.delete_file(path)
    costs = [paths.run_costs(batch_id) for batch_id in lake.list_names(paths.costs)[:-KEPT_RUNS]]
    return (*summaries, *_delete(lake, costs), *remove_old_run_rows(lake, paths))


def remove_rebuild_scratch(lake: LakeFiles, paths: LakePaths, now: datetime) -> tuple[str, ...]:
    """Delete the scratch folders of rebuilds of batches older than a week (in Azure, or after a crash).

    Returns:
        The deleted folders.
    """
    names = lake.list_names(paths.rebuilds)
    return _delete(lake, [paths.of_rebuild(name).silver for name in names if name < _oldest_batch(now)])


def remove_expired_changes(lake: LakeFiles, paths: LakePaths, now: datetime) -> tuple[str, ...]:
    """Delete the change sets of batches older than a week; where gold misses one, it builds its models whole.

    Returns:
        The deleted folders.
    """
    folders = [
        f"{paths.changes}/{table}/{batch_id}"
        for table in lake.list_names(paths.changes)
        for batch_id in lake.list_names(f"{paths.changes}/{table}")
        if batch_id < _oldest_batch(now)
    ]
    return _delete(lake, folders)


def _oldest_batch(now: datetime) -> str:
    """The ids of batches of the last week are greater."""
    return f"{now.astimezone(UTC) - timedelta(hours=VACUUM_AFTER_HOURS):%Y%m%dT%H%M%S}"


def _delete(lake: LakeFiles, folders: Sequence[str]) -> tuple[str, ...]:
    for folder in folders:
        lake.delete_folder(folder)
    return tuple(folders)


def optimize_tables(
    lake: LakeFiles, paths: LakePaths, configuration: Configuration, *, compact: bool
) -> Iterator[TableMaintenance]:
    """Compact and vacuum the Delta tables of silver, the ledger, the quarantine, the builds and the reconciliation.

    Args:
        lake: file operations.
        paths: roots of the layers.
        configuration: the tables.
        compact: merge small files; not needed in Azure, where Databricks does it while writing. Files of silver stay
            below half of ``FILE_BYTES``, because Sail's jobs rewrite whole files.
    """
    from deltalake import DeltaTable

    silver = [paths.silver_table(table.silver) for table in configuration.tables]
    builds = (paths.gold_builds, paths.development_builds)
    proofs = (paths.silver_digests, paths.gold_digests, paths.reconciliation)
    for path in [*silver, paths.ledger, paths.quarantine, *builds, *proofs]:
        if not DeltaTable.is_deltatable(path, lake.storage_options):
            continue
        table = DeltaTable(path, storage_options=lake.storage_options)
        target = FILE_BYTES // 2 if path in silver else None
        compacted = table.optimize.compact(target_size=target)["numFilesRemoved"] if compact else 0
        removed = table.vacuum(retention_hours=VACUUM_AFTER_HOURS, dry_run=False)
        yield TableMaintenance(path, compacted, len(removed))
