"""Refreshes one model: finds the affected keys, computes their rows, and replaces those that differ."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pyspark.errors import PySparkException
from pyspark.sql import functions as F

from midnight.errors import LakeError, first_line
from midnight.lake.paths import is_local
from midnight.silver_to_gold.builds import BuiltModel
from midnight.silver_to_gold.models import GoldModel
from midnight.silver_to_gold.refresh.choose import rewrite_costs_more, too_many_keys
from midnight.silver_to_gold.refresh.plan import AFFECTED_KEYS, DrivingInput, RefreshPlan
from midnight.sql_text import quote_backticked
from spark_jobs.gold.affected_rows import MOST_IN_MEMORY, Keys, staged_keys
from spark_jobs.gold.changed_rows import ChangedRows
from spark_jobs.gold.differing_rows import Difference, find_difference, most_rows_differ
from spark_jobs.gold.ordered_inputs import plain_column
from spark_jobs.gold.replace_keys import Replacement, replace_all, replace_keys
from spark_jobs.gold.tables import in_contract_form
from spark_jobs.runtime.delta_tables import open_table
from spark_jobs.runtime.found_rows import FoundRows, files_with_keys, find_rows
from spark_jobs.runtime.parquet_reader import read_files
from spark_jobs.runtime.staged_rows import StagedFolder, stage_table
from spark_jobs.transforms.keys import with_keys

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame

    from spark_jobs.gold.refresh import Refresher

# Rows that are replaced in the pass that reads them stay in memory together with those that replace them.
FEW_ROWS = 250_000


@dataclass(frozen=True)
class Refreshed:
    """A refreshed model.

    Args:
        before: the rows of the earlier table with an affected key.
        after: the rows that it has for these keys now.
        changed: the rows that differ; None if the model has the same rows as before, and its earlier table stays.
        rows: of the new table, as its files say; None in Azure.
        key: columns of the affected keys.
        why: what was done, for people.
        every_row: ``changed`` are all rows of ``before`` and ``after``.
    """

    before: DataFrame
    after: DataFrame
    changed: DataFrame | None
    rows: int | None
    key: tuple[str, ...]
    why: str
    every_row: bool = False


class ModelRefresh:
    """The refresh of one model.

    Args:
        refresher: of the run.
        model: whose definition has not changed since ``earlier``.
        plan: not of the kind ``full``.
        earlier: the recorded build.
        input_rows: of the largest driving input.
    """

    def __init__(
        self, refresher: Refresher, model: GoldModel, plan: RefreshPlan, earlier: BuiltModel, input_rows: int
    ) -> None:
        self._refresher, self._model, self._plan, self._earlier = refresher, model, plan, earlier
        self._input_rows = input_rows
        self._spark = refresher.spark
        self._source = refresher.paths.gold_folder(earlier.path)

    def run(self, changed: Mapping[str, ChangedRows], target: str) -> Refreshed | str:
        """Write the refreshed table; see ``Refresher.refresh``.

        Args:
            changed: reference -> rows of an input that changed.
            target: path of the new table.
        """
        key = self._plan.key
        try:
            keys = self._affected_keys(changed)
            affected = keys.count()
            wanted = staged_keys(keys, affected)
            reason = too_many_keys(affected, self._earlier.rows)
            found = None if reason or wanted.in_memory is None else find_rows(self._source, wanted.in_memory)
            if found is not None:
                reason = rewrite_costs_more(max(affected, found.rows), found.rows_of_files, self._input_rows)
            if reason:
                return reason
            after = self._after(wanted)
            replaced = None if found is None else self._replace_unread(found, after, target)
            before, differing = self._compare(found, replaced, after, wanted)
            if differing is None:
                return "its restricted query returns rows of keys that are not affected"
        except PySparkException as error:
            return f"the refresh failed: {first_line(error)}"
        if not differing.keys.number:
            why = f"{affected:,} keys affected, no row differs"
            return Refreshed(before.rows, after.rows, None, self._earlier.rows, key, why)
        done = replaced or self._replace(differing, after.rows, affected, target, found)
        differ = f"{affected:,} keys affected, {differing.keys.number:,} of them differ"
        why = f"{differ} in {self._earlier.rows:,} rows, {done.text}"
        return Refreshed(before.rows, after.rows, differing.rows, done.rows, key, why, differing.every_row)

    def _compare(
        self, found: FoundRows | None, replaced: Replacement | None, after: StagedFolder, keys: Keys
    ) -> tuple[StagedFolder, Difference | None]:
        """The earlier rows of the affected keys, and what differs from them (``find_difference``)."""
        earlier = None if replaced is None else replaced.removed
        if earlier is None and found is not None and found.rows <= MOST_IN_MEMORY:
            earlier = found.read().combine_chunks()  # once, for what follows
        before = self._before(keys) if earlier is None else self._stage_earlier(earlier)
        folder = self._refresher.folder(self._model.name, "changed")
        return before, find_difference(before, after, keys, self._plan.key, folder, earlier=earlier)

    def _replace(
        self, differing: Difference, after: DataFrame, affected: int, target: str, found: FoundRows | None
    ) -> Replacement:
        keys, key = differing.keys, self._plan.key
        if found is not None and keys.number == affected and differing.later is not None:
            return replace_all(self._spark, found, target, differing.later)
        rows = after if keys.number == affected else with_keys(after, keys.rows, key)
        known = None if keys.in_memory is None or differing.later is None else (keys.in_memory, differing.later)
        options: dict[str, Any] = {"in_memory": known, "found": found}
        return replace_keys(self._spark, self._source, target, key=key, keys=keys.rows, rows=rows, **options)

    def _replace_unread(self, found: FoundRows, after: StagedFolder, target: str) -> Replacement | None:
        """Replace all rows that were found, if their files are too large to be read twice and most rows differ.

        Returns:
            None if the rows are compared before any is replaced.
        """
        few = max(found.rows, after.count()) <= FEW_ROWS
        later = after.to_arrow() if few and not found.stay_in_memory else None
        if later is None or found.keys.numbers(later.select(found.keys.names)).null_count:
            return None
        differ = most_rows_differ(found, later)
        return replace_all(self._spark, found, target, later, collect=True) if differ else None

    def _affected_keys(self, changed: Mapping[str, ChangedRows]) -> StagedFolder:
        references = [*self._plan.affected, *self._plan.full_when_changed]
        self._refresher.changes.register(references, changed)
        types = {column.name: column.type for column in self._model.contract.columns}
        columns = [F.col(quote_backticked(name)).cast(types[name]).alias(name) for name in self._plan.key]
        parts = [self._plan.affected[reference] for reference in changed]
        if parts:
            keys = self._spark.sql("\nUNION ALL\n".join(f"SELECT * FROM (\n{part}\n)" for part in parts))
            keys = keys.select(*columns).distinct()
        else:
            keys = self._spark.createDataFrame([], ", ".join(f"{n} {types[n]}" for n in self._plan.key))
        staged = self._stage("keys", keys)
        staged.rows.createOrReplaceTempView(AFFECTED_KEYS)
        return staged

    def _before(self, keys: Keys) -> StagedFolder:
        table = self._open(self._source, keys)
        return self._stage("before", with_keys(table, keys.rows, self._plan.key))

    def _stage_earlier(self, rows: pa.Table) -> StagedFolder:
        table, path = self._table(self._source), self._refresher.folder(self._model.name, "before")
        return stage_table(self._spark, rows, path, dict(table.dtypes))

    def _after(self, keys: Keys) -> StagedFolder:
        for item in self._plan.driving:
            self._driving_rows(item, keys).createOrReplaceTempView(item.view)
        rows = self._spark.sql(self._plan.restricted_sql)
        return self._stage("after", in_contract_form(self._model.name, rows, self._model.contract.columns))

    def _driving_rows(self, item: DrivingInput, keys: Keys) -> DataFrame:
        """The rows of a driving input with an affected key, from the files that have one if they can be found."""
        columns = self._plain_columns(item)
        if columns is None:
            return self._spark.sql(item.sql)
        named = zip(self._plan.key, columns, strict=True)
        renamed = keys.rows.select(*(F.col(quote_backticked(key)).alias(name) for key, name in named))
        known = None if keys.in_memory is None else keys.in_memory.select(self._plan.key).rename_columns(columns)
        table = self._open(self._refresher.path_of(item.reference), Keys(renamed, keys.number, known))
        return with_keys(table, renamed, columns)

    def _plain_columns(self, item: DrivingInput) -> list[str] | None:
        """The input's columns that are the model's key, if they have its types."""
        kinds = {name.casefold(): (name, kind) for name, kind in self._refresher.changes.table(item.reference).dtypes}
        key_kinds = dict(self._spark.table(AFFECTED_KEYS).dtypes)
        columns = []
        for name, expression in zip(self._plan.key, item.key, strict=True):
            column, kind = kinds.get(plain_column(expression).casefold(), ("", ""))
            if not column or kind != key_kinds[name]:
                return None
            columns.append(column)
        return columns if len(set(columns)) == len(columns) else None

    def _open(self, path: str, keys: Keys) -> DataFrame:
        """The rows of a table, at least those with one of some keys."""
        known = keys.rows if keys.in_memory is None else keys.in_memory
        files = files_with_keys(path, known) if is_local(path) else None
        table = self._table(path)
        return table if files is None else read_files(self._spark, files, table.dtypes)

    def _table(self, path: str) -> DataFrame:
        table = open_table(self._spark, path)
        if table is None:
            raise LakeError(f"{path} was deleted while the job was running; hint: clear the task")
        return table

    def _stage(self, part: str, rows: DataFrame) -> StagedFolder:
        return self._refresher.stage(self._model.name, part, rows)
