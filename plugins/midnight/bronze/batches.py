"""Batches in bronze: which are sealed, and whether they are as they were sealed.

A batch without a manifest does not exist. The tables of a load group are sealed together: first one small file (the
*sealing document*) that holds all their manifests, then each manifest, then the sealing document goes. Whoever comes
after a crash in the middle finishes it, so that one night's tables never come from two snapshots.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import TypeAdapter

from midnight.bronze.manifest import Manifest, read_manifest
from midnight.errors import BronzeError, LakeConflictError
from midnight.lake.files import LakeFiles
from midnight.lake.paths import LakePaths
from midnight.names import folder_name

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
    lake: LakeFiles,
    paths: LakePaths,
    source: str,
    schema: str,
    table: str,
    *,
    not_after: str | None = None,
    before: str | None = None,
) -> Manifest | None:
    """The last sealed batch of a table (not after, or before a batch id); None when there is none.

    Raises:
        BronzeError: its manifest cannot be read.
    """
    for name in reversed(lake.list_names(paths.table_batches(source, schema, table))):
        if (not_after is None or name <= not_after) and (before is None or name < before):
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
    with lake.open_input(path) as stream:
        while block := stream.read(_READ_BYTES):
            digest.update(block)
    return digest.hexdigest()


def _footer_rows(lake: LakeFiles, path: str) -> int:
    from pyarrow import ArrowInvalid, parquet

    try:
        with lake.open_input(path) as file:
            return int(parquet.read_metadata(file).num_rows)
    except ArrowInvalid:
        return -1


def seal_group(lake: LakeFiles, paths: LakePaths, source: str, group: str, manifests: Sequence[Manifest]) -> None:
    """Make the batches of a group visible to later stages, all of them or (until the retry) none.

    Raises:
        BronzeError: a file has gone since it was written, or another try of the same run has sealed or is sealing.
        LakeError: disk full, no permission.
    """
    for manifest in manifests:
        verify_batch(lake, paths, manifest, content=False)
    if manifests:
        document = _sealing_document(paths, source, group, manifests[0].batch_id)
        try:
            lake.write_new(document, _MANIFESTS.dump_json(tuple(manifests)).decode())
        except LakeConflictError as error:
            others = _MANIFESTS.validate_json(error.existing) if error.existing else manifests
            raise _sealed_by_another(others[0], document) from error
        complete_sealing(lake, paths, source, group, manifests[0].batch_id)


def is_being_sealed(lake: LakeFiles, paths: LakePaths, source: str, group: str, batch_id: str) -> bool:
    """Whether a sealing has begun that is not complete: its files must stay."""
    return lake.size(_sealing_document(paths, source, group, batch_id)) is not None


def complete_sealing(lake: LakeFiles, paths: LakePaths, source: str, group: str, batch_id: str) -> None:
    """Finish what ``seal_group`` began; nothing happens when it did not begin.

    Raises:
        BronzeError: another try has sealed a batch of this group meanwhile; what it sealed stays.
        LakeError: disk full, no permission.
    """
    document = _sealing_document(paths, source, group, batch_id)
    text = lake.read_text(document)
    if text is None:
        return
    places = []
    for manifest in _MANIFESTS.validate_json(text):
        folder = BatchFolder(lake, paths, manifest.source, manifest.schema_name, manifest.table, manifest.batch_id)
        sealed = folder.manifest()
        if sealed is not None and sealed != manifest:  # before the first seal: two snapshots must not mix
            lake.delete_file(document)
            raise _sealed_by_another(sealed, folder.path)
        where = paths.manifest(manifest.source, manifest.schema_name, manifest.table, manifest.batch_id)
        places.append((where, manifest, sealed is None))
    for where, manifest, is_missing in places:
        if is_missing:
            try:
                lake.write_new(where, manifest.to_json())
            except LakeConflictError as error:
                lake.delete_file(document)
                other = read_manifest(error.existing, where) if error.existing else manifest
                raise _sealed_by_another(other, where) from error
    lake.delete_file(document)


def _sealed_by_another(other: Manifest, where: str) -> BronzeError:
    return BronzeError(
        f"{other.qualified_name}: batch {other.batch_id} has another seal in {where}, of run {other.run_id!r} by the "
        f"{other.written_by} at {other.sealed_at:%Y-%m-%d %H:%M:%S} UTC; two tries of one run are at work: let the "
        "other one end, then clear the ingest task"
    )


def _sealing_document(paths: LakePaths, source: str, group: str, batch_id: str) -> str:
    return f"{paths.bronze}/_runs/{batch_id}.{folder_name(source)}.{group}.sealing"
