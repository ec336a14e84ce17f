"""Write the report page.

Its texts come from the user's database: the templates escape all of them, and scripts are allowed by their hash only.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from midnight.errors import ServingError
from midnight.gold_to_serving.publication import Publication
from midnight.report.charts import draw, draw_history
from midnight.report.definition import load_report_definition
from midnight.report.page_file import write_page
from midnight.report.run_summary import read_run_summary
from midnight.report.templates import age, content_security_policy, render, script

_ROWS_BELOW_A_CHART = 100
_STARTS_ELEMENT = str.maketrans(
    {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}
)


def render_report(
    *,
    database: Path,
    configuration: Path,
    page: Path,
    publication: Publication | None = None,
    next_due: datetime | None = None,
    airflow_url: str = "",
    now: datetime | None = None,
) -> None:
    """Write the report of what the serving file publishes.

    Args:
        database: the serving file.
        configuration: the folder with report.yml.
        page: the HTML file to write, replaced atomically.
        publication: the record of the publication, shown at the end of the page.
        next_due: when the next run is due; opened after that, the page shows that it is not the newest.
        airflow_url: the DAG's page in Airflow.
        now: the current time, for the age of the data.

    Raises:
        ConfigurationError: report.yml is wrong.
        ServingError: there is no serving file, a query failed, or the page cannot be written.
    """
    definition = load_report_definition(configuration)
    if not database.exists():
        raise ServingError(f"{database} does not exist; hint: clear the task gold_to_serving, which writes it")
    try:
        with duckdb.connect(str(database), read_only=True) as connection:
            summary = read_run_summary(connection)
            figures, charts = draw(connection, definition)
    except duckdb.Error as error:
        raise ServingError(f"{database} cannot be read: {error}; hint: clear the task gold_to_serving") from error
    drawn: dict[str, Any] = {f"chart-{index}": chart.figure for index, chart in enumerate(charts, start=1)}
    if len(summary.history) > 1:
        drawn["chart-history"] = draw_history(summary.history)
    now = now or datetime.now(UTC)
    text = _fill_template(
        title=definition.title,
        summary=summary,
        figures=figures,
        charts=charts,
        drawn=drawn,
        publication=publication,
        next_due=next_due,
        airflow_url=airflow_url,
        now=now,
        ages={table: age(now - batch.read_at) for table, batch in summary.batches.items()},
    )
    write_page(page, text)


def _fill_template(*, drawn: dict[str, Any], **values: Any) -> str:
    # A page without charts does not need plotly.
    charts = [_normal_line_ends(get_plotlyjs()), script("charts.js")] if drawn else []
    scripts = [script("page.js"), *charts]  # page.js first: it sets the theme
    return render(
        "page.html.j2",
        policy=content_security_policy(scripts),
        scripts=[Markup(part) for part in scripts],  # noqa: S704 - plotly's and our own files
        drawn=Markup(json.dumps(drawn, allow_nan=False).translate(_STARTS_ELEMENT)),  # noqa: S704 - escaped here
        drawn_charts=bool(drawn),
        has_history="chart-history" in drawn,
        rows_below_a_chart=_ROWS_BELOW_A_CHART,
        **values,
    )


def _normal_line_ends(text: str) -> str:
    """Replace CR LF by LF, as a browser does before it hashes a script."""
    return text.replace("\r\n", "\n").replace("\r", "\n")
