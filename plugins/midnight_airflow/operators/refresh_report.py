"""Renders the report page (local profile)."""

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
        """Write the page and return its path.

        Raises:
            ConfigurationError: include/report.yml is wrong.
            ServingError: a chart's query fails, or nothing is published; the old page stays.
        """
        # Imported here: DAG parsing must not load DuckDB and plotly.
        from midnight.gold_to_serving.publication import read_publication
        from midnight.report.page import render_report

        settings = load_settings()
        instance: Any = context["ti"]
        render_report(
            database=settings.serving_database,
            configuration=settings.config,
            page=settings.report_page,
            publication=read_publication(settings.paths, open_lake(settings)),
            next_due=load_pipeline(settings.config).schedule.next_after(datetime.now(UTC)),
            airflow_url=instance.log_url.partition("/runs/")[0],
        )
        self.log.info("The report is at %s", settings.report_page)
        return str(settings.report_page)
