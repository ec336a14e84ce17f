"""Checks that a run has published by the deadline."""

from __future__ import annotations

from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from airflow.sdk import BaseOperator

from midnight.configuration.pipeline import load_pipeline
from midnight.errors import NotPublishedError
from midnight.settings import load_settings
from midnight_airflow.run_context import run_time

if TYPE_CHECKING:
    from airflow.sdk import Context


class CheckDeadlineOperator(BaseOperator):
    """Send the alert ``late``, and fail, if nothing was published since the last run was due."""

    ui_color = "#FBE3E4"

    def execute(self, context: Context) -> str:
        """Check, and return what was found.

        Raises:
            NotPublishedError: nothing was published in time, or that cannot be read; the alert was sent.
        """
        from midnight_airflow.alerts import alert_if_late

        pipeline = load_pipeline(load_settings().config)
        deadline = run_time(context).astimezone(ZoneInfo(pipeline.schedule.timezone))
        if alert_if_late(pipeline, deadline, context):
            raise NotPublishedError(
                f"no run of midnight_pipeline has published by {deadline:%H:%M} {pipeline.schedule.timezone}",
                "look at its newest run",
            )
        return f"published before {deadline.isoformat()}"
