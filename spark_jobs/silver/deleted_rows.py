"""Which rows of a table the source has deleted since they were read, by the lists of keys of its batches.

The newest list decides: a row of an older batch is still in the source if the list has its key. The rows of the batch
with the list, and of later ones, are in the source whatever the list says, since Data Factory reads them at another
time than the list.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from midnight.bronze_to_silver.batch_chain import Chain, have_same_keys
from spark_jobs.runtime.session import is_sail
from spark_jobs.silver.key_lists import KNOWN, LAST, MARK, KeyReader, stage_differences
from spark_jobs.transforms.changes import align, compare, old_name
from spark_jobs.transforms.cleaning import DELETED, ORIGIN
from spark_jobs.transforms.conditions import all_of
from spark_jobs.transforms.duplicates import KEY_IS_NULL
from spark_jobs.transforms.masking import masked_values
from spark_jobs.transforms.soft_deletes import retain_deleted

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

    from spark_jobs.silver.table import SilverTable


class DeletedRows:
    """The deleted rows of one table in one run.

    Args:
        silver: the table with the batches to bring to silver.
    """

    def __init__(self, silver: SilverTable) -> None:
        self._silver = silver
        self._keys = KeyReader(silver.session, silver.paths, silver.table, silver.columns, silver.masking_key)
        with_list = [batch for batch in silver.batches if batch.keys is not None]
        # A row that is only marked needs to know the first list without it.
        self._lists = with_list if silver.table.deletes == "soft" else with_list[-1:]

    def flag(self, rows: DataFrame, part: Column | None = None) -> DataFrame:
        """Add ``_midnight_deleted_batch_id``: null, or the batch that saw a row of the batches go.

        Args:
            rows: ``BatchRows.numbered``, or a part of it.
            part: a condition on the key that all these rows fulfil.
        """
        from pyspark.sql import functions as F

        if not self.may_be_rows:
            return rows.withColumn(DELETED, F.lit(None).cast("string")) if self._silver.soft else rows
        names = self._silver.table.key
        gone = self._gone if part is None else self._gone.filter(part)
        other = gone.select(*[F.col(name).alias(f"_midnight_gone_{i}") for i, name in enumerate(names)], KNOWN, LAST)
        pseudonyms = masked_values(self._silver.columns)
        own = [pseudonyms.get(name, F.col(name)) for name in names]
        same = all_of([value == F.col(f"_midnight_gone_{i}") for i, value in enumerate(own)])
        joined = rows.join(other, on=same, how="left")
        is_gone = F.coalesce(F.col(KNOWN), F.lit(False)) & ~F.col(KEY_IS_NULL)
        read_in = F.greatest(F.col(ORIGIN), F.coalesce(F.col(LAST), F.lit("")))
        return joined.select(*rows.columns, F.when(is_gone, self._first_list_after(read_in)).alias(DELETED))

    def silver_keys(self) -> tuple[DataFrame | None, int]:
        """The keys of silver's rows that change although no row is evaluated, and their number; None for none.

        They are gone, or, of marked rows, back: by the lists, or since the full snapshot does not have them.
        """
        from pyspark.sql import functions as F

        silver, changed = self._silver, self._silver.changed
        if changed is not None and changed.gone and silver.difference is not None:
            return self._keys.of_files(silver.difference.before, [changed.gone_path]), changed.gone
        if self._differences is None:
            return None, 0
        moved = self._differences.filter(F.col(KNOWN) & (F.col(MARK).isNull() | self._is_listed))
        keys = moved.select(*silver.table.key)
        return keys, keys.count()

    def retained(self, columns: Sequence[str]) -> DataFrame | None:
        """Columns of the rows that silver keeps although the batches do not have them; None if there may be none."""
        silver = self._silver
        if not silver.soft or silver.existing is None or silver.replace:
            return None
        before = align(silver.existing, silver.columns, keyless=False, marked=True)
        return before.join(silver.rows.keys(), on=list(silver.table.key), how="left_anti").select(*columns)

    def compare(self, evaluated: DataFrame, before: DataFrame | None) -> DataFrame:
        """``changes.compare``; with ``deletes: soft`` rows that are gone stay, and get a mark.

        Args:
            evaluated: from ``BatchRows.evaluated``.
            before: the rows of silver to compare with, aligned; None for a new table.
        """
        silver = self._silver
        structures = not is_sail(silver.session)
        compared = compare(evaluated, before, silver.table.key, silver.compared, structures=structures)
        if before is None or not silver.soft:
            return compared
        compared, mark = self._with_mark(compared)
        return retain_deleted(compared, evaluated, silver.table.key, silver.compared, mark)

    def _with_mark(self, compared: DataFrame) -> tuple[DataFrame, Column]:
        """Add what the lists say about rows of silver; and their mark by it."""
        from pyspark.sql import functions as F

        # A row that no batch has was gone when the first of them was read.
        first, mark = self._silver.batches[0].batch_id, F.col(old_name(DELETED))
        if self._differences is None:
            return compared, F.coalesce(mark, F.lit(first))
        names = {f"_midnight_key_{i}": name for i, name in enumerate(self._silver.table.key)}
        known = self._differences.filter(F.col(KNOWN))
        other = known.select(*[F.col(name).alias(alias) for alias, name in names.items()], KNOWN, LAST)
        same = all_of([F.col(old_name(name)) == F.col(alias) for alias, name in names.items()])
        is_present = F.col(KNOWN).isNull() | self._is_listed
        first = self._lists[0].batch_id if self._silver.increment else first
        since = F.when(F.col(LAST).isNull(), F.coalesce(mark, F.lit(first))).otherwise(
            self._first_list_after(F.col(LAST))
        )
        return compared.join(other, on=same, how="left"), F.when(~is_present, since)

    def came_back(self, chain: Chain, applied: str) -> bool:
        """Whether a row that the source had deleted is there again although its cursor has not moved.

        Its values are in a batch before those that are to be applied: all batches have to be evaluated.

        Args:
            chain: all batches since the last full snapshot.
            applied: the one whose state silver has.
        """
        from pyspark.sql import functions as F

        older = [batch for batch in chain if batch.batch_id <= applied]
        before = next((batch for batch in reversed(older) if batch.keys is not None), None)
        if before is None or not self._lists:
            return False
        batches = self._silver.batches
        if before.batch_id == applied and len(batches) == 1 and have_same_keys(before, batches[0]):
            self._lists = []  # it deletes nothing
            return False
        if self._silver.soft or self._differences is None:
            return False
        names = list(self._silver.table.key)
        new = self._differences.filter(~F.col(KNOWN)).select(*names)
        if not new.take(1):
            return False
        # What was not in silver although the source had it is still not clean.
        new = new.join(self._keys.listed(before), on=names, how="left_anti")
        for rows in self._keys.of_rows(self._silver.batches):
            new = new.join(rows, on=names, how="left_anti")
        # The few new keys are on the left: that side is held in memory.
        is_older = (new.join(rows, on=names, how="left_semi").take(1) for rows in self._keys.of_rows(older))
        return bool(new.take(1)) and any(is_older)

    @property
    def may_be_rows(self) -> bool:
        """Whether rows of the batches may be deleted: some are older than the newest list."""
        if not self._lists or self._differences is None:
            return False
        return any(batch.rows and batch.batch_id < self._lists[-1].batch_id for batch in self._silver.batches)

    @property
    def _gone(self) -> DataFrame:
        from pyspark.sql import functions as F

        if self._differences is None:
            raise ValueError("no batch has a list of keys")
        return self._differences.filter(F.col(KNOWN) & ~self._is_listed)

    @property
    def _is_listed(self) -> Column:
        from pyspark.sql import functions as F

        return F.col(LAST).eqNullSafe(F.lit(self._lists[-1].batch_id))

    def _first_list_after(self, batch: Column) -> Column:
        from pyspark.sql import functions as F

        return F.coalesce(*[F.when(F.lit(one.batch_id) > batch, F.lit(one.batch_id)) for one in self._lists])

    @cached_property
    def _differences(self) -> DataFrame | None:
        """Staged: the keys of silver and of older rows that are not in the newest list, and those in it alone."""
        from pyspark.sql import functions as F

        silver, names = self._silver, list(self._silver.table.key)
        if not self._lists:
            return None
        newest = self._lists[-1]
        nothing = F.lit(None).cast("string").alias(MARK)
        older = [batch for batch in silver.batches if batch.batch_id < newest.batch_id and batch.rows]
        known = [rows.select(*names, nothing) for rows in self._keys.of_rows(older)]
        count = sum(batch.rows for batch in older)
        existing = silver.existing if (silver.increment or silver.soft) and not silver.replace else None
        if existing is not None:
            aligned = align(existing, silver.columns, keyless=False, marked=True)
            known.append(aligned.select(*names, F.col(DELETED).alias(MARK)))
            count += silver.rows_before
        if not known:
            return None
        lists = {batch.batch_id: self._keys.listed(batch) for batch in self._lists}
        count = max(count, sum(batch.keys.rows for batch in self._lists if batch.keys))
        folder = silver.paths.silver_staging(silver.table.silver, "deleted")
        return stage_differences(known, lists, self._keys.types, rows=count, folder=folder)
