"""The report's own figures and charts: the model of ``include/report.yml``."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from midnight.configuration.base import ConfigurationModel
from midnight.configuration.yaml_document import YamlDocument
from midnight.errors import ConfigurationError

FILE_NAME = "report.yml"
NumberFormat = Literal["integer", "decimal", "percent"]


class Figure(ConfigurationModel):
    """One large number.

    Args:
        title: shown above the number.
        sql: a query in DuckDB's SQL that returns one row with one column.
        format: of the value; ``percent`` expects 0 to 1, ``text`` shows it unchanged.
        note: small text below the number.
    """

    title: str
    sql: str
    format: NumberFormat | Literal["text"] = "integer"
    note: str = ""


class Chart(ConfigurationModel):
    """One chart.

    Args:
        kind: ``heatmap`` colours ``value`` over ``x`` and ``y``; the others plot ``y`` over ``x``.
        sql: a query in DuckDB's SQL over the views ``reporting.*`` and ``gold.*``; the chart keeps its order.
        x: column of the x axis; ``y`` lists the columns with the values, each one a series.
        series: column that splits a single ``y`` into series.
        value: column that sets the colour of a heatmap's cells.
        format: of the values.
        wide: whether the chart takes the full width of the page.
    """

    title: str
    description: str = ""
    kind: Literal["line", "bar", "stacked_bar", "horizontal_bar", "heatmap"]
    sql: str
    x: str
    y: tuple[str, ...] = Field(min_length=1)
    series: str | None = None
    value: str | None = None
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
        return self

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that the query must return."""
        return tuple(name for _, name in self.named_columns)

    @property
    def named_columns(self) -> tuple[tuple[str, str], ...]:
        """The columns that the query must return, as (field of this model, column)."""
        named = [("x", self.x), *(("y", name) for name in self.y), ("series", self.series), ("value", self.value)]
        return tuple((field, name) for field, name in named if name)


class ReportDefinition(ConfigurationModel):
    """``include/report.yml``."""

    title: str = "Midnight"
    figures: tuple[Figure, ...] = ()
    charts: tuple[Chart, ...] = ()


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
