"""Sealings of earlier runs that a killed try has begun, and no other try has completed."""

from __future__ import annotations

from midnight.bronze.batches import BronzeStore
from midnight.bronze.unfinished import UnfinishedReads
from midnight.errors import BronzeError
from midnight.lake.many_files import read_many


def complete_earlier_sealings(bronze: BronzeStore, group: str, batch_id: str) -> list[str]:
    """Complete what killed tries of earlier runs had begun to seal, if no other try of these runs came.

    All its files are complete and on disk. Without this, some tables of the load group would keep a batch that the
    others do not have.

    Args:
        bronze: the batches of one source.
        group: the load group.
        batch_id: of the run that begins now.

    Returns:
        One line per such run, for the log.

    Raises:
        LakeError: disk full, no permission.
    """
    ending = bronze.paths.sealing_document(bronze.source, group, "").rpartition("/")[2]
    names = bronze.lake.list_names(bronze.paths.run_documents)
    earlier = [name.removesuffix(ending) for name in names if name.endswith(ending) and name < batch_id]
    lines = []
    for each in earlier:
        try:
            read_many(bronze.lake, bronze.delete_surplus, bronze.complete_sealing(group, each))
        except BronzeError as error:  # another try has sealed one of the batches; the document is deleted
            lines.append(f"the sealing of batch {each} was not completed: {error}")
        else:
            lines.append(f"completed the sealing of batch {each}, which a killed try had begun")
        UnfinishedReads(bronze, group, each).remove()
    return lines
