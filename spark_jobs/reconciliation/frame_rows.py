"""Rows as the engine reads them: their digest is computed by the engine's workers, with the code that reads files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from midnight.errors import ReconciliationError, first_line
from midnight.reconciliation import row_digest
from midnight.reconciliation.row_digest import DigestPlan, add_all, in_buckets, sums_of

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from pyspark.sql import DataFrame


@dataclass(frozen=True)
class FrameRows:
    """The rows of a frame.

    Args:
        frame: with at least the columns of the plan.
    """

    frame: DataFrame

    def digest(self, plan: DigestPlan) -> np.ndarray[Any, Any]:
        """The digest of all rows; the engine returns one row per partition.

        Raises:
            ReconciliationError: the engine cannot read the rows.
        """
        import numpy as np
        from pyspark.errors import PySparkException

        _send_by_value()
        try:
            parts = self._selected(plan).mapInArrow(_digest_function(plan), "sums binary").collect()
        except PySparkException as error:
            raise ReconciliationError(f"the engine cannot read the rows back: {first_line(error)}") from error
        shape = (row_digest.BUCKETS, 2 + len(plan.columns))
        sums = (np.frombuffer(bytes(row[0]), "<u8").reshape(shape) for row in parts)
        return add_all(sums, len(plan.columns))

    def rows(self, plan: DigestPlan, columns: Sequence[str], buckets: Sequence[int]) -> pa.Table:
        """See ``RowSource``.

        Raises:
            ReconciliationError: the engine cannot read the rows.
        """
        from pyspark.errors import PySparkException
        from pyspark.sql.types import StructType

        _send_by_value()
        frame = self._selected(plan)
        schema = StructType([frame.schema[name] for name in columns])
        try:
            found: pa.Table = frame.mapInArrow(_bucket_function(plan, columns, buckets), schema).toArrow()
        except PySparkException as error:
            raise ReconciliationError(f"the engine cannot read the rows back: {first_line(error)}") from error
        return found

    def _selected(self, plan: DigestPlan) -> DataFrame:
        from pyspark.sql import functions as F

        from midnight.sql_text import quote_backticked

        return self.frame.select(*(F.col(quote_backticked(name)).alias(name) for name in plan.names))


def _digest_function(plan: DigestPlan) -> Any:
    def digest(batches):  # type: ignore[no-untyped-def] # noqa: ANN001 - annotations would be pickled too
        import pyarrow as pa

        total = add_all((sums_of(batch, plan) for batch in batches), len(plan.columns))
        yield pa.record_batch([pa.array([total.astype("<u8").tobytes()], pa.binary())], names=["sums"])

    return digest


def _bucket_function(plan: DigestPlan, columns: Sequence[str], buckets: Sequence[int]) -> Any:
    chosen, wanted = list(columns), list(buckets)

    def filter_buckets(batches):  # type: ignore[no-untyped-def] # noqa: ANN001
        for batch in batches:
            yield in_buckets(batch, plan, chosen, wanted)

    return filter_buckets


@lru_cache(maxsize=1)
def _send_by_value() -> None:
    """The engine's workers may not have this package: pyspark sends the module with the function."""
    from pyspark import cloudpickle

    cloudpickle.register_pickle_by_value(row_digest)  # type: ignore[no-untyped-call]
