"""Reads local Parquet files in a given order: Sail reads the row groups of plain files in any order.

A table whose rows lie in about the order of their keys is changed by rewriting few files (decision 32). Sail reads a
Delta table file by file, in the order of their names, and so it does with a table of links to other files.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from midnight.lake.delta_protocol import FILE_BYTES
from midnight.lake.paths import is_local
from spark_jobs.runtime.parquet_files import DataFile
from spark_jobs.runtime.parquet_reader import read_files
from spark_jobs.runtime.session import is_sail
from spark_jobs.runtime.table_files import create_log

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame, SparkSession


def read_in_order(
    session: SparkSession, paths: Sequence[str], types: Iterable[tuple[str, str]], links: str
) -> DataFrame:
    """The rows of files; on Sail file by file in this order, as far as its parallel streams permit.

    Args:
        session: any engine.
        paths: of Parquet files with the same columns.
        types: column and Spark type, in order.
        links: a folder in a local lake that this job removes at its end, for links to the files; always the same for
            the same files. Empty if the order does not matter.
    """
    if links and is_sail(session) and paths and all(is_local(path) for path in (*paths, links)):
        large = sum(os.path.getsize(path) for path in paths) > FILE_BYTES
        if large and (Path(links, "_delta_log").is_dir() or _link_all(paths, links)):
            return session.read.format("delta").load(links)
    return read_files(session, paths, types)


def _link_all(paths: Sequence[str], links: str) -> bool:
    """Create a table of links; False if the files cannot be linked, or if a type needs a newer table format."""
    from deltalake import Schema

    files = []
    Path(links).mkdir(parents=True, exist_ok=True)
    for number, path in enumerate(paths):
        file = DataFile(links, f"{number:08}.parquet", os.path.getsize(path))
        try:
            os.link(path, file.path)
        except OSError:
            return False
        files.append(file)
    schema = files[0].schema
    if any(_has_no_zone(field.type) for field in schema) or any(file.schema != schema for file in files):
        return False
    create_log(links, Schema.from_arrow(schema).to_json(), files, {})
    return True


def _has_no_zone(kind: pa.DataType) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_timestamp(kind) and kind.tz is None)
