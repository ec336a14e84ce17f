"""The tables that models read, as temporary views."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING

from midnight.errors import LakeError
from midnight.lake.paths import is_local
from midnight.silver_to_gold.sql_references import view_name
from spark_jobs.runtime.delta_tables import load_table, open_table

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


class Inputs:
    """Opens each table once and registers it as the view that the queries read; used by several threads.

    Args:
        spark: any engine.
        path_of: reference (``silver.flights``) -> path of its table.
    """

    def __init__(self, spark: SparkSession, path_of: Callable[[str], str]) -> None:
        self._spark = spark
        self.path_of = path_of
        self._tables: dict[str, DataFrame] = {}
        self._lock = threading.Lock()

    def open(self, reference: str) -> DataFrame:
        """The table of a reference, registered as ``view_name(reference)``.

        Raises:
            LakeError: it does not exist.
        """
        with self._lock:
            if reference not in self._tables:
                path = self.path_of(reference)
                table = open_table(self._spark, path)
                if table is None:
                    raise LakeError(
                        f"{reference} does not exist at {path}; hint: run the pipeline with this table first"
                    )
                self._register(reference, table)
            return self._tables[reference]

    def add(self, reference: str, table: DataFrame) -> None:
        """Register a table that was just written."""
        with self._lock:
            self._register(reference, table)

    def _register(self, reference: str, table: DataFrame) -> None:
        table.createOrReplaceTempView(view_name(reference))
        self._tables[reference] = table


def missing_tables(spark: SparkSession, paths: Collection[str]) -> set[str]:
    """Which of these folders of gold have no Delta table: they may have been deleted by hand.

    In Azure with one listing of the first commits, and one by one only if that finds a missing one.
    """
    local = {path for path in paths if is_local(path)}
    missing = {path for path in local if not _has_commits(path)}
    remote = sorted(set(paths) - local)
    if remote and not _all_exist(spark, remote):
        missing |= {path for path in remote if load_table(spark, path) is None}
    return missing


def _has_commits(path: str) -> bool:
    try:
        return any(entry.name.endswith(".json") for entry in os.scandir(f"{path}/_delta_log"))
    except FileNotFoundError:
        return False


def _all_exist(spark: SparkSession, paths: list[str]) -> bool:
    from pyspark.errors import AnalysisException

    try:
        spark.read.text([f"{path}/_delta_log/{0:020}.json" for path in paths]).schema  # noqa: B018 - lists the files
    except AnalysisException:
        return False
    return True
