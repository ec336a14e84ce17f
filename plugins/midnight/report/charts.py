"""Charts, figures and texts of the report: their queries on the serving file, and their values for the page."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, TypeVar

import duckdb

from midnight.errors import ServingError
from midnight.report.day_figures import LargeNumber, day_figure
from midnight.report.day_means import mean_columns
from midnight.report.definition import Chart, Figure, ReportDefinition
from midnight.report.plots import plot
from midnight.report.templates import format_number

POINTS_MAXIMUM = 20_000
_LINE_HEIGHT, _AXIS_HEIGHT, _USUAL_HEIGHT = 20, 80, 330  # pixels; the last one also stands in page.css
Drawn = TypeVar("Drawn")


@dataclass(frozen=True)
class Cell:
    """A value for display.

    Args:
        text: of the value.
        bar: start and length of its bar as shares of the cell; None without a bar.
    """

    text: str
    bar: tuple[float, float] | None = None
    is_number: bool = False


@dataclass(frozen=True)
class DrawnChart:
    """A chart for the page.

    Args:
        chart: its definition.
        insight: the subtitle; empty without one.
        figure: plotly's data and layout; None for a table.
        columns: of the query, and the means that it has in addition.
        rows: the values for display.
        csv: the values as the query returned them (RFC 4180).
    """

    chart: Chart
    insight: str
    figure: dict[str, Any] | None
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    csv: str

    @property
    def picture(self) -> dict[str, Any] | None:
        """What plotly draws; None for a table, and without rows."""
        return self.figure if self.rows else None

    @property
    def height(self) -> int:
        """In pixels, of a chart with one line per row; 0 for the usual height."""
        lines = len({row[self.columns.index(self.chart.x)].text for row in self.rows})
        needed = lines * _LINE_HEIGHT + _AXIS_HEIGHT
        return needed if self.chart.kind in ("dot", "horizontal_bar") and needed > _USUAL_HEIGHT else 0


@dataclass(frozen=True)
class DrawnReport:
    """Everything that the queries of a report say."""

    headline: str
    figures: tuple[LargeNumber, ...]
    charts: tuple[DrawnChart, ...]


class _Queries:
    """Runs queries, and collects what is wrong with them."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection
        self.problems: list[str] = []

    def attempt(self, name: str, draw: Callable[..., Drawn], *arguments: Any) -> Drawn | None:
        try:
            return draw(*arguments)
        except (duckdb.Error, TypeError, ValueError) as error:
            self.problems.append(f"{name}: {error}")
            return None

    def rows(self, sql: str, wanted: tuple[str, ...] = ()) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
        """Names of the columns, and the rows."""
        cursor = self._connection.execute(sql)
        names = tuple(column[0] for column in cursor.description or ())
        missing = [name for name in wanted if name not in names]
        if missing:
            raise ValueError(f"its query returned no column {missing!r}, only {list(names)!r}")
        rows = cursor.fetchmany(POINTS_MAXIMUM + 1)
        if len(rows) > POINTS_MAXIMUM:
            raise ValueError(f"its query returned more than {POINTS_MAXIMUM:,} rows; hint: aggregate it")
        return names, rows

    def text(self, sql: str) -> str:
        """The one text of a query; empty without a row, and for NULL."""
        names, rows = self.rows(sql)
        if len(rows) > 1 or len(names) != 1:
            raise ValueError(f"its query returned {len(rows)} rows of {len(names)} columns instead of one text")
        return "" if not rows or rows[0][0] is None else str(rows[0][0])


def draw(connection: duckdb.DuckDBPyConnection, definition: ReportDefinition, *, partial: bool = False) -> DrawnReport:
    """Run the queries of all figures, charts and texts.

    Args:
        connection: to the serving file.
        definition: of the report.
        partial: the run has stopped tables: what reads a view that was never published is left out.

    Raises:
        ServingError: lists every query that fails.
    """
    queries = _Queries(connection)
    texts = {place: queries.attempt(name, queries.text, sql) or "" for place, name, sql in definition.texts}
    figures = [
        queries.attempt(f"figure {figure.title!r}", _large_number, queries, figure) for figure in definition.figures
    ]
    charts = [
        queries.attempt(
            f"chart {chart.title!r}", _draw_chart, queries, chart, texts.get(("charts", index, "insight"), "")
        )
        for index, chart in enumerate(definition.charts)
    ]
    problems = [p for p in queries.problems if not (partial and _reads_missing_view(p))]
    if problems:
        listed = "\n".join(f"  {problem}" for problem in problems)
        raise ServingError(
            f"{len(problems)} of the report's queries failed; the previous page is kept; "
            f"hint: correct include/report.yml, then clear this task:\n{listed}"
        )
    return DrawnReport(
        texts.get(("headline",), ""),
        tuple(figure for figure in figures if figure is not None),
        tuple(chart for chart in charts if chart is not None),
    )


def _reads_missing_view(problem: str) -> bool:
    """By the message of DuckDB; all names were checked before the run."""
    return "Catalog Error: Table with name " in problem and " does not exist" in problem


def _large_number(queries: _Queries, figure: Figure) -> LargeNumber:
    names, rows = queries.rows(figure.sql, tuple(name for _, name in figure.named_columns))
    if figure.day is not None:
        return day_figure(figure, [dict(zip(names, row, strict=True)) for row in rows])
    if len(rows) != 1 or len(names) != 1:
        raise ValueError(f"its query returned {len(rows)} rows of {len(names)} columns instead of a single value")
    value = rows[0][0]
    text = "—" if value is None else str(value) if figure.format == "text" else format_number(value, figure.format)
    return LargeNumber(figure.title, text, figure.note)


def _draw_chart(queries: _Queries, chart: Chart, insight: str) -> DrawnChart:
    names, rows = queries.rows(chart.sql, chart.columns)
    columns: dict[str, list[Any]] = {name: [row[index] for row in rows] for index, name in enumerate(names)}
    columns |= mean_columns(chart, columns)
    raw = list(zip(*columns.values(), strict=True))
    plain = {name: [_plain_value(value) for value in values] for name, values in columns.items()}
    return DrawnChart(
        chart,
        insight,
        None if chart.kind == "table" else plot(chart, plain),
        tuple(columns),
        tuple(zip(*(_cells(name, values, chart) for name, values in plain.items()), strict=True)),
        _csv(tuple(columns), raw),
    )


def _plain_value(value: Any) -> Any:
    """A value of JSON."""
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, datetime | date):
        return value.isoformat()
    return value if value is None or isinstance(value, int | float | str) else str(value)


def _cells(name: str, values: list[Any], chart: Chart) -> list[Cell]:
    """The cells of a column."""
    numbers = [value for value in values if _is_number(value)]
    low, high = min([0, *numbers]), max([0, *numbers])
    has_bar = chart.kind == "table" and name in chart.y and high > low

    def bar(value: Any) -> tuple[float, float] | None:
        if not has_bar or not _is_number(value):
            return None
        return (min(value, 0) - low) / (high - low), abs(value) / (high - low)

    return [Cell(_text(value, name, chart), bar(value), _is_number(value)) for value in values]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _text(value: Any, name: str, chart: Chart) -> str:
    if value is None or not _is_number(value):
        return "—" if value is None else str(value)
    shown = (chart.value,) if chart.value else chart.y
    if name not in shown and not any(name.startswith(f"{y}_mean_of_") for y in chart.y if chart.mean_days):
        return f"{value:,.4g}" if isinstance(value, float) else str(value)
    # In a table, numbers of rows stand next to shares and means.
    return format_number(value, "integer" if chart.kind == "table" and isinstance(value, int) else chart.format)


def _csv(columns: tuple[str, ...], rows: list[tuple[Any, ...]]) -> str:
    """All digits of all values, so that a spreadsheet can compute with them."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow([_no_formula(name) for name in columns])
    writer.writerows([[_raw(value) for value in row] for row in rows])
    return text.getvalue()


def _raw(value: Any) -> Any:
    if isinstance(value, datetime | date):
        return value.isoformat()
    return value if value is None or isinstance(value, int | float | Decimal) else _no_formula(str(value))


def _no_formula(cell: str) -> str:
    """A text that a spreadsheet would evaluate gets an apostrophe in front."""
    number = cell[:1] in ("+", "-") and cell[1:2].isdigit()
    return f"'{cell}" if cell[:1] in ("=", "+", "-", "@", "\t", "\r") and not number else cell
