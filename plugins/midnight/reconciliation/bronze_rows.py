"""The other side of a comparison with the source: digests, counts and rows of Parquet files of bronze."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy
import pyarrow  # no DAG file imports this module
import pyarrow.compute as pc
from pyarrow import parquet

from midnight.lake.files import LakeFiles
from midnight.reconciliation.counts import Counts, CountsPlan
from midnight.reconciliation.digests import ROWS_AT_ONCE, Digest, SourceDigestPlan, digest_rows, hash_rows
from midnight.reconciliation.findings import Row

_LONGEST_TEXT = 100


def count_file(lake: LakeFiles, path: str, plan: CountsPlan) -> Counts:
    """The counts of one file.

    Raises:
        LakeError, OSError, pyarrow.ArrowInvalid: the file cannot be read.
    """
    counts = Counts()
    for batch in _batches(lake, path, [column.name for column in plan.columns]):
        counts.add_rows(plan, batch)
    return counts


def digest_file(lake: LakeFiles, path: str, plan: SourceDigestPlan) -> Digest:
    """The digest of one file.

    Raises:
        LakeError, OSError, pyarrow.ArrowInvalid: the file cannot be read.
    """
    digest = Digest()
    for batch in _batches(lake, path, [column.name for column in plan.columns]):
        digest.add(digest_rows(plan, hash_rows(plan, batch)))
    return digest


def rows_of_buckets(
    lake: LakeFiles, path: str, plan: SourceDigestPlan, buckets: Sequence[int], positions: Sequence[int]
) -> list[Row]:
    """The rows of some buckets, each with its values.

    Args:
        lake: file operations.
        path: of the file.
        plan: of the table.
        buckets: their numbers.
        positions: of the columns whose hashes are compared.
    """
    found: list[Row] = []
    for batch in _batches(lake, path, [column.name for column in plan.columns]):
        hashed = hash_rows(plan, batch)
        chosen = numpy.flatnonzero(numpy.isin(hashed.buckets, list(buckets)))
        if not len(chosen):
            continue
        kept = batch.take(pyarrow.array(chosen))
        columns = []
        for position in positions:
            column = hashed.columns[position]
            values: list[int | None] = column.hashes[chosen].view(numpy.int64).tolist()
            if column.is_set is not None:
                values = [v if is_set else None for v, is_set in zip(values, column.is_set[chosen], strict=True)]
            columns.append(values)
        identities = hashed.identities[chosen].view(numpy.int64).tolist()
        numbers = hashed.buckets[chosen].tolist()
        for place, hashes in enumerate(zip(*columns, strict=True)):
            found.append(Row(numbers[place], identities[place], hashes, (kept, place)))
    return found


def row_texts(row: Row, names: Sequence[str]) -> dict[str, str | None]:
    """The values of a row from ``rows_of_buckets`` as PostgreSQL would print them, for messages."""
    batch, place = row.source
    return {name: _text(batch.column(name)[place]) for name in names}


def _batches(lake: LakeFiles, path: str, columns: list[str]) -> Iterator[pyarrow.RecordBatch]:
    with lake.open_input(path) as stream:
        file = parquet.ParquetFile(stream, pre_buffer=False)
        yield from file.iter_batches(ROWS_AT_ONCE, columns=columns, use_threads=False)


def _text(value: Any) -> str | None:
    if not value.is_valid:
        return None
    kind = value.type
    if pyarrow.types.is_timestamp(kind):
        text = str(pc.strftime(value.cast(pyarrow.timestamp("us")), "%Y-%m-%d %H:%M:%S").as_py())
        text = text.rstrip("0").rstrip(".") if "." in text else text
        return f"{text}+00" if kind.tz else text
    plain = value.as_py()
    if pyarrow.types.is_decimal(kind):
        return f"{plain:f}"
    if isinstance(plain, float) and plain.is_integer() and abs(plain) < 1e15:
        return f"{plain:.0f}"
    text = f"\\x{plain.hex()}" if isinstance(plain, bytes) else str(plain)
    return (text.lower() if isinstance(plain, bool) else text)[:_LONGEST_TEXT]
