"""Batches in bronze: which are sealed, whether they are as they were sealed, and what a run applies.

A batch without a manifest does not exist. The tables of a load group are sealed together: first one small file (the
*sealing document*) that holds all their manifests, then each manifest, then the sealing document goes. Whoever comes
after a crash in the middle finishes it, so that one night's tables never come from two snapshots.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import TypeAdapter

from midnight.errors import BronzeError
from midnight.gold_models import GoldModel
from midnight.lake_files import LakeFiles
from midnight.lake_paths import LakePaths
from midnight.manifest import Manifest, read_manifest
from midnight.names import folder_name, qualified_name
from midnight.pipeline_config import Configuration
from midnight.run_document import RunDocument, TableWork
from midnight.tables import Table

_MANIFESTS = TypeAdapter(tuple[Manifest, ...])
_READ_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True)
class BatchFolder:
    """The place of one table's batch, sealed or not."""

    lake: LakeFiles
    paths: LakePaths
    source: str
    schema_name: str
    table: str
    batch_id: str

    @property
    def path(self) -> str:
        return self.paths.batch(self.source, self.schema_name, self.table, self.batch_id)

    def manifest(self) -> Manifest | None:
        """The seal; None when the batch is not sealed.

        Raises:
            BronzeError: the file is there but is no manifest.
        """
        where = self.paths.manifest(self.source, self.schema_name, self.table, self.batch_id)
        text = self.lake.read_text(where)
        return None if text is None else read_manifest(text, where)

    def is_sealed(self) -> bool:
        return self.lake.size(self.paths.manifest(self.source, self.schema_name, self.table, self.batch_id)) is not None

    def intact_manifest(self) -> Manifest | None:
        """The manifest of a sealed batch whose files are as they were sealed; None for anything else."""
        try:
            manifest = self.manifest()
            if manifest is not None:
                verify_batch(self.lake, self.paths, manifest)
        except BronzeError:
            return None
        return manifest

    def delete(self) -> None:
        """Remove the batch: the seal first, so that a half-deleted batch is not taken for a sealed one."""
        self.lake.delete_file(self.paths.manifest(self.source, self.schema_name, self.table, self.batch_id))
        self.lake.delete_folder(self.path)


def sealed_batches(lake: LakeFiles, paths: LakePaths, source: str, schema: str, table: str) -> list[Manifest]:
    """Manifests of all sealed batches of a table, oldest first.

    Raises:
        BronzeError: a manifest cannot be read.
    """
    names = lake.list_names(paths.table_batches(source, schema, table))
    found = (BatchFolder(lake, paths, source, schema, table, name).manifest() for name in names)
    return [manifest for manifest in found if manifest is not None]


def newest_sealed_batch(
    lake: LakeFiles, paths: LakePaths, source: str, schema: str, table: str, *, not_after: str | None = None
) -> Manifest | None:
    """The last sealed batch of a table (not after a batch id); None when there is none.

    Raises:
        BronzeError: its manifest cannot be read.
    """
    for name in reversed(lake.list_names(paths.table_batches(source, schema, table))):
        if not_after is None or name <= not_after:
            manifest = BatchFolder(lake, paths, source, schema, table, name).manifest()
            if manifest is not None:
                return manifest
    return None


def verify_batch(lake: LakeFiles, paths: LakePaths, manifest: Manifest, *, content: bool = True) -> None:
    """Compare a batch's files with its manifest.

    Args:
        lake: file operations.
        paths: the layers' roots.
        manifest: of the batch.
        content: also read every file for its checksum and its row count; otherwise only sizes are compared.

    Raises:
        BronzeError: a file is missing or not as it was sealed.
    """
    for file, path in zip(manifest.files, manifest.file_paths(paths), strict=True):
        size = lake.size(path)
        found = "missing" if size is None else "" if size == file.bytes else f"{size} bytes instead of {file.bytes}"
        if not found and content:
            digest, rows = checksum(lake, path), _footer_rows(lake, path)
            if digest != file.sha256:
                found = f"changed (SHA-256 {digest[:12]}… instead of {file.sha256[:12]}…)"
            elif rows != file.rows:
                found = f"of {rows} rows instead of {file.rows}"
        if found:
            raise BronzeError(
                f"{manifest.qualified_name}: {path} of batch {manifest.batch_id} is {found}; clear the "
                f"ingest task of run {manifest.run_id!r}, which reads the table again"
            )


def checksum(lake: LakeFiles, path: str) -> str:
    """SHA-256 of a file, in hex."""
    digest = hashlib.sha256()
    with lake.filesystem.open_input_stream(lake.locate(path)) as stream:
        while block := stream.read(_READ_BYTES):
            digest.update(block)
    return digest.hexdigest()


def _footer_rows(lake: LakeFiles, path: str) -> int:
    from pyarrow import ArrowInvalid, parquet

    try:
        return int(parquet.read_metadata(lake.locate(path), filesystem=lake.filesystem).num_rows)
    except ArrowInvalid:
        return -1


def seal_group(lake: LakeFiles, paths: LakePaths, source: str, group: str, manifests: Sequence[Manifest]) -> None:
    """Make the batches of a group visible to later stages, all of them or (until the retry) none.

    Raises:
        BronzeError: a file has gone since it was written: another try of the same run is at work.
        LakeError: disk full, no permission.
    """
    for manifest in manifests:
        verify_batch(lake, paths, manifest, content=False)
    if manifests:
        document = _sealing_document(paths, source, group, manifests[0].batch_id)
        lake.write_text(document, _MANIFESTS.dump_json(tuple(manifests)).decode())
        complete_sealing(lake, paths, source, group, manifests[0].batch_id)


def complete_sealing(lake: LakeFiles, paths: LakePaths, source: str, group: str, batch_id: str) -> None:
    """Finish what ``seal_group`` began; nothing happens when it did not begin.

    Raises:
        LakeError: disk full, no permission.
    """
    document = _sealing_document(paths, source, group, batch_id)
    text = lake.read_text(document)
    if text is None:
        return
    for manifest in _MANIFESTS.validate_json(text):
        folder = BatchFolder(lake, paths, manifest.source, manifest.schema_name, manifest.table, manifest.batch_id)
        if not folder.is_sealed():
            where = paths.manifest(manifest.source, manifest.schema_name, manifest.table, manifest.batch_id)
            lake.write_text(where, manifest.to_json())
    lake.delete_file(document)


def _sealing_document(paths: LakePaths, source: str, group: str, batch_id: str) -> str:
    return f"{paths.bronze}/_runs/{batch_id}.{folder_name(source)}.{group}.sealing"


def plan_run(  # noqa: PLR0917  # a run is these six; callers name them
    configuration: Configuration,
    lake: LakeFiles,
    paths: LakePaths,
    batch_id: str,
    run_id: str,
    tables: Sequence[Table],
    *,
    rebuild: bool = False,
    models: Sequence[GoldModel] = (),
) -> RunDocument:
    """What the Spark jobs of a run shall do, written to ``paths.run_document(batch_id)``.

    Each table gets its newest sealed batch up to this run's (a table that this run did not read keeps an older one);
    for a rebuild all of them in order.

    Args:
        configuration: names the source.
        lake: file operations.
        paths: the layers' roots.
        batch_id: of this run.
        run_id: Airflow's.
        tables: to bring to silver.
        rebuild: make silver anew.
        models: gold models, each after those that it refers to.

    Raises:
        BronzeError: a table has no sealed batch, or a file of a chosen batch is missing or of another size.
        LakeError: the document cannot be written.
    """
    source = configuration.pipeline.source.name
    work, without = [], []
    for table in tables:
        place = (source, table.schema_name, table.table)
        if rebuild:
            batches = sealed_batches(lake, paths, *place)
        else:
            newest = newest_sealed_batch(lake, paths, *place, not_after=batch_id)
            batches = [] if newest is None else [newest]
        if not batches:
            without.append(qualified_name(table.schema_name, table.table))
        for manifest in batches:
            verify_batch(lake, paths, manifest, content=False)
        work.append(TableWork(table=table, batches=tuple(batches)))
    if without:
        raise BronzeError(
            f"no sealed bronze batch of {', '.join(without)} up to {batch_id}; "
            "run midnight_pipeline for these tables first"
        )
    document = RunDocument(
        batch_id=batch_id,
        run_id=run_id,
        lake=paths.as_dict(),
        rebuild=rebuild,
        tables=tuple(work),
        models=tuple(models),
    )
    lake.write_text(paths.run_document(batch_id), document.to_json())
    return document
