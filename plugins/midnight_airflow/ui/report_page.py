"""Serves the page of the morning and the report inside Airflow, to users who may read the pipeline's DAG runs."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from midnight.errors import ConfigurationError, MidnightError, first_line
from midnight.settings import Settings, load_settings

if TYPE_CHECKING:
    from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity
    from fastapi import FastAPI
    from fastapi.responses import Response

    from midnight.report.run_history import RunHistory
    from midnight.report.status_page import StatusPage, Surroundings
    from midnight.summary.document import RunSummary

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
    """The application: the page at ``/``, the report at ``/report``, and plotly, which the browser keeps.

    Airflow does not authenticate users of a plugin's application.
    """
    from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity
    from airflow.api_fastapi.common.db.common import SessionDep
    from airflow.api_fastapi.core_api.security import GetUserDep, requires_access_dag, requires_authenticated
    from fastapi import Depends, FastAPI, HTTPException, Request
    from fastapi.exception_handlers import http_exception_handler
    from fastapi.responses import RedirectResponse

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

    def status(session: Any, user: Any) -> Response:
        recent = read_recent_runs(session, DAG_ID, may_read_logs=_is_authorized(user, DagAccessEntity.TASK_LOGS))
        page = make_page(recent, datetime.now(UTC))
        return _response(page.html, page.policy)

    # FastAPI reads the annotations; these types are imported only here.
    status.__annotations__ = {"session": SessionDep, "user": GetUserDep}
    application.get("/")(status)
    application.get("/report")(lambda: _response(*read_report()))
    application.get("/plotly.js")(read_plotly)

    async def sign_in(request: Request, error: HTTPException) -> Response:
        """A browser without a session goes to the sign-in, and from there back; a script gets the status."""
        if error.status_code != 401 or "text/html" not in request.headers.get("accept", ""):
            return await http_exception_handler(request, error)
        # Relative to <base>/midnight/: Airflow's own entrance, which knows the auth manager's sign-in.
        address = f"../api/v2/auth/login?next={quote(str(request.url), safe='')}"
        return RedirectResponse(address, status_code=303, headers={"Cache-Control": "no-store"})

    application.add_exception_handler(HTTPException, sign_in)  # type: ignore[arg-type]
    return application


def _response(page: str, policy: str) -> Response:
    from fastapi.responses import HTMLResponse

    return HTMLResponse(
        page,
        headers={
            "Content-Security-Policy": f"{policy}; frame-ancestors 'self'",
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",
            "Cache-Control": "no-store",
        },
    )


def _is_authorized(user: Any, entity: DagAccessEntity) -> bool:
    """Whether the user may read these entities of the nightly DAG."""
    from airflow.api_fastapi.app import get_auth_manager
    from airflow.api_fastapi.auth.managers.models.resource_details import DagDetails
    from airflow.models.dag import DagModel

    details = DagDetails(id=DAG_ID, team_name=DagModel.get_team_name(DAG_ID))
    return get_auth_manager().is_authorized_dag(method="GET", access_entity=entity, details=details, user=user)


def make_page(history: RunHistory, now: datetime) -> StatusPage:
    """The page of the morning, from the newest summary in the lake and Airflow's runs.

    A lake or a configuration that cannot be read is said on the page: the runs are shown all the same.

    Args:
        history: Airflow's runs.
        now: the current time.
    """
    from midnight.report.status_page import note_page, render_status_page

    try:
        settings = load_settings()
    except ConfigurationError:
        return note_page("Midnight is not configured", "Run make doctor to see what is wrong.")
    summary, problem = _read_summary(settings)
    around, also = _surroundings(settings, summary, now)
    return render_status_page(summary, history, around, now, problem=problem or also)


def _read_summary(settings: Settings) -> tuple[RunSummary | None, str]:
    from airflow.sdk.exceptions import AirflowException

    from midnight.report.page_file import read_summary
    from midnight_airflow.hooks.lake import BRIEFLY, open_lake

    try:
        return read_summary(open_lake(settings, BRIEFLY), settings.paths)
    except (MidnightError, AirflowException) as error:  # the lake's connection is missing or incomplete
        return None, first_line(error)


def _surroundings(settings: Settings, summary: RunSummary | None, now: datetime) -> tuple[Surroundings, str]:
    """What pipeline.yml says, and why it cannot be read; then the summary says the most important."""
    from dataclasses import replace

    from midnight.configuration.pipeline import load_pipeline
    from midnight.report.status_page import Surroundings, surroundings

    problem = ""
    try:
        around = surroundings(load_pipeline(settings.config), now)
    except MidnightError as error:
        problem = f"pipeline.yml cannot be read: {first_line(error)}"
        around = Surroundings(summary.pipeline, summary.timezone) if summary else Surroundings()
    links: dict[str, Any] = _report_link(settings)
    command = "midnight airflow" if settings.profile == "local" else "airflow"
    # The page is at <base>/midnight/
    return replace(around, airflow_url=f"../dags/{DAG_ID}", airflow_command=command, **links), problem


def _report_link(settings: Settings) -> dict[str, str]:
    """Where the report is: as an own page here, or in Power BI, which a frame inside Airflow cannot show."""
    if settings.profile == "local":
        found = settings.report_page.with_name("report.html").exists()
        return {"report_url": "report" if found else ""}
    if not settings.powerbi_group_id or not settings.powerbi_dataset_id:
        missing = "MIDNIGHT_POWERBI_GROUP_ID and MIDNIGHT_POWERBI_DATASET_ID are not set"
        return {"report_note": f"No report: {missing}"}
    address = f"https://app.powerbi.com/groups/{quote(settings.powerbi_group_id, safe='')}/list"
    return {"report_url": address, "report_label": "Report in Power BI"}


def read_report() -> tuple[str, str]:
    """The report and its content security policy; a note if there is none."""
    from midnight.report.status_page import note_page

    try:
        page = (load_settings().report_page.parent / "airflow" / "report.html").read_text(encoding="utf-8")
    except (OSError, ConfigurationError):
        note = note_page("No report yet", "It appears here after the first successful run with a report.yml.")
        return note.html, note.policy
    # The policy precedes all text that comes from a database, and allows the page's own scripts by their hash.
    found = _PAGE_POLICY.search(page, 0, 1000)
    return page, found.group(1).replace("&#39;", "'") if found else NO_SCRIPTS


def read_plotly() -> Response:
    """The script of the charts. Its address contains its digest, so a browser loads it once per version."""
    from fastapi import HTTPException
    from fastapi.responses import Response

    try:
        text = (load_settings().report_page.parent / "airflow" / "plotly.js").read_bytes()
    except (OSError, ConfigurationError):
        raise HTTPException(404, "the report does not exist yet") from None
    headers = {"Cache-Control": "private, max-age=31536000, immutable", "X-Content-Type-Options": "nosniff"}
    return Response(text, media_type="text/javascript", headers=headers)
