"""Reads Parquet files whose columns are known, so that no query has to infer them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from midnight.sql_text import spark_columns

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


def read_files(session: SparkSession, paths: Sequence[str], types: Iterable[tuple[str, str]]) -> DataFrame:
    """The rows of files or folders; no rows if there are no paths.

    Args:
        session: any engine.
        paths: of Parquet files, or of folders that have some.
        types: column and Spark type, in order.
    """
    columns = spark_columns(types)
    return session.read.schema(columns).parquet(*paths) if paths else session.createDataFrame([], columns)
