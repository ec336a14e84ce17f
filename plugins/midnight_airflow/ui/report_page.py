"""Serves the report page inside Airflow, to those who may read the pipeline's runs."""

from __future__ import annotations

import re
from functools import cached_property
from typing import TYPE_CHECKING, Any

from midnight.errors import ConfigurationError
from midnight.settings import load_settings

if TYPE_CHECKING:
    from fastapi import FastAPI

DAG_ID = "midnight_pipeline"
NO_SCRIPTS = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
_PAGE_POLICY = re.compile(r'<meta http-equiv="Content-Security-Policy" content="([^"]*)">')
_NOTE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>Midnight</title>
<style>
:root {{ color-scheme: light dark; }}
body {{ font: 16px/1.6 system-ui, sans-serif; max-width: 40em; margin: 4em auto;
padding: 0 1em; }}</style></head>
<body><h1>{title}</h1><p>{text}</p></body></html>
"""


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
    from airflow.api_fastapi.core_api.security import requires_access_dag, requires_authenticated
    from fastapi import Depends, FastAPI
    from fastapi.responses import HTMLResponse

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

    @application.get("/", response_class=HTMLResponse)
    def report() -> HTMLResponse:
        page, policy = read_page()
        return HTMLResponse(
            page,
            headers={
                "Content-Security-Policy": f"{policy}; frame-ancestors 'self'",
                "X-Content-Type-Options": "nosniff",
                "Referrer-Policy": "no-referrer",
                "Cache-Control": "no-store",
            },
        )

    return application


def read_page() -> tuple[str, str]:
    """The page to show and its content security policy: the report, or a note why there is none."""
    try:
        settings = load_settings()
    except ConfigurationError:
        return _note("Midnight is not configured", "Run <code>make doctor</code>: it says what is wrong."), NO_SCRIPTS
    if settings.profile == "azure":
        return _note("The report is in Power BI", "This page shows the report of the local profile."), NO_SCRIPTS
    try:
        page = settings.report_page.read_text(encoding="utf-8")
    except FileNotFoundError:
        text = f"The page appears here when a run of the DAG <b>{DAG_ID}</b> has finished. Trigger one, and come back."
        return _note("No run has finished yet", text), NO_SCRIPTS
    # The policy stands before anything that comes from a database, and allows the page's own scripts by their hash.
    found = _PAGE_POLICY.search(page, 0, 1000)
    return page, found.group(1).replace("&#39;", "'") if found else NO_SCRIPTS


def _note(title: str, text: str) -> str:
    return _NOTE.format(title=title, text=text)
