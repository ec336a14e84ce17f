"""Ranges of large tables for Data Factory: by the key, since its copies do not share a snapshot.

Our operator reads ranges of pages inside one snapshot. Between two copies of Data Factory a row that is updated moves
to another page: it would be read twice or not at all. Its key does not change, so that a row that exists throughout is
in exactly one range of the key. Where to cut is taken from the newest sealed batch's own Parquet statistics: Airflow
need not reach the source, and a cut in the wrong place costs balance only, never a row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from midnight.bronze.batches import BatchFolder, newest_sealed_batch
from midnight.column_types import stored_type
from midnight.configuration.columns import Column
from midnight.configuration.tables import Table
from midnight.lake.files import LakeFiles
from midnight.lake.paths import LakePaths
from midnight.names import quote_identifier

SMALLEST_RANGE_ROWS = 1_000_000
RANGES_PER_CONNECTION = 4  # so that no connection waits long for the last one
_INTEGERS = ("smallint", "integer", "bigint")


@dataclass(frozen=True)
class KeySpan:
    """Rows of one row group, and the smallest and largest key among them."""

    smallest: int
    largest: int
    rows: int


def range_conditions(table: Table, cuts: Sequence[int]) -> list[str]:
    """Conditions on ``source_row`` that no two rows share and that together cover the table; ``""`` for all of it.

    Args:
        table: its first key column is compared.
        cuts: ascending and distinct; the first and the last range are open, and nulls are in the first.
    """
    if not cuts:
        return [""]
    column = _key_column(table)
    if column is None:
        raise ValueError(f"{table.qualified_name} has no integer as the first column of its key")
    name = f"source_row.{quote_identifier(column.source_name)}"
    middle = [f"{name} >= {low} AND {name} < {high}" for low, high in pairwise(cuts)]
    return [f"({name} < {cuts[0]} OR {name} IS NULL)", *middle, f"{name} >= {cuts[-1]}"]


def table_cuts(lake: LakeFiles, paths: LakePaths, source: str, table: Table, connections: int) -> list[int]:
    """Where to cut a table that is read whole, by what the newest sealed batch with all rows holds.

    Empty for a small or a new table.

    Args:
        lake: file operations.
        paths: the layers' roots.
        source: name of the source in bronze.
        table: the configuration.
        connections: that read at the same time.

    Raises:
        LakeError, BronzeError: the batch cannot be read.
    """
    column = _key_column(table)
    if column is None or connections == 1:
        return []
    place = (lake, paths, source, table.schema_name, table.table)
    manifest = newest_sealed_batch(*place)
    if manifest is not None and manifest.cursor is not None and manifest.follows:
        manifest = BatchFolder(*place, manifest.cursor.whole).manifest()
    if manifest is None or manifest.rows < 2 * SMALLEST_RANGE_ROWS:
        return []
    spans = [span for path in manifest.file_paths(paths) for span in _spans(lake, path, column.name)]
    return key_cuts(spans, min(manifest.rows // SMALLEST_RANGE_ROWS, connections * RANGES_PER_CONNECTION))


def key_cuts(spans: Sequence[KeySpan], parts: int) -> list[int]:
    """Keys below which about 1/parts, 2/parts, … of the rows lie, keys taken as evenly spread inside each span."""
    if not spans or parts < 2:
        return []
    total = sum(span.rows for span in spans)
    low, high = min(span.smallest for span in spans), max(span.largest for span in spans) + 1
    cuts: list[int] = []
    for number in range(1, parts):
        wanted, left, right = total * number / parts, low, high
        while right - left > 1:
            middle = (left + right) // 2
            if _rows_below(spans, middle) < wanted:
                left = middle
            else:
                right = middle
        cuts.append(right)
    return sorted({cut for cut in cuts if low < cut < high})


def _rows_below(spans: Sequence[KeySpan], key: int) -> float:
    return sum(
        span.rows * min(1.0, max(0.0, (key - span.smallest) / (span.largest - span.smallest + 1))) for span in spans
    )


def _key_column(table: Table) -> Column | None:
    column = next((column for column in table.columns if table.key and column.name == table.key[0]), None)
    if (
        column is None
        or stored_type(column.type, column.bronze_type) not in _INTEGERS
        or column.bronze_type is not None
    ):
        return None
    if column.mask is not None:  # the pages of a pipeline's run show where the ranges are cut
        return None
    return column


def _spans(lake: LakeFiles, path: str, name: str) -> list[KeySpan]:
    """From the file's footer; a row group without statistics says nothing."""
    from pyarrow import parquet

    spans = []
    with lake.open_input(path) as stream, parquet.ParquetFile(stream, pre_buffer=False) as file:
        position = file.schema_arrow.get_field_index(name)
        for number in range(file.metadata.num_row_groups if position >= 0 else 0):
            group = file.metadata.row_group(number)
            statistics = group.column(position).statistics
            if statistics is not None and statistics.has_min_max:
                spans.append(KeySpan(statistics.min, statistics.max, group.num_rows))
    return spans
