"""Reads the files of sealed batches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from midnight.bronze.alignment import column_in
from midnight.bronze.manifest import Manifest
from midnight.column_types import spark_type, to_arrow
from midnight.errors import BronzeError
from midnight.lake.paths import LakePaths, is_local
from midnight.names import folder_name
from midnight.sql_text import quote_backticked
from spark_jobs.runtime.ordered_files import read_in_order
from spark_jobs.runtime.parquet_reader import read_files
from spark_jobs.transforms.cleaning import ORIGIN
from spark_jobs.transforms.conditions import balanced

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


def read_batches(session: SparkSession, batches: Sequence[Manifest], paths: LakePaths) -> DataFrame:
    """The rows of one batch; or of several with the columns of the last, with the batch's id as ``_midnight_origin``.

    Raises:
        BronzeError: see ``read_batch``.
    """
    from pyspark.sql import functions as F

    if len(batches) == 1:
        return read_batch(session, batches[0], batches[0].file_paths(paths), _links(batches[0], paths))
    with_rows = [batch for batch in batches if batch.rows] or batches[-1:]
    frames = [
        _aligned(
            read_batch(session, batch, batch.file_paths(paths), _links(batch, paths)), batch, batches[-1]
        ).withColumn(ORIGIN, F.lit(batch.batch_id))
        for batch in with_rows
    ]
    return balanced(frames, lambda left, right: left.unionAll(right))


def _aligned(frame: DataFrame, batch: Manifest, newest: Manifest) -> DataFrame:
    """The rows of a batch with the columns of the newest one: narrower numbers widened, new columns with their default.

    Args:
        frame: the rows.
        batch: of them.
        newest: the batch whose columns count; ``check_chain`` has found that they can be aligned.
    """
    from pyspark.sql import functions as F

    if batch is newest:
        return frame
    columns = []
    for column in newest.columns:
        found, kind = column_in(batch, column, newest), spark_type(column.stored_as)
        value = F.lit(column.missing) if found is None else F.col(quote_backticked(found.name))
        columns.append(
            (value if found and found.stored_as == column.stored_as else value.cast(kind)).alias(column.name)
        )
    return frame.select(*columns)


def read_batch(session: SparkSession, manifest: Manifest, paths: Sequence[str], links: str = "") -> DataFrame:
    """The rows of a sealed batch; columns as named in the manifest, timestamps without zone as UTC.

    Args:
        session: any engine.
        manifest: of the batch.
        paths: its files (``manifest.file_paths``); may be empty for an empty table.
        links: see ``read_in_order``; empty if the order of the rows does not matter.

    Raises:
        BronzeError: the files do not have the manifest's columns.
    """
    from pyspark.sql import functions as F

    expected = {column.name: spark_type(column.stored_as) for column in manifest.columns}
    if not paths:
        return read_files(session, [], expected.items())
    known = _schema_by_footers(manifest, paths)
    if known is not None:
        frame = read_in_order(session, paths, known.items(), links)
    else:
        frame = session.read.parquet(*paths)
        _check_schema(frame, manifest, expected)
    return frame.select(
        *[F.col(n).cast("timestamp").alias(n) if k == "TIMESTAMP" else F.col(n) for n, k in expected.items()]
    )


def _links(batch: Manifest, paths: LakePaths) -> str:
    """Where the files of a batch are linked to be read in their order."""
    return f"{paths.staging}/bronze/{folder_name(batch.qualified_name)}/{batch.batch_id}"


def _schema_by_footers(manifest: Manifest, paths: Sequence[str]) -> dict[str, str] | None:
    """The Spark types of local files, read from their footers in a millisecond; a query would take longer.

    Returns:
        None if the engine has to infer them: files in Azure, or types other than those that the operator writes.
    """
    if not is_local(paths[0]):
        return None
    import pyarrow as pa
    import pyarrow.parquet as pq

    expected = pa.schema([(column.name, to_arrow(column.stored_as)) for column in manifest.columns])
    try:
        if any(not pq.read_schema(path).equals(expected) for path in paths):
            return None
    except FileNotFoundError as error:
        raise BronzeError(
            f"{manifest.qualified_name}: {error.filename or paths[0]} of batch {manifest.batch_id} is missing; hint: "
            "clear the ingest task with the tasks after it, which read the table again and plan the run again"
        ) from error
    except (OSError, pa.ArrowException):
        return None  # the engine names the damaged file
    naive = [column.name for column in manifest.columns if column.stored_as == "timestamp without time zone"]
    return {c.name: spark_type(c.stored_as) for c in manifest.columns} | dict.fromkeys(naive, "TIMESTAMP_NTZ")


def _check_schema(frame: DataFrame, manifest: Manifest, expected: Mapping[str, str]) -> None:
    found = {name: kind.upper().replace("TIMESTAMP_NTZ", "TIMESTAMP") for name, kind in frame.dtypes}
    wrong = {name: found.get(name) for name, kind in expected.items() if found.get(name) != kind}
    if wrong:
        raise BronzeError(
            f"{manifest.qualified_name}: the files of batch {manifest.batch_id} have {wrong!r}, the manifest has "
            f"{ ({name: expected[name] for name in wrong})!r}; hint: delete the batch folder and clear the ingest task"
        )
