"""What the last step of a run writes on a laptop: the report of the published views, and the page of the morning."""

from __future__ import annotations

from datetime import datetime

from midnight.configuration.pipeline import Pipeline
from midnight.gold_to_serving.publication import read_publication
from midnight.lake.files import LakeFiles
from midnight.lake.ledger import latest_entries, read_ledger
from midnight.report.page import ReportFiles, render_report
from midnight.report.page_file import read_summary, write_status_page
from midnight.report.status_page import surroundings
from midnight.settings import Settings


def write_local_pages(
    settings: Settings, files: LakeFiles, pipeline: Pipeline, *, now: datetime, airflow_url: str = ""
) -> None:
    """Write both pages; the page of the morning also when the report fails.

    Args:
        settings: of the local profile.
        files: of the lake.
        pipeline: of the configuration.
        now: the current time.
        airflow_url: the DAG's page in Airflow; empty if there is none.

    Raises:
        ConfigurationError: report.yml is wrong.
        LakeError: the ledger cannot be read.
        ServingError: a query of the report fails, nothing is published, or a page cannot be written.
    """
    report = ReportFiles(settings.report_page.parent)
    summary, _ = read_summary(files, settings.paths)
    entries = latest_entries(read_ledger(settings.paths.ledger, files.storage_options))
    try:
        render_report(
            database=settings.serving_database,
            configuration=settings.config,
            files=report,
            publication=read_publication(settings.paths, files),
            data_up_to=summary.data_up_to if summary else None,
            timezone=pipeline.schedule.timezone,
            partial=any(entry.status == "stopped" for entry in entries),
            now=now,
        )
    finally:
        around = surroundings(
            pipeline,
            now,
            from_airflow=False,
            airflow_url=airflow_url,
            report_url=report.page.name if report.page.exists() else "",
            airflow_command="midnight airflow",
        )
        write_status_page(settings.report_page, files=files, paths=settings.paths, around=around, now=now)
