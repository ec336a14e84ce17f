"""The tasks of ``midnight_maintenance``."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from airflow.sdk import BaseOperator

from midnight.bronze.batches import BronzeStore
from midnight.bronze.unfinished import remove_abandoned
from midnight.configuration.files import load_configuration
from midnight.lake.lock import lake_write_lock
from midnight.maintenance import (
    optimize_tables,
    remove_expired_changes,
    remove_expired_gold,
    remove_old_runs,
    remove_rebuild_scratch,
)
from midnight.settings import load_settings
from midnight_airflow.hooks.lake import open_lake

if TYPE_CHECKING:
    from airflow.sdk import Context


class RemoveExpiredGoldOperator(BaseOperator):
    """Delete the folders of gold builds that no reader needs any more, and the summaries of old runs."""

    def execute(self, context: Context) -> int:
        """Delete them.

        Returns:
            Number of deleted folders and files.
        """
        settings = load_settings()
        lake = open_lake(settings)
        removed = (
            *remove_expired_gold(lake, settings.paths, datetime.now(UTC)),
            *remove_old_runs(lake, settings.paths),
        )
        for folder in removed:
            self.log.info("Removed %s", folder)
        return len(removed)


class OptimizeTablesOperator(BaseOperator):
    """Compact (local profile) and vacuum the silver Delta tables.

    Removes expired change sets, the scratch folders of failed rebuilds, and unsealed files of failed reads, too.
    """

    def execute(self, context: Context) -> None:
        """Optimize one table after the other."""
        settings = load_settings()
        local = settings.profile == "local"
        configuration = load_configuration(settings.config)
        lake = open_lake(settings)
        bronze = BronzeStore(lake, settings.paths, configuration.pipeline.source.name)
        name = f"the task {self.task_id} of the run {context['run_id']}"
        with lake_write_lock(settings.paths, name, self.log.info) if local else contextlib.nullcontext():
            now = datetime.now(UTC)
            for folder in (
                *remove_rebuild_scratch(lake, settings.paths, now),
                *remove_expired_changes(lake, settings.paths, now),
                *remove_abandoned(bronze, now),
            ):
                self.log.info("Removed %s", folder)
            for done in optimize_tables(lake, settings.paths, configuration, compact=local):
                self.log.info("%s: %d files compacted, %d removed", done.path, done.compacted, done.removed)
