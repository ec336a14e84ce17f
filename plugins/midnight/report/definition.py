"""What the report shows beside the night itself: the model of ``include/report.yml``."""

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
        title: above the number.
        sql: a query in DuckDB's SQL that gives one row with one column.
        format: how the value is written; ``percent`` expects 0 to 1, ``text`` leaves it as it is.
        note: small text below.
    """

    title: str
    sql: str
    format: NumberFormat | Literal["text"] = "integer"
    note: str = ""


class Chart(ConfigurationModel):
    """One chart.

    Args:
        kind: ``heatmap`` colours ``value`` over ``x`` and ``y``; the others draw ``y`` over ``x``.
        sql: a query in DuckDB's SQL over the views ``reporting.*`` and ``gold.*``; its order is the order of the chart.
        x: column; ``y`` the columns with the values, each a series.
        series: column that splits one ``y`` into series.
        value: column of a heatmap's colour.
        format: of the values.
        wide: takes the whole width of the page.
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
            raise ValueError("value is the colour of a heatmap: give it there, and only there")
        if (self.kind == "heatmap" or self.series) and len(self.y) != 1:
            raise ValueError(f"y must be one column here, not {list(self.y)!r}")
        return self

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that the query must give."""
        return tuple(name for _, name in self.named_columns)

    @property
    def named_columns(self) -> tuple[tuple[str, str], ...]:
        """The same, each with the field that names it."""
        named = [("x", self.x), *(("y", name) for name in self.y), ("series", self.series), ("value", self.value)]
        return tuple((field, name) for field, name in named if name)


class ReportDefinition(ConfigurationModel):
    """``include/report.yml``."""

    title: str = "Midnight"
    figures: tuple[Figure, ...] = ()
    charts: tuple[Chart, ...] = ()


def load_report_definition(folder: Path) -> ReportDefinition:
    """``report.yml`` of the configuration folder; without the file the page shows the night alone.

    Raises:
        ConfigurationError: with all problems of the file.
    """
    path = folder / FILE_NAME
    if not path.exists():
        return ReportDefinition()
    document = YamlDocument(path, folder)
    definition = document.validate(ReportDefinition)
    if definition is None:
        raise ConfigurationError(document.problems)
    return definition
