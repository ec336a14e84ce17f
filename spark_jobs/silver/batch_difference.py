"""Which rows of a batch are not in the batch before, so that the others need not be evaluated again.

The same rules give the same outcome for the same row, as long as no rule looks at other rows or at the clock. A row of
bronze that the batch before has, too, is therefore in silver already. Two batches of bronze are compared by pyarrow in
a fraction of the time in which the engine evaluates all rows and joins them with silver.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from midnight.bronze.alignment import have_same_columns
from midnight.bronze.batches import BronzeStore
from midnight.bronze.manifest import BronzeFile, Manifest
from midnight.bronze_to_silver.batch_chain import Chain, have_same_keys
from midnight.bronze_to_silver.fingerprint import Fingerprint
from midnight.bronze_to_silver.table_order import has_independent_rows
from midnight.configuration.checks import Expression, ForeignKey
from midnight.configuration.tables import Table
from midnight.lake.files import open_local_lake
from midnight.lake.ledger import LedgerEntry
from midnight.lake.paths import LakePaths, is_local
from midnight.silver_to_gold.sql_references import NOT_REPRODUCIBLE
from spark_jobs.runtime.delta_log import count_by_log
from spark_jobs.runtime.found_rows import MAX_CHANGED_ROWS
from spark_jobs.runtime.key_set import KeySet
from spark_jobs.runtime.parquet_files import DataFile
from spark_jobs.runtime.repeated_rows import ChangedFiles, find_changed_rows
from spark_jobs.transforms.columns import plan_columns

if TYPE_CHECKING:
    import pyarrow as pa

# The engine evaluates a snapshot with fewer rows as fast.
SMALL_SNAPSHOT_ROWS = 100_000
# Of an increment only whether all its rows are repeated is asked, before the engine starts.
LARGE_INCREMENT_ROWS = 1_000_000
# Words of an expression whose value may depend on the time of the query.
_OF_THE_MOMENT = NOT_REPRODUCIBLE | {"today", "tomorrow", "yesterday", "unix_timestamp", "to_unix_timestamp"}


@dataclass
class BatchDifference:
    """The difference between a batch and the one from which silver was made, in a local lake.

    Args:
        table: with its rules, which have not changed since then.
        before: the batch of silver's state; ``after``: the one to apply.
        last: the entry of the ledger for ``before``.
        paths: of the lake.
    """

    table: Table
    before: Manifest
    after: Manifest
    last: LedgerEntry
    paths: LakePaths

    @classmethod
    def of(
        cls, table: Table, chain: Chain, last: LedgerEntry | None, wanted: Fingerprint, paths: LakePaths
    ) -> BatchDifference | None:
        """The difference that the newest batch of a table makes.

        Args:
            table: not in a cycle of references.
            chain: its batches.
            last: the entry whose state silver is in; None if that is not certain.
            wanted: the fingerprint that it gets.
            paths: of the lake.

        Returns:
            None if all rows have to be evaluated, or so few that the engine is as fast.
        """
        if last is None or not is_local(paths.bronze) or not _depends_on_row_alone(table):
            return None
        made_by = Fingerprint.parse(last.fingerprint)
        if made_by is None or not made_by.has_rules_of(wanted):
            return None
        after = chain[-1]
        before = _batch_before(table, chain, last, paths)
        if before is None or not have_same_columns(before, after):
            return None
        if last.duplicates or last.obsolete or count_by_log(paths.silver_table(table.silver)) != last.silver_after:
            return None
        return cls(table, before, after, last, paths)

    @property
    def has_reported_rows(self) -> bool:
        """Whether rows of the batch before were rejected or had a warning, which are reported in every run."""
        return bool(self.last.quarantined or self.last.dropped or self.last.warnings)

    def is_nothing(self) -> bool:
        """Whether the batch has no row that the one before does not have, and, if it is a full snapshot, lacks none."""
        if self.after.follows:
            found = None if self.has_reported_rows else self._find(None, most=0)
            return found is not None and not found.rows
        found = None if self.has_reported_rows else self.find()
        return found is not None and not found.rows and not found.gone

    def find(self, reported: pa.Table | None = None) -> ChangedFiles | None:
        """The changed rows of a full snapshot.

        Args:
            reported: the keys, with the values of bronze, of rows that must be evaluated in any case.

        Returns:
            None if all rows have to be evaluated.
        """
        if self.after.follows:
            return None
        if reported is not None and reported.num_rows:
            return self._find(KeySet(reported), most=MAX_CHANGED_ROWS)
        return self._changed

    @cached_property
    def _changed(self) -> ChangedFiles | None:
        return self._find(None, most=MAX_CHANGED_ROWS)

    def rows_in_silver(self, changed: ChangedFiles) -> int:
        """How many rows of silver have one of the changed keys, if no two rows of the snapshot have the same key.

        Those of the batch before, without the rows that it rejected: all of them are among the changed ones.
        """
        return changed.known + changed.gone - self.last.quarantined - self.last.dropped

    def _find(self, also: KeySet | None, *, most: int) -> ChangedFiles | None:
        import pyarrow as pa

        before, after = self._different_files(also)
        bronze = {column.name: str(column.bronze) for column in plan_columns(self.table, self.after)}
        key = [bronze[name] for name in self.table.key]
        folder = self.paths.silver_staging(self.table.silver, "changed")
        whole = not self.after.follows
        try:
            return find_changed_rows(before, after, key, folder, most=most, also=also, whole=whole)
        except (OSError, pa.ArrowException):
            return None  # the engine names the damaged file

    def _different_files(self, also: KeySet | None) -> tuple[list[str], list[str]]:
        """The files of both batches, without those that both have."""
        equal = Counter(self._digests(self.before)) & Counter(self._digests(self.after))
        if also is not None:
            folder = self.paths.batch(self.after.source, self.after.schema_name, self.after.table, self.after.batch_id)
            for file in self.after.files:
                if file.sha256 in equal and DataFile(folder, file.name, file.bytes).find(also) is not None:
                    del equal[file.sha256]
        return self._without(self.before, equal), self._without(self.after, equal)

    def _digests(self, batch: Manifest) -> list[str]:
        return [file.sha256 for file in batch.files if file.sha256]

    def _without(self, batch: Manifest, digests: Counter[str]) -> list[str]:
        left, kept = digests.copy(), list[str]()
        pairs: Sequence[tuple[BronzeFile, str]] = list(zip(batch.files, batch.file_paths(self.paths), strict=True))
        for file, path in pairs:
            if left[file.sha256] > 0:
                left[file.sha256] -= 1
            else:
                kept.append(path)
        return kept


def _batch_before(table: Table, chain: Chain, last: LedgerEntry, paths: LakePaths) -> Manifest | None:
    """The batch of silver's state, if the newest one repeats its rows; None if it does not, or is small or unknown."""
    newest = chain[-1]
    if newest.batch_id <= last.batch_id:
        return None
    if newest.follows:
        if newest.follows != last.batch_id or newest.rows > LARGE_INCREMENT_ROWS:
            return None
        earlier = chain[-2]
        deletes_nothing = newest.keys is None or have_same_keys(earlier, newest)
        return earlier if deletes_nothing and _has_nothing_newer(earlier, newest) else None
    if newest.rows < SMALL_SNAPSHOT_ROWS or table.deletes == "soft":
        return None
    bronze = BronzeStore(open_local_lake(), paths, newest.source)
    before = bronze.read_manifest(table, last.batch_id)
    return None if before is None or before.follows else before


def _has_nothing_newer(before: Manifest, after: Manifest) -> bool:
    """Whether the cursor of an increment is where it was, as if nothing had been written since the batch before."""
    return before.cursor is not None and after.cursor is not None and before.cursor.reached == after.cursor.reached


def _depends_on_row_alone(table: Table) -> bool:
    """Whether the outcome of a row follows from the row, the rules and rows of other tables that have not changed.

    A missing reference that only causes a warning is counted again in each run.
    """
    if not table.key or table.proves_silver or not has_independent_rows(table, [table]):
        return False
    for check in table.checks:
        if isinstance(check, ForeignKey) and check.on_failure == "warn":
            return False
        if isinstance(check, Expression) and _OF_THE_MOMENT & set(re.findall(r"\w+", check.sql.lower())):
            return False
    return True
