"""The last task of a run: fails when the run did not load some tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.sdk import BaseOperator

from midnight.errors import StoppedTablesError
from midnight.run.document import read_run_document
from midnight.settings import load_settings
from midnight_airflow.hooks.lake import open_lake
from midnight_airflow.run_context import batch_id

if TYPE_CHECKING:
    from airflow.sdk import Context


class CheckStoppedTablesOperator(BaseOperator):
    """Fail the run, after all that could be loaded is published, when ingestion has stopped a table."""

    ui_color = "#FBE3E4"

    def execute(self, context: Context) -> None:
        """List the stopped tables of this run.

        Raises:
            StoppedTablesError: with every stopped table and its problems. A retry would find the same.
        """
        settings = load_settings()
        document = read_run_document(open_lake(settings), settings.paths, batch_id(context))
        stopped = () if document is None else document.stopped
        if stopped:
            raise StoppedTablesError.of_messages([table.message for table in stopped])
        self.log.info("Every table of this run was loaded")
