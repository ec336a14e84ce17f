"""What the log of a local Delta table says, without a query of the engine."""

from __future__ import annotations

from midnight.errors import LakeError, first_line
from midnight.lake.paths import is_local


def count_by_log(path: str) -> int | None:
    """The rows of a local Delta table, from its log in milliseconds; 0 if the table does not exist.

    Sail's tables have these counts, too, although they have no statistics of columns.

    Returns:
        None if only the engine can count: a lake in Azure, whose jobs do not have delta-rs, or a file without a count.

    Raises:
        LakeError: the table exists but cannot be read.
    """
    if not is_local(path):
        return None
    from deltalake import DeltaTable
    from deltalake.exceptions import DeltaError, TableNotFoundError

    try:
        files = DeltaTable(path).get_add_actions(flatten=True)
    except TableNotFoundError:
        return 0
    except (DeltaError, OSError) as error:
        raise LakeError(
            f"Delta table {path!r} cannot be read: {first_line(error)}; hint: check the permission on the lake"
        ) from error
    if "num_records" not in files.schema.names:
        return 0 if files.num_rows == 0 else None
    counts = files["num_records"].to_pylist()
    return None if None in counts else sum(counts)
