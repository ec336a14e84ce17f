"""The current files of a gold table, from its Delta log, and the check that Synapse serverless can read the table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from midnight.errors import ServingError
from midnight.gold_to_serving.base_views import BaseView
from midnight.lake.paths import is_local

SYNAPSE_READER_VERSION = 1  # Synapse serverless: no deletion vectors, column mapping, v2 checkpoints, TIMESTAMP_NTZ


@dataclass(frozen=True)
class DeltaSnapshot:
    """The active files of a Delta table.

    Args:
        files: their full paths, sorted (local tables only).
        partitioned: whether the values of partition columns are in the folder names.
    """

    files: tuple[str, ...]
    partitioned: bool


def read_delta_snapshot(view: BaseView, path: str, storage_options: Mapping[str, str] | None = None) -> DeltaSnapshot:
    """Check the Delta table behind a base view, and list its files.

    Args:
        view: the base view.
        path: folder or URL of the Delta table.
        storage_options: of delta-rs, to access the lake.

    Raises:
        ServingError: there is no table, Synapse serverless cannot read its protocol, or a column or file is missing.
    """
    from deltalake import DeltaTable
    from deltalake.exceptions import DeltaError

    try:
        table = DeltaTable(path, storage_options=dict(storage_options or {}))
        reader = table.protocol().min_reader_version
        columns = {field.name for field in table.schema().fields}
        partitioned = bool(table.metadata().partition_columns)
        relative: list[str] = []
        if is_local(path):
            relative = [str(name) for name in table.get_add_actions(flatten=True).column("path").to_pylist()]
    except (DeltaError, OSError) as error:
        raise ServingError(
            f"gold.{view.name}: the table at {path} cannot be read: {error}; "
            "hint: clear the task silver_to_gold to build it"
        ) from error
    if reader != SYNAPSE_READER_VERSION:
        raise ServingError(
            f"gold.{view.name}: the table at {path} requires Delta reader version {reader!r}, but Synapse serverless "
            f"supports only {SYNAPSE_READER_VERSION}; hint: build it without deletion vectors, column mapping and "
            "TIMESTAMP_NTZ"
        )
    missing = [column.name for column in view.columns if column.name not in columns]
    if missing:
        raise ServingError(
            f"gold.{view.name}: the table at {path} has no column {missing!r}, which the contract declares; "
            "hint: clear the task silver_to_gold to build it again"
        )
    return DeltaSnapshot(tuple(sorted(_existing(path, name, view.name) for name in relative)), partitioned)


def _existing(root: str, name: str, view: str) -> str:
    """Return the full path of a file. The log has URL-encoded paths; some writers encode the folder names as well."""
    for candidate in (name, unquote(name)):
        path = Path(root) / candidate
        if path.is_file():
            return str(path)
    raise ServingError(
        f"gold.{view}: file {name!r} of the table at {root} does not exist; "
        "hint: rebuild gold with the DAG midnight_rebuild"
    )
