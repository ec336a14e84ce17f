"""Stages the outcome of a table's batches: their rows, evaluated and compared with those of silver."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from spark_jobs.runtime.found_rows import MAX_CHANGED_ROWS
from spark_jobs.runtime.session import is_sail
from spark_jobs.runtime.staged_rows import StagedRows, stage_rows
from spark_jobs.silver.counts import count_staged
from spark_jobs.silver.key_bounds import batch_bounds
from spark_jobs.silver.verify_checks import verify_checks
from spark_jobs.silver.write_changes import rows_with_keys
from spark_jobs.transforms.changes import DELETE, UNCHANGED, UPDATE, align
from spark_jobs.transforms.cleaning import ORIGIN
from spark_jobs.transforms.staging import outcome_rows, outcome_schema, with_rejected_values

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

    from spark_jobs.runtime.found_rows import FoundRows
    from spark_jobs.silver.column_figures import CountedColumns
    from spark_jobs.silver.table import SilverTable


class OutcomeStaging:
    """The staging of one table.

    Args:
        silver: the table with its batches. Of a full snapshot of which only some rows have changed its ``changed`` and
            ``increment`` are set.
        referenced: silver table name -> frame with the rows that a foreign key may reference.
        counted: columns whose figures are wanted.

    Attributes:
        found: where the rows of silver are that were compared, if they were searched in its files.
    """

    def __init__(self, silver: SilverTable, referenced: Mapping[str, DataFrame], counted: CountedColumns) -> None:
        self._silver, self._referenced, self._counted = silver, referenced, counted
        self.found: FoundRows | None = None

    def stage(self, *, overwrite: bool) -> StagedRows:
        """Stage the rows; see ``outcome_rows``.

        Args:
            overwrite: all rows of silver will be replaced.
        """
        changed = None if overwrite else self._stage_changed()
        return changed or self._stage_rows(overwrite=overwrite)

    def _stage_changed(self) -> StagedRows | None:
        """Stage the changed rows of a full snapshot; None if all its rows have to be evaluated."""
        silver, difference = self._silver, self._silver.difference
        if difference is None:
            return None
        reported = None
        if difference.has_reported_rows:
            reported = silver.rows.keys_of_reported(self._referenced).limit(MAX_CHANGED_ROWS + 1).toArrow()
        found = None if reported is not None and reported.num_rows > MAX_CHANGED_ROWS else difference.find(reported)
        if found is not None:
            silver.changed, silver.increment = found, True
            outcome = self._stage_rows(overwrite=False)
            rows = sum(outcome.counts[f"action_{action}"] for action in (UPDATE, UNCHANGED, DELETE))
            if rows == difference.rows_in_silver(found):
                return outcome
            # A key of the snapshot is not unique as silver sees it: which row stays, only a look at all rows can tell.
            silver.changed, silver.increment, self.found = None, False, None
            del silver.rows
        return None

    def _stage_rows(self, *, overwrite: bool) -> StagedRows:
        silver, table, names = self._silver, self._silver.table, self._silver.silver_columns
        before = self._existing()
        if before is not None:
            before = align(before, silver.columns, keyless=not table.key, marked=silver.soft)
        verify_checks(silver.rows.numbered, table, silver.columns)
        compares = table.proves_silver and silver.increment
        options: dict[str, Any] = {"silver_columns": names, "all_rows": overwrite, "clean_rows": compares}
        parts = [
            outcome_rows(compared, table, silver.columns, self._origin(), **options)
            for compared in self._compared(before, in_parts=not overwrite and self.found is None)
        ]
        schema = outcome_schema(table, silver.columns, silver_columns=names, all_rows=overwrite)
        path, many = silver.paths.silver_staging(table.silver), silver.rows.are_many
        staged = stage_rows(parts, path, schema, ordered=overwrite and many)
        # Most rows of a snapshot are unchanged, few of an increment are. A query of Apache Spark costs more.
        few_changes = many and not overwrite and not silver.increment and is_sail(silver.session)
        return StagedRows(staged, count_staged(staged, table, self._counted, few_changes=few_changes))

    def _existing(self) -> DataFrame | None:
        """The rows of silver to compare with: of an increment those with its keys, or with keys that are gone."""
        silver, rows = self._silver, self._silver.rows
        if silver.replace or silver.existing is None or not silver.increment:
            return None if silver.replace else silver.existing
        gone, number = silver.deleted.silver_keys()
        keys = rows.keys() if gone is None else rows.keys().unionAll(gone)
        by_bounds = gone is None and silver.changed is None and not is_sail(silver.session)  # Sail searches the footers
        bounds = batch_bounds(silver.table, silver.columns, silver.batches, silver.paths) if by_bounds else {}
        found = rows_with_keys(
            silver.session,
            silver.path,
            silver.existing,
            keys,
            number + rows.count,
            bounds=bounds,
            folder=silver.paths.silver_staging(silver.table.silver, "before"),
        )
        self.found = found.found
        rows.have_distinct_keys = found.found is not None and not found.found.repeated
        return found.rows

    def _compared(self, before: DataFrame | None, *, in_parts: bool) -> list[DataFrame]:
        silver, evaluated = self._silver, self._silver.rows.evaluated
        if before is None or not in_parts or len(silver.rows.key_ranges) == 1:
            parts = [(evaluated(self._referenced), before)]
        else:
            parts = [(evaluated(self._referenced, part=p), before.filter(p)) for p in silver.rows.key_ranges]
        return [
            silver.deleted.compare(with_rejected_values(rows, silver.table, silver.columns), old) for rows, old in parts
        ]

    def _origin(self) -> Column:
        from pyspark.sql import functions as F

        newest = F.lit(self._silver.manifest.batch_id)
        return F.coalesce(F.col(ORIGIN), newest) if len(self._silver.batches) > 1 else newest
