"""How many bytes of a lake are kept, by the Delta logs: no file is listed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial

from midnight.errors import LakeError, first_line
from midnight.lake.files import LakeFiles
from midnight.lake.many_files import read_many


def table_bytes(path: str, storage_options: Mapping[str, str]) -> int:
    """Size of the files of the newest version of a Delta table; 0 if the table does not exist.

    Args:
        path: of the table.
        storage_options: ``LakeFiles.storage_options``.

    Raises:
        LakeError: it exists but cannot be read.
    """
    import pyarrow as pa
    from deltalake import DeltaTable
    from deltalake.exceptions import TableNotFoundError

    try:
        actions = DeltaTable(path, storage_options=dict(storage_options)).get_add_actions()
    except TableNotFoundError:
        return 0
    except Exception as error:  # deltalake does not document which classes it raises
        message = f"the size of {path!r} cannot be read: {first_line(error)}; hint: check the permissions of the lake"
        raise LakeError(message) from error
    return int(sum(pa.table(actions)["size_bytes"].to_pylist()))


def kept_bytes(files: LakeFiles, tables: Iterable[tuple[str, str]]) -> dict[str, int]:
    """Name -> bytes of each table.

    Args:
        files: of the lake.
        tables: name and path of silver tables and gold models.

    Raises:
        LakeError: a table cannot be read.
    """
    named = list(tables)
    read = partial(table_bytes, storage_options=files.storage_options)
    sizes = read_many(files, lambda pair: read(pair[1]), named)
    return {name: size for (name, _), size in zip(named, sizes, strict=True)}
