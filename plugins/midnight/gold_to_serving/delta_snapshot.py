"""What a gold table holds at this moment, read from its Delta log, and whether every reader of serving can read it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from midnight.errors import ServingError
from midnight.gold_to_serving.base_views import BaseView

SYNAPSE_READER_VERSION = 1  # Synapse serverless: no deletion vectors, column mapping, v2 checkpoints, TIMESTAMP_NTZ


@dataclass(frozen=True)
class GoldFiles:
    """The active files of a Delta table.

    Args:
        files: their full paths, sorted (local tables only).
        partitioned: whether columns stand in folder names.
    """

    files: tuple[str, ...]
    partitioned: bool


def read_gold_files(view: BaseView, path: str, storage_options: Mapping[str, str] | None = None) -> GoldFiles:
    """Check the Delta table behind a base view, and list its files.

    Args:
        view: what will be shown.
        path: folder or URL of the Delta table.
        storage_options: what delta-rs needs to reach the lake.

    Raises:
        ServingError: no table, a protocol that Synapse serverless refuses, a column or a file is missing.
    """
    from deltalake import DeltaTable
    from deltalake.exceptions import DeltaError

    try:
        table = DeltaTable(path, storage_options=dict(storage_options or {}))
        reader = table.protocol().min_reader_version
        columns = {field.name for field in table.schema().fields}
        partitioned = bool(table.metadata().partition_columns)
        relative: list[str] = []
        if "://" not in path:
            relative = [str(name) for name in table.get_add_actions(flatten=True).column("path").to_pylist()]
    except (DeltaError, OSError) as error:
        raise ServingError(
            f"gold.{view.name}: the table at {path} cannot be read: {error}; clear the task silver_to_gold to build it"
        ) from error
    if reader != SYNAPSE_READER_VERSION:
        raise ServingError(
            f"gold.{view.name}: the table at {path} needs Delta reader version {reader!r}, and Synapse serverless "
            f"reads {SYNAPSE_READER_VERSION} only; build it without deletion vectors, column mapping, TIMESTAMP_NTZ"
        )
    missing = [column.name for column in view.columns if column.name not in columns]
    if missing:
        raise ServingError(
            f"gold.{view.name}: the table at {path} has no column {missing!r}, which the contract names; "
            "clear the task silver_to_gold to build it again"
        )
    return GoldFiles(tuple(sorted(_existing(path, name, view.name) for name in relative)), partitioned)


def _existing(root: str, name: str, view: str) -> str:
    """The log holds URL-encoded paths, but some writers encode the folder on disk as well."""
    for candidate in (name, unquote(name)):
        path = Path(root) / candidate
        if path.is_file():
            return str(path)
    raise ServingError(f"gold.{view}: file {name!r} of the table at {root} is gone; rebuild gold with midnight_rebuild")
