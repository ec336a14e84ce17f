"""Adds the report page to Airflow's navigation. The only AirflowPlugin of this repository.

Airflow imports this file in every component under the name ``midnight_plugin``, so it must import fast.
"""

from __future__ import annotations

from airflow.plugins_manager import AirflowPlugin

from midnight_airflow.ui.report_page import LazyReportApplication


class MidnightPlugin(AirflowPlugin):
    """The report at ``/midnight/``."""

    name = "midnight"
    fastapi_apps = [{"name": "Midnight report", "url_prefix": "/midnight", "app": LazyReportApplication()}]  # noqa: RUF012
    external_views = [  # noqa: RUF012 - as Airflow declares it
        {
            "name": "Midnight",  # the navigation cuts off longer names
            # Without the trailing slash, Airflow serves its own page.
            "href": "midnight/",
            "destination": "nav",
            "url_route": "midnight_report",
            "nav_top_level": True,
        }
    ]
