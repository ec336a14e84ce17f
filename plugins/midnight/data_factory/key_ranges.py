"""Ranges of large tables for Data Factory: by the key, since its copies do not share a snapshot.

Our operator reads ranges of pages inside one snapshot. A row that is updated between two copies of Data Factory moves
to another page, and would be read twice or not at all. Its key does not change, so that a row that exists throughout
is in exactly one range of the key. The cuts come from the Parquet statistics of the newest sealed batch: Airflow does
not have to reach the source, and a cut in the wrong place costs balance only, never a row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from midnight.bronze.batches import BronzeStore
from midnight.column_types import stored_type
from midnight.configuration.columns import Column
from midnight.configuration.tables import Table
from midnight.lake.files import LakeFiles
from midnight.sql_text import quote_identifier

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
    """Conditions on ``source_row``, of which every row meets exactly one; ``""`` for all rows.

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


def table_cuts(bronze: BronzeStore, table: Table, connections: int) -> list[int]:
    """Where to cut a table that is read in full, according to the newest sealed batch with all rows.

    Empty for a small or a new table.

    Args:
        bronze: the source's batches.
        table: the configuration.
        connections: that read at the same time.

    Raises:
        LakeError, BronzeError: the batch cannot be read.
    """
    column = _key_column(table)
    if column is None or connections == 1:
        return []
    manifest = bronze.newest_sealed_batch(table)
    if manifest is not None and manifest.cursor is not None and manifest.follows:
        manifest = bronze.read_manifest(table, manifest.cursor.full_snapshot)
    if manifest is None or manifest.rows < 2 * SMALLEST_RANGE_ROWS:
        return []
    spans = [span for path in manifest.file_paths(bronze.paths) for span in _spans(bronze.lake, path, column.name)]
    return key_cuts(spans, min(manifest.rows // SMALLEST_RANGE_ROWS, connections * RANGES_PER_CONNECTION))


def key_cuts(spans: Sequence[KeySpan], parts: int) -> list[int]:
    """Keys below which about 1/parts, 2/parts, … of the rows are, if keys are evenly spread inside each span."""
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
    if column.mask is not None:  # the monitor of a pipeline run shows the cuts, which are values
        return None
    return column


def _spans(lake: LakeFiles, path: str, name: str) -> list[KeySpan]:
    """From the file's footer; a row group without statistics is left out."""
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
