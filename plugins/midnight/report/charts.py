"""Charts and large figures: queries on the serving file, drawn by plotly."""

from __future__ import annotations

import html
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import duckdb
import plotly.graph_objects as go

from midnight.colours import SERIES
from midnight.errors import ServingError
from midnight.report.definition import Chart, Figure, NumberFormat, ReportDefinition
from midnight.report.templates import format_number

POINTS_MAXIMUM = 20_000
_TICKS: dict[NumberFormat, str] = {"integer": ",d", "decimal": ",.1f", "percent": ".0%"}
_HOVER: dict[NumberFormat, str] = {"integer": ",d", "decimal": ",.1f", "percent": ".1%"}
_MARGIN = {"l": 8, "r": 8, "t": 8, "b": 8}


@dataclass(frozen=True)
class DrawnChart:
    """A chart for the page.

    Args:
        chart: its definition.
        figure: plotly's data and layout.
        columns: of the query; ``rows`` holds its values, formatted for display.
    """

    chart: Chart
    figure: dict[str, Any]
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class LargeNumber:
    """A figure, formatted for display."""

    title: str
    text: str
    note: str


def draw(
    connection: duckdb.DuckDBPyConnection, definition: ReportDefinition, *, partial: bool = False
) -> tuple[tuple[LargeNumber, ...], tuple[DrawnChart, ...]]:
    """Run the queries of all figures and charts.

    Args:
        connection: to the serving file.
        definition: of the report.
        partial: the run has stopped tables: what reads a view that was never published is left out.

    Raises:
        ServingError: lists every figure and chart whose query fails.
    """
    problems: list[str] = []
    figures = [_large_number(connection, figure, problems) for figure in definition.figures]
    charts = [_draw_chart(connection, chart, problems) for chart in definition.charts]
    if partial:
        problems = [problem for problem in problems if not _reads_missing_view(problem)]
    if problems:
        listed = "\n".join(f"  {problem}" for problem in problems)
        raise ServingError(
            f"{len(problems)} of the report's queries failed; the previous page is kept; "
            f"hint: correct include/report.yml, then clear this task:\n{listed}"
        )
    return tuple(f for f in figures if f is not None), tuple(c for c in charts if c is not None)


def _reads_missing_view(problem: str) -> bool:
    """By the message of DuckDB; all names were checked before the run."""
    return "Catalog Error: Table with name " in problem and " does not exist" in problem


def _large_number(connection: duckdb.DuckDBPyConnection, figure: Figure, problems: list[str]) -> LargeNumber | None:
    try:
        rows = connection.execute(figure.sql).fetchall()
        if len(rows) != 1 or len(rows[0]) != 1:
            columns = len(rows[0]) if rows else 0
            raise ValueError(f"its query returned {len(rows)} rows of {columns} columns instead of a single value")
        value = rows[0][0]
        text = str(value) if figure.format == "text" else format_number(value, figure.format)
        return LargeNumber(figure.title, text, figure.note)
    except (duckdb.Error, TypeError, ValueError) as error:
        problems.append(f"figure {figure.title!r}: {error}")
        return None


def _draw_chart(connection: duckdb.DuckDBPyConnection, chart: Chart, problems: list[str]) -> DrawnChart | None:
    try:
        cursor = connection.execute(chart.sql)
        names = tuple(column[0] for column in cursor.description or ())
        missing = [name for name in chart.columns if name not in names]
        if missing:
            raise ValueError(f"its query returned no column {missing!r}, only {list(names)!r}")
        rows = [tuple(_plain_value(value) for value in row) for row in cursor.fetchmany(POINTS_MAXIMUM + 1)]
        if len(rows) > POINTS_MAXIMUM:
            raise ValueError(f"its query returned more than {POINTS_MAXIMUM:,} rows; hint: aggregate it")
    except (duckdb.Error, ValueError) as error:
        problems.append(f"chart {chart.title!r}: {error}")
        return None
    columns = {name: [row[index] for row in rows] for index, name in enumerate(names)}
    shown = tuple(tuple(_cell(value, name, chart) for name, value in zip(names, row, strict=True)) for row in rows)
    return DrawnChart(chart, _plain(_figure(chart, columns)), names, shown)


def _figure(chart: Chart, columns: dict[str, list[Any]]) -> go.Figure:
    figure = go.Figure(layout=_layout(chart.kind, chart.format, chart.x_title, chart.y_title))
    if chart.kind == "heatmap":
        _add_heatmap(figure, chart, columns)
        return figure
    for index, (name, x, y) in enumerate(_series(chart, columns)):
        colour = SERIES[index % len(SERIES)]
        if chart.kind == "line":
            figure.add_scatter(
                x=x,
                y=y,
                name=name,
                mode="lines",
                line={"color": colour, "width": 2},
                hovertemplate=_hover(chart.format),
            )
        elif chart.kind == "horizontal_bar":
            figure.add_bar(
                x=y, y=x, name=name, orientation="h", marker_color=colour, hovertemplate=_hover(chart.format, "x")
            )
        else:
            figure.add_bar(x=x, y=y, name=name, marker_color=colour, hovertemplate=_hover(chart.format))
    figure.update_layout(showlegend=len(figure.data) > 1)
    return figure


def _series(chart: Chart, columns: dict[str, list[Any]]) -> list[tuple[str, list[Any], list[Any]]]:
    """Name, x and y of each series, in the order of the query."""
    x = [_escaped(value) for value in columns[chart.x]]
    if chart.series is None:
        return [(_escaped(_display_name(name)), x, columns[name]) for name in chart.y]
    parts: dict[str, tuple[list[Any], list[Any]]] = {}
    for name, at, value in zip(columns[chart.series], x, columns[chart.y[0]], strict=True):
        part = parts.setdefault(_escaped(str(name)), ([], []))
        part[0].append(at)
        part[1].append(value)
    return [(name, *part) for name, part in parts.items()]


def _add_heatmap(figure: go.Figure, chart: Chart, columns: dict[str, list[Any]]) -> None:
    x = list(dict.fromkeys(_escaped(value) for value in columns[chart.x]))
    y = list(dict.fromkeys(_escaped(value) for value in columns[chart.y[0]]))
    cells = dict(
        zip(
            zip(map(_escaped, columns[chart.x]), map(_escaped, columns[chart.y[0]]), strict=True),
            columns[str(chart.value)],
            strict=True,
        )
    )
    figure.add_heatmap(
        x=x,
        y=y,
        z=[[cells.get((column, row)) for column in x] for row in y],
        colorscale="Cividis",
        colorbar={"tickformat": _TICKS[chart.format], "outlinewidth": 0, "thickness": 12},
        hovertemplate=f"%{{y}}, %{{x}}: %{{z:{_HOVER[chart.format]}}}<extra></extra>",
        hoverongaps=False,
    )
    figure.update_xaxes(type="category", tickformat=None)
    figure.update_yaxes(type="category", autorange="reversed", tickformat=None)


def _layout(kind: str, number_format: NumberFormat, x_title: str, y_title: str) -> dict[str, Any]:
    ticks = {"tickformat": _TICKS[number_format], "rangemode": "tozero"}
    plain = {"automargin": True, "title": {"text": html.escape(x_title)}}
    valued = {"automargin": True, "title": {"text": html.escape(y_title)}, **ticks}
    horizontal = kind == "horizontal_bar"
    return {
        "margin": _MARGIN,
        "xaxis": valued if horizontal else plain,
        "yaxis": {**plain, "autorange": "reversed", "type": "category", "showgrid": False} if horizontal else valued,
        "barmode": "stack" if kind == "stacked_bar" else "group",
        "hovermode": "closest" if kind in ("heatmap", "horizontal_bar") else "x unified",
        "legend": {"orientation": "h", "yanchor": "bottom", "y": 1.02, "xanchor": "left", "x": 0},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "bargap": 0.25,
    }


def _hover(number_format: NumberFormat, axis: str = "y") -> str:
    if axis == "x":
        return f"%{{y}}: %{{x:{_HOVER[number_format]}}}<extra></extra>"
    return f"%{{y:{_HOVER[number_format]}}}"


def _plain(figure: go.Figure) -> dict[str, Any]:
    """Data and layout as JSON values, without plotly's default template: the page has a light and a dark theme."""
    value: dict[str, Any] = figure.to_dict()
    value["layout"].pop("template", None)
    return value


def _plain_value(value: Any) -> Any:
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, datetime | date):
        return value.isoformat()
    return value if value is None or isinstance(value, int | float | str) else str(value)


def _escaped(value: Any) -> Any:
    """Escape a text for plotly, which renders a subset of HTML in its labels."""
    return html.escape(value, quote=False) if isinstance(value, str) else value


def _display_name(name: str) -> str:
    return name.replace("_", " ")


def _cell(value: Any, name: str, chart: Chart) -> str:
    values = (chart.value,) if chart.value else chart.y
    if name in values and isinstance(value, int | float):
        return format_number(value, chart.format)
    return "—" if value is None else str(value)
