"""Serves the report page inside Airflow, to those who may read the pipeline's runs."""

from __future__ import annotations

import html
import re
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

from midnight.errors import ConfigurationError
from midnight.settings import Settings, load_settings

if TYPE_CHECKING:
    from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity
    from fastapi import FastAPI

DAG_ID = "midnight_pipeline"
NO_SCRIPTS = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
_PAGE_POLICY = re.compile(r'<meta http-equiv="Content-Security-Policy" content="([^"]*)">')


class LazyReportApplication:
    """An ASGI application that is made at its first request.

    Every component of Airflow imports every plugin, and only the API server shall pay for what this one needs.
    """

    @cached_property
    def application(self) -> FastAPI:
        """The application itself."""
        return make_application()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self.application(scope, receive, send)


def make_application() -> FastAPI:
    """The page at ``/``. A plugin's application is open to anyone unless it asks for the user itself."""
    from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity
    from airflow.api_fastapi.common.db.common import SessionDep
    from airflow.api_fastapi.core_api.security import GetUserDep, requires_access_dag, requires_authenticated
    from fastapi import Depends, FastAPI
    from fastapi.responses import HTMLResponse

    from midnight.report.page_file import nights_section
    from midnight_airflow.ui.recent_runs import read_recent_runs

    application = FastAPI(
        title="Midnight",
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        dependencies=[
            Depends(requires_authenticated()),
            Depends(requires_access_dag("GET", DagAccessEntity.RUN, DAG_ID)),
        ],
    )

    def report(session: Any, user: Any) -> HTMLResponse:
        nights = read_recent_runs(session, DAG_ID, may_read_logs=_may(user, DagAccessEntity.TASK_LOGS))
        page, policy = read_page(nights_section(nights, datetime.now(UTC)))
        return HTMLResponse(
            page,
            headers={
                "Content-Security-Policy": f"{policy}; frame-ancestors 'self'",
                "X-Content-Type-Options": "nosniff",
                "Referrer-Policy": "no-referrer",
                "Cache-Control": "no-store",
            },
        )

    # FastAPI reads the annotations, and these are known only now.
    report.__annotations__ = {"session": SessionDep, "user": GetUserDep}
    application.get("/", response_class=HTMLResponse)(report)
    return application


def _may(user: Any, entity: DagAccessEntity) -> bool:
    """Whether the user may read such things of the nightly DAG."""
    from airflow.api_fastapi.auth.managers.models.resource_details import DagDetails
    from airflow.api_fastapi.core_api import security

    details = DagDetails(id=DAG_ID, team_name=security.DagModel.get_team_name(DAG_ID))
    return security.get_auth_manager().is_authorized_dag(method="GET", access_entity=entity, details=details, user=user)


def read_page(section: str = "") -> tuple[str, str]:
    """The page to show and its content security policy: the report, or a note why there is none.

    Args:
        section: what stands on top: the last nights, as HTML.
    """
    from midnight.report.page_file import note_page, replace_nights

    try:
        settings = load_settings()
    except ConfigurationError:
        return note_page("Midnight is not configured", "Run <code>make doctor</code>: it says what is wrong.", section)
    if settings.profile == "azure":
        return note_page("The nightly run", _power_bi(settings), section)
    try:
        page = settings.report_page.read_text(encoding="utf-8")
    except FileNotFoundError:
        return note_page("No report yet", "It appears here when a night has been published.", section)
    # The policy stands before anything that comes from a database, and allows the page's own scripts by their hash.
    found = _PAGE_POLICY.search(page, 0, 1000)
    return replace_nights(page, section), found.group(1).replace("&#39;", "'") if found else NO_SCRIPTS


def _power_bi(settings: Settings) -> str:
    """Where the report is; a frame of Airflow's opens no other site, so the address is there to be read."""
    if not settings.powerbi_group_id or not settings.powerbi_dataset_id:
        return (
            "There is no report yet: <code>MIDNIGHT_POWERBI_GROUP_ID</code> and "
            "<code>MIDNIGHT_POWERBI_DATASET_ID</code> are not set."
        )
    address = f"https://app.powerbi.com/groups/{settings.powerbi_group_id}/list"
    return f'The report is in Power BI: <span class="code">{html.escape(address)}</span>'
