"""Reads the files of sealed batches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from midnight.bronze.manifest import Manifest
from midnight.column_types import spark_type
from midnight.errors import BronzeError
from midnight.lake.paths import LakePaths
from midnight.sql_text import quote_backticked
from spark_jobs.transforms.cleaning import ORIGIN
from spark_jobs.transforms.conditions import balanced

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


def read_batches(session: SparkSession, batches: Sequence[Manifest], paths: LakePaths) -> DataFrame:
    """The rows of one batch; or of several with the same columns, with the batch's id as ``_midnight_origin``.

    Raises:
        BronzeError: see ``read_batch``.
    """
    from pyspark.sql import functions as F

    if len(batches) == 1:
        return read_batch(session, batches[0], batches[0].file_paths(paths))
    with_rows = [batch for batch in batches if batch.rows] or batches[-1:]
    frames = [
        read_batch(session, batch, batch.file_paths(paths)).withColumn(ORIGIN, F.lit(batch.batch_id))
        for batch in with_rows
    ]
    return balanced(frames, lambda left, right: left.unionAll(right))


def read_batch(session: SparkSession, manifest: Manifest, paths: Sequence[str]) -> DataFrame:
    """The rows of a sealed batch; columns as named in the manifest, timestamps without zone as UTC.

    Args:
        session: any engine.
        manifest: of the batch.
        paths: its files (``manifest.file_paths``); may be empty for an empty table.

    Raises:
        BronzeError: the files do not have the manifest's columns.
    """
    from pyspark.sql import functions as F

    expected = {column.name: spark_type(column.stored_as) for column in manifest.columns}
    if not paths:
        return session.createDataFrame(
            [], ", ".join(f"{quote_backticked(name)} {kind}" for name, kind in expected.items())
        )
    frame = session.read.parquet(*paths)
    found = {name: kind.upper().replace("TIMESTAMP_NTZ", "TIMESTAMP") for name, kind in frame.dtypes}
    wrong = {name: found.get(name) for name, kind in expected.items() if found.get(name) != kind}
    if wrong:
        raise BronzeError(
            f"{manifest.qualified_name}: the files of batch {manifest.batch_id} have {wrong!r}, the manifest has "
            f"{ ({name: expected[name] for name in wrong})!r}; hint: delete the batch folder and clear the ingest task"
        )
    return frame.select(
        *[F.col(n).cast("timestamp").alias(n) if k == "TIMESTAMP" else F.col(n) for n, k in expected.items()]
    )
