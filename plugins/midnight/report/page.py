"""Write the report: the figures and charts of ``include/report.yml``, for business readers.

Its texts come from the user's database: the template escapes all of them, and scripts are allowed by their hash only.
It is written twice: as one file that can be sent to others, and for Airflow, where plotly is a file of its own that
the browser keeps.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from midnight.errors import ServingError
from midnight.gold_to_serving.publication import Publication
from midnight.report.charts import DrawnReport, draw
from midnight.report.clock import Clock
from midnight.report.definition import ReportDefinition, load_report_definition
from midnight.report.page_file import write_page
from midnight.report.templates import content_security_policy, digest, render, script

_ROWS_BELOW_A_CHART = 30  # the CSV has all
_STARTS_ELEMENT = str.maketrans(
    {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}
)


@dataclass(frozen=True)
class ReportFiles:
    """Where the report is.

    Args:
        folder: with the page of the morning, ``index.html``.
    """

    folder: Path

    @property
    def page(self) -> Path:
        """One file with everything in it."""
        return self.folder / "report.html"

    @property
    def served(self) -> Path:
        """The same page for Airflow, which loads ``plotly``."""
        return self.folder / "airflow" / "report.html"

    @property
    def plotly(self) -> Path:
        return self.folder / "airflow" / "plotly.js"


def render_report(
    *,
    database: Path,
    configuration: Path,
    files: ReportFiles,
    publication: Publication | None = None,
    data_up_to: datetime | None = None,
    timezone: str = "UTC",
    partial: bool = False,
    now: datetime | None = None,
) -> bool:
    """Write the report of what the serving file publishes.

    Args:
        database: the serving file.
        configuration: the folder with report.yml.
        files: where the report is written, each file atomically.
        publication: the record of the publication.
        data_up_to: how new the data are; None if it is not known.
        timezone: of the times on the page.
        partial: the run has stopped tables: what reads a view that was never published is left out.
        now: the current time.

    Returns:
        Whether report.yml has figures or charts; without them no report is written.

    Raises:
        ConfigurationError: report.yml is wrong.
        ServingError: the serving file is missing, a query failed, or the page cannot be written; the old one is kept.
    """
    definition = load_report_definition(configuration)
    if not database.exists():
        raise ServingError(f"{database} does not exist; hint: clear the task gold_to_serving, which writes it")
    try:
        with duckdb.connect(str(database), read_only=True) as connection:
            drawn = draw(connection, definition, partial=partial)
    except duckdb.Error as error:
        raise ServingError(f"{database} cannot be read: {error}; hint: clear the task gold_to_serving") from error
    if not definition.figures and not definition.charts:
        for path in (files.page, files.served, files.plotly):
            path.unlink(missing_ok=True)
        return False
    plotly = _normal_line_ends(get_plotlyjs()) if any(chart.picture for chart in drawn.charts) else ""
    values = {"publication": publication, "data_up_to": data_up_to, "clock": Clock(now or datetime.now(UTC), timezone)}
    write_page(files.plotly, plotly)  # before the page that loads it
    write_page(files.served, _fill(definition, drawn, plotly, linked=True, **values))
    write_page(files.page, _fill(definition, drawn, plotly, linked=False, **values))
    return True


def _fill(definition: ReportDefinition, drawn: DrawnReport, plotly: str, *, linked: bool, **values: Any) -> str:
    """The page; with ``linked`` plotly is a file whose digest is part of its address and of the policy."""
    plots = {f"chart-{index}": chart.picture for index, chart in enumerate(drawn.charts, start=1) if chart.picture}
    own = [script("page.js"), *([script("charts.js")] if plots else [])]  # page.js first: it sets the theme
    inline = [own[0], *([plotly] if plotly and not linked else []), *own[1:]]
    return render(
        "report.html.j2",
        policy=content_security_policy([*own, *([plotly] if plotly else [])]),
        title=definition.title,
        report=drawn,
        plots=_json(plots) if plots else "",
        rows_below_a_chart=_ROWS_BELOW_A_CHART,
        plotly_digest=digest(plotly) if plotly and linked else "",
        status_url="./" if linked else "index.html",
        scripts=[Markup(part) for part in inline],  # noqa: S704 - plotly's and our own files
        **values,
    )


def _json(plots: dict[str, Any]) -> Markup:
    text = json.dumps(plots, allow_nan=False, separators=(",", ":"))
    return Markup(text.translate(_STARTS_ELEMENT))  # noqa: S704 - no character of it starts an element


def _normal_line_ends(text: str) -> str:
    """Replace CR LF by LF, as a browser does before it hashes a script."""
    return text.replace("\r\n", "\n").replace("\r", "\n")
