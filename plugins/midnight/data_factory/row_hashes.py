"""One hash per row that the source computes in the query of a copy, compared when the batch is sealed.

The copies of Data Factory share no snapshot, and nothing asks the source again. So each query sends a hash of the
row's values next to them: it proves that no value of a row that arrived was changed on the way. It uses the hash
functions that every version of PostgreSQL has, since Airflow does not know the server.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy
import pyarrow  # no DAG file imports this module
import pyarrow.compute as pc

from midnight.configuration.tables import Table
from midnight.data_factory.row_hash_query import row_hash_columns
from midnight.reconciliation.bronze_rows import row_texts
from midnight.reconciliation.digests import SourceDigestPlan, hash_rows
from midnight.reconciliation.findings import MASKED, Row
from midnight.reconciliation.hashing import Hashing
from midnight.reconciliation.record import MOST_DIFFERENCES, Difference, LinkRecord

_ROWS_AT_ONCE = 32_768
_OUTSIDE = "Data Factory copies outside a snapshot"


class RowHashes:
    """Compares the rows of one table with their hashes.

    Args:
        table: its configuration.
        names: of the batch's columns.

    Attributes:
        rows: that were compared.
    """

    def __init__(self, table: Table, names: Sequence[str]) -> None:
        self._table = table
        columns = row_hash_columns(table, lambda column: "")
        self._plan = SourceDigestPlan("", columns, (), 1, hashing=Hashing(seeded=False))
        self._names = list(names)
        self.rows = 0
        self._count = 0
        self._found: list[Difference] = []

    def compare(self, rows: pyarrow.Table, hashes: pyarrow.ChunkedArray) -> None:
        """Compare some rows.

        Args:
            rows: in bronze's types.
            hashes: the column ``ROW_HASH`` of the same rows.
        """
        expected = pc.cast(hashes, pyarrow.int64()).combine_chunks()
        position = 0
        for batch in rows.combine_chunks().to_batches(max_chunksize=_ROWS_AT_ONCE):
            computed = hash_rows(self._plan, batch).identities.view(numpy.int64)
            sent = expected.slice(position, batch.num_rows).to_numpy(zero_copy_only=False)
            for place in numpy.flatnonzero(computed != sent).tolist():
                self._add(batch, place)
            position += batch.num_rows
        self.rows += rows.num_rows

    def record(self) -> LinkRecord:
        """What was compared, and the first rows that differ."""
        return LinkRecord(
            link="source = bronze",
            table=self._table.qualified_name,
            status="different" if self._count else "equal",
            method="digests",
            rows=self.rows,
            columns=len(self._names),
            compared="the hash of each row in the query of its copy",
            reason=f"{_OUTSIDE}: rows that no copy has read are not noticed",
            differences=tuple(self._found),
            difference_count=self._count,
        )

    def _add(self, batch: pyarrow.RecordBatch, place: int) -> None:
        self._count += 1
        if len(self._found) >= MOST_DIFFERENCES:
            return
        masked = {column.name for column in self._table.masked_columns}
        names = [name for name in self._table.key or self._names[:5] if name in self._names]
        texts = row_texts(Row(0, 0, (), (batch, place)), [name for name in names if name not in masked])
        self._found.append(
            Difference(
                link="source = bronze",
                table=self._table.qualified_name,
                kind="changed value",
                key=tuple((name, MASKED if name in masked else texts[name]) for name in names),
                note="at least one value of the row was changed on the way through Data Factory",
            )
        )


def uncompared(table: Table, rows: int, *, counted: bool) -> LinkRecord:
    """The record of a table whose copies sent no hashes.

    Args:
        table: its configuration.
        rows: in its files.
        counted: Data Factory has reported as many copied rows.
    """
    return LinkRecord(
        link="source = bronze",
        table=table.qualified_name,
        status="not checked",
        method="off" if table.reconcile == "off" else "counts",
        rows=rows,
        compared="the rows that Data Factory reports as copied are in the files" if counted else "",
        reason=_OUTSIDE if table.reconcile != "digests" else f"{_OUTSIDE}, and its query sent no hashes of rows",
    )
