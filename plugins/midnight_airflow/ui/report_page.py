"""Serves the report page inside Airflow, to users who may read the pipeline's DAG runs."""

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
    """An ASGI application that is built at the first request.

    Every component of Airflow imports every plugin; only the API server must load what this one needs.
    """

    @cached_property
    def application(self) -> FastAPI:
        """The application."""
        return make_application()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self.application(scope, receive, send)


def make_application() -> FastAPI:
    """The application that serves the page at ``/``. Airflow does not authenticate users of a plugin's application."""
    from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity
    from airflow.api_fastapi.common.db.common import SessionDep
    from airflow.api_fastapi.core_api.security import GetUserDep, requires_access_dag, requires_authenticated
    from fastapi import Depends, FastAPI
    from fastapi.responses import HTMLResponse

    from midnight.report.page_file import status_section
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
        recent = read_recent_runs(session, DAG_ID, may_read_logs=_is_authorized(user, DagAccessEntity.TASK_LOGS))
        page, policy = read_page(status_section(recent, datetime.now(UTC)))
        return HTMLResponse(
            page,
            headers={
                "Content-Security-Policy": f"{policy}; frame-ancestors 'self'",
                "X-Content-Type-Options": "nosniff",
                "Referrer-Policy": "no-referrer",
                "Cache-Control": "no-store",
            },
        )

    # FastAPI reads the annotations; these types are imported only here.
    report.__annotations__ = {"session": SessionDep, "user": GetUserDep}
    application.get("/", response_class=HTMLResponse)(report)
    return application


def _is_authorized(user: Any, entity: DagAccessEntity) -> bool:
    """Whether the user may read these entities of the nightly DAG."""
    from airflow.api_fastapi.app import get_auth_manager
    from airflow.api_fastapi.auth.managers.models.resource_details import DagDetails
    from airflow.models.dag import DagModel

    details = DagDetails(id=DAG_ID, team_name=DagModel.get_team_name(DAG_ID))
    return get_auth_manager().is_authorized_dag(method="GET", access_entity=entity, details=details, user=user)


def read_page(section: str = "") -> tuple[str, str]:
    """The page and its content security policy: the report, or a note why there is none.

    Args:
        section: HTML section at the top: the most recent runs.
    """
    from midnight.report.page_file import note_page, replace_status_section

    try:
        settings = load_settings()
    except ConfigurationError:
        return note_page("Midnight is not configured", "Run <code>make doctor</code> to see what is wrong.", section)
    if settings.profile == "azure":
        return note_page("The nightly run", _power_bi(settings), section)
    try:
        page = settings.report_page.read_text(encoding="utf-8")
    except FileNotFoundError:
        return note_page("No report yet", "It appears here after the first successful run.", section)
    # The policy precedes all text that comes from a database, and allows the page's own scripts by their hash.
    found = _PAGE_POLICY.search(page, 0, 1000)
    return replace_status_section(page, section), found.group(1).replace("&#39;", "'") if found else NO_SCRIPTS


def _power_bi(settings: Settings) -> str:
    """Note with the report's address; as text, because a frame inside Airflow cannot open another site."""
    if not settings.powerbi_group_id or not settings.powerbi_dataset_id:
        return (
            "There is no report yet: <code>MIDNIGHT_POWERBI_GROUP_ID</code> and "
            "<code>MIDNIGHT_POWERBI_DATASET_ID</code> are not set."
        )
    address = f"https://app.powerbi.com/groups/{settings.powerbi_group_id}/list"
    return f'The report is in Power BI: <span class="code">{html.escape(address)}</span>'
