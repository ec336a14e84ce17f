"""What changed in the inputs of a model since its earlier build, as the views that a refresh reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from midnight.lake.paths import LakePaths, is_local
from midnight.silver_to_gold.refresh.plan import any_view, changed_view
from midnight.silver_to_gold.silver_history import SilverHistory
from spark_jobs.gold.inputs import Inputs
from spark_jobs.runtime.parquet_reader import read_files
from spark_jobs.transforms.changes import AFTER, BATCH, BEFORE, CHANGE

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


@dataclass(frozen=True)
class ChangedRows:
    """The rows of a table that differ between two of its states.

    Args:
        since: what identifies the earlier state (an entry of `BuiltModel.inputs`).
        rows: before and after, with the columns of the table and ``_midnight_change``.
    """

    since: str
    rows: DataFrame

    @property
    def before(self) -> DataFrame:
        return self.rows.where(F.col(CHANGE) == F.lit(BEFORE)).drop(CHANGE)


class InputChanges:
    """The changes of silver, which its job recorded, and of the models that this build has already refreshed.

    Args:
        spark: any engine.
        paths: of the lake.
        histories: of the silver tables.
        inputs: the tables as they are now.
    """

    def __init__(
        self, spark: SparkSession, paths: LakePaths, histories: Mapping[str, SilverHistory], inputs: Inputs
    ) -> None:
        self._spark, self._paths, self._histories, self._inputs = spark, paths, histories, inputs
        self._models: dict[str, ChangedRows] = {}

    def add_model(self, name: str, changed: ChangedRows) -> None:
        """Keep the changed rows of a model for the models that read it."""
        self._models[f"gold.{name}"] = changed

    def find(self, reference: str, since: str) -> ChangedRows | None:
        """All rows of an input that changed since a content; None if they are not known.

        Args:
            reference: ``silver.<table>`` or ``gold.<model>``.
            since: the content in the earlier build (an entry of `BuiltModel.inputs`).
        """
        if reference in self._models:
            changed = self._models[reference]
            return changed if changed.since == since else None
        layer, _, name = reference.partition(".")
        history = self._histories.get(name) if layer == "silver" else None
        batches = history.batches_since(since) if history else None
        if not batches:
            return None
        folders = [self._paths.silver_changes(name, batch_id) for batch_id in batches]
        if any(is_local(folder) and not any(Path(folder).glob("*.parquet")) for folder in folders):
            return None
        return self._read(reference, since, folders)

    def _read(self, reference: str, since: str, folders: Sequence[str]) -> ChangedRows | None:
        from pyspark.errors import AnalysisException

        table = self.table(reference)
        try:
            rows = read_files(self._spark, folders, [*table.dtypes, (CHANGE, "string")])
            rows.schema  # noqa: B018 - Spark Connect looks for the folders only now
        except AnalysisException:
            return None  # a folder was deleted: the change set is not complete
        return ChangedRows(since, rows)

    def table(self, reference: str) -> DataFrame:
        """An input as it is now, without the bookkeeping column of silver."""
        return self._inputs.open(reference).drop(BATCH)

    def register(self, references: Sequence[str], changed: Mapping[str, ChangedRows]) -> None:
        """Register the views ``changed__…`` and ``any__…`` that the affected keys are computed from.

        Args:
            references: all inputs of the model's query.
            changed: of the inputs that changed.
        """
        for reference in references:
            rows = self.table(reference)
            if reference in changed:
                changed[reference].rows.drop(CHANGE).createOrReplaceTempView(changed_view(reference))
                rows = rows.unionAll(changed[reference].before.select(*rows.columns))
            rows.createOrReplaceTempView(any_view(reference))


def both_states(before: DataFrame, after: DataFrame) -> DataFrame:
    """All rows of two tables, with ``_midnight_change``: their ``difference`` if they have no row in common."""
    later = after.select(*before.columns)
    return before.withColumn(CHANGE, F.lit(BEFORE)).unionAll(later.withColumn(CHANGE, F.lit(AFTER)))


def difference(before: DataFrame, after: DataFrame) -> DataFrame:
    """The rows that only one of two tables has, with ``_midnight_change``; a row that one has more often is among them.

    Zero and negative zero count as different, as in a file.
    """
    fractional = [name for name, kind in before.dtypes if kind in ("double", "float")]
    signs = [F.col(name).cast("string").alias(f"_midnight_text_{place}") for place, name in enumerate(fractional)]
    sides = before.select("*", *signs, F.lit(-1).alias("_midnight_side")).unionAll(
        after.select(*before.columns, *signs, F.lit(1).alias("_midnight_side"))
    )
    groups = [name for name in sides.columns if name != "_midnight_side"]
    counted = sides.groupBy(*groups).agg(F.sum("_midnight_side").alias("_midnight_side"))
    change = F.when(F.col("_midnight_side") < 0, F.lit(BEFORE)).otherwise(F.lit(AFTER)).alias(CHANGE)
    return counted.where(F.col("_midnight_side") != 0).select(*before.columns, change)
