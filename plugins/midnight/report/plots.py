"""A chart as plotly's data and layout. Labels are escaped: plotly renders a subset of HTML in them."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go

from midnight.colours import SERIES
from midnight.report.day_means import mean_column
from midnight.report.definition import Chart, NumberFormat

_TICKS: dict[NumberFormat, str] = {"integer": ",d", "decimal": ",.1f", "percent": ".0%"}
_HOVER: dict[NumberFormat, str] = {"integer": ",d", "decimal": ",.1f", "percent": ".1%"}
_MARGIN = {"l": 8, "r": 8, "t": 8, "b": 8}
Series = tuple[str, Sequence[Any], Sequence[Any]]  # name, x and y
_DIGITS = 5  # of a number in a picture; the CSV has all


def plot(chart: Chart, columns: Mapping[str, Sequence[Any]]) -> dict[str, Any]:
    """Data and layout as JSON values, without plotly's default template: the page has a light and a dark theme.

    Args:
        chart: its definition.
        columns: of its query, and the means of ``mean_days``; each value is a JSON value.
    """
    rounded = {name: [_rounded(value) for value in values] for name, values in columns.items()}
    value: dict[str, Any] = _figure(chart, rounded).to_dict()
    value["layout"].pop("template", None)
    return value


def _rounded(value: Any) -> Any:
    return float(f"{value:.{_DIGITS}g}") if isinstance(value, float) else value


def _figure(chart: Chart, columns: Mapping[str, Sequence[Any]]) -> go.Figure:
    figure = go.Figure(layout=_layout(chart.kind, chart.format, chart.x_title, chart.y_title))
    if chart.kind == "heatmap":
        _add_heatmap(figure, chart, columns)
        return figure
    for index, (name, x, y) in enumerate(_series(chart, columns)):
        _add_series(figure, chart, index, (name, x, y))
        if chart.mean_days:
            figure.data[-1].update(line_width=1, opacity=0.45, name=f"{name}, by day")
            means = columns[mean_column(chart.y[index], chart.mean_days)]
            _add_series(figure, chart, index, (f"{name}, {chart.mean_days}-day mean", x, means))
            figure.data[-1].update(line_width=3)
    figure.update_layout(showlegend=len(figure.data) > 1)
    return figure


def _add_series(figure: go.Figure, chart: Chart, index: int, series: Series) -> None:
    name, x, y = series
    colour, hover = SERIES[index % len(SERIES)], _hover(chart.format)
    if chart.kind == "line":
        figure.add_scatter(x=x, y=y, name=name, mode="lines", line={"color": colour, "width": 2}, hovertemplate=hover)
    elif chart.kind == "dot":
        # The first series is filled; those behind it are rings, such as the value of an earlier month.
        marker = {"color": colour, "size": 11, "symbol": "circle-open" if index else "circle"}
        marker["line"] = {"width": 2 if index else 0}
        hover = _hover(chart.format, "x", name)
        figure.add_scatter(x=y, y=x, name=name, mode="markers", marker=marker, hovertemplate=hover)
    elif chart.kind == "horizontal_bar":
        hover = _hover(chart.format, "x")
        figure.add_bar(x=y, y=x, name=name, orientation="h", marker_color=colour, hovertemplate=hover)
    else:
        figure.add_bar(x=x, y=y, name=name, marker_color=colour, hovertemplate=hover)


def _series(chart: Chart, columns: Mapping[str, Sequence[Any]]) -> list[Series]:
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


def _add_heatmap(figure: go.Figure, chart: Chart, columns: Mapping[str, Sequence[Any]]) -> None:
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
    horizontal = kind in ("horizontal_bar", "dot")
    across = {"autorange": "reversed", "type": "category", "showgrid": kind == "dot", "dtick": 1}
    if kind == "dot":  # a position, not a length: zero is not part of it
        valued.pop("rangemode")
    return {
        "margin": _MARGIN,
        "xaxis": valued if horizontal else plain,
        "yaxis": {**plain, **across} if horizontal else valued,
        "barmode": "stack" if kind == "stacked_bar" else "group",
        "hovermode": "closest" if kind in ("heatmap", "horizontal_bar", "dot") else "x unified",
        "legend": {"orientation": "h", "yanchor": "bottom", "y": 1.02, "xanchor": "left", "x": 0},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "bargap": 0.25,
    }


def _hover(number_format: NumberFormat, axis: str = "y", name: str = "") -> str:
    if axis == "x":
        return f"%{{y}}: %{{x:{_HOVER[number_format]}}}<extra>{name}</extra>"
    return f"%{{y:{_HOVER[number_format]}}}"


def _escaped(value: Any) -> Any:
    return html.escape(value, quote=False) if isinstance(value, str) else value


def _display_name(name: str) -> str:
    return name.replace("_", " ")
