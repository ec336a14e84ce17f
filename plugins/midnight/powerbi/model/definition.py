"""The model of ``include/powerbi/model.yml``."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from midnight.configuration.base import ConfigurationModel
from midnight.configuration.yaml_document import Location, YamlDocument, located_error
from midnight.errors import ConfigurationError
from midnight.powerbi.model.folder_names import title_key
from midnight.powerbi.model.measures import Measure

FOLDER = Path("powerbi")
GRID_COLUMNS, GRID_ROWS = 12, 8
_COLUMN = re.compile(r"([^\[\]]+)\[([^\[\]]+)\]")
_MEASURE = re.compile(r"\[([^\[\]]+)\]")


def split_field(field: str) -> tuple[str | None, str]:
    """Table and column of ``Table[Column]``; None and the name of ``[Measure]``.

    Raises:
        ValueError: it is neither.
    """
    column, measure = _COLUMN.fullmatch(field), _MEASURE.fullmatch(field)
    if column:
        return column[1], column[2]
    if measure:
        return None, measure[1]
    raise ValueError(f"{field!r} is not a field; hint: write Table[Column] or [Measure]")


def _field(field: str) -> str:
    split_field(field)
    return field


Field_ = Annotated[str, AfterValidator(_field)]


class ModelTable(ConfigurationModel):
    """A table of the semantic model.

    Args:
        view: ``reporting.<view>``, ``gold.<model>`` for a dimension, or ``midnight.<view>``.
        description: shown in Power BI; default: that of the gold view's contract.
        date: column with the day; marks the table as date table.
        one_value: column whose values each describe the same things again (a factor, a scenario): the table's
            measures are blank unless a selection has one of them.
        sort: column -> the column that it is sorted by.
        hide: columns that reports do not need.
        describe: column -> description, for what a view computes.
    """

    view: str = Field(pattern=r"^(gold|reporting|midnight)\.\w+$")
    description: str = ""
    date: str | None = None
    one_value: str | None = None
    sort: dict[str, str] = Field(default_factory=dict)
    hide: tuple[str, ...] = ()
    describe: dict[str, str] = Field(default_factory=dict)


class Visual(ConfigurationModel):
    """A visual on a page.

    Args:
        category: the axis of a chart; ``values`` what is shown over it; ``legend`` splits one value into series.
        select: a slicer's value when the report is opened; such a slicer always has exactly one.
        at: column, row, width and height on the page's grid; a slicer of one row is a drop-down list.
    """

    kind: Literal["card", "line", "column", "bar", "table", "slicer"]
    title: str = Field(min_length=1)
    category: Field_ | None = None
    values: tuple[Field_, ...] = Field(min_length=1)
    legend: Field_ | None = None
    select: str | None = None
    at: tuple[int, int, int, int]

    @property
    def fields(self) -> tuple[str, ...]:
        return tuple(field for field in (self.category, *self.values, self.legend) if field is not None)

    @model_validator(mode="after")
    def _fits(self) -> Visual:
        column, row, width, height = self.at
        if min(column, row) < 0 or min(width, height) < 1 or column + width > GRID_COLUMNS or row + height > GRID_ROWS:
            raise ValueError(f"at {list(self.at)!r} is outside the grid of {GRID_COLUMNS} columns and {GRID_ROWS} rows")
        chart = self.kind in ("line", "column", "bar")
        if chart != (self.category is not None):
            raise ValueError(f"a {self.kind} {'needs a' if chart else 'has no'} category")
        if self.legend is not None and (not chart or len(self.values) > 1):
            raise ValueError("a legend needs a chart with one value")
        if self.kind == "slicer" and (len(self.values) > 1 or split_field(self.values[0])[0] is None):
            raise ValueError(f"a slicer shows one column, not {list(self.values)!r}")
        if self.select is not None and self.kind != "slicer":
            raise ValueError(f"a {self.kind} selects nothing; hint: remove select, or make it a slicer")
        return self


def _same_titles(field: str, titles: list[str]) -> list[tuple[Location, str]]:
    keys = [title_key(title) for title in titles]
    return [
        ((field, index, "title"), f"{titles[index]!r} is given twice; hint: give each its own title")
        for index, key in enumerate(keys)
        if keys.index(key) != index
    ]


def _table_column(field: str) -> str:
    if split_field(field)[0] is None:
        raise ValueError(f"{field!r} is a measure; hint: write Table[Column]")
    return field


class Page(ConfigurationModel):
    """A page and the question that it answers, which is its headline.

    Args:
        drill_through: columns whose values lead here from every other page (right-click, *Drill through*); such a page
            is not in the list of pages.
    """

    title: str = Field(min_length=1)
    question: str
    drill_through: tuple[Annotated[Field_, AfterValidator(_table_column)], ...] = ()
    visuals: tuple[Visual, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _nothing_overlaps(self) -> Page:
        taken: dict[tuple[int, int], str] = {}
        problems: list[tuple[Location, str]] = _same_titles("visuals", [visual.title for visual in self.visuals])
        for index, visual in enumerate(self.visuals):
            column, row, width, height = visual.at
            cells = [(c, r) for c in range(column, column + width) for r in range(row, row + height)]
            others = {taken[cell] for cell in cells if cell in taken}
            for other in sorted(others):
                problems.append((("visuals", index, "at"), f"overlaps {other!r}"))
            taken |= dict.fromkeys(cells, visual.title)
        if problems:
            raise located_error(problems)
        return self


class PowerBiDefinition(ConfigurationModel):
    """``model.yml``.

    Args:
        data_quality: add the page *Data quality* with its tables and measures (docs/power-bi.md).
    """

    name: str = Field(pattern=r"^\w[\w -]*$")  # names two folders and two items of the workspace
    description: str
    server: str
    database: str
    tables: dict[str, ModelTable] = Field(min_length=1)
    measures: tuple[Measure, ...] = ()
    pages: tuple[Page, ...] = Field(min_length=1)
    data_quality: bool = True

    @model_validator(mode="after")
    def _pages_differ(self) -> PowerBiDefinition:
        problems = _same_titles("pages", [page.title for page in self.pages])
        if self.pages[0].drill_through:  # the report opens with the first page
            problems.append((("pages", 0, "drill_through"), "is the first page; hint: put another page before it"))
        if problems:
            raise located_error(problems)
        return self


def read_definition(folder: Path) -> tuple[YamlDocument, PowerBiDefinition]:
    """The definition below the configuration folder, and its file for messages about it.

    Raises:
        ConfigurationError: with all problems of the file.
    """
    document = YamlDocument(folder / FOLDER / "model.yml", folder)
    definition = document.validate(PowerBiDefinition)
    if definition is None:
        raise ConfigurationError(document.problems)
    return document, definition
