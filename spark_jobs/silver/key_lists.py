"""The keys of bronze as silver has them, and which keys of a list are not among others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from midnight.bronze.manifest import Manifest
from midnight.configuration.tables import Table
from midnight.lake.paths import LakePaths
from midnight.masking import MaskingKey
from spark_jobs.runtime.parquet_reader import read_files
from spark_jobs.runtime.session import is_sail
from spark_jobs.runtime.staged_rows import stage_rows
from spark_jobs.silver.read_batches import read_batch
from spark_jobs.transforms.cleaning import clean
from spark_jobs.transforms.columns import PlannedColumn
from spark_jobs.transforms.conditions import all_of, balanced
from spark_jobs.transforms.keys import bucket_of
from spark_jobs.transforms.masking import masked_values, with_pseudonyms

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

# Sail holds one side of a join in memory: so many keys of some numbers or a text take about 100 MB.
KEYS_AT_ONCE = 1_000_000
# It also buffers each file that it writes: 50 at once took 200 MB more than 20.
FILES_AT_ONCE = 16
KNOWN, MARK, LAST = "_midnight_known", "_midnight_mark", "_midnight_last"
_BUCKET = "_midnight_bucket"


@dataclass(frozen=True)
class KeyReader:
    """Reads the keys of a table's batches, cleaned and masked by the same rules as its rows.

    Args:
        session: any engine.
        paths: of the lake.
        table: with its key.
        columns: plan of the columns.
        masking_key: None if no column is masked.
    """

    session: SparkSession
    paths: LakePaths
    table: Table
    columns: Sequence[PlannedColumn]
    masking_key: MaskingKey | None

    @property
    def types(self) -> dict[str, str]:
        """The key columns with their Spark types in silver."""
        kinds = {column.name: column.silver_type for column in self.columns}
        return {name: kinds[name] for name in self.table.key}

    def listed(self, manifest: Manifest) -> DataFrame:
        """The list of keys of an increment; a key that the source has twice is there twice."""
        return self.of_files(manifest, manifest.key_paths(self.paths))

    def of_rows(self, batches: Sequence[Manifest]) -> list[DataFrame]:
        """The keys of the rows of each of some batches, with repetitions."""
        return [self.of_files(batch, batch.file_paths(self.paths)) for batch in batches if batch.rows]

    def of_files(self, manifest: Manifest, paths: Sequence[str]) -> DataFrame:
        """The keys in files of a batch, except those that silver cannot have: with a null, or not cast.

        Args:
            manifest: of the batch.
            paths: Parquet files with the columns of the key, and maybe others.
        """
        from pyspark.sql import functions as F

        planned = {column.name: column for column in self.columns if column.name in self.table.key}
        ordered = [planned[name] for name in self.table.key]
        by_name = {column.name: column for column in manifest.columns}
        narrow = manifest.model_copy(update={"columns": tuple(by_name[str(c.bronze)] for c in ordered)})
        rules = self.table.model_copy(update={"order_by": ()})
        cleaned = clean(read_batch(self.session, narrow, paths), rules, ordered)
        cleaned = cleaned.filter(all_of([F.col(name).isNotNull() for name in self.table.key]))
        masked = with_pseudonyms(cleaned, ordered, self.masking_key)
        pseudonyms = masked_values(ordered)
        return masked.select(*[pseudonyms.get(name, F.col(name)).alias(name) for name in self.table.key])


def stage_differences(
    known: Sequence[DataFrame], lists: Mapping[str, DataFrame], types: Mapping[str, str], *, rows: int, folder: str
) -> DataFrame:
    """The keys that are known but not in the newest list, those in the newest list alone, and marked ones in it.

    Args:
        known: together, key columns and ``_midnight_mark`` (null, or the batch that saw the row of silver go); no null
            keys; at least one frame.
        lists: batch -> its list of keys, oldest first; at least one.
        types: key column -> Spark type.
        rows: of the larger side.
        folder: for the result, and intermediate files.

    Returns:
        Each key once with ``_midnight_known``, ``_midnight_mark`` and ``_midnight_last``: the last list that has the
        key, null if none has it.
    """
    from pyspark.sql import functions as F

    names, newest = list(types), list(lists)[-1]
    listed = [frame.select(*names, F.lit(batch).alias(LAST)) for batch, frame in lists.items()]
    buckets = -(-rows // KEYS_AT_ONCE) if is_sail(known[0].sparkSession) else 1
    if buckets > 1:
        left_sides = _split(known, {**types, MARK: "STRING"}, buckets, f"{folder}-known")
        right_sides = _split(listed, {**types, LAST: "STRING"}, buckets, f"{folder}-listed")
        pairs = list(zip(left_sides, right_sides, strict=True))
    else:
        pairs = [(union(known), union(listed))]
    parts = [_differences(left, right, names, newest, several=len(lists) > 1) for left, right in pairs]
    schema = {**types, KNOWN: "BOOLEAN", MARK: "STRING", LAST: "STRING"}
    return stage_rows(parts, folder, schema)


def _differences(known: DataFrame, listed: DataFrame, names: Sequence[str], newest: str, *, several: bool) -> DataFrame:
    from pyspark.sql import functions as F

    if several:
        listed = listed.groupBy(*names).agg(F.max(LAST).alias(LAST))
    renamed = listed.select(*[F.col(name).alias(f"_midnight_listed_{i}") for i, name in enumerate(names)], LAST)
    same = all_of([F.col(name) == F.col(f"_midnight_listed_{i}") for i, name in enumerate(names)])
    joined = known.withColumn(KNOWN, F.lit(True)).join(renamed, on=same, how="full")
    is_known, is_listed = F.col(KNOWN).isNotNull(), F.coalesce(F.col(LAST) == F.lit(newest), F.lit(False))
    wanted = (is_known & (~is_listed | F.col(MARK).isNotNull())) | (~is_known & is_listed)
    keys = [F.coalesce(F.col(name), F.col(f"_midnight_listed_{i}")).alias(name) for i, name in enumerate(names)]
    found = joined.filter(wanted).select(*keys, F.coalesce(KNOWN, F.lit(False)).alias(KNOWN), MARK, LAST)
    return found.groupBy(*names, KNOWN).agg(F.max(MARK).alias(MARK), F.max(LAST).alias(LAST))


def union(frames: Sequence[DataFrame]) -> DataFrame:
    """All rows of some frames (at least one) with the same columns."""
    return balanced(frames, lambda left, right: left.unionAll(right))


def _split(frames: Sequence[DataFrame], types: Mapping[str, str], buckets: int, folder: str) -> list[DataFrame]:
    """The rows by a hash of their key, from files: each is read once for some buckets, and not once per bucket.

    Sail 0.7.2 fails to write some unions into partitions ("No field named"), so that each frame is written by itself.
    """
    from pyspark.sql import functions as F

    number = bucket_of({name: kind for name, kind in types.items() if name not in (MARK, LAST)}, buckets).alias(_BUCKET)
    mode = "overwrite"
    for frame in frames:
        numbered = frame.select(*types, number)
        for first in range(0, buckets, FILES_AT_ONCE):
            last = min(buckets, first + FILES_AT_ONCE) - 1
            part = numbered.filter(F.col(_BUCKET).between(first, last)) if buckets > FILES_AT_ONCE else numbered
            part.write.mode(mode).partitionBy(_BUCKET).parquet(folder)
            mode = "append"
    session = frames[0].sparkSession
    return [_bucket(session, f"{folder}/{_BUCKET}={number}", types) for number in range(buckets)]


def _bucket(session: SparkSession, folder: str, types: Mapping[str, str]) -> DataFrame:
    from pathlib import Path

    return read_files(session, [folder] if Path(folder).is_dir() else [], types.items())
