"""The table of recorded builds, as the job reads and extends it: by delta-rs in a folder, by the engine in Azure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from midnight.errors import LakeError, first_line
from midnight.lake.paths import is_local
from midnight.silver_to_gold.builds import BUILDS_TABLE_COLUMNS, GoldBuild, newest_build
from spark_jobs.runtime.delta_tables import load_table, table_properties
from spark_jobs.runtime.folder_append import append_to_folder

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def last_build(spark: SparkSession, *records: str) -> GoldBuild | None:
    """The newest build recorded in any of the tables; None before the first build."""
    found = [newest_build(path) if is_local(path) else _newest_by_engine(spark, path) for path in records]
    builds = [build for build in found if build is not None]
    return max(builds, key=lambda build: (build.completed_at, build.build_id), default=None)


def _newest_by_engine(spark: SparkSession, path: str) -> GoldBuild | None:
    from pyspark.sql import functions as F

    table = load_table(spark, path)
    if table is None:
        return None
    newest = table.select(*BUILDS_TABLE_COLUMNS).orderBy(F.desc("completed_at"), F.desc("build_id")).limit(1)
    return next((GoldBuild.from_row(row.asDict()) for row in newest.collect()), None)


def record_build(spark: SparkSession, path: str, build: GoldBuild) -> None:
    """Append one row, which makes the build visible to readers.

    Raises:
        LakeError: the row cannot be written.
    """
    values = build.model_dump(include=set(BUILDS_TABLE_COLUMNS)) | {"models": build.models_json()}
    try:
        if not append_to_folder(path, [values], BUILDS_TABLE_COLUMNS):
            _append_by_engine(spark, path, build)
    except Exception as error:  # delta-rs does not document which classes it raises
        raise LakeError(
            f"{path}: cannot record the build: {first_line(error)}; hint: check the permission on the lake"
        ) from error


def _append_by_engine(spark: SparkSession, path: str, build: GoldBuild) -> None:
    from pyspark.sql import functions as F

    values = {
        "build_id": build.build_id,
        "batch_id": build.batch_id,
        "run_id": build.run_id,
        "completed_at": build.completed_at.isoformat(),
        "models": build.models_json(),
    }
    # As text, then cast: a datetime from Python may become TIMESTAMP_NTZ, which raises the table's reader version.
    names = list(BUILDS_TABLE_COLUMNS)
    row = spark.createDataFrame([tuple(values[name] for name in names)], ", ".join(f"{name} string" for name in names))
    typed = row.select(*(F.col(name).cast(kind).alias(name) for name, kind in BUILDS_TABLE_COLUMNS.items()))
    typed.write.format("delta").mode("append").options(**table_properties(spark)).save(path)
