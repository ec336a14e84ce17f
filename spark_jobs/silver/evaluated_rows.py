"""The rows of a batch as they were evaluated, which is what silver and the quarantine should have got."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from midnight.lake.paths import is_local
from midnight.reconciliation.row_sources import FileRows, RowSource, rows_with, staged_files
from spark_jobs.reconciliation.frame_rows import FrameRows
from spark_jobs.transforms.changes import ACTION, DELETE, INSERT, MARK, RETAINED, UNCHANGED, UPDATE
from spark_jobs.transforms.checks import CLEAN, DROPPED_STATE, DUPLICATE, OBSOLETE, QUARANTINED, STATE
from spark_jobs.transforms.staging import before_name

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


@dataclass(frozen=True)
class Evaluated:
    """The staged rows of a batch.

    Args:
        frame: as the engine reads them.
        path: of their folder.
        columns: of the digest.
        overwrite: the table was replaced by the clean rows; otherwise rows were inserted, updated and deleted.
    """

    frame: DataFrame
    path: str
    columns: Sequence[str]
    overwrite: bool

    @property
    def added(self) -> RowSource:
        """The rows that the table has got."""
        kept = (UNCHANGED, RETAINED) if self.overwrite else ()
        return self._rows(ACTION, (INSERT, UPDATE, MARK, *kept), before=False)

    @property
    def removed(self) -> RowSource:
        """The rows that the table had before, as the job read them."""
        return self._rows(ACTION, (UPDATE, DELETE, MARK), before=True)

    @property
    def clean(self) -> RowSource:
        """The clean rows of an increment, changed or not."""
        return self._rows(STATE, (CLEAN,), before=False)

    @property
    def retained(self) -> RowSource:
        """With ``deletes: soft``, the rows of silver that the batches do not have."""
        return self._rows(ACTION, (MARK, RETAINED), before=False)

    @property
    def rejected(self) -> RowSource:
        """The rows of the batches that do not reach silver."""
        return self._rows(STATE, (DUPLICATE, QUARANTINED, DROPPED_STATE, OBSOLETE), before=False)

    def _rows(self, column: str, values: Sequence[str], *, before: bool) -> RowSource:
        renamed = {name: before_name(name) for name in self.columns} if before else {}
        if is_local(self.path):
            return FileRows(staged_files(self.path), rows_with(column, values), (column,), renamed)
        from pyspark.sql import functions as F

        rows = self.frame.filter(F.col(column).isin(*values))
        return FrameRows(rows.select(*(F.col(renamed.get(name, name)).alias(name) for name in self.columns)))
