"""PostgreSQL to bronze: reads the tables of a load group inside one snapshot and seals them as one batch."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from midnight.bronze.batches import BronzeStore
from midnight.configuration.files import Configuration, load_configuration
from midnight.errors import SourceError
from midnight.settings import load_settings
from midnight_airflow.hooks.lake import open_lake
from midnight_airflow.hooks.source import source_address
from midnight_airflow.run_context import batch_id, selected_tables

if TYPE_CHECKING:
    from airflow.sdk import Context

    from midnight.postgres_to_bronze.load_group import GroupIngest
    from midnight.postgres_to_bronze.table_result import TableResult


class PostgresToBronzeOperator(BaseOperator):
    """Read a load group with parallel connections inside one exported snapshot, and seal the batch.

    The batch id is that of the DAG run: a retry or a cleared task keeps tables that are sealed and intact, and reads
    the others; of large tables only what is not complete, or has changed since.

    Args:
        group: load group of pipeline.yml.
        tables: the run's parameter: names of the tables; empty means all of the group.
        source_conn_id: Airflow connection; by default the one in pipeline.yml.
        full_reload: read a full snapshot of incremental tables.
    """

    template_fields: Sequence[str] = ("tables", "full_reload")
    ui_color = "#E3EDF7"

    def __init__(
        self,
        *,
        group: str,
        tables: list[str] | str = "{{ params.tables }}",
        source_conn_id: str | None = None,
        full_reload: bool | str = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.full_reload = full_reload
        self.group = group
        self.tables = tables
        self.source_conn_id = source_conn_id
        self.configuration: Configuration | None = None  # when it has been read already
        self._stop: Callable[[], object] | None = None

    def execute(self, context: Context) -> dict[str, int]:
        """Read and seal.

        Returns:
            Rows per table.

        Raises:
            SourceError, ValueNotRepresentableError, LakeError: reading failed; nothing new is sealed.
            ReconciliationError: bronze differs from the source; nothing new is sealed.
        """
        from midnight.postgres_to_bronze.load_group import GroupIngest
        from midnight.silver_to_gold.load_contracts import load_gold_contracts
        from midnight.silver_to_gold.source_rules import figure_queries

        settings = load_settings()
        configuration = self.configuration or load_configuration(settings.config)
        pipeline = configuration.pipeline
        chosen = configuration.select(selected_tables(self.tables))
        ingest = GroupIngest(
            address=source_address(self.source_conn_id or pipeline.source.connection),
            bronze=BronzeStore(open_lake(settings), settings.paths, pipeline.source.name),
            tables=[table for table in chosen if table.group == self.group],
            group=pipeline.group(self.group),
            batch_id=batch_id(context),
            run_id=context["run_id"],
            full_reload=self.is_full_reload,
            reconcile_every=pipeline.reconcile_every,
            figures=figure_queries(load_gold_contracts(settings.config)),
            uses=self.uses,
            log=self.log.info,
            warn=self.log.warning,
        )
        return {result.table: result.rows for result in asyncio.run(self._run_until_killed(ingest))}

    def uses(self, silver: str, columns: Sequence[str]) -> Sequence[str]:
        """What uses some columns of a silver table downstream, for messages; nothing is known here."""
        return ()

    @property
    def is_full_reload(self) -> bool:
        """``full_reload`` as rendered."""
        return str(self.full_reload).lower() == "true"

    async def _run_until_killed(self, ingest: GroupIngest) -> list[TableResult]:
        loop, task = asyncio.get_running_loop(), asyncio.create_task(ingest.run())
        self._stop = lambda: loop.call_soon_threadsafe(task.cancel)
        try:
            return await task
        except asyncio.CancelledError as error:
            raise SourceError(
                f"load group {self.group!r}: reading was stopped (SIGTERM); nothing was sealed; hint: the next try "
                "reads the group again, except ranges of large tables that are complete and unchanged"
            ) from error
        finally:
            self._stop = None

    def on_kill(self) -> None:
        """Stop reading and delete incomplete files. Runs inside a signal handler: it only wakes the event loop."""
        if self._stop is not None:
            self._stop()
