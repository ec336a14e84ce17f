"""The rows of a table's batches: read, typed, ranked within their key and evaluated."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING

from midnight.configuration.tables import Table
from spark_jobs.runtime.session import is_sail
from spark_jobs.silver.key_ranges import key_ranges
from spark_jobs.silver.read_batches import read_batch, read_batches
from spark_jobs.transforms.checks import CLEAN, STATE, STOPPED, WARNED, evaluate_checks
from spark_jobs.transforms.cleaning import ORIGIN, clean
from spark_jobs.transforms.conditions import any_of
from spark_jobs.transforms.duplicates import KEY_IS_NULL, number_rows
from spark_jobs.transforms.keys import divide_keys
from spark_jobs.transforms.masking import RAW, masked_values, with_pseudonyms

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

    from spark_jobs.silver.table import SilverTable

SORT_WITHOUT_LOOKING_ROWS = 200_000


class BatchRows:
    """The rows that a run evaluates: those of the batches, or of a full snapshot only those that have changed.

    Args:
        silver: the table with its batches.

    Attributes:
        have_distinct_keys: no two rows have the same key, so that duplicates are not searched.
    """

    def __init__(self, silver: SilverTable) -> None:
        self._silver = silver
        self.have_distinct_keys = False

    @property
    def count(self) -> int:
        """Number of rows, by the manifests."""
        changed = self._silver.changed
        return sum(batch.rows for batch in self._silver.batches) if changed is None else changed.rows

    @property
    def are_many(self) -> bool:
        """Whether a query over them takes longer than planning it."""
        return self.count > SORT_WITHOUT_LOOKING_ROWS

    @cached_property
    def numbered(self) -> DataFrame:
        """The rows, typed and ranked within their key."""
        several, cleaned = len(self._silver.batches) > 1, self._all_cleaned
        return self._numbered(cleaned, has_duplicates=self._may_have_duplicates(cleaned), newest_first=several)

    @cached_property
    def _all_cleaned(self) -> DataFrame:
        return self._cleaned(self._raw(), [ORIGIN] if len(self._silver.batches) > 1 else [])

    def evaluated(
        self, referenced: Mapping[str, DataFrame], table: Table | None = None, part: Column | None = None
    ) -> DataFrame:
        """The rows with their outcome (``evaluate_checks``), by the rules of ``table`` instead of its own if given.

        Args:
            referenced: silver table name -> frame with the rows that a foreign key may reference.
            table: other rules.
            part: a condition on the key, to evaluate only a part of the rows.
        """
        silver = self._silver
        rows = self.numbered if part is None else self.numbered.filter(part)
        rules, has_deleted = table or silver.table, silver.deleted.may_be_rows
        return evaluate_checks(
            silver.deleted.flag(rows, part), rules, silver.columns, referenced, has_deleted=has_deleted
        )

    def keys_of_reported(self, referenced: Mapping[str, DataFrame]) -> DataFrame:
        """The keys, with the values of bronze, of all rows of the batch that are not simply clean.

        They are rejected, or have a warning; duplicates are not searched.

        Args:
            referenced: as for ``evaluated``.
        """
        from pyspark.sql import functions as F

        silver = self._silver
        paths = silver.manifest.file_paths(silver.paths)
        rows = self._numbered(self._cleaned(read_batch(silver.session, silver.manifest, paths), []))
        evaluated = evaluate_checks(rows, silver.table, silver.columns, referenced, has_deleted=False)
        failed = [F.col(f"_midnight_check_{i}") for i in range(len(silver.table.checks))]
        reported = any_of([F.col(STATE) != CLEAN, F.col(WARNED), F.col(STOPPED), *failed])
        places = {column.name: (i, column.bronze) for i, column in enumerate(silver.columns)}
        raw = [places[name] for name in silver.table.key]
        return evaluated.filter(reported).select(*[F.col(f"{RAW}{i}").alias(str(name)) for i, name in raw])

    def keys(self) -> DataFrame:
        """The keys of the rows, not distinct, with pseudonyms in place of masked values."""
        from pyspark.sql import functions as F

        key, pseudonyms = self._silver.table.key, masked_values(self._silver.columns)
        keys = self._numbered(self._all_cleaned).filter(~F.col(KEY_IS_NULL))
        return keys.select(*[pseudonyms.get(name, F.col(name)).alias(name) for name in key])

    @cached_property
    def key_ranges(self) -> list[Column]:
        """Conditions on the key that divide the rows, so that each part fits into memory."""
        silver = self._silver
        rows = 0 if silver.existing is None else max(self.count, 0 if silver.increment else silver.rows_before)
        return key_ranges(silver.session, silver.path, silver.table, silver.columns, rows)

    def _raw(self) -> DataFrame:
        silver = self._silver
        if silver.changed is None:
            return read_batches(silver.session, silver.batches, silver.paths)
        return read_batch(silver.session, silver.manifest, [silver.changed.path] if silver.changed.rows else [])

    def _cleaned(self, raw: DataFrame, keep: list[str]) -> DataFrame:
        return clean(raw, self._silver.table, self._silver.columns, keep)

    def _numbered(self, cleaned: DataFrame, *, has_duplicates: bool = False, newest_first: bool = False) -> DataFrame:
        silver, options = self._silver, {"has_duplicates": has_duplicates, "newest_first": newest_first}
        numbered = number_rows(cleaned, silver.table, silver.columns, **options)
        return with_pseudonyms(numbered, silver.columns, silver.masking_key)

    def _may_have_duplicates(self, cleaned: DataFrame) -> bool:
        """Without duplicates, as in nearly every table with a key, no sort is needed.

        Few rows are sorted in less time than a query takes.
        """
        from pyspark.sql import functions as F

        key = self._silver.table.key
        if self.have_distinct_keys:
            return False
        if not key or not self.are_many:
            return True
        counts = [cleaned.filter(part).groupBy(*key).count() for part in self._parts_of_keys()]
        return any((count.agg(F.max("count")).collect()[0][0] or 0) > 1 for count in counts)

    def _parts_of_keys(self) -> list[Column]:
        """Conditions on the key, of which one is true for each row: ranges, or of a new table on Sail hashes."""
        silver = self._silver
        if len(self.key_ranges) > 1 or not is_sail(silver.session):
            return self.key_ranges
        kinds = {column.name: column.target for column in silver.columns}
        return divide_keys({name: kinds[name] for name in silver.table.key}, self.count)
