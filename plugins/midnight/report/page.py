"""Writes the page. All of it is data of somebody's database: escaped, and scripts are allowed by their hash alone."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb  # noqa: TID253 - no DAG file imports this module
import jinja2
from markupsafe import Markup
from plotly.offline import get_plotlyjs  # noqa: TID253 - as above

from midnight.errors import ServingError
from midnight.gold_to_serving.publication import Publication
from midnight.report.charts import draw, draw_history, format_number, night_label
from midnight.report.definition import load_report_definition
from midnight.report.night import read_night

_FOLDER = Path(__file__).parent
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
    now: datetime | None = None,
) -> None:
    """Write the report of what the serving file shows.

    Args:
        database: the serving file.
        configuration: the folder with report.yml.
        page: the HTML file to write; a reader sees the old page or the new one.
        publication: the record of the publication, shown at the end of the page.
        now: the present, for the age of the data.

    Raises:
        ConfigurationError: report.yml is wrong.
        ServingError: there is no serving file, a query does not work, or the page cannot be written.
    """
    definition = load_report_definition(configuration)
    if not database.exists():
        raise ServingError(f"{database} does not exist; clear the task gold_to_serving, which makes it")
    try:
        with duckdb.connect(str(database), read_only=True) as connection:
            night = read_night(connection)
            figures, charts = draw(connection, definition)
    except duckdb.Error as error:
        raise ServingError(f"{database} cannot be read: {error}; clear the task gold_to_serving") from error
    drawn: dict[str, Any] = {f"chart-{index}": chart.figure for index, chart in enumerate(charts, start=1)}
    if len(night.history) > 1:
        drawn["chart-history"] = draw_history(night.history)
    present = now or datetime.now(UTC)
    text = _fill_template(
        title=definition.title,
        night=night,
        figures=figures,
        charts=charts,
        drawn=drawn,
        publication=publication,
        now=present,
        ages={table: _age(present - batch.read_at) for table, batch in night.batches.items()},
    )
    _write(page, text)


def content_security_policy(scripts: list[str]) -> str:
    """A policy that runs exactly these inline scripts, and lets the page fetch nothing.

    plotly sets styles by itself, and draws images for its download button as data and blob URLs.
    """
    hashes = " ".join(f"'sha256-{_digest(script)}'" for script in scripts)
    return (
        f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; img-src data: blob:; "
        "base-uri 'none'; form-action 'none'"
    )


def _digest(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def _fill_template(*, drawn: dict[str, Any], **values: Any) -> str:
    # A page with no chart needs no library.
    library = _normal_line_ends(get_plotlyjs()) if drawn else ""
    own = (_FOLDER / "page.js").read_text(encoding="utf-8")
    scripts = [library, own] if drawn else []
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_FOLDER),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    filters: dict[str, Callable[..., str]] = {
        "whole": _whole,
        "moment": _moment,
        "night": night_label,
        "size": _size,
    }
    environment.filters |= filters
    return environment.get_template("page.html.j2").render(
        policy=content_security_policy(scripts),
        style=Markup((_FOLDER / "page.css").read_text(encoding="utf-8")),  # noqa: S704 - our own file
        scripts=[Markup(script) for script in scripts],  # noqa: S704 - plotly's and our own file
        drawn=Markup(json.dumps(drawn, allow_nan=False).translate(_STARTS_ELEMENT)),  # noqa: S704 - escaped here
        has_history="chart-history" in drawn,
        rows_below_a_chart=_ROWS_BELOW_A_CHART,
        **values,
    )


def _normal_line_ends(script: str) -> str:
    """A browser hashes a script after it has read CR LF as LF."""
    return script.replace("\r\n", "\n").replace("\r", "\n")


def _whole(number: int) -> str:
    return format_number(number, "integer")


def _moment(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def _age(age: timedelta) -> str:
    minutes = max(0, round(age.total_seconds() / 60))
    if minutes < 120:
        return f"{minutes} min"
    return f"{minutes // 60} h" if minutes < 48 * 60 else f"{minutes // (24 * 60)} days"


def _size(count: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:,.0f} {unit}" if unit == "B" else f"{count:,.1f} {unit}"
        count /= 1000
    return f"{count:,.1f} TB"


def _write(page: Path, text: str) -> None:
    try:
        page.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=page.parent, prefix=".", suffix=".tmp")
        try:
            with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as stream:
                stream.write(text)
            Path(temporary).chmod(0o644)
            Path(temporary).replace(page)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise ServingError(
            f"{page} cannot be written: {error}; check free space and permission of its folder"
        ) from error
