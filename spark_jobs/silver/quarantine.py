"""The quarantine: one Delta table with the rejected rows of all tables, per batch."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from midnight.configuration.tables import Table
from midnight.sql_text import spark_literal
from spark_jobs.runtime.delta_tables import load_table, replace_rows
from spark_jobs.transforms.checks import REASON, RULE
from spark_jobs.transforms.staging import KEY, ROW

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

PARTITIONS = ("table", "batch_id")


@dataclass(frozen=True)
class Quarantine:
    """Writes the rejected rows of one batch of one table.

    Args:
        session: any engine.
        path: ``LakePaths.quarantine``.
        run_id: the DAG run.
        table: of the rows.
        batch_id: the batch.
    """

    session: SparkSession
    path: str
    run_id: str
    table: Table
    batch_id: str

    def write(self, rows: DataFrame) -> None:
        """Replace the rows of this batch and table; other batches stay as history.

        Args:
            rows: with the rule, all reasons, and key and row as JSON of the bronze values
                (``_midnight_rule``, ``_midnight_reason``, ``_midnight_key``, ``_midnight_row``).
        """
        from pyspark.sql import functions as F

        named = {"rule": RULE, "reason": REASON, "key": KEY, "row": ROW}
        self._replace(rows.select(*[F.col(column).alias(name) for name, column in named.items()]))

    def carry_over(self, old_batch_id: str) -> None:
        """Copy the rows of an earlier batch to this one, which has the same content."""
        from pyspark.sql import functions as F

        existing = load_table(self.session, self.path)
        if existing is not None and old_batch_id != self.batch_id:
            rows = existing.filter(F.expr(self._condition(old_batch_id)))
            self._replace(rows.select("rule", "reason", "key", "row"))

    def _replace(self, rows: DataFrame) -> None:
        from pyspark.sql import functions as F

        complete = rows.withColumns(
            {
                "run_id": F.lit(self.run_id),
                "source_table": F.lit(self.table.qualified_name),
                "quarantined_at": F.lit(datetime.now(UTC)).cast("timestamp"),
                "table": F.lit(self.table.silver),
                "batch_id": F.lit(self.batch_id),
            }
        )
        replace_rows(self.session, complete, self.path, self._condition(self.batch_id), PARTITIONS)

    def _condition(self, batch_id: str) -> str:
        return f"`table` = {spark_literal(self.table.silver)} AND batch_id = {spark_literal(batch_id)}"
