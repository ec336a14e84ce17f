"""Writes the local pages: the report, and the page of the morning."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from midnight.configuration.pipeline import load_pipeline
from midnight.settings import load_settings
from midnight_airflow.hooks.lake import open_lake

if TYPE_CHECKING:
    from airflow.sdk import Context


class RefreshReportOperator(BaseOperator):
    """Render the HTML report from the published views. The azure profile refreshes Power BI instead."""

    ui_color = "#FDF0D8"

    def execute(self, context: Context) -> str:
        """Write the pages and return the path of the first one.

        Raises:
            ConfigurationError: include/report.yml is wrong.
            ServingError: a chart's query fails, or nothing is published; the old report stays.
        """
        # Imported here: DAG parsing must not load DuckDB and plotly.
        from midnight.report.local_pages import write_local_pages

        settings = load_settings()
        instance: Any = context["ti"]
        write_local_pages(
            settings,
            open_lake(settings),
            load_pipeline(settings.config),
            now=datetime.now(UTC),
            airflow_url=instance.log_url.partition("/runs/")[0],
        )
        self.log.info("The page is at %s", settings.report_page)
        return str(settings.report_page)
