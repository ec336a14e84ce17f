"""The batches that together hold a table: a full snapshot, and the increments on it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from midnight.bronze.alignment import can_be_aligned
from midnight.bronze.manifest import Manifest
from midnight.configuration.tables import Table
from midnight.errors import BronzeError

# Oldest first: one full snapshot, then its increments.
Chain = tuple[Manifest, ...]


def batch_chain(newest: Manifest, find: Callable[[str], Manifest | None]) -> Chain:
    """The batches that together hold a table: the last full snapshot, and each increment on it up to this one.

    An increment names the batch that it continues, so that a missing batch in between is detected. A batch that was
    sealed later than the increment after it (an old run that was cleared) is not part of the chain: the increment has
    its rows as well.

    Args:
        newest: the last batch.
        find: returns the sealed batch with an id; None if there is none.

    Raises:
        BronzeError: a batch is missing.
    """
    chain = [newest]
    while chain[0].follows:
        before = find(chain[0].follows)
        if before is None:
            raise BronzeError(
                f"{newest.qualified_name}: batch {chain[0].batch_id} continues batch {chain[0].follows}, which is not "
                "in bronze any more; hint: run midnight_pipeline for this table with full_reload"
            )
        chain.insert(0, before)
    return tuple(chain)


def complete_chains(manifests: Sequence[Manifest]) -> list[Manifest]:
    """The batches of a table that can be brought to silver: all but increments on a deleted batch.

    Raises:
        BronzeError: the newest batch is such an increment.
    """
    by_id: Mapping[str, Manifest] = {manifest.batch_id: manifest for manifest in manifests}
    usable: set[str] = set()
    for manifest in manifests:
        if not manifest.follows or manifest.follows in usable:
            usable.add(manifest.batch_id)
    if manifests and manifests[-1].batch_id not in usable:
        batch_chain(manifests[-1], by_id.get)  # raises with the missing batch
    return [manifest for manifest in manifests if manifest.batch_id in usable]


def increments_since(chain: Chain, batch_id: str) -> Chain:
    """The increments of a chain after one of its batches; empty if the batch is not part of the chain."""
    ids = [manifest.batch_id for manifest in chain]
    return chain[ids.index(batch_id) + 1 :] if batch_id in ids else ()


def have_same_keys(one: Manifest, other: Manifest) -> bool:
    """Whether two batches provably have the same list of keys, each read in the same snapshot as its rows."""
    lists = [batch.keys.files for batch in (one, other) if batch.keys is not None and batch.read_from.snapshot]
    digests = [[file.sha256 for file in files] for files in lists]
    return len(digests) == 2 and digests[0] == digests[1] and all(digests[0])


def check_chain(table: Table, chain: Chain) -> None:
    """Refuse increments that cannot be merged into each other.

    Raises:
        BronzeError: they were read for another key than the table's current one, or with other columns.
    """
    for manifest in chain if len(chain) > 1 else ():
        if manifest.holds_key(table.key) and can_be_aligned(manifest, chain[-1]):
            continue
        what = f"columns {[column.name for column in manifest.columns]!r}"
        if not manifest.holds_key(table.key):
            found = list(manifest.cursor.key) if manifest.cursor else []
            what = f"key {found!r}, while the table has key {list(table.key)!r}"
        raise BronzeError(
            f"{table.qualified_name}: batch {chain[-1].batch_id} is an increment on batch {manifest.batch_id}, which "
            f"was read with {what}; hint: run midnight_pipeline, which reads a full snapshot of the table"
        )
