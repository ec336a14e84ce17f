"""Batches in bronze: reads and writes their manifests, and verifies their files.

A batch without a manifest does not exist. The tables of a load group are sealed together: first one small file (the
*sealing document*) with all their manifests, then each manifest, then the sealing document is deleted. After a crash
in between the next attempt completes the sealing, so that the tables of one run never come from two snapshots.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import TypeAdapter

from midnight.bronze.manifest import Manifest, parse_manifest
from midnight.errors import BronzeError, LakeConflictError
from midnight.lake.files import LakeFiles
from midnight.lake.many_files import read_many, write_many
from midnight.lake.paths import MANIFEST_NAME, LakePaths
from midnight.names import SourceTable

_MANIFESTS = TypeAdapter(tuple[Manifest, ...])
_READ_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True)
class BronzeStore:
    """The batches of one source.

    Args:
        lake: file operations.
        paths: roots of the layers.
        source: name of the source in bronze.
    """

    lake: LakeFiles
    paths: LakePaths
    source: str

    def batch_folder(self, table: SourceTable, batch_id: str) -> str:
        """Path of a table's batch, sealed or not."""
        return self.paths.batch(self.source, table.schema_name, table.table, batch_id)

    def read_manifest(self, table: SourceTable, batch_id: str) -> Manifest | None:
        """The manifest of a batch; None if the batch is not sealed.

        Raises:
            BronzeError: the file is not a valid manifest.
        """
        path = self._manifest_path(table, batch_id)
        text = self.lake.read_text(path)
        return None if text is None else parse_manifest(text, path)

    def is_sealed(self, table: SourceTable, batch_id: str) -> bool:
        return self.lake.size(self._manifest_path(table, batch_id)) is not None

    def sealed_batches(self, table: SourceTable) -> list[Manifest]:
        """Manifests of all sealed batches of a table, oldest first.

        Raises:
            BronzeError: a manifest cannot be read.
        """
        found = (self.read_manifest(table, batch_id) for batch_id in self._batch_ids(table))
        return [manifest for manifest in found if manifest is not None]

    def newest_sealed_batch(
        self, table: SourceTable, *, not_after: str | None = None, before: str | None = None
    ) -> Manifest | None:
        """The last sealed batch of a table (not after, or before a batch id); None if there is none.

        Raises:
            BronzeError: its manifest cannot be read.
        """
        for batch_id in reversed(self._batch_ids(table)):
            if (not_after is None or batch_id <= not_after) and (before is None or batch_id < before):
                manifest = self.read_manifest(table, batch_id)
                if manifest is not None:
                    return manifest
        return None

    def intact_manifest(self, table: SourceTable, batch_id: str) -> Manifest | None:
        """The manifest of a sealed batch whose files are unchanged; None otherwise."""
        try:
            manifest = self.read_manifest(table, batch_id)
            if manifest is not None:
                self.verify_batch(manifest)
        except BronzeError:
            return None
        return manifest

    def verify_batch(self, manifest: Manifest, *, content: bool = True) -> None:
        """Compare the files of a batch with its manifest.

        Args:
            manifest: of the batch.
            content: read every file and compare checksum and row count as well; otherwise only sizes.

        Raises:
            BronzeError: a file is missing or was changed.
        """
        for file, path in zip(manifest.all_files, manifest.all_paths(self.paths), strict=True):
            size = self.lake.size(path)
            found = ""
            if size is None:
                found = "is missing"
            elif size != file.bytes:
                found = f"has {size} bytes instead of {file.bytes}"
            elif content:
                digest = checksum(self.lake, path)
                if digest != file.sha256:
                    found = f"was changed (SHA-256 {digest[:12]}… instead of {file.sha256[:12]}…)"
                elif (rows := _footer_rows(self.lake, path)) != file.rows:
                    found = f"has {rows} rows instead of {file.rows}"
            if found:
                raise BronzeError(
                    f"{manifest.qualified_name}: {path} of batch {manifest.batch_id} {found}; hint: clear the "
                    f"ingest task of run {manifest.run_id!r}, which reads the table again"
                )

    def delete_batch(self, table: SourceTable, batch_id: str) -> None:
        """Delete a batch: the manifest first, so that a partly deleted batch does not count as sealed."""
        self.lake.delete_file(self._manifest_path(table, batch_id))
        self.lake.delete_folder(self.batch_folder(table, batch_id))

    def unseal_damaged(self, table: SourceTable, batch_id: str) -> Manifest | None:
        """The manifest of a sealed batch whose files are unchanged; that of a damaged one is deleted.

        A batch that another try seals while this one looks is never taken for a damaged one.
        """
        sealed = self.is_sealed(table, batch_id)
        manifest = self.intact_manifest(table, batch_id)
        if manifest is None and sealed:
            self.lake.delete_file(self._manifest_path(table, batch_id))
        return manifest

    def files_in_use(self, group: str, tables: Sequence[SourceTable], batch_id: str) -> list[set[str] | None]:
        """Names of each table's files that its batch has, or gets when a sealing that has begun is completed.

        None for a table that is not sealed.

        Raises:
            BronzeError: a manifest cannot be read.
        """
        text = self.lake.read_text(self._sealing_document(group, batch_id))  # before the manifests that it becomes
        begun = () if text is None else _MANIFESTS.validate_json(text)

        def names(table: SourceTable) -> set[str] | None:
            found = [m for m in begun if (m.schema_name, m.table) == (table.schema_name, table.table)]
            sealed = self.read_manifest(table, batch_id)
            found += [] if sealed is None else [sealed]
            return {file.name for manifest in found for file in manifest.all_files} if found else None

        return read_many(self.lake, names, tables)

    def seal_group(self, group: str, manifests: Sequence[Manifest]) -> None:
        """Seal the batches of a load group for later stages: all of them or (until the retry) none.

        Raises:
            BronzeError: a file was deleted since it was written, or another attempt of the same run has sealed or is
                sealing the group.
            LakeError: disk full, no permission.
        """
        read_many(self.lake, lambda manifest: self.verify_batch(manifest, content=False), manifests)
        if manifests:
            write_many(self.lake.make_durable, [path for m in manifests for path in m.all_paths(self.paths)])
            document = self._sealing_document(group, manifests[0].batch_id)
            try:
                self.lake.write_new(document, _MANIFESTS.dump_json(tuple(manifests)).decode())
            except LakeConflictError as error:
                others = _MANIFESTS.validate_json(error.existing) if error.existing else manifests
                raise _sealed_by_another(others[0], document) from error
            self.complete_sealing(group, manifests[0].batch_id)

    def complete_sealing(self, group: str, batch_id: str) -> tuple[Manifest, ...]:
        """Complete a sealing that ``seal_group`` began; returns its manifests (an empty list without such a sealing).

        Raises:
            BronzeError: another attempt has sealed a batch of this group in the meantime, which is kept.
            LakeError: disk full, no permission.
        """
        document = self._sealing_document(group, batch_id)
        text = self.lake.read_text(document)
        if text is None:
            return ()
        unsealed = []
        manifests = _MANIFESTS.validate_json(text)
        found = read_many(self.lake, lambda manifest: self.read_manifest(manifest, manifest.batch_id), manifests)
        for manifest, sealed in zip(manifests, found, strict=True):
            if sealed is None:
                unsealed.append(manifest)
            elif sealed != manifest:  # before the first manifest is written: two snapshots must not mix
                self.lake.delete_file(document)
                raise _sealed_by_another(sealed, self.batch_folder(manifest, manifest.batch_id))
        try:
            write_many(self._write_manifest, unsealed)
        except LakeConflictError as error:
            self.lake.delete_file(document)
            other = parse_manifest(error.existing, error.path) if error.existing else unsealed[0]
            raise _sealed_by_another(other, error.path) from error
        self.lake.delete_file(document)
        return manifests

    def delete_surplus(self, manifest: Manifest) -> None:
        """Delete what is in the folder of a sealed batch and not part of it: of tries that lost or were killed."""
        folder = self.batch_folder(manifest, manifest.batch_id)
        kept = {MANIFEST_NAME, *(file.name for file in manifest.all_files)}
        for name in self.lake.list_names(folder):
            if name not in kept:
                self.lake.delete_file(f"{folder}/{name}")

    def _write_manifest(self, manifest: Manifest) -> None:
        self.lake.write_new(self._manifest_path(manifest, manifest.batch_id), manifest.to_json())

    def _batch_ids(self, table: SourceTable) -> list[str]:
        """Ids of the batches that have a folder, oldest first, sealed or not."""
        return self.lake.list_names(self.paths.table_batches(self.source, table.schema_name, table.table))

    def _manifest_path(self, table: SourceTable, batch_id: str) -> str:
        return self.paths.manifest(self.source, table.schema_name, table.table, batch_id)

    def _sealing_document(self, group: str, batch_id: str) -> str:
        return self.paths.sealing_document(self.source, group, batch_id)


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
    except (ArrowInvalid, OSError):  # the latter for a damaged footer
        return -1


def _sealed_by_another(other: Manifest, where: str) -> BronzeError:
    return BronzeError(
        f"{other.qualified_name}: batch {other.batch_id} was already sealed in {where}, by run {other.run_id!r} "
        f"({other.written_by}) at {other.sealed_at:%Y-%m-%d %H:%M:%S} UTC; hint: another attempt of the same run is "
        "active: wait until it has ended, then clear the ingest task"
    )
