"""The link *bronze = silver*: the columns that no rule changes, over all rows that the ledger calls clean.

The rows of the batches, as pyarrow reads bronze, are compared with silver and the rows that do not reach it. Text is
trimmed, and texts that mean null become null, here by pyarrow: so these columns are compared as well, which proves that
the engine did exactly that. A column that is cast, filled or masked cannot be compared.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from midnight.bronze.alignment import column_in
from midnight.bronze.manifest import Manifest
from midnight.configuration.columns import Fill
from midnight.lake.paths import is_local
from midnight.reconciliation.differences import Subject
from midnight.reconciliation.read_back import Sum, compare_with
from midnight.reconciliation.record import LinkRecord
from midnight.reconciliation.row_digest import DigestPlan, keep_columns
from midnight.reconciliation.row_sources import FileRows, RowSource
from midnight.reconciliation.spark_columns import digest_plan
from spark_jobs.reconciliation.frame_rows import FrameRows
from spark_jobs.silver.read_batches import read_batches
from spark_jobs.transforms.cleaning import WHITE_SPACE
from spark_jobs.transforms.columns import PlannedColumn

if TYPE_CHECKING:
    import pyarrow as pa

    from spark_jobs.silver.table import SilverTable


def comparable_columns(columns: Sequence[PlannedColumn]) -> list[PlannedColumn]:
    """The columns whose silver value is the bronze value, or its trimmed text."""
    return [
        column
        for column in columns
        if column.bronze is not None
        and not column.drop
        and not column.masked
        and column.stored == column.target
        and not isinstance(column.nulls, Fill)
    ]


def compare_with_bronze(
    silver: SilverTable, clean: RowSource, rejected: RowSource, sums: Any, whole: DigestPlan
) -> LinkRecord:
    """Compare the batches with silver.

    Args:
        silver: the table.
        clean: the clean rows of the batches: all of silver, or of an increment those that were staged.
        rejected: the staged rows that do not reach silver.
        sums: the digest of ``clean`` by the plan ``whole``, so that they are not read again.
        whole: all columns of silver.
    """
    started = time.monotonic()
    columns = [column for column in comparable_columns(silver.columns) if _is_alike(column, silver.batches)]
    names = {column.name for column in columns}
    left_out = sorted(column.name for column in silver.columns if not column.drop and column.name not in names)
    reason = f"not compared, since rules change them: {', '.join(left_out)}" if left_out else ""
    keyed = set(silver.table.key) <= names
    if not columns or not keyed:
        why = f"the key is changed by a rule; {reason}" if columns else "every column is changed by a rule"
        return LinkRecord(
            link="bronze = silver", table=silver.table.silver, status="not checked", method="digests", reason=why
        )
    plan = digest_plan([(column.name, column.target) for column in columns], silver.table.key)
    subject = Subject("bronze = silver", silver.table.silver, plan)
    bronze = _bronze_rows(silver, columns)
    found = _Known(keep_columns(sums, whole, plan) + keep_columns(rejected.digest(whole), whole, plan), clean, rejected)
    wanted = _without_row_sums(bronze.digest(plan), plan)
    record, _ = compare_with(subject, wanted, bronze, found, "all rows of bronze read by pyarrow", started=started)
    return record.model_copy(update={"reason": reason})


def _is_alike(column: PlannedColumn, batches: Sequence[Manifest]) -> bool:
    """Whether all batches hold a column in the same way; older ones may lack it, or hold it in a smaller type."""
    newest = batches[-1]
    known = next((found for found in newest.columns if found.name == column.bronze), None)
    if known is None:
        return False
    held = [column_in(batch, known, newest) for batch in batches]
    return all(found is not None and (found.name, found.stored_as) == (known.name, known.stored_as) for found in held)


class _Known:
    """Rows whose digest is known already."""

    def __init__(self, sums: Any, *parts: RowSource) -> None:
        self._sums, self._parts = sums, parts

    def digest(self, plan: DigestPlan) -> Any:
        return _without_row_sums(self._sums, plan)

    def rows(self, plan: DigestPlan, columns: Sequence[str], buckets: Sequence[int]) -> pa.Table:
        return Sum(self._parts).rows(plan, columns, buckets)


def _without_row_sums(sums: Any, plan: DigestPlan) -> Any:
    """Without the sums over complete rows, which depend on the columns that are left out; nor buckets without a key."""
    sums = sums.copy()
    sums[:, 1] = 0
    if not plan.key:
        sums[0], sums[1:] = sums.sum(axis=0), 0
    return sums


def _bronze_rows(silver: SilverTable, columns: Sequence[PlannedColumn]) -> RowSource:
    files = [path for batch in silver.batches for path in batch.file_paths(silver.paths)]
    if all(is_local(path) for path in files):
        renamed = {column.name: str(column.bronze) for column in columns}
        return FileRows(tuple(files), _cleaning(columns), (), renamed)
    from pyspark.sql import functions as F

    frame = read_batches(silver.session, silver.batches, silver.paths)
    texts = frame.select(*(F.col(str(column.bronze)).alias(column.name) for column in columns))
    return FrameRows(texts.mapInArrow(_clean_batches(columns), texts.schema))


def _cleaning(columns: Sequence[PlannedColumn]) -> Any:
    return _cleaner([(str(c.bronze), c.trim, c.padded, c.null_values) for c in columns if c.is_text])


def _clean_batches(columns: Sequence[PlannedColumn]) -> Any:
    clean = _cleaner([(c.name, c.trim, c.padded, c.null_values) for c in columns if c.is_text])

    def clean_all(batches):  # type: ignore[no-untyped-def] # noqa: ANN001 - annotations would be pickled too
        for batch in batches:
            yield clean(batch)

    return clean_all


def _cleaner(rules: Sequence[tuple[str, bool, bool, tuple[str, ...]]]) -> Any:
    """A function that cleans texts as ``transforms.cleaning`` does, by pyarrow; without imports of Midnight."""
    white_space = WHITE_SPACE

    def clean(batch):  # type: ignore[no-untyped-def] # noqa: ANN001
        import pyarrow as pa
        import pyarrow.compute as pc

        arrays = dict(zip(batch.schema.names, batch.columns, strict=True))
        for name, trim, padded, null_values in rules:
            text = arrays[name]
            if trim:
                text = pc.utf8_trim(text, characters=white_space)
            elif padded:
                text = pc.utf8_rtrim(text, characters=" ")
            if null_values:
                means_null = pc.is_in(text, value_set=pa.array(null_values, text.type))
                text = pc.if_else(means_null, pa.scalar(None, text.type), text)
            arrays[name] = text
        return pa.record_batch(list(arrays.values()), names=list(arrays))

    return clean
