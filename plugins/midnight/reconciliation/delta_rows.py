"""Rows of a Delta table, in a folder or in Azure, read by delta-rs and pyarrow."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from midnight.errors import ReconciliationError, first_line

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

    from midnight.reconciliation.row_digest import DigestPlan

_ROWS_AT_ONCE = 65_536


@dataclass(frozen=True)
class DeltaRows:
    """The rows of a table.

    Args:
        path: folder or URL.
        storage_options: of delta-rs.
        version: of the table; None for the newest.
    """

    path: str
    storage_options: Mapping[str, str] = field(default_factory=dict)
    version: int | None = None

    def digest(self, plan: DigestPlan) -> np.ndarray[Any, Any]:
        """See ``RowSource``."""
        from midnight.reconciliation.row_digest import add_all, sums_of

        return add_all((sums_of(batch, plan) for batch in self._batches(plan.names)), len(plan.columns))

    def rows(self, plan: DigestPlan, columns: Sequence[str], buckets: Sequence[int]) -> pa.Table:
        """See ``RowSource``."""
        import pyarrow as pa

        from midnight.reconciliation.row_digest import in_buckets

        wanted = list(dict.fromkeys([*plan.names, *columns]))
        found = [in_buckets(batch, plan, columns, buckets) for batch in self._batches(wanted)]
        found = [batch for batch in found if batch.num_rows]
        return pa.Table.from_batches(found) if found else pa.table({name: [] for name in columns})

    def _batches(self, names: Sequence[str]) -> Iterator[pa.RecordBatch]:
        import pyarrow as pa
        from deltalake import DeltaTable
        from deltalake.exceptions import DeltaError

        try:
            table = DeltaTable(self.path, version=self.version, storage_options=dict(self.storage_options))
            yield from table.to_pyarrow_dataset().to_batches(columns=list(names), batch_size=_ROWS_AT_ONCE)
        except (DeltaError, OSError, pa.ArrowException) as error:
            raise ReconciliationError(f"{self.path} cannot be read back: {first_line(error)}") from error
