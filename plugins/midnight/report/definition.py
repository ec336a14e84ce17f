"""The report's own figures and charts: the model of ``include/report.yml``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from midnight.configuration.base import ConfigurationModel
from midnight.configuration.yaml_document import YamlDocument
from midnight.errors import ConfigurationError

FILE_NAME = "report.yml"
NumberFormat = Literal["integer", "decimal", "percent"]


class Figure(ConfigurationModel):
    """One large number, with a comparison if its query returns one row per day.

    Args:
        title: shown above the number.
        sql: a query in DuckDB's SQL over the views ``reporting.*`` and ``gold.*``. It returns one row with one
            column; with ``day``, one row per day.
        format: of the value; ``percent`` expects 0 to 1, ``text`` shows it unchanged.
        note: small text next to the number.
        day: column with the day, of type DATE. The figure is then the value of the last day that the query returns,
            compared with an earlier day, and a line shows the last 30 days.
        value: with ``day``: column with the value, which is added up over the days.
        per: with ``day``: column by whose sum the sum of ``value`` is divided, so that each day of a share or a mean
            has the weight of its rows. Without it, the figure is the mean per day.
        days: with ``day``: how many days, up to the last one, are taken together.
        compare_days: with ``day``: how many days before them the days lie with which they are compared; 7 compares
            with the same weekdays.
        better: with ``day``: whether more or less is better, which colours the change.
    """

    title: str
    sql: str
    format: NumberFormat | Literal["text"] = "integer"
    note: str = ""
    day: str | None = None
    value: str | None = None
    per: str | None = None
    days: int = Field(default=1, ge=1, le=366)
    compare_days: int = Field(default=7, ge=1, le=3660)
    better: Literal["more", "less"] | None = None

    @model_validator(mode="after")
    def _fields_fit_together(self) -> Figure:
        if (self.day is None) != (self.value is None):
            raise ValueError(f"day is {self.day!r} and value is {self.value!r}; hint: write both, or neither")
        of_days = sorted({"per", "days", "compare_days", "better"} & self.model_fields_set)
        if self.day is None and of_days:
            raise ValueError(f"{', '.join(of_days)} without day; hint: add day and value, for one row per day")
        if self.day is not None and self.format == "text":
            raise ValueError("format is 'text' for a figure with day; hint: integer, decimal or percent")
        return self

    @property
    def named_columns(self) -> tuple[tuple[str, str], ...]:
        """The columns that the query must return, as (field of this model, column); none for a single value."""
        named = (("day", self.day), ("value", self.value), ("per", self.per))
        return tuple((field, name) for field, name in named if name)


class Chart(ConfigurationModel):
    """One chart.

    Args:
        title: shown above the chart.
        insight: a query that returns one text, the chart's subtitle: what its data say today. Without a row, or with
            NULL, there is none.
        description: what the chart shows, and its unit.
        kind: ``heatmap`` colours ``value`` over ``x`` and ``y``; ``dot`` and ``horizontal_bar`` have one line per
            ``x``; ``table`` has a bar in each cell of ``y``; the others plot ``y`` over ``x``.
        sql: a query in DuckDB's SQL over the views ``reporting.*`` and ``gold.*``; the chart keeps its order.
        x: column of the x axis; ``y`` lists the columns with the values, each one a series.
        series: column that splits a single ``y`` into series.
        value: column that sets the colour of a heatmap's cells.
        mean_days: for a ``line`` over days: draws the mean of this many days, and the single days thinly behind it.
        weight: with ``mean_days``: column with the weight of each day, such as the number of rows behind a share.
        format: of the values.
        wide: whether the chart takes the full width of the page.
    """

    title: str
    insight: str | None = None
    description: str = ""
    kind: Literal["line", "bar", "stacked_bar", "horizontal_bar", "dot", "heatmap", "table"]
    sql: str
    x: str
    y: tuple[str, ...] = Field(min_length=1)
    series: str | None = None
    value: str | None = None
    mean_days: int | None = Field(default=None, ge=2, le=366)
    weight: str | None = None
    x_title: str = ""
    y_title: str = ""
    format: NumberFormat = "integer"
    wide: bool = False

    @model_validator(mode="after")
    def _columns_fit_the_kind(self) -> Chart:
        if (self.kind == "heatmap") != (self.value is not None):
            raise ValueError(
                f"value is {self.value!r} for a chart of kind {self.kind!r}; hint: only a heatmap has a value"
            )
        if (self.kind == "heatmap" or self.series) and len(self.y) != 1:
            raise ValueError(
                f"y is {list(self.y)!r}; hint: a heatmap, and a chart with series, takes exactly one y column"
            )
        if self.series and self.kind == "table":
            raise ValueError(f"series is {self.series!r} for a table; hint: list its columns in y")
        if self.mean_days and (self.kind != "line" or self.series):
            raise ValueError(
                f"mean_days is {self.mean_days!r} for a chart of kind {self.kind!r}; hint: a line without series has it"
            )
        if self.weight and not self.mean_days:
            raise ValueError(f"weight is {self.weight!r} without mean_days; hint: add mean_days, or remove weight")
        return self

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that the query must return."""
        return tuple(name for _, name in self.named_columns)

    @property
    def named_columns(self) -> tuple[tuple[str, str], ...]:
        """The columns that the query must return, as (field of this model, column)."""
        more = (("series", self.series), ("value", self.value), ("weight", self.weight))
        named = [("x", self.x), *(("y", name) for name in self.y), *more]
        return tuple((field, name) for field, name in named if name)


class ReportDefinition(ConfigurationModel):
    """``include/report.yml``.

    Args:
        title: of the page.
        headline: a query that returns one text: what the newest data say, in one line below the title.
        figures: the large numbers.
        charts: in the order of the page.
    """

    title: str = "Midnight"
    headline: str | None = None
    figures: tuple[Figure, ...] = ()
    charts: tuple[Chart, ...] = ()

    @property
    def texts(self) -> Iterator[tuple[tuple[int | str, ...], str, str]]:
        """The queries that return one text: their location, what they are for, and the query."""
        if self.headline is not None:
            yield ("headline",), "headline", self.headline
        for index, chart in enumerate(self.charts):
            if chart.insight is not None:
                yield ("charts", index, "insight"), f"insight of chart {chart.title!r}", chart.insight


def load_report_definition(folder: Path) -> ReportDefinition:
    """Load ``report.yml`` of the configuration folder; without that file the page has no figures and charts.

    Raises:
        ConfigurationError: lists all problems of the file.
    """
    path = folder / FILE_NAME
    if not path.exists():
        return ReportDefinition()
    document = YamlDocument(path, folder)
    definition = document.validate(ReportDefinition)
    if definition is None:
        raise ConfigurationError(document.problems)
    return definition
